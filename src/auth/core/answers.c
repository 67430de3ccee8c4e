#include "auth/core/answers.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/uuid.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#define SHARDS 16
#define WAYS   4 /* places where an entry may stand; the one that ends first gives way */

struct answer {
    unsigned char key[ANSWER_KEY_BYTES];
    struct identity *id; /* NULL: a free place */
    uint64_t generation;
    int64_t until_ms;
};

struct shard {
    pthread_mutex_t mutex;
    struct answer *places;
};

#define SECRET_BYTES 64 /* a block of SHA-256 */

struct answers {
    unsigned char secret[SECRET_BYTES];
    EVP_MD *sha256; /* fetched once: looking it up costs more than hashing a token */
    size_t sets;    /* of WAYS places, in each shard */
    struct shard shards[SHARDS];
};

struct answers *answers_new(size_t entries)
{
    struct answers *a = NEW(struct answers);

    random_bytes(a->secret, SECRET_BYTES);
    a->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!a->sha256)
        abort(); /* an OpenSSL without SHA-256 */
    a->sets = entries / (SHARDS * WAYS) + 1;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&a->shards[i].mutex, NULL);
        a->shards[i].places = mem_zero(a->sets * WAYS * sizeof(struct answer));
    }
    return a;
}

static void clear(struct answer *at)
{
    identity_unref(at->id);
    at->id = NULL;
}

static void forget_all(struct answers *a)
{
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&a->shards[i].mutex);
        for (size_t j = 0; j < a->sets * WAYS; j++)
            clear(&a->shards[i].places[j]);
        pthread_mutex_unlock(&a->shards[i].mutex);
    }
}

void answers_free(struct answers *a)
{
    if (!a)
        return;
    forget_all(a);
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_destroy(&a->shards[i].mutex);
        free(a->shards[i].places);
    }
    EVP_MD_free(a->sha256);
    OPENSSL_cleanse(a->secret, SECRET_BYTES);
    free(a);
}

/* Each part with its length before it, so that no two credentials are the same bytes. */
static size_t add_part(unsigned char *at, struct str part)
{
    memcpy(at, &part.n, sizeof(part.n));
    if (part.n)
        memcpy(at + sizeof(part.n), part.p, part.n);
    return sizeof(part.n) + part.n;
}

/* The secret first, then the credential: SHA-256 is a keyed hash in this form as long as its
 * results are shown to nobody (one who sees them could extend the message), and costs a third of an
 * HMAC. */
void answers_key(const struct answers *a, const struct credential *c,
                 unsigned char ret_key[static ANSWER_KEY_BYTES])
{
    size_t n = SECRET_BYTES + 1 + 3 * sizeof(size_t) + c->user.n + c->secret.n + c->certificate.n;
    unsigned char *all = mem_alloc(n), *at = all;

    memcpy(at, a->secret, SECRET_BYTES);
    at += SECRET_BYTES;
    *at++ = (unsigned char)c->kind;
    at += add_part(at, c->user);
    at += add_part(at, c->secret);
    add_part(at, c->certificate);
    if (!EVP_Digest(all, n, ret_key, NULL, a->sha256, NULL))
        abort(); /* fails only without memory */
    OPENSSL_cleanse(all, n);
    free(all);
}

static struct answer *set_of(struct answers *a, const unsigned char *key, struct shard **ret_shard)
{
    uint64_t h;

    memcpy(&h, key, sizeof(h));
    *ret_shard = &a->shards[h % SHARDS];
    return &(*ret_shard)->places[h / SHARDS % a->sets * WAYS];
}

struct identity *answers_get(struct answers *a, const unsigned char key[static ANSWER_KEY_BYTES],
                             uint64_t generation)
{
    struct identity *found = NULL;
    struct shard *shard;
    struct answer *set = set_of(a, key, &shard);

    pthread_mutex_lock(&shard->mutex);
    for (size_t i = 0; i < WAYS && !found; i++) {
        struct answer *at = &set[i];

        if (!at->id || CRYPTO_memcmp(at->key, key, ANSWER_KEY_BYTES) != 0)
            continue;
        if (at->generation != generation || clock_mono_ms() >= at->until_ms)
            clear(at);
        else
            found = identity_ref(at->id);
    }
    pthread_mutex_unlock(&shard->mutex);
    return found;
}

void answers_put(struct answers *a, const unsigned char key[static ANSWER_KEY_BYTES],
                 uint64_t generation, struct identity *id, int64_t until_mono_ms)
{
    struct shard *shard;
    struct answer *set = set_of(a, key, &shard), *place = set;

    pthread_mutex_lock(&shard->mutex);
    for (size_t i = 0; i < WAYS; i++) {
        if (!set[i].id || CRYPTO_memcmp(set[i].key, key, ANSWER_KEY_BYTES) == 0) {
            place = &set[i];
            break;
        }
        if (set[i].until_ms < place->until_ms)
            place = &set[i];
    }
    clear(place);
    memcpy(place->key, key, ANSWER_KEY_BYTES);
    place->id = identity_ref(id);
    place->generation = generation;
    place->until_ms = until_mono_ms;
    pthread_mutex_unlock(&shard->mutex);
}
