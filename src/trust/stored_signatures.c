#include "trust/stored_signatures.h"

#include "base/cleanup.h"
#include "base/reader.h"
#include "core/pull.h"
#include "core/referrers.h"

#include <stdio.h>

#define REFERRERS_MAX 4096 /* that are looked at for signatures */
#define ROW_MAX       4096
#define END           "]}"

static enum err_code too_large(const struct buf *b, struct err *e)
{
    return b->full ? err_set(e, ERR_CORRUPT, "has more than %zu bytes", b->max) : ERR_OK;
}

/* A repository that is not there has nothing. */
static enum err_code get_manifest(void *ctx, const char *reference, struct buf *ret,
                                  struct digest *ret_digest, struct err *e)
{
    const struct stored_signatures *s = ctx;
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct reference ref;
    enum err_code code;

    TRY(reference_parse(str_of(reference), &ref, e));
    code = pull_manifest(s->registry, s->repo, &ref, &m, e);
    if (code == ERR_NAME_UNKNOWN)
        return e->code = ERR_MANIFEST_UNKNOWN;
    TRY(code);
    buf_add_str(ret, m->bytes);
    *ret_digest = m->digest;
    return too_large(ret, e);
}

struct listing {
    struct buf *json;
    size_t n, looks;
    bool more;
};

/* Others may be any number. */
static bool may_be_signature(struct str type)
{
    return str_contains(type, STR("sigstore")) || str_contains(type, STR("cosign")) ||
           str_contains(type, STR("notary"));
}

/* What there is no room for is left out, and the list stays one. */
static bool list_row(void *ctx, const struct meta_referrer *row)
{
    struct listing *l = ctx;
    AUTO(buf) struct buf text = {0};

    if (l->looks++ == REFERRERS_MAX) {
        l->more = true;
        return false;
    }
    if (!may_be_signature(str_of(row->artifact_type)))
        return true;
    buf_init(&text, ROW_MAX);
    buf_addf(&text, "%s{\"digest\":\"%s\",\"artifactType\":", l->n > 0 ? "," : "",
             row->digest.text);
    buf_add_json(&text, str_of(row->artifact_type));
    buf_add_char(&text, '}');
    if (text.full || l->json->n + text.n + strlen(END) > l->json->max) {
        l->more = true;
        return true;
    }
    buf_add_str(l->json, buf_str(&text));
    l->n++;
    return true;
}

static enum err_code get_referrers(void *ctx, const struct digest *subject, struct buf *ret,
                                   bool *ret_more, struct err *e)
{
    const struct stored_signatures *s = ctx;
    const struct referrers_query q = {
        .repo = s->repo, .subject = subject, .limit = REFERRERS_MAX + 1};
    struct listing l = {.json = ret};
    bool more;

    buf_add_text(ret, "{\"manifests\":[");
    TRY(referrers_each(s->registry, &q, list_row, &l, &more, e));
    buf_add_text(ret, END);
    *ret_more = l.more;
    return too_large(ret, e);
}

static enum err_code get_blob(void *ctx, const struct digest *d, struct buf *ret, struct err *e)
{
    const struct stored_signatures *s = ctx;
    AUTO(reader) struct reader *reader = NULL;
    uint64_t size_bytes;
    size_t n = 1;

    TRY(pull_blob(s->registry, s->repo, d, &reader, &size_bytes, e));
    if (size_bytes > ret->max)
        return err_set(e, ERR_CORRUPT, "blob %s has more than %zu bytes", d->text, ret->max);
    while (n > 0 && ret->n < size_bytes) {
        size_t room = (size_t)size_bytes - ret->n;

        TRY(reader_read_waiting(reader, buf_reserve(ret, room), room, &n, e));
        ret->n += n;
    }
    return ERR_OK;
}

void stored_signatures_init(struct stored_signatures *s, struct registry *r,
                            const struct repo_name *repo, int64_t now_ms)
{
    *s = (struct stored_signatures){
        .registry = r,
        .repo = repo,
        .source = {.manifest = get_manifest,
                   .referrers = get_referrers,
                   .blob = get_blob,
                   .now_ms = now_ms},
    };
    snprintf(s->repository, sizeof(s->repository), "/%s", repo->text); /* under any host */
    s->source.repository = s->repository;
    s->source.ctx = s;
}
