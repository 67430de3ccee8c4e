/* The provider for tokens of another token service: when they are believed, and what they give. */
#include "auth/providers/foreign.h"

#include "auth/policy/policy.h"
#include "auth/tokens/jwt.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/foreign-XXXXXX", issuer[] = "tokens", service[] = "registry",
            none[] = "";
static struct conf_token conf = {
    .issuer = issuer, .service = service, .jwks = path, .rootcertbundle = none};
static struct jwt_keys *keys;
static struct provider *provider;

static int setup(void **state)
{
    AUTO(mem) char *key = NULL;
    AUTO(mem) char *set = NULL;
    AUTO(mem) char *public = NULL;
    int fd = mkstemp(path);
    struct err e;

    (void)state;
    if (fd < 0 || jwt_key_make("ES256", "k", &key, &e) != ERR_OK ||
        asprintf(&set, "{\"keys\":[%s]}", key) < 0 ||
        jwt_keys_parse(str_of(set), &keys, &e) != ERR_OK)
        return -1;
    public = jwt_keys_public(keys);
    if (write(fd, public, strlen(public)) != (ssize_t)strlen(public) || close(fd) != 0)
        return -1;
    return foreign_new(&conf, &provider, &e) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    provider->driver->free(provider);
    jwt_keys_free(keys);
    return unlink(path);
}

/* A token with the right claims, over which change (JSON, of members; null removes) is laid. */
static enum verdict check(const char *change, struct identity **ret)
{
    json_int_t now = clock_wall_ms() / 1000;
    AUTO(json)
    json_t *claims =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:[]}", "iss", issuer, "aud", service, "sub",
                  "alice", "exp", now + 300, "nbf", now, "iat", now, "access");
    AUTO(json) json_t *other = json_loads(change, 0, NULL);
    AUTO(mem) char *token = NULL;
    struct credential c = {.kind = CREDENTIAL_BEARER};
    struct err e = {0};
    const char *key;
    json_t *value;

    assert_non_null(other);
    json_object_foreach(other, key, value)
    {
        if (json_is_null(value))
            json_object_del(claims, key);
        else
            json_object_set(claims, key, value);
    }
    assert_int_equal(jwt_sign(keys, "k", claims, &token, &e), ERR_OK);
    c.secret = str_of(token);
    return provider->driver->check(provider, &c, ret, &e);
}

static void a_right_token_is_believed(void **state)
{
    static const char *const right[] = {
        "{}",
        "{\"aud\":[\"other\",\"registry\"]}",
        "{\"nbf\":null,\"iat\":null}",
        "{\"jti\":\"1\",\"access\":null}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        AUTO(identity) struct identity *id = NULL;

        assert_int_equal(check(right[i], &id), VERDICT_YES);
        assert_string_equal(id->name, "alice");
        assert_false(id->admin);
        assert_true(id->scoped && id->granted);
        assert_true(id->expires_ms < clock_wall_ms() + 301 * 1000);
    }
}

static void wrong_claims_are_not(void **state)
{
    static const char *const wrong[] = {
        "{\"aud\":\"other\"}",
        "{\"aud\":null}",
        "{\"aud\":[]}",
        "{\"aud\":{\"registry\":1}}",
        "{\"aud\":[[\"registry\"]]}",
        "{\"exp\":null}",
        "{\"exp\":1}",
        "{\"exp\":\"99999999999\"}",
        "{\"exp\":-1e300}",
        "{\"nbf\":99999999999}",
        "{\"nbf\":\"1\"}",
        "{\"iat\":99999999999}",
        "{\"sub\":\"a b\"}",
        "{\"sub\":\"a\\nb\"}",
        "{\"sub\":\"\\u00e9\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct identity *id = NULL;

        if (check(wrong[i], &id) != VERDICT_PAST)
            fail_msg("%s is believed", wrong[i]);
        assert_null(id);
    }
}

static void a_token_of_another_issuer_is_for_others(void **state)
{
    struct identity *id = NULL;

    (void)state;
    assert_int_equal(check("{\"iss\":\"other\"}", &id), VERDICT_PASS);
    assert_int_equal(check("{\"iss\":null}", &id), VERDICT_PASS);
    assert_int_equal(check("{\"iss\":[\"tokens\"]}", &id), VERDICT_PASS);
    assert_int_equal(check("{\"iss\":\"Tokens\"}", &id), VERDICT_PASS);
}

static void access_gives_what_it_names_and_no_more(void **state)
{
    AUTO(identity) struct identity *id = NULL;

    (void)state;
    assert_int_equal(check("{\"access\":[{\"type\":\"repository\",\"name\":\"dev/app\",\"actions\":"
                           "[\"pull\",\"push\"]}]}",
                           &id),
                     VERDICT_YES);
    assert_int_equal(identity_scope_actions(id, STR("dev/app")),
                     ACTION_PULL | ACTION_PUSH | ACTION_OVERWRITE);
    assert_int_equal(identity_scope_actions(id, STR("dev/other")), 0);
    assert_int_equal(identity_scope_actions(id, STR("")), 0);
}

/* Nobody is made an admin of the registry, nor does a name work as a pattern. */
static void what_is_no_entry_gives_nothing(void **state)
{
    static const char *const entries[] = {
        "{\"type\":\"repository\",\"name\":\"**\",\"actions\":[\"*\"]}",
        "{\"type\":\"repository\",\"name\":\"dev/*\",\"actions\":[\"*\"]}",
        "{\"type\":\"repository\",\"name\":\"\",\"actions\":[\"*\"]}",
        "{\"type\":\"repository\",\"actions\":[\"*\"]}",
        "{\"type\":\"repository\",\"name\":\"dev/app\",\"actions\":\"*\"}",
        "{\"type\":\"repository\",\"name\":\"dev/app\",\"actions\":[\"admin\",\"scan\",1,null]}",
        "{\"type\":\"Repository\",\"name\":\"dev/app\",\"actions\":[\"*\"]}",
        "{\"name\":\"dev/app\",\"actions\":[\"*\"]}",
        "{\"type\":\"registry\",\"name\":\"catalog\",\"actions\":[\"pull\"]}",
        "{\"type\":\"registry\",\"name\":\"\",\"actions\":[\"*\"]}",
        "null",
        "[]",
        "\"repository:dev/app:*\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        AUTO(identity) struct identity *id = NULL;
        AUTO(mem) char *change = NULL;

        assert_true(asprintf(&change, "{\"access\":[%s]}", entries[i]) > 0);
        assert_int_equal(check(change, &id), VERDICT_YES);
        assert_int_equal(identity_scope_actions(id, STR("dev/app")), 0);
        assert_int_equal(identity_scope_actions(id, STR("")), 0);
    }
}

static void the_catalog_makes_no_admin(void **state)
{
    AUTO(identity) struct identity *id = NULL;
    struct policy *p = policy_new(NULL, 0, true);

    (void)state;
    assert_int_equal(check("{\"access\":[{\"type\":\"registry\",\"name\":\"catalog\",\"actions\":"
                           "[\"*\"]}]}",
                           &id),
                     VERDICT_YES);
    id->admin = true; /* even so */
    assert_false(policy_allows(p, id, ACTION_ADMIN, NULL, NULL, NULL));
    policy_unref(p);
}

static void a_token_without_a_name_is_nobodys(void **state)
{
    AUTO(identity) struct identity *id = NULL;

    (void)state;
    assert_int_equal(check("{\"sub\":null}", &id), VERDICT_YES);
    assert_int_equal(id->kind, IDENTITY_ANONYMOUS);
    assert_true(id->scoped && id->granted);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_token_is_believed),
        cmocka_unit_test(wrong_claims_are_not),
        cmocka_unit_test(a_token_of_another_issuer_is_for_others),
        cmocka_unit_test(access_gives_what_it_names_and_no_more),
        cmocka_unit_test(what_is_no_entry_gives_nothing),
        cmocka_unit_test(the_catalog_makes_no_admin),
        cmocka_unit_test(a_token_without_a_name_is_nobodys),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
