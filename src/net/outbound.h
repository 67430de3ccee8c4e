/*
 * Messages that are posted to servers which nobody here runs (webhooks): several at once over
 * connections that are kept open. Nothing of theirs is believed: no redirect is followed, an answer
 * is read to a bound, each has its deadline, and where only public addresses are allowed
 * (net/public_address.h) that is asked of the very address that is connected to, so that no name
 * can say one thing and then another. No proxy is asked.
 *
 * One thread uses it.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

#define OUTBOUND_WHY    256
#define OUTBOUND_ANSWER 512

struct outbound;

struct outbound_options {
    const char *ca_file; /* PEM; "": the system's authorities */
    bool allow_private;
    uint64_t timeout_ms; /* of one message */
    unsigned at_once;    /* at least 1 */
};

struct outbound_message {
    const char *url;            /* https or http */
    const char *const *headers; /* "Name: value" lines, ending with NULL; copied */
    struct str body;            /* stays the caller's until it has ended */
    void *ctx;                  /* the caller's */

    /* When it has ended: */
    int status;                   /* 0: there was no answer, and why says why */
    char why[OUTBOUND_WHY];       /* "": there was one */
    uint64_t retry_after_s;       /* as the answer says, 0: it does not */
    char answer[OUTBOUND_ANSWER]; /* the beginning of its body, NUL-terminated */
    size_t answer_n;
    int64_t took_ms;
};

/* Errors: UNAVAILABLE, when libcurl can't be loaded. */
ERR_CHECKED enum err_code outbound_new(const struct outbound_options *o, struct outbound **ret,
                                       struct err *e);
void outbound_free(struct outbound *o); /* what runs is cut off; accepts NULL */

/* What runs is cut off, and comes back no more. */
void outbound_cut(struct outbound *o);

bool outbound_has_room(const struct outbound *o);
size_t outbound_running(const struct outbound *o);

/* Begins to send m, which lives until it has ended; there is room. */
ERR_CHECKED enum err_code outbound_start(struct outbound *o, struct outbound_message *m,
                                         struct err *e);

/* One that has ended; NULL: none did within so long. */
struct outbound_message *outbound_next(struct outbound *o, int64_t ms);
