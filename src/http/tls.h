/*
 * TLS by OpenSSL, over a BIO of our own that waits or does not wait as the calling thread wants, so
 * that one session moves between I/O threads and workers.
 */
#pragma once

#include "conf/conf.h"
#include "http/conn.h"
#include "http/http.h"

struct tls;

/* *ret_tls is NULL when no certificate is configured. Error: CONFIG. */
ERR_CHECKED enum err_code tls_new(const struct conf_tls *conf, struct tls **ret_tls, struct err *e);
void tls_report_to(struct tls *t, const struct http_app *app); /* verifier.h */
void tls_free(struct tls *t);                                  /* accepts NULL */

/* Reads the files anew; sessions that exist go on with what they have. */
ERR_CHECKED enum err_code tls_reload(struct tls *t, struct err *e);

/* Gives c a session. False when there is no memory for one. */
bool tls_attach(struct tls *t, struct conn *c);
void tls_detach(struct conn *c); /* says goodbye if that needs no waiting, and frees it */

/* 1: done; 0: wants to read, or to write when *ret_write; -1: failed. Never waits. */
int tls_handshake(struct conn *c, bool *ret_write);

/* After a handshake that failed: what was wrong with the client's certificate. NULL: nothing. */
const char *tls_refusal(const struct conn *c);

/* Of the calling thread's handshake that has just failed: the client speaks HTTP without TLS. */
bool tls_heard_http(void);

/* As http_client_certificate(). */
enum http_certificate tls_certificate(struct tls *t, struct conn *c, struct str *ret_der);

/* As conn_recv() and conn_send(). */
ssize_t tls_recv(struct conn *c, void *p, size_t n, bool wait);
ssize_t tls_send(struct conn *c, const void *p, size_t n, bool wait);

/* Bytes have been received that tls_recv() would return without a look at the socket. */
bool tls_pending(const struct conn *c);
void tls_half_close(struct conn *c);
