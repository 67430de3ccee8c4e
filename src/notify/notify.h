/*
 * notify: who is told of events: webhooks and mail. May include core/, jobs/, meta/, net/,
 * conf/ and base/.
 *
 * The event log (core/event_log.h) has all events in one order. Each target (a webhook, or a rule
 * of mail) has a record of how far it has come; a leased job reads on from there, a page at a time,
 * sends what the target wants to hear, and writes how far it is in a transaction that only the
 * holder of the job can make. So there is nothing in memory that waits, no two processes tell the
 * same target, and after a crash what was told since the last write is told again, with the same
 * id. Events of one repository are told one after the other.
 *
 * A receiver that is down is tried again, later and later, and everything waits in the log. One
 * event that it refuses, or that alone never gets through, becomes a dead letter, a record, and the
 * rest go on.
 *
 * Threads: those of the jobs, and any that calls.
 */
#pragma once

#include "conf/conf.h"
#include "core/registry.h"
#include "notify/target.h"

struct notify;

/* NULL: nobody is to be told. From then on r keeps events for those who were not told of them, so
 * this is before its jobs start. r and c outlive it. */
struct notify *notify_new(struct registry *r, const struct conf *c);
void notify_free(struct notify *n); /* after the jobs have ended; accepts NULL */

/* Each target that is new begins at the end of the log as it is now. Adds the kinds of jobs. */
ERR_CHECKED enum err_code notify_start(struct notify *n, struct err *e);

/* Those of the configuration. */
size_t notify_targets(const struct notify *n);
const struct target *notify_target(const struct notify *n, size_t i);
const struct target *notify_find(const struct notify *n, struct str key); /* NULL: none */

/* What came of one event that somebody sent by hand. */
struct notify_sent {
    bool delivered;
    int status; /* of the answer; 0: there was none */
    char why[256];
    int64_t took_ms;
};

/* Sends the target an event "webhook.test" now (of a format that can't tell it, a push that never
 * was). Blocks. Errors: as of sender_new(). */
ERR_CHECKED enum err_code notify_test(struct notify *n, const struct target *t,
                                      struct notify_sent *ret_sent, struct err *e);

/* Sends a dead letter again, now; one that is delivered goes. Blocks. Errors: NOT_FOUND, and those
 * of sender_new(). */
ERR_CHECKED enum err_code notify_redeliver(struct notify *n, const struct target *t, uint64_t seq,
                                           struct notify_sent *ret_sent, struct err *e);
