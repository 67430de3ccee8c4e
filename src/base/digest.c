#include "base/digest.h"

#include "base/hex.h"
#include "base/mem.h"

#include <openssl/evp.h>
#include <stdlib.h>

static const struct {
    const char *name;
    size_t bytes;
    const EVP_MD *(*md)(void);
} algorithms[] = {
    [DIGEST_SHA256] = {"sha256", 32, EVP_sha256},
    [DIGEST_SHA512] = {"sha512", 64, EVP_sha512},
};

#define ALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))

struct hasher {
    enum digest_algorithm algorithm;
    EVP_MD_CTX *ctx;
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

/* EVP digest calls fail only without memory or without the algorithm: both end the process. */
static void must(int ok)
{
    if (ok != 1)
        abort();
}

void digest_of(enum digest_algorithm a, const void *p, size_t n, struct digest *ret_digest)
{
    unsigned char bytes[DIGEST_BYTES_MAX];

    must(EVP_Digest(p, n, bytes, NULL, algorithms[a].md(), NULL));
    from_bytes(a, bytes, ret_digest);
}

struct hasher *hasher_new(enum digest_algorithm a)
{
    struct hasher *h = NEW(struct hasher);

    h->algorithm = a;
    h->ctx = EVP_MD_CTX_new();
    must(h->ctx != NULL);
    must(EVP_DigestInit_ex(h->ctx, algorithms[a].md(), NULL));
    return h;
}

void hasher_free(struct hasher *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

void hasher_update(struct hasher *h, const void *p, size_t n)
{
    must(EVP_DigestUpdate(h->ctx, p, n));
}

void hasher_digest(const struct hasher *h, struct digest *ret_digest)
{
    unsigned char bytes[DIGEST_BYTES_MAX];
    EVP_MD_CTX *copy = EVP_MD_CTX_new();

    must(copy != NULL);
    must(EVP_MD_CTX_copy_ex(copy, h->ctx));
    must(EVP_DigestFinal_ex(copy, bytes, NULL));
    EVP_MD_CTX_free(copy);
    from_bytes(h->algorithm, bytes, ret_digest);
}

enum digest_algorithm hasher_algorithm(const struct hasher *h)
{
    return h->algorithm;
}
