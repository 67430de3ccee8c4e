#include "net/client.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/libcurl.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define CONNECT_MS   5000
#define STALL_MS     30000
#define IDLE_MOST    16
#define IDLE_MS      60000  /* then an unused connection is closed */
#define PIECE_BYTES  65536  /* that libcurl reads at once; it hands over CURL_MAX_WRITE_SIZE */
#define REST_BYTES   196608 /* kept at most; to pause and go on takes six system calls */
#define EVENTS       8
#define COLLECT_STEP 16384
#define SERVER_SIZE  256

/*
 * One connection, or what becomes one: libcurl keeps it within its multi handle. Its sockets and
 * its timer are in one epoll set, so that there is one descriptor to wait for.
 */
struct line {
    struct line *next; /* of those that are idle */
    CURLM *multi;
    CURL *easy;
    int epoll_fd, timer_fd;
    int64_t idle_since_ms;
    char why[CURL_ERROR_SIZE]; /* what libcurl says of a failure; "": nothing */
};

struct client {
    const struct libcurl *lib;
    char *ca_file, *user_agent;
    uint64_t connect_ms, stall_ms;
    unsigned idle_most;
    int hurry_fd;           /* readable from client_hurry() on */
    _Atomic int64_t end_ms; /* monotonic; INT64_MAX: there is no hurry */
    pthread_mutex_t lock;   /* of what follows */
    struct line *idle;      /* the last used first */
    unsigned idle_n;
};

struct client_stream {
    struct client *client;
    struct line *line;
    struct curl_slist *headers;
    const struct client_file *file;
    uint64_t sent; /* of it */
    client_header_fn header;
    void *ctx;
    char server[SERVER_SIZE]; /* "https://host:port", for errors */

    /* Where the bytes of a read go, and what had no room there. */
    char *to;
    size_t cap, n;
    char *rest; /* REST_BYTES; NULL: never needed */
    size_t rest_at, rest_n;

    bool begun, paused, ended;
    int64_t moved_ms; /* monotonic: when something came or left */
    CURLcode result;  /* when it has ended */
    int status;
};

/* ---- lines */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct line *line = ctx;
    struct epoll_event event = {.data.fd = fd};

    (void)easy;
    (void)known;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(line->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (epoll_ctl(line->epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0 &&
        epoll_ctl(line->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return -1;
    return 0;
}

/* 0 is "at once", which a timer takes for "never". */
static int on_timer(CURLM *multi, long ms, void *ctx)
{
    struct line *line = ctx;
    struct itimerspec at = {0};

    (void)multi;
    if (ms >= 0) {
        at.it_value.tv_sec = ms / 1000;
        at.it_value.tv_nsec = ms % 1000 * 1000000 + (ms == 0);
    }
    timerfd_settime(line->timer_fd, 0, &at, NULL);
    return 0;
}

static void line_free(const struct libcurl *lib, struct line *line)
{
    if (line->easy)
        lib->curl_easy_cleanup(line->easy);
    if (line->multi)
        lib->curl_multi_cleanup(line->multi);
    if (line->timer_fd >= 0)
        close(line->timer_fd);
    if (line->epoll_fd >= 0)
        close(line->epoll_fd);
    free(line);
}

static enum err_code line_new(const struct libcurl *lib, struct line **ret_line, struct err *e)
{
    struct line *line = NEW(struct line);
    struct epoll_event event = {.events = EPOLLIN};

    line->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    line->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    line->multi = lib->curl_multi_init();
    line->easy = lib->curl_easy_init();
    event.data.fd = line->timer_fd;
    if (line->epoll_fd < 0 || line->timer_fd < 0 || !line->multi || !line->easy ||
        epoll_ctl(line->epoll_fd, EPOLL_CTL_ADD, line->timer_fd, &event) < 0) {
        err_errno(e, "make a connection");
        line_free(lib, line);
        return e->code = ERR_UNAVAILABLE; /* too many descriptors: later there are fewer */
    }
    lib->curl_multi_setopt(line->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    lib->curl_multi_setopt(line->multi, CURLMOPT_SOCKETDATA, line);
    lib->curl_multi_setopt(line->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    lib->curl_multi_setopt(line->multi, CURLMOPT_TIMERDATA, line);
    lib->curl_multi_setopt(line->multi, CURLMOPT_MAXCONNECTS, 1L);
    *ret_line = line;
    return ERR_OK;
}

static enum err_code take_line(struct client *c, struct line **ret_line, struct err *e)
{
    struct line *line;

    pthread_mutex_lock(&c->lock);
    line = c->idle;
    if (line) {
        c->idle = line->next;
        c->idle_n--;
    }
    pthread_mutex_unlock(&c->lock);
    if (!line)
        return line_new(c->lib, ret_line, e);
    *ret_line = line;
    return ERR_OK;
}

/* Takes out of the list what has been idle for too long, or is one too many. Lock held. */
static struct line *take_stale(struct client *c, int64_t now_ms)
{
    struct line **at = &c->idle, *stale;
    unsigned n = 0;

    while (*at && n < c->idle_most && now_ms - (*at)->idle_since_ms < IDLE_MS) {
        at = &(*at)->next;
        n++;
    }
    stale = *at;
    *at = NULL;
    c->idle_n = n;
    return stale;
}

static void free_lines(const struct libcurl *lib, struct line *line)
{
    while (line) {
        struct line *next = line->next;

        line_free(lib, line);
        line = next;
    }
}

static void give_line(struct client *c, struct line *line)
{
    struct line *stale;

    c->lib->curl_easy_reset(line->easy);
    line->idle_since_ms = clock_mono_ms();
    pthread_mutex_lock(&c->lock);
    line->next = c->idle;
    c->idle = line;
    c->idle_n++;
    stale = take_stale(c, line->idle_since_ms);
    pthread_mutex_unlock(&c->lock);
    free_lines(c->lib, stale);
}

/* ---- the client */

enum err_code client_new(const struct client_options *o, struct client **ret_client, struct err *e)
{
    const struct libcurl *lib = libcurl();
    struct client *c;

    if (!lib)
        return err_set(e, ERR_UNAVAILABLE, "libcurl can't be loaded; install libcurl4");
    c = NEW(struct client);
    c->lib = lib;
    c->ca_file = mem_strdup(o->ca_file ? o->ca_file : "");
    c->user_agent = mem_strdup(o->user_agent ? o->user_agent : "registry");
    c->connect_ms = o->connect_ms ? o->connect_ms : CONNECT_MS;
    c->stall_ms = o->stall_ms ? o->stall_ms : STALL_MS;
    c->idle_most = o->idle ? o->idle : IDLE_MOST;
    pthread_mutex_init(&c->lock, NULL);
    atomic_init(&c->end_ms, INT64_MAX);
    c->hurry_fd = eventfd(0, EFD_CLOEXEC);
    if (c->hurry_fd < 0) {
        enum err_code code = err_errno(e, "make a descriptor");

        client_free(c);
        return code;
    }
    *ret_client = c;
    return ERR_OK;
}

void client_hurry(struct client *c, uint64_t ms)
{
    int64_t end_ms = clock_mono_ms() + (int64_t)ms, was_ms = atomic_load(&c->end_ms);
    uint64_t one = 1;

    while (end_ms < was_ms && !atomic_compare_exchange_weak(&c->end_ms, &was_ms, end_ms))
        continue;
    (void)!write(c->hurry_fd, &one, sizeof(one));
}

/* poll() up to then; what the hurry leaves is looked at again when it begins. */
static int poll_in_time(struct client *c, struct pollfd *fd, int64_t until_ms)
{
    struct pollfd p[] = {*fd, {.fd = c->hurry_fd, .events = POLLIN}};

    for (;;) {
        int64_t end_ms = atomic_load(&c->end_ms), now_ms = clock_mono_ms();
        int64_t left_ms = (end_ms < until_ms ? end_ms : until_ms) - now_ms;
        bool hurried = end_ms != INT64_MAX;
        int n;

        if (left_ms <= 0)
            return 0;
        n = poll(p, hurried ? 1 : 2, left_ms < INT_MAX ? (int)left_ms : INT_MAX);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || p[0].revents)
            return n;
    }
}

bool client_pause(struct client *c, uint64_t ms)
{
    struct pollfd nothing = {.fd = -1};
    int64_t until_ms = clock_mono_ms() + (int64_t)ms;

    if (until_ms >= atomic_load(&c->end_ms))
        return false;
    poll_in_time(c, &nothing, until_ms);
    return until_ms < atomic_load(&c->end_ms);
}

void client_free(struct client *c)
{
    if (!c)
        return;
    free_lines(c->lib, c->idle);
    if (c->hurry_fd >= 0)
        close(c->hurry_fd);
    pthread_mutex_destroy(&c->lock);
    free(c->ca_file);
    free(c->user_agent);
    free(c);
}

/* ---- streams */

static void keep_rest(struct client_stream *s, const char *p, size_t n)
{
    if (n == 0)
        return;
    if (!s->rest)
        s->rest = mem_alloc(REST_BYTES);
    memcpy(s->rest + s->rest_at + s->rest_n, p, n);
    s->rest_n += n;
}

/* Fills what the reader gave, and keeps the rest: libcurl reads its socket empty in one go. What
 * has no room left it keeps itself, to hand it over again when the transfer goes on. */
static size_t on_body(char *p, size_t size, size_t count, void *ctx)
{
    struct client_stream *s = ctx;
    size_t n = size * count, fits = s->rest_n > 0 ? 0 : s->cap - s->n;

    s->moved_ms = clock_mono_ms();
    if (fits > n)
        fits = n;
    if (s->rest_at + s->rest_n + n - fits > REST_BYTES) {
        s->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    memcpy(s->to + s->n, p, fits);
    s->n += fits;
    keep_rest(s, p + fits, n - fits);
    return n;
}

static size_t on_header(char *p, size_t size, size_t count, void *ctx)
{
    struct client_stream *s = ctx;
    struct str line = {p, size * count}, name;
    long status = 0;

    s->moved_ms = clock_mono_ms();
    s->client->lib->curl_easy_getinfo(s->line->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200) /* an interim one */
        return size * count;
    s->status = (int)status;
    while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
        line.n--;
    if (s->header && str_cut(&line, ':', &name) && line.p)
        s->header(s->ctx, name, str_trim(line));
    return size * count;
}

static size_t on_send(char *p, size_t size, size_t count, void *ctx)
{
    struct client_stream *s = ctx;
    size_t cap = size * count;
    ssize_t n;

    s->moved_ms = clock_mono_ms();
    if (cap > s->file->bytes - s->sent)
        cap = (size_t)(s->file->bytes - s->sent);
    n = file_pread_all(s->file->fd, p, cap, s->file->at_bytes + s->sent);
    if (n < 0 || (size_t)n < cap)
        return CURL_READFUNC_ABORT;
    s->sent += cap;
    if (s->file->sent)
        s->file->sent(s->file->ctx, s->sent);
    return cap;
}

/* libcurl sends it again when a connection that was kept turns out to be closed. */
static int on_seek(void *ctx, curl_off_t offset, int origin)
{
    struct client_stream *s = ctx;

    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > s->file->bytes)
        return CURL_SEEKFUNC_FAIL;
    s->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static void add_headers(struct client_stream *s, const struct client_request *r)
{
    const struct libcurl *lib = s->client->lib;
    char type[128];

    s->headers = lib->curl_slist_append(NULL, "Expect:"); /* a round trip for nothing */
    for (const char *const *h = r->headers; h && *h; h++)
        s->headers = lib->curl_slist_append(s->headers, *h);
    snprintf(type, sizeof(type), "Content-Type: %s",
             r->content_type ? r->content_type : "application/octet-stream");
    if (r->body.p || r->file)
        s->headers = lib->curl_slist_append(s->headers, type);
}

/* A URL up to its path. */
static void note_server(struct client_stream *s, const char *url)
{
    const char *host = strstr(url, "://");
    size_t n = host ? (size_t)(host - url) + 3 : 0;

    snprintf(s->server, sizeof(s->server), "%.*s", (int)(n + strcspn(url + n, "/?#")), url);
}

static void prepare(struct client_stream *s, const struct client_request *r)
{
    const struct client *c = s->client;
    const struct libcurl *lib = c->lib;
    CURL *easy = s->line->easy;

    add_headers(s, r);
    note_server(s, r->url);
    s->line->why[0] = '\0';
    lib->curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, s->line->why);
    lib->curl_easy_setopt(easy, CURLOPT_URL, r->url);
    lib->curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    lib->curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    lib->curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    lib->curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* what was signed */
    lib->curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    lib->curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_ms);
    lib->curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    lib->curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)(c->stall_ms + 999) / 1000);
    lib->curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)PIECE_BYTES);
    lib->curl_easy_setopt(easy, CURLOPT_USERAGENT, c->user_agent);
    lib->curl_easy_setopt(easy, CURLOPT_HTTPHEADER, s->headers);
    lib->curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    lib->curl_easy_setopt(easy, CURLOPT_WRITEDATA, s);
    lib->curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    lib->curl_easy_setopt(easy, CURLOPT_HEADERDATA, s);
    if (c->ca_file[0])
        lib->curl_easy_setopt(easy, CURLOPT_CAINFO, c->ca_file);
    if (r->file) {
        s->file = r->file;
        lib->curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        lib->curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->file->bytes);
        lib->curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
        lib->curl_easy_setopt(easy, CURLOPT_READDATA, s);
        lib->curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
        lib->curl_easy_setopt(easy, CURLOPT_SEEKDATA, s);
    } else if (r->body.p) {
        lib->curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
        lib->curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body.p);
    } else if (strcmp(r->method, "HEAD") == 0) {
        lib->curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    if (strcmp(r->method, "HEAD") != 0)
        lib->curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
}

enum err_code client_stream_new(struct client *c, const struct client_request *r,
                                client_header_fn header, void *ctx,
                                struct client_stream **ret_stream, struct err *e)
{
    struct line *line = NULL;
    struct client_stream *s;

    TRY(take_line(c, &line, e));
    s = NEW(struct client_stream);
    s->client = c;
    s->line = line;
    s->moved_ms = clock_mono_ms();
    s->header = header;
    s->ctx = ctx;
    prepare(s, r);
    *ret_stream = s;
    return ERR_OK;
}

static void note_end(struct client_stream *s)
{
    int left;
    CURLMsg *message = s->client->lib->curl_multi_info_read(s->line->multi, &left);

    if (message && message->msg == CURLMSG_DONE) {
        s->ended = true;
        s->result = message->data.result;
    }
}

static void act(struct client_stream *s, curl_socket_t fd, int what)
{
    int running;

    if (s->client->lib->curl_multi_socket_action(s->line->multi, fd, what, &running) != CURLM_OK) {
        s->ended = true;
        s->result = CURLE_RECV_ERROR;
    }
}

static void act_on(struct client_stream *s, const struct epoll_event *event)
{
    uint64_t ticks;

    if (event->data.fd == s->line->timer_fd) {
        if (read(s->line->timer_fd, &ticks, sizeof(ticks)) == sizeof(ticks))
            act(s, CURL_SOCKET_TIMEOUT, 0);
        return;
    }
    act(s, event->data.fd,
        (event->events & EPOLLIN ? CURL_CSELECT_IN : 0) |
            (event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
            (event->events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
}

/* Lets libcurl do what it can do now, until there is no more room. False: there was nothing to do.
 */
static bool step(struct client_stream *s)
{
    struct epoll_event events[EVENTS];
    int n;

    if (!s->begun) {
        s->begun = true;
        s->client->lib->curl_multi_add_handle(s->line->multi, s->line->easy);
    }
    if (s->paused) {
        s->paused = false;
        s->client->lib->curl_easy_pause(s->line->easy, CURLPAUSE_CONT);
    }
    n = epoll_wait(s->line->epoll_fd, events, EVENTS, 0);
    for (int i = 0; i < n && s->n < s->cap; i++)
        act_on(s, &events[i]);
    note_end(s);
    return n > 0;
}

static void take_rest(struct client_stream *s)
{
    size_t n = s->rest_n < s->cap ? s->rest_n : s->cap;

    if (n == 0)
        return;
    memcpy(s->to, s->rest + s->rest_at, n);
    s->n = n;
    s->rest_n -= n;
    s->rest_at = s->rest_n > 0 ? s->rest_at + n : 0;
}

static enum err_code failed(const struct client_stream *s, struct err *e)
{
    const char *why = s->line->why;

    if (s->result == CURLE_OPERATION_TIMEDOUT)
        why = "no answer in time";
    else if (!why[0])
        why = s->client->lib->curl_easy_strerror(s->result);
    return err_set(e, ERR_UNAVAILABLE, "%s: %s", s->server, why);
}

enum err_code client_stream_read(struct client_stream *s, void *buf, size_t cap, size_t *ret_n,
                                 struct err *e)
{
    bool more = true;

    s->to = buf;
    s->cap = cap;
    s->n = 0;
    take_rest(s);
    while (more && !s->ended && s->n < cap)
        more = step(s);
    s->cap = s->n; /* nothing is written there from now on */
    *ret_n = s->n;
    if (s->n > 0 || cap == 0)
        return ERR_OK;
    if (!s->ended)
        return err_set(e, ERR_LATER, "nothing has come yet");
    return s->result == CURLE_OK ? ERR_OK : failed(s, e);
}

void client_stream_wait(struct client_stream *s)
{
    struct pollfd p = {.fd = s->line->epoll_fd, .events = POLLIN};

    while (poll(&p, 1, -1) < 0 && errno == EINTR) {
    }
}

int client_stream_fd(const struct client_stream *s)
{
    return s->line->epoll_fd;
}

int client_stream_status(const struct client_stream *s)
{
    return s->status;
}

void client_stream_free(struct client_stream *s)
{
    const struct libcurl *lib;

    if (!s)
        return;
    lib = s->client->lib;
    if (s->begun)
        lib->curl_multi_remove_handle(s->line->multi, s->line->easy);
    lib->curl_slist_free_all(s->headers);
    give_line(s->client, s->line);
    free(s->rest);
    free(s);
}

/* ---- whole requests */

/* As client_stream_wait(); false: nothing has moved for too long (libcurl, which takes the mean of
 * some seconds, finds that out later), or the time that client_hurry() left is over. */
static bool wait_in_time(struct client_stream *s)
{
    struct pollfd source = {.fd = s->line->epoll_fd, .events = POLLIN};

    return poll_in_time(s->client, &source, s->moved_ms + (int64_t)s->client->stall_ms) != 0;
}

static enum err_code collect(struct client_stream *s, struct buf *body, struct err *e)
{
    char piece[COLLECT_STEP];

    for (;;) {
        size_t n;
        enum err_code code = client_stream_read(s, piece, sizeof(piece), &n, e);

        if (code == ERR_LATER) {
            if (!wait_in_time(s))
                return clock_mono_ms() < atomic_load(&s->client->end_ms)
                           ? err_set(e, ERR_UNAVAILABLE, "%s: no answer in time", s->server)
                           : err_set(e, ERR_UNAVAILABLE, "the program ends");
            continue;
        }
        TRY(code);
        if (n == 0)
            return ERR_OK;
        buf_add(body, piece, n);
        if (body->full)
            return err_set(e, ERR_UNAVAILABLE, "the answer is larger than %zu bytes", body->max);
    }
}

enum err_code client_run(struct client *c, const struct client_request *r, client_header_fn header,
                         void *ctx, int *ret_status, struct buf *ret_body, struct err *e)
{
    struct client_stream *s;
    enum err_code code;

    TRY(client_stream_new(c, r, header, ctx, &s, e));
    code = collect(s, ret_body, e);
    *ret_status = s->status;
    client_stream_free(s);
    return code;
}
