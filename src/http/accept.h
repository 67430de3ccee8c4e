/* Accepting connections. Of the I/O thread alone. */
#pragma once

#include "http/inbox.h"

/* Takes some of the connections that wait at l, and gives each to the thread with the
 * fewest. False when no more wait. */
bool iothread_accept(struct iothread *io, struct listener *l);

/* Whether the thread looks at the listening sockets. */
void iothread_listen(struct iothread *io, bool on);
