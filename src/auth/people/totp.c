#include "auth/people/totp.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/uuid.h"

#include <liboath/oath.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#define STEP_S   30
#define WINDOW   1
#define DIGITS   6
#define GROUP    4 /* letters of a recovery code between dashes */
#define RECOVERY 16

static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";

static void make_recovery(char dst[static TOTP_RECOVERY_TEXT + 1])
{
    unsigned char bytes[RECOVERY];
    size_t at = 0;

    random_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < RECOVERY; i++) {
        if (i > 0 && i % GROUP == 0)
            dst[at++] = '-';
        dst[at++] = letters[bytes[i] % 32];
    }
    dst[at] = '\0';
}

static void make_uri(const char *issuer, struct str user, const char *secret, char *dst, size_t cap)
{
    AUTO(buf) struct buf uri = {0};

    buf_init(&uri, cap - 1);
    buf_add_text(&uri, "otpauth://totp/");
    buf_add_percent(&uri, str_of(issuer));
    buf_add_char(&uri, ':');
    buf_add_percent(&uri, user);
    buf_addf(&uri, "?secret=%s&issuer=", secret);
    buf_add_percent(&uri, str_of(issuer));
    if (!str_copy(buf_str(&uri), dst, cap))
        dst[0] = '\0';
}

enum err_code totp_make(const char *issuer, struct str user, struct totp_setup *ret_setup,
                        struct err *e)
{
    char bytes[TOTP_SECRET_BYTES], *text = NULL;
    size_t n = 0;
    int rc;

    random_bytes(bytes, sizeof(bytes));
    rc = oath_base32_encode(bytes, sizeof(bytes), &text, &n);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    if (rc != OATH_OK ||
        !str_copy((struct str){text, n}, ret_setup->secret, sizeof(ret_setup->secret))) {
        free(text);
        return err_set(e, ERR_INTERNAL, "a second factor can't be made: %s", oath_strerror(rc));
    }
    OPENSSL_cleanse(text, n);
    free(text);
    make_uri(issuer, user, ret_setup->secret, ret_setup->uri, sizeof(ret_setup->uri));
    for (size_t i = 0; i < TOTP_RECOVERY_N; i++)
        make_recovery(ret_setup->recovery[i]);
    return ERR_OK;
}

static bool is_code(struct str code)
{
    for (size_t i = 0; i < code.n; i++) {
        if (code.p[i] < '0' || code.p[i] > '9')
            return false;
    }
    return code.n == DIGITS;
}

/* The time step that the code is of, near now. False: of none. */
static bool find_step(const char *secret, const char *code, int64_t now_ms, uint64_t *ret_step)
{
    char *bytes = NULL;
    size_t n = 0;
    int rc;

    if (oath_base32_decode(secret, strlen(secret), &bytes, &n) != OATH_OK)
        return false;
    rc = oath_totp_validate3(bytes, n, (time_t)(now_ms / 1000), STEP_S, 0, WINDOW, NULL, ret_step,
                             code);
    OPENSSL_cleanse(bytes, n);
    free(bytes);
    return rc >= 0;
}

bool totp_matches(const char *secret, struct str code, int64_t now_ms, int64_t last_step,
                  int64_t *ret_step)
{
    char text[DIGITS + 1];
    uint64_t step = 0;

    if (!is_code(code) || !str_copy(code, text, sizeof(text)) ||
        !find_step(secret, text, now_ms, &step) || (int64_t)step <= last_step)
        return false;
    *ret_step = (int64_t)step;
    return true;
}

bool totp_recovery_hash(struct str code, char ret_hash[static TOTP_HASH_TEXT + 1])
{
    char plain[RECOVERY];
    struct digest d;
    size_t n = 0;

    for (size_t i = 0; i < code.n; i++) {
        char c = code.p[i];

        if (c == '-' || c == ' ')
            continue;
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (c == '\0' || !strchr(letters, c) || n == RECOVERY)
            return false;
        plain[n++] = c;
    }
    if (n != RECOVERY)
        return false;
    digest_of(DIGEST_SHA256, plain, n, &d);
    OPENSSL_cleanse(plain, sizeof(plain));
    return str_copy(digest_hex(&d), ret_hash, TOTP_HASH_TEXT + 1);
}
