#include "replicas/channel.h"

enum err_code channel_start(struct channel *c, const struct channel_events *events, struct err *e)
{
    return c->driver->start(c, events, e);
}

void channel_send(struct channel *c, struct str message)
{
    if (message.n <= CHANNEL_MESSAGE_MAX)
        c->driver->send(c, message);
}

void channel_stop(struct channel *c)
{
    c->driver->stop(c);
}

void channel_free(struct channel *c)
{
    if (c)
        c->driver->free(c);
}
