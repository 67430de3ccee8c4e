/*
 * The scrub: all blobs read again in the background, over days, as a job of the kind "scrub" that
 * one process has at a time. What is damaged is put into quarantine at once. Where it is is a
 * record, so that it goes on there after a stop; what it did since then it does again.
 */
#pragma once

#include "check/check_finding.h"
#include "core/registry.h"

struct scrub {
    struct registry *r;
    uint64_t rate_bytes; /* at most so many a second */
    /* Of what is damaged, or can't be read; the job's thread. */
    void (*tell)(const struct check_finding *f, bool moved);
};

/* The server does it from now on; s is copied for good, for a process has one. */
void scrub_jobs(const struct scrub *s);
