/* The few threads that go on with transfers when the client has room, or their source something. */
#pragma once

#include "http/exchange.h"

struct senders;

/* The threads start here, with the priority of the caller. Error: INTERNAL. */
ERR_CHECKED enum err_code senders_new(size_t n_threads, struct senders **ret_senders,
                                      struct err *e);
void senders_free(struct senders *s); /* accepts NULL; no transfer may be left */

/* Takes x with its transfer; gives the connection back to its I/O thread at the end. */
void senders_take(struct senders *s, struct http_exchange *x);

/* Takes x, whose answer has not begun, until the reader of its transfer has something; gives the
 * connection back to its I/O thread then, or when nothing can be waited for. */
void senders_await(struct senders *s, struct http_exchange *x);

/* x is with the senders, and was cut off: if they wait for its reader they wait no longer. For its
 * I/O thread. */
void senders_wake(struct senders *s, struct http_exchange *x);
