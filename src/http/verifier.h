/*
 * What client certificates are verified by: http.tls.client_ca and http.tls.client_crl. In the
 * handshake, and again while the connection goes on: a certificate can expire, be revoked, or lose
 * its authority. Any thread, but each SSL by its connection's owner only.
 */
#pragma once

#include "conf/conf.h"
#include "http/http.h"

#include <openssl/ssl.h>

struct verifier;

/* conf must outlive it. *ret_v is NULL when no client_ca is configured. Error: CONFIG. */
ERR_CHECKED enum err_code verifier_new(const struct conf_tls *conf, struct verifier **ret_v,
                                       struct err *e);
void verifier_free(struct verifier *v); /* accepts NULL, as all below do */

/* Reads both files anew; on an error what was there stays in use. */
ERR_CHECKED enum err_code verifier_reload(struct verifier *v, struct err *e);

/* The list has changed and can't be read: tells app.trouble(), once a change. */
void verifier_report_to(struct verifier *v, const struct http_app *app);

/* Before a handshake. False when there is no memory. */
bool verifier_attach(struct verifier *v, SSL *ssl);

/* After it. *ret_der lives as long as the SSL. */
enum http_certificate verifier_check(struct verifier *v, SSL *ssl, struct str *ret_der);
