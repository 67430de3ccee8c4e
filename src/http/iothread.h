/* An I/O thread's life: see inbox.h for what it has. */
#pragma once

#include "http/inbox.h"

ERR_CHECKED enum err_code iothread_init(struct iothread *io, struct http_server *s, struct err *e);
ERR_CHECKED enum err_code iothread_start(struct iothread *io, struct err *e);
void iothread_done(struct iothread *io); /* joins it when it was started */
