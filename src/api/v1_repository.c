/* Whole repositories. */
#include "api/access.h"
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "base/clock.h"
#include "core/bulk.h"

#define BODY_MAX 4096
#define TIME_MS  20000 /* then the answer says that there is more */

struct removal {
    struct req *q;
    int64_t end_ms;
};

/* Whoever may not delete a tag does not by deleting the repository. */
static enum err_code may_untag(void *ctx, const struct tag_name *tag, struct err *e)
{
    const struct removal *r = ctx;

    if (access_may(r->q, ACTION_DELETE, &r->q->name, tag))
        return ERR_OK;
    return err_tell(e, ERR_DENIED, "%s may not delete tag '%s', which is in it", req_actor(r->q),
                    tag->text);
}

static bool has_time(void *ctx, const struct bulk_counts *done)
{
    const struct removal *r = ctx;

    (void)done;
    return clock_mono_ms() < r->end_ms;
}

/* state: what became of what the counts are of. */
static void reply_counts(struct req *q, int status, const char *state, const struct bulk_counts *c)
{
    AUTO(buf) struct buf body = {0};

    buf_init(&body, BODY_MAX);
    buf_add_text(&body, "{\"name\":");
    buf_add_json(&body, repo_name_str(&q->name));
    buf_addf(&body,
             ",\"state\":\"%s\",\"tags\":%llu,\"manifests\":%llu,\"blobs\":%llu,"
             "\"own_bytes\":%llu,\"shared_bytes\":%llu,\"reclaimable_bytes\":%llu}\n",
             state, (unsigned long long)c->tags, (unsigned long long)c->manifests,
             (unsigned long long)c->blobs, (unsigned long long)c->own_bytes,
             (unsigned long long)c->shared_bytes, (unsigned long long)c->reclaimable_bytes);
    reply_json(q, status, buf_str(&body));
}

static enum err_code parse_dry_run(struct req *q, bool *ret_dry, struct err *e)
{
    char text[8];

    TRY(query_text(q, "dry_run", text, sizeof(text), e));
    *ret_dry = strcmp(text, "true") == 0;
    if (text[0] && !*ret_dry && strcmp(text, "false") != 0)
        return err_tell(e, ERR_REQUEST_INVALID, "query parameter 'dry_run' is true or false");
    return ERR_OK;
}

static enum err_code look(struct req *q, struct err *e)
{
    struct bulk_counts counts;
    bool exists;

    TRY(meta_repo_exists(q->registry->meta, &q->name, &exists, e));
    if (!exists)
        return err_tell(e, ERR_NAME_UNKNOWN, "no repository %s", q->name.text);
    TRY(bulk_look(q->registry->meta, &q->name, &counts, e));
    reply_counts(q, 200, "kept", &counts);
    return ERR_OK;
}

enum err_code api_repository_get(struct req *q, struct err *e)
{
    return look(q, e);
}

enum err_code api_repository_delete(struct req *q, struct err *e)
{
    struct removal r = {.q = q, .end_ms = clock_mono_ms() + TIME_MS};
    const struct bulk b = {.registry = q->registry,
                           .repo = &q->name,
                           .actor = req_actor(q),
                           .may_untag = may_untag,
                           .go_on = has_time,
                           .ctx = &r};
    struct bulk_counts done;
    enum err_code code;
    bool dry, left = false;

    TRY(parse_dry_run(q, &dry, e));
    if (dry)
        return look(q, e);
    TRY(remove_check_enabled(q->registry, e));
    code = bulk_remove_repo(&b, &done, &left, e);
    if (code != ERR_LATER)
        TRY(code);
    reply_counts(q, left ? 202 : 200, left ? "partly deleted" : "deleted", &done);
    return ERR_OK;
}
