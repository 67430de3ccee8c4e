#include "files/search.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "core/index_wish.h"
#include "files/stream.h"

#include <stdio.h>
#include <stdlib.h>

/* A page looks at so many entries of the index at most, a part of them in each segment; and at so
 * many layers, for so long. */
#define LOOK_ENTRIES 100000
#define LOOK_LEAST   3000
#define LOOK_LAYERS  2000
#define LOOK_MS      500
#define IMAGES_PAGE  256
#define KNOWN_LAYERS 64
#define LAYER_KEY    (DIGEST_TEXT_MAX + 1 + INDEX_KEY_MAX)

/* An image that the caller may see. */
struct image {
    char key[INDEX_KEY_MAX + 1]; /* "REPOSITORY@DIGEST" */
    char platform[FILES_PLATFORM_MAX];
    struct repo_name repo;
    struct digest digest;
    struct tag_name tags[FILES_TAGS_MOST];
    size_t n_tags;
    bool more_tags;
};

/* The images of a layer, from the first on: no more than a page needs. */
struct known_layer {
    struct files_layer layer;
    struct image **images; /* of searching.images */
    size_t n;
    bool more;
};

struct searching {
    const struct files_search *s;
    struct files_set *set;
    struct files_stream *streams;
    struct files_place from;
    char from_image[INDEX_KEY_MAX + 1]; /* of the file at `from`: those behind this image */
    struct image **images;              /* that were looked up, sorted by nothing */
    size_t n_images;
    struct known_layer layers[KNOWN_LAYERS];
    size_t next_layer;
    unsigned looked; /* at layers */
    int64_t end_ms;
    struct files_page *page;
};

static void auto_searching_(struct searching *x)
{
    for (size_t i = 0; x->streams && i < x->set->n; i++)
        files_stream_done(&x->streams[i]);
    for (size_t i = 0; i < KNOWN_LAYERS; i++)
        free(x->layers[i].images);
    for (size_t i = 0; i < x->n_images; i++)
        free(x->images[i]);
    free(x->images);
    free(x->streams);
    files_set_unref(x->set);
}

/* ---- tokens: order, layer, image */

static void write_token(const struct files_place *place, const char *image,
                        char dst[static FILES_TOKEN_MAX])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    AUTO(buf) struct buf b = {0};
    size_t n = 0;

    buf_init(&b, FILES_TOKEN_MAX);
    buf_add(&b, place->layer.bytes, FILES_LAYER_BYTES);
    buf_add_text(&b, image);
    buf_add_char(&b, '\n');
    buf_add(&b, place->order, place->n_order);
    for (size_t i = 0; i < b.n; i += 3) {
        size_t have = b.n - i < 3 ? b.n - i : 3;
        unsigned v = (unsigned)(unsigned char)b.p[i] << 16;

        v |= have > 1 ? (unsigned)(unsigned char)b.p[i + 1] << 8 : 0;
        v |= have > 2 ? (unsigned char)b.p[i + 2] : 0;
        for (size_t j = 0; j <= have; j++)
            dst[n++] = letters[v >> (18 - 6 * j) & 63];
    }
    dst[n] = '\0';
}

static enum err_code read_token(struct searching *x, struct err *e)
{
    unsigned char bytes[BASE64_ROOM(FILES_TOKEN_MAX)];
    struct str rest, image;
    size_t n;

    if (x->s->after.n == 0)
        return ERR_OK;
    if (x->s->after.n < FILES_TOKEN_MAX && base64url_decode(x->s->after, bytes, &n) &&
        n > FILES_LAYER_BYTES) {
        rest = (struct str){(const char *)bytes + FILES_LAYER_BYTES, n - FILES_LAYER_BYTES};
        if (str_cut(&rest, '\n', &image) && str_copy(image, x->from_image, sizeof(x->from_image)) &&
            rest.n < sizeof(x->from.order)) {
            memcpy(x->from.layer.bytes, bytes, FILES_LAYER_BYTES);
            memcpy(x->from.order, rest.p, rest.n);
            x->from.n_order = rest.n;
            return ERR_OK;
        }
    }
    return err_tell(e, ERR_REQUEST_INVALID,
                    "query parameter 'last' is not what the Link of a page said");
}

/* ---- images */

static bool split_key(struct str key, struct repo_name *repo, struct digest *digest)
{
    struct str name;

    return str_cut(&key, '@', &name) && repo_name_parse(name, repo, ERR_IGNORED) == ERR_OK &&
           digest_parse(key, digest, ERR_IGNORED) == ERR_OK;
}

static enum err_code add_tags(struct searching *x, struct image *i, const struct digest *d,
                              bool *ret_there, struct err *e)
{
    AUTO(name_list) struct meta_name_list l = {0};
    struct meta *m = files_index_registry(x->s->index)->meta;

    TRY(meta_manifest_tags(m, &i->repo, d, STR(""), FILES_TAGS_MOST, &l, NULL, e));
    for (size_t j = 0; j < l.n; j++) {
        struct tag_name tag;

        if (tag_name_parse(str_of(l.names[j]), &tag, ERR_IGNORED) == ERR_OK &&
            x->s->may(x->s->ctx, &i->repo, &tag)) {
            if (i->n_tags < FILES_TAGS_MOST)
                i->tags[i->n_tags++] = tag;
            else
                i->more_tags = true;
        }
    }
    i->more_tags |= l.more;
    *ret_there = l.n > 0;
    return ERR_OK;
}

/* Of the indexes that it is in. */
static enum err_code add_parents_tags(struct searching *x, struct image *i, struct err *e)
{
    AUTO(records) struct meta_record_list l = {0};
    char after[INDEX_KEY_MAX + 2];
    size_t n = (size_t)snprintf(after, sizeof(after), "%s/", i->key);
    struct digest parent;
    bool there;

    TRY(meta_records(files_index_registry(x->s->index)->meta, FILES_PARENTS, (struct str){after, n},
                     FILES_TAGS_MOST, &l, e));
    for (size_t j = 0; j < l.n && strncmp(l.rows[j].key, after, n) == 0; j++) {
        if (digest_parse(str_of(l.rows[j].key + n), &parent, ERR_IGNORED) == ERR_OK)
            TRY(add_tags(x, i, &parent, &there, e));
    }
    return ERR_OK;
}

/* Is it there still? What has a tag is. */
static enum err_code look_up(struct searching *x, struct image *i, bool *ret_there, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    enum err_code code = ERR_OK;

    TRY(add_tags(x, i, &i->digest, ret_there, e));
    if (!*ret_there)
        code = meta_manifest_by_digest(files_index_registry(x->s->index)->meta, &i->repo,
                                       &i->digest, &m, e);
    if (code != ERR_OK && code != ERR_MANIFEST_UNKNOWN)
        return code;
    *ret_there = code == ERR_OK;
    return *ret_there ? add_parents_tags(x, i, e) : ERR_OK;
}

/* *ret_image is NULL when the caller may not see it, or it is gone. */
static enum err_code image_of(struct searching *x, struct str key, const char *platform,
                              struct image **ret_image, struct err *e)
{
    struct image *i;
    struct repo_name repo;
    struct digest digest;
    bool there;

    *ret_image = NULL;
    for (size_t j = x->n_images; j-- > 0 && !*ret_image;) {
        if (str_eq(str_of(x->images[j]->key), key))
            *ret_image = x->images[j];
    }
    if (*ret_image || key.n > INDEX_KEY_MAX || !split_key(key, &repo, &digest) ||
        !x->s->may(x->s->ctx, &repo, NULL))
        return ERR_OK;
    i = NEW(struct image);
    x->images = mem_resize(x->images, (x->n_images + 1) * sizeof(struct image *));
    x->images[x->n_images++] = i;
    (void)str_copy(key, i->key, sizeof(i->key));
    (void)str_copy(str_of(platform), i->platform, sizeof(i->platform));
    i->repo = repo;
    i->digest = digest;
    TRY(look_up(x, i, &there, e));
    if (there)
        *ret_image = i;
    else
        free(x->images[--x->n_images]);
    return ERR_OK;
}

/* ---- layers */

/* The images of it behind that one, until there are `limit` or no more. */
static enum err_code images_of(struct searching *x, const struct digest *layer, const char *behind,
                               size_t limit, struct known_layer *k, struct err *e)
{
    char key[LAYER_KEY + 1], after[LAYER_KEY + 1];
    size_t prefix = (size_t)snprintf(key, sizeof(key), "%s/", layer->text);

    snprintf(after, sizeof(after), "%s%s", key, behind);
    x->looked++;
    for (k->more = true; k->more && k->n < limit;) {
        AUTO(records) struct meta_record_list l = {0};

        TRY(meta_records(files_index_registry(x->s->index)->meta, FILES_IMAGES, str_of(after),
                         limit < IMAGES_PAGE ? limit + 1 : IMAGES_PAGE, &l, e));
        k->more = l.more;
        for (size_t i = 0; i < l.n && k->n < limit; i++) {
            struct image *image;

            k->more = strncmp(l.rows[i].key, key, prefix) == 0;
            if (!k->more)
                return ERR_OK;
            TRY(image_of(x, str_of(l.rows[i].key + prefix), l.rows[i].value, &image, e));
            if (image)
                k->images[k->n++] = image;
            snprintf(after, sizeof(after), "%s", l.rows[i].key);
        }
        k->more = k->n == limit || l.more;
    }
    return ERR_OK;
}

/* The same from the first on, which the files of a layer have in common. */
static enum err_code known_layer(struct searching *x, const struct files_layer *layer,
                                 const struct digest *digest, struct known_layer **ret_layer,
                                 struct err *e)
{
    struct known_layer *k;

    for (size_t i = 0; i < KNOWN_LAYERS; i++) {
        k = &x->layers[i];
        if (k->images && files_layer_cmp(&k->layer, layer) == 0) {
            *ret_layer = k;
            return ERR_OK;
        }
    }
    k = &x->layers[x->next_layer++ % KNOWN_LAYERS];
    free(k->images);
    *k = (struct known_layer){.images = mem_alloc(x->s->limit * sizeof(struct image *))};
    TRY(images_of(x, digest, "", x->s->limit, k, e));
    k->layer = *layer;
    *ret_layer = k;
    return ERR_OK;
}

/* ---- files */

static void tell(struct searching *x, const struct files_stream *s, const struct digest *layer,
                 const struct image *i)
{
    char path[FILES_PATH_MAX + 2];
    int n = snprintf(path, sizeof(path), STR_FMT "%s" STR_FMT, STR_ARG(s->file.dir),
                     s->file.dir.n > 0 ? "/" : "", STR_ARG(s->file.base));
    const struct files_found f = {.path = {path, (size_t)n},
                                  .file = &s->file,
                                  .layer = layer,
                                  .repo = &i->repo,
                                  .manifest = &i->digest,
                                  .platform = i->platform,
                                  .tags = i->tags,
                                  .n_tags = i->n_tags,
                                  .more_tags = i->more_tags};

    x->s->found(x->s->ctx, &f);
}

static void end_page(struct searching *x, const struct files_place *place, const char *image)
{
    x->page->more = true;
    write_token(place, image, x->page->next);
}

/* The images that have the file, as far as the page goes. */
static enum err_code take_file(struct searching *x, const struct files_stream *s, struct err *e)
{
    struct known_layer own = {.images = NULL}, *k = &own;
    AUTO(mem) struct image **images = NULL;
    struct digest layer;
    bool first = x->from_image[0] && files_place_cmp(&s->place, &x->from) == 0;

    TRY(files_layer_digest(&s->place.layer, &layer, e));
    if (first) {
        images = mem_alloc(x->s->limit * sizeof(*images));
        own.images = images;
        TRY(images_of(x, &layer, x->from_image, x->s->limit, k, e));
    } else {
        TRY(known_layer(x, &s->place.layer, &layer, &k, e));
    }
    for (size_t i = 0; i < k->n; i++) {
        tell(x, s, &layer, k->images[i]);
        if (++x->page->n == x->s->limit) {
            end_page(x, &s->place, k->images[i]->key);
            return ERR_OK;
        }
    }
    return ERR_OK;
}

/* The one that is to be looked at next; NULL: all have ended. */
static struct files_stream *first_stream(struct searching *x)
{
    struct files_stream *first = NULL;

    for (size_t i = 0; i < x->set->n; i++) {
        struct files_stream *s = &x->streams[i];

        if (!s->end && (!first || files_place_cmp(&s->place, &first->place) < 0))
            first = s;
    }
    return first;
}

static bool looked_enough(const struct searching *x)
{
    return x->looked >= LOOK_LAYERS || clock_mono_ms() >= x->end_ms;
}

static enum err_code open_streams(struct searching *x, struct err *e)
{
    x->streams = mem_alloc((x->set->n + 1) * sizeof(*x->streams));
    for (size_t i = 0; i < x->set->n; i++)
        files_stream_init(&x->streams[i], &x->set->list[i]->segment, x->s->plan);
    for (size_t i = 0; i < x->set->n; i++) {
        double part = (double)x->set->list[i]->n_files / (double)(x->set->n_files + 1);

        x->streams[i].budget = LOOK_LEAST + (uint64_t)(part * LOOK_ENTRIES);
        TRY(files_stream_seek(&x->streams[i], &x->from, e));
    }
    return ERR_OK;
}

static enum err_code search_all(struct searching *x, struct err *e)
{
    struct files_place last = {.n_order = 0};
    struct files_stream *s;

    TRY(open_streams(x, e));
    while (!x->page->more && (s = first_stream(x))) {
        if (!s->paused && last.n_order > 0 && files_place_cmp(&s->place, &last) == 0) {
            TRY(files_stream_next(s, e)); /* the layer is in several segments */
            continue;
        }
        if (s->paused || looked_enough(x)) {
            bool same = files_place_cmp(&s->place, &x->from) == 0;

            end_page(x, &s->place, same ? x->from_image : "");
            return ERR_OK;
        }
        TRY(take_file(x, s, e));
        last = s->place;
        if (!x->page->more)
            TRY(files_stream_next(s, e));
    }
    return ERR_OK;
}

enum err_code files_search(const struct files_search *s, struct files_page *ret_page, struct err *e)
{
    AUTO(searching) struct searching x = {.s = s, .page = ret_page};

    *ret_page = (struct files_page){.n = 0};
    x.end_ms = clock_mono_ms() + LOOK_MS;
    TRY(read_token(&x, e));
    TRY(files_index_set(s->index, true, &x.set, e));
    ret_page->waiting = x.set->waiting;
    ret_page->unread = x.set->unread;
    ret_page->scanned = x.set->scanned;
    ret_page->complete = x.set->scanned && x.set->waiting == 0 && x.set->unread == 0;
    return search_all(&x, e);
}
