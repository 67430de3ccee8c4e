#include "core/history.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/event.h"
#include "core/event_log.h"
#include "core/project.h"
#include "core/quota.h"
#include "core/tag_judge.h"

#define PAGE 256

struct state {
    struct registry *r;
    const struct rollback *b;
    struct digest now; /* n is 0: the tag is not there */
    int64_t version;   /* of the tag; META_ABSENT likewise */
    struct digest to;
};

static enum err_code find_now(struct state *s, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    enum err_code code =
        meta_manifest_by_tag(s->r->meta, s->b->repo, s->b->tag, &m, &s->version, e);

    if (code == ERR_MANIFEST_UNKNOWN) {
        s->version = META_ABSENT;
        return ERR_OK;
    }
    TRY(code);
    s->now = m->digest;
    return ERR_OK;
}

/* Where the tag was, other than it is: at that digest, or, when none is given, last. */
static bool is_wanted(const struct state *s, const struct digest *was)
{
    if (was->n == 0 || digest_eq(was, &s->now))
        return false;
    return !s->b->to || digest_eq(was, s->b->to);
}

static enum err_code not_found(const struct state *s, struct err *e)
{
    const struct rollback *b = s->b;

    if (b->to && digest_eq(b->to, &s->now))
        return err_tell(e, ERR_CONFLICT, "tag '%s' points there already", b->tag->text);
    if (b->to)
        return err_tell(e, ERR_MANIFEST_UNKNOWN,
                        "tag '%s' has not pointed to %s, as far as its history goes (gc.history)",
                        b->tag->text, b->to->text);
    return err_tell(e, ERR_MANIFEST_UNKNOWN,
                    "tag '%s' has been nowhere else, as far as its history goes (gc.history)",
                    b->tag->text);
}

/* Newest first. The oldest row may be of a tag that pointed elsewhere before it had a history. */
static enum err_code find_target(struct state *s, struct err *e)
{
    int64_t below = INT64_MAX;
    bool more = true;

    while (more) {
        AUTO(moves) struct meta_move_list page = {0};

        TRY(meta_moves(s->r->meta, s->b->repo, s->b->tag, below, PAGE, &page, e));
        for (size_t i = 0; i < page.n; i++) {
            const struct meta_move *v = &page.rows[i];

            s->to = is_wanted(s, &v->digest) ? v->digest : v->previous;
            if (is_wanted(s, &s->to))
                return ERR_OK;
            below = v->version;
        }
        more = page.more && page.n > 0;
    }
    return not_found(s, e);
}

static enum err_code commit(struct state *s, struct err *e)
{
    const struct rollback *b = s->b;
    const struct event_origin by = {.actor = b->actor};
    AUTO(outbox) struct outbox_event ev = {0};
    struct meta_op ops[2 + QUOTAS_MAX];
    struct uuid holder;
    size_t n = 1, failed = 0;
    enum err_code code;

    ops[0] = meta_op_tag_set(b->repo, b->tag, &s->to, s->version);
    ops[0].actor = b->actor;
    project_hold(s->r, &ops[0], &holder);
    if (s->version == META_ABSENT)
        n += quota_checks(s->r, b->repo, ops + n);
    if (events_of_pushes(s->r, b->repo))
        ops[n++] =
            event_tag_moved(&ev, b->repo, b->tag, s->now.n > 0 ? &s->now : NULL, &s->to, &by);
    code = meta_commit(s->r->meta, ops, n, 0, &failed, e);
    if (code == ERR_CONFLICT)
        return err_tell(e, ERR_CONFLICT, "tag '%s' was moved meanwhile", b->tag->text);
    if (code == ERR_MANIFEST_UNKNOWN)
        return err_tell(e, ERR_MANIFEST_UNKNOWN, "%s, where tag '%s' pointed, is not kept any more",
                        s->to.text, b->tag->text);
    return code;
}

/* What was signed once may be so no more, or never was. */
static enum err_code may_tag(const struct state *s, bool *ret_bypassed, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    const struct tag_judge *judge = s->r->tag_judge;
    char unused[TAG_WARNING_MAX + 1];
    enum err_code code;

    *ret_bypassed = false;
    if (!judge)
        return ERR_OK;
    code = meta_manifest_by_digest(s->r->meta, s->b->repo, &s->to, &m, e);
    if (code == ERR_MANIFEST_UNKNOWN) /* as the transaction will say in other words */
        return ERR_OK;
    TRY(code);
    return tag_judge_ask(judge, s->b->bypass, s->b->repo, s->b->tag, m, unused, ret_bypassed, e);
}

enum err_code history_rollback(struct registry *r, const struct rollback *b,
                               struct rolled_back *ret_done, struct err *e)
{
    struct state s = {.r = r, .b = b};
    bool bypassed;

    TRY(find_now(&s, e));
    if (b->create_only && s.version != META_ABSENT)
        return err_tell(e, ERR_DENIED, "tag '%s' exists, and you may not move it", b->tag->text);
    TRY(find_target(&s, e));
    TRY(may_tag(&s, &bypassed, e));
    TRY(commit(&s, e));
    event_log_wake(r);
    project_tag(r, b->repo, b->tag);
    *ret_done = (struct rolled_back){.digest = s.to, .previous = s.now, .bypassed = bypassed};
    return ERR_OK;
}

enum err_code history_prune(struct registry *r, struct err *e)
{
    int64_t keep_ms = (int64_t)conf_u64(&r->options->history_ms);
    struct meta_op op = meta_op_moves_prune(clock_wall_ms() - keep_ms);

    return keep_ms > 0 ? meta_commit(r->meta, &op, 1, 0, NULL, e) : ERR_OK;
}
