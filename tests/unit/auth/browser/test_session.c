/* Sessions, and the seal that their cookies are made with. */
#include "unit/auth/support.h"

#include "auth/browser/session.h"
#include "auth/core/auth.h"
#include "auth/people/user_change.h"
#include "auth/providers/local.h"
#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct seal *seal;
static struct sessions *sessions;
static struct auth *chain;
static struct err last;
static size_t most; /* sessions of one user */

static int setup_with(void **state, uint64_t lifetime_ms, uint64_t idle_ms)
{
    static const _Atomic uint64_t at_once = 64;
    static const struct auth_options ao = {60000, 64, 3, 60000, {&at_once, 64}};
    struct session_options so = {lifetime_ms, idle_ms};
    struct provider *providers[2];

    if (accounts_setup(state) != 0 || seal_new(meta, &seal, &last) != ERR_OK)
        return -1;
    sessions = sessions_new(meta, seal, &so);
    most = 20;
    providers[0] = local_provider(accounts);
    providers[1] = sessions_provider(sessions);
    chain = auth_new(&ao, providers, 2);
    sessions_renew_by(sessions, auth_renew, chain);
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, 3600000, 3600000);
}

static int setup_short(void **state)
{
    return setup_with(state, 0, 3600000);
}

static int setup_idle(void **state)
{
    return setup_with(state, 3600000, 0);
}

static int teardown(void **state)
{
    auth_free(chain);
    sessions_free(sessions);
    seal_free(seal);
    return accounts_teardown(state);
}

/* alice signs in. */
static struct session_cookie sign_in(void)
{
    AUTO(user) struct user u = {0};
    AUTO(identity) struct identity *id = NULL;
    struct session_cookie cookie;

    if (user_get(accounts, STR("alice"), &u, &last) != ERR_OK)
        make_user("alice", false, "dev");
    user_done(&u);
    assert_int_equal(user_get(accounts, STR("alice"), &u, &last), ERR_OK);
    id = user_identity(&u, LOCAL_PROVIDER);
    assert_int_equal(session_start(sessions, id, most, &cookie, &last), ERR_OK);
    return cookie;
}

static enum auth_result check(const char *cookie, struct identity **ret)
{
    struct credential c = {
        .kind = CREDENTIAL_SESSION, .secret = str_of(cookie), .address = "192.0.2.1"};
    unsigned retry_s = 0;

    last = (struct err){0};
    return auth_check(chain, &c, ret, &retry_s, &last);
}

static bool works(const char *cookie)
{
    AUTO(identity) struct identity *id = NULL;

    return check(cookie, &id) == AUTH_OK;
}

static void a_session_is_who_signed_in(void **state)
{
    struct session_cookie cookie = sign_in();
    AUTO(identity) struct identity *id = NULL;

    (void)state;
    assert_int_equal(check(cookie.text, &id), AUTH_OK);
    assert_string_equal(id->name, "alice");
    assert_string_equal(id->provider, "local");
    assert_int_equal(id->n_groups, 1);
    assert_true(id->expires_ms <= cookie.until_ms);
}

static void signing_out_ends_it_and_no_other(void **state)
{
    struct session_cookie one = sign_in(), other = sign_in();

    (void)state;
    assert_true(works(one.text));
    assert_int_equal(session_end(sessions, str_of(one.text), &last), ERR_OK);
    assert_false(works(one.text));
    assert_true(last.public_detail);
    assert_true(works(other.text));
    assert_int_equal(session_end(sessions, str_of(one.text), &last), ERR_OK);
    assert_int_equal(session_end(sessions, STR("nonsense"), &last), ERR_OK);
}

static void a_user_who_is_disabled_changed_or_gone_has_no_session(void **state)
{
    struct session_cookie cookie = sign_in();

    (void)state;
    assert_int_equal(user_set_disabled(accounts, STR("alice"), true, false, &last), ERR_OK);
    assert_false(works(cookie.text));
    assert_int_equal(user_set_disabled(accounts, STR("alice"), false, false, &last), ERR_OK);
    assert_false(works(cookie.text));
    cookie = sign_in();
    assert_int_equal(user_set_password(accounts, STR("alice"), STR(OTHER), &last), ERR_OK);
    assert_false(works(cookie.text));
    cookie = sign_in();
    assert_int_equal(user_remove(accounts, STR("alice"), false, &last), ERR_OK);
    assert_false(works(cookie.text));
}

static void groups_are_those_of_now(void **state)
{
    struct str qa = STR("qa");
    struct user_rights rights = {.groups = &qa, .n_groups = 1};
    struct session_cookie cookie = sign_in();
    AUTO(identity) struct identity *id = NULL;

    (void)state;
    assert_int_equal(set_rights("alice", &rights, false, &last), ERR_OK);
    assert_int_equal(check(cookie.text, &id), AUTH_OK);
    assert_int_equal(id->n_groups, 1);
    assert_string_equal(id->groups[0], "qa");
}

static void a_cookie_that_was_changed_is_none(void **state)
{
    struct session_cookie cookie = sign_in();

    (void)state;
    for (size_t i = 0; i < SESSION_COOKIE_TEXT; i++) {
        char was = cookie.text[i];

        cookie.text[i] = was == '0' ? '1' : '0';
        assert_false(works(cookie.text));
        cookie.text[i] = was;
    }
    assert_false(works(""));
    assert_false(works("."));
    cookie.text[SESSION_COOKIE_TEXT - 1] = '\0';
    assert_false(works(cookie.text));
}

static void an_ended_session_is_no_wrong_password(void **state)
{
    struct session_cookie cookie = sign_in();

    (void)state;
    for (int i = 0; i < 40; i++)
        assert_false(works("0.0"));
    assert_true(works(cookie.text));
}

static void a_session_ends_after_its_lifetime(void **state)
{
    (void)state;
    assert_false(works(sign_in().text));
}

static void a_session_ends_with_the_token_that_began_it(void **state)
{
    AUTO(identity) struct identity *id = identity_new(IDENTITY_USER, STR("job"), LOCAL_PROVIDER);
    struct session_cookie cookie;

    (void)state;
    id->expires_ms = clock_wall_ms() + 60000;
    assert_int_equal(session_start(sessions, id, most, &cookie, &last), ERR_OK);
    assert_int_equal(cookie.until_ms, id->expires_ms);
}

static void a_session_that_is_not_used_ends(void **state)
{
    (void)state;
    assert_false(works(sign_in().text));
}

static void the_oldest_session_ends_when_there_are_too_many(void **state)
{
    struct session_cookie cookies[5];

    (void)state;
    most = 3;
    for (size_t i = 0; i < 5; i++)
        cookies[i] = sign_in();
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(works(cookies[i].text), i >= 2);
    most = 1; /* as after a reload */
    sign_in();
    for (size_t i = 0; i < 5; i++)
        assert_false(works(cookies[i].text));
}

static void who_signed_out_makes_room(void **state)
{
    struct session_cookie first, second;

    (void)state;
    most = 2;
    first = sign_in();
    second = sign_in();
    assert_int_equal(session_end(sessions, str_of(second.text), &last), ERR_OK);
    second = sign_in();
    assert_true(works(first.text));
    assert_true(works(second.text));
}

static void sessions_of_others_do_not_count(void **state)
{
    AUTO(identity) struct identity *bob = identity_new(IDENTITY_USER, STR("bob"), LOCAL_PROVIDER);
    struct session_cookie cookie;

    (void)state;
    most = 1;
    cookie = sign_in();
    assert_int_equal(session_start(sessions, bob, most, &(struct session_cookie){0}, &last),
                     ERR_OK);
    assert_true(works(cookie.text));
}

static void *sign_in_often(void *id)
{
    struct session_cookie cookie;
    struct err e;

    for (int i = 0; i < 20; i++)
        assert_int_equal(session_start(sessions, id, most, &cookie, &e), ERR_OK);
    return NULL;
}

static size_t records_of(const char *collection)
{
    AUTO(records) struct meta_record_list list = {0};

    assert_int_equal(meta_records(meta, str_of(collection), STR(""), 100, &list, &last), ERR_OK);
    return list.n;
}

static void who_signs_in_at_once_has_no_more_than_that(void **state)
{
    AUTO(identity) struct identity *id = identity_new(IDENTITY_USER, STR("bob"), LOCAL_PROVIDER);
    pthread_t threads[4];

    (void)state;
    most = 3;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sign_in_often, id), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(records_of("sessions"), 3);
}

static void what_has_ended_is_removed(void **state)
{
    (void)state;
    sign_in();
    sign_in();
    assert_int_equal(records_of("sessions"), 2);
    assert_int_equal(sessions_sweep(sessions, &last), ERR_OK);
    assert_int_equal(records_of("sessions"), 0);
    assert_int_equal(records_of("session-owners"), 0);
}

static void what_has_not_ended_is_kept(void **state)
{
    struct session_cookie cookie = sign_in();

    (void)state;
    assert_int_equal(sessions_sweep(sessions, &last), ERR_OK);
    assert_true(works(cookie.text));
    assert_int_equal(records_of("session-owners"), 1);
}

static void the_database_holds_nothing_to_sign_in_with(void **state)
{
    struct session_cookie cookie = sign_in();
    AUTO(records) struct meta_record_list list = {0};
    struct str id = {cookie.text, 64};

    (void)state;
    assert_int_equal(meta_records(meta, STR("sessions"), STR(""), 10, &list, &last), ERR_OK);
    assert_int_equal(list.n, 1);
    assert_null(memmem(list.rows[0].key, strlen(list.rows[0].key), id.p, id.n));
    assert_null(memmem(list.rows[0].value, strlen(list.rows[0].value), id.p, id.n));
}

static void each_session_has_a_token_of_its_own(void **state)
{
    struct session_cookie one = sign_in(), other = sign_in();
    char a[SEAL_MAC_TEXT + 1], b[SEAL_MAC_TEXT + 1];

    (void)state;
    session_csrf(sessions, str_of(one.text), a);
    session_csrf(sessions, str_of(other.text), b);
    assert_true(session_csrf_matches(sessions, str_of(one.text), str_of(a)));
    assert_false(session_csrf_matches(sessions, str_of(one.text), str_of(b)));
    assert_false(session_csrf_matches(sessions, str_of(one.text), STR("")));
    assert_null(strstr(one.text, a));
}

static void what_is_closed_opens_for_its_purpose_only(void **state)
{
    AUTO(buf) struct buf text = {0}, plain = {0};

    (void)state;
    buf_init(&text, 1000);
    buf_init(&plain, 1000);
    seal_close(seal, "one", STR("a secret"), &text);
    assert_int_equal(text.n, 2 * 8 + 56);
    assert_false(seal_open(seal, "other", buf_str(&text), &plain));
    assert_true(seal_open(seal, "one", buf_str(&text), &plain));
    assert_true(str_eq(buf_str(&plain), STR("a secret")));
    for (size_t i = 0; i < text.n; i++) {
        char was = text.p[i];

        text.p[i] = was == '0' ? '1' : '0';
        buf_clear(&plain);
        assert_false(seal_open(seal, "one", buf_str(&text), &plain));
        assert_int_equal(plain.n, 0);
        text.p[i] = was;
    }
    assert_false(seal_open(seal, "one", STR_NONE, &plain));
    assert_false(seal_open(seal, "one", STR("zz"), &plain));
}

static void another_replica_has_the_same_seal(void **state)
{
    AUTO(seal) struct seal *other = NULL;
    char mac[SEAL_MAC_TEXT + 1];

    (void)state;
    assert_int_equal(seal_new(meta, &other, &last), ERR_OK);
    seal_mac(seal, "purpose", STR("text"), mac);
    assert_true(seal_mac_matches(other, "purpose", STR("text"), str_of(mac)));
    assert_false(seal_mac_matches(other, "purposet", STR("ext"), str_of(mac)));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_session_is_who_signed_in),
        TEST(signing_out_ends_it_and_no_other),
        TEST(a_user_who_is_disabled_changed_or_gone_has_no_session),
        TEST(groups_are_those_of_now),
        TEST(a_cookie_that_was_changed_is_none),
        TEST(an_ended_session_is_no_wrong_password),
        cmocka_unit_test_setup_teardown(a_session_ends_after_its_lifetime, setup_short, teardown),
        cmocka_unit_test_setup_teardown(a_session_that_is_not_used_ends, setup_idle, teardown),
        TEST(a_session_ends_with_the_token_that_began_it),
        TEST(the_oldest_session_ends_when_there_are_too_many),
        TEST(who_signed_out_makes_room),
        TEST(sessions_of_others_do_not_count),
        TEST(who_signs_in_at_once_has_no_more_than_that),
        cmocka_unit_test_setup_teardown(what_has_ended_is_removed, setup_short, teardown),
        TEST(what_has_not_ended_is_kept),
        TEST(the_database_holds_nothing_to_sign_in_with),
        TEST(each_session_has_a_token_of_its_own),
        TEST(what_is_closed_opens_for_its_purpose_only),
        TEST(another_replica_has_the_same_seal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
