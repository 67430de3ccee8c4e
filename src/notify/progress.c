#include "notify/progress.h"

#include "base/cleanup.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>

#define RETRY_FIRST_MS   1000
#define RETRY_MOST_MS    (10 * 60 * 1000)
#define RETRY_AFTER_MOST 3600
#define DOUBLED          10 /* times; it is RETRY_MOST_MS then */

static int64_t number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

/* ---- what is done beyond the cursor */

#define WORDS (PROGRESS_AHEAD / 64)

static bool place_of(const struct progress *p, uint64_t seq, uint64_t *ret_i)
{
    *ret_i = seq - p->cursor - 1;
    return seq > p->cursor && *ret_i < PROGRESS_AHEAD;
}

bool progress_is_done(const struct progress *p, uint64_t seq)
{
    uint64_t i;

    return place_of(p, seq, &i) && (p->done[i / 64] >> i % 64 & 1);
}

void progress_set_done(struct progress *p, uint64_t seq)
{
    uint64_t i;

    if (place_of(p, seq, &i))
        p->done[i / 64] |= 1ull << i % 64;
}

/* As numbers of JSON, which are signed. */
static void read_done(const json_t *o, struct progress *ret)
{
    const json_t *list = json_object_get(o, "done");

    for (size_t i = 0; i < WORDS; i++)
        ret->done[i] = (uint64_t)json_integer_value(json_array_get(list, i));
}

static void add_done(const struct progress *p, struct buf *b)
{
    uint64_t any = 0;

    for (size_t i = 0; i < WORDS; i++)
        any |= p->done[i];
    if (any == 0)
        return;
    buf_add_text(b, ",\"done\":");
    for (size_t i = 0; i < WORDS; i++)
        buf_addf(b, "%c%lld", i > 0 ? ',' : '[', (long long)p->done[i]);
    buf_add_char(b, ']');
}

/* ---- the record */

enum err_code progress_read(struct meta *m, const char *key, struct progress *ret, struct err *e)
{
    AUTO(record) struct meta_record r = {0};
    AUTO(json) json_t *o = NULL;
    const char *why;

    TRY(meta_record_get(m, PROGRESS_TARGETS, str_of(key), &r, e));
    o = json_loads(r.value, 0, NULL);
    if (!json_is_object(o))
        return err_set(e, ERR_CORRUPT, "the record of %s is no JSON", key);
    *ret = (struct progress){.cursor = (uint64_t)number(o, "cursor"),
                             .delivered = (uint64_t)number(o, "delivered"),
                             .dead = (uint64_t)number(o, "dead"),
                             .lost = (uint64_t)number(o, "lost"),
                             .delivered_ms = number(o, "delivered_ms"),
                             .failures = (uint64_t)number(o, "failures"),
                             .failing_ms = number(o, "failing_ms"),
                             .next_ms = number(o, "next_ms"),
                             .stuck = (uint64_t)number(o, "stuck"),
                             .stuck_n = (uint64_t)number(o, "stuck_n"),
                             .status = number(o, "status"),
                             .told = (uint64_t)number(o, "told")};
    why = json_string_value(json_object_get(o, "why"));
    snprintf(ret->why, sizeof(ret->why), "%s", why ? why : "");
    read_done(o, ret);
    return ERR_OK;
}

struct meta_op progress_put(const char *key, const struct progress *p, char **ret_text)
{
    AUTO(buf) struct buf b = {0};

    buf_init(&b, 4096);
    buf_addf(
        &b, "{\"cursor\":%llu,\"delivered\":%llu,\"dead\":%llu,\"lost\":%llu,\"delivered_ms\":%lld",
        (unsigned long long)p->cursor, (unsigned long long)p->delivered,
        (unsigned long long)p->dead, (unsigned long long)p->lost, (long long)p->delivered_ms);
    add_done(p, &b);
    if (p->failures > 0) {
        buf_addf(&b,
                 ",\"failures\":%llu,\"failing_ms\":%lld,\"next_ms\":%lld,\"stuck\":%llu,"
                 "\"stuck_n\":%llu,\"status\":%lld,\"told\":%lld,\"why\":",
                 (unsigned long long)p->failures, (long long)p->failing_ms, (long long)p->next_ms,
                 (unsigned long long)p->stuck, (unsigned long long)p->stuck_n, (long long)p->status,
                 (long long)p->told);
        buf_add_json(&b, str_of(p->why));
    }
    buf_add_char(&b, '}');
    *ret_text = str_dup(buf_str(&b));
    return meta_op_record_put(PROGRESS_TARGETS, str_of(key), str_of(*ret_text), META_ANY);
}

enum err_code progress_begin(struct meta *m, const char *key, uint64_t cursor, struct err *e)
{
    AUTO(mem) char *text = NULL;
    const struct progress p = {.cursor = cursor};
    struct meta_op op = progress_put(key, &p, &text);
    struct progress there;
    enum err_code code = progress_read(m, key, &there, e);

    if (code != ERR_NOT_FOUND)
        return code;
    op.record_put.expected_version = META_ABSENT;
    code = meta_commit(m, &op, 1, 0, NULL, e);
    return code == ERR_CONFLICT ? ERR_OK : code; /* another process did the same */
}

/* ---- what comes of a try */

void progress_succeed(struct progress *p, int64_t now_ms)
{
    p->failures = 0;
    p->failing_ms = p->next_ms = 0;
    p->stuck = p->stuck_n = p->told = 0;
    p->delivered_ms = now_ms;
}

void progress_fail(struct progress *p, uint64_t seq, int64_t now_ms, int status, const char *why,
                   uint64_t retry_after_s)
{
    int64_t wait_ms = p->failures < DOUBLED ? RETRY_FIRST_MS << p->failures : RETRY_MOST_MS;
    int64_t told_ms =
        (int64_t)(retry_after_s < RETRY_AFTER_MOST ? retry_after_s : RETRY_AFTER_MOST) * 1000;

    if (wait_ms > RETRY_MOST_MS)
        wait_ms = RETRY_MOST_MS;
    if (p->failures++ == 0)
        p->failing_ms = now_ms;
    p->next_ms = now_ms + (told_ms > wait_ms ? told_ms : wait_ms);
    if (p->stuck != seq)
        p->stuck_n = 0;
    p->stuck = seq;
    p->stuck_n++;
    p->status = status;
    snprintf(p->why, sizeof(p->why), "%s", why);
}
