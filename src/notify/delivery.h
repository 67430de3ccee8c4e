/*
 * A job's run: a target is told of what came since it was told last. A target that fails has
 * another job than one that does not, so that one that hangs holds up none that is well. Which of
 * the two may tell it is said by its record, and a run ends when it has written the other there: so
 * both never do at once.
 */
#pragma once

#include "jobs/jobs.h"
#include "notify/format.h"
#include "notify/target.h"

struct delivery {
    struct registry *registry;
    const struct target *target;
    const struct format_source *source;
    struct job *job; /* of the run */
    bool again;      /* it is that of a target that fails */
};

/* Goes on until there is nothing more, the target can't be told, or it is another's turn.
 * ERR_LATER: there is more. A target that is down is no error: its record says when it is tried
 * again. */
ERR_CHECKED enum err_code delivery_run(const struct delivery *d, struct err *e);
