#include "scan/held_judge.h"

#include "base/clock.h"
#include "base/mem.h"
#include "core/scan_wish.h"
#include "scan/pull_image.h"

#include <stdlib.h>

#define LISTED_MAX 50 /* findings of an image; it says how many more there are */

struct judging {
    struct held_judge *h;
    const struct image_case *c;
    enum image_verdict *ret_verdict;
    struct err *why;
    struct buf *ret_json;
    struct err *e;
    enum err_code code;
};

/* A rule that blocks nothing waits for nothing. */
static const struct conf_pull_rule *rule_of(const struct conf_pull_rules *rules,
                                            const struct repo_name *repo)
{
    const struct conf_pull_rule *rule = pull_rule(rules, repo);

    return rule && rule->mode == CONF_PULL_ENFORCE ? rule : NULL;
}

/* ---- saying it */

static void add_text(struct buf *b, const char *key, struct str text)
{
    buf_addf(b, ",\"%s\":", key);
    buf_add_json(b, text);
}

static void add_finding(struct buf *b, const struct finding *f)
{
    buf_add_text(b, "{\"cve\":");
    buf_add_json(b, f->cve);
    add_text(b, "severity", str_of(severity_name(f->severity)));
    add_text(b, "package", f->package);
    add_text(b, "installed_version", f->installed);
    add_text(b, "fixed_version", f->fixed);
    buf_add_char(b, '}');
}

/* They come the worst first. */
static void add_findings(const struct judging *j, const struct conf_pull_rule *rule,
                         const struct gate_image *i, int64_t now_ms)
{
    size_t listed = 0, more = 0;

    buf_add_text(j->ret_json, ",\"vulnerabilities\":[");
    for (size_t k = 0; k < i->image.n; k++) {
        const struct finding *f = &i->image.findings[k];

        if (!pull_finding_blocks(rule, &i->image, f, now_ms))
            continue;
        if (listed == LISTED_MAX) {
            more++;
            continue;
        }
        buf_add_text(j->ret_json, listed++ > 0 ? "," : "");
        add_finding(j->ret_json, f);
    }
    buf_add_char(j->ret_json, ']');
    if (more > 0)
        buf_addf(j->ret_json, ",\"more\":%zu", more);
}

static void tell_blocked(const struct judging *j, const struct conf_pull_rule *rule,
                         const struct gate_image *i, const struct pull_verdict *v, int64_t now_ms)
{
    const struct image_case *c = j->c;
    AUTO(buf) struct buf text = {0};

    buf_init(&text, PULL_TEXT_MAX + 1);
    pull_verdict_text(v, &text);
    (void)err_tell(j->why, ERR_IMAGE_VULNERABLE, STR_FMT, STR_ARG(buf_str(&text)));
    buf_addf(j->ret_json, "{\"repository\":\"%s\",\"digest\":\"%s\",\"reason\":\"%s\"",
             c->repo->text, c->digest->text, pull_why_name(v->why));
    for (size_t s = SEVERITIES; s-- > 0;)
        buf_addf(j->ret_json, ",\"%s\":%zu", severity_name((enum severity)s), v->counts[s]);
    add_findings(j, rule, i, now_ms);
    buf_add_char(j->ret_json, '}');
}

/* ---- what is known */

/* No scan that is still to come would say more, but by chance. */
static bool is_final(const struct scan_result *s, int64_t since_ms)
{
    switch (s->status) {
    case SCAN_COMPLETED:
    case SCAN_UNSUPPORTED:
    case SCAN_NOT_APPLICABLE:
        return true;
    case SCAN_FAILED:
        return s->failures >= SCAN_TRIES_MAX && s->failed_ms >= since_ms;
    default:
        return false;
    }
}

static enum err_code look_at_result(const struct judging *j, bool *ret_final, struct err *e)
{
    AUTO(mem) struct scan_result *s = NEW(struct scan_result);
    enum err_code code = scan_result_get(j->h->registry, j->c->digest, s, NULL, e);

    *ret_final = code == ERR_OK && is_final(s, j->c->since_ms);
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

static enum err_code ask(const struct judging *j, struct err *e)
{
    AUTO(mem) struct scan_standing *now = NEW(struct scan_standing);
    enum scan_status unused;

    *j->ret_verdict = IMAGE_WAITS;
    TRY(scans_ask(j->h->scans, j->c->held, j->c->digest, SCAN_ASKED, false, &unused, e));
    TRY(scans_standing(j->h->registry, j->c->held, j->c->digest, now, e));
    err_set(j->why, ERR_UNAVAILABLE, "%s", now->note);
    return ERR_OK;
}

static enum err_code judge_by(const struct judging *j, const struct conf_pull_rule *rule,
                              struct err *e)
{
    AUTO(gate_image) struct gate_image i = {.exempt = false};
    int64_t now_ms = clock_wall_ms();
    struct pull_verdict v;
    bool final;

    TRY(look_at_result(j, &final, e)); /* before the findings, which may come in between */
    TRY(pull_image_look_held(j->h->registry, j->c, rule, now_ms, &i, e));
    if (i.exempt)
        return ERR_OK;
    if (!final)
        return ask(j, e);
    pull_verdict_make(rule, &i.image, now_ms, &v);
    if (v.blocked) {
        *j->ret_verdict = IMAGE_BLOCKED;
        tell_blocked(j, rule, &i, &v, now_ms);
    }
    return ERR_OK;
}

/* ---- the callbacks */

static void judge_with(void *ctx, const struct conf_pull_rules *rules)
{
    struct judging *j = ctx;
    const struct conf_pull_rule *rule = rule_of(rules, j->c->repo);

    *j->ret_verdict = IMAGE_PASSES;
    j->code = rule ? judge_by(j, rule, j->e) : ERR_OK;
}

static enum err_code judge(void *ctx, const struct image_case *c, enum image_verdict *ret_verdict,
                           struct err *why, struct buf *ret_json, struct err *e)
{
    struct held_judge *h = ctx;
    struct judging j = {
        .h = h, .c = c, .ret_verdict = ret_verdict, .why = why, .ret_json = ret_json, .e = e};

    gate_with_rules(h->gate, judge_with, &j);
    return j.code;
}

struct question {
    const struct repo_name *repo;
    bool answer;
};

static void judges_with(void *ctx, const struct conf_pull_rules *rules)
{
    struct question *q = ctx;

    q->answer = rule_of(rules, q->repo) != NULL;
}

static bool judges(void *ctx, const struct repo_name *repo)
{
    struct held_judge *h = ctx;
    struct question q = {.repo = repo};

    gate_with_rules(h->gate, judges_with, &q);
    return q.answer;
}

void held_judge_init(struct held_judge *h, struct registry *r, struct gate *gate,
                     struct scans *scans)
{
    *h = (struct held_judge){.registry = r,
                             .gate = gate,
                             .scans = scans,
                             .judge = {.judges = judges, .judge = judge, .ctx = h}};
}
