#include "core/upload_session.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

#define BUCKETS 1024

struct upload_table {
    pthread_mutex_t mutex;
    struct session *buckets[BUCKETS];
    size_t n;
    size_t idle_at; /* the bucket to look at next for sessions that nobody uses */
};

struct upload_table *upload_table_new(void)
{
    struct upload_table *t = NEW(struct upload_table);

    pthread_mutex_init(&t->mutex, NULL);
    return t;
}

static void session_free(struct session *s)
{
    hasher_free(s->hasher);
    free(s);
}

void upload_table_free(struct upload_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (t->buckets[i]) {
            struct session *s = t->buckets[i];

            t->buckets[i] = s->next;
            session_free(s);
        }
    }
    pthread_mutex_destroy(&t->mutex);
    free(t);
}

/* The ids are random, so their own digits are the hash. */
static struct session **bucket(struct upload_table *t, const struct uuid *id)
{
    unsigned h = 0;

    for (size_t i = 0; i < UUID_TEXT; i++)
        h = h * 31 + (unsigned char)id->text[i];
    return &t->buckets[h % BUCKETS];
}

static struct session *find(struct upload_table *t, const struct uuid *id)
{
    struct session *s = *bucket(t, id);

    while (s && memcmp(s->info.id.text, id->text, UUID_TEXT) != 0)
        s = s->next;
    return s;
}

struct session *session_add(struct upload_table *t, const struct meta_upload *info, size_t max,
                            bool *ret_added)
{
    struct session *s;

    pthread_mutex_lock(&t->mutex);
    s = find(t, &info->id);
    *ret_added = !s && t->n < max;
    if (*ret_added) {
        struct session **head = bucket(t, &info->id);

        s = NEW(struct session);
        s->info = *info;
        s->busy = true;
        s->used_ms = clock_mono_ms();
        s->next = *head;
        *head = s;
        t->n++;
    }
    pthread_mutex_unlock(&t->mutex);
    return s;
}

enum session_take session_take(struct upload_table *t, const struct uuid *id,
                               struct session **ret_session)
{
    enum session_take result = SESSION_UNKNOWN;
    struct session *s;

    pthread_mutex_lock(&t->mutex);
    s = find(t, id);
    if (s && s->busy) {
        result = SESSION_BUSY;
    } else if (s) {
        s->busy = true;
        *ret_session = s;
        result = SESSION_TAKEN;
    }
    pthread_mutex_unlock(&t->mutex);
    return result;
}

void session_release(struct upload_table *t, struct session *s)
{
    pthread_mutex_lock(&t->mutex);
    s->busy = false;
    s->used_ms = clock_mono_ms();
    pthread_mutex_unlock(&t->mutex);
}

/* Under the lock, for others may ask meanwhile how far it is. */
void session_advance(struct upload_table *t, struct session *s, uint64_t offset_bytes)
{
    pthread_mutex_lock(&t->mutex);
    s->offset_bytes = offset_bytes;
    pthread_mutex_unlock(&t->mutex);
}

void session_set_repo(struct upload_table *t, struct session *s, const struct repo_name *repo)
{
    pthread_mutex_lock(&t->mutex);
    s->info.repo = *repo;
    pthread_mutex_unlock(&t->mutex);
}

void session_set_turn(struct upload_table *t, struct session *s, int64_t turn)
{
    pthread_mutex_lock(&t->mutex);
    s->info.turn = turn;
    pthread_mutex_unlock(&t->mutex);
}

bool session_take_idle(struct upload_table *t, int64_t idle_ms, struct session **ret_session)
{
    int64_t before_ms = clock_mono_ms() - idle_ms;
    struct session *s;

    pthread_mutex_lock(&t->mutex);
    s = t->buckets[t->idle_at++ % BUCKETS];
    while (s && (s->busy || s->used_ms > before_ms))
        s = s->next;
    if (s)
        s->busy = true;
    pthread_mutex_unlock(&t->mutex);
    *ret_session = s;
    return s != NULL;
}

void session_drop(struct upload_table *t, struct session *s)
{
    struct session **at;

    pthread_mutex_lock(&t->mutex);
    at = bucket(t, &s->info.id);
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    t->n--;
    pthread_mutex_unlock(&t->mutex);
    session_free(s);
}

bool session_peek(struct upload_table *t, const struct uuid *id, struct meta_upload *ret_info,
                  uint64_t *ret_offset_bytes, bool *ret_busy, int64_t *ret_used_ms)
{
    struct session *s;

    pthread_mutex_lock(&t->mutex);
    s = find(t, id);
    if (s) {
        *ret_info = s->info;
        *ret_offset_bytes = s->offset_bytes;
        *ret_busy = s->busy;
        *ret_used_ms = s->used_ms;
    }
    pthread_mutex_unlock(&t->mutex);
    return s != NULL;
}

size_t session_count(struct upload_table *t)
{
    size_t n;

    pthread_mutex_lock(&t->mutex);
    n = t->n;
    pthread_mutex_unlock(&t->mutex);
    return n;
}
