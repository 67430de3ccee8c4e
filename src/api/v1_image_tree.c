/* What stands at a path of an image: docs/analysis.md. */
#include "api/handlers.h"
#include "api/image_known.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "base/clock.h"
#include "base/hex.h"
#include "core/image_files.h"

#define ENTRIES_UNASKED 1000
#define PAGE_MAX_BYTES  (32u << 20)
#define LAST_S          253402300799 /* the end of the year 9999 */

struct asked {
    char path[FOLDER_PATH_MAX + 1], layer[DIGEST_TEXT_MAX + 1], last[FOLDER_PATH_MAX + 1];
    size_t n;
    struct image_layer_set layers;
    struct image_folder *folder;
};

static void auto_asked_(struct asked *a)
{
    image_layer_set_done(&a->layers);
    image_folder_free(a->folder);
}

/* ---- one entry */

static bool is_utf8(struct str s)
{
    for (size_t n; s.n > 0; s = str_sub(s, n, s.n - n)) {
        n = str_utf8_step(s);
        if (n == 0)
            return false;
    }
    return true;
}

/* Names are bytes, which JSON can't say: then it is said as a query has it, too. */
static void add_name(struct buf *body, const char *key, struct str name)
{
    buf_addf(body, ",\"%s\":", key);
    buf_add_json(body, name);
    if (is_utf8(name))
        return;
    buf_addf(body, ",\"%s_percent\":\"", key);
    buf_add_percent(body, name);
    buf_add_char(body, '"');
}

static void add_modified(struct buf *body, int64_t at_s)
{
    char text[CLOCK_RFC3339_SIZE];

    if (at_s < 0 || at_s > LAST_S)
        return;
    clock_rfc3339(at_s * 1000, text);
    buf_addf(body, ",\"modified\":\"%s\"", text);
}

static void add_file(struct buf *body, const struct layer_file *f)
{
    char hex[65];

    buf_addf(body, ",\"mode\":\"%04o\",\"uid\":%u,\"gid\":%u", f->mode, f->uid, f->gid);
    add_modified(body, f->modified_s);
    if (f->kind == LAYER_FILE)
        buf_addf(body, ",\"size\":%llu", (unsigned long long)f->size_bytes);
    if (f->has_sha256) {
        hex_encode(f->sha256, sizeof(f->sha256), hex);
        buf_addf(body, ",\"sha256\":\"%s\"", hex);
    }
    if (f->kind == LAYER_SYMBOLIC_LINK || f->kind == LAYER_HARD_LINK)
        add_name(body, "link", f->link);
}

static void add_entry(struct buf *body, const struct folder_entry *x, bool of_one_layer)
{
    buf_addf(body, ",\"kind\":\"%s\"", layer_file_kind_name(x->file.kind));
    if (!x->has_member)
        return;
    if (!of_one_layer)
        buf_addf(body, ",\"layer\":%zu", x->layer);
    if (x->file.kind != LAYER_WHITEOUT)
        add_file(body, &x->file);
}

/* ---- a page */

/* The first behind that name. */
static size_t find_behind(const struct image_folder *f, struct str last)
{
    size_t from = 0, to = image_folder_count(f);

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        struct folder_entry x;

        image_folder_get(f, middle, &x);
        if (str_cmp(x.name, last) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void reply_link(struct req *q, const struct asked *a, struct str last)
{
    AUTO(buf) struct buf more = {0};

    buf_init(&more, 8 * FOLDER_PATH_MAX);
    buf_add_text(&more, "&path=");
    buf_add_percent(&more, str_of(a->path));
    if (a->layer[0]) {
        buf_add_text(&more, "&layer=");
        buf_add_percent(&more, str_of(a->layer));
    }
    if (q->head->query.n > 0 && query_has(q, "platform")) {
        char platform[128];

        (void)!query_text(q, "platform", platform, sizeof(platform), ERR_IGNORED);
        buf_add_text(&more, "&platform=");
        buf_add_percent(&more, str_of(platform));
    }
    reply_next(q, a->n, last, buf_str(&more));
}

static void add_entries(struct req *q, const struct asked *a, struct buf *body)
{
    size_t i = find_behind(a->folder, str_of(a->last)), n = 0;
    struct folder_entry x = {.has_member = false};

    buf_add_text(body, ",\"entries\":[");
    for (; i < image_folder_count(a->folder) && n < a->n; i++, n++) {
        image_folder_get(a->folder, i, &x);
        buf_add_text(body, n > 0 ? ",{\"name\":" : "{\"name\":");
        buf_add_json(body, x.name);
        if (!is_utf8(x.name)) {
            buf_add_text(body, ",\"name_percent\":\"");
            buf_add_percent(body, x.name);
            buf_add_char(body, '"');
        }
        add_entry(body, &x, a->layer[0]);
        buf_add_char(body, '}');
    }
    buf_add_char(body, ']');
    if (n > 0 && i < image_folder_count(a->folder))
        reply_link(q, a, x.name);
}

static void add_path(struct buf *body, struct str path)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, path.n + 1);
    buf_add_char(&text, '/');
    buf_add_str(&text, path);
    add_name(body, "path", buf_str(&text));
}

static void add_all(struct req *q, const struct asked *a, struct buf *body)
{
    struct folder_entry x;

    buf_addf(body, "{\"digest\":\"%s\"", q->digest.text);
    if (a->layer[0])
        buf_addf(body, ",\"layer_digest\":\"%s\"", a->layers.digests[0].text);
    add_path(body, image_folder_path(a->folder));
    image_folder_itself(a->folder, &x);
    add_entry(body, &x, a->layer[0]);
    if (a->layer[0] && image_folder_is_opaque(a->folder))
        buf_add_text(body, ",\"opaque\":true");
    if (x.file.kind == LAYER_FOLDER)
        add_entries(q, a, body);
    buf_add_text(body, "}\n");
}

/* ---- the whole */

static enum err_code open_folder(struct req *q, void *ctx, struct err *e)
{
    struct asked *a = ctx;

    return image_files_folder(q->registry, &a->layers, str_of(a->path),
                              a->layer[0] ? FOLDER_WHITEOUTS : FOLDER_FOLLOW, &a->folder, e);
}

static enum err_code look(struct req *q, void *ctx, struct err *e)
{
    return image_look_in_turn(q, open_folder, ctx, e);
}

static enum err_code parse(struct req *q, struct asked *a, struct err *e)
{
    TRY(query_page(q, ENTRIES_UNASKED, &a->n, e));
    TRY(query_text(q, "path", a->path, sizeof(a->path), e));
    TRY(query_text(q, "layer", a->layer, sizeof(a->layer), e));
    return query_text(q, "last", a->last, sizeof(a->last), e);
}

enum err_code api_image_tree_get(struct req *q, struct err *e)
{
    AUTO(asked) struct asked a = {.n = 0};
    AUTO(buf) struct buf body = {0};
    bool known;

    TRY(parse(q, &a, e));
    TRY(image_find(q, e));
    TRY(image_files_layers(q->registry, &q->name, &q->digest, &a.layers, e));
    if (a.layer[0])
        TRY(image_files_choose(&a.layers, str_of(a.layer), e));
    TRY(image_known(q, look, &a, &known, e));
    if (!known)
        return ERR_OK;
    buf_init(&body, PAGE_MAX_BYTES);
    add_all(q, &a, &body);
    if (body.full)
        return err_set(e, ERR_INTERNAL, "a page of files is too large");
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}
