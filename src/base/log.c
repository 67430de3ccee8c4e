#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RECORD_MAX     4096 /* a longer record is cut inside its values */
#define FIXED_MAX      1024 /* of the fields that every record has */
#define FIELD_NAME_MAX 64
#define BUFFER_BYTES   (128 * 1024)
#define FLUSH_MS       100
#define STUCK_MS       1000 /* how long one write to a stuck pipe or terminal may take */

static const struct {
    const char *json, *text;
} levels[] = {
    [LOG_DEBUG] = {"debug", "DEBUG"},
    [LOG_INFO] = {"info", "INFO"},
    [LOG_WARNING] = {"warning", "WARNING"},
    [LOG_ERROR] = {"error", "ERROR"},
};

/*
 * Records are formatted on the caller's stack and copied into `front` under `append`, which is
 * held for a memcpy only. flush() swaps front and back and writes back to fd; it holds `writing`
 * from before the swap until after the write, so records leave in the order they came in. A caller
 * that finds front full flushes it itself: no record is lost and memory stays bounded. The flusher
 * sleeps on `wake` while there is nothing to do.
 */
static struct half {
    size_t n;
    char bytes[BUFFER_BYTES];
} halves[2];

static struct {
    pthread_mutex_t append, writing;
    struct half *front, *back;
    bool running;   /* under `append` */
    bool signalled; /* the flusher was told that front is half full */
    sem_t wake;
    pthread_t flusher;
    int fd;
    char *path; /* NULL: standard error */
    uint64_t lost_bytes;
} out = {
    .append = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP, /* held for a memcpy: spinning pays */
    .writing = PTHREAD_MUTEX_INITIALIZER,
    .front = &halves[0],
    .back = &halves[1],
    .fd = STDERR_FILENO,
};

static _Atomic(int) minimum = LOG_INFO;
static _Atomic(int) style = LOG_FORMAT_TEXT;
static atomic_bool stopping, reopen_wanted;

/* Formatting. A line never grows past `end`; `cut` tells that something was left out. */

struct line {
    char *at, *end;
    bool cut;
};

/* A closing quote may stand one past the end. */
static size_t room(const struct line *l)
{
    return l->at < l->end ? (size_t)(l->end - l->at) : 0;
}

static void put(struct line *l, const char *p, size_t n)
{
    if (room(l) < n) {
        l->cut = true;
        return;
    }
    memcpy(l->at, p, n);
    l->at += n;
}

static void put_text(struct line *l, const char *text)
{
    put(l, text, strlen(text));
}

static void put_u64(struct line *l, uint64_t v)
{
    char digits[STR_DECIMAL_MAX];
    struct str text = str_decimal(v, digits);

    put(l, text.p, text.n);
}

static void put_i64(struct line *l, int64_t v)
{
    if (v < 0)
        put(l, "-", 1);
    put_u64(l, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

/* Plain in a JSON string: printable ASCII but for the quote and the backslash. */
static bool plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Plain in an unquoted value of the text format. */
static bool bare(unsigned char c)
{
    return plain(c) && c != ' ' && c != '=';
}

#define EACH_BYTE(b) (0x0101010101010101ull * (b))

/* Are all eight bytes plain()? Bit 7 of each byte of the sum tells that one is not; a borrow may
 * tell so wrongly, never the other way. */
static bool eight_plain(const char *p)
{
    uint64_t x, quote, backslash, del;

    memcpy(&x, p, sizeof(x));
    quote = x ^ EACH_BYTE('"');
    backslash = x ^ EACH_BYTE('\\');
    del = x ^ EACH_BYTE(0x7f);
    return ((x | (x - EACH_BYTE(0x20)) | (quote - EACH_BYTE(1)) | (backslash - EACH_BYTE(1)) |
             (del - EACH_BYTE(1))) &
            EACH_BYTE(0x80)) == 0;
}

/* Length of the plain bytes that s starts with. */
static size_t plain_length(struct str s)
{
    size_t n = 0;

    while (s.n - n >= 8 && eight_plain(s.p + n))
        n += 8;
    while (n < s.n && plain((unsigned char)s.p[n]))
        n++;
    return n;
}

static void put_escape(struct line *l, unsigned code)
{
    static const char hex[] = "0123456789abcdef";
    char u[6] = {'\\',          'u', hex[code >> 12 & 15], hex[code >> 8 & 15], hex[code >> 4 & 15],
                 hex[code & 15]};

    if (code == '"')
        put(l, "\\\"", 2);
    else if (code == '\\')
        put(l, "\\\\", 2);
    else if (code == '\n')
        put(l, "\\n", 2);
    else
        put(l, u, sizeof(u));
}

/* The first unit of s, which is not plain; returns its length. C1 control characters (U+0080 to
 * U+009F) are escaped too, for terminals obey them. */
static size_t put_special(struct line *l, struct str s)
{
    unsigned char c = (unsigned char)s.p[0];
    size_t n = str_utf8_step(s);

    if (n == 0)
        put_escape(l, 0xfffd);
    else if (n == 1)
        put_escape(l, c);
    else if (n == 2 && c == 0xc2 && (unsigned char)s.p[1] < 0xa0)
        put_escape(l, (unsigned char)s.p[1]);
    else
        put(l, s.p, n);
    return n ? n : 1;
}

/* As a JSON string. What does not fit is left out, never the closing quote: the caller keeps
 * room for it behind l->end. */
static void put_quoted(struct line *l, struct str s)
{
    size_t i = 0;

    put(l, "\"", 1);
    while (i < s.n && !l->cut) {
        size_t from = i;

        i += plain_length(str_sub(s, i, s.n - i));
        if (i - from > room(l)) {
            put(l, s.p + from, room(l));
            l->cut = true;
        } else {
            put(l, s.p + from, i - from);
            if (i < s.n)
                i += put_special(l, str_sub(s, i, s.n - i));
        }
    }
    *l->at++ = '"';
}

static void put_value_text(struct line *l, struct str s)
{
    size_t i = 0;

    while (i < s.n && bare((unsigned char)s.p[i]))
        i++;
    if (s.n > 0 && i == s.n && s.n <= room(l))
        put(l, s.p, s.n);
    else
        put_quoted(l, s);
}

static void put_time(struct line *l)
{
    static __thread struct {
        int64_t second;
        char text[CLOCK_RFC3339_SIZE];
    } cache = {.second = INT64_MIN};
    int64_t now = clock_wall_ms();
    unsigned ms = (unsigned)(now % 1000);

    if (now / 1000 != cache.second) {
        clock_rfc3339(now, cache.text);
        cache.second = now / 1000;
    }
    cache.text[20] = (char)('0' + ms / 100);
    cache.text[21] = (char)('0' + ms / 10 % 10);
    cache.text[22] = (char)('0' + ms % 10);
    put(l, cache.text, CLOCK_RFC3339_SIZE - 1);
}

static void put_field(struct line *l, const struct log_field *f, bool json)
{
    if (json) {
        put(l, ",\"", 2);
        put_text(l, f->key);
        put(l, "\":", 2);
    } else {
        put(l, " ", 1);
        put_text(l, f->key);
        put(l, "=", 1);
    }
    if (f->kind == LOG_FIELD_U64)
        put_u64(l, f->u64);
    else if (f->kind == LOG_FIELD_I64)
        put_i64(l, f->i64);
    else if (json)
        put_quoted(l, f->str);
    else
        put_value_text(l, f->str);
}

/* What a field needs besides the bytes of a text: ,"key":"" and twenty digits. */
static size_t field_overhead(const struct log_field *f)
{
    return strlen(f->key) + 28;
}

static void put_fields(struct line *l, const struct log_field *fields, bool json)
{
    for (const struct log_field *f = fields; f && f->kind != LOG_FIELD_END && !l->cut; f++) {
        if (room(l) < field_overhead(f))
            l->cut = true;
        else
            put_field(l, f, json);
    }
    if (!l->cut)
        return;
    l->end += 10; /* a closing quote and this mark; kept free by format() */
    l->cut = false;
    put_text(l, json ? ",\"cut\":1" : " cut=1");
}

/* The fields that every record has, formed once; set before threads log and after they did. */
static struct {
    char text[FIXED_MAX];
    size_t n;
} fixed;

static void form_fixed(const struct log_options *o)
{
    struct line l = {fixed.text, fixed.text + sizeof(fixed.text), false};

    for (size_t i = 0; i < o->n_fields; i++) {
        struct str value = str_of(o->fields[i]), name;
        char key[FIELD_NAME_MAX + 1];

        str_cut(&value, '=', &name);
        if (!str_copy(name, key, sizeof(key)) || room(&l) < name.n + 6 * value.n + 8)
            continue; /* no record has room for it */
        put_field(&l, &LOG_STR(key, value), o->format == LOG_FORMAT_JSON);
    }
    fixed.n = (size_t)(l.at - fixed.text);
}

/* Returns the length, newline included. */
static size_t format(char dst[static RECORD_MAX], enum log_level level, const char *message,
                     const struct log_field *fields)
{
    bool json = atomic_load_explicit(&style, memory_order_relaxed) == LOG_FORMAT_JSON;
    struct line l = {dst, dst + RECORD_MAX - 16, false}; /* room for quote, "cut", "}\n" */

    put_text(&l, json ? "{\"time\":\"" : "");
    put_time(&l);
    put_text(&l, json ? "\",\"level\":\"" : " ");
    put_text(&l, json ? levels[level].json : levels[level].text);
    put_text(&l, json ? "\",\"message\":" : " ");
    if (json)
        put_quoted(&l, str_of(message));
    else if (plain_length(str_of(message)) == strlen(message))
        put_text(&l, message);
    else
        put_quoted(&l, str_of(message));
    put(&l, fixed.text, fixed.n);
    put_fields(&l, fields, json);
    l.end = dst + RECORD_MAX;
    put_text(&l, json ? "}\n" : "\n");
    return (size_t)(l.at - dst);
}

/* Writing. */

/* Whether fd takes PIPE_BUF bytes without blocking, which POLLOUT promises of a pipe. */
static bool takes_bytes(int fd, int wait_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    int n;

    while ((n = poll(&wait, 1, wait_ms)) < 0 && errno == EINTR)
        continue;
    return n > 0;
}

/* As file_write_all(), but a pipe or terminal whose reader does not read costs at most STUCK_MS,
 * and nothing while it stays so: the log must never hold up what it tells of. Holds `writing`, or
 * is before and after the log runs. */
static bool write_out(int fd, const char *p, size_t n)
{
    static atomic_bool stuck;
    struct stat status;
    bool file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);

    while (n > 0) {
        ssize_t put_bytes;

        if (!file && !takes_bytes(fd, atomic_load(&stuck) ? 0 : STUCK_MS)) {
            atomic_store(&stuck, true);
            return false;
        }
        put_bytes = write(fd, p, file || n < PIPE_BUF ? n : PIPE_BUF);
        if (put_bytes >= 0) {
            p += put_bytes;
            n -= (size_t)put_bytes;
        } else if (errno != EINTR && errno != EAGAIN) {
            return false;
        }
    }
    atomic_store(&stuck, false);
    return true;
}

static int open_path(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

/* Straight to fd, for the log's own troubles. Holds `writing`. */
static void note(enum log_level level, const char *message, const struct log_field *fields)
{
    char record[RECORD_MAX];

    write_out(out.fd, record, format(record, level, message, fields));
}

/* Holds `writing`. A path that cannot be opened leaves the old file in use. */
static void reopen(void)
{
    int fd;

    if (!out.path)
        return;
    fd = open_path(out.path);
    if (fd < 0) {
        note(LOG_ERROR, "log file can't be opened anew; the old one stays in use",
             (struct log_field[]){
                 LOG_TEXT("file", out.path), LOG_TEXT("reason", strerror(errno)), {.key = NULL}});
        return;
    }
    close(out.fd);
    out.fd = fd;
}

/* Holds `writing`. What a full disk refuses is dropped, and told when the disk takes bytes again.
 */
static void write_back(void)
{
    if (out.back->n == 0)
        return;
    if (!write_out(out.fd, out.back->bytes, out.back->n)) {
        out.lost_bytes += out.back->n;
    } else if (out.lost_bytes) {
        note(LOG_ERROR, "the log could not be written for a while",
             (struct log_field[]){LOG_U64("lost_bytes", out.lost_bytes), {.key = NULL}});
        out.lost_bytes = 0;
    }
    out.back->n = 0;
}

static void flush(void)
{
    pthread_mutex_lock(&out.writing);
    if (atomic_exchange(&reopen_wanted, false))
        reopen();
    pthread_mutex_lock(&out.append);
    struct half *swap = out.front;
    out.front = out.back;
    out.back = swap;
    out.signalled = false;
    pthread_mutex_unlock(&out.append);
    write_back();
    pthread_mutex_unlock(&out.writing);
}

/* False when the log is not running. */
static bool append(const char *record, size_t n)
{
    bool first, half;

    pthread_mutex_lock(&out.append);
    while (out.running && BUFFER_BYTES - out.front->n < n) {
        pthread_mutex_unlock(&out.append);
        flush();
        pthread_mutex_lock(&out.append);
    }
    if (!out.running) {
        pthread_mutex_unlock(&out.append);
        return false;
    }
    first = out.front->n == 0;
    memcpy(out.front->bytes + out.front->n, record, n);
    out.front->n += n;
    half = out.front->n >= BUFFER_BYTES / 2 && !out.signalled;
    if (half)
        out.signalled = true;
    pthread_mutex_unlock(&out.append);
    if (first || half)
        sem_post(&out.wake);
    return true;
}

/* Early, so that log_reopen() may come at any time. */
__attribute__((constructor)) static void init_wake(void)
{
    sem_init(&out.wake, 0, 0);
}

static void wait_a_while(void)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += FLUSH_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    while (sem_clockwait(&out.wake, CLOCK_MONOTONIC, &until) < 0 && errno == EINTR)
        continue;
}

/* Woken by the first record in an empty buffer, it gives others FLUSH_MS to join. */
static void *flusher_main(void *unused)
{
    (void)unused;
    for (;;) {
        bool last;

        while (sem_wait(&out.wake) < 0)
            continue; /* EINTR */
        if (!atomic_load(&stopping) && !atomic_load(&reopen_wanted))
            wait_a_while();
        last = atomic_load(&stopping);
        flush();
        if (last)
            return NULL;
    }
}

static bool set_running(bool on)
{
    bool was;

    pthread_mutex_lock(&out.append);
    was = out.running;
    out.running = on;
    pthread_mutex_unlock(&out.append);
    return was;
}

static void set_output(int fd, char *path)
{
    pthread_mutex_lock(&out.writing);
    if (out.path)
        close(out.fd);
    free(out.path);
    out.fd = fd;
    out.path = path;
    pthread_mutex_unlock(&out.writing);
}

enum err_code log_start(const struct log_options *o, struct err *e)
{
    bool file = o->path && *o->path;
    int fd = file ? open_path(o->path) : STDERR_FILENO;

    if (fd < 0)
        return err_set(e, ERR_CONFIG, "log file '%s': %m", o->path);
    log_stop();
    form_fixed(o);
    set_output(fd, file ? mem_strdup(o->path) : NULL);
    atomic_store(&style, o->format);
    atomic_store(&minimum, o->level);
    atomic_store(&stopping, false);
    errno = thread_start(&out.flusher, "log", THREAD_STACK_USUAL, flusher_main, NULL);
    if (errno != 0) {
        set_output(STDERR_FILENO, NULL);
        return err_set(e, ERR_INTERNAL, "start the log's thread: %m");
    }
    set_running(true);
    return ERR_OK;
}

void log_stop(void)
{
    if (!set_running(false))
        return;
    atomic_store(&stopping, true);
    sem_post(&out.wake);
    pthread_join(out.flusher, NULL); /* it flushes last */
    set_output(STDERR_FILENO, NULL);
}

void log_set_level(enum log_level level)
{
    atomic_store(&minimum, level);
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&minimum, memory_order_relaxed);
}

void log_reopen(void)
{
    int saved = errno; /* this may be a signal handler */

    atomic_store(&reopen_wanted, true);
    sem_post(&out.wake);
    errno = saved;
}

void log_record(enum log_level level, const char *message, const struct log_field *fields)
{
    char record[RECORD_MAX];
    size_t n = format(record, level, message, fields);

    if (!append(record, n))
        write_out(STDERR_FILENO, record, n);
    else if (level >= LOG_WARNING)
        flush();
}

void log_err(enum log_level level, const char *message, const struct err *e)
{
    log_event(level, message, LOG_TEXT("error", err_name(e->code)), LOG_TEXT("detail", e->detail));
}
