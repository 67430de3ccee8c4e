/* Sockets that connections come to. */
#pragma once

#include "base/err.h"

#include <stdint.h>

struct listener {
    uint8_t source; /* enum io_source */
    int fd;
    bool tcp;
    bool debug; /* of http.debug.listen: never TLS */
    unsigned port;
    char *unlink_path; /* of a Unix socket */
};

/* where as in conf/listen.h. Accepted sockets inherit timeout_ms. Error: CONFIG. */
ERR_CHECKED enum err_code listener_open(const char *where, uint32_t timeout_ms,
                                        struct listener *ret, struct err *e);
void listener_close(struct listener *l);
