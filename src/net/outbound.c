#include "net/outbound.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/libcurl.h"
#include "net/public_address.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define CONNECT_MS   5000
#define ANSWER_BYTES (64u << 10) /* of an answer that are read */
#define POLL_MOST_MS 1000

struct line { /* a message on its way */
    struct outbound *outbound;
    CURL *easy;
    struct outbound_message *message; /* NULL: it is free */
    struct curl_slist *headers;
    char why[CURL_ERROR_SIZE];
    size_t answer_bytes; /* that came */
    bool forbidden;      /* an address was */
    int64_t begun_ms;
};

struct outbound {
    const struct libcurl *lib;
    char *ca_file;
    bool allow_private;
    uint64_t timeout_ms;
    CURLM *multi;
    struct line *lines;
    size_t n_lines, n_running;
};

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct line *line = ctx;

    if (purpose != CURLSOCKTYPE_IPCXN)
        return CURL_SOCKET_BAD;
    if (!line->outbound->allow_private && !address_is_public(&a->addr)) {
        line->forbidden = true;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* What is beyond the bound ends the transfer: the status is known by then. */
static size_t take(char *p, size_t size, size_t n, void *ctx)
{
    struct line *line = ctx;
    struct outbound_message *m = line->message;
    size_t bytes = size * n, room = sizeof(m->answer) - 1 - m->answer_n;

    line->answer_bytes += bytes;
    if (room > bytes)
        room = bytes;
    memcpy(m->answer + m->answer_n, p, room);
    m->answer_n += room;
    return line->answer_bytes > ANSWER_BYTES ? 0 : bytes;
}

static void prepare(struct outbound *o, struct line *line)
{
    const struct libcurl *lib = o->lib;
    const struct outbound_message *m = line->message;
    CURL *c = line->easy;

    lib->curl_easy_reset(c);
    lib->curl_easy_setopt(c, CURLOPT_ERRORBUFFER, line->why);
    lib->curl_easy_setopt(c, CURLOPT_PRIVATE, line);
    lib->curl_easy_setopt(c, CURLOPT_URL, m->url);
    lib->curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    lib->curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    lib->curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    lib->curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    lib->curl_easy_setopt(c, CURLOPT_PROXY, "");
    lib->curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    lib->curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)o->timeout_ms);
    lib->curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    lib->curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, line);
    lib->curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
    lib->curl_easy_setopt(c, CURLOPT_WRITEDATA, line);
    lib->curl_easy_setopt(c, CURLOPT_HTTPHEADER, line->headers);
    lib->curl_easy_setopt(c, CURLOPT_USERAGENT, "registry");
    if (o->ca_file[0])
        lib->curl_easy_setopt(c, CURLOPT_CAINFO, o->ca_file);
    lib->curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)m->body.n);
    lib->curl_easy_setopt(c, CURLOPT_POSTFIELDS, m->body.n > 0 ? m->body.p : "");
}

enum err_code outbound_new(const struct outbound_options *o, struct outbound **ret, struct err *e)
{
    const struct libcurl *lib = libcurl();
    struct outbound *out;

    if (!lib)
        return err_set(e, ERR_UNAVAILABLE, "libcurl can't be loaded; install libcurl4");
    out = NEW(struct outbound);
    out->lib = lib;
    out->ca_file = str_dup(str_of(o->ca_file));
    out->allow_private = o->allow_private;
    out->timeout_ms = o->timeout_ms;
    out->n_lines = o->at_once;
    out->lines = mem_zero(out->n_lines * sizeof(*out->lines));
    out->multi = lib->curl_multi_init();
    for (size_t i = 0; i < out->n_lines; i++) {
        out->lines[i].outbound = out;
        out->lines[i].easy = lib->curl_easy_init();
        if (!out->multi || !out->lines[i].easy) {
            outbound_free(out);
            return err_set(e, ERR_UNAVAILABLE, "libcurl can't be used");
        }
    }
    lib->curl_multi_setopt(out->multi, CURLMOPT_MAXCONNECTS, (long)out->n_lines);
    *ret = out;
    return ERR_OK;
}

static void release(struct outbound *o, struct line *line)
{
    o->lib->curl_multi_remove_handle(o->multi, line->easy);
    o->lib->curl_slist_free_all(line->headers);
    line->headers = NULL;
    line->message = NULL;
    o->n_running--;
}

void outbound_cut(struct outbound *o)
{
    for (size_t i = 0; i < o->n_lines; i++) {
        if (o->lines[i].message)
            release(o, &o->lines[i]);
    }
}

void outbound_free(struct outbound *o)
{
    if (!o)
        return;
    outbound_cut(o);
    for (size_t i = 0; i < o->n_lines; i++) {
        if (o->lines[i].easy)
            o->lib->curl_easy_cleanup(o->lines[i].easy);
    }
    if (o->multi)
        o->lib->curl_multi_cleanup(o->multi);
    free(o->lines);
    free(o->ca_file);
    free(o);
}

bool outbound_has_room(const struct outbound *o)
{
    return o->n_running < o->n_lines;
}

size_t outbound_running(const struct outbound *o)
{
    return o->n_running;
}

enum err_code outbound_start(struct outbound *o, struct outbound_message *m, struct err *e)
{
    struct line *line = o->lines;
    CURLMcode failed;

    while (line->message)
        line++;
    line->message = m;
    line->answer_bytes = 0;
    line->forbidden = false;
    line->why[0] = '\0';
    line->begun_ms = clock_mono_ms();
    m->answer_n = 0;
    for (const char *const *h = m->headers; h && *h; h++)
        line->headers = o->lib->curl_slist_append(line->headers, *h);
    line->headers = o->lib->curl_slist_append(line->headers, "Expect:"); /* is not waited for */
    prepare(o, line);
    o->n_running++;
    failed = o->lib->curl_multi_add_handle(o->multi, line->easy);
    if (failed == CURLM_OK)
        return ERR_OK;
    release(o, line);
    return err_set(e, ERR_UNAVAILABLE, "%s", o->lib->curl_multi_strerror(failed));
}

/* What came of it, in its message. A transfer that was cut off for its length is answered. */
static void settle(struct outbound *o, struct line *line, CURLcode result)
{
    struct outbound_message *m = line->message;
    bool cut = line->answer_bytes > ANSWER_BYTES;
    curl_off_t after = 0;
    long status = 0;

    m->took_ms = clock_mono_ms() - line->begun_ms;
    m->answer[m->answer_n] = '\0';
    m->status = 0;
    m->retry_after_s = 0;
    m->why[0] = '\0';
    if (result != CURLE_OK && !cut) {
        snprintf(m->why, sizeof(m->why), "%s",
                 line->forbidden ? "the address is not public, and allow_private is not set"
                 : line->why[0]  ? line->why
                                 : o->lib->curl_easy_strerror(result));
        return;
    }
    o->lib->curl_easy_getinfo(line->easy, CURLINFO_RESPONSE_CODE, &status);
    o->lib->curl_easy_getinfo(line->easy, CURLINFO_RETRY_AFTER, &after);
    m->status = (int)status;
    m->retry_after_s = after > 0 ? (uint64_t)after : 0;
}

static struct outbound_message *ended(struct outbound *o)
{
    struct outbound_message *m;
    struct line *line;
    CURLMsg *msg;
    int left;

    do
        msg = o->lib->curl_multi_info_read(o->multi, &left);
    while (msg && msg->msg != CURLMSG_DONE);
    if (!msg)
        return NULL;
    o->lib->curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &line);
    m = line->message;
    settle(o, line, msg->data.result);
    release(o, line);
    return m;
}

struct outbound_message *outbound_next(struct outbound *o, int64_t ms)
{
    int64_t until_ms = clock_mono_ms() + ms;

    for (;;) {
        int64_t left_ms = until_ms - clock_mono_ms();
        struct outbound_message *m;
        int running;

        o->lib->curl_multi_perform(o->multi, &running);
        m = ended(o);
        if (m || left_ms <= 0 || o->n_running == 0)
            return m;
        o->lib->curl_multi_poll(o->multi, NULL, 0,
                                (int)(left_ms < POLL_MOST_MS ? left_ms : POLL_MOST_MS), NULL);
    }
}
