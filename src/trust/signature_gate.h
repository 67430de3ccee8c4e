/*
 * The rules of signatures in force, asked at pulls and when tags move. Remembers nothing: verdicts
 * about pulls are kept by scan/gate.h, beside those of the pull policy. Any thread.
 */
#pragma once

#include "core/tag_judge.h"
#include "trust/image_trust.h"

struct signature_gate;

struct signature_gate *signature_gate_new(struct registry *r); /* borrowed; without any rule */
void signature_gate_free(struct signature_gate *g);            /* accepts NULL */

/* From now on; takes them. */
void signature_gate_set_rules(struct signature_gate *g, struct trust_rules *rules);

/* The caller's reference. */
struct trust_rules *signature_gate_rules(struct signature_gate *g);

/* Is anything asked for there? Never blocks. */
bool signature_gate_asks(struct signature_gate *g, enum trust_at at);

/* *ret_enforced: what is UNSIGNED is to be refused. Where no rule is about the repository all is
 * EXEMPT. Errors: those of image_trust_judge(). */
ERR_CHECKED enum err_code signature_gate_judge(struct signature_gate *g, enum trust_at at,
                                               const struct repo_name *repo, const struct digest *d,
                                               int64_t now_ms, struct image_trust *ret,
                                               bool *ret_enforced, struct err *e);

/* For registry->tag_judge. */
const struct tag_judge *signature_gate_tags(struct signature_gate *g);

AUTO_POINTER(signature_gate, signature_gate_free);
