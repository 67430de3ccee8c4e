#include "support.h"

#include <unistd.h>

atomic_int_least64_t test_now_ms = 1000000;

int64_t test_clock(void *ctx)
{
    (void)ctx;
    return atomic_load(&test_now_ms);
}

struct meta *database_new(void)
{
    const struct meta_sqlite_options o = {
        .path = ":memory:", .read_connections = 4, .cache_bytes = 256 << 10};
    struct meta *m = NULL;

    assert_int_equal(meta_sqlite_new(&o, &m, ERR_IGNORED), ERR_OK);
    return m;
}

static enum err_code line_before(struct meta *m, const char *call, struct err *e)
{
    struct line *l = (struct line *)m;
    unsigned slow_ms = atomic_load(&l->slow_ms);

    if (slow_ms > 0)
        usleep(slow_ms * 1000);
    return atomic_load(&l->cut) ? err_set(e, ERR_UNAVAILABLE, "%s: cut", call) : ERR_OK;
}

/* One of ten is late. */
static void be_late(const struct line *l)
{
    unsigned late_ms = atomic_load(&l->late_ms);
    uint64_t random;

    random_bytes(&random, sizeof(random));
    if (late_ms > 0 && random % 10 == 0)
        usleep((unsigned)(random / 10 % (late_ms * 1000)));
}

static enum err_code line_by_tag(struct meta *m, const struct repo_name *repo,
                                 const struct tag_name *tag, struct meta_manifest **ret_manifest,
                                 int64_t *ret_version, struct err *e)
{
    struct line *l = (struct line *)m;
    void (*hook)(void *ctx) = l->in_read;
    enum err_code code = meta_manifest_by_tag(m->inner, repo, tag, ret_manifest, ret_version, e);

    if (hook) {
        l->in_read = NULL;
        hook(l->ctx);
    }
    be_late(l);
    return code;
}

static enum err_code line_commit(struct meta *m, const struct meta_op *ops, size_t n_ops,
                                 unsigned flags, size_t *ret_failed, struct err *e)
{
    struct line *l = (struct line *)m;
    void (*hook)(void *ctx) = n_ops >= l->only_ops ? l->in_commit : NULL;
    enum err_code code;

    if (hook) {
        l->in_commit = NULL;
        hook(l->ctx);
    }
    if (n_ops > 1)
        usleep(atomic_load(&l->stall_ms) * 1000);
    code = meta_commit(m->inner, ops, n_ops, flags, ret_failed, e);
    if (n_ops > 1)
        be_late(l);
    return code == ERR_OK && atomic_load(&l->deaf) ? err_set(e, ERR_UNAVAILABLE, "deaf") : code;
}

static const struct meta_driver line_driver = {.name = "line",
                                               .shared = true,
                                               .before = line_before,
                                               .commit = line_commit,
                                               .manifest_by_tag = line_by_tag};

void line_init(struct line *l, struct meta *database)
{
    *l = (struct line){.meta = {&line_driver, database}};
}

struct members *member_new(struct line *l)
{
    const struct members_options o = {
        .lease_ms = LEASE_MS, .name = "test", .now_ms = test_clock, .by_hand = true};

    return members_new(&l->meta, &o);
}

void member_start(struct members *m)
{
    struct err e = {0};

    if (members_start(m, &e) != ERR_OK)
        fail_msg("%s", e.detail);
}

void pass(int64_t ms, struct members *const *members, size_t n)
{
    const int64_t step_ms = LEASE_MS / 10;

    for (int64_t left_ms = ms; left_ms > 0; left_ms -= step_ms) {
        atomic_fetch_add(&test_now_ms, left_ms < step_ms ? left_ms : step_ms);
        for (size_t i = 0; i < n; i++)
            members_round(members[i]);
    }
}
