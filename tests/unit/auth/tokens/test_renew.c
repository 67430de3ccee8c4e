/* Tokens of the token service, and what becomes of them when an account changes. */
#include "unit/auth/support.h"

#include "auth/core/auth.h"
#include "auth/core/given.h"
#include "auth/people/password.h"
#include "auth/people/user_change.h"
#include "auth/providers/htpasswd.h"
#include "auth/providers/local.h"
#include "auth/tokens/access_token.h"
#include "auth/tokens/access_token_create.h"
#include "auth/tokens/access_token_provider.h"
#include "auth/tokens/jwt.h"
#include "auth/tokens/token.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct signer *signer;
static struct tokens *tokens;
static struct auth *chain;
static struct policy *policy;

static int setup(void **state)
{
    static const struct signer_options so = {"ES256", 86400000, 300000};
    static const struct token_options to = {"issuer", "service", 300000, 86400000};
    static const _Atomic uint64_t at_once = 64;
    static const struct auth_options ao = {60000, 64, 100, 60000, {&at_once, 64}};
    struct provider *providers[3];
    struct err e;

    if (accounts_setup(state) != 0 || signer_new(meta, &so, &signer, &e) != ERR_OK)
        return -1;
    tokens = tokens_new(signer, meta, &to);
    providers[0] = access_token_provider(accounts);
    providers[1] = local_provider(accounts);
    providers[2] = tokens_provider(tokens);
    chain = auth_new(&ao, providers, 3);
    tokens_renew_by(tokens, auth_renew, chain);
    policy = policy_new(NULL, 0, true);
    return 0;
}

static int teardown(void **state)
{
    policy_unref(policy);
    auth_free(chain);
    tokens_free(tokens);
    signer_free(signer);
    return accounts_teardown(state);
}

static enum auth_result check(struct credential c, struct identity **ret)
{
    struct err e = {0};
    unsigned retry_s;

    c.address = "192.0.2.1";
    return auth_check(chain, &c, ret, &retry_s, &e);
}

static struct credential basic(const char *user, const char *secret)
{
    return (struct credential){
        .kind = CREDENTIAL_BASIC, .user = str_of(user), .secret = str_of(secret)};
}

static struct credential bearer(const char *token)
{
    return (struct credential){.kind = CREDENTIAL_BEARER, .secret = str_of(token)};
}

/* Signs in and gets a token for dev/app. */
static struct token_answer issue(const char *user, const char *secret, const char *scope)
{
    AUTO(identity) struct identity *who = NULL;
    struct token_answer a = {0};
    struct token_request r = {.policy = policy, .scopes = str_of(scope), .refresh = true};
    struct err e;

    assert_int_equal(check(basic(user, secret), &who), AUTH_OK);
    r.who = who;
    assert_int_equal(tokens_issue(tokens, &r, &a, &e), ERR_OK);
    return a;
}

#define PUSH "repository:dev/app:pull,push repository:prod/app:pull,push"

static bool works(const struct token_answer *a)
{
    AUTO(identity) struct identity *who = NULL;
    AUTO(identity) struct identity *again = NULL;
    bool token = check(bearer(a->token), &who) == AUTH_OK;
    struct err e;
    bool refresh = tokens_refresh(tokens, str_of(a->refresh_token), &again, &e) == ERR_OK;

    assert_int_equal(token, refresh);
    return token;
}

static void tokens_die_with_the_user(void **state)
{
    AUTO(token_answer) struct token_answer a = {0};
    struct err e;

    (void)state;
    make_user("alice", false, NULL);
    a = issue("alice", PASSWORD, PUSH);
    assert_true(works(&a));
    assert_int_equal(user_set_disabled(accounts, STR("alice"), true, false, &e), ERR_OK);
    assert_false(works(&a));
    assert_int_equal(user_set_disabled(accounts, STR("alice"), false, false, &e), ERR_OK);
    assert_false(works(&a));
}

static void tokens_die_with_the_password(void **state)
{
    AUTO(token_answer) struct token_answer old = {0}, new = {0};
    struct err e;

    (void)state;
    make_user("alice", false, NULL);
    old = issue("alice", PASSWORD, PUSH);
    assert_int_equal(user_set_password(accounts, STR("alice"), STR(OTHER), &e), ERR_OK);
    new = issue("alice", OTHER, PUSH);
    assert_false(works(&old));
    assert_true(works(&new));
}

static void a_token_has_the_groups_of_now(void **state)
{
    AUTO(token_answer) struct token_answer a = {0};
    AUTO(identity) struct identity *before = NULL;
    AUTO(identity) struct identity *after = NULL;
    static const struct user_rights none;
    struct err e;

    (void)state;
    make_user("root", true, NULL);
    make_user("alice", true, "dev");
    a = issue("alice", PASSWORD, PUSH);
    assert_int_equal(check(bearer(a.token), &before), AUTH_OK);
    assert_int_equal(before->n_groups, 1);
    assert_int_equal(set_rights("alice", &none, false, &e), ERR_OK);
    assert_int_equal(check(bearer(a.token), &after), AUTH_OK);
    assert_int_equal(after->n_groups, 0);
    assert_false(after->admin);
}

static void a_token_is_no_longer_for_who_is_in_many_groups(void **state)
{
    static char names[USER_GROUPS_MAX][64];
    struct str groups[USER_GROUPS_MAX];
    struct user_rights rights = {.groups = groups, .n_groups = USER_GROUPS_MAX};
    AUTO(token_answer) struct token_answer few = {0};
    AUTO(token_answer) struct token_answer many = {0};
    AUTO(identity) struct identity *i = NULL;
    struct err e;

    (void)state;
    for (int n = 0; n < USER_GROUPS_MAX; n++) {
        snprintf(names[n], sizeof(names[n]), "the-people-of-a-project-%d", n);
        groups[n] = str_of(names[n]);
    }
    make_user("alice", false, NULL);
    assert_int_equal(user_add(accounts, STR("carol"), STR(PASSWORD), &rights, &e), ERR_OK);
    few = issue("alice", PASSWORD, PUSH);
    many = issue("carol", PASSWORD, PUSH);
    assert_in_range(strlen(many.token), 1, strlen(few.token) + 100);
    assert_int_equal(check(bearer(many.token), &i), AUTH_OK);
    assert_int_equal(i->n_groups, USER_GROUPS_MAX);
}

static void a_token_dies_with_the_personal_token_it_was_got_with(void **state)
{
    struct access_token_request r = {
        .kind = IDENTITY_ROBOT, .owner = STR("ci"), .expires_ms = INT64_MAX};
    AUTO(token_answer) struct token_answer a = {0};
    char secret[ACCESS_TOKEN_TEXT + 1];
    struct err e;

    (void)state;
    assert_int_equal(access_token_create(accounts, &r, secret, &e), ERR_OK);
    a = issue("ci", secret, PUSH);
    assert_true(works(&a));
    assert_int_equal(given_take_back(accounts, GIVEN_ACCESS_TOKENS, "robot:ci", NULL, &e), ERR_OK);
    assert_false(works(&a));
}

static unsigned may(const struct identity *who, const char *name)
{
    static const enum action all[] = {ACTION_PULL, ACTION_PUSH, ACTION_OVERWRITE, ACTION_DELETE};
    struct repo_name repo;
    unsigned set = 0;

    assert_int_equal(repo_name_parse(str_of(name), &repo, ERR_IGNORED), ERR_OK);
    for (size_t i = 0; i < 4; i++)
        set |= policy_allows(policy, who, all[i], &repo, NULL, NULL) ? all[i] : 0;
    return set;
}

static void no_right_is_gained_on_the_way_through_the_service(void **state)
{
    struct access_token_request r = {.kind = IDENTITY_ROBOT,
                                     .owner = STR("ci"),
                                     .scopes = STR("dev/**:pull,push"),
                                     .expires_ms = INT64_MAX};
    AUTO(token_answer) struct token_answer a = {0}, again = {0};
    AUTO(identity) struct identity *who = NULL;
    AUTO(identity) struct identity *refreshed = NULL;
    AUTO(identity) struct identity *later = NULL;
    struct token_request more = {.policy = policy, .scopes = STR(PUSH)};
    char secret[ACCESS_TOKEN_TEXT + 1];
    struct err e;

    (void)state;
    assert_int_equal(access_token_create(accounts, &r, secret, &e), ERR_OK);
    a = issue("ci", secret, PUSH);
    assert_int_equal(check(bearer(a.token), &who), AUTH_OK);
    assert_int_equal(may(who, "dev/app"), ACTION_PULL | ACTION_PUSH); /* no overwrite */
    assert_int_equal(may(who, "prod/app"), 0);
    /* Nor with a refresh token. */
    assert_int_equal(tokens_refresh(tokens, str_of(a.refresh_token), &refreshed, &e), ERR_OK);
    assert_int_equal(may(refreshed, "dev/app"), ACTION_PULL | ACTION_PUSH);
    more.who = refreshed;
    assert_int_equal(tokens_issue(tokens, &more, &again, &e), ERR_OK);
    assert_int_equal(check(bearer(again.token), &later), AUTH_OK);
    assert_int_equal(may(later, "dev/app"), ACTION_PULL | ACTION_PUSH);
    assert_int_equal(may(later, "prod/app"), 0);
}

static void a_token_for_a_scan_pulls_one_repository_whatever_rules_say(void **state)
{
    AUTO(mem) char *token = NULL;
    AUTO(identity) struct identity *who = NULL;
    struct repo_name repo, other;
    struct err e;

    (void)state;
    assert_int_equal(repo_name_parse(STR("secret/app"), &repo, &e), ERR_OK);
    assert_int_equal(repo_name_parse(STR("secret/app2"), &other, &e), ERR_OK);
    assert_int_equal(tokens_issue_scan(tokens, &repo, 60000, &token, &e), ERR_OK);
    assert_int_equal(check(bearer(token), &who), AUTH_OK);
    assert_int_equal(may(who, "secret/app"), ACTION_PULL);
    assert_int_equal(may(who, "secret/app2"), 0);
    assert_true(policy_allows(policy, who, ACTION_BYPASS, &repo, NULL, NULL));
    assert_false(policy_allows(policy, who, ACTION_BYPASS, &other, NULL, NULL));
}

/* `access` of the token that alice gets for that scope. */
static json_t *access_for(const char *scope)
{
    AUTO(token_answer) struct token_answer a = issue("alice", PASSWORD, scope);
    AUTO(json) json_t *claims = jwt_peek(str_of(a.token));

    return json_incref(json_object_get(claims, "access"));
}

/* Looking up a right costs as much as there are rules: nobody has it done a thousand times with one
 * request. */
static void a_right_is_looked_up_once_however_often_it_is_asked_for(void **state)
{
    AUTO(json) json_t *access = NULL;
    AUTO(buf) struct buf scopes = {0};

    (void)state;
    make_user("alice", false, NULL);
    access = access_for("repository:dev/app:push,pull,pull,push,pull,fly,");
    assert_int_equal(json_array_size(json_object_get(json_array_get(access, 0), "actions")), 2);
    json_decref(access);
    buf_init(&scopes, 8192);
    for (int i = 0; i <= TOKEN_SCOPES_MAX; i++)
        buf_addf(&scopes, "repository:dev/%d:pull  ", i);
    access = access_for(buf_text(&scopes));
    assert_int_equal(json_array_size(access), TOKEN_SCOPES_MAX);
}

/* What a token for the catalog allows; it shows dev/app or not. */
static bool shown_by_catalog(const char *user, const char *secret, unsigned *ret_may)
{
    AUTO(token_answer) struct token_answer a = issue(user, secret, "registry:catalog:*");
    AUTO(identity) struct identity *who = NULL;
    struct repo_name repo;

    assert_int_equal(check(bearer(a.token), &who), AUTH_OK);
    assert_int_equal(repo_name_parse(STR("dev/app"), &repo, ERR_IGNORED), ERR_OK);
    *ret_may = may(who, "dev/app");
    for (unsigned one = 1; one < ACTION_ALL; one <<= 1)
        *ret_may |= policy_allows(policy, who, (enum action)one, NULL, NULL, NULL) ? one : 0;
    return policy_sees(policy, who, &repo);
}

static void a_token_for_the_catalog_shows_it_and_allows_nothing(void **state)
{
    struct access_token_request r = {.kind = IDENTITY_ROBOT, .expires_ms = INT64_MAX};
    char secret[ACCESS_TOKEN_TEXT + 1];
    unsigned allowed;
    struct err e;

    (void)state;
    make_user("root", true, NULL);
    assert_true(shown_by_catalog("root", PASSWORD, &allowed));
    assert_int_equal(allowed, 0); /* to be an admin, above all */
    r.owner = STR("ci");
    r.scopes = STR("dev/**:pull");
    assert_int_equal(access_token_create(accounts, &r, secret, &e), ERR_OK);
    assert_true(shown_by_catalog("ci", secret, &allowed));
    assert_int_equal(allowed, 0);
    r.scopes = STR("prod/**:pull dev/**:delete");
    assert_int_equal(access_token_create(accounts, &r, secret, &e), ERR_OK);
    assert_false(shown_by_catalog("ci", secret, &allowed)); /* nobody but admins deletes */
    assert_int_equal(allowed, 0);
}

static void a_token_lives_no_longer_than_what_it_was_got_with(void **state)
{
    struct access_token_request r = {.kind = IDENTITY_ROBOT, .owner = STR("ci")};
    AUTO(token_answer) struct token_answer a = {0};
    AUTO(identity) struct identity *who = NULL;
    char secret[ACCESS_TOKEN_TEXT + 1];
    struct err e;

    (void)state;
    r.expires_ms = 60000 + 1000 * (int64_t)time(NULL);
    assert_int_equal(access_token_create(accounts, &r, secret, &e), ERR_OK);
    a = issue("ci", secret, PUSH);
    assert_int_equal(check(bearer(a.token), &who), AUTH_OK);
    assert_int_equal(who->expires_ms, r.expires_ms);
}

static void revoking_takes_the_refresh_tokens_of_one_subject(void **state)
{
    AUTO(token_answer) struct token_answer a = {0}, b = {0};
    AUTO(identity) struct identity *who = NULL;
    struct err e;

    (void)state;
    make_user("alice", false, NULL);
    make_user("bob", false, NULL);
    a = issue("alice", PASSWORD, PUSH);
    b = issue("bob", PASSWORD, PUSH);
    assert_int_equal(given_take_back(accounts, GIVEN_REFRESH_TOKENS, "user:alice", NULL, &e),
                     ERR_OK);
    assert_int_equal(tokens_refresh(tokens, str_of(a.refresh_token), &who, &e), ERR_UNAUTHORIZED);
    assert_int_equal(tokens_refresh(tokens, str_of(b.refresh_token), &who, &e), ERR_OK);
}

static void what_one_provider_tells_is_not_told_for_another(void **state)
{
    struct credential c = basic("nobody", OTHER);
    struct identity *who;
    struct err e = {0};
    unsigned retry_s;

    (void)state;
    c.address = "192.0.2.1";
    assert_int_equal(auth_check(chain, &c, &who, &retry_s, &e), AUTH_REFUSED);
    assert_string_equal(e.detail, "the credentials are wrong or have expired");
}

static void write_line(const char *path, const char *user, const char *password)
{
    char hash[PASSWORD_HASH_MAX];
    FILE *f = fopen(path, "we");
    struct err e;

    assert_non_null(f);
    assert_int_equal(password_hash(str_of(password), hash, &e), ERR_OK);
    fprintf(f, "%s:%s\n", user, hash);
    assert_int_equal(fclose(f), 0);
}

static enum verdict renewed(const char *path, struct identity **id)
{
    struct provider *p;
    struct err e;
    enum verdict v;

    assert_int_equal(htpasswd_new(path, &p, &e), ERR_OK);
    v = p->driver->renew(p, id, &e);
    p->driver->free(p);
    return v;
}

static void users_of_a_file_are_good_while_their_line_stays(void **state)
{
    char path[] = "/tmp/test-renew-XXXXXX";
    struct credential c = basic("alice", PASSWORD);
    struct identity *id = NULL;
    struct provider *p;
    struct err e;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    write_line(path, "alice", PASSWORD);
    assert_int_equal(htpasswd_new(path, &p, &e), ERR_OK);
    assert_int_equal(p->driver->check(p, &c, &id, &e), VERDICT_YES);
    p->driver->free(p);
    assert_int_equal(renewed(path, &id), VERDICT_YES);
    write_line(path, "alice", OTHER);
    assert_int_equal(renewed(path, &id), VERDICT_NO);
    write_line(path, "bob", PASSWORD);
    assert_int_equal(renewed(path, &id), VERDICT_NO);
    identity_unref(id);
    assert_int_equal(unlink(path), 0);
}

/* auth.order, or a section of the configuration, has changed. */
static void tokens_die_with_the_provider_that_is_asked_no_more(void **state)
{
    static const _Atomic uint64_t at_once = 64;
    static const struct auth_options ao = {60000, 64, 100, 60000, {&at_once, 64}};
    struct provider *left = access_token_provider(accounts);
    struct auth *others = auth_new(&ao, &left, 1);
    AUTO(token_answer) struct token_answer a = {0}, b = {0};

    (void)state;
    make_user("alice", false, NULL);
    a = issue("alice", PASSWORD, PUSH);
    b = issue("alice", PASSWORD, PUSH);
    assert_true(works(&a));
    tokens_renew_by(tokens, auth_renew, others);
    assert_false(works(&b)); /* which no cache knows yet */
    auth_free(others);
}

static void a_token_of_nobody_needs_no_provider(void **state)
{
    AUTO(identity) struct identity *who = NULL;
    AUTO(token_answer) struct token_answer a = {0};
    struct token_request r = {.policy = policy, .who = identity_anonymous()};
    struct err e;

    (void)state;
    assert_int_equal(tokens_issue(tokens, &r, &a, &e), ERR_OK);
    assert_int_equal(check(bearer(a.token), &who), AUTH_OK);
    assert_int_equal(who->kind, IDENTITY_ANONYMOUS);
    identity_unref(r.who);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(tokens_die_with_the_user),
        TEST(tokens_die_with_the_password),
        TEST(a_token_has_the_groups_of_now),
        TEST(a_token_is_no_longer_for_who_is_in_many_groups),
        TEST(a_token_dies_with_the_personal_token_it_was_got_with),
        TEST(no_right_is_gained_on_the_way_through_the_service),
        TEST(a_token_for_the_catalog_shows_it_and_allows_nothing),
        TEST(a_right_is_looked_up_once_however_often_it_is_asked_for),
        TEST(a_token_for_a_scan_pulls_one_repository_whatever_rules_say),
        TEST(a_token_lives_no_longer_than_what_it_was_got_with),
        TEST(revoking_takes_the_refresh_tokens_of_one_subject),
        TEST(users_of_a_file_are_good_while_their_line_stays),
        TEST(tokens_die_with_the_provider_that_is_asked_no_more),
        TEST(a_token_of_nobody_needs_no_provider),
        TEST(what_one_provider_tells_is_not_told_for_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
