#include "core/upload_session.h"

#include "core/upload.h"
#include "support.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS  500

static int set_up(void **state)
{
    *state = upload_table_new();
    return 0;
}

static int tear_down(void **state)
{
    upload_table_free(*state);
    return 0;
}

static struct meta_upload upload_of(const char *owner)
{
    struct meta_upload u = {.repo = repo_of("library/busybox")};

    uuid_make(&u.id);
    snprintf(u.owner, sizeof(u.owner), "%s", owner);
    return u;
}

static struct session *added(struct upload_table *t, const struct meta_upload *u)
{
    bool is_new;
    struct session *s = session_add(t, u, 100, &is_new);

    assert_true(is_new);
    return s;
}

static void an_added_session_is_held_by_who_added_it(void **state)
{
    struct meta_upload u = upload_of("anna");
    struct session *s = added(*state, &u), *other = NULL;

    assert_int_equal(session_take(*state, &u.id, &other), SESSION_BUSY);
    assert_null(other);
    session_release(*state, s);
    assert_int_equal(session_take(*state, &u.id, &other), SESSION_TAKEN);
    assert_ptr_equal(other, s);
}

static void a_session_that_was_never_added_is_unknown(void **state)
{
    struct uuid id;
    struct session *s;

    uuid_make(&id);
    assert_int_equal(session_take(*state, &id, &s), SESSION_UNKNOWN);
}

static void adding_an_id_again_keeps_the_first(void **state)
{
    struct meta_upload u = upload_of("anna"), again = u;
    struct session *first = added(*state, &u);
    bool is_new;

    strcpy(again.owner, "bert");
    assert_ptr_equal(session_add(*state, &again, 100, &is_new), first);
    assert_false(is_new);
    assert_string_equal(first->info.owner, "anna");
    assert_int_equal(session_count(*state), 1);
}

static void a_full_table_takes_no_more(void **state)
{
    struct meta_upload a = upload_of("a"), b = upload_of("b"), c = upload_of("c");
    bool is_new;

    session_add(*state, &a, 2, &is_new);
    session_add(*state, &b, 2, &is_new);
    assert_true(is_new);
    assert_null(session_add(*state, &c, 2, &is_new));
    assert_false(is_new);
    assert_int_equal(session_count(*state), 2);
}

static void a_dropped_session_is_forgotten(void **state)
{
    struct meta_upload a = upload_of("a"), b = upload_of("b");
    struct session *s = added(*state, &a);

    session_release(*state, added(*state, &b));
    session_drop(*state, s);
    assert_int_equal(session_take(*state, &a.id, &s), SESSION_UNKNOWN);
    assert_int_equal(session_take(*state, &b.id, &s), SESSION_TAKEN);
    assert_int_equal(session_count(*state), 1);
}

static void peeking_does_not_take(void **state)
{
    struct meta_upload u = upload_of("anna"), seen;
    struct session *s = added(*state, &u);
    uint64_t offset;
    int64_t used;
    bool busy;

    s->offset_bytes = 42;
    assert_true(session_peek(*state, &u.id, &seen, &offset, &busy, &used));
    assert_true(busy);
    assert_int_equal(offset, 42);
    assert_string_equal(seen.owner, "anna");
    session_release(*state, s);
    assert_true(session_peek(*state, &u.id, &seen, &offset, &busy, &used));
    assert_false(busy);
    assert_int_equal(session_take(*state, &u.id, &s), SESSION_TAKEN);
}

static void peeking_at_nothing_says_so(void **state)
{
    struct meta_upload seen;
    struct uuid id;
    uint64_t offset;
    int64_t used;
    bool busy;

    uuid_make(&id);
    assert_false(session_peek(*state, &id, &seen, &offset, &busy, &used));
}

static void many_sessions_are_all_found(void **state)
{
    struct uuid ids[3000];
    struct session *s;
    bool is_new;

    for (size_t i = 0; i < 3000; i++) {
        struct meta_upload u = upload_of("anna");

        ids[i] = u.id;
        session_release(*state, session_add(*state, &u, 3000, &is_new));
    }
    for (size_t i = 0; i < 3000; i++) {
        assert_int_equal(session_take(*state, &ids[i], &s), SESSION_TAKEN);
        session_drop(*state, s);
    }
    assert_int_equal(session_count(*state), 0);
}

struct shared {
    struct upload_table *table;
    struct uuid id;
    unsigned held, collisions;
};

static void *take_and_release(void *arg)
{
    struct shared *shared = arg;
    struct session *s;

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (session_take(shared->table, &shared->id, &s) != SESSION_TAKEN)
            continue;
        if (shared->held++ > 0) /* under no lock of its own: ThreadSanitizer watches as well */
            shared->collisions++;
        shared->held--;
        session_release(shared->table, s);
    }
    return NULL;
}

static void two_threads_never_hold_the_same_session(void **state)
{
    struct meta_upload u = upload_of("anna");
    struct shared shared = {.table = *state, .id = u.id};
    pthread_t threads[THREADS];

    session_release(*state, added(*state, &u));
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_release, &shared), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(shared.collisions, 0);
    assert_int_equal(shared.held, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_added_session_is_held_by_who_added_it),
        TEST(a_session_that_was_never_added_is_unknown),
        TEST(adding_an_id_again_keeps_the_first),
        TEST(a_full_table_takes_no_more),
        TEST(a_dropped_session_is_forgotten),
        TEST(peeking_does_not_take),
        TEST(peeking_at_nothing_says_so),
        TEST(many_sessions_are_all_found),
        TEST(two_threads_never_hold_the_same_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
