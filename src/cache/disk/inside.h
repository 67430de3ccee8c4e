/* Inside of cache/disk: the cache itself, as the files of this folder share it. */
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
    const char *from;     /* what records call the one that is wrapped */
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
