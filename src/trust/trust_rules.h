/*
 * trust: which images must be signed, by whom, and whether they are. May include signing/, core/,
 * meta/, conf/ and base/. Any thread.
 *
 * The rules of the configuration (`signatures`) with the keys, authorities and policies that they
 * name, read once. They never change; whoever uses them holds a reference.
 */
#pragma once

#include "base/err.h"
#include "base/name.h"
#include "conf/conf.h"
#include "signing/signature_trust.h"

enum trust_at { TRUST_AT_PULL, TRUST_AT_PUSH };

struct trust_rule {
    const struct conf_signature_rule *conf;
    bool at[2];         /* by enum trust_at */
    struct trust trust; /* nth keys and certificates are as conf->cosign has them, of each kind */
};

struct trust_rules;

/* Takes what is in the list, and leaves an empty one; also when it fails. Errors: CONFIG, with the
 * key, as people are to read it; those of reading files. */
ERR_CHECKED enum err_code trust_rules_read(struct conf_signature_rules *list,
                                           struct trust_rules **ret_rules, struct err *e);

/* The same, and that is all: for those who only want to know. */
ERR_CHECKED enum err_code trust_rules_check(const struct conf *c, struct err *e);

struct trust_rules *trust_rules_ref(struct trust_rules *r);
void trust_rules_unref(struct trust_rules *r); /* accepts NULL */

/* The first that is about the repository there; NULL: none, or it is off. */
const struct trust_rule *trust_rule_for(const struct trust_rules *r, const struct repo_name *repo,
                                        enum trust_at at);

/* Is anything asked for there? */
bool trust_rules_ask(const struct trust_rules *r, enum trust_at at);

/* What a signer is called before people: "key release.pub", "notation". At most
 * TRUST_SIGNER_MAX bytes. */
#define TRUST_SIGNER_MAX 127
void trust_signer_name(const struct trust_rule *rule, enum signer_kind kind, size_t nth,
                       char ret_name[static TRUST_SIGNER_MAX + 1]);

static inline void auto_trust_rules_(struct trust_rules **r)
{
    trust_rules_unref(*r);
}
