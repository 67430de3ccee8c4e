/*
 * Where uploads of blobs were when a command ended before them, for the next one: the URL of each
 * session, in a file of its own below $XDG_CACHE_HOME or ~/.cache, which only its owner reads. It
 * is of use, not needed: what fails here goes on without. Any thread.
 */
#pragma once

#include "base/digest.h"

struct resume_notes {
    int dir_fd; /* -1: none are kept */
};

/* Old notes are removed. */
void resume_notes_open(char *const *environment, struct resume_notes *ret);
void resume_notes_done(struct resume_notes *n);

/* Of a blob for a repository ("https://host/v2/team/app"). False: there is none. */
bool resume_notes_load(const struct resume_notes *n, const char *repository_url,
                       const struct digest *d, char *ret_location, size_t cap);
void resume_notes_save(const struct resume_notes *n, const char *repository_url,
                       const struct digest *d, const char *location);
void resume_notes_drop(const struct resume_notes *n, const char *repository_url,
                       const struct digest *d);
