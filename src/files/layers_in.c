#include "files/layers_in.h"

#include "base/clock.h"
#include "base/mem.h"
#include "core/index_wish.h"
#include "core/layer_lists.h"
#include "files/batch.h"
#include "files/image_layers.h"

#include <stdio.h>
#include <stdlib.h>

#define IMAGES_MOST  256 /* that are committed together */
#define CONFIG_BYTES (4u << 20)
#define LIST_BYTES   (512u << 20) /* of the files of one layer */
#define OPS_MOST     40           /* of a transaction */

/* An image whose layers are in the index when the segments are. */
struct taken {
    char key[INDEX_KEY_MAX + 1];
    char platform[96];
    struct repo_name repo;
    struct digest digest;
    struct image_layers layers;
};

struct files_intake {
    struct files_index *x;
    struct registry *r;
    struct job *job;
    struct files_batch *batch;
    struct digest *layers; /* in the batch, or in a segment that is not committed */
    size_t n_layers;
    struct files_new *segments;
    size_t n_segments;
    struct taken *images; /* IMAGES_MOST */
    size_t n_images;
};

struct files_intake *files_intake_new(struct files_index *x, struct job *job)
{
    struct files_intake *in = NEW(struct files_intake);

    in->x = x;
    in->r = files_index_registry(x);
    in->job = job;
    in->batch = files_batch_new();
    in->images = mem_zero(IMAGES_MOST * sizeof(*in->images));
    return in;
}

static void forget(struct files_intake *in)
{
    for (size_t i = 0; i < in->n_segments; i++)
        close(in->segments[i].fd);
    for (size_t i = 0; i < in->n_images; i++)
        image_layers_done(&in->images[i].layers);
    in->n_segments = in->n_images = in->n_layers = 0;
    files_batch_clear(in->batch);
}

void files_intake_free(struct files_intake *in)
{
    if (!in)
        return;
    forget(in);
    files_batch_free(in->batch);
    free(in->layers);
    free(in->segments);
    free(in->images);
    free(in);
}

static bool goes_on(void *ctx)
{
    const struct files_intake *in = ctx;

    return !in->job || job_go_on(in->r->jobs, in->job);
}

/* As long as it worked. */
static bool rest(const struct files_intake *in, int64_t since_ms)
{
    return !in->job || job_rest(in->r->jobs, in->job, clock_mono_ms() - since_ms);
}

/* ---- one layer */

static enum err_code is_known(struct files_intake *in, const struct digest *d, bool *ret_known,
                              struct err *e)
{
    AUTO(files_set) struct files_set *set = NULL;
    struct files_layer layer;

    *ret_known = false;
    for (size_t i = 0; i < in->n_layers && !*ret_known; i++)
        *ret_known = digest_eq(&in->layers[i], d);
    files_layer_of(d, &layer);
    TRY(files_index_set(in->x, false, &set, e));
    for (size_t i = 0; i < set->n && !*ret_known; i++)
        TRY(files_segment_has(&set->list[i]->segment, &layer, ret_known, e));
    return ERR_OK;
}

static enum err_code close_batch(struct files_intake *in, struct err *e)
{
    struct files_new new = {.n_layers = files_batch_layers(in->batch)};
    enum err_code code;

    if (new.n_layers == 0)
        return ERR_OK;
    TRY(files_temp(files_index_dir(in->x), &new.fd, e));
    code = files_batch_write(in->batch, new.fd, &new.size, e);
    if (code != ERR_OK) {
        close(new.fd);
        return code;
    }
    in->segments = mem_resize(in->segments, (in->n_segments + 1) * sizeof(*in->segments));
    in->segments[in->n_segments++] = new;
    files_batch_clear(in->batch);
    return ERR_OK;
}

static bool is_wanted(enum layer_file_kind kind, enum files_type *ret_type)
{
    *ret_type = kind == LAYER_FILE        ? FILES_FILE
                : kind == LAYER_HARD_LINK ? FILES_HARD_LINK
                                          : FILES_SYMBOLIC_LINK;
    return kind == LAYER_FILE || kind == LAYER_HARD_LINK || kind == LAYER_SYMBOLIC_LINK;
}

static enum err_code add_files(struct files_intake *in, const struct digest *layer,
                               const struct layer_files *list, struct err *e)
{
    for (size_t i = 0; i < layer_files_count(list); i++) {
        struct layer_file f;
        enum files_type type;

        layer_files_get(list, i, &f);
        if (!is_wanted(f.kind, &type))
            continue;
        if (files_batch_full(in->batch)) {
            TRY(close_batch(in, e));
            files_batch_layer(in->batch, layer);
        }
        (void)files_batch_add(in->batch, f.path, type, f.size_bytes,
                              f.has_sha256 ? f.sha256 : NULL);
    }
    return ERR_OK;
}

static enum err_code read_layer(struct files_intake *in, const struct repo_name *repo,
                                const struct digest *d, struct layer_files **ret_list,
                                struct err *e)
{
    const struct conf_archives *c = &in->r->options->archives;
    const struct layer_limits limits = {.max_unpacked_bytes = conf_u64(&c->unpacked_bytes),
                                        .max_ratio = conf_u64(&c->ratio),
                                        .memory_bytes = LIST_BYTES};
    const struct layer_wanted wanted = {
        .repo = repo, .digest = d, .limits = limits, .go_on = goes_on, .ctx = in};
    enum err_code unused; /* the index needs it no more */

    return layer_lists_get(in->r, &wanted, ret_list, &unused, e);
}

/* It is not tried again: it stays what it is. */
static enum err_code note_unread(struct files_intake *in, const struct digest *d,
                                 const struct err *why, struct err *e)
{
    const struct meta_op op =
        meta_op_record_put(FILES_UNREAD, digest_str(d), str_of(why->detail), META_ANY);

    return meta_commit(in->r->meta, &op, 1, META_LAZY, NULL, e);
}

static bool is_its_fault(enum err_code code)
{
    return code == ERR_IMAGE_INVALID || code == ERR_IMAGE_TOO_LARGE || code == ERR_CORRUPT ||
           code == ERR_INTERNAL;
}

static enum err_code take_layer(struct files_intake *in, const struct repo_name *repo,
                                const struct digest *d, struct err *e)
{
    AUTO(layer_files) struct layer_files *list = NULL;
    int64_t since_ms = clock_mono_ms();
    struct err why = {0};
    enum err_code code;
    bool known;

    TRY(is_known(in, d, &known, e));
    if (known)
        return ERR_OK;
    code = read_layer(in, repo, d, &list, &why);
    if (code == ERR_BLOB_UNKNOWN)
        return ERR_OK; /* one that need not be here */
    if (is_its_fault(code)) {
        TRY(note_unread(in, d, &why, e));
    } else if (code != ERR_OK) {
        *e = why;
        return code;
    }
    if (files_batch_full(in->batch))
        TRY(close_batch(in, e));
    files_batch_layer(in->batch, d);
    in->layers = mem_resize(in->layers, (in->n_layers + 1) * sizeof(*in->layers));
    in->layers[in->n_layers++] = *d;
    if (list)
        TRY(add_files(in, d, list, e));
    return rest(in, since_ms) ? ERR_OK : err_set(e, ERR_LATER, "stopped");
}

/* ---- one manifest */

static enum err_code read_small(struct files_intake *in, const struct repo_name *repo,
                                const struct digest *d, struct buf *bytes, struct err *e)
{
    AUTO(reader) struct reader *reader = NULL;
    uint64_t size_bytes;
    size_t n;

    TRY(store_blob_open(in->r->store, repo, d, UINT64_MAX, &reader, &size_bytes, e));
    for (n = 1; n > 0; bytes->n += n) {
        char *p = buf_reserve(bytes, 64 << 10);

        if (!p)
            return err_set(e, ERR_CORRUPT, "a config is too large");
        TRY(reader_read_waiting(reader, p, 64 << 10, &n, e));
    }
    return ERR_OK;
}

/* What can't be read has no platform; it may be no config of an image at all. */
static void find_platform(struct files_intake *in, struct taken *t)
{
    AUTO(buf) struct buf bytes = {0};
    AUTO(json) json_t *config = NULL;

    t->platform[0] = '\0';
    buf_init(&bytes, CONFIG_BYTES);
    if (t->layers.config.n == 0 ||
        read_small(in, &t->repo, &t->layers.config, &bytes, ERR_IGNORED) != ERR_OK)
        return;
    if (json_shallow(buf_str(&bytes)))
        config = json_loadb(bytes.p, bytes.n, 0, NULL);
    if (config)
        image_platform_text(config, t->platform);
}

static enum err_code drop_wish(struct files_intake *in, struct str key, struct err *e)
{
    const struct meta_op op = meta_op_record_delete(INDEX_WISHES, key, META_ANY);

    return meta_commit(in->r->meta, &op, 1, META_LAZY, NULL, e);
}

static enum err_code take_manifest(struct files_intake *in, struct taken *t,
                                   const struct meta_manifest *m, struct err *e)
{
    TRY(image_layers_read(m->bytes, &t->layers, e));
    if (t->layers.is_index)
        return ERR_OK;
    find_platform(in, t);
    for (size_t i = 0; i < t->layers.n; i++)
        TRY(take_layer(in, &t->repo, &t->layers.digests[i], e));
    return ERR_OK;
}

enum err_code files_intake_take(struct files_intake *in, struct str key, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct taken *t = &in->images[in->n_images];
    struct str name, digest = key;
    enum err_code code;

    if (!str_cut(&digest, '@', &name) || !str_copy(key, t->key, sizeof(t->key)) ||
        repo_name_parse(name, &t->repo, ERR_IGNORED) != ERR_OK ||
        digest_parse(digest, &t->digest, ERR_IGNORED) != ERR_OK)
        return drop_wish(in, key, e);
    code = meta_manifest_by_digest(in->r->meta, &t->repo, &t->digest, &m, e);
    if (code == ERR_MANIFEST_UNKNOWN)
        return drop_wish(in, key, e);
    TRY(code);
    code = take_manifest(in, t, m, e);
    if (code != ERR_OK) {
        image_layers_done(&t->layers);
        return code;
    }
    in->n_images++;
    return in->n_images == IMAGES_MOST || in->n_segments > 0 || files_batch_full(in->batch)
               ? files_intake_commit(in, e)
               : ERR_OK;
}

/* ---- committing */

struct writing {
    struct files_intake *in;
    struct meta_op ops[OPS_MOST + 1];
    char keys[OPS_MOST][DIGEST_TEXT_MAX + 1 + INDEX_KEY_MAX + 1];
    size_t n;
};

static enum err_code write_ops(struct writing *w, struct err *e)
{
    size_t n = w->n;

    w->n = 0;
    if (n == 0)
        return ERR_OK;
    if (w->in->job)
        w->ops[n++] = job_check_op(w->in->job);
    return meta_commit(w->in->r->meta, w->ops, n, META_LAZY, NULL, e);
}

static enum err_code put(struct writing *w, struct str collection, const char *key,
                         struct str value, struct err *e)
{
    (void)str_copy(str_of(key), w->keys[w->n], sizeof(w->keys[0]));
    w->ops[w->n] = meta_op_record_put(collection, str_of(w->keys[w->n]), value, META_ANY);
    return ++w->n == OPS_MOST ? write_ops(w, e) : ERR_OK;
}

/* What an image names, for the day it is gone. */
static void list_names(const struct image_layers *l, struct buf *dst)
{
    buf_init(dst, 1u << 20);
    buf_add_text(dst, l->is_index ? "index" : "image");
    for (size_t i = 0; i < l->n; i++)
        buf_addf(dst, " %s", l->digests[i].text);
}

static enum err_code write_image(struct writing *w, const struct taken *t, struct err *e)
{
    AUTO(buf) struct buf names = {0};
    char key[DIGEST_TEXT_MAX + 1 + INDEX_KEY_MAX + 1], child[INDEX_KEY_MAX + 1];

    for (size_t i = 0; i < t->layers.n; i++) {
        if (t->layers.is_index) {
            index_key(&t->repo, &t->layers.digests[i], child);
            snprintf(key, sizeof(key), "%s/%s", child, t->digest.text);
            TRY(put(w, FILES_PARENTS, key, str_of(t->layers.platforms[i]), e));
        } else {
            snprintf(key, sizeof(key), "%s/%s", t->layers.digests[i].text, t->key);
            TRY(put(w, FILES_IMAGES, key, str_of(t->platform), e));
        }
    }
    list_names(&t->layers, &names);
    TRY(put(w, FILES_DONE, t->key, buf_str(&names), e));
    TRY(write_ops(w, e));
    return drop_wish(w->in, str_of(t->key), e);
}

enum err_code files_intake_commit(struct files_intake *in, struct err *e)
{
    AUTO(mem) struct writing *w = NEW(struct writing);
    AUTO(files_set) struct files_set *set = NULL;
    struct meta_op check;

    w->in = in;
    TRY(close_batch(in, e));
    if (in->job)
        check = job_check_op(in->job);
    if (in->n_segments > 0)
        TRY(files_index_change(in->x, in->job ? &check : NULL, in->segments, in->n_segments, NULL,
                               0, e));
    for (size_t i = 0; i < in->n_images; i++)
        TRY(write_image(w, &in->images[i], e));
    forget(in);
    return files_index_set(in->x, true, &set, e); /* for is_known() */
}
