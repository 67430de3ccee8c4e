#include "auth/browser/seal.h"

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "meta/secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#define KEY_BYTES   META_SECRET_BYTES
#define NONCE_BYTES 12 /* NIST SP 800-38D, 8.2.2: random, so for fewer than 2^32 texts */
#define TAG_BYTES   16

struct seal {
    unsigned char mac_key[KEY_BYTES], box_key[KEY_BYTES];
};

static void hmac(const unsigned char key[static KEY_BYTES], const char *purpose, struct str text,
                 unsigned char ret[static KEY_BYTES])
{
    size_t n = strlen(purpose) + 1; /* with its NUL, so that no two pairs are the same bytes */
    unsigned char *all = mem_alloc(n + text.n);

    memcpy(all, purpose, n);
    if (text.n)
        memcpy(all + n, text.p, text.n);
    if (!HMAC(EVP_sha256(), key, KEY_BYTES, all, n + text.n, ret, NULL))
        abort(); /* fails only without memory */
    free(all);
}

enum err_code seal_new(struct meta *m, struct seal **ret_seal, struct err *e)
{
    unsigned char key[META_SECRET_BYTES];
    struct seal *s;

    TRY(meta_secret(m, STR("sessions"), key, e));
    s = NEW(struct seal);
    hmac(key, "mac", STR_NONE, s->mac_key);
    hmac(key, "box", STR_NONE, s->box_key);
    OPENSSL_cleanse(key, sizeof(key));
    *ret_seal = s;
    return ERR_OK;
}

void seal_free(struct seal *s)
{
    if (!s)
        return;
    OPENSSL_cleanse(s, sizeof(*s));
    free(s);
}

void seal_mac(const struct seal *s, const char *purpose, struct str text,
              char ret_mac[static SEAL_MAC_TEXT + 1])
{
    unsigned char mac[KEY_BYTES];

    hmac(s->mac_key, purpose, text, mac);
    hex_encode(mac, sizeof(mac), ret_mac);
}

bool seal_mac_matches(const struct seal *s, const char *purpose, struct str text, struct str mac)
{
    char right[SEAL_MAC_TEXT + 1];

    seal_mac(s, purpose, text, right);
    return mac.n == SEAL_MAC_TEXT && CRYPTO_memcmp(mac.p, right, SEAL_MAC_TEXT) == 0;
}

/* One text with its nonce and tag around it: nonce, n bytes, tag. */
static bool crypt_box(const struct seal *s, bool closing, const char *purpose, unsigned char *nonce,
                      const unsigned char *from, unsigned char *to, size_t n, unsigned char *tag)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int way = closing, used = 0;
    bool right;

    right = c && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, s->box_key, nonce, way) == 1 &&
            EVP_CipherUpdate(c, NULL, &used, (const unsigned char *)purpose,
                             (int)strlen(purpose)) == 1 &&
            EVP_CipherUpdate(c, to, &used, from, (int)n) == 1 &&
            (closing || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1) &&
            EVP_CipherFinal_ex(c, to + used, &used) == 1 &&
            (!closing || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) == 1);
    EVP_CIPHER_CTX_free(c);
    return right;
}

void seal_close(const struct seal *s, const char *purpose, struct str plain, struct buf *ret_text)
{
    size_t n = NONCE_BYTES + plain.n + TAG_BYTES;
    AUTO(mem) unsigned char *box = mem_alloc(n);
    AUTO(mem) char *text = mem_alloc(2 * n + 1);

    random_bytes(box, NONCE_BYTES);
    if (!crypt_box(s, true, purpose, box, (const unsigned char *)plain.p, box + NONCE_BYTES,
                   plain.n, box + NONCE_BYTES + plain.n))
        abort(); /* fails only without memory */
    hex_encode(box, n, text);
    buf_add(ret_text, text, 2 * n);
}

bool seal_open(const struct seal *s, const char *purpose, struct str text, struct buf *ret_plain)
{
    size_t n = text.n / 2;
    AUTO(mem) unsigned char *box = mem_alloc(n + 1);
    unsigned char *to;

    if (n <= NONCE_BYTES + TAG_BYTES || !hex_decode(text, box, n))
        return false;
    n -= NONCE_BYTES + TAG_BYTES;
    to = (unsigned char *)buf_reserve(ret_plain, n);
    if (!to || !crypt_box(s, false, purpose, box, box + NONCE_BYTES, to, n, box + NONCE_BYTES + n))
        return false;
    ret_plain->n += n;
    return true;
}
