/* What stores promise that keep a blob once for all repositories, and have uploads elsewhere. */
#include "store_fixture.h"

#include <stdlib.h>
#include <string.h>

static struct store *store_in(void **state)
{
    return ((struct fixture *)*state)->s;
}

static void a_blob_is_one_for_all_repositories(void **state)
{
    struct store *s = store_in(state);
    struct digest d = push(s, "a", STR("shared"));

    assert_blob(s, "b/c", &d, STR("shared"));
}

static void a_blob_that_others_have_is_left(void **state)
{
    struct store *s = store_in(state);
    struct repo_name a = repo_of("a"), b = repo_of("b");
    struct digest d = push(s, "a", STR("shared"));

    OK(store_blob_link(s, &a, &b, &d, E));
    OK(store_blob_delete(s, &a, &d, true, E));
    assert_blob(s, "b", &d, STR("shared"));
    OK(store_blob_delete(s, &b, &d, false, E));
    assert_no_blob(s, "b", &d);
}

static bool yes(void *ctx)
{
    (*(int *)ctx)++;
    return true;
}

static bool no(void *ctx)
{
    (*(int *)ctx)++;
    return false;
}

static void a_blob_is_purged_by_who_still_may(void **state)
{
    struct store *s = store_in(state);
    struct digest d = push(s, "a", STR("purged"));
    int asked = 0;

    FAILS(ERR_LATER, store_blob_purge(s, &d, no, &asked, E));
    assert_int_equal(asked, 1);
    assert_blob(s, "a", &d, STR("purged"));
    OK(store_blob_purge(s, &d, yes, &asked, E));
    assert_int_equal(asked, 2);
    assert_no_blob(s, "a", &d);
}

static void a_blob_that_is_not_there_is_purged(void **state)
{
    struct store *s = store_in(state);
    struct digest d = push(s, "a", STR("purged"));
    int asked = 0;

    OK(store_blob_purge(s, &d, yes, &asked, E));
    OK(store_blob_purge(s, &d, yes, &asked, E));
    assert_int_equal(asked, 2);
}

/* Other readers may watch descriptors of their own meanwhile: this one's is its own to the end. */
static void what_a_reader_waits_for_stays_its_own(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct str bytes = make_bytes(2, 3u << 20);
    struct digest d = push(s, "a", bytes);
    AUTO(reader) struct reader *first = NULL;
    AUTO(reader) struct reader *second = NULL;
    AUTO(mem) char *got = malloc(bytes.n);
    uint64_t size;
    int fd;
    size_t n;

    OK(store_blob_open(s, &r, &d, bytes.n, &first, &size, E));
    fd = reader_wait_fd(first);
    for (size_t at = 0; at < bytes.n; at += n)
        OK(reader_read_waiting(first, got + at, bytes.n - at, &n, E));
    assert_memory_equal(got, bytes.p, bytes.n);
    assert_int_equal(reader_wait_fd(first), fd);
    OK(store_blob_open(s, &r, &d, bytes.n, &second, &size, E));
    OK(reader_read_waiting(second, got, 1, &n, E));
    if (fd >= 0)
        assert_int_not_equal(reader_wait_fd(second), fd);
    OK(reader_seek(first, 5, E));
    OK(reader_read_waiting(first, got, 1, &n, E));
    assert_int_equal(got[0], bytes.p[5]);
    free((char *)bytes.p);
}

static void an_upload_that_left_nothing_opens_as_an_empty_one(void **state)
{
    struct store *s = store_in(state);
    struct uuid id = new_uuid();
    struct store_upload *u;
    struct store_note note;
    uint64_t size;

    OK(store_upload_open(s, &id, &u, &size, E));
    assert_int_equal(size, 0);
    OK(store_upload_note(s, u, &note, E));
    assert_int_equal(note.n, 0);
    store_upload_close(s, u);
    OK(store_upload_delete(s, &id, E));
}

/* Open, with bytes that are durable, and the note. */
static struct store_upload *begin(struct store *s, const struct uuid *id, struct str bytes,
                                  const char *note)
{
    struct store_note n = {.n = strlen(note)};
    struct store_upload *u;
    uint64_t size, durable;

    memcpy(n.bytes, note, n.n);
    OK(store_upload_create(s, id, E));
    OK(store_upload_open(s, id, &u, &size, E));
    OK(store_upload_write(s, u, bytes.p, bytes.n, 0, E));
    OK(store_upload_sync(s, u, &n, &durable, E));
    assert_int_equal(durable, bytes.n);
    return u;
}

static void assert_note(struct store *s, struct store_upload *u, const char *want)
{
    struct store_note note;

    OK(store_upload_note(s, u, &note, E));
    assert_true(str_eq((struct str){note.bytes, note.n}, str_of(want)));
}

static void a_note_is_kept_with_the_bytes_it_is_of(void **state)
{
    static const size_t sizes[] = {1, 100000, (5u << 20) - 1, (16u << 20) + 5};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct str bytes = make_bytes(7, sizes[i]);
        struct repo_name r = repo_of("a");
        struct digest d = sha256_of(bytes);
        struct uuid id = new_uuid();
        struct store_upload *u =
            begin(f->s, &id, (struct str){bytes.p, bytes.n - 1}, "half \x01\x80 way");
        uint64_t size;

        store_upload_close(f->s, u);
        if (f->variant->lasts)
            fixture_reopen(f);
        OK(store_upload_open(f->s, &id, &u, &size, E));
        assert_int_equal(size, bytes.n - 1);
        assert_note(f->s, u, "half \x01\x80 way");
        OK(store_upload_write(f->s, u, bytes.p + bytes.n - 1, 1, bytes.n - 1, E));
        assert_note(f->s, u, "");
        OK(store_upload_commit(f->s, u, &r, &d, NULL, E));
        assert_blob(f->s, "a", &d, bytes);
        free((char *)bytes.p);
    }
}

/* A sync after each, as a client sends chunks, whatever their sizes are. */
static void an_upload_goes_on_from_sync_to_sync(void **state)
{
    static const size_t chunks[] = {3, 0, 5u << 20, 1u << 20, (5u << 20) - 1, 7, 12u << 20, 1, 100};
    struct fixture *f = *state;
    struct str bytes = make_bytes(11, 30u << 20);
    struct repo_name r = repo_of("a");
    struct uuid id = new_uuid();
    struct store_upload *u = begin(f->s, &id, STR_NONE, "");
    struct digest d;
    size_t at = 0;

    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        uint64_t size;

        OK(store_upload_write(f->s, u, bytes.p + at, chunks[i], at, E));
        at += chunks[i];
        sync_upload(f->s, u);
        store_upload_close(f->s, u);
        if (f->variant->lasts && i % 3 == 0)
            fixture_reopen(f);
        OK(store_upload_open(f->s, &id, &u, &size, E));
        assert_int_equal(size, at);
    }
    d = sha256_of((struct str){bytes.p, at});
    OK(store_upload_commit(f->s, u, &r, &d, NULL, E));
    assert_blob(f->s, "a", &d, (struct str){bytes.p, at});
    free((char *)bytes.p);
}

static void what_is_not_durable_yet_can_be_taken_back(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct digest d = sha256_of(STR("hello!"));
    struct uuid id = new_uuid();
    struct store_upload *u = begin(s, &id, STR("hello"), "");

    OK(store_upload_write(s, u, ", world", 7, 5, E));
    OK(store_upload_truncate(s, u, 5, E));
    OK(store_upload_write(s, u, "!", 1, 5, E));
    OK(store_upload_commit(s, u, &r, &d, NULL, E));
    assert_blob(s, "a", &d, STR("hello!"));
}

static void what_is_durable_cannot_be_cut(void **state)
{
    struct store *s = store_in(state);
    struct uuid id = new_uuid();
    struct store_upload *u = begin(s, &id, STR("hello"), "");

    FAILS(ERR_UNSUPPORTED, store_upload_truncate(s, u, 4, E));
    store_upload_close(s, u);
    OK(store_upload_delete(s, &id, E));
}

/* Where that can be done at all. True: it has these bytes. */
static bool reads_back(struct store *s, struct store_upload *u, struct str bytes)
{
    char *got = malloc(bytes.n + 1);
    size_t at = 0, n = 1;

    while (n > 0) {
        enum err_code code = store_upload_read(s, u, got + at, bytes.n + 1 - at, at, &n, E);

        if (code == ERR_UNSUPPORTED) {
            free(got);
            return false;
        }
        assert_int_equal(code, ERR_OK);
        at += n;
    }
    assert_int_equal(at, bytes.n);
    assert_memory_equal(got, bytes.p, bytes.n);
    free(got);
    return true;
}

static void what_was_read_back_can_be_gone_on_with(void **state)
{
    static const size_t sizes[] = {5, 11u << 20};
    struct store *s = store_in(state);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct str bytes = make_bytes(3, sizes[i]);
        AUTO(buf) struct buf all = {0};
        struct repo_name r = repo_of("a");
        struct uuid id = new_uuid();
        struct store_upload *u = begin(s, &id, bytes, "");
        struct digest d;

        if (!reads_back(s, u, bytes)) {
            store_upload_close(s, u);
            free((char *)bytes.p);
            return;
        }
        buf_init(&all, sizes[i] + 2);
        buf_add_str(&all, bytes);
        buf_add_text(&all, "ab");
        OK(store_upload_write(s, u, "a", 1, bytes.n, E));
        assert_true(reads_back(s, u, str_sub(buf_str(&all), 0, bytes.n + 1)));
        OK(store_upload_write(s, u, "b", 1, bytes.n + 1, E));
        d = sha256_of(buf_str(&all));
        OK(store_upload_commit(s, u, &r, &d, NULL, E));
        assert_blob(s, "a", &d, buf_str(&all));
        free((char *)bytes.p);
    }
}

static void the_end_of_an_upload_may_become_all_of_it(void **state)
{
    static const struct {
        size_t size, from;
    } rows[] = {{9, 4}, {13u << 20, 7u << 20}, {13u << 20, (13u << 20) - 3}};
    struct store *s = store_in(state);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str bytes = make_bytes(4, rows[i].size);
        struct str end = str_sub(bytes, rows[i].from, rows[i].size - rows[i].from);
        struct repo_name r = repo_of("a");
        struct digest d = sha256_of(end);
        struct uuid id = new_uuid();
        struct store_upload *u = begin(s, &id, bytes, "");
        enum err_code code = store_upload_keep_from(s, u, rows[i].from, E);

        if (code == ERR_UNSUPPORTED) {
            store_upload_close(s, u);
        } else {
            assert_int_equal(code, ERR_OK);
            OK(store_upload_commit(s, u, &r, &d, NULL, E));
            assert_blob(s, "a", &d, end);
        }
        free((char *)bytes.p);
    }
}

static void more_may_follow_the_end_of_an_upload_however_short_it_is(void **state)
{
    static const size_t kept[] = {0, 3, (5u << 20) - 1, 6u << 20};
    struct store *s = store_in(state);

    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        struct str bytes = make_bytes(4, 13u << 20);
        struct str all = str_sub(bytes, bytes.n - kept[i], kept[i]), more = bytes;
        AUTO(buf) struct buf want = {0};
        struct repo_name r = repo_of("a");
        struct uuid id = new_uuid();
        struct store_upload *u = begin(s, &id, bytes, "");
        enum err_code code = store_upload_keep_from(s, u, bytes.n - kept[i], E);
        struct digest d;

        buf_init(&want, 32u << 20);
        buf_add_str(&want, all);
        buf_add_str(&want, more);
        d = sha256_of(buf_str(&want));
        if (code == ERR_UNSUPPORTED) {
            store_upload_close(s, u);
        } else {
            assert_int_equal(code, ERR_OK);
            OK(store_upload_write(s, u, more.p, more.n, kept[i], E));
            OK(store_upload_commit(s, u, &r, &d, NULL, E));
            assert_blob(s, "a", &d, buf_str(&want));
        }
        free((char *)bytes.p);
    }
}

static void a_deleted_upload_leaves_nothing(void **state)
{
    struct store *s = store_in(state);
    struct uuid small = new_uuid(), large = new_uuid();
    struct str bytes = make_bytes(3, 17u << 20);

    store_upload_close(s, begin(s, &small, STR("hello"), ""));
    store_upload_close(s, begin(s, &large, bytes, ""));
    OK(store_upload_delete(s, &small, E));
    OK(store_upload_delete(s, &large, E));
    assert_int_equal(count_uploads(s), 0);
    free((char *)bytes.p);
}

static void push_expected(struct store *s, struct str bytes, const struct digest *d)
{
    struct repo_name r = repo_of("a");
    struct uuid id = new_uuid();
    struct store_upload *u;
    uint64_t size;

    OK(store_upload_create(s, &id, E));
    OK(store_upload_open(s, &id, &u, &size, E));
    OK(store_upload_expect(s, u, &r, d, bytes.n, E));
    for (size_t at = 0; at < bytes.n; at += 1 << 20)
        OK(store_upload_write(s, u, bytes.p + at, bytes.n - at < 1 << 20 ? bytes.n - at : 1 << 20,
                              at, E));
    OK(store_upload_prepare(s, u, &r, d, NULL, E));
    OK(store_upload_commit(s, u, &r, d, NULL, E));
}

static void what_is_expected_becomes_a_blob(void **state)
{
    static const size_t sizes[] = {0, 1, 5u << 20, (17u << 20) + 3};
    struct store *s = store_in(state);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct str bytes = make_bytes((unsigned)i, sizes[i]);
        struct digest d = sha256_of(bytes);

        push_expected(s, bytes, &d);
        assert_blob(s, "a", &d, bytes);
        push_expected(s, bytes, &d); /* again: it is there already */
        assert_blob(s, "a", &d, bytes);
        free((char *)bytes.p);
    }
    assert_int_equal(count_uploads(s), 0);
}

/* The client went away, and comes back for another try. */
static void what_was_expected_and_cut_can_be_sent_again(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct str bytes = make_bytes(5, 17u << 20);
    struct digest d = sha256_of(bytes);
    struct uuid id = new_uuid();
    struct store_upload *u;
    uint64_t size, durable;

    OK(store_upload_create(s, &id, E));
    OK(store_upload_open(s, &id, &u, &size, E));
    OK(store_upload_expect(s, u, &r, &d, bytes.n, E));
    OK(store_upload_write(s, u, bytes.p, 16u << 20, 0, E));
    OK(store_upload_sync(s, u, &(struct store_note){0}, &durable, E));
    store_upload_close(s, u);
    assert_no_blob(s, "a", &d);
    OK(store_upload_open(s, &id, &u, &size, E));
    assert_int_equal(size, durable);
    OK(store_upload_write(s, u, bytes.p + size, bytes.n - size, size, E));
    OK(store_upload_commit(s, u, &r, &d, NULL, E));
    assert_blob(s, "a", &d, bytes);
    free((char *)bytes.p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int run_remote_suite(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_blob_is_one_for_all_repositories),
        TEST(a_blob_that_others_have_is_left),
        TEST(a_blob_is_purged_by_who_still_may),
        TEST(a_blob_that_is_not_there_is_purged),
        TEST(what_a_reader_waits_for_stays_its_own),
        TEST(an_upload_that_left_nothing_opens_as_an_empty_one),
        TEST(a_note_is_kept_with_the_bytes_it_is_of),
        TEST(an_upload_goes_on_from_sync_to_sync),
        TEST(what_is_not_durable_yet_can_be_taken_back),
        TEST(what_is_durable_cannot_be_cut),
        TEST(what_was_read_back_can_be_gone_on_with),
        TEST(the_end_of_an_upload_may_become_all_of_it),
        TEST(more_may_follow_the_end_of_an_upload_however_short_it_is),
        TEST(a_deleted_upload_leaves_nothing),
        TEST(what_is_expected_becomes_a_blob),
        TEST(what_was_expected_and_cut_can_be_sent_again),
    };

    return cmocka_run_group_tests_name("remote", tests, NULL, NULL);
}
