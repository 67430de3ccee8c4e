/* The lists of names: tags of a repository, repositories of the registry. */
#include "api/access.h"
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "auth/core/auth.h"
#include "base/mem.h"
#include "core/own_repo.h"

#include <stdlib.h>

#define LIST_MAX_BYTES (16u << 20)
#define AFTER_MAX      512
#define SCAN_PAGE      1000         /* names asked for at once */
#define SHORT_BYTES    (256 * 1024) /* of a list that is always answered */

static void auto_list_(struct meta_name_list *l)
{
    meta_name_list_done(l);
}

static void add_names(struct buf *body, const struct meta_name_list *l)
{
    buf_add_char(body, '[');
    for (size_t i = 0; i < l->n; i++) {
        if (i > 0)
            buf_add_char(body, ',');
        buf_add_json(body, str_of(l->names[i]));
    }
    buf_add_char(body, ']');
}

static void reply_list(struct req *q, struct buf *body, const struct meta_name_list *l, size_t n)
{
    if (l->more && l->n > 0)
        reply_next(q, n, str_of(l->names[l->n - 1]), STR_NONE);
    reply_json(q, 200, buf_str(body));
}

static enum err_code fetch_tags(struct req *q, struct str after, size_t limit,
                                struct meta_name_list *ret, struct err *e)
{
    return meta_tags(q->registry->meta, &q->name, after, limit, ret, e);
}

static bool tag_visible(const struct req *q, const char *name)
{
    struct tag_name tag;

    return tag_name_parse(str_of(name), &tag, ERR_IGNORED) == ERR_OK &&
           access_may(q, ACTION_PULL, &q->name, &tag);
}

static enum err_code fetch_repos(struct req *q, struct str after, size_t limit,
                                 struct meta_name_list *ret, struct err *e)
{
    return meta_repos(q->registry->meta, after, limit, ret, e);
}

static bool repo_visible(const struct req *q, const char *name)
{
    struct repo_name repo;

    return repo_name_parse(str_of(name), &repo, ERR_IGNORED) == ERR_OK && access_sees(q, &repo);
}

/* What a list is made of, and which of it the caller may see. */
struct source {
    enum err_code (*fetch)(struct req *q, struct str after, size_t limit,
                           struct meta_name_list *ret, struct err *e);
    bool (*visible)(const struct req *q, const char *name);
    struct str hidden; /* names that begin so nobody sees; empty: none */
};

/* A list on its way to the client. Long ones share a bound of memory. */
struct listing {
    struct api *api;
    struct meta_name_list names;
    size_t held_bytes; /* of api->list_bytes */
};

static void auto_listing_(struct listing *l)
{
    atomic_fetch_sub(&l->api->list_bytes, l->held_bytes);
    meta_name_list_done(&l->names);
}

/* Of a name: what is allocated for it, and its place in the body. */
static size_t name_bytes(const char *name)
{
    return 2 * strlen(name) + 32;
}

static enum err_code hold(struct listing *l, size_t bytes, struct err *e)
{
    uint64_t most = conf_u64(&l->api->conf->http.body_memory_bytes);
    size_t all = atomic_fetch_add(&l->api->list_bytes, bytes) + bytes;

    l->held_bytes += bytes;
    if (l->held_bytes <= SHORT_BYTES || all <= most)
        return ERR_OK;
    return err_tell(e, ERR_UNAVAILABLE, "long lists take up http.body_memory; ask for fewer (?n=)");
}

/* Moves the visible names of page over to the list, until it holds n + 1. */
static enum err_code take_visible(struct req *q, const struct source *s,
                                  struct meta_name_list *page, struct listing *l, size_t n,
                                  struct err *e)
{
    bool all = !auth_enabled(q->api->guard.auth);
    size_t bytes = 0;

    l->names.names = mem_resize(l->names.names, (l->names.n + page->n + 1) * sizeof(char *));
    for (size_t i = 0; i < page->n && l->names.n <= n; i++) {
        if ((s->hidden.n > 0 && str_starts(str_of(page->names[i]), s->hidden)) ||
            (!all && !s->visible(q, page->names[i])))
            continue;
        bytes += name_bytes(page->names[i]);
        l->names.names[l->names.n++] = STEAL(page->names[i]);
    }
    return hold(l, bytes, e);
}

/*
 * A page of n of what the caller may see. One name more is looked for, to know whether there is
 * more: a Link must not tell of what is hidden.
 */
static enum err_code visible_page(struct req *q, const struct source *s, const char *after,
                                  size_t n, struct listing *l, struct err *e)
{
    AUTO(mem) char *from = mem_strdup(after);
    size_t step = n < SCAN_PAGE ? n + 1 : SCAN_PAGE; /* larger, for who sees one in a thousand */
    bool more = true;

    while (more && l->names.n <= n) {
        AUTO(list) struct meta_name_list page = {0};

        TRY(s->fetch(q, str_of(from), step, &page, e));
        if (step < SCAN_PAGE)
            step *= 2;
        more = page.more && page.n > 0;
        if (page.n > 0) {
            free(from);
            from = mem_strdup(page.names[page.n - 1]);
        }
        TRY(take_visible(q, s, &page, l, n, e));
    }
    l->names.more = l->names.n > n;
    if (l->names.more)
        free(l->names.names[--l->names.n]);
    return ERR_OK;
}

static const struct source tags = {.fetch = fetch_tags, .visible = tag_visible};
static const struct source repos = {.fetch = fetch_repos,
                                    .visible = repo_visible,
                                    .hidden = {OWN_REPO_PREFIX, sizeof(OWN_REPO_PREFIX) - 1}};

/* The page that the query asks for, of `most` names (0: limits.page alone). *ret_n is how many were
 * asked for. */
static enum err_code page_of_query(struct req *q, const struct source *s, uint64_t most,
                                   size_t *ret_n, struct listing *l, struct err *e)
{
    char after[AFTER_MAX];

    /* Clients without pages would miss what is behind the first one: they ask for no n. */
    TRY(query_page(q, SIZE_MAX, ret_n, e));
    if (most > 0 && *ret_n > most)
        *ret_n = (size_t)most;
    TRY(query_text(q, "last", after, sizeof(after), e));
    if (*ret_n == 0) { /* dist-spec: an empty list and no Link; but is there such a repository? */
        AUTO(list) struct meta_name_list one = {0};

        return s->fetch(q, str_of(after), 1, &one, e);
    }
    return visible_page(q, s, after, *ret_n, l, e);
}

enum err_code api_tag_list(struct req *q, struct err *e)
{
    AUTO(listing) struct listing l = {.api = q->api};
    AUTO(buf) struct buf body = {0};
    size_t n;

    TRY(access_need_all_tags(q, e));
    buf_init(&body, LIST_MAX_BYTES);
    TRY(page_of_query(q, &tags, 0, &n, &l, e));
    buf_add_text(&body, "{\"name\":");
    buf_add_json(&body, repo_name_str(&q->name));
    buf_add_text(&body, ",\"tags\":");
    add_names(&body, &l.names);
    buf_add_text(&body, "}\n");
    reply_list(q, &body, &l.names, n);
    return ERR_OK;
}

enum err_code api_catalog_list(struct req *q, struct err *e)
{
    AUTO(listing) struct listing l = {.api = q->api};
    AUTO(buf) struct buf body = {0};
    size_t n;

    buf_init(&body, LIST_MAX_BYTES);
    TRY(page_of_query(q, &repos, conf_u64(&q->registry->limits->catalog_page), &n, &l, e));
    buf_add_text(&body, "{\"repositories\":");
    add_names(&body, &l.names);
    buf_add_text(&body, "}\n");
    reply_list(q, &body, &l.names, n);
    return ERR_OK;
}
