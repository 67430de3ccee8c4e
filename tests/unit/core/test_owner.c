/* A store belongs to one database: who gets it, who is refused, and how it is handed over. */
#include "core/owner.h"

#include "base/cleanup.h"
#include "replicas/database_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define assert_code(code, call) assert_string_equal(err_name(code), err_name(call))
#define assert_ok(call)         assert_code(ERR_OK, call)

struct places {
    struct store *store;       /* a fault */
    struct meta *meta, *other; /* faults: two databases */
    struct owner before, now;
    struct err unmarked, e;
};

static struct meta *open_memory(void)
{
    const struct meta_sqlite_options o = {.path = ":memory:", .read_connections = 1};
    struct meta *m;
    struct err e;

    assert_ok(meta_sqlite_new(&o, &m, &e));
    return meta_fault_new(m);
}

static int setup(void **state)
{
    static struct places p;

    p = (struct places){.store = store_fault_new(store_mem_new())};
    p.meta = open_memory();
    p.other = open_memory();
    *state = &p;
    return 0;
}

static int teardown(void **state)
{
    struct places *p = *state;

    store_free(p->store);
    meta_free(p->meta);
    meta_free(p->other);
    return 0;
}

static enum err_code claim(struct places *p, struct meta *m)
{
    return owner_claim(p->store, m, &p->unmarked, &p->e);
}

static struct uuid id_of(struct meta *m)
{
    struct uuid id;

    assert_ok(database_id(m, &id, ERR_IGNORED));
    return id;
}

static void the_first_database_gets_it_for_good(void **state)
{
    struct places *p = *state;

    assert_ok(claim(p, p->meta));
    assert_ok(p->unmarked.code);
    assert_ok(claim(p, p->meta));
    assert_code(ERR_CONFIG, claim(p, p->other));
    assert_non_null(strstr(p->e.detail, id_of(p->meta).text));
    assert_ok(claim(p, p->meta));
}

static void a_database_that_has_no_name_yet_is_refused_and_given_none(void **state)
{
    struct places *p = *state;
    struct uuid id;

    assert_ok(claim(p, p->meta));
    assert_code(ERR_CONFIG, claim(p, p->other));
    assert_code(ERR_NOT_FOUND, database_id_known(p->other, &id, &p->e));
}

static void a_store_that_says_nothing_is_whoevers_and_stays_so(void **state)
{
    struct places *p = *state;

    assert_ok(owner_match(p->store, p->meta, &p->e));
    assert_ok(owner_match(p->store, p->other, &p->e));
    assert_ok(claim(p, p->meta));
    assert_ok(owner_match(p->store, p->meta, &p->e));
    assert_code(ERR_CONFIG, owner_match(p->store, p->other, &p->e));
}

static void the_message_is_whole(void **state)
{
    struct places *p = *state;
    struct owner o = {.since = "2026-01-31T23:59:59.000Z"};

    memset(o.host, 'x', OWNER_HOST_MAX);
    uuid_make(&o.database);
    (void)id_of(p->meta);
    assert_code(ERR_CONFIG, owner_check(&o, p->meta, &p->e));
    assert_non_null(strstr(p->e.detail, "hands the store over"));
    assert_code(ERR_CONFIG, owner_check(&o, NULL, &p->e));
    assert_non_null(strstr(p->e.detail, "the configured one is a new one"));
}

/* A server that does not look whether there is one, and another database that writes after us. */
static enum err_code put_by_two(struct store *s, struct str text, bool first, struct err *e)
{
    struct uuid id;
    char mark[64 + UUID_TEXT];

    (void)first;
    uuid_make(&id);
    snprintf(mark, sizeof(mark), "{\"database\":\"%s\"}", id.text);
    TRY(store_mark_put(s->inner, text, false, e));
    return store_mark_put(s->inner, str_of(mark), false, e);
}

static void who_was_overtaken_where_nobody_looks_is_refused(void **state)
{
    struct places *p = *state;
    const struct store_driver *own = p->store->driver;
    struct store_driver patched = *own;

    patched.mark_put = put_by_two;
    p->store->driver = &patched;
    assert_code(ERR_CONFIG, claim(p, p->meta));
    p->store->driver = own;
}

static void a_store_that_is_full_goes_unmarked(void **state)
{
    struct places *p = *state;

    store_fault_arm(p->store, 2, ERR_STORAGE_FULL); /* the first call reads */
    assert_ok(claim(p, p->meta));
    assert_code(ERR_STORAGE_FULL, p->unmarked.code);
    assert_ok(claim(p, p->meta));
    assert_ok(p->unmarked.code);
}

static void a_database_that_may_only_be_read_leaves_it_unmarked(void **state)
{
    struct places *p = *state;

    meta_fault_arm(p->meta, 2, ERR_STORAGE_READONLY); /* the first call looks */
    assert_ok(claim(p, p->meta));
    assert_code(ERR_STORAGE_READONLY, p->unmarked.code);
}

static void a_store_that_does_not_answer_is_an_error_at_each_step(void **state)
{
    struct places *p = *state;

    for (uint64_t n = 1; n <= 3; n++) {
        store_fault_arm(p->store, n, ERR_UNAVAILABLE);
        assert_code(ERR_UNAVAILABLE, claim(p, p->meta));
    }
    store_fault_arm(p->store, 0, ERR_OK);
    assert_ok(claim(p, p->meta));
}

static void taking_it_tells_whose_it_was(void **state)
{
    struct places *p = *state;

    assert_ok(owner_take(p->store, p->meta, &p->before, &p->now, &p->e));
    assert_string_equal(p->before.database.text, "");
    assert_string_equal(p->now.database.text, id_of(p->meta).text);
    assert_ok(owner_take(p->store, p->other, &p->before, &p->now, &p->e));
    assert_string_equal(p->before.database.text, id_of(p->meta).text);
    assert_string_equal(p->now.database.text, id_of(p->other).text);
    assert_code(ERR_CONFIG, claim(p, p->meta));
    assert_ok(claim(p, p->other));
}

static void taking_ones_own_changes_nothing(void **state)
{
    struct places *p = *state;

    assert_ok(claim(p, p->meta));
    assert_ok(owner_take(p->store, p->meta, &p->before, &p->now, &p->e));
    assert_memory_equal(&p->before, &p->now, sizeof(p->now));
}

static void a_damaged_mark_is_told_and_can_be_taken(void **state)
{
    static const char *const damaged[] = {"", "{", "[]", "{\"database\":1}",
                                          "{\"database\":\"x\"}"};
    struct places *p = *state;

    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++)
        assert_code(ERR_CORRUPT, owner_parse(str_of(damaged[i]), &p->now, &p->e));
    assert_ok(store_mark_put(p->store, STR("{}"), false, &p->e));
    assert_code(ERR_CORRUPT, claim(p, p->meta));
    assert_ok(owner_take(p->store, p->meta, &p->before, &p->now, &p->e));
    assert_string_equal(p->before.database.text, "");
    assert_ok(claim(p, p->meta));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_first_database_gets_it_for_good),
        TEST(a_database_that_has_no_name_yet_is_refused_and_given_none),
        TEST(a_store_that_says_nothing_is_whoevers_and_stays_so),
        TEST(the_message_is_whole),
        TEST(who_was_overtaken_where_nobody_looks_is_refused),
        TEST(a_store_that_is_full_goes_unmarked),
        TEST(a_database_that_may_only_be_read_leaves_it_unmarked),
        TEST(a_store_that_does_not_answer_is_an_error_at_each_step),
        TEST(taking_it_tells_whose_it_was),
        TEST(taking_ones_own_changes_nothing),
        TEST(a_damaged_mark_is_told_and_can_be_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
