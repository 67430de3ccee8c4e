/* Moving bytes over a connection, plain or TLS. Who may: conn.h. */
#pragma once

#include "base/err.h"
#include "http/conn.h"

#include <stddef.h>
#include <sys/types.h>

/*
 * Up to n bytes. 0: end; -1: errno, EAGAIN when nothing came (at once, or in http.io_timeout when
 * `wait`), ETIME when too little did. recv() flags such as MSG_WAITALL may be given; TLS ignores
 * them.
 */
ssize_t conn_recv(struct conn *c, void *p, size_t n, bool wait, int flags);

/* The same for a body that may come slowly: as many of n bytes as come within wait_ms. */
ssize_t conn_recv_patiently(struct conn *c, void *p, size_t n, uint32_t wait_ms);

/* Nothing is told of c before so many bytes have come, or the end of them. 1: of each. */
void conn_set_least(struct conn *c, uint32_t bytes);

/* Some of n bytes; -1: errno, as above. flags: MSG_MORE. */
ssize_t conn_send(struct conn *c, const void *p, size_t n, bool wait, int flags);

/* All n bytes, waiting; worker only. Errors: CLIENT_GONE, TIMEOUT. */
ERR_CHECKED enum err_code conn_send_all(struct conn *c, const void *p, size_t n, int flags,
                                        struct err *e);

/* Keeps n bytes (copied) behind those in `out`. */
void conn_keep_out(struct conn *c, const void *p, size_t n);

/* Sends what it can of `out` without waiting: 1 all is out, 0 some is left, -1 broken. */
int conn_flush(struct conn *c);

/* Sends all of `out`, waiting; worker only. */
ERR_CHECKED enum err_code conn_flush_waiting(struct conn *c, int flags, struct err *e);

/* errno of a failed receive or send, for people and machines. */
enum err_code conn_err(struct conn *c, int error, const char *what, struct err *e);
