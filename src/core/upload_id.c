/*
 * The bytes of an id: five of its signature, then random ones, the last five the time in
 * milliseconds. The signature need be no longer: who guesses one has a session of their own, in a
 * repository they may push to, that began when they say it did.
 */
#include "core/upload_id.h"

#include "base/buf.h"
#include "base/hex.h"
#include "base/mem.h"
#include "meta/secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>

#define BYTES          16
#define MAC_AT         0
#define MAC_BYTES      5
#define VERSION_AT     6 /* its upper half; the lower: the algorithm */
#define VARIANT_AT     8 /* its two upper bits */
#define TIME_AT        11
#define TIME_BYTES     5
#define TIME_BITS      (8 * TIME_BYTES)
#define VERSION        8
#define ALGORITHM_MASK 0x03

struct upload_ids {
    pthread_mutex_t lock;
    _Atomic bool loaded;
    unsigned char key[META_SECRET_BYTES]; /* never changes once it is loaded */
};

struct upload_ids *upload_ids_new(void)
{
    struct upload_ids *ids = NEW(struct upload_ids);

    pthread_mutex_init(&ids->lock, NULL);
    return ids;
}

void upload_ids_free(struct upload_ids *ids)
{
    if (!ids)
        return;
    pthread_mutex_destroy(&ids->lock);
    OPENSSL_cleanse(ids->key, sizeof(ids->key));
    free(ids);
}

enum err_code upload_ids_load(struct upload_ids *ids, struct meta *m, struct err *e)
{
    enum err_code code = ERR_OK;

    if (ids->loaded)
        return ERR_OK;
    pthread_mutex_lock(&ids->lock);
    if (!ids->loaded) {
        code = meta_secret(m, STR("uploads"), ids->key, e);
        ids->loaded = code == ERR_OK;
    }
    pthread_mutex_unlock(&ids->lock);
    return code;
}

/* Over all of the id but itself, and what it was made for. */
static void sign(const struct upload_ids *ids, const unsigned char id[static BYTES],
                 const struct upload_claim *claim, unsigned char ret_mac[static MAC_BYTES])
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    AUTO(buf) struct buf text = {0};

    buf_init(&text, BYTES + REPO_NAME_MAX + 1024);
    buf_add(&text, id + MAC_BYTES, BYTES - MAC_BYTES);
    buf_add(&text, claim->repo->text, strlen(claim->repo->text) + 1);
    buf_add_text(&text, claim->owner);
    if (!HMAC(EVP_sha256(), ids->key, sizeof(ids->key), (const unsigned char *)text.p, text.n, mac,
              NULL))
        abort(); /* fails only without memory */
    memcpy(ret_mac, mac, MAC_BYTES);
}

static void to_text(const unsigned char id[static BYTES], struct uuid *ret_id)
{
    static const size_t groups[] = {4, 2, 2, 2, 6};
    char *at = ret_id->text;

    for (size_t i = 0, byte = 0; i < sizeof(groups) / sizeof(groups[0]); byte += groups[i++]) {
        if (i > 0)
            *at++ = '-';
        hex_encode(id + byte, groups[i], at);
        at += 2 * groups[i];
    }
}

static bool from_text(const struct uuid *id, unsigned char ret_id[static BYTES])
{
    char digits[2 * BYTES];
    size_t n = 0;

    for (const char *p = id->text; *p; p++) {
        if (*p != '-' && n < sizeof(digits))
            digits[n++] = *p;
    }
    return hex_decode((struct str){digits, n}, ret_id, BYTES);
}

void upload_id_make(const struct upload_ids *ids, const struct upload_claim *claim,
                    struct uuid *ret_id)
{
    uint64_t started = (uint64_t)claim->started_ms;
    unsigned char id[BYTES];

    random_bytes(id, sizeof(id));
    id[VERSION_AT] = (unsigned char)(VERSION << 4 | (id[VERSION_AT] & 0x0f & ~ALGORITHM_MASK) |
                                     (claim->algorithm & ALGORITHM_MASK));
    id[VARIANT_AT] = (unsigned char)(0x80 | (id[VARIANT_AT] & 0x3f));
    for (size_t i = TIME_BYTES; i > 0; i--, started >>= 8)
        id[TIME_AT + i - 1] = (unsigned char)started;
    sign(ids, id, claim, id + MAC_AT);
    to_text(id, ret_id);
}

/* The time nearest to now that ends in these bits. */
static int64_t time_from(const unsigned char *p, int64_t now_ms)
{
    uint64_t mask = (1ull << TIME_BITS) - 1, bits = 0, ahead;

    for (size_t i = 0; i < TIME_BYTES; i++)
        bits = bits << 8 | p[i];
    ahead = (bits - (uint64_t)now_ms) & mask;
    return ahead > mask / 2 ? now_ms - (int64_t)(mask + 1 - ahead) : now_ms + (int64_t)ahead;
}

bool upload_id_read(const struct upload_ids *ids, const struct uuid *id, int64_t now_ms,
                    struct upload_claim *claim)
{
    unsigned char bytes[BYTES], mac[MAC_BYTES];
    unsigned algorithm;

    if (!ids->loaded || !from_text(id, bytes) || bytes[VERSION_AT] >> 4 != VERSION)
        return false;
    sign(ids, bytes, claim, mac);
    algorithm = bytes[VERSION_AT] & ALGORITHM_MASK;
    if (CRYPTO_memcmp(mac, bytes + MAC_AT, MAC_BYTES) != 0 || algorithm > DIGEST_SHA512)
        return false;
    claim->algorithm = (enum digest_algorithm)algorithm;
    claim->started_ms = time_from(bytes + TIME_AT, now_ms);
    return true;
}
