/* Mail, by SMTP through libcurl. */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "conf/conf.h"

#define MAIL_TO_MAX 64

struct mail {
    const char *const *to;
    size_t n;                 /* 1 to MAIL_TO_MAX */
    struct str message;       /* headers and text, lines ended by CRLF */
    bool (*go_on)(void *ctx); /* asked each second; no: it is cut off. NULL: it goes on */
    void *ctx;
};

/*
 * Sends it to those addresses whose bit of *told is not set (bit i: to[i]), and sets the bits of
 * those that the server has taken it for, also with an error. Blocks; any thread.
 * Errors: UNAVAILABLE, when the server can't be reached, or takes nothing now, or nothing of us, or
 * not yet for one of the addresses; REQUEST_INVALID, when it refuses the message or an address for
 * good (5xx behind RCPT or DATA), and no other is to be tried again.
 */
ERR_CHECKED enum err_code mail_send(const struct conf_mail *conf, const struct mail *m,
                                    uint64_t *told, struct err *e);
