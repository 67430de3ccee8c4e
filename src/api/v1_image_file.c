/* One file out of an image: docs/analysis.md. */
#include "api/handlers.h"
#include "api/image_known.h"
#include "api/parameter.h"
#include "api/pull_gate.h"
#include "api/reply.h"
#include "base/hex.h"
#include "core/image_file.h"

#define NAME_SHOWN 200 /* no file system takes more than 255 */

struct asked {
    char path[FOLDER_PATH_MAX + 1], layer[DIGEST_TEXT_MAX + 1];
    struct image_layer_set layers;
    struct image_file_found found;
};

static void auto_asked_(struct asked *a)
{
    image_layer_set_done(&a->layers);
    image_file_found_done(&a->found);
}

static enum err_code find(struct req *q, void *ctx, struct err *e)
{
    struct asked *a = ctx;

    return image_file_find(q->registry, &a->layers, str_of(a->path), &a->found, e);
}

static enum err_code look(struct req *q, void *ctx, struct err *e)
{
    return image_look_in_turn(q, find, ctx, e);
}

/* Browsers save it under its own name, as far as that is harmless, and never show it. */
static void name_it(struct req *q, struct str path)
{
    char name[NAME_SHOWN + 1];
    size_t n = 0;

    while (memchr(path.p, '/', path.n)) {
        struct str unused;

        str_cut(&path, '/', &unused);
    }
    for (; n < path.n && n < NAME_SHOWN; n++)
        name[n] = str_is_alphanumeric(path.p[n]) || strchr(".-+@", path.p[n]) ? path.p[n] : '_';
    if (n > 0 && name[0] == '.')
        name[0] = '_';
    name[n] = '\0';
    http_header(q->x, "Content-Type", STR("application/octet-stream"));
    http_header(q->x, "Content-Security-Policy", STR("default-src 'none'; sandbox"));
    http_headerf(q->x, "Content-Disposition", "attachment; filename=\"%s\"", name);
}

static enum err_code send(struct req *q, const struct asked *a, struct err *e)
{
    const struct layer_file *f = &a->found.file;
    AUTO(reader) struct reader *r = NULL;
    char etag[67] = "\"";

    hex_encode(f->sha256, sizeof(f->sha256), etag + 1);
    etag[65] = '"';
    if (f->has_sha256 && http_not_modified(q->x, (struct str){etag, 66})) {
        http_header(q->x, "ETag", (struct str){etag, 66});
        reply_empty(q, 304);
        return ERR_OK;
    }
    TRY(image_file_open(q->registry, &a->layers, &a->found, &r, e));
    name_it(q, image_folder_path(a->found.folder));
    return http_send_content(q->x, STEAL(r), f->size_bytes, (struct str){etag, 66}, e);
}

enum err_code api_image_file_get(struct req *q, struct err *e)
{
    AUTO(asked) struct asked a = {.path = ""};
    bool known;

    TRY(query_text(q, "path", a.path, sizeof(a.path), e));
    TRY(query_text(q, "layer", a.layer, sizeof(a.layer), e));
    if (!a.path[0])
        return err_tell(e, ERR_REQUEST_INVALID, "ask with 'path'");
    TRY(image_find(q, e));
    TRY(pull_gate_whole(q, &q->digest, e));
    TRY(image_files_layers(q->registry, &q->name, &q->digest, &a.layers, e));
    if (a.layer[0])
        TRY(image_files_choose(&a.layers, str_of(a.layer), e));
    TRY(image_known(q, look, &a, &known, e));
    return known ? send(q, &a, e) : ERR_OK;
}
