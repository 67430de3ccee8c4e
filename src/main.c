/* The one place that names concrete drivers: it wires them, then runs a command. */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "cache/disk/disk.h"
#include "cache/memory.h"
#include "cache/redis_cache.h"
#include "cli/cli.h"
#include "cli/command_accounts.h"
#include "core/owner.h"
#include "net/aws_credentials.h"
#include "net/redis.h"
#include "net/redis_prove.h"
#include "replicas/channel_redis.h"
#include "replicas/database_id.h"
#include "replicas/replicas.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What stores in S3 and tables sign with, each with its own; a command opens two of each at most.
 */
#define CREDENTIALS_MOST 8

static struct aws_credentials *credentials[CREDENTIALS_MOST];
static size_t n_credentials;

/* That of the process, once something was opened that uses it. */
static struct redis *redis;

static void copy_key(const struct aws_key *key, struct store_s3_key *ret_key)
{
    snprintf(ret_key->access, sizeof(ret_key->access), "%s", key->access);
    snprintf(ret_key->secret, sizeof(ret_key->secret), "%s", key->secret);
    buf_add_str(&ret_key->token, buf_str(&key->token));
}

static enum err_code current_key(void *ctx, struct store_s3_key *ret_key, struct err *e)
{
    AUTO(aws_key) struct aws_key key = {0};

    TRY(aws_credentials_get(ctx, &key, e));
    copy_key(&key, ret_key);
    return ERR_OK;
}

static enum err_code key_now(void *ctx, struct store_s3_key *ret_key, struct err *e)
{
    AUTO(aws_key) struct aws_key key = {0};

    TRY(aws_credentials_get_now(ctx, &key, e));
    copy_key(&key, ret_key);
    return ERR_OK;
}

static void key_refused(void *ctx, const struct store_s3_key *refused)
{
    struct aws_key key = {.token = refused->token}; /* borrowed */

    snprintf(key.access, sizeof(key.access), "%s", refused->access);
    snprintf(key.secret, sizeof(key.secret), "%s", refused->secret);
    aws_credentials_refused(ctx, &key);
}

static struct aws_credentials *credentials_of(const struct conf_s3 *s3)
{
    const struct aws_credentials_options o = {
        .access_key = s3->access_key,
        .access_key_file = s3->access_key_file,
        .secret_key = s3->secret_key,
        .secret_key_file = s3->secret_key_file,
        .session_token = s3->session_token,
        .region = s3->region,
        .ca_file = s3->ca_file,
        .environment = environ,
    };

    return aws_credentials_new(&o);
}

static enum err_code s3_options(const struct conf *c, char temp_path[static PATH_MAX],
                                struct store_s3_options *ret_options, struct err *e)
{
    static const enum store_s3_sse sse[] = {
        [CONF_SSE_NONE] = STORE_S3_SSE_NONE,
        [CONF_SSE_S3] = STORE_S3_SSE_S3,
        [CONF_SSE_KMS] = STORE_S3_SSE_KMS,
    };
    const struct conf_s3 *s3 = &c->storage.s3;

    if (n_credentials == CREDENTIALS_MOST)
        return err_set(e, ERR_INTERNAL, "more buckets than a command has use for");
    credentials[n_credentials] = credentials_of(s3);
    snprintf(temp_path, PATH_MAX, "%s/temp", c->storage.root);
    *ret_options = (struct store_s3_options){
        .bucket = s3->bucket,
        .region = s3->region,
        .prefix = s3->prefix,
        .endpoint = s3->endpoint,
        .path_style = s3->path_style,
        .ca_file = s3->ca_file,
        .key = current_key,
        .key_now = key_now,
        .key_refused = key_refused,
        .ctx = credentials[n_credentials++],
        .sse = sse[s3->sse],
        .kms_key_id = s3->kms_key_id,
        .storage_class = s3->storage_class,
        .versioning = s3->versioning,
        .lifecycle = {s3->lifecycle.expire_uploads_days, s3->lifecycle.abort_multipart_days,
                      s3->lifecycle.expire_versions_days, s3->lifecycle.transition_days,
                      s3->lifecycle.transition_class, s3->lifecycle.expire_originals_days},
        .part_bytes = s3->part_bytes,
        .read_ahead_bytes = s3->read_ahead_bytes,
        .concurrency = (unsigned)s3->concurrency,
        .temp_path = temp_path,
        .temp_bytes = s3->temp_bytes,
        .timeout_ms = s3->timeout_ms,
    };
    return ERR_OK;
}

typedef enum err_code open_bucket_fn(const struct store_s3_options *o, struct store **ret_store,
                                     struct err *e);

static enum err_code open_bucket(const struct conf *c, open_bucket_fn *open,
                                 struct store **ret_store, struct err *e)
{
    char temp_path[PATH_MAX];
    struct store_s3_options o;

    TRY(s3_options(c, temp_path, &o, e));
    return open(&o, ret_store, e);
}

/* A cache that can't be used makes the store slower, no more. */
static struct store *add_cache(const struct conf *conf, struct store *inner)
{
    const struct conf_cache *c = &conf->storage.cache;
    struct cache_disk_options o = {
        .path = c->disk_path,
        .max_bytes = c->disk_size_gb << 30,
        .from = conf->storage.backend == CONF_STORAGE_S3 ? "S3" : NULL,
    };
    struct store *cached;
    struct err e;

    if (!c->disk_path[0])
        return inner;
    if (cache_disk_new(inner, &o, &cached, &e) == ERR_OK)
        return cached;
    log_err(LOG_WARNING, "the cache on disk can't be used; the store is read without it", &e);
    return inner;
}

static enum err_code open_plain_store(const struct conf *c, bool beside, struct store **ret_store,
                                      struct err *e)
{
    struct store_fs_options fs = {
        .root = c->storage.root, .fsync = c->storage.fsync, .beside = beside};

    if (c->storage.backend == CONF_STORAGE_MEM) {
        *ret_store = store_mem_new();
        return ERR_OK;
    }
    if (c->storage.backend == CONF_STORAGE_S3)
        return open_bucket(c, store_s3_new, ret_store, e);
    return store_fs_new(&fs, ret_store, e);
}

static enum err_code open_store(const struct conf *c, struct store **ret_store, struct err *e)
{
    TRY(open_plain_store(c, false, ret_store, e));
    *ret_store = add_cache(c, *ret_store);
    return ERR_OK;
}

static enum err_code open_store_beside(const struct conf *c, struct store **ret_store,
                                       struct err *e)
{
    return open_plain_store(c, true, ret_store, e);
}

/* What a reference registry keeps where the configuration says. */
static enum err_code open_distribution(const struct conf *c, struct store **ret_store,
                                       struct err *e)
{
    if (c->storage.backend == CONF_STORAGE_S3)
        return open_bucket(c, store_s3_distribution_new, ret_store, e);
    return store_distribution_new(c->storage.root, ret_store, e);
}

static bool on_server(const struct conf *c)
{
    return c->metadata.driver != CONF_METADATA_SQLITE;
}

static bool in_memory(const struct conf *c)
{
    return !on_server(c) && !c->metadata.sqlite_path[0] && c->storage.backend == CONF_STORAGE_MEM;
}

static void database_path(const struct conf *c, char dst[static PATH_MAX])
{
    if (c->metadata.sqlite_path[0])
        snprintf(dst, PATH_MAX, "%s", c->metadata.sqlite_path);
    else if (in_memory(c))
        snprintf(dst, PATH_MAX, ":memory:");
    else
        snprintf(dst, PATH_MAX, "%s/registry.db", c->storage.root);
}

/* A database that was lost, or that the configuration looks for in the wrong place, would else look
 * like a registry that forgot its images. */
static void warn_of_missing(const struct conf *c)
{
    char path[PATH_MAX];
    struct stat status;
    bool there;

    if (on_server(c))
        return;
    database_path(c, path);
    there = stat(path, &status) == 0 && status.st_size > 0;
    if (c->storage.backend != CONF_STORAGE_FILESYSTEM || there || !store_fs_used(c->storage.root))
        return;
    log_event(LOG_WARNING,
              "there is no database, but the store holds repositories: what is in them is not "
              "served until the database is back; `registry reindex` makes one from the store",
              LOG_TEXT("database", path), LOG_TEXT("storage", c->storage.root));
}

static enum err_code open_reserve(const struct conf *c, struct reserve **ret_reserve, struct err *e)
{
    char database[PATH_MAX], path[PATH_MAX + 16];

    *ret_reserve = NULL;
    if (in_memory(c) || on_server(c))
        return ERR_OK;
    database_path(c, database);
    snprintf(path, sizeof(path), "%s-reserve", database);
    return reserve_new(path, c->storage.reserve_bytes, ret_reserve, e);
}

static enum err_code open_sqlite(const struct conf *c, struct reserve *reserve,
                                 struct meta **ret_meta, struct err *e)
{
    char path[PATH_MAX];
    struct meta_sqlite_options sqlite = {
        .path = path,
        .fsync = c->storage.fsync,
        .read_connections = (unsigned)c->metadata.sqlite_read_connections,
        .cache_bytes = c->metadata.sqlite_cache_bytes,
        .reserve = reserve,
    };

    database_path(c, path);
    /* `registry user add` may be the first command of all. */
    if (!c->metadata.sqlite_path[0] && !in_memory(c))
        TRY(file_mkdirs_at(AT_FDCWD, c->storage.root, c->storage.fsync, e));
    return meta_sqlite_new(&sqlite, ret_meta, e);
}

static enum err_code open_postgres(const struct conf *c, uint64_t connections, uint64_t timeout_ms,
                                   struct meta **ret_meta, struct err *e)
{
    const struct aws_credentials_options keys = {.region = c->metadata.dynamodb.region,
                                                 .environment = environ};
    struct meta_postgres_options postgres = {
        .url = c->metadata.url,
        .password_file = c->metadata.password_file,
        .iam_region = c->metadata.dynamodb.region,
        .connections = (unsigned)connections,
        .connect_timeout_ms = c->metadata.connect_timeout_ms,
        .timeout_ms = timeout_ms,
    };

    if (c->metadata.iam && n_credentials == CREDENTIALS_MOST)
        return err_set(e, ERR_INTERNAL, "more databases than a command has use for");
    if (c->metadata.iam)
        postgres.iam = credentials[n_credentials++] = aws_credentials_new(&keys);
    return meta_postgres_new(&postgres, ret_meta, e);
}

/* One that is there from the beginning is nothing to tell of. */
static void tell_redis(void *ctx, bool up, const struct err *why)
{
    static bool was_down;

    (void)ctx;
    if (!up)
        log_err(LOG_WARNING, "Redis is down; it is done without", why);
    else if (was_down)
        log_event(LOG_INFO, "Redis is up again");
    was_down = !up;
}

static enum err_code open_redis(const struct conf *c, struct redis **ret_redis, struct err *e)
{
    *ret_redis = redis;
    if (redis || c->storage.cache.type != CONF_CACHE_REDIS || !on_server(c))
        return ERR_OK;
    TRY(redis_new(&c->storage.cache, tell_redis, NULL, &redis, e));
    *ret_redis = redis;
    return ERR_OK;
}

static enum err_code open_dynamodb(const struct conf *c, struct meta **ret_meta, struct err *e)
{
    const struct conf_dynamodb *d = &c->metadata.dynamodb;
    const struct aws_credentials_options keys = {
        .access_key = d->access_key,
        .access_key_file = d->access_key_file,
        .secret_key = d->secret_key,
        .secret_key_file = d->secret_key_file,
        .session_token = d->session_token,
        .region = d->region,
        .ca_file = d->ca_file,
        .environment = environ,
    };
    struct meta_dynamodb_options o = {.table = d->table,
                                      .region = d->region,
                                      .endpoint = d->endpoint,
                                      .ca_file = d->ca_file,
                                      .timeout_ms = d->timeout_ms};

    if (n_credentials == CREDENTIALS_MOST)
        return err_set(e, ERR_INTERNAL, "more tables than a command has use for");
    o.credentials = credentials[n_credentials++] = aws_credentials_new(&keys);
    return meta_dynamodb_new(&o, ret_meta, e);
}

static enum err_code open_database(const struct conf *c, struct reserve *reserve,
                                   struct meta **ret_meta, struct err *e)
{
    switch (c->metadata.driver) {
    case CONF_METADATA_POSTGRESQL:
        return open_postgres(c, c->metadata.connections, c->metadata.timeout_ms, ret_meta, e);
    case CONF_METADATA_DYNAMODB:
        return open_dynamodb(c, ret_meta, e);
    default:
        return open_sqlite(c, reserve, ret_meta, e);
    }
}

static void tell_members(const char *what, const struct err *e)
{
    log_err(LOG_WARNING, what, e);
}

static struct meta *add_members(const struct conf *c, struct meta *line, struct meta *inner)
{
    static char name[HOST_NAME_MAX + 32];
    struct members_options o = {
        .lease_ms = c->replicas.lease_ms, .name = name, .line = line, .report = tell_members};

    if (gethostname(name, HOST_NAME_MAX) != 0)
        name[0] = '\0';
    snprintf(name + strlen(name), 32, ":%d", (int)getpid());
    return replicas_new(inner, &o);
}

/* A server renews its row in time also while requests have all connections. */
static enum err_code open_line(const struct conf *c, struct meta **ret_line, struct err *e)
{
    uint64_t lease_ms = c->replicas.lease_ms, timeout_ms = c->metadata.timeout_ms;

    if (c->metadata.driver != CONF_METADATA_POSTGRESQL)
        return ERR_OK;
    return open_postgres(c, 1, timeout_ms < lease_ms / 2 ? timeout_ms : lease_ms / 2, ret_line, e);
}

/* What they tell each other and keep together. Without it each asks the database. */
static enum err_code use_redis(const struct conf *c, struct meta *replicas, struct meta **ret_meta,
                               struct err *e)
{
    struct cache_redis_options o = {.replicas = replicas, .prefix = c->storage.cache.redis_prefix};
    char name[CHANNEL_REDIS_NAME_MAX];
    struct channel *channel;

    TRY(open_redis(c, &o.redis, e));
    if (!o.redis)
        return ERR_OK;
    TRY(database_id(replicas, &o.database, e));
    snprintf(name, sizeof(name), "%smembers:%s", c->storage.cache.redis_prefix, o.database.text);
    TRY(channel_redis_new(o.redis, name, &channel, e));
    replicas_use(replicas, channel);
    *ret_meta = cache_redis_new(replicas, &o);
    return ERR_OK;
}

static enum err_code open_meta(const struct conf *c, struct reserve *reserve,
                               struct members **ret_members, struct meta **ret_meta, struct err *e)
{
    struct meta *meta = NULL, *replicas, *line = NULL;
    struct err why;

    TRY(open_database(c, reserve, &meta, e));
    if (ret_members && open_line(c, &line, e) != ERR_OK) {
        meta_free(meta);
        return e->code;
    }
    meta = replicas = add_members(c, line, meta);
    if (ret_members)
        *ret_members = replicas_members(replicas);
    if (meta_is_shared(meta) && use_redis(c, replicas, &meta, &why) != ERR_OK)
        log_err(LOG_WARNING, "Redis can't be used; it is done without", &why);
    meta = cache_memory_new(meta, c->registry.manifest_cache_bytes);
    if (meta_is_shared(meta))
        cache_memory_join(meta, replicas);
    *ret_meta = meta;
    return ERR_OK;
}

/* Of what is not there yet: where it would be made. */
static int try_directory(const char *path)
{
    char place[PATH_MAX];
    int error;

    snprintf(place, sizeof(place), "%s", path);
    while ((error = file_try_directory(place)) == ENOENT) {
        char *slash = strrchr(place, '/');

        if (strcmp(place, ".") == 0)
            break;
        if (slash)
            slash[slash == place] = '\0';
        else
            strcpy(place, ".");
    }
    return error;
}

static void prove_directory(const char *path, const char *what, store_right_fn *fn, void *ctx)
{
    struct store_right r = {.name = path, .tried = what, .why = "", .remedy = ""};
    int error = try_directory(path);

    if (error) {
        r.state = STORE_RIGHT_REFUSED;
        r.is_missing = true;
        r.why = strerror(error);
        r.remedy = "whoever runs the server must be able to write there";
    }
    fn(ctx, &r);
}

struct telling {
    store_right_fn *fn;
    void *ctx;
};

static void tell_proven(void *ctx, const char *name, const char *what, const struct err *why)
{
    const struct telling *t = ctx;
    struct store_right r = {.name = name, .tried = what, .why = "", .remedy = ""};

    if (why) {
        r.state = STORE_RIGHT_REFUSED;
        r.is_missing = true;
        r.why = why->detail;
        if (strstr(why->detail, "NOPERM"))
            r.remedy = "what its user must be allowed to do: docs/redis.md";
    }
    t->fn(t->ctx, &r);
}

/* The mark of the store; NOT_FOUND also where it can't be read, for that was told. */
static enum err_code read_mark(const struct conf *c, const struct store_s3_options *s3,
                               struct owner *ret_owner, struct err *e)
{
    AUTO(buf) struct buf mark = {0};
    enum err_code code;

    buf_init(&mark, STORE_MARK_MAX);
    code = s3 ? store_s3_mark(s3, &mark, e) : store_fs_mark(c->storage.root, &mark, e);
    if (code == ERR_STORAGE_READONLY)
        return ERR_NOT_FOUND;
    TRY(code);
    return owner_parse(buf_str(&mark), ret_owner, e);
}

/* The database is asked only where the store says that it belongs to one, and made by nobody. */
static enum err_code compare_owner(const struct conf *c, const struct owner *o, struct err *e)
{
    struct meta *meta = NULL;
    enum err_code code;

    if (cli_has_database(c))
        TRY(open_database(c, NULL, &meta, e));
    code = owner_check(o, meta, e);
    meta_free(meta);
    return code;
}

/* Which database the store belongs to; nothing, where it belongs to none yet. s3: NULL of files. */
static void prove_owner(const struct conf *c, const struct store_s3_options *s3, struct telling *t)
{
    struct owner o;
    struct err e;
    enum err_code code = read_mark(c, s3, &o, &e);

    if (code == ERR_NOT_FOUND)
        return;
    if (code == ERR_OK)
        code = compare_owner(c, &o, &e);
    tell_proven(t, "registry.json", "which database the store belongs to",
                code == ERR_OK ? NULL : &e);
}

static enum err_code prove(const struct conf *c, store_right_fn *fn, void *ctx, struct err *e)
{
    struct telling t = {fn, ctx};
    char temp_path[PATH_MAX], database[PATH_MAX];
    struct store_s3_options o;

    database_path(c, database);
    if (c->storage.backend != CONF_STORAGE_MEM)
        prove_directory(c->storage.root, "storage.filesystem.root", fn, ctx);
    if (c->metadata.sqlite_path[0])
        prove_directory(dirname(database), "metadata.sqlite.path", fn, ctx);
    if (c->storage.cache.disk_path[0])
        prove_directory(c->storage.cache.disk_path, "storage.cache.disk_path", fn, ctx);
    if (c->storage.cache.type == CONF_CACHE_REDIS)
        redis_prove(&c->storage.cache, tell_proven, &t);
    if (c->storage.backend == CONF_STORAGE_FILESYSTEM)
        prove_owner(c, NULL, &t);
    if (c->storage.backend != CONF_STORAGE_S3)
        return ERR_OK;
    TRY(s3_options(c, temp_path, &o, e));
    TRY(store_s3_prove(&o, fn, ctx, e));
    prove_owner(c, &o, &t);
    return ERR_OK;
}

int main(int argc, char **argv)
{
    struct cli cli = {
        .out = stdout,
        .err = stderr,
        .environment = environ,
        .open_store = open_store,
        .open_store_beside = open_store_beside,
        .open_distribution = open_distribution,
        .warn_of_missing = warn_of_missing,
        .open_meta = open_meta,
        .open_redis = open_redis,
        .open_reserve = open_reserve,
        .prove = prove,
    };
    int status;

    status = cli_main(&cli, argc, argv);
    redis_free(redis);
    while (n_credentials > 0)
        aws_credentials_free(credentials[--n_credentials]);
    return status;
}
