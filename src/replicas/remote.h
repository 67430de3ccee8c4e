/*
 * Writes of other members that have begun and not ended, as far as it was heard of them: guards
 * that were entered for them in the caches here. Any thread.
 */
#pragma once

#include "replicas/members.h"
#include "replicas/message.h"

struct remote_writes;

struct remote_options {
    struct members *members; /* borrowed */
    void (*enter)(void *ctx, const struct message_key *keys, size_t n);
    void (*leave)(void *ctx, const struct message_key *keys, size_t n);
    void *ctx;
};

struct remote_writes *remote_writes_new(const struct remote_options *o);
void remote_writes_free(struct remote_writes *r); /* no guard is left; accepts NULL */

/* A write begins: true, the guards of its keys are entered, now or since an earlier message. False:
 * it has ended, or there are too many. */
bool remote_writes_enter(struct remote_writes *r, const struct message *m);

/* A write has ended (MESSAGE_LEAVE). */
void remote_writes_leave(struct remote_writes *r, const struct message *m);

/* All of that sender's writes below m->lowest have ended. Of any message. */
void remote_writes_raise(struct remote_writes *r, const struct message *m);

/* Members were looked at: those of members that are gone have ended. */
void remote_writes_looked(struct remote_writes *r, uint64_t look);
