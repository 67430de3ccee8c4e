/*
 * Requests and answers without a socket: the functions of libcurl that would speak to a server are
 * taken out of what library_load() finds, and ones of the test's own put in.
 */
#define CURL_DISABLE_TYPECHECK /* its macros would name functions that are pointers here */
#include "net/fetch.h"

#include "net/library.h"

#include <curl/curl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000

/* What the last request asked for. */
static struct {
    unsigned performed; /* all requests */
    char url[256], protocols[32], ca_file[64], headers[256], method[8], proxy[8];
    long timeout_ms, connect_timeout_ms;
    bool follows;
    struct str post;
    curl_write_callback write;
    void *to;
} asked;

/* What it is answered. */
static struct {
    long status;
    const char *pieces[4]; /* of the body, ending with NULL */
    CURLcode failure;      /* behind them */
} answer;

static CURL *init(void)
{
    unsigned performed = asked.performed;

    memset(&asked, 0, sizeof(asked));
    asked.performed = performed;
    strcpy(asked.proxy, "unset");
    return (CURL *)&asked;
}

static void cleanup(CURL *c)
{
    assert_ptr_equal(c, &asked);
}

static void take_headers(const struct curl_slist *list)
{
    for (; list; list = list->next)
        snprintf(asked.headers + strlen(asked.headers),
                 sizeof(asked.headers) - strlen(asked.headers), "%s\n", list->data);
}

static void take_text(char *dst, size_t cap, const char *text)
{
    snprintf(dst, cap, "%s", text);
}

static CURLcode set_option(CURL *c, CURLoption option, ...)
{
    va_list ap;

    assert_ptr_equal(c, &asked);
    va_start(ap, option);
    switch (option) {
    case CURLOPT_URL:
        take_text(asked.url, sizeof(asked.url), va_arg(ap, char *));
        break;
    case CURLOPT_PROTOCOLS_STR:
        take_text(asked.protocols, sizeof(asked.protocols), va_arg(ap, char *));
        break;
    case CURLOPT_CAINFO:
        take_text(asked.ca_file, sizeof(asked.ca_file), va_arg(ap, char *));
        break;
    case CURLOPT_CUSTOMREQUEST:
        take_text(asked.method, sizeof(asked.method), va_arg(ap, char *));
        break;
    case CURLOPT_PROXY:
        take_text(asked.proxy, sizeof(asked.proxy), va_arg(ap, char *));
        break;
    case CURLOPT_FOLLOWLOCATION:
        asked.follows = va_arg(ap, long) != 0;
        break;
    case CURLOPT_CONNECTTIMEOUT_MS:
        asked.connect_timeout_ms = va_arg(ap, long);
        break;
    case CURLOPT_TIMEOUT_MS:
        asked.timeout_ms = va_arg(ap, long);
        break;
    case CURLOPT_HTTPHEADER:
        take_headers(va_arg(ap, struct curl_slist *));
        break;
    case CURLOPT_POSTFIELDS:
        asked.post.p = va_arg(ap, char *);
        break;
    case CURLOPT_POSTFIELDSIZE_LARGE:
        asked.post.n = (size_t)va_arg(ap, curl_off_t);
        break;
    case CURLOPT_WRITEFUNCTION:
        asked.write = va_arg(ap, curl_write_callback);
        break;
    case CURLOPT_WRITEDATA:
        asked.to = va_arg(ap, void *);
        break;
    case CURLOPT_SSL_VERIFYPEER:
    case CURLOPT_SSL_VERIFYHOST:
        fail_msg("certificates are looked at as libcurl does by default");
        break;
    default:
        break;
    }
    va_end(ap);
    return CURLE_OK;
}

static CURLcode perform(CURL *c)
{
    assert_ptr_equal(c, &asked);
    asked.performed++;
    for (const char *const *piece = answer.pieces; *piece; piece++) {
        char bytes[64];
        size_t n = strlen(*piece);

        memcpy(bytes, *piece, n); /* libcurl's are not constant, and end with no NUL */
        if (asked.write(bytes, 1, n, asked.to) != n)
            return CURLE_WRITE_ERROR;
    }
    return answer.failure;
}

static CURLcode get_info(CURL *c, CURLINFO info, ...)
{
    va_list ap;

    assert_ptr_equal(c, &asked);
    assert_int_equal(info, CURLINFO_RESPONSE_CODE);
    va_start(ap, info);
    *va_arg(ap, long *) = answer.status;
    va_end(ap);
    return CURLE_OK;
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
        {"curl_easy_init", init},       {"curl_easy_setopt", set_option},
        {"curl_easy_perform", perform}, {"curl_easy_getinfo", get_info},
        {"curl_easy_cleanup", cleanup},
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

static enum err_code run(const struct fetch *f, struct buf *body, int *ret_status, struct err *e)
{
    *ret_status = -1;
    *e = (struct err){0};
    return fetch_run(f, ret_status, body, e);
}

static int answer_ok(void **state)
{
    (void)state;
    memset(&answer, 0, sizeof(answer));
    answer.status = 200;
    return 0;
}

static void only_https_is_asked_or_this_machine(void **state)
{
    static const struct {
        const char *url;
        bool asked;
    } rows[] = {
        {"https://example.org", true},
        {"https://example.org:8443/keys?x=y", true},
        {"HTTPS://EXAMPLE.ORG/", true},
        {"http://127.0.0.1:8080/x", true},
        {"http://localhost/x", true},
        {"http://[::1]:8080/x", true},
        {"http://example.org/", false},
        {"http://127.0.0.1.example.org/", false},
        {"http://localhost.example.org/", false},
        {"http://127.0.0.1@example.org/", false},
        {"https://user@example.org/", false},
        {"https://user:password@example.org/", false},
        {"http://[::2]/", false},
        {"http://[::ffff:127.0.0.1]/", false},
        {"http://0.0.0.0/", false},
        {"ftp://127.0.0.1/", false},
        {"ldap://127.0.0.1/", false},
        {"file:///etc/passwd", false},
        {"example.org", false},
        {"//127.0.0.1/", false},
        {"https://", false},
        {"https://exa mple.org/", false},
        {"", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(buf) struct buf body = {0};
        unsigned before = asked.performed;
        int status;
        struct err e;

        buf_init(&body, 64);
        if (run(&(struct fetch){.url = rows[i].url}, &body, &status, &e) !=
            (rows[i].asked ? ERR_OK : ERR_CONFIG))
            fail_msg("'%s': %s", rows[i].url, e.detail);
        assert_int_equal(asked.performed - before, rows[i].asked);
        if (rows[i].asked)
            assert_string_equal(asked.url, rows[i].url);
    }
}

static void a_request_has_limits_and_follows_nobody(void **state)
{
    static const char *const headers[] = {"Accept: application/json", "X-One: 1", NULL};
    static const struct {
        struct fetch f;
        long timeout_ms;
        const char *headers, *ca_file, *post;
    } rows[] = {
        {{.url = "https://example.org/a"}, 10 * SECOND, "", "", NULL},
        {{.url = "https://example.org/b", .timeout_ms = 1500, .ca_file = ""}, 1500, "", "", NULL},
        {{.url = "https://example.org/c", .headers = headers, .ca_file = "/etc/ca.pem"},
         10 * SECOND,
         "Accept: application/json\nX-One: 1\n",
         "/etc/ca.pem",
         NULL},
        {{.url = "https://example.org/d", .post = {"a=b", 3}}, 10 * SECOND, "", "", "a=b"},
        {{.url = "https://example.org/e", .post = {"", 0}}, 10 * SECOND, "", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(buf) struct buf body = {0};
        int status;
        struct err e;

        buf_init(&body, 64);
        assert_int_equal(run(&rows[i].f, &body, &status, &e), ERR_OK);
        assert_string_equal(asked.protocols, "http,https");
        assert_false(asked.follows);
        assert_int_equal(asked.timeout_ms, rows[i].timeout_ms);
        assert_in_range(asked.connect_timeout_ms, 1, 10 * SECOND);
        assert_string_equal(asked.headers, rows[i].headers);
        assert_string_equal(asked.ca_file, rows[i].ca_file);
        assert_int_equal(asked.post.p != NULL, rows[i].post != NULL);
        if (rows[i].post)
            assert_true(str_eq(asked.post, str_of(rows[i].post)));
    }
}

static void plain_http_to_a_link_local_address_is_the_caller_s_choice(void **state)
{
    AUTO(buf) struct buf body = {0};
    struct fetch f = {.url = "http://169.254.169.254/latest/api/token", .put = true};
    int status;
    struct err e;

    (void)state;
    buf_init(&body, 64);
    assert_int_equal(run(&f, &body, &status, &e), ERR_CONFIG);
    f.link_local = true;
    assert_int_equal(run(&f, &body, &status, &e), ERR_OK);
    assert_string_equal(asked.method, "PUT");
    assert_string_equal(asked.proxy, "");
    assert_null(asked.post.p);
    f = (struct fetch){.url = "https://example.org/"};
    assert_int_equal(run(&f, &body, &status, &e), ERR_OK);
    assert_string_equal(asked.method, "");
    assert_string_equal(asked.proxy, "unset");
}

static void answers_are_taken_up_to_their_limit(void **state)
{
    static const struct {
        long status;
        const char *pieces[4];
        enum err_code code;
        const char *body;
    } rows[] = {
        {200, {NULL}, ERR_OK, ""},
        {200, {"{}", NULL}, ERR_OK, "{}"},
        {200, {"01234567", "89abcdef", NULL}, ERR_OK, "0123456789abcdef"},
        {200, {"01234567", "89abcdef", "g", NULL}, ERR_UNAVAILABLE, NULL},
        {200, {"0123456789abcdefg", NULL}, ERR_UNAVAILABLE, NULL},
        {302, {"elsewhere", NULL}, ERR_OK, "elsewhere"}, /* the caller's to judge */
        {401, {"no", NULL}, ERR_OK, "no"},
        {404, {NULL}, ERR_OK, ""},
        {500, {"oh", NULL}, ERR_OK, "oh"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(buf) struct buf body = {0};
        int status;
        struct err e;

        buf_init(&body, 16);
        answer.status = rows[i].status;
        memcpy(answer.pieces, rows[i].pieces, sizeof(answer.pieces));
        assert_int_equal(run(&(struct fetch){.url = "https://example.org/x"}, &body, &status, &e),
                         rows[i].code);
        if (rows[i].code == ERR_OK) {
            assert_int_equal(status, rows[i].status);
            assert_string_equal(buf_text(&body), rows[i].body);
        } else {
            assert_int_equal(status, -1);
            assert_string_equal(e.detail, "'https://example.org/x': the answer is too large");
        }
    }
}

static void a_failure_says_what_failed_and_no_secret(void **state)
{
    static const CURLcode failures[] = {
        CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT,          CURLE_OPERATION_TIMEDOUT,
        CURLE_PARTIAL_FILE,         CURLE_PEER_FAILED_VERIFICATION, CURLE_GOT_NOTHING,
    };
    const struct fetch f = {.url = "https://example.org/token?code=secret"};

    (void)state;
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        AUTO(buf) struct buf body = {0};
        int status;
        struct err e;

        buf_init(&body, 16);
        answer.failure = failures[i];
        assert_int_equal(run(&f, &body, &status, &e), ERR_UNAVAILABLE);
        assert_int_equal(status, -1);
        assert_ptr_equal(strstr(e.detail, "'https://example.org/token': "), e.detail);
        assert_true(strlen(e.detail) > strlen("'https://example.org/token': "));
        assert_null(strstr(e.detail, "secret"));
        assert_false(e.public_detail);
    }
}

static void a_url_that_is_refused_is_told_without_its_query(void **state)
{
    const struct fetch f = {.url = "http://example.org/token?code=secret"};
    AUTO(buf) struct buf body = {0};
    int status;
    struct err e;

    (void)state;
    buf_init(&body, 16);
    assert_int_equal(run(&f, &body, &status, &e), ERR_CONFIG);
    assert_string_equal(e.detail,
                        "'http://example.org/token' is not https, nor http to this machine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(only_https_is_asked_or_this_machine, answer_ok),
        cmocka_unit_test_setup(a_request_has_limits_and_follows_nobody, answer_ok),
        cmocka_unit_test_setup(plain_http_to_a_link_local_address_is_the_caller_s_choice,
                               answer_ok),
        cmocka_unit_test_setup(answers_are_taken_up_to_their_limit, answer_ok),
        cmocka_unit_test_setup(a_failure_says_what_failed_and_no_secret, answer_ok),
        cmocka_unit_test_setup(a_url_that_is_refused_is_told_without_its_query, answer_ok),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
