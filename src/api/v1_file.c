/* Which images have a file: docs/files.md. */
#include "api/access.h"
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "base/cleanup.h"
#include "base/hex.h"
#include "files/search.h"

#define PAGE_FILES     100
#define PAGE_MAX_BYTES (32u << 20)

struct listing {
    struct req *q;
    struct buf body;
    size_t n;
};

static bool may_pull(void *ctx, const struct repo_name *repo, const struct tag_name *tag)
{
    const struct listing *l = ctx;

    return access_may(l->q, ACTION_PULL, repo, tag);
}

static void add_text(struct buf *body, const char *key, struct str value)
{
    buf_addf(body, ",\"%s\":", key);
    buf_add_json(body, value);
}

static void add_tags(struct buf *body, const struct files_found *f)
{
    buf_add_text(body, ",\"tags\":[");
    for (size_t i = 0; i < f->n_tags; i++) {
        if (i > 0)
            buf_add_char(body, ',');
        buf_add_json(body, tag_name_str(&f->tags[i]));
    }
    buf_addf(body, "],\"more_tags\":%s", f->more_tags ? "true" : "false");
}

static void add_found(void *ctx, const struct files_found *f)
{
    static const char *const types[] = {
        [FILES_FILE] = "file", [FILES_HARD_LINK] = "hardlink", [FILES_SYMBOLIC_LINK] = "symlink"};
    struct listing *l = ctx;
    char hash[2 * FILES_HASH_BYTES + 1];

    buf_add_text(&l->body, l->n++ > 0 ? ",{\"repository\":" : "{\"repository\":");
    buf_add_json(&l->body, repo_name_str(f->repo));
    add_tags(&l->body, f);
    add_text(&l->body, "digest", digest_str(f->manifest));
    add_text(&l->body, "platform", str_of(f->platform));
    add_text(&l->body, "layer", digest_str(f->layer));
    add_text(&l->body, "path", f->path);
    add_text(&l->body, "type", str_of(types[f->file->type]));
    buf_addf(&l->body, ",\"size\":%llu", (unsigned long long)f->file->size_bytes);
    if (f->file->has_hash) {
        hex_encode(f->file->hash, FILES_HASH_BYTES, hash);
        add_text(&l->body, "sha256", str_of(hash));
    }
    buf_add_char(&l->body, '}');
}

struct question {
    struct files_plan plan;
    char path[FILES_PATTERN_MAX + 2], sha256[128], last[FILES_TOKEN_MAX];
    size_t n;
};

static enum err_code parse(struct req *q, struct question *ret, struct err *e)
{
    TRY(query_page(q, PAGE_FILES, &ret->n, e));
    TRY(query_text(q, "path", ret->path, sizeof(ret->path), e));
    TRY(query_text(q, "sha256", ret->sha256, sizeof(ret->sha256), e));
    TRY(query_text(q, "last", ret->last, sizeof(ret->last), e));
    if (!ret->path[0] == !ret->sha256[0])
        return err_tell(e, ERR_REQUEST_INVALID, "ask with one of 'path' and 'sha256'");
    return ret->path[0] ? files_plan_path(str_of(ret->path), &ret->plan, e)
                        : files_plan_hash(str_of(ret->sha256), &ret->plan, e);
}

/* The same question, from where this page ended. */
static void reply_link(struct req *q, const struct question *ask, const struct files_page *page)
{
    AUTO(buf) struct buf more = {0};

    buf_init(&more, 3 * sizeof(ask->path) + 64);
    buf_add_text(&more, ask->path[0] ? "&path=" : "&sha256=");
    buf_add_percent(&more, str_of(ask->path[0] ? ask->path : ask->sha256));
    reply_next(q, ask->n, str_of(page->next), buf_str(&more));
}

static void add_state(struct buf *body, const struct files_page *page)
{
    buf_addf(body,
             "],\"index\":{\"complete\":%s,\"waiting\":%zu,\"scanned\":%s,\"unreadable\":%zu}}\n",
             page->complete ? "true" : "false", page->waiting, page->scanned ? "true" : "false",
             page->unread);
}

enum err_code api_file_list(struct req *q, struct err *e)
{
    struct listing l = {.q = q};
    AUTO(buf) struct buf body = {0};
    struct question ask = {.n = 0};
    struct files_search s = {
        .index = q->api->files, .plan = &ask.plan, .may = may_pull, .found = add_found, .ctx = &l};
    struct files_page page = {.n = 0};
    enum err_code code = ERR_OK;

    if (!q->api->files)
        return err_tell(e, ERR_UNSUPPORTED,
                        "there is no index of files here: 'analysis.index' is off");
    TRY(parse(q, &ask, e));
    s.after = str_of(ask.last);
    s.limit = ask.n;
    buf_init(&l.body, PAGE_MAX_BYTES);
    buf_add_text(&l.body, "{\"files\":[");
    if (ask.n > 0)
        code = files_search(&s, &page, e);
    add_state(&l.body, &page);
    body = l.body; /* to be freed */
    TRY(code);
    if (body.full)
        return err_set(e, ERR_INTERNAL, "a page of files is too large");
    if (page.more)
        reply_link(q, &ask, &page);
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}
