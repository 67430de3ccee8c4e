/* Whose signatures count, from the flags of `registry verify`. */
#pragma once

#include "cli/cli.h"
#include "signing/signature_trust.h"

struct verify_trust {
    struct public_key *keys[CLI_REPEATED_MAX];
    struct certificate_rule *rule;
    struct notation_trust *notation;
    struct trust trust; /* of the above */
};

/* Errors: CONFIG, as people are to read it. verify_trust_done() in either case. */
ERR_CHECKED enum err_code verify_trust_read(const struct cli_args *args, struct verify_trust *ret,
                                            struct err *e);
void verify_trust_done(struct verify_trust *t);

/* Signers that are trusted, one after the other: how many, and for people who the nth is, "key
 * FILE". */
size_t verify_trust_count(const struct verify_trust *t);
void verify_trust_name(const struct cli_args *args, const struct verify_trust *t, size_t nth,
                       struct buf *ret);

/* Which of them; verify_trust_count(): none. */
size_t verify_trust_signer(const struct verify_trust *t, const struct signature *s);
