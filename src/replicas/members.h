/*
 * replicas: several processes over one database. May include net/, meta/, conf/conf.h and base/.
 *
 * members: who they are, and what one of them may still do. On a database that processes share each
 * has a row in meta, made under an id of its own and renewed four times a lease. No clocks are
 * compared: who finds the same version of a row for a whole lease of its own clock takes that
 * member for gone and deletes the row. Who was taken for gone hears of it when it renews, forgets
 * what it kept in memory, and comes back under a new id. What a member does as a member it does
 * only until 0.9 leases after the start of its last successful renewal; and a transaction that must
 * not count once it was taken for gone has its row as a precondition (members_fence()), for
 * deleting the row waits for such transactions.
 *
 * On a database of one process there are no rows: the process is a member for good, and everybody
 * else is gone.
 *
 * A member also says whether it may be answering from memory, so that those who write know whom
 * they have to ask first (replicas.h). It does so only when it has announced it in its row and all
 * who were members at that time have said in theirs that they know, which they do when the writes
 * that they had begun before have ended; who came later has seen the announcement before it began
 * to write. And it does so only while it is alone, or all members can reach each other. What they
 * keep together elsewhere (Redis) is of an epoch, a number: whoever is not certain of what is there
 * says that it is not reachable, and when all are silent for that, begins a new one.
 *
 * Any thread. One thread of its own, "members", renews and looks.
 */
#pragma once

#include "meta/meta.h"

struct members;

struct members_options {
    uint64_t lease_ms;
    const char *name;                                      /* of the process: for people */
    void (*report)(const char *what, const struct err *e); /* once for each time of trouble */
    struct meta *line;            /* the same database, for members alone, who then own it; NULL:
                                     what else goes there can hold up a renewal */
    int64_t (*now_ms)(void *ctx); /* a clock for tests; NULL: the system's */
    void *now_ctx;
    bool by_hand; /* for tests: no thread; members_round() is called instead */
};

/* What others are told. From the thread of members, one call at a time, or from that of
 * members_start(). Must not wait for a commit that waits for members. */
struct members_listener {
    /* It is about to join. May wait a little for what others will ask of it. */
    void (*joining)(void *ctx);
    /* It does not answer from memory any more, for now: what is kept is to be forgotten. */
    void (*forget)(void *ctx);
    /* It has taken another one for gone. */
    void (*buried)(void *ctx);
    /* It has looked at all members: the look of that number, counted from 1. */
    void (*looked)(void *ctx, uint64_t look);
    void *ctx;
};

/* No member yet: it is one from members_start() on. *o is copied, its texts are not. meta is
 * borrowed. */
struct members *members_new(struct meta *meta, const struct members_options *o);

/* *l is copied; before members_start(). */
void members_listen(struct members *m, const struct members_listener *l);

/* Joins, unless it has, and starts the thread. Errors: those of meta. */
ERR_CHECKED enum err_code members_start(struct members *m, struct err *e);

/* Leaves: its row is deleted, if the database is there. No listener is called any more, and nothing
 * is done as a member. */
void members_stop(struct members *m);
void members_free(struct members *m); /* accepts NULL */

static inline void auto_members_(struct members **m)
{
    members_free(*m);
}

/* ---- membership */

/* Its own id now. It changes when it was taken for gone: what was done under the old one is over.
 */
struct uuid members_id(struct members *m);

/* Is that its id, and may it still act under it? Never blocks for long, asks nobody. */
bool members_may_act(struct members *m, const struct uuid *id);

/* Is the member of that id gone for good? Asks the database about one that is not known. */
ERR_CHECKED enum err_code members_is_gone(struct members *m, const struct uuid *id, bool *ret_gone,
                                          struct err *e);

/* The precondition that the member of that id is not gone; the last operation of a transaction, so
 * that it holds others up for as short as can be. Its error NOT_FOUND says that the transaction did
 * not and will not count, and that the id is not its own any more. false, and no operation: the
 * database is of one process. */
bool members_fence(const struct members *m, const struct uuid *id, struct meta_op *ret_op);

/* One round of the thread: renews, and looks. For tests, and for who waits. */
void members_round(struct members *m);

/* ---- answering from memory */

/* May what is kept in memory be answered at this moment? Asked after it was looked up: what was
 * there then was right then. Never blocks. */
bool members_may_answer(const struct members *m);

/* Changes whenever answering begins or ends; 0 while it does not answer. What was read before
 * it was another number must not be kept. Never blocks. */
uint64_t members_turn(const struct members *m);

/* Can messages be sent to others, and come from them? At first not. Any thread. */
void members_set_reachable(struct members *m, bool reachable);

/* A write that others may have to be asked about, from before they are asked until its transaction
 * has ended. */
struct members_write {
    uint64_t number; /* grows with each */
    struct uuid id;  /* who writes */
    struct members_write *previous, *next;
};

/* Joins, if it has not. Waits while it is between two ids. Errors: UNAVAILABLE, and those of meta.
 */
ERR_CHECKED enum err_code members_write_begin(struct members *m, struct members_write *ret_write,
                                              struct err *e);
void members_write_end(struct members *m, struct members_write *w);

/* All writes with smaller numbers have ended. */
uint64_t members_lowest_write(struct members *m);

#define MEMBERS_MAX 200

enum members_asking {
    MEMBERS_NONE, /* no other, or all are silent: nobody has to be asked */
    MEMBERS_ASK,  /* those that may be answering */
    MEMBERS_WAIT, /* one of them is not reachable, so all are to fall silent: after a look or two */
};

/* Whom a write has to ask, as of the last look. */
enum members_asking members_to_ask(struct members *m, struct uuid ret_ids[static MEMBERS_MAX],
                                   size_t *ret_n);

/* It is not certain of what others keep, or does not hear from one of them: all fall silent, and a
 * new epoch begins, but not before so many milliseconds have passed. */
void members_distrust(struct members *m, uint64_t ms);

/* What is kept with others, at this moment: false, nothing. To be asked again after it was read:
 * what was there is right if the answer is the same. Never blocks. */
bool members_epoch(const struct members *m, uint64_t *ret_epoch);

/* The last look that has begun; and whether that member was seen by the last one that ended. */
uint64_t members_look(struct members *m);
bool members_is_listed(struct members *m, const struct uuid *id);

/* Was nobody else there at the last look? */
bool members_is_alone(struct members *m);

/* A look comes soon: somebody waits for what others say. */
void members_hurry(struct members *m);
