/*
 * channel: messages from one process to all that use the same database, itself among them. A table
 * of callbacks with two drivers: memory (tests: several members in one process) and Redis.
 *
 * It promises little: a message may be lost, come late, come twice, or behind one that was sent
 * after it; but none is changed, and none is told to somebody of another database. Who must know
 * that a message has come asks for an answer, and sends it again. Whether the channel can be used
 * at all is told as its state, as well as can be known: a channel that is "up" and loses everything
 * makes those who wait slower, and nothing wrong.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#define CHANNEL_MESSAGE_MAX (256 << 10) /* bytes */

struct channel;

/* What happens on it. From threads of the channel's, one call at a time, none before
 * channel_start() and none after channel_stop() has returned. May call channel_send(), and may take
 * locks and wait for one command of a server; nothing else waits in them. */
struct channel_events {
    /* Of anybody, also of ourselves. Any bytes: the transport may be shared with strangers. The
     * text is borrowed. */
    void (*on_message)(void *ctx, struct str message);

    /* Up: from now on what others send comes to us, and what we send to others, but for what is
     * lost. Down: it does not, or is not known to. It begins down, and goes down within a second of
     * trouble that can be noticed (a connection that ended, a server that answers no ping). */
    void (*on_state)(void *ctx, bool up);

    void *ctx;
};

struct channel_driver {
    const char *name;

    /* Begins to connect, and goes on trying until stop: a server that is not there is no error. */
    enum err_code (*start)(struct channel *c, const struct channel_events *events, struct err *e);

    /* Any thread. Does not wait for an answer, and fails silently. */
    void (*send)(struct channel *c, struct str message);

    void (*stop)(struct channel *c); /* ends its threads; once, after start */
    void (*free)(struct channel *c);
};

/* First member of the driver's own struct. */
struct channel {
    const struct channel_driver *driver;
};

/* *events is copied. Error: INTERNAL (no thread could be started). */
ERR_CHECKED enum err_code channel_start(struct channel *c, const struct channel_events *events,
                                        struct err *e);

/* Between start and stop; drops what is longer than CHANNEL_MESSAGE_MAX. */
void channel_send(struct channel *c, struct str message);
void channel_stop(struct channel *c);
void channel_free(struct channel *c); /* accepts NULL */

static inline void auto_channel_(struct channel **c)
{
    channel_free(*c);
}
