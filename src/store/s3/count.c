#include "store/s3/count.h"

static const struct {
    const char *method;
    const char *query; /* that it has; NULL: whatever it has */
    enum s3_kind kind;
    bool of_object, copies;
} rows[] = {
    /* The first that fits. */
    {"PUT", "partNumber", S3_KIND_PART_COPY, true, true},
    {"PUT", "partNumber", S3_KIND_PART, true, false},
    {"PUT", NULL, S3_KIND_COPY, true, true},
    {"PUT", NULL, S3_KIND_PUT, true, false},
    {"GET", "uploadId", S3_KIND_LIST_PARTS, true, false},
    {"GET", NULL, S3_KIND_GET, true, false},
    {"HEAD", NULL, S3_KIND_HEAD, true, false},
    {"POST", "uploads", S3_KIND_CREATE, true, false},
    {"POST", "uploadId", S3_KIND_COMPLETE, true, false},
    {"DELETE", "uploadId", S3_KIND_ABORT, true, false},
    {"DELETE", NULL, S3_KIND_DELETE, true, false},
    {"GET", "list-type", S3_KIND_LIST, false, false},
    {"GET", "uploads", S3_KIND_LIST_UPLOADS, false, false},
    {"POST", "delete", S3_KIND_BULK_DELETE, false, false},
};

static const char *const names[S3_KINDS_N] = {
    [S3_KIND_PUT] = "put",
    [S3_KIND_COPY] = "copy",
    [S3_KIND_GET] = "get",
    [S3_KIND_HEAD] = "head",
    [S3_KIND_DELETE] = "delete",
    [S3_KIND_CREATE] = "create",
    [S3_KIND_PART] = "part",
    [S3_KIND_PART_COPY] = "part_copy",
    [S3_KIND_LIST_PARTS] = "list_parts",
    [S3_KIND_COMPLETE] = "complete",
    [S3_KIND_ABORT] = "abort",
    [S3_KIND_LIST] = "list",
    [S3_KIND_LIST_UPLOADS] = "list_uploads",
    [S3_KIND_BULK_DELETE] = "bulk_delete",
    [S3_KIND_BUCKET] = "bucket",
};

static bool has(const struct sigv4_field *query, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(query[i].name, str_of(name)))
            return true;
    }
    return false;
}

enum s3_kind s3_kind_of(const char *method, bool of_object, bool copies,
                        const struct sigv4_field *query, size_t n_query)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].method, method) == 0 && rows[i].of_object == of_object &&
            rows[i].copies == copies && (!rows[i].query || has(query, n_query, rows[i].query)))
            return rows[i].kind;
    }
    return S3_KIND_BUCKET;
}

void s3_counts_tell(const struct s3_counts *c, store_count_fn fn, void *ctx)
{
    for (size_t i = 0; i < S3_KINDS_N; i++)
        fn(ctx, names[i], atomic_load(&c->of[i]));
    fn(ctx, "tried_again", atomic_load(&c->again));
}
