#include "signing/certificates.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

static void auto_BIO_(BIO **b)
{
    BIO_free(*b);
}

void certificates_free(STACK_OF(X509) * all)
{
    sk_X509_pop_free(all, X509_free);
}

X509 *certificate_parse(struct str der)
{
    const unsigned char *at = (const unsigned char *)der.p;
    X509 *c = der.n <= CERTIFICATES_FILE_MAX ? d2i_X509(NULL, &at, (long)der.n) : NULL;

    if (c && at != (const unsigned char *)der.p + der.n) {
        X509_free(c);
        c = NULL;
    }
    ERR_clear_error();
    return c;
}

/* ---- files */

/* Up to one more than are allowed. A block that is damaged ends it: false. */
static bool read_blocks(struct str pem, STACK_OF(X509) * all)
{
    AUTO(BIO) BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *c;

    while (sk_X509_num(all) <= CERTIFICATES_MAX && (c = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        sk_X509_push(all, c);
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

static bool read_any(struct str text, STACK_OF(X509) * all)
{
    X509 *one = certificate_parse(text);
    bool whole = true;

    if (one)
        sk_X509_push(all, one);
    else
        whole = read_blocks(text, all);
    ERR_clear_error();
    return whole;
}

enum err_code certificates_read(const char *path, STACK_OF(X509) * *ret_all, struct err *e)
{
    AUTO(certificates) STACK_OF(X509) *all = sk_X509_new_null();
    AUTO(buf) struct buf text = {0};
    bool whole;

    buf_init(&text, CERTIFICATES_FILE_MAX);
    TRY(file_read_at(AT_FDCWD, path, &text, e));
    whole = read_any(buf_str(&text), all);
    if (sk_X509_num(all) > CERTIFICATES_MAX)
        return err_set(e, ERR_CONFIG, "it has more than %d certificates", CERTIFICATES_MAX);
    if (sk_X509_num(all) == 0)
        return err_set(e, ERR_CONFIG,
                       "it has no certificate; wanted are some as PEM, which begin with "
                       "'-----BEGIN CERTIFICATE-----', or one in DER");
    if (!whole)
        return err_set(e, ERR_CONFIG, "certificate %d of it is damaged", sk_X509_num(all) + 1);
    *ret_all = STEAL(all);
    return ERR_OK;
}

/* ---- what they say */

void certificate_subject(const X509 *c, char *dst, size_t room)
{
    AUTO(BIO) BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long n = 0;

    if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(c), 0, XN_FLAG_RFC2253) >= 0)
        n = BIO_get_mem_data(bio, &text);
    n = n < (long)room ? n : (long)room - 1;
    if (n > 0)
        memcpy(dst, text, (size_t)n);
    dst[n > 0 ? n : 0] = '\0';
    ERR_clear_error();
}

bool certificates_have(const STACK_OF(X509) * all, const X509 *c)
{
    for (int i = 0; i < sk_X509_num(all); i++) {
        if (X509_cmp(sk_X509_value(all, i), c) == 0)
            return true;
    }
    return false;
}

bool certificate_time(const ASN1_TIME *t, int64_t *ret_wall_ms)
{
    struct tm tm = {0};

    if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
        return false;
    *ret_wall_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

bool certificate_validity(const X509 *c, int64_t *ret_from_ms, int64_t *ret_to_ms)
{
    return certificate_time(X509_get0_notBefore(c), ret_from_ms) &&
           certificate_time(X509_get0_notAfter(c), ret_to_ms);
}
