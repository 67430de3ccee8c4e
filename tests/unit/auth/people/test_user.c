#include "unit/auth/support.h"

#include "auth/people/user_change.h"
#include "auth/people/user_totp.h"
#include "auth/tokens/access_token.h"

#include <liboath/oath.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cmocka.h>

static struct user get(const char *name)
{
    struct user u = {0};
    struct err e;

    assert_int_equal(user_get(accounts, str_of(name), &u, &e), ERR_OK);
    return u;
}

static enum err_code add(const char *name, const char *password)
{
    static const struct user_rights none;
    struct err e = {0};
    enum err_code code = user_add(accounts, str_of(name), str_of(password), &none, &e);

    assert_true(code == ERR_OK || e.public_detail);
    return code;
}

static void a_user_is_there_as_he_was_made(void **state)
{
    AUTO(user) struct user u = {0};

    (void)state;
    make_user("alice", true, "dev");
    u = get("alice");
    assert_true(u.admin);
    assert_false(u.disabled);
    assert_int_equal(u.n_groups, 1);
    assert_string_equal(u.groups[0], "dev");
    assert_memory_equal(u.hash, "$y$", 3);
    assert_int_equal(u.last_ms, 0);
    assert_null(u.totp);
}

static void a_name_is_taken_once(void **state)
{
    (void)state;
    make_user("alice", false, NULL);
    assert_int_equal(add("alice", OTHER), ERR_CONFLICT);
}

static void bad_names_and_passwords_are_refused(void **state)
{
    static const char *const names[] = {"", "-x", ".x", "a b", "a:b", "a/b", "\xc3\xa4"};

    (void)state;
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(add(names[i], PASSWORD), ERR_REQUEST_INVALID);
    assert_int_equal(add("alice", "short"), ERR_REQUEST_INVALID);
    assert_int_equal(add("alice", "alicealice"), ERR_REQUEST_INVALID);
    /* It would be taken for a token and never reach a comparison with the hash. */
    assert_int_equal(add("alice", "cdt_0123456789ab0123456789abcdef0123456789abcdef01234567"),
                     ERR_REQUEST_INVALID);
}

static void who_is_not_there_is_not_found(void **state)
{
    struct user u;
    struct err e = {0};

    (void)state;
    assert_int_equal(user_get(accounts, STR("nobody"), &u, &e), ERR_NOT_FOUND);
    assert_int_equal(user_get(accounts, STR("bad name"), &u, &e), ERR_NOT_FOUND);
    assert_int_equal(user_set_password(accounts, STR("nobody"), STR(OTHER), &e), ERR_NOT_FOUND);
    assert_int_equal(user_remove(accounts, STR("nobody"), false, &e), ERR_NOT_FOUND);
}

static void the_list_goes_page_by_page(void **state)
{
    struct user_list l;
    struct err e;

    (void)state;
    make_user("alice", false, NULL);
    make_user("bob", false, NULL);
    assert_int_equal(user_list(accounts, STR(""), 1, &l, &e), ERR_OK);
    assert_int_equal(l.n, 1);
    assert_true(l.more);
    assert_string_equal(l.rows[0].name, "alice");
    user_list_done(&l);
    assert_int_equal(user_list(accounts, STR("alice"), 1, &l, &e), ERR_OK);
    assert_false(l.more);
    assert_string_equal(l.rows[0].name, "bob");
    user_list_done(&l);
}

static void the_last_admin_stays_unless_forced(void **state)
{
    static const struct user_rights none;
    struct err e;

    (void)state;
    make_user("root", true, NULL);
    make_user("alice", false, NULL);
    assert_int_equal(user_set_disabled(accounts, STR("root"), true, false, &e), ERR_DENIED);
    assert_int_equal(user_remove(accounts, STR("root"), false, &e), ERR_DENIED);
    assert_int_equal(set_rights("root", &none, false, &e), ERR_DENIED);
    assert_int_equal(user_set_disabled(accounts, STR("alice"), true, false, &e), ERR_OK);
    assert_int_equal(user_remove(accounts, STR("root"), true, &e), ERR_OK);
}

static void a_disabled_admin_does_not_count_as_one(void **state)
{
    struct err e;

    (void)state;
    make_user("root", true, NULL);
    make_user("alice", true, NULL);
    assert_int_equal(user_set_disabled(accounts, STR("alice"), true, false, &e), ERR_OK);
    assert_int_equal(user_set_disabled(accounts, STR("root"), true, false, &e), ERR_DENIED);
    assert_int_equal(user_remove(accounts, STR("alice"), false, &e), ERR_OK);
}

static int64_t stamp_of(const char *name)
{
    AUTO(user) struct user u = get(name);

    return u.stamp;
}

static void sign_ins_end_with_a_new_password_and_when_disabled(void **state)
{
    static const struct user_rights none;
    struct totp_setup setup;
    struct err e;
    int64_t stamp;

    (void)state;
    make_user("alice", false, "dev");
    stamp = stamp_of("alice");
    assert_int_equal(set_rights("alice", &none, false, &e), ERR_OK);
    assert_int_equal(stamp_of("alice"), stamp); /* the groups are looked up, they stay */
    assert_int_equal(user_set_password(accounts, STR("alice"), STR(OTHER), &e), ERR_OK);
    assert_int_not_equal(stamp_of("alice"), stamp);
    stamp = stamp_of("alice");
    assert_int_equal(user_set_disabled(accounts, STR("alice"), true, false, &e), ERR_OK);
    assert_int_equal(user_set_disabled(accounts, STR("alice"), false, false, &e), ERR_OK);
    assert_int_not_equal(stamp_of("alice"), stamp);
    stamp = stamp_of("alice");
    assert_int_equal(user_set_totp(accounts, STR("alice"), "X", &setup, &e), ERR_OK);
    assert_int_not_equal(stamp_of("alice"), stamp);
}

static void more_groups_than_allowed_are_refused(void **state)
{
    struct str groups[USER_GROUPS_MAX + 1];
    struct user_rights rights = {.groups = groups, .n_groups = USER_GROUPS_MAX + 1};
    struct err e;

    (void)state;
    for (size_t i = 0; i <= USER_GROUPS_MAX; i++)
        groups[i] = STR("dev");
    make_user("alice", false, NULL);
    assert_int_equal(set_rights("alice", &rights, false, &e), ERR_REQUEST_INVALID);
    rights.n_groups = 1;
    groups[0] = STR("a,b");
    assert_int_equal(set_rights("alice", &rights, false, &e), ERR_REQUEST_INVALID);
}

static void a_recovery_code_is_used_up(void **state)
{
    AUTO(user) struct user u = {0};
    struct totp_setup setup;
    struct err e;

    (void)state;
    make_user_with_factor("alice", &setup);
    u = get("alice");
    assert_int_equal(u.n_recovery, TOTP_RECOVERY_N);
    assert_int_equal(user_take_code(accounts, &u, str_of(setup.recovery[3]), 1, &e), ERR_OK);
    assert_int_equal(user_take_code(accounts, &u, str_of(setup.recovery[3]), 1, &e),
                     ERR_UNAUTHORIZED);
    assert_int_equal(user_take_code(accounts, &u, str_of(setup.recovery[0]), 1, &e), ERR_OK);
}

static char *code_at(const struct user *u, int64_t now_ms, char dst[static 7])
{
    char *bytes = NULL;
    size_t n;

    assert_int_equal(oath_base32_decode(u->totp, strlen(u->totp), &bytes, &n), OATH_OK);
    assert_int_equal(oath_totp_generate(bytes, n, now_ms / 1000, 30, 0, 6, dst), OATH_OK);
    free(bytes);
    return dst;
}

struct taker {
    struct user *user;
    const char *code;
    atomic_int taken;
};

static void *take_it(void *ctx)
{
    struct taker *t = ctx;
    struct err e;

    if (user_take_code(accounts, t->user, str_of(t->code), 1000000, &e) == ERR_OK)
        atomic_fetch_add(&t->taken, 1);
    return NULL;
}

static void a_code_is_good_for_one_of_those_who_send_it_at_once(void **state)
{
    AUTO(user) struct user u = {0};
    struct totp_setup setup;
    char code[7];

    (void)state;
    make_user_with_factor("alice", &setup);
    u = get("alice");
    for (int i = 0; i < 2; i++) {
        struct taker t = {&u, i == 0 ? code_at(&u, 1000000, code) : setup.recovery[0], 0};
        pthread_t threads[4];

        for (size_t j = 0; j < 4; j++)
            assert_int_equal(pthread_create(&threads[j], NULL, take_it, &t), 0);
        for (size_t j = 0; j < 4; j++)
            pthread_join(threads[j], NULL);
        assert_int_equal(t.taken, 1);
    }
}

/* Else whoever knows the password could go through all codes, from many addresses. */
static void after_many_wrong_codes_only_a_recovery_code_helps(void **state)
{
    AUTO(user) struct user u = {0};
    struct totp_setup setup;
    int64_t now_ms = 1000000;
    struct err e;
    char code[7];

    (void)state;
    make_user_with_factor("alice", &setup);
    u = get("alice");
    for (int i = 0; i < USER_CODES_WRONG; i++)
        assert_int_equal(user_take_code(accounts, &u, STR("12345x"), now_ms, &e), ERR_UNAUTHORIZED);
    code_at(&u, now_ms, code);
    assert_int_equal(user_take_code(accounts, &u, str_of(code), now_ms, &e), ERR_UNAUTHORIZED);
    assert_non_null(strstr(e.detail, "recovery code"));
    assert_int_equal(user_take_code(accounts, &u, str_of(setup.recovery[0]), now_ms, &e), ERR_OK);
    assert_int_equal(user_take_code(accounts, &u, str_of(code), now_ms, &e), ERR_OK);
}

static void after_an_hour_one_code_more_may_be_tried(void **state)
{
    AUTO(user) struct user u = {0};
    struct totp_setup setup;
    int64_t now_ms = 1000000;
    struct err e;
    char code[7];

    (void)state;
    make_user_with_factor("alice", &setup);
    u = get("alice");
    for (int i = 0; i <= USER_CODES_WRONG; i++, now_ms += i == USER_CODES_WRONG ? 3600000 : 0)
        assert_int_equal(user_take_code(accounts, &u, STR("12345x"), now_ms, &e), ERR_UNAUTHORIZED);
    code_at(&u, now_ms, code);
    assert_int_equal(user_take_code(accounts, &u, str_of(code), now_ms, &e), ERR_UNAUTHORIZED);
    now_ms += 3600000;
    code_at(&u, now_ms, code);
    assert_int_equal(user_take_code(accounts, &u, str_of(code), now_ms, &e), ERR_OK);
}

/* Passwords of all users would be looked at anew with each sign-in of one. */
static void taking_a_code_voids_nothing_that_is_known_of_others(void **state)
{
    AUTO(user) struct user u = {0};
    struct totp_setup setup;
    uint64_t before;
    struct err e;

    (void)state;
    make_user_with_factor("alice", &setup);
    u = get("alice");
    before = accounts_generation(accounts);
    assert_int_equal(user_take_code(accounts, &u, str_of(setup.recovery[0]), 1, &e), ERR_OK);
    assert_int_equal(accounts_generation(accounts), before);
}

static void codes_of_an_earlier_second_factor_are_worth_nothing(void **state)
{
    AUTO(user) struct user u = {0};
    struct totp_setup first, second;
    struct err e;

    (void)state;
    make_user_with_factor("alice", &first);
    assert_int_equal(user_set_totp(accounts, STR("alice"), "X", &second, &e), ERR_OK);
    u = get("alice");
    assert_string_equal(u.totp, second.secret);
    assert_int_equal(user_take_code(accounts, &u, str_of(first.recovery[0]), 1, &e),
                     ERR_UNAUTHORIZED);
    assert_int_equal(user_clear_totp(accounts, STR("alice"), &e), ERR_OK);
    assert_int_equal(user_take_code(accounts, &u, str_of(second.recovery[0]), 1, &e),
                     ERR_UNAUTHORIZED);
}

static void use_is_written_once_an_hour_and_over_no_change(void **state)
{
    AUTO(user) struct user u = {0}, later = {0}, last = {0};
    int64_t hour_ms = 3600 * 1000, now_ms = 1000 * hour_ms;
    struct err e;

    (void)state;
    make_user("alice", false, NULL);
    u = get("alice");
    user_seen(accounts, &u, now_ms);
    later = get("alice");
    assert_int_equal(later.last_ms, now_ms);
    user_seen(accounts, &later, now_ms + hour_ms - 1);
    assert_int_equal(user_set_disabled(accounts, STR("alice"), true, false, &e), ERR_OK);
    user_seen(accounts, &later, now_ms + 2 * hour_ms); /* read before they were disabled */
    last = get("alice");
    assert_true(last.disabled);
    assert_int_equal(last.last_ms, now_ms);
}

static void a_damaged_record_is_an_error(void **state)
{
    struct meta_op op =
        meta_op_record_put(STR("users"), STR("alice"), STR("{\"hash\":7}"), META_ANY);
    struct user u;
    struct err e;

    (void)state;
    assert_int_equal(meta_commit(meta, &op, 1, 0, NULL, &e), ERR_OK);
    assert_int_equal(user_get(accounts, STR("alice"), &u, &e), ERR_CORRUPT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, accounts_setup, accounts_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_user_is_there_as_he_was_made),
        TEST(a_name_is_taken_once),
        TEST(bad_names_and_passwords_are_refused),
        TEST(who_is_not_there_is_not_found),
        TEST(the_list_goes_page_by_page),
        TEST(the_last_admin_stays_unless_forced),
        TEST(a_disabled_admin_does_not_count_as_one),
        TEST(sign_ins_end_with_a_new_password_and_when_disabled),
        TEST(more_groups_than_allowed_are_refused),
        TEST(a_recovery_code_is_used_up),
        TEST(a_code_is_good_for_one_of_those_who_send_it_at_once),
        TEST(after_many_wrong_codes_only_a_recovery_code_helps),
        TEST(after_an_hour_one_code_more_may_be_tried),
        TEST(taking_a_code_voids_nothing_that_is_known_of_others),
        TEST(codes_of_an_earlier_second_factor_are_worth_nothing),
        TEST(use_is_written_once_an_hour_and_over_no_change),
        TEST(a_damaged_record_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
