/* `registry verify`: who signed an image of a registry, whoever made it (docs/signatures.md). */
#include "base/cleanup.h"
#include "base/name.h"
#include "cli/commands.h"
#include "cli/remote_registry.h"
#include "signing/public_key.h"
#include "signing/signature.h"

#include <string.h>

#define SERVER_MAX 1024
#define KEYS_MAX   CLI_REPEATED_MAX
#define SCOPE_MAX  (REPO_NAME_MAX + 32)
#define TRIES      3
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
    struct digest image;
    struct public_key *keys[KEYS_MAX];
    size_t n_keys;
    struct signature_list found;
};

static void auto_verifying_(struct verifying *v)
{
    for (size_t i = 0; i < v->n_keys; i++)
        public_key_free(v->keys[i]);
    signature_list_done(&v->found);
    if (v->open)
        remote_registry_done(&v->registry);
    remote_server_done(&v->server);
}

/* ---- what is asked for */

static enum err_code read_keys(struct verifying *v, struct err *e)
{
    const char *path;

    for (size_t i = 0; (path = cli_flag_nth(v->args, "--key", i)); i++) {
        if (v->n_keys == KEYS_MAX)
            return err_set(e, ERR_CONFIG, "--key: at most %d", KEYS_MAX);
        if (public_key_read(path, &v->keys[v->n_keys], e) != ERR_OK) {
            err_prefix(e, "--key %s", path);
            return e->code;
        }
        v->n_keys++;
    }
    return v->n_keys > 0 ? ERR_OK : err_set(e, ERR_CONFIG, "--key says whose signatures count");
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

static enum err_code open_registry(struct verifying *v, struct err *e)
{
    AUTO(buf) struct buf server = {0};
    struct str image = str_of(v->args->operand ? v->args->operand : "");

    buf_init(&server, SERVER_MAX);
    remote_server_split(v->args, &image, &server);
    TRY(take_image(v, image, e));
    TRY(remote_server_open(v->cli, v->args, buf_text(&server), &v->server, e));
    snprintf(v->scope, sizeof(v->scope), "repository:%s:pull", v->repo.text);
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
                                   struct err *e)
{
    struct verifying *v = ctx;
    char tag[DIGEST_TEXT_MAX + 1];
    enum err_code code =
        get(v, url_of(v, "referrers", subject->text), ERR_MANIFEST_UNKNOWN, ret, e);

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

static const char *key_name(const struct verifying *v, const struct signature *s)
{
    return cli_flag_nth(v->args, "--key", s->nth);
}

static size_t n_good(const struct verifying *v, size_t key)
{
    size_t n = 0;

    for (size_t i = 0; i < v->found.n; i++)
        n += v->found.rows[i].verdict == SIGNATURE_GOOD && v->found.rows[i].nth == key;
    return n;
}

/* By one of the keys; with --all by each. */
static bool is_verified(const struct verifying *v)
{
    size_t keys = 0;

    for (size_t i = 0; i < v->n_keys; i++)
        keys += n_good(v, i) > 0;
    return cli_flag(v->args, "--all") ? keys == v->n_keys : keys > 0;
}

static void print_people(const struct verifying *v)
{
    FILE *out = v->cli->out;

    for (size_t i = 0; i < v->found.n; i++) {
        const struct signature *s = &v->found.rows[i];

        fprintf(out, "%s  %s: %s%s%s\n", s->manifest.text, s->form,
                signature_verdict_text(s->verdict), s->signer == SIGNER_KEY ? ", key " : "",
                s->signer == SIGNER_KEY ? key_name(v, s) : "");
    }
    if (v->found.more)
        fprintf(out, "there are more; the first %d were looked at\n", SIGNATURES_MAX);
    for (size_t i = 0; cli_flag(v->args, "--all") && i < v->n_keys; i++) {
        if (n_good(v, i) == 0)
            fprintf(out, "not signed by key %s\n", cli_flag_nth(v->args, "--key", i));
    }
    fprintf(out, "%s %s: %s\n", v->args->operand, v->image.text,
            is_verified(v)    ? "verified"
            : v->found.n == 0 ? "not signed"
                              : "not verified");
}

static void print_json(const struct verifying *v)
{
    AUTO(buf) struct buf json = {0};

    buf_init(&json, 1u << 20);
    buf_addf(&json, "{\"digest\":\"%s\",\"verified\":%s,\"signatures\":[", v->image.text,
             is_verified(v) ? "true" : "false");
    for (size_t i = 0; i < v->found.n; i++) {
        const struct signature *s = &v->found.rows[i];

        buf_addf(&json, "%s{\"manifest\":\"%s\",\"form\":\"%s\",\"verdict\":\"%s\",\"key\":",
                 i > 0 ? "," : "", s->manifest.text, s->form, signature_verdict_name(s->verdict));
        if (s->signer == SIGNER_KEY)
            buf_add_json(&json, str_of(public_key_fingerprint(v->keys[s->nth])));
        else
            buf_add_text(&json, "null");
        buf_add_char(&json, '}');
    }
    buf_addf(&json, "],\"more\":%s}\n", v->found.more ? "true" : "false");
    fputs(buf_text(&json), v->cli->out);
}

static enum err_code verify(struct verifying *v, struct err *e)
{
    const struct signature_source source = {
        .manifest = get_manifest, .referrers = get_referrers, .blob = get_blob, .ctx = v};
    struct trust trust;

    TRY(read_keys(v, e));
    TRY(open_registry(v, e));
    TRY(resolve(v, e));
    trust = (struct trust){.keys = v->keys, .n_keys = v->n_keys};
    return signatures_find(&source, &v->image, &trust, &v->found, e);
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
