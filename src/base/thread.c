#include "base/thread.h"

#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int thread_start(pthread_t *ret_thread, const char *name, size_t stack_bytes, void *(*main)(void *),
                 void *arg)
{
    pthread_attr_t attr;
    sigset_t all, old;
    int error;

    pthread_attr_init(&attr);
    if (stack_bytes > 0)
        pthread_attr_setstacksize(&attr, stack_bytes);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    error = pthread_create(ret_thread, &attr, main, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (!error)
        pthread_setname_np(*ret_thread, name);
    return error;
}

void thread_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

/* sched_setattr(2), which the C library does not have. Under SCHED_OTHER the runtime is the slice
 * (0: the usual one): a shorter one gives an earlier virtual deadline, so a thread that wakes for a
 * request runs before one that is in the middle of a long transfer, at the same share of the
 * processor. Threads inherit it. */
static void set_turn(int nice, uint64_t slice_ns)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
    } attr = {.size = sizeof(attr), .nice = nice, .runtime_ns = slice_ns};

    if (sched_getscheduler(0) == SCHED_OTHER)
        syscall(SYS_sched_setattr, 0, &attr, 0);
}

/* On Linux the priority is of the thread, not of the process. */
static int own_nice(void)
{
    return getpriority(PRIO_PROCESS, (id_t)gettid());
}

void thread_prefer_latency(void)
{
    set_turn(own_nice(), 100 * 1000);
}

void thread_lower_priority(int n)
{
    int now = own_nice();

    setpriority(PRIO_PROCESS, (id_t)gettid(), now + n);
    set_turn(own_nice(), 0);
}

size_t thread_processors(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
        return (size_t)CPU_COUNT(&set);
    return 1;
}
