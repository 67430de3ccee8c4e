/*
 * The event log: all events of the outbox (core/outbox.h) in one order, numbered from 1 without
 * gaps. Each process moves what is in the outbox there, a few at a time: at once what it wrote
 * itself, within a second what others left. The number that was given last is a record, and each
 * move has its version as a condition; so of two that move at once one has done it, and none is
 * twice in the log or missing.
 *
 * There are never many more than `outbox.keep`, or what those who must be told have not read yet,
 * up to `outbox.keep_waiting`: the oldest go. Who reads finds that the numbers go on with a greater
 * one than expected.
 */
#pragma once

#include "core/outbox.h"
#include "core/registry.h"

#define EVENT_LOG STR("events") /* the collection */

#define EVENT_LOG_PAGE 256 /* that are read at once, at most */

struct event_log;

struct event {
    uint64_t seq;
    char id[UUID_TEXT + 1];
    const char *json; /* {"id": "...", "event": "...", "time": "...", ...}; the list's */
};

struct event_list {
    struct event *rows; /* by seq */
    size_t n;
    bool more;
    struct meta_record_list records; /* what json points into */
};

struct event_log *event_log_new(struct registry *r);
void event_log_free(struct event_log *l); /* accepts NULL; nobody waits any more */

/* Those after that number, oldest first; limit is 1 to EVENT_LOG_PAGE. Any thread. */
ERR_CHECKED enum err_code event_log_read(struct meta *m, uint64_t after, size_t limit,
                                         struct event_list *ret_list, struct err *e);
void event_list_done(struct event_list *l);

/* The numbers of the oldest and the newest that are there. Of an empty log *ret_last is what was
 * given last (0: none ever was), and *ret_first one more. */
ERR_CHECKED enum err_code event_log_bounds(struct meta *m, uint64_t *ret_first, uint64_t *ret_last,
                                           struct err *e);

/* Something was put into the outbox: it is moved soon. Never blocks for long; any thread. */
void event_log_wake(struct registry *r);

/* An event that belongs to no transaction, and for which nobody is to wait: it is written within a
 * second, with others. Takes it; of more than 4,096 a second, and with a crash, some are lost.
 * Never blocks; any thread. */
void event_log_defer(struct event_log *l, struct outbox_event *ev);
bool event_log_has_room(struct event_log *l); /* for another of these, as of now */

/* Was this not said in the last hour? What may happen again and again is told once. */
bool event_log_may_tell(struct event_log *l, struct str what);

/* Waits until there is one after that number, as far as this process knows, or so long, or until
 * nobody is to wait any more. True: there is. Any thread. */
bool event_log_wait(struct event_log *l, uint64_t after, int64_t ms);

/* Those who wait wake, though there may be nothing. */
void event_log_poke(struct event_log *l);

/* Nobody waits from now on: the server is about to stop. */
void event_log_hush(struct event_log *l);

/* Moves all that is in the outbox now; what the jobs do. *ret_n may be NULL: how many. ERR_LATER:
 * another process moves them just now. */
ERR_CHECKED enum err_code event_log_move(struct registry *r, size_t *ret_n, struct err *e);

/* Removes the oldest of more than keep. *ret_n may be NULL: how many went. */
ERR_CHECKED enum err_code event_log_trim(struct registry *r, uint64_t keep, size_t *ret_n,
                                         struct err *e);

/* How far the slowest of those has come who must be told: all after that number is still to be
 * read. From a thread of the jobs. */
typedef enum err_code (*event_log_read_fn)(void *ctx, uint64_t *ret_read, struct err *e);

/* Before jobs start. NULL, as it is at first: nobody must. */
void event_log_keep_for(struct event_log *l, event_log_read_fn read, void *ctx);

/* Trims as the configuration says; what the jobs do. */
ERR_CHECKED enum err_code event_log_tidy(struct registry *r, struct err *e);

/* The kinds of jobs that move and trim; before jobs start. */
void event_log_jobs(struct registry *r);

static inline void auto_events_(struct event_list *l)
{
    event_list_done(l);
}
