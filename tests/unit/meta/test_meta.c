/* What the wrappers do themselves. */
#include "base/cleanup.h"
#include "meta/meta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void a_manifest_holds_copies(void **state)
{
    char type[] = "a/b", bytes[] = "{}";
    struct digest d;
    struct meta_manifest *m;

    (void)state;
    digest_of(DIGEST_SHA512, "{}", 2, &d);
    m = meta_manifest_new(&d, str_of(type), str_of(bytes));
    memset(type, 'x', sizeof(type) - 1);
    memset(bytes, 'x', sizeof(bytes) - 1);
    assert_true(digest_eq(&m->digest, &d));
    assert_true(str_eq(m->media_type, STR("a/b")));
    assert_true(str_eq(m->bytes, STR("{}")));
    meta_manifest_unref(m);
}

static void a_manifest_of_nothing_is_one(void **state)
{
    struct digest d;
    struct meta_manifest *m;

    (void)state;
    digest_of(DIGEST_SHA256, "", 0, &d);
    m = meta_manifest_new(&d, STR_NONE, STR_NONE);
    assert_int_equal(m->bytes.n, 0);
    assert_int_equal(m->media_type.n, 0);
    meta_manifest_unref(m);
    meta_manifest_unref(NULL);
}

static void the_last_reference_frees(void **state)
{
    struct digest d;
    struct meta_manifest *m, *again;

    (void)state;
    digest_of(DIGEST_SHA256, "", 0, &d);
    m = meta_manifest_new(&d, STR("t"), STR("b"));
    again = meta_manifest_ref(m);
    assert_ptr_equal(m, again);
    assert_int_equal(atomic_load(&m->refs), 2);
    meta_manifest_unref(m);
    assert_int_equal(atomic_load(&again->refs), 1);
    meta_manifest_unref(again); /* the sanitizers see whether it is freed */
}

static void an_emptied_list_is_empty(void **state)
{
    struct meta_name_list l = {.names = calloc(1, sizeof(char *)), .n = 1, .more = true};

    (void)state;
    l.names[0] = strdup("x");
    meta_name_list_done(&l);
    assert_int_equal(l.n, 0);
    assert_null(l.names);
    assert_false(l.more);
    meta_name_list_done(&l);
}

static const struct meta_driver nothing = {.name = "nothing"};

static void a_driver_without_peek_has_nothing_at_hand(void **state)
{
    struct meta m = {.driver = &nothing};
    struct repo_name r = {.n = 1, .text = "a"};

    (void)state;
    assert_null(meta_manifest_peek(&m, &r, STR("t")));
}

/* Two in a row: the outer one sees every call and answers none, the inner one answers one. */

struct link {
    struct meta meta;
    const char *seen; /* the call that it saw last */
    enum err_code answer;
    bool freed;
};

static enum err_code see(struct meta *m, const char *call, struct err *e)
{
    struct link *l = (struct link *)m;

    l->seen = call;
    return l->answer == ERR_OK ? ERR_OK : err_set(e, l->answer, "as the test says");
}

static enum err_code find_any(struct meta *m, const struct repo_name *repo, bool *ret_exists,
                              struct err *e)
{
    (void)m, (void)repo, (void)e;
    *ret_exists = true;
    return ERR_OK;
}

static struct meta_manifest *peek_any(struct meta *m, const struct repo_name *repo,
                                      struct str reference)
{
    struct digest d = {.n = 0};

    (void)m, (void)repo;
    return meta_manifest_new(&d, STR_NONE, reference);
}

static void note_freed(struct meta *m)
{
    ((struct link *)m)->freed = true;
}

static const struct meta_driver outer_driver = {.name = "outer", .before = see, .free = note_freed};
static const struct meta_driver inner_driver = {.name = "inner",
                                                .before = see,
                                                .repo_exists = find_any,
                                                .manifest_peek = peek_any,
                                                .free = note_freed};

static const struct repo_name any_repo = {.n = 1, .text = "a"};

static void what_a_decorator_does_not_answer_is_asked_of_what_it_wraps(void **state)
{
    struct link inner = {.meta = {.driver = &inner_driver}};
    struct link outer = {.meta = {.driver = &outer_driver, .inner = &inner.meta}};
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct err e;
    bool exists = false;

    (void)state;
    assert_int_equal(meta_repo_exists(&outer.meta, &any_repo, &exists, &e), ERR_OK);
    assert_true(exists);
    assert_string_equal(outer.seen, "repo_exists");
    assert_string_equal(inner.seen, "repo_exists");
    m = meta_manifest_peek(&outer.meta, &any_repo, STR("t"));
    assert_non_null(m);
}

static void a_hook_can_end_a_call(void **state)
{
    struct link inner = {.meta = {.driver = &inner_driver}};
    struct link outer = {.meta = {.driver = &outer_driver, .inner = &inner.meta},
                         .answer = ERR_UNAVAILABLE};
    struct err e;
    bool exists = false;

    (void)state;
    assert_int_equal(meta_repo_exists(&outer.meta, &any_repo, &exists, &e), ERR_UNAVAILABLE);
    assert_null(inner.seen);
    assert_false(exists);
}

static void what_nobody_answers_is_an_error(void **state)
{
    struct link inner = {.meta = {.driver = &inner_driver}};
    struct link outer = {.meta = {.driver = &outer_driver, .inner = &inner.meta}};
    struct err e;

    (void)state;
    assert_int_equal(meta_health(&outer.meta, &e), ERR_INTERNAL);
    assert_non_null(strstr(e.detail, "health"));
}

static void what_a_decorator_wraps_is_freed_with_it(void **state)
{
    struct link inner = {.meta = {.driver = &inner_driver}};
    struct link outer = {.meta = {.driver = &outer_driver, .inner = &inner.meta}};

    (void)state;
    meta_free(&outer.meta);
    assert_true(outer.freed);
    assert_true(inner.freed);
}

static void the_operation_that_lacks_a_field_is_told(void **state)
{
    struct meta m = {.driver = &nothing};
    struct err e;
    size_t failed;

    (void)state;
    const struct meta_op ops[] = {meta_op_finished_prune(5),
                                  meta_op_manifest_put((struct meta_manifest_put){0})};

    assert_int_equal(meta_commit(&m, ops, 2, 0, &failed, &e), ERR_INTERNAL);
    assert_int_equal(failed, 1);
    assert_non_null(strstr(e.detail, "a manifest to put lacks a field"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_holds_copies),
        cmocka_unit_test(a_manifest_of_nothing_is_one),
        cmocka_unit_test(the_last_reference_frees),
        cmocka_unit_test(an_emptied_list_is_empty),
        cmocka_unit_test(a_driver_without_peek_has_nothing_at_hand),
        cmocka_unit_test(what_a_decorator_does_not_answer_is_asked_of_what_it_wraps),
        cmocka_unit_test(a_hook_can_end_a_call),
        cmocka_unit_test(what_nobody_answers_is_an_error),
        cmocka_unit_test(what_a_decorator_wraps_is_freed_with_it),
        cmocka_unit_test(the_operation_that_lacks_a_field_is_told),
    };

    return cmocka_run_group_tests_name("meta", tests, NULL, NULL);
}
