/* What stands at a path of an image: docs/analysis.md. */
#include "analysis/file_json.h"
#include "api/handlers.h"
#include "api/image_known.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "core/image_files.h"

#define ENTRIES_UNASKED 1000
#define PAGE_MAX_BYTES  (32u << 20)

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

static void add_entry(struct buf *body, const struct folder_entry *x, bool of_one_layer)
{
    buf_addf(body, ",\"kind\":\"%s\"", layer_file_kind_name(x->file.kind));
    if (!x->has_member)
        return;
    if (!of_one_layer)
        buf_addf(body, ",\"layer\":%zu", x->layer);
    if (x->file.kind != LAYER_WHITEOUT)
        file_json_attributes(body, &x->file);
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
        buf_add_text(body, n > 0 ? ",{" : "{");
        file_json_name(body, "name", x.name);
        add_entry(body, &x, a->layer[0]);
        buf_add_char(body, '}');
    }
    buf_addf(body, "],\"more\":%s", i < image_folder_count(a->folder) ? "true" : "false");
    if (n > 0 && i < image_folder_count(a->folder))
        reply_link(q, a, x.name);
}

static void add_all(struct req *q, const struct asked *a, struct buf *body)
{
    struct folder_entry x;

    buf_addf(body, "{\"digest\":\"%s\"", q->digest.text);
    if (a->layer[0])
        buf_addf(body, ",\"layer_digest\":\"%s\"", a->layers.digests[0].text);
    file_json_path(body, "path", image_folder_path(a->folder));
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
