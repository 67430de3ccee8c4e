/*
 * Striped locks: one of a fixed number of mutexes, chosen by the hash of a key. Two keys may share
 * one, so a thread holds at most one stripe of a set at a time.
 */
#pragma once

#include "base/str.h"

#include <pthread.h>

#define LOCKS_STRIPES 256

struct locks {
    pthread_mutex_t stripes[LOCKS_STRIPES];
};

void locks_init(struct locks *l);
void locks_done(struct locks *l);

/* Blocks. The result is released by locks_release(), or at the end of scope by AUTO(held). */
pthread_mutex_t *locks_hold(struct locks *l, struct str a, struct str b);
void locks_release(pthread_mutex_t *held); /* accepts NULL */

static inline void auto_held_(pthread_mutex_t **held)
{
    locks_release(*held);
}
