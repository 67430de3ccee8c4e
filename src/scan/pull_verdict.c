#include "scan/pull_verdict.h"

#include "base/pattern.h"

#include <inttypes.h>

static bool any_pattern(const struct conf_strings *patterns, struct str text)
{
    for (size_t i = 0; i < patterns->n; i++) {
        if (pattern_matches(str_of(patterns->items[i]), text))
            return true;
    }
    return false;
}

const struct conf_pull_rule *pull_rule(const struct conf_pull_rules *rules,
                                       const struct repo_name *repo)
{
    for (size_t i = 0; i < rules->n; i++) {
        if (any_pattern(&rules->items[i].repositories, repo_name_str(repo)))
            return &rules->items[i];
    }
    return NULL;
}

bool pull_rule_waits(const struct conf_pull_rule *rule)
{
    uint64_t after_ms;

    return conf_unscanned(str_of(rule->unscanned), &after_ms) && after_ms > 0 &&
           after_ms < UINT64_MAX;
}

static void not_after(struct pull_verdict *v, int64_t until_ms)
{
    if (until_ms < v->until_ms)
        v->until_ms = until_ms;
}

/* INT64_MAX when that is beyond all times. */
static int64_t later(int64_t ms, uint64_t by_ms)
{
    int64_t sum;

    return by_ms > INT64_MAX || __builtin_add_overflow(ms, (int64_t)by_ms, &sum) ? INT64_MAX : sum;
}

/* ---- findings */

static bool entry_covers(const struct conf_allowed *a, const struct repo_name *repo,
                         const struct finding *f)
{
    return str_ieq(str_of(a->cve), f->cve) &&
           (a->package[0] == '\0' || pattern_matches(str_of(a->package), f->package)) &&
           (a->repositories.n == 0 || any_pattern(&a->repositories, repo_name_str(repo)));
}

/* Until when the allowlist lets the finding pass; 0: it does not. */
static int64_t allowed_until(const struct conf_pull_rule *rule, const struct repo_name *repo,
                             const struct finding *f)
{
    int64_t until_ms = 0, end_ms;

    for (size_t i = 0; i < rule->allow.n; i++) {
        const struct conf_allowed *a = &rule->allow.items[i];

        if (entry_covers(a, repo, f) && conf_last_day(str_of(a->expires), &end_ms) &&
            end_ms > until_ms)
            until_ms = end_ms;
    }
    return until_ms;
}

/* Does it block now? */
static bool counts(const struct conf_pull_rule *rule, const struct pull_image *image,
                   const struct finding *f, int64_t now_ms, struct pull_verdict *v)
{
    int64_t allowed_ms, grace_ms = later(f->since_ms, rule->grace_ms);

    if ((uint64_t)f->severity < rule->severity || (rule->fixable && !finding_is_fixable(f)))
        return false;
    if (rule->vex && vex_dismisses(image->vex, f)) {
        v->allowed++;
        return false;
    }
    allowed_ms = allowed_until(rule, image->repo, f);
    if (allowed_ms > now_ms) {
        v->allowed++;
        not_after(v, allowed_ms);
        return false;
    }
    if (rule->grace_ms > 0 && grace_ms > now_ms) {
        not_after(v, grace_ms);
        return false;
    }
    return true;
}

bool pull_finding_blocks(const struct conf_pull_rule *rule, const struct pull_image *image,
                         const struct finding *f, int64_t now_ms)
{
    struct pull_verdict unused = {.until_ms = INT64_MAX};

    return counts(rule, image, f, now_ms, &unused);
}

/* The texts come out of images: what a terminal might take for more than letters does not pass. */
static void take_text(struct str s, char least, char *dst, size_t max)
{
    size_t n = 0;

    for (; n < s.n && n < max; n++)
        dst[n] = (char)(s.p[n] >= least && s.p[n] < 0x7f ? s.p[n] : '?');
    dst[n] = '\0';
    if (n < s.n)
        memcpy(dst + max - 3, "...", 3);
}

/* "1.1.1l, 1.1.2": the first says enough. */
static struct str first_version(struct str fixed)
{
    struct str first;

    str_cut(&fixed, ',', &first);
    return str_trim(first);
}

static void take_worst(const struct finding *f, struct pull_verdict *v)
{
    take_text(f->cve, '!', v->cve, PULL_CVE_MAX);
    take_text(f->package, '!', v->package, PULL_PACKAGE_MAX);
    take_text(f->installed, '!', v->installed, PULL_VERSION_MAX);
    take_text(first_version(f->fixed), '!', v->fixed, PULL_VERSION_MAX);
}

static void judge_findings(const struct conf_pull_rule *rule, const struct pull_image *image,
                           int64_t now_ms, struct pull_verdict *v)
{
    const struct finding *worst = NULL;

    for (size_t i = 0; i < image->n; i++) {
        const struct finding *f = &image->findings[i];

        if (!counts(rule, image, f, now_ms, v))
            continue;
        v->counts[f->severity]++;
        if (!worst || finding_cmp(f, worst) < 0)
            worst = f;
    }
    if (!worst)
        return;
    v->why = PULL_VULNERABLE;
    take_worst(worst, v);
}

/* What nobody can read nobody has allowed. */
static void judge_unread(const struct conf_pull_rule *rule, const struct pull_image *image,
                         int64_t now_ms, struct pull_verdict *v)
{
    int64_t grace_ms = later(image->unread_ms, rule->grace_ms);
    uint64_t n = 0;

    for (size_t i = rule->severity; i < SEVERITIES; i++)
        n += image->unread[i];
    if (n == 0)
        return;
    if (rule->grace_ms > 0 && grace_ms > now_ms) {
        not_after(v, grace_ms);
        return;
    }
    for (size_t i = rule->severity; i < SEVERITIES; i++)
        v->counts[i] += image->unread[i];
    v->why = PULL_VULNERABLE;
}

/* ---- images without a verdict of a scanner */

/* From when on it is blocked for that; INT64_MAX: never. */
static int64_t blocked_from(const struct conf_pull_rule *rule, int64_t since_ms)
{
    uint64_t after_ms;

    return conf_unscanned(str_of(rule->unscanned), &after_ms) ? later(since_ms, after_ms)
                                                              : since_ms;
}

static void judge_missing(const struct conf_pull_rule *rule, int64_t since_ms, enum pull_why why,
                          int64_t now_ms, struct pull_verdict *v)
{
    int64_t from_ms = blocked_from(rule, since_ms);

    if (now_ms >= from_ms)
        v->why = why;
    else
        not_after(v, from_ms);
}

static void judge_age(const struct conf_pull_rule *rule, const struct pull_image *image,
                      int64_t now_ms, struct pull_verdict *v)
{
    int64_t old_ms = later(image->data_ms, rule->data_max_age_ms);

    if (rule->data_max_age_ms == 0)
        return;
    if (now_ms < old_ms) {
        int64_t from_ms = blocked_from(rule, old_ms);

        not_after(v, from_ms);
        return;
    }
    judge_missing(rule, old_ms, PULL_OLD, now_ms, v);
}

static void judge_standing(const struct conf_pull_rule *rule, const struct pull_image *image,
                           int64_t now_ms, struct pull_verdict *v)
{
    switch (image->standing) {
    case PULL_SCANNED:
        judge_age(rule, image, now_ms, v);
        break;
    case PULL_UNSCANNED:
        judge_missing(rule, image->pushed_ms, PULL_WAITS, now_ms, v);
        break;
    case PULL_UNSCANNABLE:
        judge_missing(rule, image->pushed_ms, PULL_FAILED, now_ms, v);
        take_text(str_of(image->reason), ' ', v->reason, PULL_REASON_MAX);
        break;
    }
}

void pull_verdict_make(const struct conf_pull_rule *rule, const struct pull_image *image,
                       int64_t now_ms, struct pull_verdict *ret_verdict)
{
    struct pull_verdict *v = ret_verdict;

    *v = (struct pull_verdict){.until_ms = INT64_MAX};
    if (!rule || rule->mode == CONF_PULL_OFF)
        return;
    judge_findings(rule, image, now_ms, v);
    judge_unread(rule, image, now_ms, v);
    if (v->why == PULL_FINE)
        judge_standing(rule, image, now_ms, v);
    v->blocked = v->why != PULL_FINE && rule->mode == CONF_PULL_ENFORCE;
}

/* ---- saying it */

const char *pull_why_name(enum pull_why why)
{
    static const char *const names[] = {
        [PULL_FINE] = "fine",       [PULL_VULNERABLE] = "vulnerable",
        [PULL_WAITS] = "unscanned", [PULL_FAILED] = "unscannable",
        [PULL_OLD] = "old_data",    [PULL_UNSIGNED] = "unsigned"};

    return names[why];
}

/* "2 critical and 5 high" */
static void add_counts(const struct pull_verdict *v, struct buf *b)
{
    size_t kinds = 0, said = 0;

    for (size_t i = 0; i < SEVERITIES; i++)
        kinds += v->counts[i] > 0;
    for (size_t i = SEVERITIES; i-- > 0;) {
        if (v->counts[i] == 0)
            continue;
        if (said++ > 0)
            buf_add_text(b, said == kinds ? " and " : ", ");
        buf_addf(b, "%zu %s", v->counts[i], severity_name((enum severity)i));
    }
}

static void add_vulnerable(const struct pull_verdict *v, struct buf *b)
{
    size_t n = 0;

    for (size_t i = 0; i < SEVERITIES; i++)
        n += v->counts[i];
    buf_add_text(b, "due to ");
    add_counts(v, b);
    buf_add_text(b, n == 1 ? " vulnerability" : " vulnerabilities");
    if (!v->cve[0]) {
        buf_add_text(b, n == 1 ? ", which can't be read" : ", whose list can't be read");
        return;
    }
    buf_addf(b, ": %s%s in %s %s", n == 1 ? "" : "the worst is ", v->cve, v->package, v->installed);
    if (v->fixed[0])
        buf_addf(b, ", fixed in %s", v->fixed);
    else
        buf_add_text(b, ", without a fix");
}

void pull_verdict_text(const struct pull_verdict *v, struct buf *ret_text)
{
    buf_add_text(ret_text, v->why == PULL_UNSIGNED ? "image " : "image blocked ");
    switch (v->why) {
    case PULL_VULNERABLE:
        add_vulnerable(v, ret_text);
        break;
    case PULL_WAITS:
        buf_add_text(ret_text, "because it has not been scanned for vulnerabilities yet");
        break;
    case PULL_FAILED:
        buf_addf(ret_text, "because it could not be scanned for vulnerabilities%s%s",
                 v->reason[0] ? ": " : "", v->reason);
        break;
    case PULL_OLD:
        buf_add_text(ret_text, "because its scan for vulnerabilities is too old");
        break;
    case PULL_UNSIGNED:
        buf_add_text(ret_text, v->reason);
        break;
    case PULL_FINE:
        break;
    }
}
