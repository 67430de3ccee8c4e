/*
 * Streams of the event log (core/event_log.h) as server-sent events, from any place in it, until
 * they are left. One thread reads the log for all of them; who reads slowly is given what there is
 * room for, and the rest when it has read that.
 */
#pragma once

#include "base/reader.h"
#include "core/registry.h"

struct event_streams;

#define EVENT_STREAM_NOW UINT64_MAX /* from the next event on */

struct event_stream_wish {
    uint64_t after;       /* the number of the event that was read last; 0: from the oldest on */
    char repository[513]; /* a pattern (base/pattern.h); "": all, and what is of no repository */
    char events[513];     /* patterns of their names, with a comma between; "": all */
    bool to_end;          /* it ends at what is there now */

    /* May the reader see what is of that repository (NULL: of none)? From the thread of the
     * streams. ctx is the stream's, which frees it. */
    bool (*sees)(void *ctx, const struct repo_name *repo);
    /* Of what the reader sees: may they know who did it, and from where ("user:alice"; "": the
     * event does not say)? NULL: always. */
    bool (*knows)(void *ctx, const char *who);
    void (*free_ctx)(void *ctx);
    void *ctx;
};

struct event_streams *event_streams_new(struct registry *r);
void event_streams_free(struct event_streams *s); /* accepts NULL */

/* No stream goes on from now on: the server is about to stop. Any thread. */
void event_streams_hush(struct event_streams *s);

/* *w is copied, and its ctx taken, also with an error. Errors: TOO_MANY_REQUESTS (events.streams),
 * told; UNAVAILABLE. */
ERR_CHECKED enum err_code event_stream_open(struct event_streams *s,
                                            const struct event_stream_wish *w,
                                            struct reader **ret_reader, struct err *e);
