/* The lists of names: tags of a repository, repositories of the registry. */
#include "api/access.h"
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "auth/core/auth.h"
#include "base/mem.h"

#include <stdlib.h>

#define LIST_MAX_BYTES (16u << 20)
#define AFTER_MAX      512
#define SCAN_PAGE      1000 /* names asked for at once, while those that are seen are rare */

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
    const uint64_t *(*most)(const struct conf_limits *l); /* NULL: limits.page alone */
};

/* Moves the visible names of page over to list, until it holds n + 1. */
static void take_visible(struct req *q, const struct source *s, struct meta_name_list *page,
                         struct meta_name_list *list, size_t n)
{
    for (size_t i = 0; i < page->n && list->n <= n; i++) {
        if (s->visible(q, page->names[i]))
            list->names[list->n++] = STEAL(page->names[i]);
    }
}

/*
 * A page of n of what the caller may see. One name more is looked for, to know whether there is
 * more: a Link must not tell of what is hidden.
 */
static enum err_code visible_page(struct req *q, const struct source *s, const char *after,
                                  size_t n, struct meta_name_list *ret, struct err *e)
{
    AUTO(list) struct meta_name_list list = {.names = mem_zero((n + 1) * sizeof(char *))};
    AUTO(mem) char *from = mem_strdup(after);
    size_t step = n + 1; /* larger and larger, for who sees one in a thousand */
    bool more = true;

    while (more && list.n <= n) {
        AUTO(list) struct meta_name_list page = {0};

        TRY(s->fetch(q, str_of(from), step, &page, e));
        if (step < SCAN_PAGE)
            step *= 2;
        more = page.more && page.n > 0;
        if (page.n > 0) {
            free(from);
            from = mem_strdup(page.names[page.n - 1]);
        }
        take_visible(q, s, &page, &list, n);
    }
    list.more = list.n > n;
    if (list.more)
        free(list.names[--list.n]);
    *ret = list;
    list = (struct meta_name_list){0};
    return ERR_OK;
}

static const uint64_t *catalog_page(const struct conf_limits *l)
{
    return &l->catalog_page;
}

static const struct source tags = {fetch_tags, tag_visible, NULL};
static const struct source repos = {fetch_repos, repo_visible, catalog_page};

/* The page that the query asks for. *ret_n is how many were asked for. */
static enum err_code page_of_query(struct req *q, const struct source *s, size_t *ret_n,
                                   struct meta_name_list *ret, struct err *e)
{
    uint64_t most = s->most ? conf_u64(s->most(q->registry->limits)) : 0;
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
    if (auth_enabled(q->api->guard.auth))
        return visible_page(q, s, after, *ret_n, ret, e);
    return s->fetch(q, str_of(after), *ret_n, ret, e);
}

enum err_code api_tag_list(struct req *q, struct err *e)
{
    AUTO(list) struct meta_name_list l = {0};
    AUTO(buf) struct buf body = {0};
    size_t n;

    TRY(access_need_all_tags(q, e));
    buf_init(&body, LIST_MAX_BYTES);
    TRY(page_of_query(q, &tags, &n, &l, e));
    buf_add_text(&body, "{\"name\":");
    buf_add_json(&body, repo_name_str(&q->name));
    buf_add_text(&body, ",\"tags\":");
    add_names(&body, &l);
    buf_add_text(&body, "}\n");
    reply_list(q, &body, &l, n);
    return ERR_OK;
}

enum err_code api_catalog_list(struct req *q, struct err *e)
{
    AUTO(list) struct meta_name_list l = {0};
    AUTO(buf) struct buf body = {0};
    size_t n;

    buf_init(&body, LIST_MAX_BYTES);
    TRY(page_of_query(q, &repos, &n, &l, e));
    buf_add_text(&body, "{\"repositories\":");
    add_names(&body, &l);
    buf_add_text(&body, "}\n");
    reply_list(q, &body, &l, n);
    return ERR_OK;
}
