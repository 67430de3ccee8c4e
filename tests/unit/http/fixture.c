#include "fixture.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_S 60
#define SEEN_MAX   256
#define KEPT       "of the request"

struct fixture fixture;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static unsigned n_blocked;
static struct seen seen[SEEN_MAX];
static size_t n_seen;
static atomic_uint n_spans;
static atomic_int n_kept; /* what quick() kept and neither serve() nor drop() has freed */

static struct timespec patience(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += PATIENCE_S;
    return t;
}

/* The application. */

static enum http_verdict keep(struct http_exchange *x)
{
    http_keep(x, mem_strdup(KEPT));
    http_header(x, "X-Quick", STR("was here"));
    n_kept++;
    return HTTP_BLOCKS;
}

static enum http_verdict quick(void *ctx, struct http_exchange *x)
{
    struct str path = http_head(x)->path;

    (void)ctx;
    assert_false(http_on_worker(x));
    if (str_eq(path, STR("/quick")))
        http_send(x, 200, STR("quick"));
    else if (str_eq(path, STR("/deny")))
        http_send(x, 401, STR("denied"));
    else
        return keep(x);
    return HTTP_ANSWERED;
}

static void drop(void *ctx, void *kept)
{
    (void)ctx;
    free(kept);
    n_kept--;
}

/* What quick() kept is as it was. */
static void take_kept(struct http_exchange *x)
{
    assert_string_equal(http_kept(x), KEPT);
    drop(NULL, http_kept(x));
    http_keep(x, NULL);
}

static void read_body(struct http_exchange *x, bool echo)
{
    size_t cap = 1 << 20, n = 0, got = 1;
    char *buf = mem_alloc(cap), text[32];
    struct err e;

    while (got > 0 && n < cap) {
        if (reader_read(http_body(x), buf + n, cap - n, &got, &e) != ERR_OK) {
            http_set_note(x, e.detail);
            http_send(x, err_status(e.code), STR("bad body"));
            free(buf);
            return;
        }
        n += got;
    }
    snprintf(text, sizeof(text), "%zu", n);
    http_send(x, 200, echo ? (struct str){buf, n} : str_of(text));
    free(buf);
}

static void block(struct http_exchange *x)
{
    struct timespec until = patience();
    int error = 0;

    pthread_mutex_lock(&lock);
    n_blocked++;
    pthread_cond_broadcast(&changed);
    while (!gate_open && !error)
        error = pthread_cond_timedwait(&changed, &lock, &until);
    pthread_mutex_unlock(&lock);
    http_send(x, 200, STR("unblocked"));
}

static void send_content(struct http_exchange *x, bool show_fd)
{
    struct err e;

    http_header(x, "Content-Type", STR("application/x-test"));
    if (http_send_content(x, support_reader(fixture.file, show_fd, false), fixture.file_bytes,
                          STR("\"tag\""), &e) != ERR_OK)
        http_set_note(x, e.detail);
}

/* Content of which every other stretch lies in a file, at another place than in the content; of
 * /cracked, in one that can't be read. */
#define STRETCH 100000u
#define SHIFT   12345u

struct parts_reader {
    struct reader base;
    int fd;
    off_t at_bytes;
};

static enum err_code parts_read(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                                struct err *e)
{
    struct parts_reader *p = (struct parts_reader *)r;
    ssize_t got = pread(fixture.file, buf, cap, p->at_bytes);

    if (got < 0)
        return err_errno(e, "read");
    p->at_bytes += got;
    *ret_n = (size_t)got;
    return ERR_OK;
}

static enum err_code parts_seek(struct reader *r, uint64_t offset_bytes, struct err *e)
{
    (void)e;
    ((struct parts_reader *)r)->at_bytes = (off_t)offset_bytes;
    return ERR_OK;
}

static bool parts_span(struct reader *r, uint64_t offset_bytes, struct reader_span *ret_span)
{
    uint64_t end_bytes = (offset_bytes / STRETCH + 1) * STRETCH;

    if (offset_bytes < SHIFT || offset_bytes / STRETCH % 2 == 0)
        return false;
    if (end_bytes > fixture.file_bytes)
        end_bytes = fixture.file_bytes;
    *ret_span = (struct reader_span){.fd = ((struct parts_reader *)r)->fd,
                                     .at_bytes = offset_bytes - SHIFT,
                                     .n_bytes = end_bytes - offset_bytes};
    n_spans++;
    return true;
}

static void parts_free(struct reader *r)
{
    close(((struct parts_reader *)r)->fd);
    free(r);
}

static const struct reader_ops parts_ops = {
    .read = parts_read, .seek = parts_seek, .span = parts_span, .free = parts_free};

static int shifted_file(void)
{
    int fd = memfd_create("shifted", MFD_CLOEXEC);
    off_t from = SHIFT;
    ssize_t n;

    do
        n = sendfile(fd, fixture.file, &from, fixture.file_bytes);
    while (n > 0);
    return fd;
}

static void send_parts(struct http_exchange *x, bool cracked)
{
    struct parts_reader *p = NEW(struct parts_reader);
    struct err e;

    p->base.ops = &parts_ops;
    p->fd = cracked ? open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : shifted_file();
    if (http_send_content(x, &p->base, fixture.file_bytes, STR("\"tag\""), &e) != ERR_OK)
        http_set_note(x, e.detail);
}

/* What a reader of /piped waits for: an epoll set with an eventfd. */
struct pipe_fds {
    int set_fd, event_fd;
};

static void pipe_fds_make(struct pipe_fds *f)
{
    struct epoll_event ev = {.events = EPOLLIN};

    f->set_fd = epoll_create1(EPOLL_CLOEXEC);
    f->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_int_equal(epoll_ctl(f->set_fd, EPOLL_CTL_ADD, f->event_fd, &ev), 0);
}

static void pipe_fds_close(struct pipe_fds *f)
{
    if (f->set_fd < 0)
        return;
    close(f->set_fd);
    close(f->event_fd);
    *f = (struct pipe_fds){-1, -1};
}

/* The source of /piped. With the lock. */
#define PIPES_MAX 64
static struct {
    size_t released_bytes;
    enum err_code broken; /* behind them */
    unsigned n_starved;
    struct pipe_reader *pipes[PIPES_MAX];
    struct pipe_fds
        spare; /* of a reader that ended, for the next one, as kept connections have it */
} source = {.spare = {-1, -1}};

struct pipe_reader {
    struct reader reader;
    struct pipe_fds fds;
    size_t at, n; /* place in source.pipes */
};

static enum err_code pipe_give(struct pipe_reader *p, char *buf, size_t cap, size_t *ret_n,
                               struct err *e)
{
    size_t left = p->at < source.released_bytes ? source.released_bytes - p->at : 0;

    if (left == 0 && p->at < fixture.file_bytes) {
        source.n_starved += source.broken == ERR_OK;
        pthread_cond_broadcast(&changed);
        return err_set(e, source.broken ? source.broken : ERR_LATER, "the pipe says so");
    }
    *ret_n = left < cap ? left : cap;
    for (size_t i = 0; i < *ret_n; i++)
        buf[i] = fixture_file_byte(p->at + i);
    p->at += *ret_n;
    return ERR_OK;
}

static enum err_code pipe_read(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                               struct err *e)
{
    struct pipe_reader *p = (struct pipe_reader *)r;
    enum err_code code;
    uint64_t n;

    pthread_mutex_lock(&lock);
    (void)!read(p->fds.event_fd, &n, sizeof(n));
    code = pipe_give(p, buf, cap, ret_n, e);
    pthread_mutex_unlock(&lock);
    return code;
}

static enum err_code pipe_seek(struct reader *r, uint64_t offset_bytes, struct err *e)
{
    (void)e;
    ((struct pipe_reader *)r)->at = offset_bytes;
    return ERR_OK;
}

static int pipe_wait_fd(struct reader *r)
{
    struct pipe_reader *p = (struct pipe_reader *)r;

    return p->at == fixture.file_bytes ? -1 : p->fds.set_fd; /* at the end it is given back */
}

static void pipe_free(struct reader *r)
{
    struct pipe_reader *p = (struct pipe_reader *)r;

    pthread_mutex_lock(&lock);
    source.pipes[p->n] = NULL;
    pipe_fds_close(&source.spare);
    source.spare = p->fds;
    pthread_mutex_unlock(&lock);
    free(p);
}

static const struct reader_ops pipe_ops = {
    .read = pipe_read,
    .seek = pipe_seek,
    .wait_fd = pipe_wait_fd,
    .free = pipe_free,
};

static struct reader *pipe_new(void)
{
    struct pipe_reader *p = NEW(struct pipe_reader);

    p->reader.ops = &pipe_ops;
    pthread_mutex_lock(&lock);
    p->fds = source.spare;
    source.spare.set_fd = -1;
    if (p->fds.set_fd < 0)
        pipe_fds_make(&p->fds);
    while (source.pipes[p->n])
        p->n++;
    assert_true(p->n < PIPES_MAX);
    source.pipes[p->n] = p;
    pthread_mutex_unlock(&lock);
    return &p->reader;
}

/* With the lock. */
static void wake_pipes(void)
{
    uint64_t one = 1;

    for (size_t i = 0; i < PIPES_MAX; i++) {
        if (source.pipes[i])
            assert_int_equal(write(source.pipes[i]->fds.event_fd, &one, sizeof(one)), sizeof(one));
    }
}

static void send_piped(struct http_exchange *x)
{
    struct reader *r = http_content_waits(x) ? NULL : pipe_new();
    enum err_code code;
    struct err e;

    http_header(x, "Content-Type", STR("application/x-test"));
    code = http_send_content(x, r, fixture.file_bytes, STR("\"tag\""), &e);
    if (code == ERR_LATER) {
        http_keep(x, mem_strdup(KEPT));
        n_kept++;
        http_wait_for_body(x);
    } else if (code != ERR_OK && !http_answered(x)) {
        http_send(x, err_status(code), STR("broken"));
    }
}

static void pause_until_open(struct http_exchange *x)
{
    struct err e;
    enum err_code code = ERR_OK;

    pthread_mutex_lock(&lock);
    if (!gate_open)
        code = http_pause(x, &e);
    if (code == ERR_LATER) {
        http_keep(x, mem_strdup(KEPT));
        n_kept++;
        n_blocked++;
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
    if (code == ERR_LATER)
        return;
    if (code != ERR_OK)
        http_set_note(x, e.detail);
    http_send(x, code == ERR_OK ? 200 : err_status(code), STR("after a pause"));
}

static void serve(void *ctx, struct http_exchange *x)
{
    struct str path = http_head(x)->path;

    (void)ctx;
    take_kept(x);
    http_set_route(x, "served");
    if (str_eq(path, STR("/echo"))) {
        read_body(x, true);
    } else if (str_eq(path, STR("/count"))) {
        read_body(x, false);
    } else if (str_eq(path, STR("/early"))) {
        http_send(x, 413, STR("too large"));
    } else if (str_eq(path, STR("/block"))) {
        block(x);
    } else if (str_eq(path, STR("/big"))) {
        send_content(x, true);
    } else if (str_eq(path, STR("/copy"))) {
        send_content(x, false);
    } else if (str_eq(path, STR("/parts")) || str_eq(path, STR("/cracked"))) {
        send_parts(x, str_eq(path, STR("/cracked")));
    } else if (str_eq(path, STR("/piped"))) {
        send_piped(x);
    } else if (str_eq(path, STR("/pause"))) {
        pause_until_open(x);
    } else if (str_eq(path, STR("/large"))) {
        char *p = mem_zero(1 << 20);

        http_send(x, 200, (struct str){p, 1 << 20});
        free(p);
    } else if (!str_eq(path, STR("/mute"))) {
        http_send(x, 404, STR("nothing here"));
    }
}

static void done(void *ctx, const struct http_record *r)
{
    struct seen *s;

    (void)ctx;
    pthread_mutex_lock(&lock);
    if (n_seen < SEEN_MAX) {
        s = &seen[n_seen++];
        *s = (struct seen){.had_head = r->head != NULL,
                           .status = r->status,
                           .error = r->error,
                           .received_bytes = r->received_bytes,
                           .sent_bytes = r->sent_bytes};
        if (r->head)
            snprintf(s->path, sizeof(s->path), STR_FMT, STR_ARG(r->head->path));
        snprintf(s->note, sizeof(s->note), "%s", r->note);
        snprintf(s->client, sizeof(s->client), "%s", r->client);
        snprintf(s->request_id, sizeof(s->request_id), "%s", r->request_id);
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
}

static void refusal(void *ctx, int status, const char *why, struct buf *ret_body)
{
    (void)ctx, (void)why;
    buf_addf(ret_body, "{\"status\":%d}", status);
}

/* What could be read of a head. */
static void refusal_headers(void *ctx, struct http_exchange *x)
{
    (void)ctx;
    http_headerf(x, "Read", "%zu", http_head(x)->n_fields);
}

/* The server. */

void fixture_defaults(void)
{
    signal(SIGPIPE, SIG_IGN);
    fixture = (struct fixture){.where = "127.0.0.1:0", .file = -1};
    support_conf(&fixture.conf, &fixture.where);
    fixture.conf.io_threads = 2;
    gate_open = false;
    n_blocked = 0;
    n_seen = 0;
    source.released_bytes = 0;
    source.broken = ERR_OK;
    source.n_starved = 0;
}

char fixture_file_byte(size_t at)
{
    return (char)('a' + at % 23);
}

void fixture_file(size_t bytes)
{
    char block_bytes[23 * 1000];

    if (fixture.file >= 0)
        close(fixture.file);
    fixture.file = memfd_create("test", MFD_CLOEXEC);
    assert_true(fixture.file >= 0);
    for (size_t i = 0; i < sizeof(block_bytes); i++)
        block_bytes[i] = fixture_file_byte(i);
    for (size_t at = 0; at < bytes;) {
        size_t n = bytes - at < sizeof(block_bytes) ? bytes - at : sizeof(block_bytes);

        assert_int_equal(write(fixture.file, block_bytes, n), n);
        at += n;
    }
    fixture.file_bytes = bytes;
}

unsigned fixture_spans(void)
{
    return n_spans;
}

void fixture_start(void)
{
    n_spans = 0;
    static const struct http_app app = {.quick = quick,
                                        .serve = serve,
                                        .done = done,
                                        .drop = drop,
                                        .refusal = refusal,
                                        .refusal_headers = refusal_headers};
    struct err e = {0};

    if (http_server_new(&fixture.conf, &app, &fixture.server, &e) != ERR_OK)
        fail_msg("%s", e.detail);
    assert_int_equal(http_server_run(fixture.server, &e), ERR_OK);
    fixture.port = http_server_port(fixture.server, 0);
}

void fixture_stop(void)
{
    fixture_open_gate();
    http_server_free(fixture.server);
    fixture.server = NULL;
    assert_int_equal(n_kept, 0);
    pipe_fds_close(&source.spare);
    if (fixture.file >= 0)
        close(fixture.file);
    fixture.file = -1;
}

void fixture_wait_blocked(unsigned n)
{
    struct timespec until = patience();
    int error = 0;

    pthread_mutex_lock(&lock);
    while (n_blocked < n && !error)
        error = pthread_cond_timedwait(&changed, &lock, &until);
    pthread_mutex_unlock(&lock);
    assert_int_equal(error, 0);
}

void fixture_release(size_t bytes)
{
    pthread_mutex_lock(&lock);
    source.released_bytes = bytes;
    wake_pipes();
    pthread_mutex_unlock(&lock);
}

void fixture_break(enum err_code code)
{
    pthread_mutex_lock(&lock);
    source.broken = code;
    wake_pipes();
    pthread_mutex_unlock(&lock);
}

void fixture_wait_starved(unsigned n)
{
    struct timespec until = patience();
    int error = 0;

    pthread_mutex_lock(&lock);
    while (source.n_starved < n && !error)
        error = pthread_cond_timedwait(&changed, &lock, &until);
    pthread_mutex_unlock(&lock);
    assert_int_equal(error, 0);
}

void fixture_open_gate(void)
{
    pthread_mutex_lock(&lock);
    gate_open = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

struct seen fixture_seen(size_t n)
{
    struct timespec until = patience();
    struct seen s = {0};
    int error = 0;

    pthread_mutex_lock(&lock);
    while (n_seen <= n && !error)
        error = pthread_cond_timedwait(&changed, &lock, &until);
    if (!error)
        s = seen[n];
    pthread_mutex_unlock(&lock);
    assert_int_equal(error, 0);
    return s;
}

/* The client. */

void client_connect(struct client *c)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)fixture.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval tv = {.tv_sec = PATIENCE_S};

    c->n = 0;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
    assert_int_equal(connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
}

void client_open(struct client *c)
{
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(c->fd >= 0);
    client_connect(c);
}

void client_close(struct client *c)
{
    close(c->fd);
}

void client_send_n(struct client *c, const void *p, size_t n)
{
    const char *at = p;

    while (n > 0) {
        ssize_t put = send(c->fd, at, n, MSG_NOSIGNAL);

        assert_true(put > 0);
        at += put;
        n -= (size_t)put;
    }
}

void client_send(struct client *c, const char *text)
{
    client_send_n(c, text, strlen(text));
}

static ssize_t more(struct client *c)
{
    ssize_t got;

    do { /* who was stopped and goes on is told so, where there is a time-out */
        got = recv(c->fd, c->buf + c->n, sizeof(c->buf) - c->n, 0);
    } while (got < 0 && errno == EINTR);
    if (got > 0)
        c->n += (size_t)got;
    return got;
}

static void consume(struct client *c, size_t n)
{
    memmove(c->buf, c->buf + n, c->n - n);
    c->n -= n;
}

static void answer_body(struct client *c, struct answer *a)
{
    size_t at = 0;

    a->body = mem_resize(a->body, a->body_n + 1);
    a->body[a->body_n] = '\0';
    while (at < a->body_n) {
        size_t n = c->n < a->body_n - at ? c->n : a->body_n - at;

        memcpy(a->body + at, c->buf, n);
        consume(c, n);
        at += n;
        if (at < a->body_n && more(c) <= 0)
            fail_msg("the body ended after %zu of %zu bytes: %s", at, a->body_n, strerror(errno));
    }
}

void client_answer(struct client *c, bool to_head, struct answer *a)
{
    char *end, *length;
    size_t n;

    while (!(end = memmem(c->buf, c->n, "\r\n\r\n", 4))) {
        ssize_t got = more(c);

        if (got <= 0)
            fail_msg("no answer: %s", got == 0 ? "closed" : strerror(errno));
    }
    n = (size_t)(end - c->buf) + 4;
    assert_true(n < sizeof(a->head));
    memcpy(a->head, c->buf, n);
    a->head[n] = '\0';
    consume(c, n);
    assert_int_equal(sscanf(a->head, "HTTP/1.1 %d ", &a->status), 1);
    length = strstr(a->head, "\r\nContent-Length: ");
    a->body_n = 0;
    if (length && !to_head && a->status != 304)
        a->body_n = strtoul(length + 18, NULL, 10);
    answer_body(c, a);
}

bool answer_has(const struct answer *a, const char *line_part)
{
    return strstr(a->head, line_part) != NULL;
}

void client_expect(struct client *c, int status, const char *body)
{
    struct answer a = {0};

    client_answer(c, false, &a);
    if (a.status != status)
        fail_msg("status %d instead of %d", a.status, status);
    if (body)
        assert_string_equal(a.body, body);
    free(a.body);
}

void client_expect_close(struct client *c)
{
    ssize_t got;

    assert_int_equal(c->n, 0);
    got = more(c);
    if (got != 0)
        fail_msg("not closed: %s", got > 0 ? "more bytes" : strerror(errno));
}
