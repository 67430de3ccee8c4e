#include "signing/signature_judge.h"

#include "base/cleanup.h"
#include "signing/certificate_rule.h"
#include "signing/envelope.h"
#include "signing/public_key.h"
#include "signing/signed_json.h"
#include "signing/simple_signing.h"

#include <stdlib.h>

#define SIMPLE_SIGNED "dev.cosignproject.cosign/signature"
#define COSIGN_SIGNED STR("https://sigstore.dev/cosign/sign/v1")
#define SIGNATURE_MAX 2048 /* bytes; RSA of 16384 bits */
#define TEXT_MAX      1024 /* of a predicate's type, a builder's name */

/* What stands in a row: by whom, which trust says, and of what. */
struct claim {
    struct log_subject subject;
    const struct evidence *evidence;
    bool names_image;
};

/* Which key made the signature; n_keys: none. */
static size_t maker(const struct trust *trust, const struct log_subject *s)
{
    size_t i = 0;

    while (i < trust->n_keys && !public_key_verifies(trust->keys[i], s->message, s->signature))
        i++;
    return i;
}

static bool is_by_certificate(const struct claim *c)
{
    AUTO(public_key) struct public_key *key = NULL;

    return c->evidence->certificate &&
           public_key_of(X509_get0_pubkey(c->evidence->certificate), &key, ERR_IGNORED) == ERR_OK &&
           public_key_verifies(key, c->subject.message, c->subject.signature);
}

static void found(struct signature *ret, enum signer_kind signer, size_t nth, bool names_image)
{
    ret->verdict = names_image ? SIGNATURE_GOOD : SIGNATURE_OTHER_IMAGE;
    ret->signer = signer;
    ret->nth = nth;
}

/* The texts of a verdict, as another has them. */
static void take_verdict(struct signature *ret, struct signature *of, enum signature_verdict v)
{
    free(ret->identity);
    free(ret->issuer);
    free(ret->why);
    ret->identity = STEAL(of->identity);
    ret->issuer = STEAL(of->issuer);
    ret->why = STEAL(of->why);
    ret->until_ms = of->until_ms;
    ret->verdict = v;
}

/* By the rule that has the best to say of it. */
static void judge_certificate(const struct trust *trust, const struct claim *c, int64_t now_ms,
                              struct signature *ret)
{
    for (size_t i = 0; i < trust->n_certificates && ret->verdict != SIGNATURE_GOOD; i++) {
        struct signature one = {.verdict = SIGNATURE_UNKNOWN};
        enum signature_verdict v =
            certificate_rule_judge(trust->certificates[i], c->evidence, &c->subject, now_ms, &one);

        if (v < ret->verdict)
            take_verdict(ret, &one, v);
        if (v == SIGNATURE_GOOD)
            found(ret, SIGNER_CERTIFICATE, i, true);
        signature_done(&one);
    }
    if (ret->verdict == SIGNATURE_GOOD && !c->names_image)
        ret->verdict = SIGNATURE_OTHER_IMAGE;
}

static void judge(const struct signature_judging *j, const struct claim *c, struct signature *ret)
{
    const struct trust *trust = j->trust;
    size_t key = maker(trust, &c->subject);

    ret->verdict = SIGNATURE_OTHER_KEY;
    if (key < trust->n_keys)
        found(ret, SIGNER_KEY, key, c->names_image);
    else if (trust->n_certificates > 0 && is_by_certificate(c))
        judge_certificate(trust, c, j->now_ms, ret);
}

static void judge_simple(const struct signature_judging *j, struct str payload,
                         const json_t *annotations, struct signature *ret)
{
    struct str text = signed_json_text(annotations, SIMPLE_SIGNED);
    AUTO(buf) struct buf signature = {0};
    AUTO(evidence) struct evidence evidence = {0};
    struct claim c = {.evidence = &evidence};

    if (text.n > SIGNATURE_MAX * 4 / 3 || !signed_json_decode(text, &signature))
        return;
    evidence_of_annotations(annotations, &evidence);
    c.names_image = simple_signing_names(payload, j->image);
    c.subject = (struct log_subject){payload, STR(""), buf_str(&signature), evidence.certificate};
    judge(j, &c, ret);
}

/* Of several signatures the one that has most to say for it. */
static void check_envelope(const struct envelope *env, const struct evidence *evidence,
                           const struct signature_judging *j, struct signature *ret)
{
    struct claim c = {.evidence = evidence, .names_image = envelope_names(env, j->image)};

    for (size_t i = 0; i < env->n && ret->verdict != SIGNATURE_GOOD; i++) {
        struct signature one = {.verdict = SIGNATURE_UNKNOWN, .until_ms = SIGNATURE_FOR_EVER};

        c.subject = (struct log_subject){buf_str(&env->message), buf_str(&env->payload),
                                         buf_str(&env->signatures[i]), evidence->certificate};
        judge(j, &c, &one);
        if (one.verdict < ret->verdict) {
            take_verdict(ret, &one, one.verdict);
            ret->signer = one.signer;
            ret->nth = one.nth;
        }
        signature_done(&one);
    }
}

static char *text_or_null(struct str s)
{
    return s.n > 0 && s.n <= TEXT_MAX && str_is_text(s) ? str_dup(s) : NULL;
}

/* An attestation gets what it states. Whether it is one is known of what is not understood, too: it
 * is no statement that the image was signed. */
static void check_dsse(const json_t *dsse, const struct evidence *evidence,
                       const struct signature_judging *j, struct signature *ret)
{
    AUTO(envelope) struct envelope env = {.n = 0};

    if (!envelope_read(dsse, &env))
        return;
    if (!str_eq(envelope_predicate(&env), COSIGN_SIGNED)) {
        ret->predicate = text_or_null(envelope_predicate(&env));
        ret->predicate = ret->predicate ? ret->predicate : str_dup(STR(""));
        ret->builder = text_or_null(envelope_builder(&env));
    }
    check_envelope(&env, evidence, j, ret);
}

static void judge_bundle(const struct signature_judging *j, struct str text,
                         const json_t *annotations, struct signature *ret)
{
    AUTO(json) json_t *parsed = signed_json_parse(text);
    AUTO(evidence) struct evidence evidence = {0};

    (void)annotations;
    evidence_of_bundle(parsed, &evidence);
    check_dsse(json_object_get(parsed, "dsseEnvelope"), &evidence, j, ret);
}

/* What cosign 1 and 2 write by the tag sha256-HEX.att. */
static void judge_attestation(const struct signature_judging *j, struct str text,
                              const json_t *annotations, struct signature *ret)
{
    AUTO(json) json_t *parsed = signed_json_parse(text);
    AUTO(evidence) struct evidence evidence = {0};

    evidence_of_annotations(annotations, &evidence);
    check_dsse(parsed, &evidence, j, ret);
}

const struct signature_form *signature_form_of(struct str layer_type)
{
    static const struct {
        struct str type; /* begins so */
        struct signature_form form;
    } rows[] = {
        {STR("application/vnd.dev.cosign.simplesigning.v1+json"), {"simple signing", judge_simple}},
        {STR("application/vnd.dev.sigstore.bundle"), {"sigstore bundle", judge_bundle}},
        {STR("application/vnd.dsse.envelope.v1+json"), {"envelope", judge_attestation}},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (str_starts(layer_type, rows[i].type))
            return &rows[i].form;
    }
    return NULL;
}
