/* Sessions that go from one process to another and back: two registries over one database and one
 * store. */
#include "core/life.h"
#include "core/upload_hold.h"
#include "core/upload_session.h"
#include "replicas/members.h"
#include "support.h"

#define OWNER "anna"

static struct world w;
static struct registry *a, *b;
static struct repo_name repo;

/* The database of the tests is one that other processes may use. */
static void share(struct meta *m)
{
    while (m->inner)
        m = m->inner;
    ((struct meta_driver *)m->driver)->shared = true;
}

static int set_up(void **state)
{
    (void)state;
    world_remote(&w);
    share(w.meta);
    a = w.r;
    b = registry_new(w.store, w.meta, w.conf);
    repo = repo_of("a");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    b->store = store_mem_new(); /* the others are a's */
    b->meta = NULL;
    registry_free(b);
    world_done(&w);
    return 0;
}

static struct upload *opened(struct registry *r, const struct uuid *id, enum upload_use use)
{
    struct upload *u = NULL;

    assert_ok(upload_open(r, &repo, OWNER, id, use, &u, ERR_IGNORED));
    return u;
}

static enum err_code append(struct upload *u, struct str bytes)
{
    struct source s = source_of(bytes);

    return upload_append(u, &s.reader, BODY(bytes.n), ERR_IGNORED);
}

static void patch(struct registry *r, const struct uuid *id, struct str bytes)
{
    struct upload *u = opened(r, id, UPLOAD_MORE);

    assert_ok(append(u, bytes));
    upload_close(u);
}

static struct uuid begun(struct registry *r)
{
    struct uuid id;

    assert_ok(upload_begin(r, &repo, OWNER, DIGEST_SHA256, &id, ERR_IGNORED));
    return id;
}

static enum err_code finish(struct registry *r, const struct uuid *id, const char *content)
{
    struct digest d = sha256_of(str_of(content));
    struct upload *u = NULL;

    TRY(upload_open(r, &repo, OWNER, id, UPLOAD_END, &u, ERR_IGNORED));
    return upload_finish(u, &d, NULL, ERR_IGNORED);
}

static uint64_t status(struct registry *r, const struct uuid *id)
{
    uint64_t offset = 99;

    assert_ok(upload_status(r, &repo, OWNER, id, &offset, ERR_IGNORED));
    return offset;
}

static bool readable(const char *content)
{
    struct digest d = sha256_of(str_of(content));

    return blob_readable(&w, "a", &d);
}

static void each_request_may_come_to_another_process(void **state)
{
    struct registry *const both[2] = {a, b};

    (void)state;
    for (unsigned order = 0; order < 16; order++) {
        struct uuid id = begun(both[order & 1]);

        patch(both[order >> 1 & 1], &id, STR("hello "));
        assert_int_equal(status(both[order & 1], &id), 6);
        patch(both[order >> 2 & 1], &id, STR("world"));
        assert_int_equal(status(both[order >> 1 & 1], &id), 11);
        assert_ok(finish(both[order >> 3 & 1], &id, "hello world"));
        assert_true(readable("hello world"));
        assert_int_equal(known_uploads(&w), 0);
    }
}

static void a_session_costs_nothing_before_its_bytes(void **state)
{
    struct uuid id = begun(a);

    (void)state;
    assert_int_equal(known_uploads(&w), 0);
    assert_int_equal(stored_uploads(&w), 0);
    assert_int_equal(status(b, &id), 0);
    assert_int_equal(known_uploads(&w), 0);
}

static void what_this_process_knows_of_an_earlier_turn_is_not_believed(void **state)
{
    struct uuid id = begun(a);

    (void)state;
    patch(a, &id, STR("hello "));
    patch(b, &id, STR("there"));
    patch(a, &id, STR("!"));
    patch(b, &id, STR("!"));
    assert_ok(finish(a, &id, "hello there!!"));
    assert_true(readable("hello there!!"));
}

static void who_lost_a_session_finishes_what_it_has_become(void **state)
{
    struct uuid id = begun(a);

    (void)state;
    patch(a, &id, STR("hello"));
    patch(b, &id, STR(" world"));
    assert_ok(finish(a, &id, "hello world"));
    assert_true(readable("hello world"));
    assert_false(readable("hello"));
}

static void who_lost_a_session_does_not_end_it_for_a_digest_of_its_own(void **state)
{
    struct uuid id = begun(a);
    struct upload *late;
    struct digest d = sha256_of(STR("hello"));

    (void)state;
    patch(a, &id, STR("hello"));
    late = opened(a, &id, UPLOAD_MORE);
    patch(b, &id, STR(" world"));
    late->looked_ms -= 60000; /* it was stopped for a while */
    assert_code(ERR_RANGE_INVALID, upload_finish(late, &d, NULL, ERR_IGNORED));
    assert_int_equal(status(b, &id), 11);
    assert_ok(finish(b, &id, "hello world"));
    assert_true(readable("hello world"));
    assert_false(readable("hello"));
}

static void two_that_finish_at_once_are_both_told_that_it_is_done(void **state)
{
    struct uuid id = begun(a);
    struct digest d = sha256_of(STR("hello"));
    struct upload *late;

    (void)state;
    w.conf->registry.upload_timeout_ms = 3600 * 1000;
    patch(a, &id, STR("hello"));
    late = opened(a, &id, UPLOAD_END);
    assert_ok(finish(b, &id, "hello"));
    assert_ok(upload_finish(late, &d, NULL, ERR_IGNORED));
    assert_true(readable("hello"));
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN, finish(a, &id, "hello"));
    assert_ok(upload_was_finished(a, &repo, OWNER, &id, &d, ERR_IGNORED));
}

static void a_session_that_is_over_is_over_everywhere(void **state)
{
    struct uuid ended = begun(a), cancelled = begun(a);

    (void)state;
    patch(a, &ended, STR("hello"));
    patch(b, &cancelled, STR("hello"));
    assert_code(ERR_DIGEST_INVALID, finish(b, &ended, "hallo"));
    assert_ok(upload_cancel(opened(a, &cancelled, UPLOAD_MORE), ERR_IGNORED));
    for (int i = 0; i < 2; i++) {
        struct registry *r = i ? a : b;
        struct upload *u = NULL;
        uint64_t offset;

        assert_code(ERR_BLOB_UPLOAD_UNKNOWN,
                    upload_open(r, &repo, OWNER, &ended, UPLOAD_MORE, &u, ERR_IGNORED));
        assert_code(ERR_BLOB_UPLOAD_UNKNOWN, finish(r, &cancelled, "hello"));
        assert_code(ERR_BLOB_UPLOAD_UNKNOWN,
                    upload_status(r, &repo, OWNER, &ended, &offset, ERR_IGNORED));
    }
}

static void who_loses_a_session_in_the_middle_of_a_body_changes_nothing_of_it(void **state)
{
    struct uuid id = begun(a);
    struct upload *late;
    uint64_t before;

    (void)state;
    patch(a, &id, STR("hello"));
    late = opened(a, &id, UPLOAD_MORE);
    patch(b, &id, STR(" world"));
    before = status(b, &id);
    late->looked_ms -= 60000; /* it was stopped for a while */
    assert_code(ERR_RANGE_INVALID, append(late, STR("junk")));
    upload_close(late);
    assert_int_equal(status(b, &id), before);
    assert_int_equal(status(a, &id), before);
    assert_ok(finish(a, &id, "hello world"));
    assert_true(readable("hello world"));
}

static void join(struct registry *r)
{
    const struct members_options o = {.lease_ms = 60000, .name = "test", .by_hand = true};

    r->members = members_new(w.meta, &o);
    assert_ok(members_start(r->members, ERR_IGNORED));
}

static void leave(struct registry *r)
{
    members_free(r->members);
    r->members = NULL;
}

static void a_sweep_leaves_sessions_that_a_living_process_holds(void **state)
{
    struct uuid id = begun(a);

    (void)state;
    join(a);
    join(b);
    patch(a, &id, STR("hello"));
    w.conf->registry.upload_timeout_ms = (uint64_t)-1000;
    assert_ok(upload_sweep(b, ERR_IGNORED));
    assert_int_equal(known_uploads(&w), 1);
    assert_int_equal(stored_uploads(&w), 1);
    leave(a);
    members_round(b->members);
    assert_ok(upload_sweep(b, ERR_IGNORED));
    assert_int_equal(known_uploads(&w), 0);
    assert_int_equal(stored_uploads(&w), 0);
    leave(b);
}

static void a_process_sweeps_its_own(void **state)
{
    struct uuid id = begun(b);

    (void)state;
    join(a);
    join(b);
    patch(a, &id, STR("hello"));
    w.conf->registry.upload_timeout_ms = (uint64_t)-1000;
    assert_ok(upload_sweep(a, ERR_IGNORED));
    assert_int_equal(known_uploads(&w), 0);
    assert_int_equal(stored_uploads(&w), 0);
    assert_int_equal(session_count(a->uploads), 0);
    leave(a);
    leave(b);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_request_may_come_to_another_process),
        TEST(a_session_costs_nothing_before_its_bytes),
        TEST(what_this_process_knows_of_an_earlier_turn_is_not_believed),
        TEST(who_lost_a_session_finishes_what_it_has_become),
        TEST(who_lost_a_session_does_not_end_it_for_a_digest_of_its_own),
        TEST(two_that_finish_at_once_are_both_told_that_it_is_done),
        TEST(a_session_that_is_over_is_over_everywhere),
        TEST(who_loses_a_session_in_the_middle_of_a_body_changes_nothing_of_it),
        TEST(a_sweep_leaves_sessions_that_a_living_process_holds),
        TEST(a_process_sweeps_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
