/* URLs of the configuration, looked at closely enough to refuse what can't be meant. */
#pragma once

#include "base/str.h"

struct conf_url {
    struct str scheme, host; /* of the text; an IPv6 host without its brackets */
    struct str path;         /* with its slash, and a query; may be empty */
    bool loopback;           /* nobody else can listen in */
};

/* SCHEME://HOST[:PORT][/PATH], printable ASCII; no user, no fragment. */
bool conf_url_parse(struct str s, struct conf_url *ret_url);
