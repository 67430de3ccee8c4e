#include "signing/notation_trust.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "signing/notation_cose.h"
#include "signing/notation_jws.h"
#include "signing/notation_policy.h"
#include "signing/revocation_lists.h"
#include "signing/signing_chain.h"
#include "signing/timestamp.h"
#include "signing/trust_store.h"

#include <stdio.h>

#define SUBJECT_MAX 512

struct notation_trust {
    struct notation_policy *policy;
    STACK_OF(X509) * *stores; /* all that each statement trusts: [statement][type] */
    struct revocation_lists *lists;
};

void notation_trust_free(struct notation_trust *t)
{
    if (!t)
        return;
    for (size_t i = 0; t->stores && i < t->policy->n * NOTATION_STORES; i++)
        certificates_free(t->stores[i]);
    free(t->stores);
    notation_policy_free(t->policy);
    revocation_lists_free(t->lists);
    free(t);
}

/* ---- what is configured */

static STACK_OF(X509) *
    *store_of(const struct notation_trust *t, size_t nth, enum notation_store_type type)
{
    return &t->stores[nth * NOTATION_STORES + type];
}

static enum err_code read_store(struct notation_trust *t, size_t nth, const char *path,
                                const struct notation_store_name *name, struct err *e)
{
    STACK_OF(X509) **into = store_of(t, nth, name->type);
    AUTO(certificates) STACK_OF(X509) *more = NULL;
    X509 *c;

    TRY(trust_store_read(path, name, &more, e));
    if (!*into)
        *into = sk_X509_new_null();
    while ((c = sk_X509_shift(more)))
        sk_X509_push(*into, c);
    return ERR_OK;
}

static enum err_code read_stores(struct notation_trust *t, const char *path, struct err *e)
{
    t->stores = mem_zero(t->policy->n * NOTATION_STORES * sizeof(t->stores[0]));
    for (size_t i = 0; i < t->policy->n; i++) {
        const struct notation_statement *s = &t->policy->statements[i];

        for (size_t k = 0; k < s->n_stores; k++)
            TRY(read_store(t, i, path, &s->stores[k], e));
    }
    return ERR_OK;
}

enum err_code notation_trust_read(const struct notation_files *files, struct notation_trust **ret,
                                  struct err *e)
{
    AUTO(notation_trust) struct notation_trust *t = NEW(struct notation_trust);

    if (notation_policy_read(files->policy, &t->policy, e) != ERR_OK)
        return err_prefix(e, "%s", files->policy);
    TRY(read_stores(t, files->certificates, e));
    t->lists = revocation_lists_new();
    for (size_t i = 0; i < files->n_crls; i++) {
        if (revocation_lists_read(t->lists, files->crls[i], e) != ERR_OK)
            return err_prefix(e, "%s", files->crls[i]);
    }
    *ret = STEAL(t);
    return ERR_OK;
}

const char *notation_trust_skips(const struct notation_trust *t, struct str repository)
{
    const struct notation_statement *s = notation_policy_for(t->policy, repository);

    return s && s->skip ? s->name : NULL;
}

/* ---- one signature */

struct judging {
    const struct notation_trust *t;
    const struct notation_signature *s;
    const struct notation_statement *statement;
    size_t nth; /* of the statements */
    struct notation_envelope env;
    int64_t from_ms, to_ms; /* the chain is valid */
    struct signature *ret;
};

/* The verdict is another from then on, maybe. */
static void changes_at(struct judging *j, int64_t wall_ms)
{
    if (wall_ms > j->s->now_ms && wall_ms < j->ret->until_ms)
        j->ret->until_ms = wall_ms;
}

/* The first that is said stays. */
static void explain(struct judging *j, const char *before, const struct err *e)
{
    AUTO(buf) struct buf text = {0};

    if (j->ret->why)
        return;
    buf_init(&text, sizeof(e->detail) + 64);
    buf_addf(&text, "%s%s", before, e->detail);
    j->ret->why = str_dup(buf_str(&text));
}

/* False, and the verdict is given. */
static bool fail(struct judging *j, enum signature_verdict verdict, const struct err *e)
{
    j->ret->verdict = verdict;
    explain(j, "", e);
    return false;
}

/* What is wrong counts as the policy has it. False: it does. */
static bool fault(struct judging *j, enum notation_check check, enum signature_verdict verdict,
                  const struct err *e)
{
    if (j->statement->actions[check] == NOTATION_ENFORCE)
        return fail(j, verdict, e);
    explain(j, "not enforced by the trust policy: ", e);
    return true;
}

/* "Validate Integrity" */
static bool is_whole(struct judging *j)
{
    struct err e;

    if ((j->s->form == NOTATION_JWS ? notation_jws_read : notation_cose_read)(j->s->bytes, &j->env,
                                                                              &e) != ERR_OK)
        return fail(j, SIGNATURE_UNKNOWN, &e);
    if (notation_envelope_verify(&j->env, &e) != ERR_OK)
        return fail(j, SIGNATURE_OTHER_KEY, &e);
    if (signing_chain_check(j->env.chain, &e) != ERR_OK)
        return fail(j, SIGNATURE_UNTRUSTED_CHAIN, &e);
    if (signing_chain_validity(j->env.chain, &j->from_ms, &j->to_ms))
        return true;
    err_set(&e, ERR_DENIED, "a certificate's validity is damaged");
    return fail(j, SIGNATURE_UNTRUSTED_CHAIN, &e);
}

static bool any_trusted(const STACK_OF(X509) * trusted, const STACK_OF(X509) * chain)
{
    for (int i = 0; i < sk_X509_num(chain); i++) {
        if (certificates_have(trusted, sk_X509_value(chain, i)))
            return true;
    }
    return false;
}

static bool is_identity(const struct notation_statement *s, const X509 *signer)
{
    for (size_t i = 0; i < s->n_identities; i++) {
        if (distinguished_name_fits(s->identities[i], signer))
            return true;
    }
    return s->n_identities == 0;
}

/* "Validate Authenticity" */
static bool is_trusted(struct judging *j)
{
    enum notation_store_type type =
        j->env.scheme == NOTATION_AUTHORITY ? NOTATION_SIGNING_AUTHORITY : NOTATION_CA;
    struct err e;

    if (!any_trusted(*store_of(j->t, j->nth, type), j->env.chain)) {
        err_set(&e, ERR_DENIED, "no certificate of its chain is in a trust store (%s) of '%.100s'",
                notation_store_type_name(type), j->statement->name);
        return fault(j, NOTATION_AUTHENTICITY, SIGNATURE_UNTRUSTED_CHAIN, &e);
    }
    if (!is_identity(j->statement, sk_X509_value(j->env.chain, 0))) {
        err_set(&e, ERR_DENIED,
                "its certificate's subject is none of the trusted identities of "
                "'%.100s'",
                j->statement->name);
        return fault(j, NOTATION_AUTHENTICITY, SIGNATURE_OTHER_IDENTITY, &e);
    }
    return true;
}

/* "Validate Expiry" */
static bool is_current(struct judging *j)
{
    struct err e;

    changes_at(j, j->env.expiry_ms);
    if (j->s->now_ms < j->env.expiry_ms)
        return true;
    err_set(&e, ERR_DENIED, "the signature has expired");
    return fault(j, NOTATION_EXPIRY, SIGNATURE_EXPIRED, &e);
}

/* Was all of the chain valid from the one time to the other? */
static bool was_valid(struct judging *j, int64_t first_ms, int64_t last_ms, const char *when)
{
    struct err e;

    if (first_ms >= j->from_ms && last_ms <= j->to_ms)
        return true;
    err_set(&e, ERR_DENIED, "a certificate of its chain was not valid %s", when);
    return fault(j, NOTATION_TIMESTAMP, SIGNATURE_EXPIRED, &e);
}

/* Does a token of an authority count, and not the clock? */
static bool wants_stamp(const struct judging *j)
{
    bool expired = j->s->now_ms > j->to_ms;

    return *store_of(j->t, j->nth, NOTATION_TSA) && (!j->statement->stamp_when_expired || expired);
}

/* "Certificate Revocation Evaluation" of a chain. *e says why, unless it is NOT_REVOKED. */
static enum revocation ask(struct judging *j, const STACK_OF(X509) * chain, int64_t signed_ms,
                           struct err *e)
{
    const struct revocation_question q = {
        .chain = chain, .now_ms = j->s->now_ms, .signed_ms = signed_ms};
    enum revocation found;
    int64_t due_ms;

    if (j->statement->actions[NOTATION_REVOCATION] == NOTATION_SKIP)
        return NOT_REVOKED;
    found = revocation_ask(j->t->lists, &q, &due_ms, e);
    changes_at(j, due_ms);
    return found;
}

/* Whoever stamped must not have been revoked either. */
static bool is_stamper_good(struct judging *j, const STACK_OF(X509) * roots, int64_t at_ms,
                            struct err *e)
{
    AUTO(certificates)
    STACK_OF(X509) *chain = timestamp_chain(buf_str(&j->env.timestamp), roots, at_ms);

    if (!chain) {
        err_set(e, ERR_DENIED, "the timestamp is by an authority that is not trusted");
        return false;
    }
    if (ask(j, chain, INT64_MAX, e) == NOT_REVOKED)
        return true;
    err_prefix(e, "the timestamp's authority");
    return false;
}

/* "Validate Authentic Timestamp" */
static bool was_in_time(struct judging *j)
{
    const STACK_OF(X509) *roots = *store_of(j->t, j->nth, NOTATION_TSA);
    struct timestamp stamp;
    struct err e;

    if (j->env.scheme == NOTATION_AUTHORITY)
        return was_valid(j, j->env.signed_ms, j->env.signed_ms, "when it was signed");
    if (!wants_stamp(j)) {
        changes_at(j, j->from_ms);
        changes_at(j, j->to_ms + 1);
        return was_valid(j, j->s->now_ms, j->s->now_ms, "now");
    }
    if (timestamp_verify(buf_str(&j->env.timestamp), buf_str(&j->env.signature), roots, &stamp,
                         &e) != ERR_OK ||
        !is_stamper_good(j, roots, stamp.to_ms, &e))
        return fault(j, NOTATION_TIMESTAMP, SIGNATURE_NO_TIME, &e);
    return was_valid(j, stamp.from_ms, stamp.to_ms, "at the time of its timestamp");
}

/* "Validate Revocation Status" */
static bool is_not_revoked(struct judging *j)
{
    bool authority = j->env.scheme == NOTATION_AUTHORITY;
    struct err e;
    enum revocation found = ask(j, j->env.chain, authority ? j->env.signed_ms : INT64_MAX, &e);

    return found == NOT_REVOKED ||
           fault(j, NOTATION_REVOCATION,
                 found == REVOKED ? SIGNATURE_REVOKED : SIGNATURE_REVOCATION_UNKNOWN, &e);
}

static void name_signer(struct judging *j)
{
    X509 *signer = sk_X509_value(j->env.chain, 0);
    char text[SUBJECT_MAX];

    certificate_subject(signer, text, sizeof(text));
    j->ret->identity = str_dup(str_of(text));
    certificate_subject(sk_X509_value(j->env.chain, sk_X509_num(j->env.chain) - 1), text,
                        sizeof(text));
    j->ret->issuer = str_dup(str_of(text));
}

static void judge(struct judging *j)
{
    if (!is_whole(j))
        return;
    name_signer(j);
    if (!is_trusted(j) || !is_current(j) || !was_in_time(j) || !is_not_revoked(j))
        return;
    j->ret->verdict =
        notation_envelope_names(&j->env, &j->s->target) ? SIGNATURE_GOOD : SIGNATURE_OTHER_IMAGE;
    j->ret->signer = SIGNER_NOTATION;
    j->ret->nth = j->nth;
}

void notation_judge(const struct notation_trust *t, const struct notation_signature *s,
                    struct signature *ret)
{
    struct judging j = {.t = t, .s = s, .ret = ret};
    struct err e;

    ret->until_ms = SIGNATURE_FOR_EVER;
    j.statement = notation_policy_for(t->policy, s->repository);
    if (!j.statement) {
        err_set(&e, ERR_DENIED, "no statement of the trust policy is of this repository");
        fail(&j, SIGNATURE_OTHER_IDENTITY, &e);
        return;
    }
    j.nth = (size_t)(j.statement - t->policy->statements);
    judge(&j);
    notation_envelope_done(&j.env);
}
