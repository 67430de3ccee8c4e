/* `registry verify`: who signed an image of a registry, whoever made it (docs/signatures.md). */
#include "base/cleanup.h"
#include "base/name.h"
#include "cli/commands.h"
#include "cli/remote_registry.h"
#include "cli/verify_trust.h"
#include "signing/signature.h"
#include "signing/signature_json.h"
#include "signing/statement.h"

#include <string.h>

#define SERVER_MAX     1024
#define SCOPE_MAX      (REPO_NAME_MAX + 32)
#define TRIES          3
#define LINE_MAX_BYTES (16u << 10)
#define ACCEPTED                                                                                   \
    "Accept: application/vnd.oci.image.manifest.v1+json, "                                         \
    "application/vnd.oci.image.index.v1+json, "                                                    \
    "application/vnd.docker.distribution.manifest.v2+json, "                                       \
    "application/vnd.docker.distribution.manifest.list.v2+json"

struct verifying {
    struct cli *cli;
    const struct cli_args *args;
    struct remote_server server;
    struct remote_registry registry;
    bool open; /* the registry is */
    struct repo_name repo;
    char reference[DIGEST_TEXT_MAX + 1], scope[SCOPE_MAX], url[REMOTE_URL_MAX];
    char name[REMOTE_URL_MAX]; /* HOST/REPOSITORY */
    struct digest image;
    struct verify_trust trust;
    struct statement_demand demand; /* without a predicate type: none, signatures are looked for */
    struct signature_list found;
};

static void auto_verifying_(struct verifying *v)
{
    verify_trust_done(&v->trust);
    signature_list_done(&v->found);
    if (v->open)
        remote_registry_done(&v->registry);
    remote_server_done(&v->server);
}

/* ---- what is asked for */

static enum err_code read_demand(struct verifying *v, struct err *e)
{
    v->demand.predicate_type = cli_flag(v->args, "--attestation");
    v->demand.builder = cli_flag(v->args, "--builder");
    if (v->demand.builder && !v->demand.predicate_type)
        return err_set(e, ERR_CONFIG, "--builder goes with --attestation, which is missing");
    if (v->demand.predicate_type && statement_demand_check(&v->demand, e) != ERR_OK)
        return err_prefix(e, "--attestation");
    return ERR_OK;
}

/* NAME, NAME:TAG or NAME@DIGEST. */
static enum err_code take_image(struct verifying *v, struct str image, struct err *e)
{
    struct str name = image, reference = STR("latest");
    const char *at = memchr(image.p, '@', image.n);
    const char *colon = at ? at : memrchr(image.p, ':', image.n);

    if (colon) {
        name.n = (size_t)(colon - image.p);
        reference = str_sub(image, name.n + 1, image.n - name.n - 1);
    }
    if (repo_name_parse(name, &v->repo, ERR_IGNORED) != ERR_OK || reference.n == 0 ||
        !str_copy(reference, v->reference, sizeof(v->reference)))
        return err_set(e, ERR_CONFIG, "'%.200s' is no image; write NAME:TAG or NAME@DIGEST",
                       v->args->operand);
    return at ? digest_parse(reference, &v->image, e) : ERR_OK;
}

/* As trust policies of notation have it. */
static void name_image(struct verifying *v)
{
    const char *url = buf_text(&v->server.url), *host = strstr(url, "://");

    host = host ? host + strlen("://") : url;
    snprintf(v->name, sizeof(v->name), "%.*s/%s", (int)strcspn(host, "/"), host, v->repo.text);
}

static enum err_code open_registry(struct verifying *v, struct err *e)
{
    AUTO(buf) struct buf server = {0};
    struct str image = str_of(v->args->operand ? v->args->operand : "");

    buf_init(&server, SERVER_MAX);
    remote_server_split(v->args, &image, &server);
    TRY(take_image(v, image, e));
    TRY(remote_server_open(v->cli, v->args, buf_text(&server), &v->server, e));
    snprintf(v->scope, sizeof(v->scope), "repository:%s:pull", v->repo.text);
    name_image(v);
    remote_registry_init(&v->registry, &v->server, v->scope);
    v->open = true;
    return ERR_OK;
}

/* ---- what the registry has */

static const char *url_of(struct verifying *v, const char *kind, const char *reference)
{
    snprintf(v->url, sizeof(v->url), STR_FMT "/v2/%s/%s/%s", STR_ARG(buf_str(&v->server.url)),
             v->repo.text, kind, reference);
    return v->url;
}

static enum err_code ask(struct verifying *v, const char *method, const char *url,
                         struct remote_answer *a, struct err *e)
{
    const struct remote_request q = {
        .method = method, .url = url, .header = ACCEPTED, .tries = TRIES};

    return remote_registry_run(&v->registry, &q, a, e);
}

/* missing is the error of a 404. Registries send blobs from elsewhere. */
static enum err_code get(struct verifying *v, const char *url, enum err_code missing,
                         struct buf *ret, struct err *e)
{
    AUTO(remote_answer) struct remote_answer a = {0};

    TRY(ask(v, "GET", url, &a, e));
    if ((a.status == 302 || a.status == 303 || a.status == 307 || a.status == 308) &&
        a.location[0]) {
        char elsewhere[REMOTE_URL_MAX];

        memcpy(elsewhere, a.location, sizeof(elsewhere));
        TRY(ask(v, "GET", elsewhere, &a, e));
    }
    if (a.status == 404)
        return err_set(e, missing, "the registry has no %.200s", url);
    if (a.status != 200)
        return remote_registry_refused(&v->registry, &a, e);
    buf_add_str(ret, buf_str(&a.body));
    return ret->full ? err_set(e, ERR_CORRUPT, "an answer is larger than %zu bytes", ret->max)
                     : ERR_OK;
}

static enum err_code get_manifest(void *ctx, const char *reference, struct buf *ret,
                                  struct digest *ret_digest, struct err *e)
{
    struct verifying *v = ctx;

    TRY(get(v, url_of(v, "manifests", reference), ERR_MANIFEST_UNKNOWN, ret, e));
    digest_of(DIGEST_SHA256, ret->p, ret->n, ret_digest);
    return ERR_OK;
}

/* A registry without the API has what clients wrote in its stead (dist-spec, "Referrers Tag
 * Schema"), or nothing. */
static enum err_code get_referrers(void *ctx, const struct digest *subject, struct buf *ret,
                                   bool *ret_more, struct err *e)
{
    struct verifying *v = ctx;
    char tag[DIGEST_TEXT_MAX + 1];
    enum err_code code =
        get(v, url_of(v, "referrers", subject->text), ERR_MANIFEST_UNKNOWN, ret, e);

    (void)ret_more;
    if (code != ERR_MANIFEST_UNKNOWN)
        return code;
    snprintf(tag, sizeof(tag), "%s-%s", digest_algorithm_name(subject->algorithm),
             digest_hex(subject).p);
    code = get(v, url_of(v, "manifests", tag), ERR_MANIFEST_UNKNOWN, ret, e);
    return code == ERR_MANIFEST_UNKNOWN ? ERR_OK : code;
}

static enum err_code get_blob(void *ctx, const struct digest *d, struct buf *ret, struct err *e)
{
    struct verifying *v = ctx;
    struct digest come;

    TRY(get(v, url_of(v, "blobs", d->text), ERR_BLOB_UNKNOWN, ret, e));
    digest_of(d->algorithm, ret->p, ret->n, &come);
    return digest_eq(&come, d)
               ? ERR_OK
               : err_set(e, ERR_CORRUPT, "blob %s is not what it is called", d->text);
}

static enum err_code resolve(struct verifying *v, struct err *e)
{
    AUTO(remote_answer) struct remote_answer a = {0};

    TRY(ask(v, "HEAD", url_of(v, "manifests", v->reference), &a, e));
    if (a.status == 404)
        return err_set(e, ERR_MANIFEST_UNKNOWN, "the registry has no image '%.200s'",
                       v->args->operand);
    if (a.status != 200)
        return remote_registry_refused(&v->registry, &a, e);
    if (v->image.n > 0)
        return ERR_OK;
    if (digest_parse(str_of(a.digest), &v->image, ERR_IGNORED) == ERR_OK)
        return ERR_OK;
    return err_set(e, ERR_UNSUPPORTED,
                   "the registry does not say which digest the tag has; write NAME@DIGEST");
}

/* ---- what came of it */

static bool counts(const struct verifying *v, const struct signature *s)
{
    return s->verdict == SIGNATURE_GOOD &&
           (!v->demand.predicate_type || statement_meets(s, &v->demand));
}

static bool is_by(const struct verifying *v, size_t signer)
{
    bool found = false;

    for (size_t i = 0; i < v->found.n && !found; i++)
        found = counts(v, &v->found.rows[i]) &&
                verify_trust_signer(&v->trust, &v->found.rows[i]) == signer;
    return found;
}

/* By one of those who are trusted; with --all by each. */
static bool is_verified(const struct verifying *v)
{
    size_t n = verify_trust_count(&v->trust), by = 0;

    for (size_t i = 0; i < n; i++)
        by += is_by(v, i);
    return cli_flag(v->args, "--all") ? by == n : by > 0;
}

/* What is foreign, as a JSON string: no escape codes for a terminal, no line breaks. */
static void add_said(struct buf *b, const char *before, const char *text)
{
    if (text && text[0]) {
        buf_add_text(b, before);
        buf_add_json(b, str_of(text));
    }
}

static void print_row(const struct verifying *v, const struct signature *s)
{
    size_t signer = verify_trust_signer(&v->trust, s);
    AUTO(buf) struct buf line = {0};

    buf_init(&line, LINE_MAX_BYTES);
    buf_addf(&line, "%s  %s", s->manifest.text, s->form);
    add_said(&line, " of ", s->predicate);
    add_said(&line, " by builder ", s->builder);
    buf_addf(&line, ": %s", signature_verdict_text(s->verdict));
    if (signer < verify_trust_count(&v->trust)) {
        buf_add_text(&line, ", ");
        verify_trust_name(v->args, &v->trust, signer, &line);
    }
    add_said(&line, ", of ", s->identity);
    add_said(&line, ", issuer ", s->issuer);
    if (s->why)
        buf_addf(&line, " (%s)", s->why);
    fprintf(v->cli->out, "%s\n", buf_text(&line));
}

static void print_people(const struct verifying *v)
{
    FILE *out = v->cli->out;
    bool attested = v->demand.predicate_type != NULL;

    for (size_t i = 0; i < v->found.n; i++)
        print_row(v, &v->found.rows[i]);
    if (v->found.more)
        fprintf(out, "there are more; the first %zu were looked at\n", v->found.n);
    for (size_t i = 0; cli_flag(v->args, "--all") && i < verify_trust_count(&v->trust); i++) {
        AUTO(buf) struct buf name = {0};

        buf_init(&name, LINE_MAX_BYTES);
        verify_trust_name(v->args, &v->trust, i, &name);
        if (!is_by(v, i))
            fprintf(out, "not %s by %s\n", attested ? "attested" : "signed", buf_text(&name));
    }
    fprintf(out, "%s %s: %s\n", v->args->operand, v->image.text,
            is_verified(v)    ? "verified"
            : v->found.n != 0 ? "not verified"
            : attested        ? "not attested"
                              : "not signed");
}

static void print_json(const struct verifying *v)
{
    AUTO(buf) struct buf json = {0};

    buf_init(&json, 1u << 20);
    buf_addf(&json, "{\"digest\":\"%s\",\"verified\":%s,\"%s\":[", v->image.text,
             is_verified(v) ? "true" : "false",
             v->demand.predicate_type ? "attestations" : "signatures");
    for (size_t i = 0; i < v->found.n; i++) {
        if (i > 0)
            buf_add_char(&json, ',');
        signature_json(&json, &v->found.rows[i], &v->trust.trust);
    }
    buf_addf(&json, "],\"more\":%s}\n", v->found.more ? "true" : "false");
    fputs(buf_text(&json), v->cli->out);
}

static enum err_code verify(struct verifying *v, struct err *e)
{
    const struct signature_source source = {.manifest = get_manifest,
                                            .referrers = get_referrers,
                                            .blob = get_blob,
                                            .ctx = v,
                                            .repository = v->name};

    TRY(verify_trust_read(v->args, &v->trust, e));
    TRY(read_demand(v, e));
    TRY(open_registry(v, e));
    TRY(resolve(v, e));
    return (v->demand.predicate_type ? attestations_find : signatures_find)(
        &source, &v->image, &v->trust.trust, &v->found, e);
}

int cli_verify(struct cli *cli, const struct cli_args *args)
{
    AUTO(verifying) struct verifying v = {.cli = cli, .args = args};
    struct err e;
    enum err_code code = verify(&v, &e);

    if (code != ERR_OK) {
        fprintf(cli->err, "registry: %s\n", e.detail);
        return code == ERR_CONFIG ? CLI_USAGE : CLI_FAILED;
    }
    if (cli_flag(args, "--json"))
        print_json(&v);
    else
        print_people(&v);
    return is_verified(&v) ? CLI_OK : CLI_DENIED;
}
