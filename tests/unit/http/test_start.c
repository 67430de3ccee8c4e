/* A start in which one call fails: told, and nothing is left that runs or leaks. */
#include "http/http.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cmocka.h>

static pthread_t starter;  /* whose calls count: not those of the threads that it starts */
static int calls, fail_at; /* of those below; 0: none fails */

static bool fails(void)
{
    return pthread_equal(pthread_self(), starter) && ++calls == fail_at;
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *),
                          void *arg)
{
    return fails() ? EAGAIN : __real_pthread_create(thread, attr, main, arg);
}

#define WRAP(name, params, args)                                                                   \
    int __real_##name params;                                                                      \
    int __wrap_##name params;                                                                      \
    int __wrap_##name params                                                                       \
    {                                                                                              \
        errno = EMFILE;                                                                            \
        return fails() ? -1 : __real_##name args;                                                  \
    }

WRAP(epoll_create1, (int flags), (flags))
WRAP(eventfd, (unsigned n, int flags), (n, flags))
WRAP(epoll_ctl, (int set, int op, int fd, struct epoll_event *ev), (set, op, fd, ev))
WRAP(socket, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(listen, (int fd, int n), (fd, n))

static void serve(void *ctx, struct http_exchange *x)
{
    (void)ctx;
    http_send(x, 200, STR("here"));
}

/* Whether it started. */
static bool start(void)
{
    struct http_app app = {.serve = serve};
    struct http_server *s = NULL;
    struct conf *c = NULL;
    struct err e = {0};
    enum err_code code;

    assert_int_equal(conf_load(NULL, NULL, &c, &e), ERR_OK);
    c->http.io_threads = 3;
    free(c->http.listen.items[0]);
    c->http.listen.items[0] = strdup("127.0.0.1:0");
    code = http_server_new(&c->http, &app, &s, &e);
    if (code == ERR_OK)
        code = http_server_run(s, &e);
    if (code != ERR_OK)
        assert_true(e.detail[0]);
    http_server_free(s);
    conf_free(c);
    return code == ERR_OK;
}

static void each_call_of_the_start_may_fail(void **state)
{
    int failed = 0;

    (void)state;
    starter = pthread_self();
    for (fail_at = 1;; fail_at++) {
        calls = 0;
        failed += !start();
        if (calls < fail_at)
            break;
    }
    assert_in_range(failed, 12, fail_at); /* three threads of each kind, and their sets */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_call_of_the_start_may_fail)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
