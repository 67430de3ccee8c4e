/* Whole repositories, and tags by pattern. */
#include "api/access.h"
#include "api/body.h"
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "api/repository_shown.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/pattern.h"
#include "core/bulk.h"

#define BODY_MAX 4096
#define TIME_MS  20000 /* then the answer says that there is more */

#define LIST_MAX_BYTES (8u << 20)

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

static void add_counts(struct buf *body, const struct bulk_counts *c)
{
    shown_add_number(body, "blobs", c->blobs);
    shown_add_number(body, "own_bytes", c->own_bytes);
    shown_add_number(body, "shared_bytes", c->shared_bytes);
    shown_add_number(body, "reclaimable_bytes", c->reclaimable_bytes);
    buf_add_text(body, "}\n");
}

/* state: what became of what the counts are of. */
static void reply_counts(struct req *q, int status, const char *state, const struct bulk_counts *c)
{
    AUTO(buf) struct buf body = {0};

    buf_init(&body, BODY_MAX);
    buf_add_text(&body, "{\"name\":");
    buf_add_json(&body, repo_name_str(&q->name));
    buf_addf(&body, ",\"state\":\"%s\"", state);
    shown_add_number(&body, "tags", c->tags);
    shown_add_number(&body, "manifests", c->manifests);
    add_counts(&body, c);
    reply_json(q, status, buf_str(&body));
}

static enum err_code parse_bool(struct req *q, const char *name, bool *ret, struct err *e)
{
    char text[8];

    TRY(query_text(q, name, text, sizeof(text), e));
    *ret = strcmp(text, "true") == 0;
    if (text[0] && !*ret && strcmp(text, "false") != 0)
        return err_tell(e, ERR_REQUEST_INVALID, "query parameter '%s' is true or false", name);
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

/* What would be freed tells of other repositories, too: it is for those who may change this one. */
static bool may_know_counts(const struct req *q)
{
    return access_may(q, ACTION_PUSH, &q->name, NULL) ||
           access_may(q, ACTION_OVERWRITE, &q->name, NULL);
}

enum err_code api_repository_get(struct req *q, struct err *e)
{
    AUTO(buf) struct buf body = {0};
    struct bulk_counts counts;
    bool brief;

    TRY(parse_bool(q, "brief", &brief, e));
    buf_init(&body, LIST_MAX_BYTES);
    TRY(repository_shown_add(q, &body, e));
    if (brief || !may_know_counts(q)) {
        buf_add_text(&body, "}\n");
    } else {
        TRY(bulk_look(q->registry->meta, &q->name, &counts, e));
        buf_add_text(&body, ",\"state\":\"kept\"");
        add_counts(&body, &counts);
    }
    if (body.full)
        return err_set(e, ERR_INTERNAL, "what is shown of a repository is too large");
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
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

    TRY(parse_bool(q, "dry_run", &dry, e));
    if (dry)
        return look(q, e);
    TRY(remove_check_enabled(q->registry, e));
    code = bulk_remove_repo(&b, &done, &left, e);
    if (code != ERR_LATER)
        TRY(code);
    reply_counts(q, left ? 202 : 200, left ? "partly deleted" : "deleted", &done);
    return ERR_OK;
}

/* ---- tags by pattern */

struct listing {
    struct buf *body; /* gets those behind last, up to n; NULL: they are only counted */
    struct str last;
    size_t n, listed;
    struct tag_name next; /* the last of the page; n is 0: there are no others */
    uint64_t go, stay;
};

static void add_tag(void *ctx, const struct meta_repo_tag *tag, bool goes)
{
    struct listing *l = ctx;

    l->go += goes;
    l->stay += !goes;
    if (str_cmp(tag_name_str(&tag->name), l->last) <= 0)
        return;
    if (l->listed++ >= l->n)
        return;
    l->next = tag->name;
    buf_add_text(l->body, l->listed > 1 ? ",{\"tag\":" : "{\"tag\":");
    buf_add_json(l->body, tag_name_str(&tag->name));
    buf_add_text(l->body, ",\"digest\":");
    buf_add_json(l->body, digest_str(&tag->digest));
    reply_add_time(l->body, "pushed", tag->pushed_ms);
    buf_addf(l->body, ",\"goes\":%s}", goes ? "true" : "false");
}

static void begin_body(struct buf *body, const struct req *q, const char *state)
{
    buf_addf(body, "{\"name\":");
    buf_add_json(body, repo_name_str(&q->name));
    buf_addf(body, ",\"state\":\"%s\"", state);
}

static enum err_code look_at_tags(struct req *q, const struct bulk_tags *which, struct err *e)
{
    AUTO(buf) struct buf body = {0};
    char last[TAG_NAME_MAX + 1];
    struct listing l = {.body = &body};

    TRY(query_page(q, PAGE_UNASKED, &l.n, e));
    TRY(query_text(q, "last", last, sizeof(last), e));
    l.last = str_of(last);
    buf_init(&body, LIST_MAX_BYTES);
    begin_body(&body, q, "kept");
    buf_add_text(&body, ",\"list\":[");
    TRY(bulk_tags_each(q->registry->meta, &q->name, which, add_tag, &l, e));
    buf_addf(&body, "],\"tags\":%llu,\"staying\":%llu}\n", (unsigned long long)l.go,
             (unsigned long long)l.stay);
    if (body.full)
        return err_set(e, ERR_INTERNAL, "a page of tags is too large");
    if (l.listed > l.n && l.n > 0)
        reply_next(q, l.n, tag_name_str(&l.next), STR_NONE);
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}

/* Those that the caller may not delete stay. */
static enum err_code remove_tags(struct req *q, const struct bulk_tags *which, struct removal *r,
                                 struct err *e)
{
    const struct bulk b = {.registry = q->registry,
                           .repo = &q->name,
                           .actor = req_actor(q),
                           .go_on = has_time,
                           .ctx = r};
    AUTO(buf) struct buf body = {0};
    struct bulk_counts done;
    enum err_code code;

    TRY(remove_check_enabled(q->registry, e));
    code = bulk_remove_tags(&b, which, &done, e);
    if (code != ERR_LATER)
        TRY(code);
    buf_init(&body, BODY_MAX);
    begin_body(&body, q, code == ERR_LATER ? "partly deleted" : "deleted");
    buf_addf(&body, ",\"tags\":%llu}\n", (unsigned long long)done.tags);
    reply_json(q, code == ERR_LATER ? 202 : 200, buf_str(&body));
    return ERR_OK;
}

static enum err_code parse_which(struct str pattern, struct str older_than,
                                 struct bulk_tags *ret_which, struct err *e)
{
    uint64_t age_ms = 0;

    if (!pattern_valid(pattern))
        return err_tell(e, ERR_REQUEST_INVALID, "'pattern' is no pattern of tags, such as pr-*");
    if (older_than.n > 0 && !conf_duration(older_than, &age_ms))
        return err_tell(e, ERR_REQUEST_INVALID, "'older_than' is no duration such as 30d");
    ret_which->pattern = pattern;
    if (older_than.n > 0)
        ret_which->before_ms = clock_wall_ms() - (int64_t)age_ms;
    return ERR_OK;
}

enum err_code api_repository_tags_post(struct req *q, struct err *e)
{
    struct removal r = {.q = q, .end_ms = clock_mono_ms() + TIME_MS};
    struct bulk_tags which = {.may_untag = may_untag, .ctx = &r};
    struct str pattern = STR_NONE, older_than = STR_NONE;
    AUTO(body) json_t *body = NULL;
    int dry = 0;
    const struct body_field fields[] = {
        {"dry_run", BODY_BOOL, true, &dry},
        {"pattern", BODY_TEXT, true, &pattern},
        {"older_than", BODY_TEXT, false, &older_than},
    };
    bool exists;

    TRY(body_json(q, BODY_MAX_BYTES, &body, e));
    TRY(body_take(body, fields, sizeof(fields) / sizeof(fields[0]), e));
    TRY(parse_which(pattern, older_than, &which, e));
    TRY(meta_repo_exists(q->registry->meta, &q->name, &exists, e));
    if (!exists)
        return err_tell(e, ERR_NAME_UNKNOWN, "no repository %s", q->name.text);
    return dry ? look_at_tags(q, &which, e) : remove_tags(q, &which, &r, e);
}
