/*
 * Questions and answers without a socket: the functions of libldap that would speak to a server are
 * taken out of what library_load() finds, and ones of the test's own put in. They write down what
 * they are asked, and answer what the test has written down before.
 */
#include "net/directory.h"

#include "net/library.h"

#include <ldap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ANSWERS_MAX 16
#define ENTRIES_MAX 4

static char asked[2048]; /* "open a; bind cn=registry; ..." */
static int answers[ANSWERS_MAX], n_answers, next_answer;

struct entry {
    const char *dn;
    struct str values[3]; /* of "mail"; ends with .p NULL */
};

static struct entry entries[ENTRIES_MAX]; /* of the next search; ends with dn NULL */

static void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *fmt, ...)
{
    size_t n = strlen(asked);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(asked + n, sizeof(asked) - n, fmt, ap);
    va_end(ap);
}

static int answer(void)
{
    assert_true(next_answer < n_answers); /* it was expected to ask so often */
    return answers[next_answer++];
}

static int initialize(LDAP **ret_handle, const char *url)
{
    *ret_handle = (LDAP *)asked;
    tell("open %s; ", url);
    return LDAP_SUCCESS;
}

static int set_option(LDAP *ld, int option, const void *value)
{
    (void)ld, (void)option, (void)value;
    return LDAP_OPT_SUCCESS;
}

static int get_option(LDAP *ld, int option, void *ret_value)
{
    if (!ld) /* the library's own: it is being set up */
        return LDAP_OPT_SUCCESS;
    assert_int_equal(option, LDAP_OPT_DIAGNOSTIC_MESSAGE);
    *(char **)ret_value = NULL;
    return LDAP_OPT_SUCCESS;
}

static int start_tls(LDAP *ld, LDAPControl **server, LDAPControl **client)
{
    (void)ld, (void)server, (void)client;
    tell("start tls; ");
    return answer();
}

static int sasl_bind(LDAP *ld, const char *dn, const char *mechanism, struct berval *secret,
                     LDAPControl **server, LDAPControl **client, struct berval **ret)
{
    (void)ld, (void)server, (void)client, (void)ret;
    assert_null(mechanism); /* a simple bind */
    tell("bind %s %.*s; ", dn, (int)secret->bv_len, secret->bv_len ? secret->bv_val : "");
    return answer();
}

static int search(LDAP *ld, const char *base, int scope, const char *filter, char **attributes,
                  int only_types, LDAPControl **server, LDAPControl **client, struct timeval *limit,
                  int max, LDAPMessage **ret_entries)
{
    (void)ld, (void)server, (void)client;
    assert_int_equal(scope, LDAP_SCOPE_SUBTREE);
    assert_false(only_types);
    assert_true(limit->tv_sec == 5 && limit->tv_usec == 0);
    assert_string_equal(attributes[0], "mail");
    assert_null(attributes[1]);
    tell("search %s %s %d; ", base, filter, max);
    *ret_entries = (LDAPMessage *)entries;
    return answer();
}

static LDAPMessage *present(struct entry *e)
{
    return e->dn ? (LDAPMessage *)e : NULL;
}

static LDAPMessage *first_entry(LDAP *ld, LDAPMessage *m)
{
    (void)ld;
    return present((struct entry *)m);
}

static LDAPMessage *next_entry(LDAP *ld, LDAPMessage *m)
{
    (void)ld;
    return present((struct entry *)m + 1);
}

static char *get_dn(LDAP *ld, LDAPMessage *m)
{
    (void)ld;
    return strdup(((struct entry *)m)->dn);
}

static struct berval **get_values(LDAP *ld, LDAPMessage *m, const char *attribute)
{
    struct berval **list = calloc(4, sizeof(*list));
    const struct entry *e = (struct entry *)m;

    (void)ld;
    assert_string_equal(attribute, "mail");
    for (size_t i = 0; i < 3 && e->values[i].p; i++) {
        list[i] = calloc(1, sizeof(**list));
        *list[i] = (struct berval){e->values[i].n, (char *)e->values[i].p};
    }
    return list;
}

static void free_values(struct berval **list)
{
    for (size_t i = 0; list[i]; i++)
        free(list[i]);
    free(list);
}

static int free_message(LDAPMessage *m)
{
    (void)m;
    return 0;
}

static int unbind(LDAP *ld, LDAPControl **server, LDAPControl **client)
{
    (void)ld, (void)server, (void)client;
    tell("close; ");
    return LDAP_SUCCESS;
}

bool __real_library_load(const char *const *names, const struct library_function *functions,
                         size_t n);
bool __wrap_library_load(const char *const *names, const struct library_function *functions,
                         size_t n);

bool __wrap_library_load(const char *const *names, const struct library_function *functions,
                         size_t n)
{
    static const struct {
        const char *name;
        void *function;
    } own[] = {
        {"ldap_initialize", initialize},
        {"ldap_set_option", set_option},
        {"ldap_get_option", get_option},
        {"ldap_start_tls_s", start_tls},
        {"ldap_sasl_bind_s", sasl_bind},
        {"ldap_search_ext_s", search},
        {"ldap_first_entry", first_entry},
        {"ldap_next_entry", next_entry},
        {"ldap_get_dn", get_dn},
        {"ldap_memfree", free},
        {"ldap_get_values_len", get_values},
        {"ldap_value_free_len", free_values},
        {"ldap_msgfree", free_message},
        {"ldap_unbind_ext_s", unbind},
    };
    size_t replaced = 0;

    if (!__real_library_load(names, functions, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < sizeof(own) / sizeof(own[0]); j++) {
            if (strcmp(functions[i].name, own[j].name) != 0)
                continue;
            memcpy(functions[i].pointer, &own[j].function, sizeof(void *));
            replaced++;
        }
    }
    assert_int_equal(replaced, sizeof(own) / sizeof(own[0]));
    return true;
}

/* A directory of two servers, with one connection at a time. */
static char *urls[] = {"a", "b"};
static char name[] = "cn=registry", secret[] = "s3cret", none[] = "";
static struct conf_ldap conf;
static struct directory *directory;

static int setup(void **state)
{
    (void)state;
    asked[0] = '\0';
    n_answers = next_answer = 0;
    memset(entries, 0, sizeof(entries));
    conf = (struct conf_ldap){.urls = {urls, 2},
                              .bind_dn = name,
                              .bind_password = secret,
                              .bind_password_file = none,
                              .ca_file = none,
                              .connections = 1,
                              .timeout_ms = 5000};
    directory_free(directory);
    directory = directory_new(&conf);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    directory_free(directory);
    directory = NULL;
    return next_answer == n_answers ? 0 : -1; /* all that was expected was asked */
}

static void will_answer(int rc)
{
    assert_true(n_answers < ANSWERS_MAX);
    answers[n_answers++] = rc;
}

/* What the last questions were; from then on others count. */
#define ASSERT_ASKED(want)                                                                         \
    do {                                                                                           \
        assert_string_equal(asked, want);                                                          \
        asked[0] = '\0';                                                                           \
    } while (0)

static const struct directory_search people = {
    .base = "dc=org", .filter = "(uid=alice)", .attributes = {"mail"}, .max = 2};

static enum err_code find(struct directory_conn *c, void *ret, struct err *e)
{
    return directory_search(c, &people, ret, e);
}

static enum err_code check(struct directory_conn *c, void *password, struct err *e)
{
    return directory_check(c, "uid=alice", str_of(password), e);
}

static enum err_code run_find(struct err *e)
{
    AUTO(directory_entries) struct directory_entries found = {0};

    return directory_run(directory, find, &found, e);
}

static enum err_code run_check(const char *password, struct err *e)
{
    return directory_run(directory, check, (void *)password, e);
}

static void a_search_is_asked_as_the_service_and_the_connection_kept(void **state)
{
    struct err e;

    (void)state;
    will_answer(LDAP_SUCCESS);
    will_answer(LDAP_SUCCESS);
    assert_int_equal(run_find(&e), ERR_OK);
    ASSERT_ASKED("open a; bind cn=registry s3cret; search dc=org (uid=alice) 3; ");
    will_answer(LDAP_SUCCESS);
    assert_int_equal(run_find(&e), ERR_OK);
    ASSERT_ASKED("search dc=org (uid=alice) 3; ");
}

static void after_a_password_the_service_is_bound_again(void **state)
{
    struct err e;

    (void)state;
    for (int i = 0; i < 4; i++)
        will_answer(LDAP_SUCCESS);
    assert_int_equal(run_check("Tr0ub4dor", &e), ERR_OK);
    assert_int_equal(run_find(&e), ERR_OK);
    ASSERT_ASKED("open a; bind cn=registry s3cret; bind uid=alice Tr0ub4dor; "
                 "bind cn=registry s3cret; search dc=org (uid=alice) 3; ");
}

/* RFC 4513, 5.1.2: with an empty one a directory says yes to anybody. */
static void an_empty_password_is_never_asked(void **state)
{
    struct err e;

    (void)state;
    will_answer(LDAP_SUCCESS);
    assert_int_equal(run_check("", &e), ERR_UNAUTHORIZED);
    ASSERT_ASKED("open a; bind cn=registry s3cret; ");
}

static void the_code_of_a_bind_says_whose_fault_it_is(void **state)
{
    static const struct {
        int rc;
        enum err_code code;
        bool kept; /* the connection is good for more */
    } rows[] = {
        {LDAP_SUCCESS, ERR_OK, true},
        {LDAP_INVALID_CREDENTIALS, ERR_UNAUTHORIZED, true},
        {LDAP_INAPPROPRIATE_AUTH, ERR_UNAUTHORIZED, true},
        {LDAP_NO_SUCH_OBJECT, ERR_UNAUTHORIZED, true},
        {LDAP_INSUFFICIENT_ACCESS, ERR_UNAUTHORIZED, true},
        {LDAP_INVALID_DN_SYNTAX, ERR_UNAUTHORIZED, true},
        {LDAP_UNWILLING_TO_PERFORM, ERR_UNAUTHORIZED, true},
        {LDAP_CONSTRAINT_VIOLATION, ERR_UNAUTHORIZED, true},
        {LDAP_OPERATIONS_ERROR, ERR_UNAVAILABLE, true},
        {LDAP_OTHER, ERR_UNAVAILABLE, true},
        {LDAP_BUSY, ERR_UNAVAILABLE, false},
        {LDAP_UNAVAILABLE, ERR_UNAVAILABLE, false},
        {LDAP_SERVER_DOWN, ERR_UNAVAILABLE, false},
        {LDAP_TIMEOUT, ERR_UNAVAILABLE, false},
        {LDAP_DECODING_ERROR, ERR_UNAVAILABLE, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err e;

        setup(state);
        will_answer(LDAP_SUCCESS);
        will_answer(rows[i].rc);
        if (run_check("x", &e) != rows[i].code)
            fail_msg("%d: %s", rows[i].rc, e.detail);
        assert_int_equal(strstr(asked, "close; ") == NULL, rows[i].kept);
        assert_int_equal(teardown(state), 0);
    }
    setup(state);
}

static void a_kept_connection_that_is_dead_is_made_anew_once(void **state)
{
    struct err e;

    (void)state;
    will_answer(LDAP_SUCCESS);
    will_answer(LDAP_SUCCESS);
    assert_int_equal(run_find(&e), ERR_OK);
    asked[0] = '\0';
    will_answer(LDAP_SERVER_DOWN); /* the one that was kept */
    will_answer(LDAP_SUCCESS);
    will_answer(LDAP_SUCCESS);
    assert_int_equal(run_find(&e), ERR_OK);
    ASSERT_ASKED("search dc=org (uid=alice) 3; close; open a; bind cn=registry s3cret; "
                 "search dc=org (uid=alice) 3; ");
    will_answer(LDAP_SERVER_DOWN);
    will_answer(LDAP_SUCCESS);
    will_answer(LDAP_SERVER_DOWN); /* a new one as well */
    assert_int_equal(run_find(&e), ERR_UNAVAILABLE);
    ASSERT_ASKED("search dc=org (uid=alice) 3; close; open a; bind cn=registry s3cret; "
                 "search dc=org (uid=alice) 3; close; ");
}

static void the_other_server_is_asked_when_one_is_away(void **state)
{
    struct err e;

    (void)state;
    will_answer(LDAP_SERVER_DOWN);
    will_answer(LDAP_SUCCESS);
    will_answer(LDAP_SUCCESS);
    assert_int_equal(run_find(&e), ERR_OK);
    ASSERT_ASKED("open a; bind cn=registry s3cret; close; open b; bind cn=registry s3cret; "
                 "search dc=org (uid=alice) 3; ");
}

static void when_all_are_away_nobody_tries_again_at_once(void **state)
{
    struct err e, again;

    (void)state;
    will_answer(LDAP_SERVER_DOWN);
    will_answer(LDAP_SERVER_DOWN);
    assert_int_equal(run_find(&e), ERR_UNAVAILABLE);
    ASSERT_ASKED(
        "open a; bind cn=registry s3cret; close; open b; bind cn=registry s3cret; close; ");
    assert_int_equal(run_find(&again), ERR_UNAVAILABLE);
    ASSERT_ASKED("");
    assert_string_equal(again.detail, e.detail);
}

/* Directories that lock accounts count each try. */
static void one_server_that_refuses_the_service_speaks_for_all(void **state)
{
    struct err e;

    (void)state;
    will_answer(LDAP_INVALID_CREDENTIALS);
    assert_int_equal(run_find(&e), ERR_UNAVAILABLE);
    assert_non_null(strstr(e.detail, "bind as auth.ldap.bind_dn"));
    assert_null(strstr(e.detail, "s3cret"));
    ASSERT_ASKED("open a; bind cn=registry s3cret; close; ");
    assert_int_equal(run_find(&e), ERR_UNAVAILABLE);
    ASSERT_ASKED("");
}

static void no_password_goes_out_before_tls_stands(void **state)
{
    struct err e;

    (void)state;
    conf.start_tls = true;
    will_answer(LDAP_CONNECT_ERROR);
    will_answer(LDAP_SUCCESS);
    will_answer(LDAP_SUCCESS);
    will_answer(LDAP_SUCCESS);
    assert_int_equal(run_find(&e), ERR_OK);
    ASSERT_ASKED("open a; start tls; close; open b; start tls; bind cn=registry s3cret; "
                 "search dc=org (uid=alice) 3; ");
}

static enum err_code find_within(struct directory_conn *c, void *ctx, struct err *e)
{
    (void)c, (void)ctx;
    return run_find(e);
}

static void who_finds_all_connections_in_use_waits_and_then_fails(void **state)
{
    struct err e;

    (void)state;
    conf.timeout_ms = 1;
    will_answer(LDAP_SUCCESS);
    assert_int_equal(directory_run(directory, find_within, NULL, &e), ERR_UNAVAILABLE);
    assert_non_null(strstr(e.detail, "(auth.ldap.connections)"));
    ASSERT_ASKED("open a; bind cn=registry s3cret; ");
}

static void entries_have_the_values_that_are_texts(void **state)
{
    AUTO(directory_entries) struct directory_entries found = {0};
    char long_value[2000];
    struct err e;

    (void)state;
    memset(long_value, 'x', sizeof(long_value));
    entries[0] = (struct entry){"uid=alice", {STR("a@example.org"), STR("b\0c"), STR("d")}};
    entries[1] = (struct entry){"uid=bob", {{long_value, sizeof(long_value)}, STR("")}};
    will_answer(LDAP_SUCCESS);
    will_answer(LDAP_SUCCESS);
    assert_int_equal(directory_run(directory, find, &found, &e), ERR_OK);
    assert_true(found.n == 2 && !found.more);
    assert_string_equal(found.items[0].dn, "uid=alice");
    assert_int_equal(found.items[0].values[0].n, 2);
    assert_string_equal(found.items[0].values[0].items[0], "a@example.org");
    assert_string_equal(found.items[0].values[0].items[1], "d");
    assert_int_equal(found.items[1].values[0].n, 1);
    assert_string_equal(found.items[1].values[0].items[0], "");
}

static void more_entries_than_are_wanted_are_told(void **state)
{
    static const struct {
        size_t n;
        int rc;
        size_t found;
        bool more;
        enum err_code code;
    } rows[] = {
        {0, LDAP_SUCCESS, 0, false, ERR_OK},
        {2, LDAP_SUCCESS, 2, false, ERR_OK},
        {3, LDAP_SUCCESS, 2, true, ERR_OK},
        {1, LDAP_SIZELIMIT_EXCEEDED, 1, true, ERR_OK}, /* the server's own limit */
        {0, LDAP_NO_SUCH_OBJECT, 0, false, ERR_UNAVAILABLE},
        {0, LDAP_INSUFFICIENT_ACCESS, 0, false, ERR_UNAVAILABLE},
        {1, LDAP_TIMELIMIT_EXCEEDED, 0, false, ERR_UNAVAILABLE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(directory_entries) struct directory_entries found = {0};
        struct err e;

        setup(state);
        for (size_t j = 0; j < rows[i].n; j++)
            entries[j].dn = "uid=alice";
        will_answer(LDAP_SUCCESS);
        will_answer(rows[i].rc);
        assert_int_equal(directory_run(directory, find, &found, &e), rows[i].code);
        assert_true(found.n == rows[i].found && found.more == rows[i].more);
        assert_int_equal(teardown(state), 0);
    }
    setup(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_search_is_asked_as_the_service_and_the_connection_kept),
        TEST(after_a_password_the_service_is_bound_again),
        TEST(an_empty_password_is_never_asked),
        TEST(the_code_of_a_bind_says_whose_fault_it_is),
        TEST(a_kept_connection_that_is_dead_is_made_anew_once),
        TEST(the_other_server_is_asked_when_one_is_away),
        TEST(when_all_are_away_nobody_tries_again_at_once),
        TEST(one_server_that_refuses_the_service_speaks_for_all),
        TEST(no_password_goes_out_before_tls_stands),
        TEST(who_finds_all_connections_in_use_waits_and_then_fails),
        TEST(entries_have_the_values_that_are_texts),
        TEST(more_entries_than_are_wanted_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
