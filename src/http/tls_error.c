#include "http/tls_error.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

/* What OpenSSL finds wrong with a file, as whoever wrote the file needs to hear it. */
static const struct {
    int lib, reason;
    const char *text;
} file_troubles[] = {
    {ERR_LIB_PEM, PEM_R_NO_START_LINE, "it holds none in PEM form"},
    {ERR_LIB_X509, X509_R_NO_CERTIFICATE_OR_CRL_FOUND, "it holds none in PEM form"},
    {ERR_LIB_OSSL_DECODER, ERR_R_UNSUPPORTED, "it holds none in PEM form"},
    {ERR_LIB_PEM, PEM_R_BAD_END_LINE, "it is cut off or damaged"},
    {ERR_LIB_PEM, PEM_R_BAD_BASE64_DECODE, "it is cut off or damaged"},
    {ERR_LIB_PEM, PEM_R_SHORT_HEADER, "it is cut off or damaged"},
    {ERR_LIB_CRYPTO, ERR_R_INTERRUPTED_OR_CANCELLED,
     "it is encrypted; write it without a passphrase"},
    {ERR_LIB_X509, X509_R_KEY_VALUES_MISMATCH, "it does not belong to the certificate"},
    {ERR_LIB_SSL, SSL_R_NO_CERTIFICATE_ASSIGNED, "it does not belong to the certificate"},
};

/* The first error is the cause, what follows says who was told of it. */
static const char *trouble_of(unsigned long code)
{
    const char *reason = ERR_reason_error_string(code);

    if (ERR_SYSTEM_ERROR(code))
        return strerror(ERR_GET_REASON(code));
    for (size_t i = 0; i < sizeof(file_troubles) / sizeof(file_troubles[0]); i++) {
        if (ERR_GET_LIB(code) == file_troubles[i].lib &&
            ERR_GET_REASON(code) == file_troubles[i].reason)
            return file_troubles[i].text;
    }
    return reason ? reason : "unknown error";
}

enum err_code tls_err(struct err *e, const char *what, const char *which)
{
    err_set(e, ERR_CONFIG, "%s '%s': %s", what, which, trouble_of(ERR_peek_error()));
    ERR_clear_error();
    return ERR_CONFIG;
}
