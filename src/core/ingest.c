#include "core/ingest.h"

#include "base/byte_line.h"
#include "base/cleanup.h"
#include "base/hash_line.h"
#include "base/mem.h"
#include "base/thread.h"

/* Below this a second thread costs more than it saves. */
#define PIPELINE_MIN_BYTES (4u << 20)
#define SLOTS              3

struct slot {
    char *p;
    size_t n;
};

/* A ring: the receiver fills and writes slots, the helper hashes them in order. */
struct pipeline {
    struct hasher *hasher;
    pthread_mutex_t mutex;
    pthread_cond_t filled, emptied;
    struct slot slots[SLOTS];
    unsigned head, tail; /* slots filled and hashed so far */
    bool end;
};

/* Within the limits. */
static enum err_code write_at(struct ingest *in, uint64_t at_bytes, const char *p, size_t n,
                              struct err *e)
{
    if (n > in->limit_bytes - at_bytes)
        return err_tell(e, ERR_BLOB_TOO_LARGE, "the largest blob accepted has %llu bytes",
                        (unsigned long long)in->limit_bytes);
    if (!reserve_was_held(in->reserve))
        return err_tell(e, ERR_STORAGE_FULL, "the disk is full");
    if (n > 0 && in->may_go_on)
        TRY(in->may_go_on(in->ctx, e));
    return n > 0 ? store_upload_write(in->store, in->upload, p, n, at_bytes, e) : ERR_OK;
}

enum err_code ingest_write(struct ingest *in, const void *p, size_t n, struct err *e)
{
    TRY(write_at(in, in->offset_bytes, p, n, e));
    if (in->line)
        hash_line_add(in->line, p, n);
    else
        hasher_update(in->hasher, p, n);
    in->offset_bytes += n;
    return ERR_OK;
}

/* One read and its write. *ret_n is 0 at the end of the body. */
static enum err_code receive(struct ingest *in, struct reader *from, uint64_t at_bytes, char *p,
                             size_t cap, size_t *ret_n, struct err *e)
{
    TRY(reader_read(from, p, cap, ret_n, e));
    return write_at(in, at_bytes, p, *ret_n, e);
}

/* In this thread, until the end or until stop_bytes were received. */
static enum err_code run_serial(struct ingest *in, struct reader *from, size_t cap,
                                uint64_t stop_bytes, bool *ret_ended, struct err *e)
{
    AUTO(mem) char *p = mem_alloc(cap);
    uint64_t received = 0;
    size_t n = 0;

    while (received < stop_bytes) {
        TRY(receive(in, from, in->offset_bytes, p, cap, &n, e));
        if (n == 0) {
            *ret_ended = true;
            return ERR_OK;
        }
        hasher_update(in->hasher, p, n);
        in->offset_bytes += n;
        received += n;
    }
    *ret_ended = false;
    return ERR_OK;
}

static void *hash_slots(void *arg)
{
    struct pipeline *pl = arg;

    pthread_mutex_lock(&pl->mutex);
    for (;;) {
        struct slot *slot = &pl->slots[pl->tail % SLOTS];

        while (pl->tail == pl->head && !pl->end)
            pthread_cond_wait(&pl->filled, &pl->mutex);
        if (pl->tail == pl->head)
            break;
        pthread_mutex_unlock(&pl->mutex);
        hasher_update(pl->hasher, slot->p, slot->n);
        pthread_mutex_lock(&pl->mutex);
        pl->tail++;
        pthread_cond_signal(&pl->emptied);
    }
    pthread_mutex_unlock(&pl->mutex);
    return NULL;
}

static struct slot *next_slot(struct pipeline *pl)
{
    pthread_mutex_lock(&pl->mutex);
    while (pl->head - pl->tail == SLOTS)
        pthread_cond_wait(&pl->emptied, &pl->mutex);
    pthread_mutex_unlock(&pl->mutex);
    return &pl->slots[pl->head % SLOTS];
}

static void publish(struct pipeline *pl, bool end)
{
    pthread_mutex_lock(&pl->mutex);
    if (end)
        pl->end = true;
    else
        pl->head++;
    pthread_cond_signal(&pl->filled);
    pthread_mutex_unlock(&pl->mutex);
}

static enum err_code feed(struct ingest *in, struct reader *from, struct pipeline *pl, size_t cap,
                          uint64_t *at_bytes, struct err *e)
{
    for (;;) {
        struct slot *slot = next_slot(pl);

        TRY(receive(in, from, *at_bytes, slot->p, cap, &slot->n, e));
        if (slot->n == 0)
            return ERR_OK;
        *at_bytes += slot->n;
        publish(pl, false);
    }
}

static enum err_code run_pipelined(struct ingest *in, struct reader *from, size_t cap,
                                   struct err *e)
{
    AUTO(mem) char *memory = mem_alloc(cap * SLOTS);
    struct pipeline pl = {.hasher = in->hasher};
    uint64_t at_bytes = in->offset_bytes;
    enum err_code code;
    pthread_t helper;
    bool ended;

    for (size_t i = 0; i < SLOTS; i++)
        pl.slots[i].p = memory + i * cap;
    pthread_mutex_init(&pl.mutex, NULL);
    pthread_cond_init(&pl.filled, NULL);
    pthread_cond_init(&pl.emptied, NULL);
    if (thread_start(&helper, "hashing", THREAD_STACK_USUAL, hash_slots, &pl) == 0) {
        code = feed(in, from, &pl, cap, &at_bytes, e);
        publish(&pl, true);
        pthread_join(helper, NULL);
        in->offset_bytes = at_bytes;
    } else { /* no thread to be had: the work is the same without one */
        code = run_serial(in, from, cap, UINT64_MAX, &ended, e);
    }
    pthread_cond_destroy(&pl.emptied);
    pthread_cond_destroy(&pl.filled);
    pthread_mutex_destroy(&pl.mutex);
    return code;
}

enum err_code ingest_run(struct ingest *in, struct reader *from, uint64_t expected_bytes,
                         struct err *e)
{
    uint64_t cap = expected_bytes < in->buffer_bytes ? expected_bytes + 1 : in->buffer_bytes;
    uint64_t alone = expected_bytes == UINT64_MAX ? PIPELINE_MIN_BYTES : UINT64_MAX;
    enum err_code code;
    bool ended = false;

    if (expected_bytes < PIPELINE_MIN_BYTES || alone == PIPELINE_MIN_BYTES)
        TRY(run_serial(in, from, (size_t)cap, alone, &ended, e));
    if (ended)
        return ERR_OK;
    if (!helper_thread_take())
        return run_serial(in, from, (size_t)cap, UINT64_MAX, &ended, e);
    code = run_pipelined(in, from, (size_t)cap, e);
    helper_thread_give();
    return code;
}
