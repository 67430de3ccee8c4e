#include "net/redis_dial.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "net/redis_tls.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#define PASSWORD_MAX 4096

enum err_code redis_dial_init(struct redis_dial *d, const struct conf_cache *conf, struct err *e)
{
    *d = (struct redis_dial){
        .password_file = str_dup(str_of(conf->redis_password_file)),
        .sentinel_password_file = str_dup(str_of(conf->redis_sentinel_password_file)),
        .connect_timeout_ms = (int64_t)conf->redis_connect_timeout_ms,
        .timeout_ms = (int64_t)conf->redis_timeout_ms,
    };
    TRY(conf_redis_url_parse(str_of(conf->redis_url), &d->url, e));
    return d->url.tls ? redis_tls_new(conf->redis_ca_file, &d->tls, e) : ERR_OK;
}

void redis_dial_done(struct redis_dial *d)
{
    SSL_CTX_free(d->tls);
    free(d->password_file);
    free(d->sentinel_password_file);
    OPENSSL_cleanse(d->url.password, sizeof(d->url.password));
    d->tls = NULL;
}

/* Read each time: it may be renewed. Without the end of its line. */
static enum err_code read_password(const char *key, const char *path, struct buf *ret,
                                   struct err *e)
{
    if (file_read_at(AT_FDCWD, path, ret, e) != ERR_OK) {
        e->code = ERR_UNAVAILABLE;
        return err_prefix(e, "storage.cache.%s", key);
    }
    while (ret->n > 0 && (ret->p[ret->n - 1] == '\n' || ret->p[ret->n - 1] == '\r'))
        ret->n--;
    return ERR_OK;
}

static enum err_code sign_in_with(struct redis_line *l, struct str user, struct str password,
                                  int64_t deadline_ms, struct err *e)
{
    const struct str both[] = {STR("AUTH"), user, password}, one[] = {STR("AUTH"), password};
    AUTO(redis_reply) struct redis_reply ignored = {0};
    enum redis_outcome o = user.n ? redis_line_ask(l, both, 3, deadline_ms, &ignored, e)
                                  : redis_line_ask(l, one, 2, deadline_ms, &ignored, e);

    if (o == REDIS_ANSWERED)
        return ERR_OK;
    /* A server that does not know the command repeats its words. */
    if (str_contains(str_of(e->detail), password))
        err_set(e, ERR_UNAVAILABLE, "Redis %s refuses to be signed in to", redis_line_name(l));
    return ERR_UNAVAILABLE;
}

/* With the password of the file, or else the one given; without any, nobody signs in. */
static enum err_code sign_in(struct redis_line *l, const char *user, const char *given,
                             const char *key, const char *file, int64_t deadline_ms, struct err *e)
{
    AUTO(buf) struct buf password = {0};
    enum err_code code = ERR_OK;

    buf_init(&password, PASSWORD_MAX);
    buf_add_text(&password, given);
    if (*file)
        TRY(read_password(key, file, &password, e));
    if (password.n > 0)
        code = sign_in_with(l, str_of(user), buf_str(&password), deadline_ms, e);
    if (password.p)
        OPENSSL_cleanse(password.p, password.cap);
    return code;
}

/* Who it is. */

/* The value of a line "name:value" of INFO; nothing when it is not there. */
static struct str info_value(struct str info, struct str name)
{
    struct str line, key;
    bool more;

    do {
        more = str_cut(&info, '\n', &line);
        if (str_ends(line, STR("\r")))
            line.n--;
        if (str_cut(&line, ':', &key) && str_eq(key, name))
            return line;
    } while (more);
    return STR_NONE;
}

static enum err_code ask(struct redis_line *l, const struct str *words, size_t n,
                         int64_t deadline_ms, struct redis_reply *ret_reply, struct err *e)
{
    return redis_line_ask(l, words, n, deadline_ms, ret_reply, e) == REDIS_ANSWERED
               ? ERR_OK
               : ERR_UNAVAILABLE;
}

static enum err_code refuse(const struct redis_line *l, const char *what, struct err *e)
{
    return err_set(e, ERR_CONFIG, "Redis %s: %s", redis_line_name(l), what);
}

static enum err_code check_kind(const struct redis_line *l, struct str server, struct err *e)
{
    struct str mode = info_value(server, STR("redis_mode"));

    if (str_eq(mode, STR("cluster")))
        return refuse(l, "it belongs to a Redis Cluster, which is not supported", e);
    if (str_eq(mode, STR("sentinel")))
        return refuse(l, "it is a Sentinel; its address is 'redis+sentinel://HOST/NAME'", e);
    return ERR_OK;
}

/* Of the server and of what it took over from another: a replica that is made master gets a new
 * replication id, and one that comes back later gets one again. */
static enum err_code identify(struct redis_line *l, int64_t deadline_ms,
                              char ret_server[static REDIS_SERVER_SIZE], struct err *e)
{
    static const struct str server[] = {STR("INFO"), STR("server")};
    static const struct str replication[] = {STR("INFO"), STR("replication")};
    AUTO(redis_reply) struct redis_reply about = {0};
    AUTO(redis_reply) struct redis_reply role = {0};
    struct str run, line;
    struct digest d;
    char both[128];
    int n;

    TRY(ask(l, server, 2, deadline_ms, &about, e));
    TRY(check_kind(l, redis_reply_str(about.r), e));
    TRY(ask(l, replication, 2, deadline_ms, &role, e));
    if (!str_eq(info_value(redis_reply_str(role.r), STR("role")), STR("master")))
        return err_set(e, ERR_UNAVAILABLE, "Redis %s: it is a replica, and takes no writes",
                       redis_line_name(l));
    run = info_value(redis_reply_str(about.r), STR("run_id"));
    line = info_value(redis_reply_str(role.r), STR("master_replid"));
    n = snprintf(both, sizeof(both), STR_FMT " " STR_FMT, STR_ARG(run), STR_ARG(line));
    if (run.n == 0 || line.n == 0 || n >= (int)sizeof(both))
        return refuse(l, "it does not say who it is (INFO)", e);
    digest_of(DIGEST_SHA256, both, (size_t)n, &d);
    memcpy(ret_server, digest_hex(&d).p, REDIS_SERVER_SIZE - 1);
    ret_server[REDIS_SERVER_SIZE - 1] = '\0';
    return ERR_OK;
}

enum err_code redis_dial_check(const struct redis_dial *d, struct redis_line *l,
                               char ret_server[static REDIS_SERVER_SIZE], struct err *e)
{
    return identify(l, clock_mono_ms() + d->timeout_ms, ret_server, e);
}

/* It must answer within the time of a command, or it would be left again at once. While it loads
 * what it had saved it answers this with an error, unlike INFO. */
static enum err_code try_it(const struct redis_dial *d, struct redis_line *l, struct err *e)
{
    static const struct str ping[] = {STR("PING")};
    AUTO(redis_reply) struct redis_reply ignored = {0};

    return ask(l, ping, 1, clock_mono_ms() + d->timeout_ms, &ignored, e);
}

static enum err_code greet(const struct redis_dial *d, struct redis_line *l, int64_t deadline_ms,
                           char ret_server[static REDIS_SERVER_SIZE], struct err *e)
{
    AUTO(redis_reply) struct redis_reply ignored = {0};
    char number[24];
    struct str select[] = {STR("SELECT"), {number, 0}};

    TRY(sign_in(l, d->url.user, d->url.password, "redis_password_file", d->password_file,
                deadline_ms, e));
    TRY(identify(l, deadline_ms, ret_server, e));
    if (d->url.database > 0) {
        select[1].n =
            (size_t)snprintf(number, sizeof(number), "%llu", (unsigned long long)d->url.database);
        TRY(ask(l, select, 2, deadline_ms, &ignored, e));
    }
    return try_it(d, l, e);
}

/* Which server. */

/* Asks one Sentinel ("Sentinel client spec", step 2). */
static enum err_code ask_sentinel(const struct redis_dial *d, const struct conf_redis_host *at,
                                  int64_t deadline_ms, struct conf_redis_host *ret_master,
                                  struct err *e)
{
    const struct str words[] = {STR("SENTINEL"), STR("get-master-addr-by-name"),
                                str_of(d->url.name)};
    AUTO(redis_line) struct redis_line *l = NULL;
    AUTO(redis_reply) struct redis_reply reply = {0};
    uint64_t port;

    TRY(redis_line_open(at->name, at->port, d->tls, deadline_ms, &l, e));
    TRY(sign_in(l, "", "", "redis_sentinel_password_file", d->sentinel_password_file, deadline_ms,
                e));
    TRY(ask(l, words, 3, deadline_ms, &reply, e));
    if (!str_copy(redis_reply_str(redis_reply_at(reply.r, 0)), ret_master->name,
                  sizeof(ret_master->name)) ||
        !str_to_u64(redis_reply_str(redis_reply_at(reply.r, 1)), UINT16_MAX, &port))
        return err_set(e, ERR_UNAVAILABLE, "Sentinel %s knows no server of the name '%.100s'",
                       redis_line_name(l), d->url.name);
    ret_master->port = (uint16_t)port;
    return ERR_OK;
}

/* Each Sentinel in turn, with its share of the time: one that hangs must not take that of all. */
static enum err_code find_master(const struct redis_dial *d, int64_t deadline_ms,
                                 struct conf_redis_host *ret_master, struct err *e)
{
    enum err_code code = ERR_UNAVAILABLE;

    for (size_t i = 0; i < d->url.n_hosts && code != ERR_OK; i++) {
        int64_t now = clock_mono_ms();
        int64_t share = (deadline_ms - now) / (int64_t)(d->url.n_hosts - i + 1);

        code = ask_sentinel(d, &d->url.hosts[i], now + share, ret_master, e);
    }
    return code;
}

enum err_code redis_dial_open(const struct redis_dial *d, struct redis_line **ret_line,
                              char ret_server[static REDIS_SERVER_SIZE], struct err *e)
{
    int64_t deadline_ms = clock_mono_ms() + d->connect_timeout_ms;
    AUTO(redis_line) struct redis_line *l = NULL;
    struct conf_redis_host host = d->url.hosts[0];

    if (d->url.sentinel)
        TRY(find_master(d, deadline_ms, &host, e));
    TRY(redis_line_open(host.name, host.port, d->tls, deadline_ms, &l, e));
    TRY(greet(d, l, deadline_ms, ret_server, e));
    *ret_line = STEAL(l);
    return ERR_OK;
}
