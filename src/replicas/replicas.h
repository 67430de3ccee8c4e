/*
 * A decorator of meta, right above the database: the process as a member of those that use it.
 */
#pragma once

#include "replicas/members.h"

/* Takes ownership of inner. It is no member yet: members_start(). *o as for members_new(). */
struct meta *replicas_new(struct meta *inner, const struct members_options *o);

/* Of what replicas_new() made, which owns it. */
struct members *replicas_members(struct meta *replicas);
