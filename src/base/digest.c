/*
 * OpenSSL's interface with contexts that can be seen: a hash that goes on in another process, or on
 * another machine, is made of what it has seen so far, which EVP of OpenSSL 3 does not give out.
 * The code that hashes is the same.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"

#include "base/hex.h"
#include "base/mem.h"

#include <openssl/sha.h>
#include <stdlib.h>

static const struct {
    const char *name;
    size_t bytes;
} algorithms[] = {
    [DIGEST_SHA256] = {"sha256", SHA256_DIGEST_LENGTH},
    [DIGEST_SHA512] = {"sha512", SHA512_DIGEST_LENGTH},
};

#define ALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))

struct hasher {
    enum digest_algorithm algorithm;
    uint64_t bytes;
    union {
        SHA256_CTX sha256;
        SHA512_CTX sha512;
    };
};

bool digest_algorithm_parse(struct str s, enum digest_algorithm *ret_algorithm)
{
    for (size_t i = 0; i < ALGORITHMS; i++) {
        if (str_eq(s, str_of(algorithms[i].name))) {
            *ret_algorithm = (enum digest_algorithm)i;
            return true;
        }
    }
    return false;
}

const char *digest_algorithm_name(enum digest_algorithm a)
{
    return algorithms[a].name;
}

enum err_code digest_parse(struct str s, struct digest *ret_digest, struct err *e)
{
    struct str hex = s, name;
    enum digest_algorithm a;

    if (!str_cut(&hex, ':', &name) || !digest_algorithm_parse(name, &a) ||
        hex.n != 2 * algorithms[a].bytes || !hex_valid(hex))
        return err_tell(e, ERR_DIGEST_MALFORMED,
                        "a digest is 'sha256:' and 64, or 'sha512:' and 128, lower-case "
                        "hexadecimal digits");
    ret_digest->algorithm = a;
    ret_digest->n = s.n;
    memcpy(ret_digest->text, s.p, s.n);
    ret_digest->text[s.n] = '\0';
    return ERR_OK;
}

bool digest_eq(const struct digest *a, const struct digest *b)
{
    return str_eq(digest_str(a), digest_str(b));
}

struct str digest_hex(const struct digest *d)
{
    return str_sub(digest_str(d), 7, d->n - 7);
}

static void from_bytes(enum digest_algorithm a, const unsigned char *bytes, struct digest *ret)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = strlen(algorithms[a].name);

    ret->algorithm = a;
    memcpy(ret->text, algorithms[a].name, n);
    ret->text[n++] = ':';
    for (size_t i = 0; i < algorithms[a].bytes; i++) {
        ret->text[n++] = hex[bytes[i] >> 4];
        ret->text[n++] = hex[bytes[i] & 15];
    }
    ret->text[n] = '\0';
    ret->n = n;
}

/* The calls fail for no reason that a process outlives. */
static void must(int ok)
{
    if (ok != 1)
        abort();
}

static void begin(struct hasher *h, enum digest_algorithm a)
{
    h->algorithm = a;
    h->bytes = 0;
    must(a == DIGEST_SHA256 ? SHA256_Init(&h->sha256) : SHA512_Init(&h->sha512));
}

struct hasher *hasher_new(enum digest_algorithm a)
{
    struct hasher *h = NEW(struct hasher);

    begin(h, a);
    return h;
}

void hasher_free(struct hasher *h)
{
    free(h);
}

void hasher_update(struct hasher *h, const void *p, size_t n)
{
    h->bytes += n;
    must(h->algorithm == DIGEST_SHA256 ? SHA256_Update(&h->sha256, p, n)
                                       : SHA512_Update(&h->sha512, p, n));
}

void hasher_digest(const struct hasher *h, struct digest *ret_digest)
{
    unsigned char bytes[DIGEST_BYTES_MAX];
    struct hasher copy = *h;

    must(h->algorithm == DIGEST_SHA256 ? SHA256_Final(bytes, &copy.sha256)
                                       : SHA512_Final(bytes, &copy.sha512));
    from_bytes(h->algorithm, bytes, ret_digest);
}

void digest_of(enum digest_algorithm a, const void *p, size_t n, struct digest *ret_digest)
{
    struct hasher h;

    begin(&h, a);
    hasher_update(&h, p, n);
    hasher_digest(&h, ret_digest);
}

enum digest_algorithm hasher_algorithm(const struct hasher *h)
{
    return h->algorithm;
}

uint64_t hasher_bytes(const struct hasher *h)
{
    return h->bytes;
}

/* FIPS 180-4: eight words of state, and the bytes of the block that is not full yet. */
#define WORDS 8

static size_t block_bytes(enum digest_algorithm a)
{
    return a == DIGEST_SHA256 ? SHA256_CBLOCK : SHA512_CBLOCK;
}

static char *put_u64(char *dst, uint64_t v)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        *dst++ = (char)(v >> shift);
    return dst;
}

static uint64_t get_u64(const char *src)
{
    uint64_t v = 0;

    for (int i = 0; i < 8; i++)
        v = v << 8 | (unsigned char)src[i];
    return v;
}

static const unsigned char *block_of(const struct hasher *h)
{
    return h->algorithm == DIGEST_SHA256 ? (const unsigned char *)h->sha256.data : h->sha512.u.p;
}

/* One byte that says which algorithm, the count of bytes, the words, the block's beginning. */
size_t hasher_save(const struct hasher *h, char dst[static HASHER_STATE_MAX])
{
    size_t in_block = (size_t)(h->bytes % block_bytes(h->algorithm));
    char *at = dst;

    *at++ = (char)('1' + h->algorithm);
    at = put_u64(at, h->bytes);
    for (int i = 0; i < WORDS; i++)
        at = put_u64(at, h->algorithm == DIGEST_SHA256 ? h->sha256.h[i] : h->sha512.h[i]);
    memcpy(at, block_of(h), in_block);
    return (size_t)(at - dst) + in_block;
}

struct hasher *hasher_load(const char *state, size_t n)
{
    size_t head = 1 + 8 + WORDS * 8, in_block;
    const char *words = state + 9;
    struct hasher *h;
    uint64_t bytes;

    if (n < head || (state[0] != '1' + DIGEST_SHA256 && state[0] != '1' + DIGEST_SHA512))
        return NULL;
    h = hasher_new((enum digest_algorithm)(state[0] - '1'));
    bytes = get_u64(state + 1);
    in_block = (size_t)(bytes % block_bytes(h->algorithm));
    if (n != head + in_block || bytes > INT64_MAX / 8) {
        hasher_free(h);
        return NULL;
    }
    h->bytes = bytes;
    for (int i = 0; i < WORDS; i++) {
        if (h->algorithm == DIGEST_SHA256)
            h->sha256.h[i] = (SHA_LONG)get_u64(words + 8 * i);
        else
            h->sha512.h[i] = get_u64(words + 8 * i);
    }
    if (h->algorithm == DIGEST_SHA256) {
        h->sha256.Nl = (SHA_LONG)(bytes << 3);
        h->sha256.Nh = (SHA_LONG)(bytes >> 29);
        h->sha256.num = (unsigned)in_block;
        memcpy(h->sha256.data, state + head, in_block);
    } else {
        h->sha512.Nl = bytes << 3;
        h->sha512.Nh = bytes >> 61;
        h->sha512.num = (unsigned)in_block;
        memcpy(h->sha512.u.p, state + head, in_block);
    }
    return h;
}
