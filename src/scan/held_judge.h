/*
 * The verdict about images of archives that wait for it (core/image_judge.h): by what scanners
 * found, and the rules of the pull policy for the repository that they are to be in. What would be
 * blocked there is not stored there.
 */
#pragma once

#include "core/image_judge.h"
#include "scan/gate.h"
#include "scan/scans.h"

struct held_judge {
    struct registry *registry;
    struct gate *gate;
    struct scans *scans;
    struct image_judge judge; /* for registry->judge */
};

/* All are borrowed. */
void held_judge_init(struct held_judge *h, struct registry *r, struct gate *gate,
                     struct scans *scans);
