/* Uploads: what store.h promises of every driver. */
#include "store_fixture.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct store *store_in(void **state)
{
    return ((struct fixture *)*state)->s;
}

/* A new upload that holds bytes, open. */
static struct store_upload *begin(struct store *s, const struct uuid *id, struct str bytes)
{
    struct store_upload *u = NULL;
    uint64_t size = 1;

    OK(store_upload_create(s, id, E));
    OK(store_upload_open(s, id, &u, &size, E));
    assert_int_equal(size, 0);
    OK(store_upload_write(s, u, bytes.p, bytes.n, 0, E));
    return u;
}

/* As that, closed; what is not durable may be known to nobody. */
static void begin_durable(struct store *s, const struct uuid *id, struct str bytes)
{
    struct store_upload *u = begin(s, id, bytes);

    sync_upload(s, u);
    store_upload_close(s, u);
}

static void assert_holds(struct store *s, struct store_upload *u, struct str bytes)
{
    char got[64];
    size_t n;

    OK(store_upload_read(s, u, got, sizeof(got), 0, &n, E));
    assert_true(str_eq((struct str){got, n}, bytes));
}

static void unknown_upload_is_reported(void **state)
{
    struct store *s = store_in(state);
    struct uuid id = new_uuid();
    struct store_upload *u;
    uint64_t size;

    FAILS(ERR_BLOB_UPLOAD_UNKNOWN, store_upload_open(s, &id, &u, &size, E));
    OK(store_upload_delete(s, &id, E)); /* not there: success */
}

static void upload_grows_write_by_write(void **state)
{
    struct store *s = store_in(state);
    struct uuid id = new_uuid();
    struct store_upload *u = begin(s, &id, STR("hello"));
    uint64_t size;
    char got[4];
    size_t n;

    OK(store_upload_write(s, u, ", world", 7, 5, E));
    OK(store_upload_write(s, u, NULL, 0, 12, E));
    FAILS(ERR_INTERNAL, store_upload_write(s, u, "x", 1, INT64_MAX, E));
    sync_upload(s, u);
    assert_holds(s, u, STR("hello, world"));
    OK(store_upload_read(s, u, got, sizeof(got), 9, &n, E));
    assert_int_equal(n, 3);
    OK(store_upload_read(s, u, got, sizeof(got), 12, &n, E));
    assert_int_equal(n, 0);
    OK(store_upload_read(s, u, got, sizeof(got), UINT64_MAX, &n, E));
    assert_int_equal(n, 0);
    store_upload_close(s, u);
    OK(store_upload_open(s, &id, &u, &size, E));
    assert_int_equal(size, 12);
    assert_holds(s, u, STR("hello, world"));
    store_upload_close(s, u);
}

static void truncate_drops_the_end_and_never_adds(void **state)
{
    struct store *s = store_in(state);
    struct uuid id = new_uuid();
    struct store_upload *u = begin(s, &id, STR("0123456789"));

    OK(store_upload_truncate(s, u, 20, E));
    assert_holds(s, u, STR("0123456789"));
    OK(store_upload_truncate(s, u, 4, E));
    assert_holds(s, u, STR("0123"));
    OK(store_upload_write(s, u, "ab", 2, 4, E));
    assert_holds(s, u, STR("0123ab"));
    OK(store_upload_truncate(s, u, 0, E));
    assert_holds(s, u, STR(""));
    store_upload_close(s, u);
}

/* Past the sizes at which a driver begins to push bytes to its disk ahead of the sync. */
static void large_upload_can_be_cut_and_continued(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct uuid id = new_uuid();
    struct str bytes = make_bytes(9, 40u << 20);
    struct digest d = sha256_of(bytes);
    size_t half = bytes.n / 2, step = 1u << 20;
    struct store_upload *u = begin(s, &id, (struct str){bytes.p, half});
    uint64_t size;

    OK(store_upload_write(s, u, bytes.p, half, half, E)); /* wrong bytes, taken back */
    OK(store_upload_truncate(s, u, half, E));
    sync_upload(s, u);
    store_upload_close(s, u);
    OK(store_upload_open(s, &id, &u, &size, E));
    assert_int_equal(size, half);
    for (size_t at = half; at < bytes.n; at += step)
        OK(store_upload_write(s, u, bytes.p + at, step, at, E));
    OK(store_upload_commit(s, u, &r, &d, NULL, E));
    assert_blob(s, "a", &d, bytes);
    free((char *)bytes.p);
}

static void identifier_is_taken_once(void **state)
{
    struct store *s = store_in(state);
    struct uuid id = new_uuid();
    struct store_upload *u = begin(s, &id, STR("kept"));
    struct err e;

    assert_int_not_equal(store_upload_create(s, &id, &e), ERR_OK);
    assert_holds(s, u, STR("kept"));
    store_upload_close(s, u);
}

static void two_handles_see_one_upload(void **state)
{
    struct store *s = store_in(state);
    struct uuid id = new_uuid();
    struct store_upload *one = begin(s, &id, STR("abc")), *two;
    uint64_t size;

    OK(store_upload_open(s, &id, &two, &size, E));
    assert_int_equal(size, 3);
    OK(store_upload_write(s, two, "d", 1, 3, E));
    store_upload_close(s, two);
    assert_holds(s, one, STR("abcd"));
    store_upload_close(s, one);
}

static void committed_upload_is_gone(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct uuid id = new_uuid();
    struct store_upload *u = begin(s, &id, STR("x"));
    struct digest d = sha256_of(STR("x"));
    uint64_t size;

    OK(store_upload_commit(s, u, &r, &d, NULL, E));
    assert_blob(s, "a", &d, STR("x"));
    FAILS(ERR_BLOB_UPLOAD_UNKNOWN, store_upload_open(s, &id, &u, &size, E));
    assert_int_equal(count_uploads(s), 0);
}

static void upload_is_no_blob_before_its_commit(void **state)
{
    struct store *s = store_in(state);
    struct uuid id = new_uuid();
    struct store_upload *u = begin(s, &id, STR("x"));
    struct digest d = sha256_of(STR("x"));

    assert_no_blob(s, "a", &d);
    store_upload_close(s, u);
    OK(store_upload_delete(s, &id, E));
    assert_no_blob(s, "a", &d);
    assert_int_equal(count_uploads(s), 0);
}

static void commit_of_what_exists_is_success(void **state)
{
    struct store *s = store_in(state);
    struct digest d = push(s, "a", STR("x"));

    push(s, "a", STR("x"));
    assert_blob(s, "a", &d, STR("x"));
    assert_int_equal(count_uploads(s), 0);
}

static void commit_with_a_twin(void **state)
{
    struct store *s = store_in(state);
    struct repo_name b = repo_of("b"), a = repo_of("a");
    struct digest d = push(s, "a", STR("x"));

    OK(push_e(s, &b, STR("x"), &d, &a, E));
    OK(store_blob_delete(s, &a, &d, false, E));
    assert_blob(s, "b", &d, STR("x"));
    assert_int_equal(count_uploads(s), 0);
}

/* What was found out before is true of the bytes as they were then. */
static void bytes_written_after_a_prepare_are_committed(void **state)
{
    struct store *s = store_in(state);
    struct repo_name a = repo_of("a"), b = repo_of("b");
    struct digest d = push(s, "a", STR("x")), longer = sha256_of(STR("xyz"));
    struct uuid id = new_uuid();
    struct store_upload *u = begin(s, &id, STR("x"));

    push(s, "a", STR("xyz"));
    OK(store_upload_prepare(s, u, &b, &d, &a, E));
    assert_no_blob(s, "b", &d);
    OK(store_upload_write(s, u, "yz", 2, 1, E));
    OK(store_upload_commit(s, u, &b, &longer, &a, E));
    assert_blob(s, "b", &longer, STR("xyz"));
    assert_no_blob(s, "b", &d);
}

static void what_a_prepare_found_may_be_gone_at_the_commit(void **state)
{
    struct store *s = store_in(state);
    struct repo_name a = repo_of("a"), b = repo_of("b");
    struct digest d = push(s, "a", STR("x"));
    struct uuid id = new_uuid();
    struct store_upload *u = begin(s, &id, STR("x"));

    push(s, "b", STR("x"));
    OK(store_upload_prepare(s, u, &b, &d, &a, E));
    OK(store_blob_delete(s, &a, &d, false, E));
    OK(store_blob_delete(s, &b, &d, false, E));
    OK(store_upload_commit(s, u, &b, &d, &a, E));
    assert_blob(s, "b", &d, STR("x"));
    assert_int_equal(count_uploads(s), 0);
}

static void commit_with_a_twin_that_lacks_the_blob(void **state)
{
    struct store *s = store_in(state);
    struct repo_name b = repo_of("b"), nobody = repo_of("nobody");
    struct digest d = sha256_of(STR("x"));

    OK(push_e(s, &b, STR("x"), &d, &nobody, E));
    assert_blob(s, "b", &d, STR("x"));
    assert_no_blob(s, "nobody", &d);
}

static void repository_that_is_its_own_twin(void **state)
{
    struct store *s = store_in(state);
    struct repo_name a = repo_of("a");
    struct digest d = sha256_of(STR("x"));

    OK(push_e(s, &a, STR("x"), &d, &a, E));
    OK(push_e(s, &a, STR("x"), &d, &a, E));
    assert_blob(s, "a", &d, STR("x"));
}

static void deleted_upload_cannot_be_committed(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct uuid id = new_uuid();
    struct store_upload *u = begin(s, &id, STR("x"));
    struct digest d = sha256_of(STR("x"));

    OK(store_upload_delete(s, &id, E));
    FAILS(ERR_BLOB_UPLOAD_UNKNOWN, store_upload_commit(s, u, &r, &d, NULL, E));
    store_upload_close(s, u);
    assert_no_blob(s, "a", &d);
}

struct seen {
    struct uuid ids[3];
    size_t n;
    int64_t oldest_ms;
    struct store *delete_from;
};

static enum err_code see(void *ctx, const struct store_upload_info *u, struct err *e)
{
    struct seen *seen = ctx;
    bool expected = false;

    for (size_t i = 0; i < 3; i++)
        expected |= strcmp(u->id.text, seen->ids[i].text) == 0 && u->size_bytes == i + 1;
    if (!expected || u->modified_ms < seen->oldest_ms || u->modified_ms > clock_wall_ms() + 1000)
        return err_set(e, ERR_INTERNAL, "unexpected upload %s", u->id.text);
    seen->n++;
    if (seen->delete_from)
        return store_upload_delete(seen->delete_from, &u->id, e);
    return ERR_OK;
}

static void each_finds_every_upload_and_may_delete_it(void **state)
{
    struct store *s = store_in(state);
    struct seen seen = {.oldest_ms = clock_wall_ms() - 1000};

    for (size_t i = 0; i < 3; i++) {
        seen.ids[i] = new_uuid();
        begin_durable(s, &seen.ids[i], (struct str){"abc", i + 1});
    }
    OK(store_upload_each(s, see, &seen, E));
    assert_int_equal(seen.n, 3);
    seen.delete_from = s;
    OK(store_upload_each(s, see, &seen, E));
    assert_int_equal(seen.n, 6);
    assert_int_equal(count_uploads(s), 0);
}

static enum err_code keep_info(void *ctx, const struct store_upload_info *u, struct err *e)
{
    (void)e;
    *(struct store_upload_info *)ctx = *u;
    return ERR_OK;
}

static void what_became_a_blob_leaves_a_note_until_it_is_deleted(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("noted");
    struct digest d = sha256_of(STR("hello"));
    struct uuid id = new_uuid();
    struct store_upload *u = begin(s, &id, STR("hello"));
    struct store_upload_info info = {0};
    uint64_t size;

    OK(store_upload_commit(s, u, &r, &d, NULL, E));
    OK(store_upload_each(s, keep_info, &info, E));
    assert_string_equal(info.id.text, id.text);
    assert_true(digest_eq(&info.digest, &d));
    assert_false(info.has_bytes);
    FAILS(ERR_BLOB_UPLOAD_UNKNOWN, store_upload_open(s, &id, &u, &size, E));

    OK(store_upload_delete(s, &id, E));
    info = (struct store_upload_info){0};
    OK(store_upload_each(s, keep_info, &info, E));
    assert_int_equal(info.id.text[0], 0);
    OK(store_blob_stat(s, &r, &d, &size, E));
}

static void an_upload_in_progress_has_no_note(void **state)
{
    struct store *s = store_in(state);
    struct uuid id = new_uuid();
    struct store_upload_info info = {0};

    begin_durable(s, &id, STR("hello"));
    OK(store_upload_each(s, keep_info, &info, E));
    assert_true(info.has_bytes);
    assert_int_equal(info.digest.n, 0);
}

static enum err_code refuse(void *ctx, const struct store_upload_info *u, struct err *e)
{
    (void)u;
    ++*(size_t *)ctx;
    return err_set(e, ERR_CONFLICT, "enough");
}

static void each_stops_at_the_first_error(void **state)
{
    struct store *s = store_in(state);
    struct uuid ids[2] = {new_uuid(), new_uuid()};
    size_t n = 0;

    begin_durable(s, &ids[0], STR("a"));
    begin_durable(s, &ids[1], STR("b"));
    FAILS(ERR_CONFLICT, store_upload_each(s, refuse, &n, E));
    assert_int_equal(n, 1);
    assert_string_equal(last_err.detail, "enough");
}

static void upload_goes_on_after_reopening(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = sha256_of(STR("first,second"));
    struct uuid id = new_uuid();
    struct store_upload *u = begin(f->s, &id, STR("first"));
    uint64_t size;

    sync_upload(f->s, u);
    store_upload_close(f->s, u);
    if (!f->variant->lasts)
        return; /* nothing was promised */
    fixture_reopen(f);
    assert_int_equal(count_uploads(f->s), 1);
    OK(store_upload_open(f->s, &id, &u, &size, E));
    assert_int_equal(size, 5);
    OK(store_upload_write(f->s, u, ",second", 7, 5, E));
    OK(store_upload_commit(f->s, u, &r, &d, NULL, E));
    assert_blob(f->s, "a", &d, STR("first,second"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int run_upload_suite(void)
{
    const struct CMUnitTest tests[] = {
        TEST(upload_is_no_blob_before_its_commit),
        TEST(commit_of_what_exists_is_success),
        TEST(repository_that_is_its_own_twin),
        TEST(deleted_upload_cannot_be_committed),
        TEST(each_finds_every_upload_and_may_delete_it),
        TEST(an_upload_in_progress_has_no_note),
        TEST(each_stops_at_the_first_error),
        TEST(upload_goes_on_after_reopening),
    };

    const struct CMUnitTest own[] = {
        TEST(unknown_upload_is_reported),
        TEST(upload_grows_write_by_write),
        TEST(truncate_drops_the_end_and_never_adds),
        TEST(large_upload_can_be_cut_and_continued),
        TEST(identifier_is_taken_once),
        TEST(two_handles_see_one_upload),
        TEST(committed_upload_is_gone),
        TEST(commit_with_a_twin),
        TEST(bytes_written_after_a_prepare_are_committed),
        TEST(what_a_prepare_found_may_be_gone_at_the_commit),
        TEST(commit_with_a_twin_that_lacks_the_blob),
        TEST(what_became_a_blob_leaves_a_note_until_it_is_deleted),
    };
    int failures = cmocka_run_group_tests_name("uploads", tests, NULL, NULL);

    if (variant_under_test->reads)
        failures += cmocka_run_group_tests_name("uploads, that can be read back", own, NULL, NULL);
    return failures;
}
