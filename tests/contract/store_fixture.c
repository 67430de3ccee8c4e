#include "store_fixture.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "cache/disk/disk.h"
#include "s3_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct variant *variant_under_test;
struct err last_err;

static struct store *make_fs(const char *dir)
{
    struct store_fs_options o = {.root = dir, .fsync = true};
    struct store *s = NULL;

    OK(store_fs_new(&o, &s, E));
    return s;
}

static struct store *make_fs_unsynced(const char *dir)
{
    struct store_fs_options o = {.root = dir, .fsync = false};
    struct store *s = NULL;

    OK(store_fs_new(&o, &s, E));
    return s;
}

static struct store *make_mem(const char *dir)
{
    (void)dir;
    return store_mem_new();
}

static struct store *make_remote(const char *dir)
{
    (void)dir;
    return store_mem_remote_new();
}

static enum err_code s3_key(void *ctx, struct store_s3_key *ret_key, struct err *e)
{
    struct s3_place place = s3_place();

    (void)ctx, (void)e;
    snprintf(ret_key->access, sizeof(ret_key->access), "%s", place.access_key);
    snprintf(ret_key->secret, sizeof(ret_key->secret), "%s", place.secret_key);
    return ERR_OK;
}

/* A prefix of its own, named after the directory. */
static struct store *make_s3(const char *dir)
{
    struct s3_place place = s3_place();
    char prefix[TEMP_DIR_MAX];
    struct store_s3_options o = {
        .bucket = place.bucket,
        .region = place.region,
        .prefix = prefix,
        .endpoint = place.endpoint,
        .path_style = true,
        .key = s3_key,
        .part_bytes = 5u << 20,
        .read_ahead_bytes = 32u << 20,
        .concurrency = 3,
        .temp_path = dir,
        .timeout_ms = 10000,
    };
    struct store *s = NULL;

    snprintf(prefix, sizeof(prefix), "%s/", strrchr(dir, '/') + 1);
    OK(store_s3_new(&o, &s, E));
    return s;
}

static struct store *make_trace(const char *dir)
{
    (void)dir;
    return store_trace_new(store_mem_new());
}

static struct store *make_fault(const char *dir)
{
    return store_fault_new(make_fs(dir));
}

/* The cache on disk, before stores of three kinds. */
static struct store *cached(const char *dir, struct store *inner)
{
    char path[TEMP_PATH_MAX];
    struct cache_disk_options o = {.path = path, .max_bytes = 1u << 30};
    struct store *s = NULL;

    snprintf(path, sizeof(path), "%s/cache", dir);
    OK(cache_disk_new(inner, &o, &s, E));
    return s;
}

static struct store *make_cached_fs(const char *dir)
{
    return cached(dir, make_fs(dir));
}

static struct store *make_cached_mem(const char *dir)
{
    return cached(dir, store_mem_new());
}

static struct store *make_cached_remote(const char *dir)
{
    return cached(dir, store_mem_remote_new());
}

/* A new driver is one line here, and its name in meson.build. */
static const struct variant variants[] = {
    {"fs", true, true, true, false, true, true, make_fs},
    {"fs-unsynced", true, true, true, false, true, true, make_fs_unsynced},
    {"mem", false, false, false, false, true, true, make_mem},
    {"mem-remote", false, false, false, true, false, true, make_remote},
    {"s3", true, false, false, true, false, false, make_s3},
    {"trace", false, false, false, false, true, true, make_trace},
    {"fault-fs", true, true, true, false, true, true, make_fault},
    {"cached-fs", true, false, true, false, true, true, make_cached_fs},
    {"cached-mem", false, false, false, false, true, true, make_cached_mem},
    {"cached-remote", false, false, false, true, false, true, make_cached_remote},
};

const struct variant *variant_find(const char *name)
{
    for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
        if (strcmp(variants[i].name, name) == 0)
            return &variants[i];
    }
    fprintf(stderr, "no driver '%s'\n", name);
    exit(2);
}

int fixture_setup(void **state)
{
    struct fixture *f = NEW(struct fixture);

    last_err = (struct err){0};
    f->variant = variant_under_test;
    temp_dir_make(f->dir, TEMP_DIR_DISK);
    f->s = f->variant->make(f->dir);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    store_free(f->s);
    temp_dir_remove(f->dir);
    free(f);
    return 0;
}

void fixture_reopen(struct fixture *f)
{
    store_free(f->s);
    f->s = f->variant->make(f->dir);
}

void check_code(enum err_code got, enum err_code want, const char *call, const char *file, int line)
{
    if (got == want)
        return;
    print_error("%s:%d: %s: %s (%s), not %s\n", file, line, call, err_name(got),
                got == ERR_OK ? "" : last_err.detail, err_name(want));
    _fail(file, line);
}

struct uuid new_uuid(void)
{
    struct uuid id;

    uuid_make(&id);
    return id;
}

struct str make_bytes(unsigned seed, size_t n)
{
    char *p = mem_alloc(n);
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;

    for (size_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        p[i] = (char)x;
    }
    return (struct str){p, n};
}

/* In pieces of this size, so that a large push is many writes. */
#define PIECE_BYTES 300000

static enum err_code fill(struct store *s, struct store_upload *u, struct str bytes, struct err *e)
{
    for (size_t at = 0; at < bytes.n; at += PIECE_BYTES) {
        size_t n = bytes.n - at < PIECE_BYTES ? bytes.n - at : PIECE_BYTES;

        TRY(store_upload_write(s, u, bytes.p + at, n, at, e));
    }
    return ERR_OK;
}

enum err_code push_e(struct store *s, const struct repo_name *r, struct str bytes,
                     const struct digest *d, const struct repo_name *twin, struct err *e)
{
    struct uuid id = new_uuid();
    struct store_upload *u;
    enum err_code code;
    uint64_t size;

    TRY(store_upload_create(s, &id, e));
    TRY(store_upload_open(s, &id, &u, &size, e));
    code = fill(s, u, bytes, e);
    if (code == ERR_OK)
        code = store_upload_commit(s, u, r, d, twin, e);
    if (code != ERR_OK)
        store_upload_close(s, u);
    return code;
}

struct digest push(struct store *s, const char *name, struct str bytes)
{
    struct repo_name r = repo_of(name);
    struct digest d = sha256_of(bytes);

    OK(push_e(s, &r, bytes, &d, NULL, E));
    return d;
}

/* Whether the rest of r is exactly these bytes. */
static bool reads(struct reader *r, struct str bytes)
{
    AUTO(mem) char *found = mem_alloc(bytes.n + 1);
    size_t n = 0, got;

    do {
        if (reader_read_waiting(r, found + n, bytes.n + 1 - n, &got, ERR_IGNORED) != ERR_OK)
            return false;
        n += got;
    } while (got > 0 && n <= bytes.n);
    return str_eq((struct str){found, n}, bytes);
}

bool blob_is_e(struct store *s, const struct repo_name *r, const struct digest *d, struct str bytes)
{
    AUTO(reader) struct reader *reader = NULL;
    uint64_t stat_size, size;

    return store_blob_stat(s, r, d, &stat_size, ERR_IGNORED) == ERR_OK && stat_size == bytes.n &&
           store_blob_open(s, r, d, UINT64_MAX, &reader, &size, ERR_IGNORED) == ERR_OK &&
           size == bytes.n && reads(reader, bytes);
}

void assert_blob(struct store *s, const char *name, const struct digest *d, struct str bytes)
{
    struct repo_name r = repo_of(name);

    assert_true(blob_is_e(s, &r, d, bytes));
}

void assert_no_blob(struct store *s, const char *name, const struct digest *d)
{
    struct repo_name r = repo_of(name);
    struct reader *reader;
    uint64_t size;

    FAILS(ERR_BLOB_UNKNOWN, store_blob_stat(s, &r, d, &size, E));
    FAILS(ERR_BLOB_UNKNOWN, store_blob_open(s, &r, d, UINT64_MAX, &reader, &size, E));
}

/* Not what is left of one that became a blob. */
static enum err_code count(void *ctx, const struct store_upload_info *u, struct err *e)
{
    (void)e;
    *(size_t *)ctx += u->has_bytes || u->digest.n == 0;
    return ERR_OK;
}

size_t count_uploads(struct store *s)
{
    size_t n = 0;

    OK(store_upload_each(s, count, &n, E));
    return n;
}

void sync_upload(struct store *s, struct store_upload *u)
{
    uint64_t durable_bytes;

    OK(store_upload_sync(s, u, &(struct store_note){0}, &durable_bytes, E));
}

static enum err_code delete_one(void *ctx, const struct store_upload_info *u, struct err *e)
{
    return store_upload_delete(ctx, &u->id, e);
}

void delete_uploads(struct store *s)
{
    OK(store_upload_each(s, delete_one, s, E));
}
