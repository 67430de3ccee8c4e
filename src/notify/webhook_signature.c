#include "notify/webhook_signature.h"

#include "base/base64.h"
#include "base/cleanup.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#define PREFIX    STR("whsec_")
#define MAC_BYTES 32

static struct str trim(struct str s)
{
    s = str_trim(s);
    while (s.n > 0 && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
        s = str_trim(str_sub(s, 0, s.n - 1));
    return s;
}

enum err_code webhook_key_parse(struct str text, struct webhook_key *ret_key, struct err *e)
{
    text = trim(text);
    if (text.n == 0)
        return err_set(e, ERR_CONFIG, "the secret is empty");
    if (text.n > WEBHOOK_KEY_MAX)
        return err_set(e, ERR_CONFIG, "the secret has more than %d bytes", WEBHOOK_KEY_MAX);
    if (!str_starts(text, PREFIX)) {
        memcpy(ret_key->bytes, text.p, text.n);
        ret_key->n = text.n;
        return ERR_OK;
    }
    text = str_sub(text, PREFIX.n, text.n - PREFIX.n);
    if (!base64_decode(text, ret_key->bytes, &ret_key->n) || ret_key->n == 0)
        return err_set(e, ERR_CONFIG, "what stands behind 'whsec_' is no base64");
    return ERR_OK;
}

static void add_signature(const struct webhook_key *key, const char *id, const char *time,
                          struct post *p)
{
    AUTO(buf) struct buf signed_bytes = {0};
    unsigned char mac[MAC_BYTES], text[4 * (MAC_BYTES / 3 + 1) + 1];
    char value[sizeof(text) + 8];

    buf_init(&signed_bytes, POST_BODY_MAX + 1024);
    buf_addf(&signed_bytes, "%s.%s.", id, time);
    buf_add_str(&signed_bytes, buf_str(&p->body));
    if (!HMAC(EVP_sha256(), key->bytes, (int)key->n, (const unsigned char *)signed_bytes.p,
              signed_bytes.n, mac, NULL))
        abort(); /* of memory alone */
    EVP_EncodeBlock(text, mac, MAC_BYTES);
    snprintf(value, sizeof(value), "v1,%s", (const char *)text);
    post_header(p, "webhook-signature", str_of(value));
}

void webhook_sign(const struct webhook_key *key, const char *id, int64_t now_s, struct post *p)
{
    char time[32];

    snprintf(time, sizeof(time), "%lld", (long long)now_s);
    post_header(p, "webhook-id", str_of(id));
    post_header(p, "webhook-timestamp", str_of(time));
    if (key)
        add_signature(key, id, time, p);
}
