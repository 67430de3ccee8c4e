#include "core/scan_wish.h"

#include "base/clock.h"
#include "core/runnable.h"
#include "jobs/jobs.h"

#include <stdio.h>

void scan_key(const struct repo_name *repo, const struct digest *d,
              char ret_key[static SCAN_KEY_MAX + 1])
{
    snprintf(ret_key, SCAN_KEY_MAX + 1, "%s@%s", repo->text, d->text);
}

/* Who pushes an image again does not gain time. What can't be looked up now waits from its first
 * pull on. */
static bool waits_already(const struct registry *r, struct str key)
{
    AUTO(record) struct meta_record record = {0};

    return meta_record_get(r->meta, SCAN_AWAITED, key, &record, ERR_IGNORED) != ERR_NOT_FOUND;
}

size_t scan_wish(const struct registry *r, const struct repo_name *repo, const struct digest *d,
                 const struct manifest *m, bool always, struct scan_wish *w, struct meta_op *ops)
{
    struct str now;
    size_t n = 0;

    if (m->shape != MANIFEST_IMAGE ||
        !runnable_config(str_of(m->media_type), str_of(m->config_type)))
        return 0;
    scan_key(repo, d, w->key);
    if (r->jobs && (always || conf_bool(&r->options->scan_on_push)))
        ops[n++] = jobs_add_op(r->jobs, SCAN_PUSHED, str_of(w->key));
    if (!atomic_load_explicit(&r->scans_awaited, memory_order_relaxed) ||
        waits_already(r, str_of(w->key)))
        return n;
    now = str_decimal((uint64_t)clock_wall_ms(), w->now);
    ops[n++] = meta_op_record_put(SCAN_AWAITED, str_of(w->key), now, META_ANY);
    return n;
}

void scan_wished(struct registry *r, bool always)
{
    if (r->jobs && (always || conf_bool(&r->options->scan_on_push)))
        jobs_wake(r->jobs);
}

enum err_code scan_awaited_since(struct registry *r, const struct repo_name *repo,
                                 const struct digest *d, int64_t now_ms, int64_t *ret_ms,
                                 struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    char key[SCAN_KEY_MAX + 1], now[STR_DECIMAL_MAX];
    enum err_code code;
    struct meta_op op;
    uint64_t ms;

    scan_key(repo, d, key);
    *ret_ms = now_ms;
    code = meta_record_get(r->meta, SCAN_AWAITED, str_of(key), &record, e);
    if (code == ERR_NOT_FOUND) {
        op = meta_op_record_put(SCAN_AWAITED, str_of(key), str_decimal((uint64_t)now_ms, now),
                                META_ABSENT);
        code = meta_commit(r->meta, &op, 1, 0, NULL, e);
        return code == ERR_CONFLICT ? ERR_OK : code;
    }
    TRY(code);
    if (str_to_u64(str_of(record.value), INT64_MAX, &ms))
        *ret_ms = (int64_t)ms;
    return ERR_OK;
}

enum err_code scan_awaited_over(struct registry *r, const struct repo_name *repo,
                                const struct digest *d, struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    char key[SCAN_KEY_MAX + 1];
    enum err_code code;
    struct meta_op op;

    scan_key(repo, d, key);
    code = meta_record_get(r->meta, SCAN_AWAITED, str_of(key), &record, e);
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(code);
    op = meta_op_record_delete(SCAN_AWAITED, str_of(key), META_ANY);
    return meta_commit(r->meta, &op, 1, META_LAZY, NULL, e);
}
