#include "http/finish.h"

#include "http/inbox.h"

#include <stdlib.h>
#include <string.h>

static void keep_ahead(struct http_exchange *x)
{
    struct conn *c = x->conn;

    if (x->fate != CONN_KEEP || x->ahead_n == 0) {
        free(c->in);
        c->in = NULL;
        c->in_n = 0;
        return;
    }
    if (x->surplus) {
        free(c->in);
        c->in = x->surplus;
        x->surplus = NULL;
    }
    memmove(c->in, x->ahead, x->ahead_n);
    c->in_n = (uint32_t)x->ahead_n;
}

void exchange_end(struct http_exchange *x)
{
    struct conn *c = x->conn;

    if (x->failed || !x->answered) {
        x->fate = CONN_CLOSE;
        c->out_at = c->out_n = 0;
    }
    exchange_done(x);
    keep_ahead(x);
    c->fate = (uint8_t)x->fate;
    iothread_give(x);
}
