/* The few threads that go on with transfers when the client has room. */
#pragma once

#include "http/exchange.h"

struct senders;

/* The threads start here, with the priority of the caller. Error: INTERNAL. */
ERR_CHECKED enum err_code senders_new(size_t n_threads, struct senders **ret_senders,
                                      struct err *e);
void senders_free(struct senders *s); /* accepts NULL; no transfer may be left */

/* Takes x with its transfer; gives the connection back to its I/O thread at the end. */
void senders_take(struct senders *s, struct http_exchange *x);
