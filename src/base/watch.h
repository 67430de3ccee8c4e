/*
 * A file that others may replace while we run: about once a second somebody is told when it is not
 * what it was. Any thread; never blocks for longer than stat().
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

struct watch {
    const char *path; /* outlives the watch; NULL or "": never changes */
    atomic_ullong stamp;
    atomic_uint missed;   /* looks in succession at which there was no file */
    atomic_llong look_ms; /* monotonic, of the next look */
};

/* Before the file is read for the first time, so that no change is missed. */
void watch_init(struct watch *w, const char *path);

/* True, to one caller, when it is time to look and the file has changed. One that is gone has not
 * at the first look, because who replaces a file may remove it first; at the second it has. */
bool watch_changed(struct watch *w);
