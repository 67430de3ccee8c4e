#include "scan/pull_image.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/reader.h"
#include "core/manifest.h"
#include "core/pull.h"
#include "core/referrers.h"
#include "core/runnable.h"
#include "core/scan_wish.h"
#include "jobs/jobs.h"
#include "scan/findings_blob.h"
#include "scan/result.h"

#include <stdlib.h>

#define DOCUMENTS_MAX 64                   /* that are attached to an image, and their layers */
#define REFERRERS_MAX 1024                 /* that are looked at for them */
#define DOCUMENT_MS   ((int64_t)60 * 1000) /* one may be deleted, which nobody notices */

static struct str text_of(const json_t *of, const char *key)
{
    const json_t *text = json_object_get(of, key);

    return json_is_string(text) ? (struct str){json_string_value(text), json_string_length(text)}
                                : STR("");
}

static json_t *parse(struct str text)
{
    return json_shallow(text) ? json_loadb(text.p, text.n, 0, NULL) : NULL;
}

/* ---- documents */

static bool is_vex(struct str artifact_type)
{
    return str_ieq(artifact_type, STR("application/vnd.openvex+json")) ||
           str_ieq(artifact_type, STR("application/openvex+json")) ||
           str_ieq(artifact_type, STR("application/vnd.openvex")) ||
           str_ieq(artifact_type, STR("application/vnd.in-toto+json"));
}

bool pull_image_says(struct str manifest)
{
    AUTO(json) json_t *j = parse(manifest);
    struct str type = text_of(j, "artifactType");

    return is_vex(type.n > 0 ? type : text_of(json_object_get(j, "config"), "mediaType"));
}

struct documents {
    struct digest digests[DOCUMENTS_MAX];
    size_t n;
};

static bool take_document(void *ctx, const struct meta_referrer *row)
{
    struct documents *d = ctx;

    if (!is_vex(str_of(row->artifact_type)))
        return true;
    if (d->n == DOCUMENTS_MAX)
        return false;
    d->digests[d->n++] = row->digest;
    return true;
}

static enum err_code read_blob(struct registry *r, const struct repo_name *repo,
                               const struct digest *d, struct buf *ret, struct err *e)
{
    AUTO(reader) struct reader *reader = NULL;
    uint64_t size_bytes;
    size_t n = 1;

    TRY(pull_blob(r, repo, d, &reader, &size_bytes, e));
    if (size_bytes > VEX_DOCUMENT_MAX)
        return err_set(e, ERR_MANIFEST_INVALID, "a document has %llu bytes",
                       (unsigned long long)size_bytes);
    while (n > 0) {
        char *p = buf_reserve(ret, size_bytes + 1 - ret->n);

        TRY(reader_read_waiting(reader, p, size_bytes + 1 - ret->n, &n, e));
        ret->n += n;
        if (ret->n > size_bytes)
            return err_set(e, ERR_CORRUPT, "blob %s is longer than it was", d->text);
    }
    return ERR_OK;
}

static enum err_code add_layer(struct registry *r, const struct repo_name *repo,
                               const json_t *layer, struct vex *vex, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};
    struct digest d;

    TRY(digest_parse(text_of(layer, "digest"), &d, e));
    buf_init(&bytes, VEX_DOCUMENT_MAX + 2);
    TRY(read_blob(r, repo, &d, &bytes, e));
    return vex_add(vex, buf_str(&bytes), e);
}

/* Is it the registry that fails, and not the document? */
static bool passes(enum err_code code)
{
    return err_status(code) >= 500 && code != ERR_CORRUPT;
}

/* *left: layers that may still be read. One that can't be says nothing, and the others still do. */
static enum err_code add_document(struct registry *r, const struct repo_name *repo,
                                  const struct digest *d, struct vex *vex, size_t *left,
                                  struct err *e)
{
    struct reference ref = {.is_digest = true, .digest = *d};
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    AUTO(json) json_t *j = NULL;
    const json_t *layers;

    TRY(pull_manifest(r, repo, &ref, &m, e));
    j = parse(m->bytes);
    layers = json_object_get(j, "layers");
    for (size_t i = 0; i < json_array_size(layers); i++, (*left)--) {
        enum err_code code;

        if (*left == 0) {
            vex_overflow(vex);
            return ERR_OK;
        }
        code = add_layer(r, repo, json_array_get(layers, i), vex, e);
        if (passes(code))
            return code;
    }
    return ERR_OK;
}

/* A document that can't be read says nothing, and the others still do. One that is not looked at,
 * for there are too many, might take back what they say. */
static enum err_code add_documents(struct registry *r, const struct repo_name *repo,
                                   const struct digest *subject, int64_t now_ms,
                                   struct gate_image *i, struct err *e)
{
    const struct referrers_query q = {.repo = repo, .subject = subject, .limit = REFERRERS_MAX};
    struct documents found = {.n = 0};
    size_t left = DOCUMENTS_MAX;
    bool more;

    TRY(referrers_each(r, &q, take_document, &found, &more, e));
    if (found.n == 0)
        return ERR_OK;
    if (!i->vex)
        i->vex = vex_new(subject);
    i->until_ms = now_ms + DOCUMENT_MS;
    if (more)
        vex_overflow(i->vex);
    for (size_t k = 0; k < found.n; k++) {
        enum err_code code = add_document(r, repo, &found.digests[k], i->vex, &left, e);

        if (passes(code))
            return code;
    }
    i->image.vex = i->vex;
    return ERR_OK;
}

/* ---- what scanners found */

static uint64_t count_from(const struct scan_result *s, uint64_t least)
{
    uint64_t n = 0;

    for (size_t i = least; i < SEVERITIES; i++)
        n += s->counts[i];
    return n;
}

/* Of an image whose findings are lost: a new scan brings them. What fails here is tried at the
 * next look. */
static void ask_again(struct registry *r, const struct repo_name *repo, const struct digest *d,
                      const struct scan_result *s)
{
    char key[SCAN_KEY_MAX + 1];

    if (s->stale || scan_result_make_stale(r, d, ERR_IGNORED) != ERR_OK || !r->jobs)
        return;
    scan_key(repo, d, key);
    if (jobs_add(r->jobs, SCAN_AGAIN, str_of(key), ERR_IGNORED) == ERR_OK)
        jobs_wake(r->jobs);
}

static enum err_code take_findings(struct registry *r, const struct repo_name *repo,
                                   const struct digest *d, const struct scan_result *s,
                                   const struct conf_pull_rule *rule, struct gate_image *i,
                                   struct err *e)
{
    uint64_t n = count_from(s, rule->severity);
    enum err_code code = ERR_OK;

    if (n > 0)
        code = findings_read(r, s, (enum severity)rule->severity, &i->findings, e);
    if (code == ERR_CORRUPT || code == ERR_BLOB_UNKNOWN || (code == ERR_OK && i->findings.n < n)) {
        memcpy(i->image.unread, rule->fixable ? s->fixable : s->counts, sizeof(i->image.unread));
        i->image.unread_ms = s->oldest_ms;
        ask_again(r, repo, d, s);
        return ERR_OK;
    }
    i->image.findings = i->findings.items;
    i->image.n = i->findings.n;
    return code;
}

static void take_reason(struct str reason, struct gate_image *i)
{
    i->image.standing = PULL_UNSCANNABLE;
    snprintf(i->reason, sizeof(i->reason), STR_FMT, STR_ARG(reason));
    i->image.reason = i->reason;
}

static enum err_code take_result(struct registry *r, const struct repo_name *repo,
                                 const struct digest *d, const struct conf_pull_rule *rule,
                                 struct gate_image *i, struct err *e)
{
    AUTO(mem) struct scan_result *s = NEW(struct scan_result);
    enum err_code code = scan_result_get(r, d, s, NULL, e);

    i->image.standing = PULL_UNSCANNED;
    i->image.reason = "";
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(code);
    switch (s->status) {
    case SCAN_COMPLETED:
        i->image.standing = PULL_SCANNED;
        i->image.data_ms = s->facts.data_ms ? s->facts.data_ms : s->scanned_ms;
        if (s->facts.partial) /* of what was not looked at nothing is known */
            take_reason(str_of(s->facts.note), i);
        return take_findings(r, repo, d, s, rule, i, e);
    case SCAN_FAILED:
    case SCAN_UNSUPPORTED:
    case SCAN_NOT_APPLICABLE: /* what a scanner calls so, but could be run */
        take_reason(str_of(s->reason), i);
        return ERR_OK;
    default:
        return ERR_OK;
    }
}

enum err_code pull_image_look(void *registry, const struct repo_name *repo, const struct digest *d,
                              const struct conf_pull_rule *rule, int64_t now_ms,
                              struct gate_image *ret_image, struct err *e)
{
    struct registry *r = registry;
    AUTO(out_manifest) struct out_manifest m = {0};
    struct str unused;
    bool runs;

    TRY(out_manifest_by_digest(r, repo, d, &m, e));
    TRY(runnable_image(r, repo, &m, &runs, &unused, e));
    if (!runs) {
        ret_image->exempt = true;
        return ERR_OK;
    }
    TRY(take_result(r, repo, d, rule, ret_image, e));
    if (pull_rule_waits(rule) && ret_image->image.standing == PULL_SCANNED)
        TRY(scan_awaited_over(r, repo, d, e));
    else if (pull_rule_waits(rule))
        TRY(scan_awaited_since(r, repo, d, now_ms, &ret_image->image.pushed_ms, e));
    if (ret_image->image.n > 0 && rule->vex)
        return add_documents(r, repo, d, now_ms, ret_image, e);
    return ERR_OK;
}

/* Documents may come with it, or may be there before it. */
static enum err_code add_all_documents(struct registry *r, const struct image_case *c,
                                       int64_t now_ms, struct gate_image *i, struct err *e)
{
    enum err_code code;

    TRY(add_documents(r, c->held, c->digest, now_ms, i, e));
    code = add_documents(r, c->repo, c->digest, now_ms, i, e);
    return code == ERR_NAME_UNKNOWN ? ERR_OK : code;
}

enum err_code pull_image_look_held(struct registry *r, const struct image_case *c,
                                   const struct conf_pull_rule *rule, int64_t now_ms,
                                   struct gate_image *ret_image, struct err *e)
{
    AUTO(out_manifest) struct out_manifest m = {0};
    struct str unused;
    bool runs;

    TRY(out_manifest_by_digest(r, c->held, c->digest, &m, e));
    TRY(runnable_image(r, c->held, &m, &runs, &unused, e));
    ret_image->exempt = !runs;
    if (!runs)
        return ERR_OK;
    TRY(take_result(r, c->held, c->digest, rule, ret_image, e));
    ret_image->image.repo = c->repo;
    ret_image->image.pushed_ms = now_ms;
    return ret_image->image.n > 0 && rule->vex ? add_all_documents(r, c, now_ms, ret_image, e)
                                               : ERR_OK;
}
