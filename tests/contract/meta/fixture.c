#include "fixture.h"

#include "base/mem.h"
#include "behind_redis.h"
#include "cache/memory.h"
#include "database.h"
#include "dynamo_table.h"
#include "rounds.h"

#include <stdio.h>
#include <stdlib.h>

static const char *driver = "sqlite";
static bool on_postgres, on_dynamodb, on_redis;

void fixture_choose(int argc, char **argv)
{
    if (argc > 1)
        driver = argv[1];
    on_postgres = str_starts(str_of(driver), STR("postgresql"));
    on_dynamodb = str_starts(str_of(driver), STR("dynamodb"));
    on_redis = strstr(driver, "redis") != NULL;
    if (on_postgres)
        database_make();
    if (on_redis)
        behind_redis_make();
    if (on_dynamodb)
        dynamo_table_make();
}

const char *fixture_driver(void)
{
    return driver;
}

bool fixture_is_dynamodb(void)
{
    return on_dynamodb;
}

size_t fixture_rounds(size_t n)
{
    return on_dynamodb && !rounds_are_long() ? n / 10 : n;
}

static struct meta *decorate(struct meta *m)
{
    if (on_redis)
        return behind_redis(strstr(driver, "fault") ? meta_fault_new(m) : m);
    if (strstr(driver, "cache"))
        return cache_memory_new(m, 1 << 20);
    if (strstr(driver, "fault"))
        return meta_fault_new(m);
    return m;
}

static enum err_code open_postgres(struct meta **ret_meta, struct err *e)
{
    const struct meta_postgres_options o = {
        .url = database_url(), .connections = 3, .connect_timeout_ms = 10000, .timeout_ms = 60000};

    return meta_postgres_new(&o, ret_meta, e);
}

static enum err_code open_sqlite(struct fixture *f, struct meta **ret_meta, struct err *e)
{
    bool memory = strcmp(driver, "memory") == 0;
    struct meta_sqlite_options o = {.path = memory ? ":memory:" : f->path,
                                    .fsync = false,
                                    .read_connections = 3,
                                    .cache_bytes = 256 << 10};

    return meta_sqlite_new(&o, ret_meta, e);
}

static void open_meta(struct fixture *f)
{
    struct meta *m = NULL;
    enum err_code code;

    if (on_postgres)
        code = open_postgres(&m, &f->e);
    else if (on_dynamodb)
        code = dynamo_table_use(NULL, 60000, &m, &f->e);
    else
        code = open_sqlite(f, &m, &f->e);
    if (code != ERR_OK)
        fail_msg("%s", f->e.detail);
    f->m = decorate(m);
}

int fixture_setup(void **state)
{
    struct fixture *f = NEW(struct fixture);

    temp_dir_make(f->dir, TEMP_DIR_DISK);
    snprintf(f->path, sizeof(f->path), "%s/registry.db", f->dir);
    if (on_postgres)
        database_clear();
    if (on_dynamodb)
        dynamo_table_clear();
    open_meta(f);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    meta_free(f->m);
    if (on_dynamodb)
        dynamo_table_clear();
    temp_dir_remove(f->dir);
    free(f);
    return 0;
}

void fixture_reopen(struct fixture *f)
{
    meta_free(f->m);
    open_meta(f);
}

struct digest digest_for(const char *seed)
{
    return sha256_of(str_of(seed));
}

struct meta_manifest *manifest_for(const char *text)
{
    struct digest d = digest_for(text);

    return meta_manifest_new(&d, STR("application/vnd.oci.image.manifest.v1+json"), str_of(text));
}

enum err_code commit(struct fixture *f, const struct meta_op *ops, size_t n)
{
    f->failed = SIZE_MAX;
    return meta_commit(f->m, ops, n, 0, &f->failed, &f->e);
}

enum err_code commit_one(struct fixture *f, struct meta_op op)
{
    return commit(f, &op, 1);
}

enum err_code blob_link(struct fixture *f, const char *repo, const char *seed)
{
    struct repo_name r = repo_of(repo);
    struct digest d = digest_for(seed);

    return commit_one(f, meta_op_blob_link(&r, &d, strlen(seed)));
}

enum err_code blob_unlink(struct fixture *f, const char *repo, const char *seed)
{
    struct repo_name r = repo_of(repo);
    struct digest d = digest_for(seed);

    return commit_one(f, meta_op_blob_unlink(&r, &d, (struct meta_removal){.reason = STR("test")}));
}

enum err_code put_edges(struct fixture *f, const char *repo, const char *text,
                        const struct meta_edge *edges, size_t n)
{
    struct repo_name r = repo_of(repo);
    AUTO(meta_manifest) struct meta_manifest *m = manifest_for(text);

    return commit_one(f, meta_op_manifest_put((struct meta_manifest_put){
                             .repo = &r, .manifest = m, .edges = edges, .n_edges = n}));
}

enum err_code put(struct fixture *f, const char *repo, const char *text)
{
    return put_edges(f, repo, text, NULL, 0);
}

enum err_code put_referrer(struct fixture *f, const char *repo, const char *text,
                           const char *subject, const char *artifact_type, const char *annotations)
{
    struct repo_name r = repo_of(repo);
    struct digest s = digest_for(subject);
    AUTO(meta_manifest) struct meta_manifest *m = manifest_for(text);

    return commit_one(f, meta_op_manifest_put(
                             (struct meta_manifest_put){.repo = &r,
                                                        .manifest = m,
                                                        .subject = &s,
                                                        .artifact_type = str_of(artifact_type),
                                                        .annotations_json = str_of(annotations)}));
}

enum err_code delete_manifest(struct fixture *f, const char *repo, const char *text)
{
    struct repo_name r = repo_of(repo);
    struct digest d = digest_for(text);

    return commit_one(f, meta_op_manifest_delete(&r, &d, META_ANY));
}

enum err_code set_tag(struct fixture *f, const char *repo, const char *tag, const char *text,
                      int64_t expected)
{
    struct repo_name r = repo_of(repo);
    struct tag_name t = tag_of(tag);
    struct digest d = digest_for(text);

    return commit_one(f, meta_op_tag_set(&r, &t, &d, expected));
}

enum err_code delete_tag(struct fixture *f, const char *repo, const char *tag, int64_t expected)
{
    struct repo_name r = repo_of(repo);
    struct tag_name t = tag_of(tag);

    return commit_one(f, meta_op_tag_delete(&r, &t, expected));
}

int64_t version_of(struct fixture *f, const char *repo, const char *tag)
{
    struct repo_name r = repo_of(repo);
    struct tag_name t = tag_of(tag);
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    int64_t version = META_ABSENT;
    enum err_code code = meta_manifest_by_tag(f->m, &r, &t, &m, &version, &f->e);

    assert_true(code == ERR_OK || code == ERR_MANIFEST_UNKNOWN);
    return version;
}

bool has_manifest(struct fixture *f, const char *repo, const char *text)
{
    struct repo_name r = repo_of(repo);
    struct digest d = digest_for(text);
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    enum err_code code = meta_manifest_by_digest(f->m, &r, &d, &m, &f->e);

    if (code == ERR_OK) {
        assert_true(digest_eq(&m->digest, &d));
        assert_true(str_eq(m->bytes, str_of(text)));
    } else {
        assert_int_equal(code, ERR_MANIFEST_UNKNOWN);
    }
    return code == ERR_OK;
}

void layered_begin(struct fixture *f, struct layered *ret)
{
    const size_t n = sizeof(ret->edges) / sizeof(ret->edges[0]);

    ret->repo = repo_of("a");
    ret->tag = tag_of("t");
    ret->manifest = manifest_for("m");
    for (size_t i = 0; i < n; i++) {
        char seed[8];

        snprintf(seed, sizeof(seed), "b%zu", i);
        assert_ok(blob_link(f, "a", seed));
        ret->edges[i] = (struct meta_edge){META_EDGE_BLOB, digest_for(seed)};
    }
    ret->ops[0] = meta_op_manifest_put((struct meta_manifest_put){
        .repo = &ret->repo, .manifest = ret->manifest, .edges = ret->edges, .n_edges = n});
    ret->ops[1] = meta_op_tag_set(&ret->repo, &ret->tag, &ret->manifest->digest, META_ANY);
}

void layered_done(struct layered *l)
{
    meta_manifest_unref(l->manifest);
}

bool has_blob(struct fixture *f, const char *repo, const char *seed)
{
    struct repo_name r = repo_of(repo);
    struct digest d = digest_for(seed);
    uint64_t size;
    enum err_code code = meta_blob_stat(f->m, &r, &d, &size, &f->e);

    if (code == ERR_OK)
        assert_int_equal(size, strlen(seed));
    else
        assert_int_equal(code, ERR_BLOB_UNKNOWN);
    return code == ERR_OK;
}

void assert_tag(struct fixture *f, const char *repo, const char *tag, const char *text)
{
    struct repo_name r = repo_of(repo);
    struct tag_name t = tag_of(tag);
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    assert_ok(meta_manifest_by_tag(f->m, &r, &t, &m, NULL, &f->e));
    assert_true(str_eq(m->bytes, str_of(text)));
}

size_t pending(struct fixture *f, struct meta_projection *rows, size_t cap)
{
    size_t n;

    assert_ok(meta_projections(f->m, STR(""), rows, cap, &n, &f->e));
    return n;
}

void assert_names(const struct meta_name_list *l, size_t n, const char *const *names)
{
    assert_int_equal(l->n, n);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(l->names[i], names[i]);
}
