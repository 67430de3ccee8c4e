#include "store/s3/s3.h"

#include "base/clock.h"
#include "base/thread.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LONG_MS 20000

/* Runs until so many of them run at the same time. */
struct crowd {
    pthread_mutex_t lock;
    pthread_cond_t came;
    unsigned there, most, wanted;
};

struct one {
    struct s3_job job;
    struct crowd *crowd;
};

static void meet(struct s3_job *job)
{
    struct crowd *c = ((struct one *)job)->crowd;
    struct timespec until = clock_mono_in(LONG_MS);
    int error = 0;

    pthread_mutex_lock(&c->lock);
    c->there++;
    c->most = c->there > c->most ? c->there : c->most;
    pthread_cond_broadcast(&c->came);
    while (c->most < c->wanted && error == 0)
        error = pthread_cond_timedwait(&c->came, &c->lock, &until);
    c->there--;
    pthread_cond_broadcast(&c->came);
    pthread_mutex_unlock(&c->lock);
}

static void meet_all(struct s3_senders *s, struct crowd *c, unsigned n)
{
    struct one jobs[4];

    c->most = 0;
    c->wanted = n;
    for (unsigned i = 0; i < n; i++) {
        jobs[i] = (struct one){.job.run = meet, .crowd = c};
        s3_senders_add(s, &jobs[i].job);
    }
    pthread_mutex_lock(&c->lock);
    while (c->most < n || c->there > 0) {
        struct timespec until = clock_mono_in(2 * LONG_MS);

        assert_int_equal(pthread_cond_timedwait(&c->came, &c->lock, &until), 0);
    }
    pthread_mutex_unlock(&c->lock);
}

/* A thread that was woken and has not begun is not there for the next job. */
static void jobs_that_come_together_run_together(void **state)
{
    struct crowd c = {0};
    struct s3_senders *s = s3_senders_new(4);

    (void)state;
    pthread_mutex_init(&c.lock, NULL);
    thread_cond_init(&c.came);
    for (int round = 0; round < 20; round++) {
        meet_all(s, &c, 1);
        meet_all(s, &c, 2 + (unsigned)round % 3);
    }
    s3_senders_free(s);
    pthread_cond_destroy(&c.came);
    pthread_mutex_destroy(&c.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_that_come_together_run_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
