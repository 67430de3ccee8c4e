/* What is left of tokens whose time is over, as the clock goes on. */
#include "unit/auth/support.h"

#include "auth/tokens/access_token.h"
#include "auth/tokens/access_token_create.h"
#include "auth/tokens/access_token_provider.h"
#include "auth/tokens/token.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MINUTE ((int64_t)60000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define PAGE   256 /* of what prunes */

/* Both clocks are this much ahead; the linker puts these in the place of base/clock's. */
static int64_t ahead_ms;

int64_t __wrap_clock_mono_ms(void);
int64_t __wrap_clock_wall_ms(void);
int64_t __real_clock_mono_ms(void);
int64_t __real_clock_wall_ms(void);

int64_t __wrap_clock_mono_ms(void)
{
    return __real_clock_mono_ms() + ahead_ms;
}

int64_t __wrap_clock_wall_ms(void)
{
    return __real_clock_wall_ms() + ahead_ms;
}

static void later(int64_t ms)
{
    ahead_ms += ms;
}

static struct provider *provider;
static struct signer *signer;
static struct tokens *tokens;

static int access_setup(void **state)
{
    int status = accounts_setup(state);

    ahead_ms = 0;
    provider = access_token_provider(accounts);
    return status;
}

static int refresh_setup(void **state)
{
    static const struct signer_options so = {"ES256", 365 * DAY, 5 * MINUTE};
    static const struct token_options to = {"issuer", "service", 5 * MINUTE, 10 * DAY};
    struct err e;

    ahead_ms = 0;
    if (accounts_setup(state) != 0 || signer_new(meta, &so, &signer, &e) != ERR_OK)
        return -1;
    tokens = tokens_new(signer, meta, &to);
    provider = tokens_provider(tokens);
    return 0;
}

static int access_teardown(void **state)
{
    provider->driver->free(provider);
    return accounts_teardown(state);
}

static int refresh_teardown(void **state)
{
    provider->driver->free(provider);
    tokens_free(tokens);
    signer_free(signer);
    return accounts_teardown(state);
}

static void tend(void)
{
    struct err e;

    assert_int_equal(provider->driver->tend(provider, &e), ERR_OK);
}

static size_t records(const char *collection)
{
    AUTO(records) struct meta_record_list all = {0};
    struct err e;

    assert_int_equal(meta_records(meta, str_of(collection), STR(""), 10000, &all, &e), ERR_OK);
    return all.n;
}

/* Personal and robot tokens. */

static void make_token(const char *robot, int64_t lifetime_ms)
{
    struct access_token_request r = {
        .kind = IDENTITY_ROBOT,
        .owner = str_of(robot),
        .expires_ms = lifetime_ms ? clock_wall_ms() + lifetime_ms : INT64_MAX,
    };
    char secret[ACCESS_TOKEN_TEXT + 1];
    struct err e;

    assert_int_equal(access_token_create(accounts, &r, secret, &e), ERR_OK);
}

static void an_expired_token_is_shown_for_a_week_and_then_goes(void **state)
{
    (void)state;
    make_token("ci", DAY);
    make_token("ci", 0);
    tend();
    assert_int_equal(records("tokens"), 2);
    later(DAY + 7 * DAY - HOUR);
    tend();
    assert_int_equal(records("tokens"), 2);
    later(2 * HOUR);
    tend();
    assert_int_equal(records("tokens"), 1); /* the one that never ends */
}

static void expired_tokens_go_however_many_there_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * PAGE + 10; i++)
        make_token("ci", i % 8 ? HOUR : 0);
    later(8 * DAY);
    tend();
    assert_int_equal(records("tokens"), (2 * PAGE + 10 + 7) / 8);
}

static void a_token_whose_record_is_damaged_is_told_of(void **state)
{
    struct meta_op op =
        meta_op_record_put(STR("tokens"), STR("0123456789ab"), STR("{}"), META_ABSENT);
    struct err e;

    (void)state;
    assert_int_equal(meta_commit(meta, &op, 1, 0, NULL, &e), ERR_OK);
    assert_int_equal(provider->driver->tend(provider, &e), ERR_CORRUPT);
    assert_int_equal(records("tokens"), 1);
}

/* Refresh tokens. */

/* The caller frees. */
static char *make_refresh(const char *robot)
{
    AUTO(identity) struct identity *who = identity_new(IDENTITY_ROBOT, str_of(robot), "local");
    struct policy *policy = policy_new(NULL, 0, true);
    struct token_request r = {.who = who, .policy = policy, .refresh = true};
    AUTO(token_answer) struct token_answer a = {0};
    struct err e;

    assert_int_equal(tokens_issue(tokens, &r, &a, &e), ERR_OK);
    policy_unref(policy);
    return STEAL(a.refresh_token);
}

static enum err_code come_back(const char *secret)
{
    AUTO(identity) struct identity *who = NULL;
    struct err e;

    return tokens_refresh(tokens, str_of(secret), &who, &e);
}

static void a_refresh_token_goes_when_its_time_is_over(void **state)
{
    AUTO(mem) char *old = make_refresh("ci");
    AUTO(mem) char *new = NULL;

    (void)state;
    later(9 * DAY);
    new = make_refresh("ci");
    tend();
    assert_int_equal(records("refresh-tokens"), 2);
    later(2 * DAY);
    tend();
    assert_int_equal(records("refresh-tokens"), 1);
    assert_int_equal(come_back(old), ERR_UNAUTHORIZED);
    assert_int_equal(come_back(new), ERR_OK);
}

static void refresh_tokens_go_however_many_there_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < PAGE + 10; i++)
        free(make_refresh("ci"));
    later(11 * DAY);
    free(make_refresh("ci"));
    tend();
    assert_int_equal(records("refresh-tokens"), 1);
}

static void a_refresh_token_that_comes_too_late_goes_at_once(void **state)
{
    AUTO(mem) char *secret = make_refresh("ci");

    (void)state;
    later(10 * DAY + MINUTE);
    assert_int_equal(come_back(secret), ERR_UNAUTHORIZED);
    assert_int_equal(records("refresh-tokens"), 0);
}

#define ACCESS(f)  cmocka_unit_test_setup_teardown(f, access_setup, access_teardown)
#define REFRESH(f) cmocka_unit_test_setup_teardown(f, refresh_setup, refresh_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        ACCESS(an_expired_token_is_shown_for_a_week_and_then_goes),
        ACCESS(expired_tokens_go_however_many_there_are),
        ACCESS(a_token_whose_record_is_damaged_is_told_of),
        REFRESH(a_refresh_token_goes_when_its_time_is_over),
        REFRESH(refresh_tokens_go_however_many_there_are),
        REFRESH(a_refresh_token_that_comes_too_late_goes_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
