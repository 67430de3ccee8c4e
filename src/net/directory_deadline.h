/*
 * The time limit of a connection to a directory. libldap's own timeouts end where its TLS library
 * reads: with GnuTLS it waits for a silent server for ever in a handshake (and, with a network
 * timeout, in a busy loop). So a layer of ours lies between TLS and the socket, which waits for the
 * socket up to the deadline, and then fails in a way that TLS libraries do not try again.
 */
#pragma once

#include "net/libldap.h"

#include <stdbool.h>
#include <stdint.h>

struct directory_deadline {
    ldap_conncb watch; /* of the handle, which must not outlive it */
    int64_t at_ms;     /* monotonic; of what is being asked */
};

/* Before the handle connects: no read or write of it then blocks past at_ms, and no message that it
 * takes is huge. False: out of memory. */
bool directory_deadline_watch(struct directory_deadline *d, LDAP *handle);

/* Another question: from now on so long. */
void directory_deadline_set(struct directory_deadline *d, uint64_t timeout_ms);
