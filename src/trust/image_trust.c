#include "trust/image_trust.h"

#include "base/mem.h"
#include "signing/statement.h"
#include "trust/beside.h"
#include "trust/signed_children.h"
#include "trust/stored_signatures.h"

#include <stdio.h>
#include <stdlib.h>

#define INDEX_MS ((int64_t)60 * 1000) /* by another image, which may be deleted: nobody notices */
#define NOTE_MS  ((int64_t)60 * 1000) /* then what could not be written is tried again */

struct judging {
    struct registry *r;
    const struct trust_rule *rule;
    const struct repo_name *repo;
    int64_t now_ms;
    struct image_trust *ret;
};

void image_trust_found_done(struct image_trust_found *f)
{
    signature_list_done(&f->signatures);
    signature_list_done(&f->attestations);
}

/* ---- what was found */

static void not_after(struct image_trust *t, int64_t until_ms)
{
    if (until_ms < t->until_ms)
        t->until_ms = until_ms;
}

static bool is_by(const struct signature *s, enum signer_kind kind, size_t nth)
{
    return s->verdict == SIGNATURE_GOOD && s->signer == kind &&
           (kind == SIGNER_NOTATION || s->nth == nth);
}

/* Has that signer signed? The longest of its signatures counts. */
static bool has_signed(const struct signature_list *l, enum signer_kind kind, size_t nth,
                       int64_t *ret_until_ms)
{
    bool any = false;

    for (size_t i = 0; i < l->n; i++) {
        const struct signature *s = &l->rows[i];

        if (!is_by(s, kind, nth))
            continue;
        *ret_until_ms = any && *ret_until_ms > s->until_ms ? *ret_until_ms : s->until_ms;
        any = true;
    }
    return any;
}

/* What is wrong with the best of them. */
static const char *what_is_wrong(const struct signature_list *l)
{
    enum signature_verdict best = SIGNATURE_VERDICTS;

    for (size_t i = 0; i < l->n; i++) {
        if (l->rows[i].verdict != SIGNATURE_GOOD && l->rows[i].verdict < best)
            best = l->rows[i].verdict;
    }
    if (best < SIGNATURE_VERDICTS)
        return signature_verdict_text(best);
    return l->n > 0 ? "others have signed it" : "there is no signature of it";
}

struct tally {
    size_t asked, signed_by;
    int64_t least_ms, most_ms;          /* until when */
    char missing[TRUST_SIGNER_MAX + 1]; /* the first that has not */
};

static void count_signer(const struct judging *j, const struct signature_list *l,
                         enum signer_kind kind, size_t nth, struct tally *t)
{
    int64_t until_ms = INT64_MAX;

    t->asked++;
    if (has_signed(l, kind, nth, &until_ms)) {
        t->signed_by++;
        t->least_ms = until_ms < t->least_ms ? until_ms : t->least_ms;
        t->most_ms = until_ms > t->most_ms ? until_ms : t->most_ms;
    } else if (!t->missing[0]) {
        trust_signer_name(j->rule, kind, nth, t->missing);
    }
}

static void refuse(const struct judging *j, const char *what, const char *by, const char *why)
{
    struct image_trust *t = j->ret;
    int n = snprintf(t->why, sizeof(t->why), "%s %.*s: %s", what, TRUST_SIGNER_MAX, by, why);

    for (int i = 0; i < n && i < TRUST_WHY_MAX; i++) {
        if (t->why[i] < ' ' || t->why[i] > '~')
            t->why[i] = '?';
    }
    t->state = TRUST_UNSIGNED;
}

/* False: it is refused. */
static bool signers_meet(const struct judging *j, const struct signature_list *l)
{
    const struct trust *trust = &j->rule->trust;
    struct tally t = {.least_ms = INT64_MAX, .most_ms = 0};
    bool all = j->rule->conf->require == CONF_REQUIRE_ALL;

    for (size_t i = 0; i < trust->n_keys; i++)
        count_signer(j, l, SIGNER_KEY, i, &t);
    for (size_t i = 0; i < trust->n_certificates; i++)
        count_signer(j, l, SIGNER_CERTIFICATE, i, &t);
    if (trust->notation)
        count_signer(j, l, SIGNER_NOTATION, 0, &t);
    if (all ? t.signed_by == t.asked : t.signed_by > 0) {
        not_after(j->ret, all ? t.least_ms : t.most_ms);
        return true;
    }
    if (all || t.asked == 1)
        refuse(j, "is not signed by", t.missing, what_is_wrong(l));
    else
        refuse(j, "is signed by none of those who may", "sign", what_is_wrong(l));
    return false;
}

static bool attestations_meet(const struct judging *j, const struct signature_list *l)
{
    const struct conf_attestations *list = &j->rule->conf->attestations;

    for (size_t i = 0; i < list->n; i++) {
        const struct conf_attestation *c = &list->items[i];
        const struct statement_demand demand = {c->predicate_type,
                                                c->builder[0] ? c->builder : NULL};
        int64_t until_ms = 0;

        for (size_t k = 0; k < l->n; k++) {
            const struct signature *s = &l->rows[k];

            if (s->verdict == SIGNATURE_GOOD && statement_meets(s, &demand) &&
                s->until_ms > until_ms)
                until_ms = s->until_ms;
        }
        if (until_ms == 0) {
            refuse(j, "has no good attestation", c->predicate_type, what_is_wrong(l));
            return false;
        }
        not_after(j->ret, until_ms);
    }
    return true;
}

/* ---- judging */

static enum err_code judge_itself(const struct judging *j, const struct meta_manifest *m,
                                  struct image_trust_found *found, struct err *e)
{
    const struct digest *d = &m->digest;
    struct stored_signatures stored;

    *j->ret = (struct image_trust){.state = TRUST_SIGNED, .until_ms = INT64_MAX};
    stored_signatures_init(&stored, j->r, j->repo, j->now_ms);
    stored.source.image = m->bytes;
    TRY(signatures_find(&stored.source, d, &j->rule->trust, &found->signatures, e));
    if (!signers_meet(j, &found->signatures) || j->rule->conf->attestations.n == 0)
        return ERR_OK;
    TRY(attestations_find(&stored.source, d, &j->rule->trust, &found->attestations, e));
    (void)!attestations_meet(j, &found->attestations);
    return ERR_OK;
}

static bool names(const struct out_manifest *index, const struct digest *child)
{
    for (size_t i = 0; i < index->parsed.n_links; i++) {
        if (digest_eq(&index->parsed.links[i].digest, child))
            return index->parsed.shape == MANIFEST_INDEX;
    }
    return false;
}

static enum err_code judge_by_index(const struct judging *j, const struct digest *d,
                                    const struct digest *index, struct err *e)
{
    AUTO(mem) struct image_trust_found *found = NEW(struct image_trust_found);
    AUTO(out_manifest) struct out_manifest m = {0};
    struct image_trust before = *j->ret;
    enum err_code code = out_manifest_by_digest(j->r, j->repo, index, &m, e);

    if (code == ERR_MANIFEST_UNKNOWN || (code == ERR_OK && !names(&m, d))) {
        signed_children_forget(j->r, j->repo, d, index);
        return ERR_OK;
    }
    TRY(code);
    code = judge_itself(j, m.stored, found, e);
    image_trust_found_done(found);
    if (j->ret->state != TRUST_SIGNED) {
        *j->ret = before;
        return code;
    }
    j->ret->by_index = *index;
    not_after(j->ret, j->now_ms + INDEX_MS);
    return code;
}

static enum err_code judge_by_indexes(const struct judging *j, const struct digest *d,
                                      struct err *e)
{
    AUTO(mem) struct signed_indexes *l = NEW(struct signed_indexes);
    size_t looks = 0;

    do {
        TRY(signed_indexes_next(j->r, j->repo, d, l, e));
        for (size_t i = 0; i < l->n && j->ret->state == TRUST_UNSIGNED; i++)
            TRY(judge_by_index(j, d, &l->digests[i], e));
        looks += l->n;
    } while (l->n > 0 && looks < SIGNED_INDEXES_MAX && j->ret->state == TRUST_UNSIGNED);
    return ERR_OK;
}

/* Who pulls an index is not to wait for a hint: a database that can't be written is no reason. */
static void note_children(const struct judging *j, const struct out_manifest *index)
{
    struct err e;

    if (index->parsed.shape != MANIFEST_INDEX ||
        signed_children_note(j->r, j->repo, index, &j->ret->noted, &e) == ERR_OK)
        return;
    j->ret->not_noted = e;
    not_after(j->ret, j->now_ms + NOTE_MS);
}

static enum err_code judge(const struct judging *j, const struct out_manifest *m,
                           struct image_trust_found *found, struct err *e)
{
    const struct digest *d = &m->stored->digest;
    bool beside;

    TRY(beside_something(j->r, j->repo, m, &beside, e));
    if (beside) {
        *j->ret = (struct image_trust){.state = TRUST_EXEMPT, .until_ms = INT64_MAX};
        return ERR_OK;
    }
    TRY(judge_itself(j, m->stored, found, e));
    if (j->ret->state == TRUST_UNSIGNED)
        return judge_by_indexes(j, d, e);
    note_children(j, m);
    return ERR_OK;
}

enum err_code image_trust_judge(struct registry *r, const struct trust_rule *rule,
                                const struct repo_name *repo, const struct digest *d,
                                int64_t now_ms, struct image_trust *ret,
                                struct image_trust_found *ret_found, struct err *e)
{
    const struct judging j = {r, rule, repo, now_ms, ret};
    AUTO(mem) struct image_trust_found *own = NEW(struct image_trust_found);
    AUTO(out_manifest) struct out_manifest m = {0};
    enum err_code code;

    TRY(out_manifest_by_digest(r, repo, d, &m, e));
    code = judge(&j, &m, ret_found ? ret_found : own, e);
    image_trust_found_done(own);
    return code;
}

enum err_code image_trust_judge_of(struct registry *r, const struct trust_rule *rule,
                                   const struct repo_name *repo, const struct out_manifest *m,
                                   int64_t now_ms, struct image_trust *ret, struct err *e)
{
    const struct judging j = {r, rule, repo, now_ms, ret};
    AUTO(mem) struct image_trust_found *found = NEW(struct image_trust_found);
    enum err_code code = judge(&j, m, found, e);

    image_trust_found_done(found);
    return code;
}
