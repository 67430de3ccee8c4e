#include "replicas/remote.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

#define WRITES_MAX                                                                                 \
    10000 /* of all members: what a member has in flight is bounded by its workers                 \
           */

struct write {
    struct write *next;
    uint64_t number;
    bool ended; /* kept so that a late message of its beginning is known */
    size_t n;
    struct message_key *keys; /* their texts are in `text` */
    char *text;
};

struct sender {
    struct sender *next;
    struct uuid id;
    uint64_t look;   /* the last that had begun when it was first heard of */
    uint64_t lowest; /* writes below have ended */
    struct write *writes;
};

struct remote_writes {
    struct remote_options o;
    pthread_mutex_t lock;
    struct sender *senders;
    size_t n_writes;
};

/* ---- one write */

static void write_free(struct remote_writes *r, struct write *w)
{
    r->n_writes--;
    free(w->keys);
    free(w->text);
    free(w);
}

/* The keys are whole: message_parse() has seen to it. */
static struct write *write_new(struct remote_writes *r, const struct message *m)
{
    struct write *w = NEW(struct write);
    struct message_key k;
    struct str rest;
    size_t n = 0;

    for (rest = m->keys; message_next_key(&rest, &k);)
        n++;
    w->number = m->number;
    w->keys = mem_alloc((n + 1) * sizeof(w->keys[0]));
    w->text = str_dup(m->keys);
    for (rest = (struct str){w->text, m->keys.n}; message_next_key(&rest, &k);)
        w->keys[w->n++] = k;
    r->n_writes++;
    return w;
}

static void end_write(struct remote_writes *r, struct write *w)
{
    if (!w->ended && w->n > 0)
        r->o.leave(r->o.ctx, w->keys, w->n);
    w->ended = true;
}

static struct write *find(const struct sender *s, uint64_t number)
{
    struct write *w = s->writes;

    while (w && w->number != number)
        w = w->next;
    return w;
}

/* ---- one sender */

static struct sender *sender_of(struct remote_writes *r, const struct uuid *id)
{
    struct sender *s = r->senders;

    while (s && strcmp(s->id.text, id->text) != 0)
        s = s->next;
    if (!s) {
        s = NEW(struct sender);
        s->id = *id;
        s->look = members_look(r->o.members);
        s->next = r->senders;
        r->senders = s;
    }
    return s;
}

static void raise_to(struct remote_writes *r, struct sender *s, uint64_t lowest)
{
    struct write **at = &s->writes;

    if (lowest > s->lowest)
        s->lowest = lowest;
    while (*at) {
        struct write *w = *at;

        if (w->number >= s->lowest) {
            at = &w->next;
            continue;
        }
        end_write(r, w);
        *at = w->next;
        write_free(r, w);
    }
}

static void add(struct sender *s, struct write *w)
{
    w->next = s->writes;
    s->writes = w;
}

/* ---- as others see it */

struct remote_writes *remote_writes_new(const struct remote_options *o)
{
    struct remote_writes *r = NEW(struct remote_writes);

    r->o = *o;
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

static void sender_free(struct remote_writes *r, struct sender *s)
{
    for (struct write *w = s->writes, *next; w; w = next) {
        next = w->next;
        write_free(r, w);
    }
    free(s);
}

void remote_writes_free(struct remote_writes *r)
{
    if (!r)
        return;
    for (struct sender *s = r->senders, *next; s; s = next) {
        next = s->next;
        sender_free(r, s);
    }
    pthread_mutex_destroy(&r->lock);
    free(r);
}

bool remote_writes_enter(struct remote_writes *r, const struct message *m)
{
    struct sender *s;
    struct write *w;
    bool entered = false;

    pthread_mutex_lock(&r->lock);
    s = sender_of(r, &m->from);
    w = find(s, m->number);
    if (w) {
        entered = !w->ended;
    } else if (m->number >= s->lowest && r->n_writes < WRITES_MAX) {
        w = write_new(r, m);
        add(s, w);
        r->o.enter(r->o.ctx, w->keys, w->n);
        entered = true;
    }
    pthread_mutex_unlock(&r->lock);
    return entered;
}

void remote_writes_leave(struct remote_writes *r, const struct message *m)
{
    struct sender *s;
    struct write *w;

    pthread_mutex_lock(&r->lock);
    s = sender_of(r, &m->from);
    w = find(s, m->number);
    if (!w && m->number >= s->lowest && r->n_writes < WRITES_MAX) {
        w = write_new(r, m); /* without keys: its beginning is late, or lost */
        add(s, w);
    }
    if (w)
        end_write(r, w);
    pthread_mutex_unlock(&r->lock);
}

void remote_writes_raise(struct remote_writes *r, const struct message *m)
{
    pthread_mutex_lock(&r->lock);
    raise_to(r, sender_of(r, &m->from), m->lowest);
    pthread_mutex_unlock(&r->lock);
}

/* Its row was there before it sent anything. */
void remote_writes_looked(struct remote_writes *r, uint64_t look)
{
    struct sender **at = &r->senders;

    pthread_mutex_lock(&r->lock);
    while (*at) {
        struct sender *s = *at;

        if (look <= s->look || members_is_listed(r->o.members, &s->id)) {
            at = &s->next;
            continue;
        }
        raise_to(r, s, UINT64_MAX);
        *at = s->next;
        sender_free(r, s);
    }
    pthread_mutex_unlock(&r->lock);
}
