/*
 * Inside of cache/disk: blobs on their way from the store that is wrapped into the directory, and
 * the readers of them.
 */
#pragma once

#include "cache/disk/shelf.h"
#include "store/store.h"

#include <pthread.h>

#define FETCHES_MAX 32 /* threads; what is wanted beyond goes to the store */

struct fetch;

/* A place for a thread. */
struct fetcher {
    pthread_t thread;
    bool started, ended;
};

struct disk {
    struct store store;
    pthread_mutex_t lock; /* over all that follows, and what hangs on it */
    pthread_cond_t fewer; /* a fetch ended */
    struct shelf shelf;
    struct fetch *fetches;
    size_t n_fetches;
    uint64_t n_parts; /* names of files */
    struct fetcher fetchers[FETCHES_MAX];
    bool quit;
    int quit_fd; /* readable from then on */
};

/* A reader of repo's blob d. Nothing is fetched before its first read. Takes inner, a reader of the
 * store that is wrapped. */
struct reader *intake_reader_new(struct disk *c, const struct repo_name *repo,
                                 const struct digest *d, struct reader *inner, uint64_t size_bytes);

/* d is deleted: what is under way of it is not kept. With the lock. */
void intake_spoil(struct disk *c, const struct digest *d);

void intake_end(struct disk *c); /* no reader may be left */
