/* What the outbox tells of the end of an upload of an archive (core/outbox.h, docs/upload.md). */
#pragma once

#include "core/outbox.h"
#include "core/upload_state.h"

/* The event, to be put and done by the caller. s is as it is written, at its end. */
void upload_event_begin(struct outbox_event *ev, const struct upload_state *s);
