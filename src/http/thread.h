/* Threads of the server: named, with a small stack, and with all signals blocked (they are for the
 * main thread; SIGPIPE of sendfile goes nowhere). */
#pragma once

#include <pthread.h>

/* 0 or an errno. */
int thread_start(pthread_t *ret_thread, const char *name, size_t stack_bytes, void *(*main)(void *),
                 void *arg);

/* Asks the scheduler for short turns that come soon, rather than long ones, for the calling thread.
 * Without effect before Linux 6.12, and when the process was started under another policy than
 * SCHED_OTHER: that is the operator's choice. */
void thread_prefer_latency(void);

/* Lowers the calling thread's priority by n steps of nice, and gives it turns of the usual length
 * whatever its maker asked for. */
void thread_lower_priority(int n);
