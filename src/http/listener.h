/* Sockets that connections come to. */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct listener {
    uint8_t source; /* enum io_source */
    int fd;
    bool tcp;
    bool debug; /* of http.debug.listen: never TLS */
    unsigned port;
    char *unlink_path; /* of a Unix socket */
    /* The system's congestion control, when accepted sockets start without it; else "". */
    char congestion[16];
    bool widens; /* those from elsewhere get a larger send buffer than the system's */
};

/* where as in conf/listen.h. Accepted sockets inherit timeout_ms. Error: CONFIG. */
ERR_CHECKED enum err_code listener_open(const char *where, uint32_t timeout_ms,
                                        struct listener *ret, struct err *e);

/* For each socket that was accepted from it, before bytes are sent. plain: not for TLS. */
void listener_settle(const struct listener *l, int fd, const struct sockaddr_storage *peer,
                     bool plain);

void listener_close(struct listener *l);
