/* One item of http.listen, parsed. */
#pragma once

#include "base/str.h"

enum conf_listen_kind { CONF_LISTEN_TCP, CONF_LISTEN_UNIX };

struct conf_listen {
    enum conf_listen_kind kind;
    char host[256]; /* without brackets; "": all addresses. Of CONF_LISTEN_UNIX the path */
    unsigned port;  /* 0: any free one */
    bool loopback;  /* only this machine can reach it */
};

/* False when it is none of "host:port", "[v6]:port", ":port" and "unix:/path". */
bool conf_listen_parse(struct str s, struct conf_listen *ret_listen);
