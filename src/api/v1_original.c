/*
 * Originals of uploaded archives (core/original.h): whose there are, and their bytes. Who has
 * signed in with all their rights sees what they uploaded, an admin all; to others there is none.
 * Without authentication everybody sees all, as everybody may pull it.
 */
#include "api/access.h"
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/pull_gate.h"
#include "api/reply.h"
#include "auth/core/auth.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "core/original.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX_BYTES (64u << 20)
#define PAGE           256
#define UNKNOWN        "there is no such original"

static bool sees_all(const struct req *q)
{
    return !auth_enabled(q->api->guard.auth) || access_may(q, ACTION_ADMIN, NULL, NULL);
}

static struct str text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return str_of(text ? text : "");
}

static bool is_own(const struct req *q, const json_t *record)
{
    return q->who && q->who->kind != IDENTITY_ANONYMOUS && !q->who->scoped &&
           str_eq(text_of(record, "user"), str_of(q->identity));
}

struct listing {
    struct req *q;
    struct buf *body;
    bool all;                                      /* not only the caller's own */
    char user[160], repository[REPO_NAME_MAX + 1]; /* "": any */
    size_t n, room;
    char last[ORIGINAL_KEY_SIZE]; /* in the list */
    bool more;
};

/* Images of several repositories may have come of one archive. */
static bool is_of(const json_t *record, const char *repository)
{
    json_t *list = json_object_get(record, "repositories"), *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        if (json_is_string(one) && strcmp(json_string_value(one), repository) == 0)
            return true;
    }
    return str_eq(text_of(record, "repository"), str_of(repository));
}

static bool is_asked(const struct listing *l, const json_t *record)
{
    return (l->all || is_own(l->q, record)) &&
           (!l->user[0] || str_eq(text_of(record, "user"), str_of(l->user))) &&
           (!l->repository[0] || is_of(record, l->repository));
}

/* The record's value is an object, and its id comes first. */
static void add_original(struct buf *body, const struct meta_record *record)
{
    buf_addf(body, "{\"id\":\"%s\",%s", record->key, record->value + 1);
}

static void add_page(struct listing *l, const struct meta_record_list *page)
{
    for (size_t i = 0; i < page->n && !l->more; i++) {
        AUTO(json) json_t *record = json_loads(page->rows[i].value, 0, NULL);

        if (!json_is_object(record) || !is_asked(l, record))
            continue;
        l->more = l->n == l->room;
        if (l->more)
            break;
        if (l->n++ > 0)
            buf_add_char(l->body, ',');
        add_original(l->body, &page->rows[i]);
        snprintf(l->last, sizeof(l->last), "%s", page->rows[i].key);
    }
}

static enum err_code fill(struct listing *l, const char *from, struct err *e)
{
    AUTO(buf) struct buf after = {0};
    bool more = l->room > 0;

    buf_init(&after, 256);
    buf_add_text(&after, from);
    while (more && !l->more) {
        AUTO(records) struct meta_record_list page = {0};

        TRY(meta_records(l->q->registry->meta, STR(ORIGINALS), buf_str(&after), PAGE, &page, e));
        add_page(l, &page);
        more = page.more && page.n > 0;
        buf_clear(&after);
        if (more)
            buf_add_text(&after, page.rows[page.n - 1].key);
    }
    return ERR_OK;
}

static void add_filter(struct buf *extra, const char *name, const char *value)
{
    if (!value[0])
        return;
    buf_addf(extra, "&%s=", name);
    buf_add_percent(extra, str_of(value));
}

enum err_code api_original_list(struct req *q, struct err *e)
{
    AUTO(buf) struct buf body = {0}, extra = {0};
    struct listing l = {.q = q, .body = &body, .all = sees_all(q)};
    char after[64];

    buf_init(&body, LIST_MAX_BYTES);
    buf_init(&extra, 4096);
    TRY(query_page(q, PAGE_UNASKED, &l.room, e));
    TRY(query_text(q, "last", after, sizeof(after), e));
    TRY(query_text(q, "user", l.user, sizeof(l.user), e));
    TRY(query_text(q, "repository", l.repository, sizeof(l.repository), e));
    buf_add_text(&body, "{\"originals\":[");
    TRY(fill(&l, after, e));
    buf_add_text(&body, "]}\n");
    if (body.full)
        return err_set(e, ERR_INTERNAL, "a page of originals is too large");
    add_filter(&extra, "user", l.user);
    add_filter(&extra, "repository", l.repository);
    if (l.more)
        reply_next(q, l.room, str_of(l.last), buf_str(&extra));
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}

static enum err_code find(struct req *q, struct meta_record *ret_record, struct err *e)
{
    enum err_code code = ERR_NOT_FOUND;
    AUTO(json) json_t *json = NULL;

    if (q->item[0])
        code = meta_record_get(q->registry->meta, STR(ORIGINALS), str_of(q->item), ret_record, e);
    if (code == ERR_OK) {
        json = json_loads(ret_record->value, 0, NULL);
        if (!sees_all(q) && !is_own(q, json))
            code = ERR_NOT_FOUND;
    }
    return code == ERR_NOT_FOUND ? err_tell(e, ERR_NOT_FOUND, UNKNOWN) : code;
}

enum err_code api_original_get(struct req *q, struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    AUTO(buf) struct buf body = {0};

    TRY(find(q, &record, e));
    buf_init(&body, LIST_MAX_BYTES);
    add_original(&body, &record);
    buf_add_char(&body, '\n');
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}

/* ---- the pull policy, for which an original is its images */

static enum err_code no_verdict(enum err_code code)
{
    return code == ERR_MANIFEST_UNKNOWN || code == ERR_NAME_UNKNOWN ? ERR_OK : code;
}

/* Where it is, all that goes by the rules; *ret_there: that is in this repository, too. */
static enum err_code ask_in(struct req *q, const char *repo, const struct digest *d, bool gone,
                            bool *ret_there, struct err *e)
{
    enum err_code code;

    TRY(repo_name_parse(str_of(repo), &q->name, e));
    if (gone)
        return pull_gate_gone(q, d, e);
    code = pull_gate_whole(q, d, e);
    *ret_there = *ret_there || no_verdict(code) == code;
    return no_verdict(code);
}

/* Images of several repositories may have come of one archive, each of some of them. */
static enum err_code ask_in_all(struct req *q, const json_t *record, const struct digest *d,
                                bool gone, bool *ret_there, struct err *e)
{
    const char *one = json_string_value(json_object_get(record, "repository"));
    const json_t *list = json_object_get(record, "repositories");

    if (one)
        TRY(ask_in(q, one, d, gone, ret_there, e));
    for (size_t i = 0; i < json_array_size(list); i++) {
        one = json_string_value(json_array_get(list, i));
        if (one)
            TRY(ask_in(q, one, d, gone, ret_there, e));
    }
    return ERR_OK;
}

/* One that is nowhere any more is as good as one that was never scanned. */
static enum err_code ask_image(struct req *q, const json_t *record, const char *image,
                               struct err *e)
{
    bool there = false;
    struct digest d;

    TRY(digest_parse(str_of(image ? image : ""), &d, e));
    TRY(ask_in_all(q, record, &d, false, &there, e));
    return there ? ERR_OK : ask_in_all(q, record, &d, true, &there, e);
}

static enum err_code ask_gate(struct req *q, const struct meta_record *record, struct err *e)
{
    AUTO(json) json_t *json = json_loads(record->value, 0, NULL);
    const json_t *images = json_object_get(json, "images");

    for (size_t i = 0; i < json_array_size(images); i++)
        TRY(ask_image(q, json, json_string_value(json_array_get(images, i)), e));
    return json_array_size(images) > 0 ? ERR_OK : pull_gate_gone(q, NULL, e);
}

/* What the server of the store expired by itself has no more to be told of. */
static enum err_code open_bytes(struct req *q, struct reader **ret_reader, uint64_t *ret_size_bytes,
                                struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    struct store_original_name name;
    enum err_code code;

    TRY(find(q, &record, e));
    if (!original_record_name(&record, &name))
        return err_set(e, ERR_CORRUPT, "the record of original %s has no path", record.key);
    TRY(ask_gate(q, &record, e));
    code =
        store_original_open(q->registry->store, &name, UINT64_MAX, ret_reader, ret_size_bytes, e);
    if (code != ERR_NOT_FOUND)
        return code;
    (void)!original_delete(q->registry, &record, ERR_IGNORED);
    return err_tell(e, ERR_NOT_FOUND, UNKNOWN);
}

static void name_file(struct req *q)
{
    AUTO(record) struct meta_record record = {0};
    struct store_original_name name;
    const char *file;

    if (find(q, &record, ERR_IGNORED) != ERR_OK || !original_record_name(&record, &name))
        return;
    file = strrchr(name.text, '/') + 1;
    http_headerf(q->x, "Content-Disposition", "attachment; filename=\"%s\"", file);
}

enum err_code api_original_archive_get(struct req *q, struct err *e)
{
    AUTO(reader) struct reader *r = NULL;
    char etag[sizeof(q->item) + 3];
    uint64_t size_bytes = 0;
    int n;

    if (!http_content_waits(q->x))
        TRY(open_bytes(q, &r, &size_bytes, e));
    name_file(q);
    /* Never what the content claims to be: a browser must not run it. */
    http_header(q->x, "Content-Type", STR("application/octet-stream"));
    n = snprintf(etag, sizeof(etag), "\"%s\"", q->item);
    return http_send_content(q->x, STEAL(r), size_bytes, (struct str){etag, (size_t)n}, e);
}

enum err_code api_original_delete(struct req *q, struct err *e)
{
    AUTO(record) struct meta_record record = {0};

    TRY(find(q, &record, e));
    TRY(original_delete(q->registry, &record, e));
    reply_empty(q, 204);
    return ERR_OK;
}
