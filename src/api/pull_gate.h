/*
 * The pull policy, and rules of signatures, at every road that an image leaves by: manifests,
 * archives, originals. What is no image (an index, a signature, a chart) goes its way, as far as
 * the policy is asked. Not at blobs: they belong to any number of images, and one alone is none.
 */
#pragma once

#include "api/req.h"

struct meta_manifest;
struct pull_verdict;
struct push;
struct pushed;

/* Is it known that the caller may pull it? Never blocks. */
bool pull_gate_quick(const struct req *q, const struct meta_manifest *m);

/* May the caller pull the manifest, of the repository of the path? An answer that warns says so in
 * its header. Errors: DENIED, told, as people are to read it, with its entry in the trail. */
ERR_CHECKED enum err_code pull_gate(struct req *q, const struct meta_manifest *m, struct err *e);

/* The same of all that goes at once, of an index every image in it. Errors: those of
 * pull_manifest(), too. */
ERR_CHECKED enum err_code pull_gate_whole(struct req *q, const struct digest *d, struct err *e);

/* The same of an image that is not there any more; d NULL: of those that nothing is known of at
 * all.
 */
ERR_CHECKED enum err_code pull_gate_gone(struct req *q, const struct digest *d, struct err *e);

/* A manifest was pushed by the path of q: what verdicts go by may have changed. */
void pull_gate_pushed(struct req *q, const struct push *p, const struct pushed *done);

/* A tag of the repository of the path was moved; so much was deleted of it that nobody says what
 * that was about. */
void pull_gate_tag_moved(struct req *q, const struct tag_name *tag);
void pull_gate_repository_changed(struct req *q);

/* Are signatures found by such a tag? */
bool pull_gate_tag_signs(const struct tag_name *tag);

/* Something may be deleted that verdicts go by; told behind that. */
struct pull_gate_removal {
    bool about; /* an image; else nothing is to be told */
    struct digest subject;
};
void pull_gate_before_removal(struct req *q, struct pull_gate_removal *ret);
void pull_gate_removed(struct req *q, const struct pull_gate_removal *r);

/* May the caller do what rules of images forbid others? */
bool pull_gate_may_bypass(const struct req *q);

/* That somebody who has it gave a tag to what the rules of signatures refuse, in the trail. */
void pull_gate_bypassed(struct req *q, const struct digest *d);

/* A gate_signed_fn; ctx is a struct signature_gate. */
ERR_CHECKED enum err_code pull_gate_signed(void *ctx, const struct repo_name *repo,
                                           const struct digest *d, int64_t now_ms,
                                           struct pull_verdict *ret_verdict, struct err *e);
