/* TLS of connections to Redis: certificates are checked, for the host that was asked for. */
#pragma once

#include "base/err.h"

#include <openssl/ssl.h>

/* Whoever is to be believed: the authorities of a PEM file, or, without one (""), the system's.
 * Error: CONFIG. The caller frees with SSL_CTX_free(). */
ERR_CHECKED enum err_code redis_tls_new(const char *ca_file, SSL_CTX **ret_ctx, struct err *e);

/* A session over the descriptor, which stays the caller's; no signal comes of it. NULL: no memory,
 * or a host that can be nobody's. */
SSL *redis_tls_over(SSL_CTX *ctx, int *fd, const char *host);

/* What went wrong last, in words; OpenSSL's errors are cleared. */
void redis_tls_trouble(const SSL *session, char *dst, size_t size);
