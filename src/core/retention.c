#include "core/retention.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/pattern.h"
#include "core/bulk.h"
#include "core/pulled.h"
#include "meta/referrer_tag.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE    256
#define WHY_MAX 320

/* Of a policy, one of its patterns of repositories. */
struct part {
    uint64_t repositories; /* that it matches */
    bool keeps_some;       /* in any of these keep_tags match a tag */
    bool off;              /* none of these is touched */
};

struct policy {
    const struct conf_retention *conf;
    struct part *parts;
    bool is_about_some; /* tags match a tag in any of its repositories */
    bool off;
    uint64_t seen; /* in the present repository: tags that it is about, newest first */
};

struct state {
    const struct retention *x;
    struct policy *policies;
    size_t n;
    struct retention_counts counts;
};

static void auto_state_(struct state *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->policies[i].parts);
    free(s->policies);
}

static bool any_matches(const struct conf_strings *patterns, struct str text)
{
    for (size_t i = 0; i < patterns->n; i++) {
        if (pattern_matches(str_of(patterns->items[i]), text))
            return true;
    }
    return false;
}

static bool part_matches(const struct policy *p, size_t i, const struct repo_name *repo)
{
    return pattern_matches(str_of(p->conf->repositories.items[i]), repo_name_str(repo));
}

/* Of one that is off no repository is touched, whatever else matches it. */
static bool is_of(const struct policy *p, const struct repo_name *repo)
{
    for (size_t i = 0; i < p->conf->repositories.n; i++) {
        if (p->parts[i].off && part_matches(p, i, repo))
            return false;
    }
    return !p->off && any_matches(&p->conf->repositories, repo_name_str(repo));
}

static bool tags_match(const struct policy *p, const struct tag_name *tag)
{
    return !referrer_tag_looks_so(tag) &&
           (p->conf->tags.n == 0 || any_matches(&p->conf->tags, tag_name_str(tag)));
}

static bool is_about(const struct policy *p, const struct repo_name *repo,
                     const struct tag_name *tag)
{
    return is_of(p, repo) && tags_match(p, tag);
}

/* ---- all repositories, and all tags of one */

typedef enum err_code (*repo_fn)(struct state *s, const struct repo_name *repo,
                                 struct meta_repo_tag_list *tags, struct err *e);

static enum err_code read_tags(struct meta *m, const struct repo_name *repo,
                               struct meta_repo_tag_list *all, struct err *e)
{
    bool more = true;

    while (more) {
        struct str after = all->n > 0 ? tag_name_str(&all->rows[all->n - 1].name) : STR("");
        AUTO(meta_repo_tags) struct meta_repo_tag_list page = {0};

        TRY(meta_repo_tags(m, repo, after, PAGE, &page, e));
        all->rows = mem_resize(all->rows, (all->n + page.n + 1) * sizeof(*all->rows));
        for (size_t i = 0; i < page.n; i++)
            all->rows[all->n++] = page.rows[i];
        more = page.more && page.n > 0;
    }
    return ERR_OK;
}

static bool is_wanted(const struct state *s, const struct repo_name *repo)
{
    for (size_t i = 0; i < s->n; i++) {
        if (any_matches(&s->policies[i].conf->repositories, repo_name_str(repo)))
            return true;
    }
    return false;
}

static enum err_code each_repo(struct state *s, repo_fn fn, struct err *e)
{
    AUTO(mem) char *after = mem_strdup("");

    for (bool more = true; more;) {
        AUTO(name_list) struct meta_name_list page = {0};

        TRY(meta_repos(s->x->meta, str_of(after), PAGE, &page, e));
        for (size_t i = 0; i < page.n; i++) {
            AUTO(meta_repo_tags) struct meta_repo_tag_list tags = {0};
            struct repo_name repo;

            TRY(repo_name_parse(str_of(page.names[i]), &repo, e));
            if (!is_wanted(s, &repo))
                continue;
            TRY(read_tags(s->x->meta, &repo, &tags, e));
            TRY(fn(s, &repo, &tags, e));
        }
        more = page.more && page.n > 0;
        if (more) {
            free(after);
            after = STEAL(page.names[page.n - 1]);
        }
    }
    return ERR_OK;
}

/* ---- first: do the policies speak of anything? */

static void look_at_tag(struct policy *p, const struct repo_name *repo, const struct tag_name *tag)
{
    if (!tags_match(p, tag))
        return;
    p->is_about_some = true;
    if (!any_matches(&p->conf->keep_tags, tag_name_str(tag)))
        return;
    for (size_t i = 0; i < p->conf->repositories.n; i++)
        p->parts[i].keeps_some = p->parts[i].keeps_some || part_matches(p, i, repo);
}

static enum err_code look_for_matches(struct state *s, const struct repo_name *repo,
                                      struct meta_repo_tag_list *tags, struct err *e)
{
    (void)e;
    for (size_t i = 0; i < s->n; i++) {
        struct policy *p = &s->policies[i];

        if (!any_matches(&p->conf->repositories, repo_name_str(repo)))
            continue;
        for (size_t k = 0; k < p->conf->repositories.n; k++)
            p->parts[k].repositories += part_matches(p, k, repo);
        for (size_t k = 0; k < tags->n; k++)
            look_at_tag(p, repo, &tags->rows[k].name);
    }
    return ERR_OK;
}

static void tell(struct state *s, size_t i, const char *why)
{
    s->counts.policies_told++;
    if (s->x->told)
        s->x->told(s->x->ctx, i + 1, why);
}

static void turn_off(struct state *s, size_t i, const char *why)
{
    s->policies[i].off = true;
    tell(s, i, why);
}

static void turn_part_off(struct state *s, size_t i, size_t part, const char *why)
{
    struct policy *p = &s->policies[i];
    char text[WHY_MAX];

    p->parts[part].off = true;
    snprintf(text, sizeof(text), "its pattern '%.200s' %s", p->conf->repositories.items[part], why);
    tell(s, i, text);
}

/* Some of its patterns are as they should be. */
static void check_parts(struct state *s, size_t i)
{
    const struct policy *p = &s->policies[i];

    for (size_t k = 0; k < p->conf->repositories.n; k++) {
        if (p->parts[k].repositories == 0)
            turn_part_off(s, i, k, "matches no repository");
        else if (p->conf->keep_tags.n > 0 && !p->parts[k].keeps_some)
            turn_part_off(s, i, k, "matches repositories in which keep_tags match no tag");
    }
}

static void check_policy(struct state *s, size_t i)
{
    const struct policy *p = &s->policies[i];
    bool any = false, keeps_some = p->conf->keep_tags.n == 0;

    for (size_t k = 0; k < p->conf->repositories.n; k++) {
        any = any || p->parts[k].repositories > 0;
        keeps_some = keeps_some || p->parts[k].keeps_some;
    }
    if (!any)
        turn_off(s, i, "its patterns match no repository");
    else if (p->conf->tags.n > 0 && !p->is_about_some)
        turn_off(s, i, "its tags match no tag in any of its repositories");
    else if (!keeps_some)
        turn_off(s, i, "its keep_tags match no tag in any of its repositories");
    else
        check_parts(s, i);
}

static enum err_code check_policies(struct state *s, struct err *e)
{
    for (size_t i = 0; i < s->n; i++)
        s->policies[i].parts =
            mem_zero((s->policies[i].conf->repositories.n + 1) * sizeof(struct part));
    TRY(each_repo(s, look_for_matches, e));
    for (size_t i = 0; i < s->n; i++)
        check_policy(s, i);
    return ERR_OK;
}

/* ---- then: tag by tag */

/* Why the policy keeps the tag; false: it does not. Of equal times the later version is newer. */
static bool keeps(const struct state *s, size_t i, const struct meta_repo_tag *t,
                  char why[static WHY_MAX])
{
    struct policy *p = &s->policies[i];
    const struct conf_retention *c = p->conf;
    uint64_t rank = ++p->seen;

    if (any_matches(&c->keep_tags, tag_name_str(&t->name)))
        snprintf(why, WHY_MAX, "policy %zu: keep_tags", i + 1);
    else if (rank <= c->keep_last)
        snprintf(why, WHY_MAX, "policy %zu: keep_last %" PRIu64, i + 1, c->keep_last);
    else if (c->keep_pushed_ms > 0 && t->pushed_ms == 0)
        snprintf(why, WHY_MAX, "policy %zu: keep_pushed; when it was pushed is not known", i + 1);
    else if (c->keep_pushed_ms > 0 && t->pushed_ms + (int64_t)c->keep_pushed_ms > s->x->now_ms)
        snprintf(why, WHY_MAX, "policy %zu: keep_pushed", i + 1);
    else
        return false;
    return true;
}

/* The last rule that is asked, for it asks the database. */
static enum err_code keeps_pulled(const struct state *s, size_t i,
                                  const struct retention_decision *d, bool *ret_keeps,
                                  char why[static WHY_MAX], struct err *e)
{
    int64_t keep_ms = (int64_t)s->policies[i].conf->keep_pulled_ms, last_ms;

    *ret_keeps = false;
    if (keep_ms == 0)
        return ERR_OK;
    TRY(pulled_last(s->x->meta, d->repo, d->tag, &last_ms, e));
    *ret_keeps = last_ms == 0 || last_ms + keep_ms > s->x->now_ms;
    snprintf(why, WHY_MAX, "policy %zu: keep_pulled%s", i + 1,
             last_ms == 0 ? "; pulls are not recorded yet" : "");
    return ERR_OK;
}

/* *ret_about false: no policy is about it. */
static enum err_code decide(struct state *s, struct retention_decision *d, bool *ret_about,
                            char why[static WHY_MAX], struct err *e)
{
    const struct retention *x = s->x;
    bool about = false, kept = false;
    size_t last = 0;

    for (size_t i = 0; i < s->n; i++) { /* all of them: each counts its own */
        char reason[WHY_MAX];

        if (!is_about(&s->policies[i], d->repo, &d->tag->name))
            continue;
        about = true;
        last = i + 1;
        if (keeps(s, i, d->tag, reason) && !kept) {
            kept = true;
            snprintf(why, WHY_MAX, "%s", reason);
        }
    }
    for (size_t i = 0; i < s->n && about && !kept; i++) {
        if (is_about(&s->policies[i], d->repo, &d->tag->name))
            TRY(keeps_pulled(s, i, d, &kept, why, e));
    }
    if (about && !kept && x->is_immutable &&
        x->is_immutable(x->immutable_ctx, d->repo, &d->tag->name)) {
        kept = true;
        snprintf(why, WHY_MAX, "a rule of the rights lets nobody move or delete it");
    }
    if (about && !kept)
        snprintf(why, WHY_MAX, "policy %zu: nothing keeps it", last);
    d->goes = about && !kept;
    d->why = why;
    *ret_about = about;
    return ERR_OK;
}

static int newest_first(const void *a, const void *b)
{
    const struct meta_repo_tag *x = a, *y = b;

    if (x->pushed_ms != y->pushed_ms)
        return x->pushed_ms < y->pushed_ms ? 1 : -1;
    return (x->version < y->version) - (x->version > y->version);
}

/* Those that go come first in the list then; *ret_n: so many. */
static enum err_code decide_all(struct state *s, const struct repo_name *repo,
                                struct meta_repo_tag_list *tags, size_t *ret_n, struct err *e)
{
    size_t n = 0;

    qsort(tags->rows, tags->n, sizeof(*tags->rows), newest_first);
    for (size_t i = 0; i < s->n; i++)
        s->policies[i].seen = 0;
    for (size_t i = 0; i < tags->n; i++) {
        struct retention_decision d = {.repo = repo, .tag = &tags->rows[i]};
        char why[WHY_MAX];
        bool about;

        if (referrer_tag_looks_so(&d.tag->name))
            continue;
        TRY(decide(s, &d, &about, why, e));
        if (!about)
            continue;
        s->counts.kept += !d.goes;
        s->counts.gone += d.goes;
        if (s->x->decided)
            s->x->decided(s->x->ctx, &d);
        if (d.goes)
            tags->rows[n++] = tags->rows[i];
    }
    *ret_n = n;
    return ERR_OK;
}

static bool goes_on(void *ctx, const struct bulk_counts *done)
{
    const struct state *s = ctx;

    (void)done;
    return !s->x->go_on || s->x->go_on(s->x->ctx, s->counts.gone);
}

static enum err_code carry_out(struct state *s, const struct repo_name *repo,
                               struct meta_repo_tag_list *tags, struct err *e)
{
    const struct bulk b = {
        .registry = s->x->registry, .repo = repo, .actor = s->x->actor, .go_on = goes_on, .ctx = s};
    size_t n = 0;

    if (tags->n > 0)
        TRY(decide_all(s, repo, tags, &n, e));
    if (!s->x->registry || n == 0)
        return ERR_OK;
    return bulk_remove_these(&b, tags->rows, n, e);
}

struct retention retention_of(struct registry *r, const char *actor)
{
    return (struct retention){.registry = r,
                              .meta = r->meta,
                              .policies = r->retention,
                              .now_ms = clock_wall_ms(),
                              .is_immutable = r->is_immutable,
                              .immutable_ctx = r->immutable_ctx,
                              .actor = actor};
}

enum err_code retention_run(const struct retention *x, struct retention_counts *ret_counts,
                            struct err *e)
{
    AUTO(state) struct state s = {.x = x, .n = x->policies->n};

    s.policies = mem_zero((s.n + 1) * sizeof(*s.policies));
    for (size_t i = 0; i < s.n; i++)
        s.policies[i].conf = &x->policies->items[i];
    TRY(check_policies(&s, e));
    TRY(each_repo(&s, carry_out, e));
    *ret_counts = s.counts;
    return ERR_OK;
}
