#include "signing/certificate_rule.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "signing/certificate_chain.h"
#include "signing/certificate_names.h"
#include "signing/timestamp.h"
#include "signing/trust_roots.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

#define PATTERN_MAX 1024

/* What a text has to be: the same, or what the pattern matches. Neither: there may be none. */
struct term {
    char *exactly;
    regex_t pattern;
    bool is_pattern;
    char *pattern_text;
};

struct certificate_rule {
    struct term identity, issuer;
    struct trust_roots roots;
    bool no_log;
    char *name;
};

/* ---- terms */

/* Of the whole text: with a part of it, the rule for https://github.com/us takes in
 * https://github.com/use-your-head, too. */
static enum err_code compile(const char *pattern, struct term *ret, struct err *e)
{
    AUTO(buf) struct buf whole = {0};
    char why[128];
    int code;

    buf_init(&whole, PATTERN_MAX + 8);
    buf_addf(&whole, "^(%s)$", pattern);
    if (whole.full)
        return err_set(e, ERR_CONFIG, "the pattern is longer than %d bytes", PATTERN_MAX);
    code = regcomp(&ret->pattern, buf_text(&whole), REG_EXTENDED | REG_NOSUB);
    if (code != 0) {
        regerror(code, &ret->pattern, why, sizeof(why));
        return err_set(e, ERR_CONFIG, "'%.100s' is no regular expression: %s", pattern, why);
    }
    ret->is_pattern = true;
    ret->pattern_text = mem_strdup(pattern);
    return ERR_OK;
}

static enum err_code term_read(const char *what, const char *exactly, const char *pattern,
                               struct term *ret, struct err *e)
{
    if (exactly && pattern)
        return err_set(e, ERR_CONFIG, "the %s is given exactly and as a pattern; give one of them",
                       what);
    if ((exactly && !exactly[0]) || (pattern && !pattern[0]))
        return err_set(e, ERR_CONFIG, "the %s is empty", what);
    if (exactly)
        ret->exactly = mem_strdup(exactly);
    else if (pattern && compile(pattern, ret, e) != ERR_OK)
        return err_prefix(e, "the %s", what);
    return ERR_OK;
}

static void term_done(struct term *t)
{
    free(t->exactly);
    free(t->pattern_text);
    if (t->is_pattern)
        regfree(&t->pattern);
}

static bool term_holds(const struct term *t, const char *text)
{
    if (t->is_pattern)
        return text && regexec(&t->pattern, text, 0, NULL, 0) == 0;
    return t->exactly ? text && strcmp(t->exactly, text) == 0 : !text;
}

static bool term_covers(const struct term *first, const struct term *then)
{
    if (then->is_pattern)
        return first->is_pattern && strcmp(first->pattern_text, then->pattern_text) == 0;
    return term_holds(first, then->exactly);
}

/* ---- rules */

bool certificate_rule_covers(const struct certificate_rule *first,
                             const struct certificate_rule *then)
{
    return term_covers(&first->identity, &then->identity) &&
           term_covers(&first->issuer, &then->issuer);
}

void certificate_rule_free(struct certificate_rule *r)
{
    if (!r)
        return;
    term_done(&r->identity);
    term_done(&r->issuer);
    trust_roots_done(&r->roots);
    free(r->name);
    free(r);
}

const char *certificate_rule_name(const struct certificate_rule *r)
{
    return r->name;
}

typedef enum err_code add_file(struct trust_roots *r, const char *path, struct err *e);

static enum err_code add_files(struct trust_roots *r, const char *const *paths, add_file *add,
                               struct err *e)
{
    for (; paths && *paths; paths++) {
        if (add(r, *paths, e) != ERR_OK)
            return err_prefix(e, "%s", *paths);
    }
    return ERR_OK;
}

static enum err_code read_files(struct certificate_rule *r, const struct certificate_terms *t,
                                struct err *e)
{
    const char *const roots[] = {t->roots, NULL};

    if (!t->roots)
        return err_set(e, ERR_CONFIG,
                       "the roots of certificates are to be pinned: a file of PEM, "
                       "or a trusted root of sigstore");
    TRY(add_files(&r->roots, roots, trust_roots_add, e));
    TRY(add_files(&r->roots, t->logs, trust_roots_add_logs, e));
    TRY(add_files(&r->roots, t->stamps, trust_roots_add_stamps, e));
    if (!t->no_log && r->roots.n_logs == 0)
        return err_set(e, ERR_CONFIG,
                       "an entry of a transparency log is demanded, and no log is trusted: pin its "
                       "key, or say that no log is needed");
    return ERR_OK;
}

enum err_code certificate_rule_read(const struct certificate_terms *t,
                                    struct certificate_rule **ret_rule, struct err *e)
{
    AUTO(certificate_rule) struct certificate_rule *r = NEW(struct certificate_rule);
    const char *name = t->identity ? t->identity : t->identity_pattern;

    if (!name)
        return err_set(e, ERR_CONFIG, "the identity that certificates are to be of is not said");
    r->name = mem_strdup(name);
    r->no_log = t->no_log;
    TRY(term_read("identity", t->identity, t->identity_pattern, &r->identity, e));
    TRY(term_read("issuer", t->issuer, t->issuer_pattern, &r->issuer, e));
    TRY(read_files(r, t, e));
    *ret_rule = STEAL(r);
    return ERR_OK;
}

/* ---- identities */

static bool is_of(const struct certificate_rule *r, const struct certificate_names *names,
                  struct signature *ret)
{
    const char *who = names->n > 0 ? names->identities[0] : NULL;
    bool good = false;

    for (size_t i = 0; i < names->n && !good; i++) {
        good = term_holds(&r->identity, names->identities[i]);
        who = good ? names->identities[i] : who;
    }
    ret->identity = who ? mem_strdup(who) : NULL;
    ret->issuer = names->issuer ? mem_strdup(names->issuer) : NULL;
    return good && term_holds(&r->issuer, names->issuer);
}

/* ---- times */

/* When the signature was made, as far as anybody who is trusted says so. */
struct times {
    int64_t from_ms[2 * EVIDENCE_MAX], to_ms[2 * EVIDENCE_MAX];
    size_t n;
    const struct trust_log *logs[EVIDENCE_MAX]; /* that have it */
    size_t n_logs;
};

static void add_time(struct times *t, int64_t from_ms, int64_t to_ms)
{
    t->from_ms[t->n] = from_ms;
    t->to_ms[t->n++] = to_ms;
}

static void look_at_entries(const struct certificate_rule *r, const struct evidence *v,
                            const struct log_subject *s, struct times *ret)
{
    for (size_t i = 0; i < v->n_entries; i++) {
        const struct trust_log *log;
        int64_t at_ms;

        if (!log_entry_speaks_of(&v->entries[i], s) ||
            !log_entry_is_logged(&v->entries[i], &r->roots, &at_ms, &log))
            continue;
        ret->logs[ret->n_logs++] = log;
        if (at_ms != LOG_ENTRY_NO_TIME)
            add_time(ret, at_ms, at_ms);
    }
}

static bool look_at_stamp(const struct certificate_rule *r, struct str token,
                          const struct log_subject *s, struct timestamp *ret)
{
    for (size_t i = 0; i < r->roots.n_stamps; i++) {
        const struct trust_authority *a = &r->roots.stamps[i];

        if (timestamp_verify(token, s->signature, a->all, ret, ERR_IGNORED) == ERR_OK &&
            trust_period_has(&a->period, ret->from_ms) && trust_period_has(&a->period, ret->to_ms))
            return true;
    }
    return false;
}

static void look_at_stamps(const struct certificate_rule *r, const struct evidence *v,
                           const struct log_subject *s, struct times *ret)
{
    for (size_t i = 0; i < v->n_stamps; i++) {
        struct timestamp at;

        if (look_at_stamp(r, buf_str(&v->stamps[i]), s, &at))
            add_time(ret, at.from_ms, at.to_ms);
    }
}

/* By a log that counted at each of the times? */
static bool is_logged(const struct times *t)
{
    for (size_t i = 0; i < t->n_logs; i++) {
        const struct trust_period *p = &t->logs[i]->period;
        size_t n = 0;

        while (n < t->n && trust_period_has(p, t->from_ms[n]) && trust_period_has(p, t->to_ms[n]))
            n++;
        if (n == t->n)
            return true;
    }
    return false;
}

/* ---- all of it */

/* Of several authorities the best answer. */
static enum signature_verdict judge_chain(const struct certificate_rule *r,
                                          const struct evidence *v, int64_t at_ms,
                                          const char **ret_why, int64_t *ret_until_ms)
{
    enum signature_verdict best = SIGNATURE_UNKNOWN;

    for (size_t i = 0; i < r->roots.n_authorities && best != SIGNATURE_GOOD; i++) {
        const struct trust_authority *a = &r->roots.authorities[i];
        const struct certificate_chain chain = {v->certificate, v->between, a->all};
        const char *why = NULL;
        enum signature_verdict verdict = certificate_chain_judge(&chain, at_ms, &why, ret_until_ms);

        if (verdict == SIGNATURE_GOOD && at_ms != CERTIFICATE_ANY_TIME &&
            !trust_period_has(&a->period, at_ms))
            verdict = SIGNATURE_EXPIRED;
        if (verdict < best) {
            best = verdict;
            *ret_why = why;
        }
    }
    return best;
}

/* At each of the times, from the first to the last moment that they may mean. */
static enum signature_verdict judge_times(const struct certificate_rule *r,
                                          const struct evidence *v, const struct times *t,
                                          const char **ret_why)
{
    enum signature_verdict worst = SIGNATURE_GOOD;
    int64_t until_ms;

    for (size_t i = 0; i < t->n && worst == SIGNATURE_GOOD; i++) {
        worst = judge_chain(r, v, t->from_ms[i], ret_why, &until_ms);
        if (worst == SIGNATURE_GOOD && t->to_ms[i] != t->from_ms[i])
            worst = judge_chain(r, v, t->to_ms[i], ret_why, &until_ms);
    }
    return worst;
}

static enum signature_verdict judge_when(const struct certificate_rule *r, const struct evidence *v,
                                         const struct log_subject *s, int64_t now_ms,
                                         const char **ret_why, struct signature *ret)
{
    struct times t = {.n = 0};

    look_at_entries(r, v, s, &t);
    look_at_stamps(r, v, s, &t);
    if (!r->no_log && !is_logged(&t)) {
        *ret_why = v->n_entries > 0 ? "its entry is of no log that is trusted, or not about it"
                                    : "it comes without an entry of a log";
        return SIGNATURE_NO_TIME;
    }
    if (t.n > 0)
        return judge_times(r, v, &t, ret_why);
    if (r->no_log)
        return judge_chain(r, v, now_ms, ret_why, &ret->until_ms);
    *ret_why = "the log has it and does not say since when";
    return SIGNATURE_NO_TIME;
}

enum signature_verdict certificate_rule_judge(const struct certificate_rule *r,
                                              const struct evidence *v, const struct log_subject *s,
                                              int64_t now_ms, struct signature *ret)
{
    AUTO(certificate_names) struct certificate_names names = {.n = 0};
    const char *why = NULL;
    enum signature_verdict verdict;
    bool is_its;

    certificate_names_of(v->certificate, &names);
    is_its = is_of(r, &names, ret);
    verdict = judge_chain(r, v, CERTIFICATE_ANY_TIME, &why, &ret->until_ms);
    ret->until_ms = SIGNATURE_FOR_EVER;
    if (verdict == SIGNATURE_GOOD && !is_its)
        verdict = SIGNATURE_OTHER_IDENTITY;
    else if (verdict == SIGNATURE_GOOD)
        verdict = judge_when(r, v, s, now_ms, &why, ret);
    ret->why = why ? mem_strdup(why) : NULL;
    return verdict;
}
