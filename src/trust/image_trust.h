/*
 * Is an image signed as a rule asks?
 *
 * Asked about is whatever could be run, and all else that is not beside something else: charts,
 * models. What is beside an image (signatures, attestations, lists of materials) is never asked
 * about, nor is an index of nothing but that.
 *
 * An image of a signed index is signed: the index names it by its digest. Which indexes name an
 * image no database tells at once; so when one is found to be signed that is recorded for each of
 * its images (records "signed.children"), and looked at again whenever it matters.
 */
#pragma once

#include "core/archive_manifest.h"
#include "signing/signature.h"
#include "trust/trust_rules.h"

enum trust_state {
    TRUST_SIGNED,
    TRUST_EXEMPT, /* it is beside something else */
    TRUST_UNSIGNED
};

#define TRUST_WHY_MAX 159

struct image_trust {
    enum trust_state state;
    struct digest by_index;      /* of SIGNED: that names it; n is 0: it is signed itself */
    char why[TRUST_WHY_MAX + 1]; /* of UNSIGNED: "is not signed by key a.pub: ...", ASCII */
    int64_t until_ms;            /* from which on it may be another; INT64_MAX */
    bool noted;                  /* of a signed index: images of it were not known to be so */
    struct err not_noted;        /* likewise: why they can't be told of it now */
};

/* What was found beside it; may be NULL. */
struct image_trust_found {
    struct signature_list signatures, attestations;
};

void image_trust_found_done(struct image_trust_found *f);

/* Blocks. Errors: MANIFEST_UNKNOWN; those of meta and store. */
ERR_CHECKED enum err_code image_trust_judge(struct registry *r, const struct trust_rule *rule,
                                            const struct repo_name *repo, const struct digest *d,
                                            int64_t now_ms, struct image_trust *ret,
                                            struct image_trust_found *ret_found, struct err *e);

/* The same of a manifest that may not be in the repository yet. */
ERR_CHECKED enum err_code image_trust_judge_of(struct registry *r, const struct trust_rule *rule,
                                               const struct repo_name *repo,
                                               const struct out_manifest *m, int64_t now_ms,
                                               struct image_trust *ret, struct err *e);

static inline void auto_image_trust_found_(struct image_trust_found *f)
{
    image_trust_found_done(f);
}
