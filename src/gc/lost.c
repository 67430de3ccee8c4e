#include "gc/lost.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"

#define WHY "it ended without a word: its process was killed"

enum err_code gc_run_is_orderless(struct meta *m, const struct meta_record *run, bool *ret_is,
                                  struct err *e)
{
    bool waits = false;

    *ret_is = strstr(run->value, "\"state\":\"running\"") != NULL;
    if (*ret_is)
        TRY(gc_order_waits(m, run->key, &waits, e));
    *ret_is = *ret_is && !waits;
    return ERR_OK;
}

char *gc_run_lost_text(const struct meta_record *run, int64_t ended_ms)
{
    AUTO(json) json_t *json = json_loads(run->value, 0, NULL);

    if (!json)
        return NULL;
    json_object_set_new(json, "state", json_string(GC_RUN_LOST));
    json_object_set_new(json, "ended", json_integer(ended_ms));
    json_object_set_new(json, "error", json_string(WHY));
    return json_dumps(json, JSON_COMPACT);
}

struct ending {
    struct meta *meta;
    const char *own;
};

/* The version is that of what was read: one that has ended since has its own words. */
static enum err_code end_one(void *ctx, const struct meta_record *run, struct err *e)
{
    const struct ending *x = ctx;
    AUTO(mem) char *text = NULL;
    struct meta_op op;
    enum err_code code;
    bool is;

    if (x->own && str_eq(str_of(run->key), str_of(x->own)))
        return ERR_OK;
    TRY(gc_run_is_orderless(x->meta, run, &is, e));
    text = is ? gc_run_lost_text(run, clock_wall_ms()) : NULL;
    if (!text)
        return ERR_OK;
    op = meta_op_record_put(GC_RUNS, str_of(run->key), str_of(text), run->version);
    code = meta_commit(x->meta, &op, 1, META_LAZY, NULL, e);
    return code == ERR_CONFLICT ? ERR_OK : code;
}

enum err_code gc_lost_end(struct meta *m, const char *own, struct err *e)
{
    struct ending x = {m, own};

    return meta_records_each(m, GC_RUNS, end_one, &x, e);
}
