/*
 * A decorator of meta, right above the database: the process as a member (members.h), and what
 * keeps caches of all members right.
 *
 * A transaction that may change what is cached goes in these steps. First all members that may be
 * answering from memory enter the guards of its keys and say so: from then on they neither answer
 * from memory for these keys, nor keep an answer. Then it is committed, with the precondition that
 * this process has not been taken for gone. Then they leave the guards. So nobody is shown an old
 * answer once anybody has been shown the new one, and when the writer has its answer, all members
 * answer with the new one.
 *
 * Messages are repeated until they are answered; each tells which writes have ended, so a guard
 * whose end was not heard of is left with the next. A transaction that may still take place
 * (UNAVAILABLE) has not ended for a minute, unless this process comes back under another id before.
 * Who does not answer is waited for until its row says that it is silent, or is gone: a lease and a
 * quarter. Guards of a member that is gone are left when its row is: then its transactions have
 * ended (members_fence()).
 *
 * On a database of one process all of this is nothing.
 */
#pragma once

#include "replicas/channel.h"
#include "replicas/members.h"
#include "replicas/message.h"

/* A commit that ended UNAVAILABLE may still take place for so long: a database that lost its client
 * has ended by then. */
#define REPLICAS_DOUBT_MS (60 * 1000)

/* The key that an operation may change the answer for; false: none. */
bool replicas_key_of(const struct meta_op *op, struct message_key *ret_key);

/* Those of n_ops operations, as many at most; how many there are. */
size_t replicas_keys_of(const struct meta_op *ops, size_t n_ops, struct message_key *ret_keys);

/* A cache above it. Its callbacks come from threads of the channel, of members and of writers;
 * those of one key in the order of what happens to it. */
struct replicas_cache {
    /* When it returns, nothing that is older than the end of the write is answered for these keys,
     * or kept, or on its way to where it is kept. May wait for one command of a server. */
    void (*enter)(void *ctx, const struct message_key *keys, size_t n);

    /* Once for each enter. */
    void (*leave)(void *ctx, const struct message_key *keys, size_t n);

    /* NULL, or: of a write of our own, before its transaction: all members have entered. What is
     * kept with others is to be removed. False: it is not certain that it was; then the write waits
     * until all are silent, for a new epoch (members_distrust()). */
    bool (*clear)(void *ctx, const struct message_key *keys, size_t n);

    void *ctx;
};

/* Takes ownership of inner. It is no member yet: members_start(). *o as for members_new(). */
struct meta *replicas_new(struct meta *inner, const struct members_options *o);

/* Through which members reach each other, which it owns then; before members_start(). */
void replicas_use(struct meta *replicas, struct channel *c);

/* *c is copied; before members_start(). Its own writes it guards itself (meta_driver.commit); enter
 * and leave are for those of others. */
void replicas_attach(struct meta *replicas, const struct replicas_cache *c);

/* Ends what calls the caches, and leaves. By each of them before it goes; once is enough. */
void replicas_stop(struct meta *replicas);

/* Of what replicas_new() made, which owns it. */
struct members *replicas_members(struct meta *replicas);
