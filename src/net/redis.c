#include "net/redis.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"
#include "base/thread.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

#define IDLE_MS        60000 /* a connection beyond the first that nobody used is closed */
#define TEND_MS        1000
#define RETRY_FIRST_MS 50
#define RETRY_MOST_MS  5000
#define SOUND_MS       10000 /* up for so long: the next trouble is a new one */

struct conn {
    struct conn *next;
    struct redis_line *line;
    uint64_t life; /* redis.life when it was made */
    int64_t used_ms;
    char server[REDIS_SERVER_SIZE];
};

struct redis {
    struct redis_dial dial;
    redis_told_fn told;
    void *ctx;
    unsigned most;
    int64_t timeout_ms;
    pthread_t keeper;
    pthread_mutex_t telling; /* held around told; taken before `mutex` */
    bool told_once, told_up;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t given;  /* a connection rests, or it is down */
    pthread_cond_t work;   /* for the keeper */
    struct conn *idle;     /* the one used last comes first */
    unsigned open;         /* idle, or in use, of this life */
    unsigned waiting;
    bool up, stop;
    uint64_t life; /* grows when it goes down */
    char server[REDIS_SERVER_SIZE];
    struct err why;
    int64_t since_ms; /* up since then */
    int64_t retry_at_ms, retry_ms;
    int64_t grow_at_ms; /* no further connection before that */
};

static void conn_free(struct conn *c)
{
    redis_line_close(c->line);
    free(c);
}

static void free_all(struct conn *list)
{
    while (list) {
        struct conn *next = list->next;

        conn_free(list);
        list = next;
    }
}

/* Without the mutex. Of several changes at once the last counts. */
static void tell(struct redis *r)
{
    struct err why;
    bool up;

    if (!r->told)
        return;
    pthread_mutex_lock(&r->telling);
    pthread_mutex_lock(&r->mutex);
    up = r->up;
    why = r->why;
    pthread_mutex_unlock(&r->mutex);
    if (!r->told_once || up != r->told_up) {
        r->told_once = true;
        r->told_up = up;
        r->told(r->ctx, up, &why);
    }
    pthread_mutex_unlock(&r->telling);
}

/* Under the mutex. The caller frees what is returned, without it. */
static struct conn *go_down(struct redis *r, const struct err *why)
{
    struct conn *idle = r->idle;
    int64_t now = clock_mono_ms();

    if (r->up && now - r->since_ms > SOUND_MS)
        r->retry_ms = RETRY_FIRST_MS;
    r->retry_at_ms = now + r->retry_ms;
    r->retry_ms = r->retry_ms * 2 > RETRY_MOST_MS ? RETRY_MOST_MS : r->retry_ms * 2;
    r->idle = NULL;
    r->open = 0;
    r->up = false;
    r->life++;
    r->why = *why;
    pthread_cond_broadcast(&r->given);
    pthread_cond_signal(&r->work);
    return idle;
}

/* A connection in use is of no use any more. */
static void drop(struct redis *r, struct conn *c, const struct err *why)
{
    struct conn *idle = NULL;
    bool down;

    pthread_mutex_lock(&r->mutex);
    down = r->up && c->life == r->life;
    if (down)
        idle = go_down(r, why);
    pthread_mutex_unlock(&r->mutex);
    free_all(idle);
    conn_free(c);
    if (down)
        tell(r);
}

static void give_back(struct redis *r, struct conn *c)
{
    bool kept;

    c->used_ms = clock_mono_ms();
    pthread_mutex_lock(&r->mutex);
    kept = c->life == r->life;
    if (kept) {
        c->next = r->idle;
        r->idle = c;
        pthread_cond_signal(&r->given);
    }
    pthread_mutex_unlock(&r->mutex);
    if (!kept)
        conn_free(c);
}

/* Taking one. */

/* Under the mutex, which is given up for what is found ended: a server closes what rests for long.
 */
static struct conn *take_idle(struct redis *r)
{
    while (r->idle) {
        struct conn *c = r->idle;

        r->idle = c->next;
        if (redis_line_rests(c->line))
            return c;
        r->open--;
        pthread_mutex_unlock(&r->mutex);
        conn_free(c);
        pthread_mutex_lock(&r->mutex);
    }
    return NULL;
}

static enum err_code refused(const struct redis *r, struct err *e)
{
    if (!r->why.code)
        return err_set(e, ERR_UNAVAILABLE, "Redis: not connected yet");
    *e = r->why;
    return e->code;
}

static enum err_code take(struct redis *r, const char *server, struct conn **ret_conn,
                          struct err *e)
{
    struct timespec until = clock_mono_in(r->timeout_ms);
    enum err_code code = ERR_OK;
    int waited = 0;

    pthread_mutex_lock(&r->mutex);
    r->waiting++;
    while (code == ERR_OK) {
        if (!r->up)
            code = refused(r, e);
        else if (server && strcmp(server, r->server) != 0)
            code = err_set(e, ERR_UNAVAILABLE, "Redis: another server has taken over");
        else if ((*ret_conn = take_idle(r)))
            break;
        else if (waited)
            code = err_set(e, ERR_UNAVAILABLE,
                           "Redis: all connections are in use (storage.cache.redis_connections)");
        if (code != ERR_OK)
            break;
        if (r->open < r->most)
            pthread_cond_signal(&r->work);
        waited = pthread_cond_timedwait(&r->given, &r->mutex, &until);
    }
    r->waiting--;
    pthread_mutex_unlock(&r->mutex);
    return code;
}

/* Errors after which the server is another than it was, or we are not let in any more. */
static bool ends_it(const char *detail)
{
    static const char *const codes[] = {"READONLY ",   "NOAUTH ", "LOADING ",
                                        "MASTERDOWN ", "MOVED ",  "CLUSTERDOWN "};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strstr(detail, codes[i]))
            return true;
    }
    return false;
}

enum redis_outcome redis_ask(struct redis *r, const char *server, const struct str *words, size_t n,
                             struct redis_reply *ret_reply, struct err *e)
{
    struct conn *c;
    enum redis_outcome o;

    if (take(r, server, &c, e) != ERR_OK)
        return REDIS_UNSENT;
    o = redis_line_ask(c->line, words, n, clock_mono_ms() + r->timeout_ms, ret_reply, e);
    if (o == REDIS_ANSWERED || (o == REDIS_REFUSED && !ends_it(e->detail)))
        give_back(r, c);
    else
        drop(r, c, e);
    return o;
}

/* Scripts. */

#define SHA1_HEX 40

/* By which Redis knows a script. */
static void sha1_hex(struct str text, char dst[static SHA1_HEX + 1])
{
    unsigned char hash[20];

    EVP_Digest(text.p, text.n, hash, NULL, EVP_sha1(), NULL);
    for (size_t i = 0; i < sizeof(hash); i++)
        snprintf(dst + 2 * i, 3, "%02x", hash[i]);
}

enum redis_outcome redis_run(struct redis *r, const char *server, const struct redis_script *script,
                             const struct str *words, size_t n, struct redis_reply *ret_reply,
                             struct err *e)
{
    struct str all[REDIS_ARGUMENTS_MAX];
    char hash[SHA1_HEX + 1], keys[STR_DECIMAL_MAX];
    enum redis_outcome o;

    if (n + 3 > REDIS_ARGUMENTS_MAX) {
        err_set(e, ERR_INTERNAL, "a script with %zu words", n);
        return REDIS_UNSENT;
    }
    sha1_hex(str_of(script->text), hash);
    all[0] = STR("EVALSHA");
    all[1] = str_of(hash);
    all[2] = str_decimal(script->keys, keys);
    memcpy(&all[3], words, n * sizeof(words[0]));
    o = redis_ask(r, server, all, n + 3, ret_reply, e);
    if (o != REDIS_REFUSED || !strstr(e->detail, ": NOSCRIPT "))
        return o;
    all[0] = STR("EVAL");
    all[1] = str_of(script->text);
    return redis_ask(r, server, all, n + 3, ret_reply, e);
}

/* The keeper. */

/* Under the mutex. A first connection, or one more. */
static void add_conn(struct redis *r, struct redis_line *line, const char *server)
{
    struct conn *c = NEW(struct conn);

    *c = (struct conn){.next = r->idle, .line = line, .life = r->life, .used_ms = clock_mono_ms()};
    memcpy(c->server, server, REDIS_SERVER_SIZE);
    r->idle = c;
    r->open++;
    if (!r->up)
        r->since_ms = clock_mono_ms();
    r->up = true;
    r->why = (struct err){0};
    memcpy(r->server, server, REDIS_SERVER_SIZE);
    pthread_cond_broadcast(&r->given);
}

/* Under the mutex: what became of dialling. A server other than that of the connections there are
 * takes its place; who uses one of those finds out by itself. Returns what the caller frees. */
static struct conn *take_in(struct redis *r, struct redis_line *line, const char *server,
                            const struct err *e)
{
    struct conn *old = NULL;

    if (line) {
        if (r->up && strcmp(server, r->server) != 0)
            old = go_down(r, &(struct err){ERR_UNAVAILABLE, false, "Redis: another took over"});
        add_conn(r, line, server);
    } else if (r->up && r->open > 0) {
        r->grow_at_ms = clock_mono_ms() + TEND_MS;
    } else {
        old = go_down(r, e);
    }
    return old;
}

/* Under the mutex, but for the dialling. */
static void connect_one(struct redis *r)
{
    uint64_t life = r->life;
    char server[REDIS_SERVER_SIZE];
    struct redis_line *line = NULL;
    struct conn *old = NULL;
    struct err e;

    pthread_mutex_unlock(&r->mutex);
    if (redis_dial_open(&r->dial, &line, server, &e) != ERR_OK)
        line = NULL;
    pthread_mutex_lock(&r->mutex);
    if (life == r->life)
        old = take_in(r, STEAL(line), server, &e);
    pthread_mutex_unlock(&r->mutex);
    redis_line_close(line); /* it went down meanwhile: again */
    free_all(old);
    tell(r);
    pthread_mutex_lock(&r->mutex);
}

/* The last of the list, that rests longest; NULL: none has for so long. */
static struct conn *take_oldest(struct redis *r, int64_t for_ms)
{
    struct conn **at = &r->idle, *c;

    if (!*at)
        return NULL;
    while ((*at)->next)
        at = &(*at)->next;
    c = *at;
    if (clock_mono_ms() - c->used_ms < for_ms)
        return NULL;
    *at = NULL;
    return c;
}

/* Is it there, the one that it was, and does it still take writes? Without the mutex. */
static enum err_code try_conn(const struct redis *r, const struct conn *c, struct err *e)
{
    char server[REDIS_SERVER_SIZE];

    TRY(redis_dial_check(&r->dial, c->line, server, e));
    if (strcmp(server, c->server) != 0)
        return err_set(e, ERR_UNAVAILABLE, "Redis: it has become another server");
    return ERR_OK;
}

/* Under the mutex, but for what takes time. One that nobody needs is closed, or one is tried. */
static void tend(struct redis *r)
{
    struct conn *spare = r->open > 1 ? take_oldest(r, IDLE_MS) : NULL;
    struct conn *c = spare ? NULL : take_idle(r);
    struct err e;

    r->open -= spare != NULL;
    if (!c && r->open == 0) {
        connect_one(r);
        return;
    }
    pthread_mutex_unlock(&r->mutex);
    if (spare)
        conn_free(spare);
    else if (c && try_conn(r, c, &e) == ERR_OK)
        give_back(r, c);
    else if (c)
        drop(r, c, &e);
    pthread_mutex_lock(&r->mutex);
}

/* Waits for something to do, at most so long. */
static bool nothing_for(struct redis *r, int64_t ms)
{
    struct timespec until = clock_mono_in(ms);

    return ms > 0 && pthread_cond_timedwait(&r->work, &r->mutex, &until) == 0;
}

static void *keep(void *arg)
{
    struct redis *r = arg;

    pthread_mutex_lock(&r->mutex);
    while (!r->stop) {
        if (!r->up) {
            if (!nothing_for(r, r->retry_at_ms - clock_mono_ms()) && !r->stop)
                connect_one(r);
        } else if (r->waiting > 0 && !r->idle && r->open < r->most &&
                   clock_mono_ms() >= r->grow_at_ms) {
            connect_one(r);
        } else if (!nothing_for(r, TEND_MS) && r->up && !r->stop) {
            tend(r);
        }
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

enum err_code redis_new(const struct conf_cache *conf, redis_told_fn told, void *ctx,
                        struct redis **ret_redis, struct err *e)
{
    struct redis *r;
    struct redis_dial dial;

    if (!libhiredis())
        return err_set(e, ERR_UNAVAILABLE, "libhiredis can't be loaded; install libhiredis0.14");
    if (redis_dial_init(&dial, conf, e) != ERR_OK) {
        redis_dial_done(&dial);
        return e->code;
    }
    r = NEW(struct redis);
    r->dial = dial;
    r->told = told;
    r->ctx = ctx;
    r->most = (unsigned)conf->redis_connections;
    r->timeout_ms = (int64_t)conf->redis_timeout_ms;
    r->retry_ms = RETRY_FIRST_MS;
    pthread_mutex_init(&r->mutex, NULL);
    pthread_mutex_init(&r->telling, NULL);
    thread_cond_init(&r->given);
    thread_cond_init(&r->work);
    if (thread_start(&r->keeper, "redis", THREAD_STACK_USUAL, keep, r) != 0) {
        r->stop = true;
        redis_free(r);
        return err_set(e, ERR_INTERNAL, "no thread for Redis");
    }
    *ret_redis = r;
    return ERR_OK;
}

void redis_free(struct redis *r)
{
    bool running;

    if (!r)
        return;
    pthread_mutex_lock(&r->mutex);
    running = !r->stop;
    r->stop = true;
    pthread_cond_signal(&r->work);
    pthread_mutex_unlock(&r->mutex);
    if (running)
        pthread_join(r->keeper, NULL);
    free_all(r->idle);
    redis_dial_done(&r->dial);
    pthread_cond_destroy(&r->work);
    pthread_cond_destroy(&r->given);
    pthread_mutex_destroy(&r->telling);
    pthread_mutex_destroy(&r->mutex);
    free(r);
}

bool redis_up(struct redis *r, char ret_server[static REDIS_SERVER_SIZE])
{
    bool up;

    pthread_mutex_lock(&r->mutex);
    up = r->up;
    memcpy(ret_server, r->server, REDIS_SERVER_SIZE);
    pthread_mutex_unlock(&r->mutex);
    return up;
}

void redis_trouble(struct redis *r, struct err *ret_why)
{
    pthread_mutex_lock(&r->mutex);
    *ret_why = r->up ? (struct err){0} : r->why;
    pthread_mutex_unlock(&r->mutex);
}

enum err_code redis_open_line(struct redis *r, struct redis_line **ret_line,
                              char ret_server[static REDIS_SERVER_SIZE], struct err *e)
{
    return redis_dial_open(&r->dial, ret_line, ret_server, e);
}

int64_t redis_timeout_ms(const struct redis *r)
{
    return r->timeout_ms;
}
