/*
 * files_seed ROOT IMAGES FILES shared|own: fills a registry that does not run with the metadata of
 * so many images of so many files each, and the index of their files. Layers have no bytes. With
 * `shared`, six tenths of an image's files are of a base that 50 images have, a quarter of a layer
 * that 10 have; with `own` no two images share a layer or a content. A line of JSON tells what it
 * took.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "core/index_wish.h"
#include "core/life.h"
#include "core/owner.h"
#include "files/batch.h"
#include "files/index.h"
#include "files/upkeep.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define TEXT_MAX 512

struct seed {
    struct registry *r;
    struct files_index *index;
    struct files_batch *batch;
    unsigned images, files;
    bool shared;
    uint64_t pairs;
    int64_t merging_ms;
};

/* A number that looks random, the same each time. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void hash_of(uint64_t content, unsigned char hash[static FILES_HASH_BYTES])
{
    for (size_t i = 0; i < 4; i++) {
        uint64_t v = mix(content * 4 + i + 1);

        memcpy(hash + 8 * i, &v, 8);
    }
}

/* Of a base: most paths are those of other bases, half of the contents, too. */
static uint64_t base_file(uint64_t layer, unsigned i, char path[static TEXT_MAX])
{
    uint64_t kind = mix(i) % 10, version = kind < 7 ? 0 : layer;
    static const char *const ends[] = {".so", ".py", ".h", "", ".conf", ".txt", ".mo", ".so.1"};

    snprintf(path, TEXT_MAX, "usr/%s/pkg-%u/%s%llx%s", mix(i * 3) % 2 ? "lib" : "share/doc", i / 37,
             mix(i * 5) % 3 ? "file-" : "lib", (unsigned long long)(mix(i + version) >> 40),
             ends[mix(i * 7) % 8]);
    return mix(i * 11) % 2 ? i : mix(layer * 1000003 + i);
}

/* Of an application: modules, of which one in three has a name of its own. */
static uint64_t own_file(uint64_t layer, unsigned i, char path[static TEXT_MAX])
{
    bool own = mix(layer * 31 + i) % 3 == 0;
    static const char *const ends[] = {".js", ".jar", ".class", ".map", ".json", ".png"};

    snprintf(path, TEXT_MAX, "opt/app/modules/m%u/%s%llx%s", i / 23, own ? "own-" : "index-",
             (unsigned long long)(mix(own ? layer * 65537 + i : i) >> 36), ends[mix(i) % 6]);
    return own ? mix(layer * 7777777 + i) : i;
}

/* Nothing is shared: names, paths and contents. */
static uint64_t lone_file(uint64_t layer, unsigned i, char path[static TEXT_MAX])
{
    uint64_t v = mix(layer * 104729 + i);

    snprintf(path, TEXT_MAX, "data/%llx/%llx/%016llx.bin", (unsigned long long)(v % 251),
             (unsigned long long)(v / 251 % 251), (unsigned long long)v);
    return v;
}

typedef uint64_t (*file_fn)(uint64_t layer, unsigned i, char path[static TEXT_MAX]);

static enum err_code close_batch(struct seed *s, struct err *e)
{
    AUTO(fd) int fd = -1;
    struct files_new new = {.n_layers = files_batch_layers(s->batch)};

    if (new.n_layers == 0)
        return ERR_OK;
    TRY(files_temp(files_index_dir(s->index), &fd, e));
    new.fd = fd;
    TRY(files_batch_write(s->batch, fd, &new.size, e));
    s->pairs += new.size.n_files;
    files_batch_clear(s->batch);
    TRY(files_index_change(s->index, NULL, &new, 1, NULL, 0, e));
    s->merging_ms -= clock_mono_ms();
    TRY(files_upkeep_merge(s->index, NULL, e));
    s->merging_ms += clock_mono_ms();
    return ERR_OK;
}

static enum err_code add_layer(struct seed *s, const struct repo_name *repo, uint64_t layer,
                               unsigned n, file_fn file, struct digest *ret_digest, struct err *e)
{
    char path[TEXT_MAX], name[64];
    unsigned char hash[FILES_HASH_BYTES];
    struct meta_op op;

    snprintf(name, sizeof(name), "layer %llu", (unsigned long long)layer);
    digest_of(DIGEST_SHA256, name, strlen(name), ret_digest);
    op = meta_op_blob_link(repo, ret_digest, 1000);
    TRY(meta_commit(s->r->meta, &op, 1, META_LAZY, NULL, e));
    files_batch_layer(s->batch, ret_digest);
    for (unsigned i = 0; i < n; i++) {
        uint64_t content = file(layer, i, path);

        if (files_batch_full(s->batch)) {
            TRY(close_batch(s, e));
            files_batch_layer(s->batch, ret_digest);
        }
        hash_of(content, hash);
        (void)files_batch_add(s->batch, str_of(path), FILES_FILE, mix(content) % 100000, hash);
    }
    return ERR_OK;
}

struct layer_kind {
    unsigned each;   /* so many images have one of them */
    unsigned tenths; /* of the files of an image, in twentieths */
    file_fn file;
};

static const struct layer_kind shared_kinds[] = {
    {50, 12, base_file}, {10, 5, own_file}, {1, 3, own_file}};
static const struct layer_kind own_kinds[] = {{1, 20, lone_file}};

static enum err_code add_image(struct seed *s, unsigned i, const struct digest *layers, size_t n,
                               struct err *e)
{
    AUTO(buf) struct buf text = {0};
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct repo_name repo;
    struct tag_name tag;
    struct digest d;
    struct meta_op ops[8];
    char name[64], keys[4][2 * DIGEST_TEXT_MAX + REPO_NAME_MAX], done[INDEX_KEY_MAX + 1];
    size_t n_ops = 2;

    snprintf(name, sizeof(name), "team-%u/app-%u", i % 100, i % 2000);
    TRY(repo_name_parse(str_of(name), &repo, e));
    snprintf(name, sizeof(name), "v%u", i);
    TRY(tag_name_parse(str_of(name), &tag, e));
    buf_init(&text, 4096);
    buf_addf(&text, "{\"schemaVersion\":2,\"image\":%u}", i);
    digest_of(DIGEST_SHA256, text.p, text.n, &d);
    m = meta_manifest_new(&d, STR("application/vnd.oci.image.manifest.v1+json"), buf_str(&text));
    ops[0] = meta_op_manifest_put((struct meta_manifest_put){.repo = &repo, .manifest = m});
    ops[1] = meta_op_tag_set(&repo, &tag, &d, META_ANY);
    index_key(&repo, &d, done);
    for (size_t j = 0; j < n; j++) {
        snprintf(keys[j], sizeof(keys[j]), "%s/%s", layers[j].text, done);
        ops[n_ops++] =
            meta_op_record_put(FILES_IMAGES, str_of(keys[j]), STR("linux/amd64"), META_ANY);
    }
    ops[n_ops++] = meta_op_record_put(FILES_DONE, str_of(done), STR("image"), META_ANY);
    return meta_commit(s->r->meta, ops, n_ops, META_LAZY, NULL, e);
}

static enum err_code add_all(struct seed *s, struct err *e)
{
    const struct layer_kind *kinds = s->shared ? shared_kinds : own_kinds;
    size_t n = s->shared ? 3 : 1;
    struct digest layers[3];
    struct repo_name repo;

    TRY(repo_name_parse(STR("layers"), &repo, e));
    for (unsigned i = 0; i < s->images; i++) {
        for (size_t j = 0; j < n; j++) {
            if (i % kinds[j].each == 0)
                TRY(add_layer(s, &repo, ((uint64_t)j << 40) + i, s->files * kinds[j].tenths / 20,
                              kinds[j].file, &layers[j], e));
        }
        TRY(add_image(s, i, layers, n, e));
    }
    return close_batch(s, e);
}

static enum err_code seed(struct seed *s, const char *root, struct conf *conf, struct err *e)
{
    char database[TEXT_MAX], now[32];
    const struct store_fs_options files = {.root = root};
    const struct meta_sqlite_options sqlite = {
        .path = database, .read_connections = 2, .cache_bytes = 64 << 20};
    struct store *store;
    struct meta *meta;
    struct err unmarked;
    struct meta_op op;

    snprintf(database, sizeof(database), "%s/registry.db", root);
    TRY(store_fs_new(&files, &store, e));
    TRY(meta_sqlite_new(&sqlite, &meta, e));
    TRY(owner_claim(store, meta, &unmarked, e));
    s->r = registry_new(store, meta, conf);
    s->index = files_index_new(s->r, root);
    s->batch = files_batch_new();
    TRY(add_all(s, e));
    snprintf(now, sizeof(now), "%s%lld", FILES_SCANNED, (long long)clock_wall_ms());
    op = meta_op_record_put(FILES_STATE, FILES_SCAN, str_of(now), META_ANY);
    return meta_commit(meta, &op, 1, 0, NULL, e);
}

static void print_result(const struct seed *s, const struct files_set *set, int64_t ms)
{
    struct rusage usage;
    uint64_t bytes = 0, parts[4] = {0};

    getrusage(RUSAGE_SELF, &usage);
    for (size_t i = 0; i < set->n; i++) {
        const struct files_segment *g = &set->list[i]->segment;

        bytes += g->bytes.n_bytes;
        parts[0] += g->names.end - g->names.begin;
        parts[1] += g->reversed.end - g->reversed.begin;
        parts[2] += g->paths.end - g->paths.begin;
        parts[3] += g->hashes.end - g->hashes.begin;
    }
    printf("{\"pairs\": %llu, \"segments\": %zu, \"bytes\": %llu, \"names\": %llu, "
           "\"reversed\": %llu, \"paths\": %llu, \"hashes\": %llu, \"ms\": %lld, "
           "\"merging_ms\": %lld, \"peak_kib\": %ld}\n",
           (unsigned long long)s->pairs, set->n, (unsigned long long)bytes,
           (unsigned long long)parts[0], (unsigned long long)parts[1], (unsigned long long)parts[2],
           (unsigned long long)parts[3], (long long)ms, (long long)s->merging_ms, usage.ru_maxrss);
}

int main(int argc, char **argv)
{
    struct seed s = {0};
    AUTO(files_set) struct files_set *set = NULL;
    struct conf *conf = NULL;
    struct err e = {0};
    int64_t since_ms = clock_mono_ms();
    enum err_code code;

    if (argc != 5) {
        fprintf(stderr, "usage: %s ROOT IMAGES FILES shared|own\n", argv[0]);
        return 2;
    }
    s.images = (unsigned)atoi(argv[2]);
    s.files = (unsigned)atoi(argv[3]);
    s.shared = strcmp(argv[4], "shared") == 0;
    code = conf_load(NULL, NULL, &conf, &e);
    if (code == ERR_OK)
        code = seed(&s, argv[1], conf, &e);
    if (code == ERR_OK)
        code = files_index_set(s.index, true, &set, &e);
    if (code == ERR_OK)
        print_result(&s, set, clock_mono_ms() - since_ms);
    else
        fprintf(stderr, "%s\n", e.detail);
    files_batch_free(s.batch);
    files_index_free(s.index);
    registry_free(s.r);
    conf_free(conf);
    return code != ERR_OK;
}
