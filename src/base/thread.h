/* Threads of the server: named, and with all signals blocked (they are for the main thread; SIGPIPE
 * of sendfile goes nowhere). */
#pragma once

#include <pthread.h>
#include <stddef.h>

#define THREAD_STACK_USUAL 0 /* the system's; where threads are many, a size that was measured */

/* 0 or an errno. The name has at most 15 bytes. */
int thread_start(pthread_t *ret_thread, const char *name, size_t stack_bytes, void *(*main)(void *),
                 void *arg);

/* A condition whose timed waits go by CLOCK_MONOTONIC, as clock_mono_ms() does: setting the
 * machine's clock ends no wait and makes none longer. */
void thread_cond_init(pthread_cond_t *cond);

/* Asks the scheduler for short turns that come soon, rather than long ones, for the calling thread.
 * Without effect before Linux 6.12, and when the process was started under another policy than
 * SCHED_OTHER: that is the operator's choice. */
void thread_prefer_latency(void);

/* Lowers the calling thread's priority by n steps of nice, and gives it turns of the usual length
 * whatever its maker asked for. */
void thread_lower_priority(int n);

/* How many processors this process may use, at least 1: a container is often given fewer than the
 * machine has. */
size_t thread_processors(void);
