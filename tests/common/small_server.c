#include "small_server.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define CONNECTIONS 64
#define WAIT_S      10

struct connection {
    struct small_server *server;
    pthread_t thread;
    int fd;
    unsigned number;
};

struct small_server {
    const struct small_server_answer *answers;
    size_t n_answers;
    char url[SMALL_SERVER_URL];
    int fd;
    pthread_t thread;
    sem_t go;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    struct connection connections[CONNECTIONS];
    unsigned n_connections, n_closed;
    struct small_server_request *requests[SMALL_SERVER_REQUESTS];
    size_t n_requests;
    bool stop;
};

/* ---- a connection */

static size_t length_of_body(const char *head)
{
    const char *at = strcasestr(head, "\r\ncontent-length:");

    return at ? strtoul(at + strlen("\r\ncontent-length:"), NULL, 10) : 0;
}

/* False: the client has closed it. */
static bool read_head(int fd, struct small_server_request *q)
{
    size_t n = 0;

    while (n + 1 < sizeof(q->head)) {
        if (recv(fd, q->head + n, 1, 0) != 1)
            return false;
        q->head[++n] = '\0';
        if (n >= 4 && strcmp(q->head + n - 4, "\r\n\r\n") == 0)
            return true;
    }
    return false;
}

static bool read_body(int fd, struct small_server_request *q)
{
    size_t want = length_of_body(q->head);
    char rest[4096];

    while (q->body_n < want) {
        bool fits = q->body_n < sizeof(q->body) - 1;
        char *to = fits ? q->body + q->body_n : rest;
        size_t cap = fits ? sizeof(q->body) - 1 - q->body_n : sizeof(rest);
        ssize_t n = recv(fd, to, cap < want - q->body_n ? cap : want - q->body_n, 0);

        if (n <= 0)
            return false;
        q->body_n += (size_t)n;
    }
    return true;
}

/* Its answer; NULL when there is none left. */
static const struct small_server_answer *note(struct connection *c, struct small_server_request *q)
{
    struct small_server *s = c->server;
    const struct small_server_answer *answer = NULL;

    q->connection = c->number;
    pthread_mutex_lock(&s->lock);
    if (s->n_requests < s->n_answers)
        answer = &s->answers[s->n_requests];
    if (s->n_requests < SMALL_SERVER_REQUESTS)
        s->requests[s->n_requests++] = q;
    else
        free(q);
    pthread_mutex_unlock(&s->lock);
    return answer;
}

static bool send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* True: another request may come. */
static bool send_answer(struct connection *c, const struct small_server_answer *a)
{
    char byte;

    if (a->text && !send_all(c->fd, a->text, a->n ? a->n : strlen(a->text)))
        return false;
    if (a->rest) {
        sem_wait(&c->server->go);
        if (!send_all(c->fd, a->rest, strlen(a->rest)))
            return false;
    }
    if (a->then == THEN_HANG)
        (void)!recv(c->fd, &byte, 1, 0);
    return a->then == THEN_KEEP;
}

static void *serve(void *ctx)
{
    struct connection *c = ctx;
    struct small_server *s = c->server;
    bool more = true;

    while (more) {
        struct small_server_request *q = NEW(struct small_server_request);
        const struct small_server_answer *a;

        if (!read_head(c->fd, q) || !read_body(c->fd, q)) {
            free(q);
            break;
        }
        a = note(c, q);
        more = a && send_answer(c, a);
    }
    shutdown(c->fd, SHUT_RDWR);
    pthread_mutex_lock(&s->lock);
    s->n_closed++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- the server */

static void *accept_all(void *ctx)
{
    struct small_server *s = ctx;
    int fd;

    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        struct connection *c;

        pthread_mutex_lock(&s->lock);
        if (s->stop || s->n_connections == CONNECTIONS) {
            close(fd);
        } else {
            c = &s->connections[s->n_connections++];
            *c = (struct connection){.server = s, .fd = fd, .number = s->n_connections};
            if (pthread_create(&c->thread, NULL, serve, c) != 0)
                abort();
        }
        pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

struct small_server *small_server_start(const struct small_server_answer *answers, size_t n)
{
    struct small_server *s = NEW(struct small_server);
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t where_n = sizeof(where);

    s->answers = answers;
    s->n_answers = n;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sem_init(&s->go, 0, 0);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    assert_return_code(bind(s->fd, (struct sockaddr *)&where, sizeof(where)), 0);
    assert_return_code(listen(s->fd, 16), 0);
    assert_return_code(getsockname(s->fd, (struct sockaddr *)&where, &where_n), 0);
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u", ntohs(where.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, accept_all, s), 0);
    return s;
}

void small_server_stop(struct small_server *s)
{
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    for (unsigned i = 0; i < s->n_connections; i++) {
        shutdown(s->connections[i].fd, SHUT_RDWR);
        sem_post(&s->go);
    }
    pthread_mutex_unlock(&s->lock);
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    for (unsigned i = 0; i < s->n_connections; i++) {
        pthread_join(s->connections[i].thread, NULL);
        close(s->connections[i].fd);
    }
    for (size_t i = 0; i < s->n_requests; i++)
        free(s->requests[i]);
    close(s->fd);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    sem_destroy(&s->go);
    free(s);
}

const char *small_server_url(const struct small_server *s)
{
    return s->url;
}

void small_server_go(struct small_server *s)
{
    sem_post(&s->go);
}

size_t small_server_count(struct small_server *s)
{
    size_t n;

    pthread_mutex_lock(&s->lock);
    n = s->n_requests;
    pthread_mutex_unlock(&s->lock);
    return n;
}

const struct small_server_request *small_server_request(struct small_server *s, size_t i)
{
    const struct small_server_request *q;

    pthread_mutex_lock(&s->lock);
    q = i < s->n_requests ? s->requests[i] : NULL;
    pthread_mutex_unlock(&s->lock);
    return q;
}

bool small_server_closed(struct small_server *s, unsigned n)
{
    struct timespec until;
    int timed_out = 0;
    bool closed;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&s->lock);
    while (s->n_closed < n && timed_out == 0)
        timed_out = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    closed = s->n_closed >= n;
    pthread_mutex_unlock(&s->lock);
    return closed;
}
