#include "store/s3/s3.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

#include <stdlib.h>

#define STACK_BYTES (256u << 10)
#define IDLE_MS     5000 /* then a thread ends */

struct s3_senders {
    pthread_mutex_t lock;
    pthread_cond_t work, ended;
    struct s3_job *first, **last;
    unsigned most, running;
    unsigned waiting; /* threads, one that was woken included as long as its job is not taken */
    unsigned queued;
    bool stop;
};

struct s3_senders *s3_senders_new(unsigned threads)
{
    struct s3_senders *s = NEW(struct s3_senders);

    pthread_mutex_init(&s->lock, NULL);
    thread_cond_init(&s->work);
    thread_cond_init(&s->ended);
    s->last = &s->first;
    s->most = threads;
    return s;
}

/* The next job; NULL: none came, or all is over. Lock held. */
static struct s3_job *next_job(struct s3_senders *s)
{
    struct timespec until = clock_mono_in(IDLE_MS);
    struct s3_job *job;
    int timed_out = 0;

    s->waiting++;
    while (!s->first && !s->stop && timed_out == 0)
        timed_out = pthread_cond_timedwait(&s->work, &s->lock, &until);
    s->waiting--;
    job = s->first;
    if (job) {
        s->first = job->next;
        if (!s->first)
            s->last = &s->first;
        s->queued--;
    }
    return job;
}

static void *send_main(void *ctx)
{
    struct s3_senders *s = ctx;
    struct s3_job *job;

    pthread_mutex_lock(&s->lock);
    while ((job = next_job(s)) != NULL) {
        pthread_mutex_unlock(&s->lock);
        job->run(job);
        pthread_mutex_lock(&s->lock);
    }
    s->running--;
    pthread_cond_signal(&s->ended);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* Lock held. */
static bool add_thread(struct s3_senders *s)
{
    pthread_t thread;

    if (thread_start(&thread, "s3 sender", STACK_BYTES, send_main, s) != 0)
        return false;
    pthread_detach(thread);
    s->running++;
    return true;
}

void s3_senders_add(struct s3_senders *s, struct s3_job *job)
{
    bool alone = false;

    pthread_mutex_lock(&s->lock);
    job->next = NULL;
    *s->last = job;
    s->last = &job->next;
    s->queued++;
    if (s->queued > s->waiting && s->running < s->most && !add_thread(s) && s->running == 0) {
        alone = true; /* no thread to be had: the work is the same without one */
        s->first = NULL;
        s->last = &s->first;
        s->queued = 0;
    }
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->lock);
    if (alone)
        job->run(job);
}

void s3_senders_free(struct s3_senders *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->work);
    while (s->running > 0)
        pthread_cond_wait(&s->ended, &s->lock);
    pthread_mutex_unlock(&s->lock);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->ended);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
