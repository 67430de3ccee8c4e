#include "core/manifest.h"
#include "core/referrers.h"

#include "api/handlers.h"
#include "api/parameter.h"
#include "api/reply.h"

/* A page ends at the first row past this size: annotations may be as large as a manifest. */
#define PAGE_BYTES (4u << 20)
#define TYPE_MAX   512
#define AFTER_MAX  512

static void add_row(struct buf *body, const struct meta_referrer *row)
{
    buf_add_text(body, "{\"mediaType\":");
    buf_add_json(body, str_of(row->media_type));
    buf_addf(body, ",\"size\":%llu,\"digest\":\"%s\"", (unsigned long long)row->size_bytes,
             row->digest.text);
    if (row->artifact_type[0]) {
        buf_add_text(body, ",\"artifactType\":");
        buf_add_json(body, str_of(row->artifact_type));
    }
    if (row->annotations_json[0]) {
        buf_add_text(body, ",\"annotations\":");
        buf_add_text(body, row->annotations_json);
    }
    buf_add_char(body, '}');
}

struct page {
    struct req *q;
    struct str artifact_type;
    char last[DIGEST_TEXT_MAX + 2]; /* digest of the last row, to go on after */
    size_t n, max;
    bool more;
    struct buf body;
};

static bool take_row(void *ctx, const struct meta_referrer *row)
{
    struct page *p = ctx;

    if (p->body.n > PAGE_BYTES)
        return false;
    if (p->n++ > 0)
        buf_add_char(&p->body, ',');
    add_row(&p->body, row);
    memcpy(p->last, row->digest.text, row->digest.n + 1);
    return true;
}

static enum err_code fill_page(struct page *p, struct str after, struct err *e)
{
    struct referrers_query query = {
        .repo = &p->q->name,
        .subject = &p->q->digest,
        .artifact_type = p->artifact_type,
        .after = after,
        .limit = p->max,
    };

    buf_add_text(&p->body,
                 "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[");
    if (p->max > 0)
        TRY(referrers_each(p->q->registry, &query, take_row, p, &p->more, e));
    buf_add_text(&p->body, "]}\n");
    if (p->body.full)
        return err_set(e, ERR_INTERNAL, "a page of referrers is larger than %zu bytes",
                       p->body.max);
    return ERR_OK;
}

static void reply_page(struct page *p)
{
    struct req *q = p->q;
    AUTO(buf) struct buf extra = {0};

    buf_init(&extra, 4 * TYPE_MAX);
    if (p->artifact_type.n) {
        buf_add_text(&extra, "&artifactType=");
        buf_add_percent(&extra, p->artifact_type);
        http_header(q->x, "OCI-Filters-Applied", STR("artifactType"));
    }
    if (p->more)
        reply_next(q, p->max, str_of(p->last), buf_str(&extra));
    http_header(q->x, "Content-Type", STR(MEDIA_OCI_INDEX));
    http_send(q->x, 200, buf_str(&p->body));
}

enum err_code api_referrer_list(struct req *q, struct err *e)
{
    uint64_t row_bytes = conf_u64(&q->registry->limits->manifest_bytes);
    char type[TYPE_MAX], after[AFTER_MAX];
    struct page p = {.q = q};
    enum err_code code;

    TRY(query_text(q, "artifactType", type, sizeof(type), e));
    TRY(query_text(q, "last", after, sizeof(after), e));
    TRY(query_page(q, PAGE_UNASKED, &p.max, e));
    /* A media type has no blanks (RFC 6838, 4.2): what reads as one was a '+' that the client left
     * as it is, which RFC 3986 allows in a query. */
    for (char *c = type; *c; c++) {
        if (*c == ' ')
            *c = '+';
    }
    p.artifact_type = str_of(type);
    buf_init(&p.body, PAGE_BYTES + 4096 + 4 * (size_t)row_bytes);
    code = fill_page(&p, str_of(after), e);
    if (code == ERR_OK)
        reply_page(&p);
    buf_done(&p.body);
    return code;
}

/* A repository that the caller may not see has no referrers, as one that is not there. */
void api_referrer_none(struct req *q)
{
    char type[TYPE_MAX];
    struct err e = {0};

    if (query_text(q, "artifactType", type, sizeof(type), &e) == ERR_OK && type[0])
        http_header(q->x, "OCI-Filters-Applied", STR("artifactType"));
    http_header(q->x, "Content-Type", STR(MEDIA_OCI_INDEX));
    http_send(
        q->x, 200,
        STR("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[]}\n"));
}
