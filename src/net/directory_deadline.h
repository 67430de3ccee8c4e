/*
 * The time limit of a connection to a directory. libldap's own timeouts end where its TLS library
 * reads: with GnuTLS it waits for a silent server for ever in a handshake (and, with a network
 * timeout, in a busy loop). So a layer of ours lies between TLS and the socket, which waits for the
 * socket up to the deadline, and then fails in a way that TLS libraries do not try again.
 */
#pragma once

#include "net/directory_conn.h"

/* Before the handle connects: no read or write of it then blocks past deadline_ms, and no message
 * that it takes is huge. False: out of memory. */
bool directory_deadline_watch(struct directory_conn *c);

/* Another question: from now on as long as auth.ldap.timeout. */
void directory_deadline_set(struct directory_conn *c);
