/*
 * Tags as people want to see them. A page is a few questions to the database, however many tags it
 * has: their names, what they point to, the images of indexes among that, and of all of these what
 * scans said, when they were pulled, and what is signed.
 */
#include "api/access.h"
#include "api/handlers.h"
#include "api/reply.h"
#include "api/shown.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "core/pulled.h"

#include <stdlib.h>

/* An image of an index. */
struct child {
    size_t link;
    char platform[OUT_PLATFORM_TEXT];
};

struct page {
    struct meta_tag_shown *rows;
    struct shown_manifest *tags; /* of each row */
    size_t n_rows;
    size_t n; /* that are answered: those behind would have too many images for one page */

    struct child *children; /* of all tags, one tag after the other */
    size_t *first;          /* of each tag, and one more */
    size_t n_children;
    struct meta_shown *child_rows;
    struct shown_manifest *child_manifests;

    int64_t *pulled_ms; /* by tag and by digest of each */
    bool *is_signed;
};

static void auto_page_(struct page *p)
{
    shown_manifests_free(p->tags, p->n_rows);
    meta_tags_shown_free(p->rows, p->n_rows);
    shown_manifests_free(p->child_manifests, p->n_children);
    meta_shown_free(p->child_rows, p->n_children);
    free(p->children);
    free(p->first);
    free(p->pulled_ms);
    free(p->is_signed);
}

/* ---- reading */

static void add_child(void *ctx, size_t link, const char *platform)
{
    struct page *p = ctx;
    struct child *c = &p->children[p->n_children++];

    c->link = link;
    (void)!str_copy(str_of(platform), c->platform, sizeof(c->platform));
}

static void read_tags(struct page *p)
{
    size_t images = 0;

    p->tags = mem_zero((p->n_rows + 1) * sizeof(*p->tags));
    p->first = mem_zero((p->n_rows + 1) * sizeof(*p->first));
    for (size_t i = 0; i < p->n_rows; i++)
        shown_manifest_read(&p->rows[i].manifest, &p->tags[i]);
    for (; p->n < p->n_rows; p->n++) {
        size_t more = shown_images(&p->tags[p->n], NULL, NULL);

        if (p->n > 0 && images + more > SHOWN_IMAGES)
            break;
        images += more;
    }
    p->children = mem_zero((images + 1) * sizeof(*p->children));
    for (size_t i = 0; i < p->n; i++) {
        p->first[i] = p->n_children;
        shown_images(&p->tags[i], add_child, p);
    }
    p->first[p->n] = p->n_children;
}

static const struct digest *child_digest(const struct page *p, size_t tag, size_t child)
{
    return &p->tags[tag].m.parsed.links[p->children[child].link].digest;
}

static enum err_code read_children(struct req *q, struct page *p, struct err *e)
{
    AUTO(mem) const char **digests = mem_zero((p->n_children + 1) * sizeof(*digests));

    for (size_t i = 0; i < p->n; i++) {
        for (size_t k = p->first[i]; k < p->first[i + 1]; k++)
            digests[k] = child_digest(p, i, k)->text;
    }
    TRY(meta_manifests_shown(q->registry->meta, &q->name, digests, p->n_children, &p->child_rows,
                             e));
    p->child_manifests = mem_zero((p->n_children + 1) * sizeof(*p->child_manifests));
    for (size_t k = 0; k < p->n_children; k++)
        shown_manifest_read(&p->child_rows[k], &p->child_manifests[k]);
    return ERR_OK;
}

static enum err_code read_pulled(struct req *q, struct page *p, struct err *e)
{
    size_t n = 2 * p->n;
    AUTO(mem) char *keys = mem_zero((n + 1) * PULLED_KEY_MAX);
    AUTO(mem) const char **refs = mem_zero((n + 1) * sizeof(*refs));

    p->pulled_ms = mem_zero((n + 1) * sizeof(*p->pulled_ms));
    if (!q->registry->pulled)
        return ERR_OK;
    for (size_t i = 0; i < n; i++) {
        const struct meta_repo_tag *tag = &p->rows[i / 2].tag;
        struct str reference = i % 2 ? digest_str(&tag->digest) : tag_name_str(&tag->name);

        refs[i] = keys + i * PULLED_KEY_MAX;
        pulled_key(&q->name, reference, keys + i * PULLED_KEY_MAX);
    }
    return pulled_among(q->registry->meta, refs, n, p->pulled_ms, e);
}

static enum err_code read_signed(struct req *q, struct page *p, struct err *e)
{
    AUTO(mem) const char **digests = mem_zero((p->n + 1) * sizeof(*digests));

    p->is_signed = mem_zero((p->n + 1) * sizeof(*p->is_signed));
    for (size_t i = 0; i < p->n; i++)
        digests[i] = p->rows[i].tag.digest.text;
    return meta_signed_among(q->registry->meta, &q->name, digests, p->n, p->is_signed, e);
}

static enum err_code load(struct req *q, const struct meta_place_list *l, struct page *p,
                          struct err *e)
{
    AUTO(mem) const char **names = shown_name_list(l);

    TRY(meta_tags_shown(q->registry->meta, &q->name, names, l->n, &p->rows, e));
    p->n_rows = l->n;
    read_tags(p);
    TRY(read_children(q, p, e));
    TRY(shown_scans(q->registry, p->tags, p->n, e));
    TRY(read_pulled(q, p, e));
    return read_signed(q, p, e);
}

/* ---- sizes: each blob once */

struct part {
    const char *digest;
    uint64_t size_bytes;
};

struct parts {
    struct part *list;
    size_t n, cap;
};

static void auto_parts_(struct parts *p)
{
    free(p->list);
}

static void add_part(struct parts *p, const struct digest *d, uint64_t size_bytes)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 64;
        p->list = mem_resize(p->list, p->cap * sizeof(*p->list));
    }
    p->list[p->n++] = (struct part){d->text, size_bytes};
}

static void add_parts(struct parts *p, const struct shown_manifest *m)
{
    add_part(p, &m->of->digest, m->of->size_bytes);
    for (size_t i = 0; i < m->m.parsed.n_links; i++) {
        if (m->m.parsed.links[i].kind == LINK_BLOB)
            add_part(p, &m->m.parsed.links[i].digest, m->m.parsed.links[i].size_bytes);
    }
}

static int by_digest(const void *a, const void *b)
{
    return strcmp(((const struct part *)a)->digest, ((const struct part *)b)->digest);
}

/* Sizes are said by manifests, which may say anything. */
static uint64_t sum_once(struct parts *p)
{
    uint64_t sum = 0;

    if (p->n > 0)
        qsort(p->list, p->n, sizeof(*p->list), by_digest);
    for (size_t i = 0; i < p->n; i++) {
        bool again = i > 0 && by_digest(&p->list[i], &p->list[i - 1]) == 0;

        if (!again && __builtin_add_overflow(sum, p->list[i].size_bytes, &sum))
            return UINT64_MAX;
    }
    return sum;
}

static uint64_t size_of(const struct shown_manifest *m)
{
    AUTO(parts) struct parts parts = {0};

    add_parts(&parts, m);
    return sum_once(&parts);
}

static uint64_t size_of_tag(const struct page *p, size_t i)
{
    AUTO(parts) struct parts parts = {0};

    add_parts(&parts, &p->tags[i]);
    for (size_t k = p->first[i]; k < p->first[i + 1]; k++) {
        if (p->child_manifests[k].known)
            add_parts(&parts, &p->child_manifests[k]);
    }
    return sum_once(&parts);
}

/* ---- as JSON */

static void add_size(struct buf *b, bool known, uint64_t size_bytes)
{
    if (known)
        shown_add_number(b, "size", size_bytes);
    else
        buf_add_text(b, ",\"size\":null");
}

static void add_platforms(struct buf *b, const struct page *p, size_t i)
{
    buf_add_text(b, ",\"platforms\":[");
    for (size_t k = p->first[i]; k < p->first[i + 1]; k++) {
        const struct shown_manifest *m = &p->child_manifests[k];

        buf_addf(b, "%s{\"digest\":\"%s\"", k > p->first[i] ? "," : "",
                 child_digest(p, i, k)->text);
        shown_add_text(b, "platform", str_of(p->children[k].platform));
        add_size(b, m->known, m->known ? size_of(m) : 0);
        buf_add_char(b, '}');
    }
    buf_add_char(b, ']');
}

/* Names of people are not for everyone who may pull. */
static bool may_know_who(const struct req *q, const struct tag_name *tag)
{
    return access_may(q, ACTION_PUSH, &q->name, tag) ||
           access_may(q, ACTION_OVERWRITE, &q->name, tag) ||
           access_may(q, ACTION_DELETE, &q->name, tag);
}

static void add_tag(const struct req *q, const struct page *p, size_t i, struct buf *b)
{
    const struct shown_manifest *m = &p->tags[i];
    const struct meta_repo_tag *tag = &p->rows[i].tag;
    const json_t *annotations = m->known ? json_object_get(m->m.json, "annotations") : NULL;
    bool who = may_know_who(q, &tag->name);
    int64_t by_tag_ms = p->pulled_ms[2 * i], by_digest_ms = p->pulled_ms[2 * i + 1];

    buf_add_text(b, "{\"name\":");
    buf_add_json(b, tag_name_str(&tag->name));
    shown_add_text(b, "digest", digest_str(&tag->digest));
    shown_add_types(b, m);
    add_size(b, m->known, m->known ? size_of_tag(p, i) : 0);
    add_platforms(b, p, i);
    shown_add_text(b, "created", out_json_text(annotations, "org.opencontainers.image.created"));
    reply_add_time(b, "pushed", tag->pushed_ms);
    shown_add_text(b, "pushed_by", who ? str_of(p->rows[i].actor) : STR_NONE);
    reply_add_time(b, "pulled", by_tag_ms > by_digest_ms ? by_tag_ms : by_digest_ms);
    shown_add_scan(b, &m->scan);
    buf_addf(b, ",\"signed\":%s}", p->is_signed[i] ? "true" : "false");
}

static enum err_code fetch(struct req *q, const struct meta_ask *ask, size_t limit,
                           struct meta_place_list *ret_list, struct err *e)
{
    return meta_tag_places(q->registry->meta, &q->name, ask, limit, ret_list, e);
}

static bool visible(const struct req *q, const char *name)
{
    struct tag_name tag;

    return tag_name_parse(str_of(name), &tag, ERR_IGNORED) == ERR_OK &&
           access_may(q, ACTION_PULL, &q->name, &tag);
}

static enum err_code check_exists(struct req *q, struct err *e)
{
    bool exists;

    TRY(meta_repo_exists(q->registry->meta, &q->name, &exists, e));
    return exists ? ERR_OK : err_tell(e, ERR_NAME_UNKNOWN, "no repository %s", q->name.text);
}

enum err_code api_tag_shown_list(struct req *q, struct err *e)
{
    static const struct shown_source source = {fetch, visible};
    AUTO(meta_places) struct meta_place_list l = {0};
    AUTO(page) struct page p = {0};
    AUTO(buf) struct buf body = {0};
    struct shown_ask a;
    size_t shown = 0;

    TRY(access_need_all_tags(q, e));
    TRY(shown_ask_parse(q, 1u << META_BY_NAME | 1u << META_BY_PUSH, &a, e));
    TRY(shown_names(q, &source, &a, &l, e));
    if (l.n == 0)
        TRY(check_exists(q, e));
    TRY(load(q, &l, &p, e));
    buf_init(&body, SHOWN_BODY_MAX);
    buf_add_text(&body, "{\"name\":");
    buf_add_json(&body, repo_name_str(&q->name));
    buf_add_text(&body, ",\"tags\":[");
    for (size_t i = 0; i < p.n; i++) {
        if (!p.tags[i].of) /* it went meanwhile */
            continue;
        buf_add_text(&body, shown++ > 0 ? "," : "");
        add_tag(q, &p, i, &body);
    }
    buf_add_text(&body, "]}\n");
    if (body.full)
        return err_tell(e, ERR_UNAVAILABLE, "the page is too large; ask for fewer (?n=)");
    if (p.n > 0 && (l.more || p.n < l.n))
        shown_next(q, &a, &l.rows[p.n - 1]);
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}
