#include "cache/redis_shelf.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/uuid.h"

#include <inttypes.h>
#include <stdio.h>

/*
 * Values. Numbers have a fixed width, so that scripts can cut them out and compare them as text.
 *
 *     T BIRTH VERSION DIGEST      a tag
 *     M BIRTH LENGTH TYPE BYTES   a manifest; the length of its media type
 *     X ----- VERSION             what was dropped
 */
#define BIRTH      16
#define VERSION    20
#define LENGTH     4
#define AT_VERSION (1 + BIRTH)
#define AT_DIGEST  (AT_VERSION + VERSION)
#define AT_LENGTH  (1 + BIRTH)
#define AT_TYPE    (AT_LENGTH + LENGTH)

#define MEDIA_TYPE_MAX 255
#define KEEP_MS        "3600000"
#define TOMBSTONE_MS   "60000"
#define KEY_MAX        1024
#define DROP_KEYS_MAX  48 /* in one script */

/* KEYS: the tag. ARGV: what keys of manifests of its repository begin with. */
static const struct redis_script get_tag = {
    .keys = 1,
    .text = "local t = redis.call('GET', KEYS[1]) "
            "if not t or string.sub(t, 1, 1) ~= 'T' then return false end "
            "local m = redis.call('GET', ARGV[1] .. string.sub(t, 38)) "
            "if not m or string.sub(m, 1, 17) ~= 'M' .. string.sub(t, 2, 17) then "
            "return false end "
            "return {t, m}",
};

/* KEYS: tag, manifest. ARGV: version, digest, birth, the rest of the manifest's value, time. */
static const struct redis_script put_tag = {
    .keys = 2,
    .text = "local t = redis.call('GETRANGE', KEYS[1], 0, 36) "
            "local kind, version = string.sub(t, 1, 1), string.sub(t, 18, 37) "
            "if version > ARGV[1] or (kind == 'X' and version == ARGV[1]) then return 0 end "
            "local m = redis.call('GETRANGE', KEYS[2], 0, 16) "
            "local birth = string.sub(m, 2, 17) "
            "if string.sub(m, 1, 1) == 'X' then return 0 end "
            "if string.sub(m, 1, 1) == 'M' then redis.call('PEXPIRE', KEYS[2], ARGV[5]) "
            "else birth = ARGV[3] "
            "redis.call('SET', KEYS[2], 'M' .. birth .. ARGV[4], 'PX', ARGV[5]) end "
            "redis.call('SET', KEYS[1], 'T' .. birth .. ARGV[1] .. ARGV[2], 'PX', ARGV[5]) "
            "return 1",
};

/* KEYS: manifest. ARGV: birth, the rest of its value, time. */
static const struct redis_script put_manifest = {
    .keys = 1,
    .text = "local kind = redis.call('GETRANGE', KEYS[1], 0, 0) "
            "if kind == 'X' then return 0 end "
            "if kind == 'M' then redis.call('PEXPIRE', KEYS[1], ARGV[3]) "
            "else redis.call('SET', KEYS[1], 'M' .. ARGV[1] .. ARGV[2], 'PX', ARGV[3]) end "
            "return 1",
};

/* KEYS: of any kind. ARGV: time. What was on its way when the entry went is of its version at most;
 * where there was no entry, nobody knows of which. Where the memory is used up a tombstone may be
 * refused; that the entry goes is what matters. */
static const char drop_text[] =
    "for _, key in ipairs(KEYS) do "
    "local head = redis.pcall('GETRANGE', key, 0, 36) "
    "if type(head) ~= 'string' then head = '' end "
    "local version = string.rep('9', 20) "
    "if string.sub(head, 1, 1) == 'T' then version = string.sub(head, 18, 37) end "
    "redis.call('DEL', key) "
    "redis.pcall('SET', key, 'X' .. string.rep('-', 16) .. version, 'PX', ARGV[1]) "
    "end return 1";

/* Keys. */

struct key_text {
    char p[KEY_MAX];
    size_t n;
};

static struct str key_str(const struct key_text *k)
{
    return (struct str){k->p, k->n};
}

/* A repository has no ':' in its name, nor has a tag. */
static void key_of(const struct redis_shelf *s, const struct redis_shelf_era *era,
                   const struct repo_name *repo, struct str reference, struct key_text *ret_key)
{
    int n = snprintf(ret_key->p, sizeof(ret_key->p), "%sm:%s:%s:%s:" STR_FMT, s->prefix, era->epoch,
                     era->server, repo->text, STR_ARG(reference));

    ret_key->n = n < (int)sizeof(ret_key->p) ? (size_t)n : sizeof(ret_key->p) - 1;
}

static struct str reference_of(const struct redis_shelf_key *key)
{
    return key->tag ? tag_name_str(key->tag) : digest_str(key->digest);
}

/* Getting. */

static bool media_type_valid(struct str type)
{
    for (size_t i = 0; i < type.n; i++) {
        if (type.p[i] <= 0x20 || type.p[i] >= 0x7f)
            return false;
    }
    return type.n <= MEDIA_TYPE_MAX;
}

/* NULL: it is not what it should be. */
static struct meta_manifest *manifest_from(struct str value, const struct digest *expected)
{
    struct str type, bytes;
    struct digest d;
    uint64_t n;

    if (value.n < AT_TYPE || value.p[0] != 'M' ||
        !str_to_u64(str_sub(value, AT_LENGTH, LENGTH), value.n - AT_TYPE, &n))
        return NULL;
    type = str_sub(value, AT_TYPE, (size_t)n);
    bytes = str_sub(value, AT_TYPE + type.n, value.n - AT_TYPE - type.n);
    if (!media_type_valid(type) || bytes.n > REDIS_SHELF_BYTES_MAX)
        return NULL;
    digest_of(expected->algorithm, bytes.p, bytes.n, &d);
    return digest_eq(&d, expected) ? meta_manifest_new(&d, type, bytes) : NULL;
}

static struct meta_manifest *tagged_from(const redisReply *r, int64_t *ret_version)
{
    struct str tag = redis_reply_str(redis_reply_at(r, 0));
    struct meta_manifest *m;
    struct digest d;
    uint64_t version;

    if (tag.n < AT_DIGEST || !str_to_u64(str_sub(tag, AT_VERSION, VERSION), INT64_MAX, &version) ||
        digest_parse(str_sub(tag, AT_DIGEST, tag.n - AT_DIGEST), &d, ERR_IGNORED) != ERR_OK)
        return NULL;
    m = manifest_from(redis_reply_str(redis_reply_at(r, 1)), &d);
    if (m)
        *ret_version = (int64_t)version;
    return m;
}

enum redis_outcome redis_shelf_get(const struct redis_shelf *s, const struct redis_shelf_era *era,
                                   const struct redis_shelf_key *key,
                                   struct meta_manifest **ret_manifest, int64_t *ret_version,
                                   struct err *e)
{
    AUTO(redis_reply) struct redis_reply reply = {0};
    struct key_text own, manifests;
    enum redis_outcome o;

    *ret_manifest = NULL;
    key_of(s, era, key->repo, reference_of(key), &own);
    if (key->tag) {
        struct str words[2];

        key_of(s, era, key->repo, STR(""), &manifests);
        words[0] = key_str(&own);
        words[1] = key_str(&manifests);
        o = redis_run(s->redis, era->server, &get_tag, words, 2, &reply, e);
        if (o == REDIS_ANSWERED)
            *ret_manifest = tagged_from(reply.r, ret_version);
    } else {
        const struct str words[] = {STR("GET"), key_str(&own)};

        o = redis_ask(s->redis, era->server, words, 2, &reply, e);
        if (o == REDIS_ANSWERED)
            *ret_manifest = manifest_from(redis_reply_str(reply.r), key->digest);
    }
    return o;
}

/* Putting. */

static void birth_make(char dst[static BIRTH + 1])
{
    uint64_t random;

    random_bytes(&random, sizeof(random));
    snprintf(dst, BIRTH + 1, "%016" PRIx64, random);
}

enum redis_outcome redis_shelf_put(const struct redis_shelf *s, const struct redis_shelf_era *era,
                                   const struct redis_shelf_key *key,
                                   const struct meta_manifest *manifest, int64_t version,
                                   struct err *e)
{
    static const struct str keep = STR(KEEP_MS);
    AUTO(redis_reply) struct redis_reply ignored = {0};
    AUTO(buf) struct buf rest = {0};
    char birth[BIRTH + 1], number[VERSION + 1];
    struct key_text tag, own;

    if (manifest->bytes.n > REDIS_SHELF_BYTES_MAX || !media_type_valid(manifest->media_type)) {
        err_set(e, ERR_UNAVAILABLE, "too large for Redis");
        return REDIS_UNSENT;
    }
    buf_init(&rest, REDIS_SHELF_BYTES_MAX + LENGTH + MEDIA_TYPE_MAX);
    buf_addf(&rest, "%04zu", manifest->media_type.n);
    buf_add_str(&rest, manifest->media_type);
    buf_add_str(&rest, manifest->bytes);
    birth_make(birth);
    snprintf(number, sizeof(number), "%020" PRId64, version);
    key_of(s, era, key->repo, digest_str(&manifest->digest), &own);
    if (key->tag) {
        struct str words[] = {{tag.p, 0},
                              key_str(&own),
                              str_of(number),
                              digest_str(&manifest->digest),
                              str_of(birth),
                              buf_str(&rest),
                              keep};

        key_of(s, era, key->repo, tag_name_str(key->tag), &tag);
        words[0] = key_str(&tag);
        return redis_run(s->redis, era->server, &put_tag, words, 7, &ignored, e);
    }
    {
        const struct str words[] = {key_str(&own), str_of(birth), buf_str(&rest), keep};

        return redis_run(s->redis, era->server, &put_manifest, words, 4, &ignored, e);
    }
}

/* Dropping. */

static enum redis_outcome drop_some(const struct redis_shelf *s, const struct redis_shelf_era *era,
                                    const struct redis_shelf_key *keys, size_t n, struct err *e)
{
    const struct redis_script script = {drop_text, n};
    AUTO(redis_reply) struct redis_reply ignored = {0};
    struct key_text *texts = mem_alloc(n * sizeof(texts[0]));
    struct str words[DROP_KEYS_MAX + 1];
    enum redis_outcome o;

    for (size_t i = 0; i < n; i++) {
        key_of(s, era, keys[i].repo, reference_of(&keys[i]), &texts[i]);
        words[i] = key_str(&texts[i]);
    }
    words[n] = STR(TOMBSTONE_MS);
    o = redis_run(s->redis, era->server, &script, words, n + 1, &ignored, e);
    free(texts);
    return o;
}

enum redis_outcome redis_shelf_drop(const struct redis_shelf *s, const struct redis_shelf_era *era,
                                    const struct redis_shelf_key *keys, size_t n, struct err *e)
{
    enum redis_outcome o = REDIS_ANSWERED;

    for (size_t done = 0, some; done < n && o == REDIS_ANSWERED; done += some) {
        some = n - done < DROP_KEYS_MAX ? n - done : DROP_KEYS_MAX;
        o = drop_some(s, era, keys + done, some, e);
    }
    return o;
}
