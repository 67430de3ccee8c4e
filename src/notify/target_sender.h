/* Sending events to one target. One thread uses it. */
#pragma once

#include "net/outbound.h"
#include "notify/format.h"
#include "notify/target.h"

enum sender_result {
    SENDER_DELIVERED,
    SENDER_REFUSED, /* this event, whatever becomes of others */
    SENDER_DOWN,    /* it takes nothing now, or did not say */
};

/* An event on its way. */
struct parcel {
    struct notice notice; /* the caller's */
    void *ctx;            /* likewise */
    uint64_t told;        /* likewise, at first; bit i: so was address i of the mail (net/mail.h) */

    /* When it has ended: */
    enum sender_result result;
    int status; /* 0: there was no answer */
    char why[OUTBOUND_WHY];
    uint64_t retry_after_s;
    int64_t took_ms;

    /* The sender's: */
    struct outbound_message message;
    struct post post;
    struct parcel *next;
};

struct sender;

/* Errors: UNAVAILABLE; CONFIG, when its secret can't be read. t and source outlive it. */
ERR_CHECKED enum err_code sender_new(const struct target *t, const struct format_source *source,
                                     struct sender **ret_sender, struct err *e);

/* A mail is cut off when that says no; asked each second. */
void sender_ask(struct sender *s, bool (*go_on)(void *ctx), void *ctx);

void sender_free(struct sender *s); /* what is on its way is cut off; accepts NULL */

/* Can the target be told of this at all? False for events that its format has no words for, or that
 * have nobody who would get a mail. */
bool sender_can_tell(const struct sender *s, const struct notice *n);

bool sender_has_room(const struct sender *s);
bool sender_is_idle(const struct sender *s); /* nothing is on its way */

/* p lives until it comes back by sender_next(). There is room. */
void sender_start(struct sender *s, struct parcel *p);

/* One that has ended; NULL: none did within so long. */
struct parcel *sender_next(struct sender *s, int64_t ms);

/* What is on its way is cut off, and comes back no more: its parcels are the caller's again. */
void sender_cut(struct sender *s);

/* One event, waiting for its end. */
void sender_send(struct sender *s, struct parcel *p);
