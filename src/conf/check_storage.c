#include "conf/check_storage.h"

#include "base/mem.h"
#include "conf/check_key.h"
#include "conf/redis_url.h"
#include "conf/url.h"
#include "conf/value.h"

#define DAY_MS           86400000ull
#define PART_LEAST_BYTES (5ull << 20)

void conf_settle_storage(const struct conf_source *s)
{
    struct conf_s3 *s3 = &s->conf->storage.s3;
    size_t n = strlen(s3->prefix);

    if (!conf_given(s, conf_row_find(STR("storage.s3.path_style"))))
        s3->path_style = s3->endpoint[0];
    if (n > 0 && s3->prefix[n - 1] != '/') {
        s3->prefix = mem_resize(s3->prefix, n + 2);
        memcpy(s3->prefix + n, "/", 2);
    }
}

static void warn(const struct conf_source *s, const char *key, const char *text)
{
    struct err e;

    err_set(&e, ERR_CONFIG, "%s", text);
    conf_place_named(s, key, &e);
    conf_strings_add(&s->conf->warnings, str_of(e.detail));
}

static bool all_of(struct str s, const char *others)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!str_is_alphanumeric(s.p[i]) && !strchr(others, s.p[i]))
            return false;
    }
    return s.n > 0;
}

static enum err_code check_bucket(const struct conf_source *s, struct err *e)
{
    const struct conf_storage *c = &s->conf->storage;
    const char *bucket = c->s3.bucket;

    if (c->backend == CONF_STORAGE_S3 && !*bucket) {
        err_set(e, ERR_CONFIG, "'s3' needs a bucket: set storage.s3.bucket");
        return conf_place_named(s, "storage.backend", e);
    }
    if (!*bucket || (strlen(bucket) >= 3 && all_of(str_of(bucket), ".-_")))
        return ERR_OK;
    err_set(e, ERR_CONFIG,
            "'%.80s' is no name of a bucket; allowed are 3 to 63 letters, digits, dots and '-'",
            bucket);
    return conf_place_named(s, "storage.s3.bucket", e);
}

/* "a/b/", or nothing. What S3 servers take in a key without doubt, and none of them resolves. */
static bool prefix_valid(struct str prefix)
{
    struct str part;

    if (prefix.n == 0)
        return true;
    prefix.n--; /* the slash, see conf_settle_storage() */
    do {
        bool more = str_cut(&prefix, '/', &part);

        if (!all_of(part, "-._") || str_eq(part, STR(".")) || str_eq(part, STR("..")))
            return false;
        if (!more)
            return true;
    } while (true);
}

static enum err_code check_prefix(const struct conf_source *s, struct err *e)
{
    const char *prefix = s->conf->storage.s3.prefix;

    if (prefix_valid(str_of(prefix)))
        return ERR_OK;
    err_set(e, ERR_CONFIG,
            "'%.80s' is no prefix; allowed is one such as 'registry/', of letters, digits and -._ "
            "with slashes between and none before",
            prefix);
    return conf_place_named(s, "storage.s3.prefix", e);
}

/* name: of the key. */
static enum err_code check_server(const struct conf_source *s, const char *endpoint,
                                  const char *name, struct err *e)
{
    struct conf_url url;
    bool http;

    if (!*endpoint)
        return ERR_OK;
    if (!conf_url_parse(str_of(endpoint), &url) || url.path.n > 1 ||
        (url.path.n == 1 && url.path.p[0] != '/') ||
        (!str_ieq(url.scheme, STR("http")) && !str_ieq(url.scheme, STR("https")))) {
        err_set(e, ERR_CONFIG,
                "'%.80s' is no address of a server; allowed is 'https://HOST[:PORT]', or 'http://' "
                "in the same way, without a path",
                endpoint);
        return conf_place_named(s, name, e);
    }
    http = str_ieq(url.scheme, STR("http"));
    if (http && !url.loopback)
        warn(s, name,
             "what is stored and read travels in the clear; use https where others can listen");
    return ERR_OK;
}

static enum err_code check_endpoint(const struct conf_source *s, struct err *e)
{
    return check_server(s, s->conf->storage.s3.endpoint, "storage.s3.endpoint", e);
}

/* A key of AWS, as it was configured, and the names of its parts. */
struct key_parts {
    const char *access, *access_file, *secret, *secret_file, *token;
    const char *access_name, *access_file_name, *secret_name, *secret_file_name, *token_name;
};

/* Which of a key and a file stands there; NULL: neither. */
static const char *given(const char *text, const char *name, const char *file,
                         const char *file_name)
{
    return *text ? name : *file ? file_name : NULL;
}

static enum err_code check_key_parts(const struct conf_source *s, const struct key_parts *k,
                                     struct err *e)
{
    const char *access = given(k->access, k->access_name, k->access_file, k->access_file_name);
    const char *secret = given(k->secret, k->secret_name, k->secret_file, k->secret_file_name);
    const char *at;

    if (*k->access && *k->access_file) {
        err_set(e, ERR_CONFIG, "is given as well as %s; leave out one of them", k->access_name);
        at = k->access_file_name;
    } else if (*k->secret && *k->secret_file) {
        err_set(e, ERR_CONFIG, "is given as well as %s; leave out one of them", k->secret_name);
        at = k->secret_file_name;
    } else if (access && !secret) {
        err_set(e, ERR_CONFIG, "an access key needs its secret: set %s too", k->secret_name);
        at = access;
    } else if (secret && !access) {
        err_set(e, ERR_CONFIG, "a secret needs its access key: set %s too", k->access_name);
        at = secret;
    } else if (*k->token && !access) {
        err_set(e, ERR_CONFIG, "goes with an access key: set %s too", k->access_name);
        at = k->token_name;
    } else {
        return ERR_OK;
    }
    return conf_place_named(s, at, e);
}

/* c: a struct with these fields; section: where they stand. */
#define KEY_PARTS(c, section)                                                                      \
    {                                                                                              \
        .access = (c)->access_key, .access_file = (c)->access_key_file, .secret = (c)->secret_key, \
        .secret_file = (c)->secret_key_file, .token = (c)->session_token,                          \
        .access_name = section "access_key", .access_file_name = section "access_key_file",        \
        .secret_name = section "secret_key", .secret_file_name = section "secret_key_file",        \
        .token_name = section "session_token"                                                      \
    }

static enum err_code check_keys(const struct conf_source *s, struct err *e)
{
    const struct key_parts k = KEY_PARTS(&s->conf->storage.s3, "storage.s3.");

    return check_key_parts(s, &k, e);
}

static enum err_code check_dynamodb(const struct conf_source *s, struct err *e)
{
    const struct conf_dynamodb *d = &s->conf->metadata.dynamodb;
    const struct key_parts k = KEY_PARTS(d, "metadata.dynamodb.");

    for (const char *c = d->table; *c; c++) {
        if (!str_is_alphanumeric(*c) && !strchr("_.-", *c)) {
            err_set(e, ERR_CONFIG,
                    "allowed are 3 to 255 letters, digits, '_', '.' and '-': '%.80s' is none",
                    d->table);
            return conf_place_named(s, "metadata.table", e);
        }
    }
    TRY(check_server(s, d->endpoint, "metadata.endpoint", e));
    return check_key_parts(s, &k, e);
}

/* A class of AWS whose objects can't be read before somebody has them restored. */
static bool frozen(const char *class)
{
    return str_eq(str_of(class), STR("GLACIER")) || str_eq(str_of(class), STR("DEEP_ARCHIVE"));
}

static enum err_code check_class(const struct conf_source *s, const char *key, const char *class,
                                 struct err *e)
{
    if (*class && !all_of(str_of(class), "_-"))
        err_set(e, ERR_CONFIG,
                "'%.80s' is no storage class; allowed is a name such as 'STANDARD_IA'", class);
    else if (frozen(class))
        err_set(e, ERR_CONFIG,
                "what is in '%s' can't be pulled before somebody has it restored; 'GLACIER_IR' and "
                "'INTELLIGENT_TIERING' can",
                class);
    else
        return ERR_OK;
    return conf_place_named(s, key, e);
}

static enum err_code check_stored(const struct conf_source *s, struct err *e)
{
    const struct conf_s3 *s3 = &s->conf->storage.s3;

    TRY(check_class(s, "storage.s3.storage_class", s3->storage_class, e));
    if (*s3->kms_key_id && s3->sse != CONF_SSE_KMS) {
        err_set(e, ERR_CONFIG, "is used with 'storage.s3.sse: kms' only");
        return conf_place_named(s, "storage.s3.kms_key_id", e);
    }
    if (s3->temp_bytes > 0 && s3->temp_bytes < PART_LEAST_BYTES) {
        err_set(e, ERR_CONFIG, "the smallest part of an upload has 5MiB; allowed is 0, or more");
        return conf_place_named(s, "storage.s3.temp_size", e);
    }
    return ERR_OK;
}

/* The server would delete what a client may still go on with. */
static enum err_code check_age(const struct conf_source *s, const char *key, uint64_t days,
                               struct err *e)
{
    if (days == 0 || days * DAY_MS > s->conf->registry.upload_timeout_ms)
        return ERR_OK;
    err_set(e, ERR_CONFIG, "must be longer than upload.timeout");
    return conf_place_named(s, key, e);
}

static enum err_code check_lifecycle(const struct conf_source *s, struct err *e)
{
    const struct conf_s3_lifecycle *l = &s->conf->storage.s3.lifecycle;

    TRY(check_age(s, "storage.s3.lifecycle.expire_uploads_days", l->expire_uploads_days, e));
    TRY(check_age(s, "storage.s3.lifecycle.abort_multipart_days", l->abort_multipart_days, e));
    TRY(check_class(s, "storage.s3.lifecycle.transition_class", l->transition_class, e));
    if (l->transition_days == 0 || *l->transition_class)
        return ERR_OK;
    err_set(e, ERR_CONFIG, "where to? Set storage.s3.lifecycle.transition_class too");
    return conf_place_named(s, "storage.s3.lifecycle.transition_days", e);
}

/* The password is given once. */
static enum err_code check_redis_user(const struct conf_source *s, const struct conf_redis_url *url,
                                      struct err *e)
{
    const struct conf_cache *c = &s->conf->storage.cache;

    if (*url->password && *c->redis_password_file) {
        err_set(e, ERR_CONFIG, "storage.cache.redis_url has a password; leave out one of them");
        return conf_place_named(s, "storage.cache.redis_password_file", e);
    }
    if (*url->user && !*url->password && !*c->redis_password_file) {
        err_set(e, ERR_CONFIG,
                "a user needs a password: 'redis://USER:PASSWORD@HOST', or a file "
                "(storage.cache.redis_password_file); a password alone is ':PASSWORD@'");
        return conf_place_named(s, "storage.cache.redis_url", e);
    }
    if (*c->redis_sentinel_password_file && !url->sentinel) {
        err_set(e, ERR_CONFIG, "is used with an address of Sentinels only ('redis+sentinel://')");
        return conf_place_named(s, "storage.cache.redis_sentinel_password_file", e);
    }
    return ERR_OK;
}

/* The URL may hold a password: no message repeats it. */
static enum err_code check_redis(const struct conf_source *s, struct err *e)
{
    const struct conf_cache *c = &s->conf->storage.cache;
    struct conf_redis_url url;

    if (conf_redis_url_parse(str_of(c->redis_url), &url, e) != ERR_OK)
        return conf_place_named(s, "storage.cache.redis_url", e);
    TRY(check_redis_user(s, &url, e));
    if (url.in_clear)
        warn(s, "storage.cache.redis_url",
             "what is kept in Redis, and its password, travel in the clear; use 'rediss://' where "
             "others can listen");
    return ERR_OK;
}

static enum err_code check_cache(const struct conf_source *s, struct err *e)
{
    const struct conf_cache *c = &s->conf->storage.cache;

    if (c->type == CONF_CACHE_REDIS && s->conf->metadata.driver == CONF_METADATA_SQLITE)
        warn(s, "storage.cache.type",
             "'redis' is of no use with 'metadata.driver: sqlite': one server alone has that "
             "database, and its memory is nearer");
    if (*c->redis_url)
        return check_redis(s, e);
    if (c->type != CONF_CACHE_REDIS)
        return ERR_OK;
    err_set(e, ERR_CONFIG, "'redis' needs an address: set storage.cache.redis_url");
    return conf_place_named(s, "storage.cache.type", e);
}

/* As above: no message repeats the URL. */
static enum err_code check_metadata(const struct conf_source *s, struct err *e)
{
    static const struct str schemes[] = {STR("postgresql://"), STR("postgres://")};
    const struct conf_metadata *m = &s->conf->metadata;
    struct str url = str_of(m->url);

    if (m->driver != CONF_METADATA_POSTGRESQL) {
        if (url.n == 0)
            return ERR_OK;
        err_set(e, ERR_CONFIG, "is used with 'metadata.driver: postgresql' only");
    } else if (url.n == 0) {
        err_set(e, ERR_CONFIG, "'postgresql' needs the address of a database: set metadata.url");
        return conf_place_named(s, "metadata.driver", e);
    } else if (str_starts(url, schemes[0]) || str_starts(url, schemes[1])) {
        return ERR_OK;
    } else {
        err_set(e, ERR_CONFIG, "allowed is an address that begins with 'postgresql://'");
    }
    return conf_place_named(s, "metadata.url", e);
}

static enum err_code check_iam(const struct conf_source *s, struct err *e)
{
    const struct conf_metadata *m = &s->conf->metadata;

    if (!m->iam || !m->password_file[0])
        return ERR_OK;
    err_set(e, ERR_CONFIG, "with it a token is the password: leave metadata.password_file out");
    return conf_place_named(s, "metadata.postgresql.iam", e);
}

enum err_code conf_check_storage(const struct conf_source *s, struct err *e)
{
    TRY(check_bucket(s, e));
    TRY(check_prefix(s, e));
    TRY(check_endpoint(s, e));
    TRY(check_keys(s, e));
    TRY(check_stored(s, e));
    TRY(check_lifecycle(s, e));
    TRY(conf_check_networks(s, "storage.s3.redirect.networks",
                            &s->conf->storage.s3.redirect.networks, e));
    TRY(check_metadata(s, e));
    TRY(check_iam(s, e));
    TRY(check_dynamodb(s, e));
    return check_cache(s, e);
}
