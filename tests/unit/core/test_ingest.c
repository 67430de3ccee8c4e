#include "core/ingest.h"

#include "base/mem.h"
#include "core/upload.h"
#include "support.h"

/* As in ingest.c: sizes around these matter. */
#define PIPELINE (4u << 20)
#define BUFFER   (64u << 10)

struct subject {
    struct world world;
    struct uuid id;
    struct ingest in;
    char *bytes;
};

static void subject_init(struct subject *s, size_t n)
{
    uint64_t size;

    world_in_memory(&s->world);
    uuid_make(&s->id);
    assert_ok(store_upload_create(s->world.store, &s->id, ERR_IGNORED));
    s->bytes = noise(n, (unsigned)n);
    s->in = (struct ingest){.store = s->world.store,
                            .hasher = hasher_new(DIGEST_SHA256),
                            .limit_bytes = UINT64_MAX,
                            .buffer_bytes = BUFFER};
    assert_ok(store_upload_open(s->world.store, &s->id, &s->in.upload, &size, ERR_IGNORED));
}

static void subject_done(struct subject *s)
{
    store_upload_close(s->world.store, s->in.upload);
    hasher_free(s->in.hasher);
    free(s->bytes);
    world_done(&s->world);
}

/* The hash, what is stored and offset_bytes all speak of the first n bytes. */
static void assert_ingested(struct subject *s, size_t n)
{
    struct digest expected = sha256_of((struct str){s->bytes, n}), hashed;
    AUTO(mem) char *stored = mem_alloc(n + 1);
    size_t at = 0, got;

    assert_int_equal(s->in.offset_bytes, n);
    hasher_digest(s->in.hasher, &hashed);
    assert_digest_equal(&hashed, &expected);
    while (at < n) {
        assert_ok(store_upload_read(s->world.store, s->in.upload, stored + at, n - at, at, &got,
                                    ERR_IGNORED));
        assert_true(got > 0);
        at += got;
    }
    assert_memory_equal(stored, s->bytes, n);
}

static const size_t sizes[] = {0,
                               1,
                               BUFFER - 1,
                               BUFFER,
                               BUFFER + 1,
                               PIPELINE - 1,
                               PIPELINE,
                               PIPELINE + 1,
                               PIPELINE + BUFFER,
                               PIPELINE + 3 * BUFFER + 17};

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void check_size(size_t n, uint64_t expected_bytes, size_t piece_bytes)
{
    struct subject s;
    struct source from;

    subject_init(&s, n);
    from = source_of((struct str){s.bytes, n});
    from.piece_bytes = piece_bytes;
    assert_ok(ingest_run(&s.in, &from.reader, expected_bytes, ERR_IGNORED));
    assert_ingested(&s, n);
    subject_done(&s);
}

static void a_body_of_known_length_arrives_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZES; i++)
        check_size(sizes[i], sizes[i], 0);
}

static void a_body_of_unknown_length_arrives_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZES; i++)
        check_size(sizes[i], UINT64_MAX, 0);
}

static void a_body_in_small_pieces_arrives_whole(void **state)
{
    (void)state;
    check_size(PIPELINE + 12345, PIPELINE + 12345, 1000);
    check_size(PIPELINE + 12345, UINT64_MAX, 1000);
}

static void a_wrong_expectation_only_costs_time(void **state)
{
    (void)state;
    check_size(BUFFER * 3, 1, 0);
    check_size(PIPELINE + 1, 1, 0);
    check_size(10, PIPELINE * 2, 0);
}

static void a_later_chunk_goes_on_where_the_first_ended(void **state)
{
    size_t n = PIPELINE * 2 + 99, first = PIPELINE + 7;
    struct source from;
    struct subject s;

    (void)state;
    subject_init(&s, n);
    from = source_of((struct str){s.bytes, first});
    assert_ok(ingest_run(&s.in, &from.reader, first, ERR_IGNORED));
    from = source_of((struct str){s.bytes + first, n - first});
    assert_ok(ingest_run(&s.in, &from.reader, n - first, ERR_IGNORED));
    assert_ingested(&s, n);
    subject_done(&s);
}

static void check_failure(size_t n, size_t fail_at, uint64_t expected_bytes)
{
    struct source from;
    struct subject s;

    subject_init(&s, n);
    from = failing_source((struct str){s.bytes, n}, fail_at, ERR_CLIENT_GONE);
    assert_code(ERR_CLIENT_GONE, ingest_run(&s.in, &from.reader, expected_bytes, ERR_IGNORED));
    assert_ingested(&s, fail_at);
    subject_done(&s);
}

static void after_a_reader_that_fails_the_offset_says_what_was_hashed_and_written(void **state)
{
    (void)state;
    check_failure(BUFFER * 2, 0, BUFFER * 2);
    check_failure(BUFFER * 2, BUFFER + 1, BUFFER * 2);
    check_failure(PIPELINE * 2, PIPELINE + 1, PIPELINE * 2);
    check_failure(PIPELINE * 2, 5, PIPELINE * 2);
    check_failure(PIPELINE * 2, PIPELINE + 5, UINT64_MAX);
    check_failure(PIPELINE * 2, PIPELINE, UINT64_MAX);
}

static void check_full(size_t n, uint64_t write, uint64_t expected_bytes)
{
    struct source from;
    struct subject s;

    subject_init(&s, n);
    from = source_of((struct str){s.bytes, n});
    world_fail_store(&s.world, write, ERR_STORAGE_FULL);
    assert_code(ERR_STORAGE_FULL, ingest_run(&s.in, &from.reader, expected_bytes, ERR_IGNORED));
    assert_ingested(&s, (size_t)(write - 1) * BUFFER);
    subject_done(&s);
}

static void after_a_store_that_fails_the_offset_says_what_was_hashed_and_written(void **state)
{
    (void)state;
    check_full(BUFFER * 4, 1, BUFFER * 4);
    check_full(BUFFER * 4, 3, BUFFER * 4);
    check_full(PIPELINE * 2, 1, PIPELINE * 2);
    check_full(PIPELINE * 2, 100, PIPELINE * 2);
    check_full(PIPELINE * 2, 100, UINT64_MAX);
}

static void check_limit(size_t n, uint64_t limit, uint64_t expected_bytes)
{
    struct err e = {0};
    struct source from;
    struct subject s;

    subject_init(&s, n);
    s.in.limit_bytes = limit;
    from = source_of((struct str){s.bytes, n});
    assert_code(ERR_BLOB_TOO_LARGE, ingest_run(&s.in, &from.reader, expected_bytes, &e));
    assert_true(e.public_detail);
    assert_true(s.in.offset_bytes <= limit);
    subject_done(&s);
}

static void a_body_past_the_limit_is_refused(void **state)
{
    (void)state;
    check_limit(1, 0, 1);
    check_limit(BUFFER + 1, BUFFER, UINT64_MAX);
    check_limit(PIPELINE + 1, PIPELINE, UINT64_MAX);
    check_limit(PIPELINE * 2, PIPELINE * 2 - 1, UINT64_MAX);
    check_limit(PIPELINE * 2, PIPELINE * 2 - 1, PIPELINE * 2);
}

static void a_body_exactly_at_the_limit_is_taken(void **state)
{
    struct source from;
    struct subject s;

    (void)state;
    subject_init(&s, PIPELINE + 100);
    s.in.limit_bytes = PIPELINE + 100;
    from = source_of((struct str){s.bytes, PIPELINE + 100});
    assert_ok(ingest_run(&s.in, &from.reader, UINT64_MAX, ERR_IGNORED));
    assert_ingested(&s, PIPELINE + 100);
    subject_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_of_known_length_arrives_whole),
        cmocka_unit_test(a_body_of_unknown_length_arrives_whole),
        cmocka_unit_test(a_body_in_small_pieces_arrives_whole),
        cmocka_unit_test(a_wrong_expectation_only_costs_time),
        cmocka_unit_test(a_later_chunk_goes_on_where_the_first_ended),
        cmocka_unit_test(after_a_reader_that_fails_the_offset_says_what_was_hashed_and_written),
        cmocka_unit_test(after_a_store_that_fails_the_offset_says_what_was_hashed_and_written),
        cmocka_unit_test(a_body_past_the_limit_is_refused),
        cmocka_unit_test(a_body_exactly_at_the_limit_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
