/*
 * channel_mem: a channel between several members in one process, for tests. It can be made to do
 * what a channel may (channel.h): lose messages, deliver them twice, late, and in another order.
 */
#pragma once

#include "replicas/channel.h"

#include <stdint.h>

struct channel_hub; /* what the channels of a test have in common; any thread */

struct channel_hub_faults {
    unsigned lost, twice, late; /* of a thousand messages on their way to one member */
    unsigned late_ms;           /* at most */
};

struct channel_hub *channel_hub_new(void);
void channel_hub_free(struct channel_hub *h); /* after its channels */
void channel_hub_set_faults(struct channel_hub *h, const struct channel_hub_faults *f);

/* Up from its start. */
struct channel *channel_mem_new(struct channel_hub *h);

/* Says that it is down and carries nothing; or that it is up. */
void channel_mem_set_up(struct channel *c, bool up);

/* Carries nothing, and does not know it. */
void channel_mem_set_deaf(struct channel *c, bool deaf);

/* Its member stands still: what comes waits. */
void channel_mem_set_paused(struct channel *c, bool paused);
