#include "api/shown.h"

#include "api/parameter.h"
#include "api/reply.h"
#include "auth/core/auth.h"
#include "base/cleanup.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define STEP_MOST 1000 /* names asked for at once */

static const char *const order_names[META_ORDERS] = {
    [META_BY_NAME] = "name", [META_BY_PUSH] = "pushed", [META_BY_SIZE] = "size"};

/* ---- what is asked for */

static enum err_code parse_sort(struct shown_ask *a, unsigned orders, struct err *e)
{
    for (size_t i = 0; i < META_ORDERS; i++) {
        if ((orders & 1u << i) && strcmp(a->sort, a->sort[0] ? order_names[i] : "") == 0) {
            a->meta.order = (enum meta_order)i;
            return ERR_OK;
        }
    }
    return err_tell(e, ERR_REQUEST_INVALID, "query parameter 'sort' is %s",
                    orders & 1u << META_BY_SIZE ? "name, pushed or size" : "name or pushed");
}

/* In small letters. Names have no other characters than these. */
static void parse_search(struct shown_ask *a)
{
    for (char *p = a->search; *p; p++) {
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 32);
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789._-/", *p))
            a->nothing = true;
    }
    a->meta.search = str_of(a->search);
}

static bool is_name(const char *name)
{
    struct repo_name repo;
    struct tag_name tag;

    return repo_name_parse(str_of(name), &repo, ERR_IGNORED) == ERR_OK ||
           tag_name_parse(str_of(name), &tag, ERR_IGNORED) == ERR_OK;
}

/* "NAME", or "KEY:NAME" where it is not sorted by name. */
static enum err_code parse_last(struct shown_ask *a, struct err *e)
{
    const char *name = a->last;
    uint64_t key = 0;
    bool fine = true;

    if (!a->last[0]) {
        a->meta.after.name = "";
        return ERR_OK;
    }
    if (a->meta.order != META_BY_NAME) {
        struct str rest = str_of(a->last), number;

        fine = str_cut(&rest, ':', &number) && str_to_u64(number, INT64_MAX, &key);
        name = rest.p;
    }
    if (!fine || !is_name(name))
        return err_tell(e, ERR_REQUEST_INVALID,
                        "query parameter 'last' is not what the Link of a page said");
    a->meta.after = (struct meta_place){.name = name, .key = (int64_t)key};
    return ERR_OK;
}

enum err_code shown_ask_parse(struct req *q, unsigned orders, struct shown_ask *ret, struct err *e)
{
    uint64_t most = conf_u64(&q->registry->limits->details_page);

    *ret = (struct shown_ask){0};
    TRY(query_page(q, SHOWN_UNASKED, &ret->n, e));
    if (ret->n > most)
        ret->n = (size_t)most;
    TRY(query_text(q, "search", ret->search, sizeof(ret->search), e));
    TRY(query_text(q, "sort", ret->sort, sizeof(ret->sort), e));
    TRY(query_text(q, "last", ret->last, sizeof(ret->last), e));
    TRY(parse_sort(ret, orders, e));
    parse_search(ret);
    return parse_last(ret, e);
}

/* Moves what is visible of the page over to the list, until it holds n + 1. */
static void take_visible(const struct req *q, const struct shown_source *s,
                         struct meta_place_list *page, size_t n, struct meta_place_list *l)
{
    l->rows = mem_resize(l->rows, (l->n + page->n + 1) * sizeof(*l->rows));
    for (size_t i = 0; i < page->n && l->n <= n; i++) {
        if (!s->visible(q, page->rows[i].name))
            continue;
        l->rows[l->n++] = page->rows[i];
        page->rows[i].name = NULL;
    }
}

enum err_code shown_names(struct req *q, const struct shown_source *s, const struct shown_ask *a,
                          struct meta_place_list *ret_list, struct err *e)
{
    AUTO(meta_places) struct meta_place_list l = {0};
    struct meta_ask ask = a->meta;
    AUTO(mem) char *from = mem_strdup(ask.after.name);
    size_t step = a->n + 1; /* larger, for who sees one in a thousand */
    bool more = a->n > 0 && !a->nothing;

    while (more && l.n <= a->n) {
        AUTO(meta_places) struct meta_place_list page = {0};

        ask.after.name = from;
        TRY(s->fetch(q, &ask, step, &page, e));
        more = page.more && page.n > 0;
        if (more) {
            free(from);
            from = mem_strdup(page.rows[page.n - 1].name);
            ask.after.key = page.rows[page.n - 1].key;
        }
        take_visible(q, s, &page, a->n, &l);
        step = 2 * step < STEP_MOST ? 2 * step : STEP_MOST;
    }
    l.more = l.n > a->n;
    if (l.more)
        free((char *)l.rows[--l.n].name);
    *ret_list = l;
    l = (struct meta_place_list){0};
    return ERR_OK;
}

void shown_next(struct req *q, const struct shown_ask *a, const struct meta_place *last)
{
    AUTO(buf) struct buf extra = {0};
    char text[REPO_NAME_MAX + 64];

    buf_init(&extra, 2048);
    reply_next_parameter(&extra, "search", a->search);
    reply_next_parameter(&extra, "sort", a->sort);
    if (a->meta.order == META_BY_NAME)
        snprintf(text, sizeof(text), "%s", last->name);
    else
        snprintf(text, sizeof(text), "%lld:%s", (long long)last->key, last->name);
    reply_next(q, a->n, str_of(text), buf_str(&extra));
}

const char **shown_name_list(const struct meta_place_list *l)
{
    const char **names = mem_zero((l->n + 1) * sizeof(*names));

    for (size_t i = 0; i < l->n; i++)
        names[i] = l->rows[i].name;
    return names;
}

/* ---- manifests */

void shown_links_read(const struct meta_shown *of, struct shown_manifest *ret)
{
    *ret = (struct shown_manifest){.of = NULL};
    if (!of || of->digest.n == 0)
        return;
    ret->of = of;
    ret->known = of->bytes.n > 0 && manifest_parse(of->bytes, str_of(of->media_type), SIZE_MAX,
                                                   &ret->m.parsed, ERR_IGNORED) == ERR_OK;
}

void shown_manifest_read(const struct meta_shown *of, struct shown_manifest *ret)
{
    shown_links_read(of, ret);
    if (ret->known)
        ret->m.json = out_json_parse(of->bytes);
    ret->known = ret->m.json != NULL;
}

void shown_manifests_free(struct shown_manifest *rows, size_t n)
{
    for (size_t i = 0; rows && i < n; i++)
        out_manifest_done(&rows[i].m);
    free(rows);
}

size_t shown_images(const struct shown_manifest *m, shown_image_fn fn, void *ctx)
{
    char platform[OUT_PLATFORM_TEXT];
    size_t n = 0;

    if (!m->known || m->m.parsed.shape != MANIFEST_INDEX)
        return 0;
    for (size_t i = 0; i < m->m.parsed.n_links && n < SHOWN_IMAGES; i++) {
        out_platform_print(out_manifest_descriptor(&m->m, i), platform);
        if (m->m.parsed.links[i].kind != LINK_MANIFEST || out_platform_is_statement(platform))
            continue;
        if (fn)
            fn(ctx, i, platform);
        n++;
    }
    return n;
}

/* ---- what scans said */

struct scan_keys {
    struct shown_manifest *rows;
    const char **keys;
    size_t *owners; /* of which row each is */
    size_t n, cap, row;
};

static void auto_scan_keys_(struct scan_keys *k)
{
    free(k->keys);
    free(k->owners);
}

static void add_key(struct scan_keys *k, const struct digest *d)
{
    if (k->n == k->cap) {
        k->cap = k->cap ? 2 * k->cap : 64;
        k->keys = mem_resize(k->keys, k->cap * sizeof(*k->keys));
        k->owners = mem_resize(k->owners, k->cap * sizeof(*k->owners));
    }
    k->owners[k->n] = k->row;
    k->keys[k->n++] = d->text;
}

static void add_image(void *ctx, size_t link, const char *platform)
{
    struct scan_keys *k = ctx;

    (void)platform;
    add_key(k, &k->rows[k->row].m.parsed.links[link].digest);
}

/* What is completed says more than what is not; then more of the worst severity; then more of the
 * next. */
static bool says_more(const struct scan_result *r, const struct shown_scan *than)
{
    if ((r->status == SCAN_COMPLETED) != (than->status == SCAN_COMPLETED))
        return r->status == SCAN_COMPLETED;
    if (than->status == SCAN_NOT_SCANNED)
        return true;
    for (int i = SEVERITIES - 1; i >= 0; i--) {
        if (r->counts[i] != than->counts[i])
            return r->counts[i] > than->counts[i];
    }
    return false;
}

static void keep_worst(const struct meta_record *record, struct shown_scan *s)
{
    struct scan_result r;

    if (!record->key || scan_result_parse(str_of(record->value), &r, ERR_IGNORED) != ERR_OK ||
        !says_more(&r, s))
        return;
    s->status = r.status;
    s->scanned_ms = r.scanned_ms;
    memcpy(s->counts, r.counts, sizeof(s->counts));
}

enum err_code shown_scans(struct registry *r, struct shown_manifest *rows, size_t n, struct err *e)
{
    AUTO(scan_keys) struct scan_keys k = {.rows = rows};
    struct meta_record *records;

    for (k.row = 0; k.row < n; k.row++) {
        if (!rows[k.row].known)
            continue;
        if (rows[k.row].m.parsed.shape == MANIFEST_INDEX)
            shown_images(&rows[k.row], add_image, &k);
        else
            add_key(&k, &rows[k.row].of->digest);
    }
    TRY(meta_records_among(r->meta, SCAN_RESULTS, k.keys, k.n, &records, e));
    for (size_t i = 0; i < k.n; i++)
        keep_worst(&records[i], &rows[k.owners[i]].scan);
    meta_records_free(records, k.n);
    return ERR_OK;
}

/* ---- as JSON */

void shown_add_text(struct buf *b, const char *key, struct str text)
{
    buf_addf(b, ",\"%s\":", key);
    if (text.n > 0)
        buf_add_json(b, text);
    else
        buf_add_text(b, "null");
}

void shown_add_number(struct buf *b, const char *key, uint64_t value)
{
    buf_addf(b, ",\"%s\":%llu", key, (unsigned long long)value);
}

/* The config of an image is no type of its own. */
static struct str artifact_type(const struct shown_manifest *m)
{
    static const struct str image_configs[] = {
        STR("application/vnd.oci.image.config.v1+json"),
        STR("application/vnd.docker.container.image.v1+json"),
    };
    struct str type = m->known ? str_of(m->m.parsed.artifact_type) : STR_NONE;

    for (size_t i = 0; i < sizeof(image_configs) / sizeof(image_configs[0]); i++) {
        if (str_eq(type, image_configs[i]))
            return STR_NONE;
    }
    return type;
}

void shown_add_types(struct buf *b, const struct shown_manifest *m)
{
    shown_add_text(b, "media_type", m->of ? str_of(m->of->media_type) : STR_NONE);
    shown_add_text(b, "artifact_type", artifact_type(m));
}

void shown_add_scan(struct buf *b, const struct shown_scan *s)
{
    const char *worst = NULL;

    if (s->status == SCAN_NOT_SCANNED) {
        buf_add_text(b, ",\"scan\":null");
        return;
    }
    buf_addf(b, ",\"scan\":{\"status\":\"%s\"", scan_status_name(s->status));
    reply_add_time(b, "scanned_at", s->scanned_ms);
    for (int i = 0; i < SEVERITIES; i++)
        worst = s->counts[i] > 0 ? severity_name((enum severity)i) : worst;
    shown_add_text(b, "worst", worst ? str_of(worst) : STR_NONE);
    buf_add_text(b, ",\"vulnerabilities\":");
    for (int i = SEVERITIES - 1; i >= 0 && s->status == SCAN_COMPLETED; i--)
        buf_addf(b, "%s\"%s\":%llu", i == SEVERITIES - 1 ? "{" : ",",
                 severity_name((enum severity)i), (unsigned long long)s->counts[i]);
    buf_add_text(b, s->status == SCAN_COMPLETED ? "}}" : "null}");
}
