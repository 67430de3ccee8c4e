/* The web page and its files, from memory: a few KiB each, packed when they were built. */
#include "api/ui.h"

#include "api/handlers.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "archive/unpack.h"
#include "base/cleanup.h"

#define PAGE_MAX_BYTES 16384

enum encoding { ENCODING_BR, ENCODING_GZIP, ENCODING_NONE };

static const char *const encodings[] = {
    [ENCODING_BR] = "br", [ENCODING_GZIP] = "gzip", [ENCODING_NONE] = NULL};

bool ui_there(const struct req *q)
{
    return q->api->ui->n > 0 && conf_bool(&q->api->conf->ui.enabled);
}

/* Nothing from elsewhere, nothing inline, and nobody frames it. */
static void add_page_headers(struct req *q)
{
    http_header(q->x, "Content-Type", STR("text/html; charset=utf-8"));
    http_header(q->x, "Cache-Control", STR("no-cache"));
    http_header(q->x, "Content-Security-Policy",
                STR("default-src 'none'; script-src 'self'; style-src 'self'; "
                    "img-src 'self' data:; connect-src 'self'; font-src 'self'; "
                    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"));
    http_header(q->x, "Referrer-Policy", STR("same-origin"));
    http_header(q->x, "Cross-Origin-Opener-Policy", STR("same-origin"));
}

/* The prefix was checked: it needs no escapes. */
void ui_send_page(struct req *q)
{
    const struct ui_files *ui = q->api->ui;
    AUTO(buf) struct buf page = {0};

    buf_init(&page, PAGE_MAX_BYTES);
    buf_add_str(&page, ui->head);
    buf_add_str(&page, reply_prefix(q));
    buf_add_str(&page, ui->tail);
    add_page_headers(q);
    http_send(q->x, 200, buf_str(&page));
}

static const struct ui_file *find(const struct req *q)
{
    const struct ui_files *ui = q->api->ui;

    for (size_t i = 0; i < ui->n; i++) {
        if (str_eq(str_of(ui->items[i].name), str_of(q->item)))
            return &ui->items[i];
    }
    return NULL;
}

/* RFC 9110, 12.5.3: of what is not refused (q=0), what packs best. */
static enum encoding encoding_wanted(const struct req *q)
{
    for (enum encoding i = ENCODING_BR; i < ENCODING_NONE; i++) {
        if (header_takes_encoding(q, encodings[i]))
            return i;
    }
    return ENCODING_NONE;
}

/* RFC 9110, 8.8.3.3: each encoding has a tag of its own. True: the client has it, and knows now. */
static bool add_file_headers(struct req *q, const struct ui_file *f, enum encoding encoding)
{
    char etag[64];
    struct str tag = str_of(f->etag);

    http_header(q->x, "Cache-Control", STR("public, max-age=31536000, immutable"));
    http_header(q->x, "Vary", STR("Accept-Encoding"));
    if (encodings[encoding])
        snprintf(etag, sizeof(etag), STR_FMT "-%s\"", STR_ARG(str_sub(tag, 0, tag.n - 1)),
                 encodings[encoding]);
    else
        snprintf(etag, sizeof(etag), "%s", f->etag);
    http_header(q->x, "ETag", str_of(etag));
    if (http_not_modified(q->x, str_of(etag))) {
        http_send(q->x, 304, STR_NONE);
        return true;
    }
    http_header(q->x, "Content-Type", str_of(f->type));
    if (encodings[encoding])
        http_header(q->x, "Content-Encoding", str_of(encodings[encoding]));
    return false;
}

static enum err_code emit(void *ctx, const void *p, size_t n, struct err *e)
{
    (void)e;
    buf_add(ctx, p, n);
    return ERR_OK;
}

/* For who takes nothing that is packed. */
static enum err_code send_plain(struct req *q, const struct ui_file *f, struct err *e)
{
    struct refusal refused = {0};
    AUTO(buf) struct buf plain = {0};
    AUTO(unpack) struct unpack *u = NULL;

    buf_init(&plain, f->plain_bytes + 1);
    u = unpack_new(true, emit, &plain, &refused);
    TRY(unpack_feed(u, f->gzip.p, f->gzip.n, e));
    TRY(unpack_end(u, e));
    if (!add_file_headers(q, f, ENCODING_NONE))
        http_send(q->x, 200, buf_str(&plain));
    return ERR_OK;
}

bool api_ui_asset_quick(struct req *q)
{
    const struct ui_file *f = ui_there(q) ? find(q) : NULL;
    enum encoding encoding = encoding_wanted(q);
    struct str packed;

    if (!f || encoding == ENCODING_NONE)
        return false;
    packed = encoding == ENCODING_BR ? f->br : f->gzip;
    if (packed.n > HTTP_QUICK_MAX && !http_on_worker(q->x))
        return false;
    if (!add_file_headers(q, f, encoding))
        http_send(q->x, 200, packed);
    return true;
}

enum err_code api_ui_asset_get(struct req *q, struct err *e)
{
    const struct ui_file *f = ui_there(q) ? find(q) : NULL;

    if (!f)
        return err_tell(e, ERR_NOT_FOUND, "the web page has no such file");
    if (encoding_wanted(q) == ENCODING_NONE)
        return send_plain(q, f, e);
    api_ui_asset_quick(q);
    return ERR_OK;
}

bool api_ui_page_quick(struct req *q)
{
    return conf_bool(&q->api->conf->ui.enabled) && api_home_quick(q);
}

enum err_code api_ui_page_get(struct req *q, struct err *e)
{
    if (!api_ui_page_quick(q))
        return err_tell(e, ERR_NOT_FOUND, "the web page is switched off (ui.enabled)");
    return ERR_OK;
}
