/*
 * Verdicts on pulls, at hand in memory: the pull policy that is in force, and what it says of the
 * images that were asked for lately. A verdict holds until what is known of the image changes
 * (changed.h), until the rules do, and until a day of grace or of the allowlist is over; what was
 * decided stays decided while no scanner answers.
 *
 * Bounded: of more images than it has room for, some are judged again at their next pull. Any
 * thread.
 */
#pragma once

#include "scan/pull_verdict.h"

struct gate;
struct meta;

/* What is known of an image, and who owns it. All zero: nothing. */
struct gate_image {
    bool exempt;             /* this is no image that somebody could run; the rest says nothing */
    struct pull_image image; /* its texts and lists are of the following */
    struct finding_list findings;
    struct vex *vex;
    char reason[128];
    int64_t until_ms; /* what was said may change unseen after that; 0: it can't */
};

void gate_image_done(struct gate_image *i);

/* Finds out what is known, as far as the rule asks. Blocks. */
typedef enum err_code (*gate_look_fn)(void *ctx, const struct repo_name *repo,
                                      const struct digest *d, const struct conf_pull_rule *rule,
                                      int64_t now_ms, struct gate_image *ret_image, struct err *e);

/* Is the image signed as rules of signatures ask? *ret_verdict is fine, or UNSIGNED. Blocks. */
typedef enum err_code (*gate_signed_fn)(void *ctx, const struct repo_name *repo,
                                        const struct digest *d, int64_t now_ms,
                                        struct pull_verdict *ret_verdict, struct err *e);

struct gate *gate_new(gate_look_fn look, void *ctx, size_t max_verdicts);
void gate_free(struct gate *g); /* accepts NULL */

/* The rules from now on; takes what is in the list, and leaves an empty one. */
void gate_set_rules(struct gate *g, struct conf_pull_rules *rules);

/* Who is asked for signatures, before any requests; and whether there are rules of them from now
 * on, all verdicts being made anew. */
void gate_set_signed(struct gate *g, gate_signed_fn fn, void *ctx);
void gate_ask_signed(struct gate *g, bool asks);

/* Does anything ask for signatures? Then indexes have verdicts, too. Never blocks. */
bool gate_asks_signed(struct gate *g);

/* Something has changed that is beside the image, or all of a repository has; the others are told
 * by scan_changed_ops() and scan_changed_repo_ops(). */
void gate_forget(struct gate *g, const struct digest *d);
void gate_forget_repo(struct gate *g, const struct repo_name *repo);

/* May anything be blocked at all? Otherwise gate_open() is always true. Never blocks. */
bool gate_asks(struct gate *g);

/* Does a rule count from pushes (pull_rule_waits())? Never blocks. */
bool gate_waits(struct gate *g);

/* Is it known that the manifest may be pulled? Never waits for anything but memory, for the I/O
 * threads; false says nothing but that gate_judge() has to be asked. */
bool gate_open(struct gate *g, const struct repo_name *repo, const struct digest *d,
               int64_t now_ms);

/* The verdict, out of memory or made anew. Errors: those of look. */
ERR_CHECKED enum err_code gate_judge(struct gate *g, const struct repo_name *repo,
                                     const struct digest *d, int64_t now_ms,
                                     struct pull_verdict *ret_verdict, struct err *e);

/* The verdict on an image that is not in the repository any more, of which nothing is known: where
 * rules block images it is blocked. */
ERR_CHECKED enum err_code gate_judge_gone(struct gate *g, const struct repo_name *repo,
                                          const struct digest *d, int64_t now_ms,
                                          struct pull_verdict *ret_verdict, struct err *e);

/* May an image be blocked, rather than warned of, in some repository? */
bool gate_blocks(struct gate *g);

/* As gate_judge(), by other rules, past all memory. *ret_exempt: it is no image. */
ERR_CHECKED enum err_code gate_judge_by(struct gate *g, const struct conf_pull_rules *rules,
                                        const struct repo_name *repo, const struct digest *d,
                                        int64_t now_ms, struct pull_verdict *ret_verdict,
                                        struct err *e);

/* May it be told that the image was blocked for that reason? Once an hour. */
bool gate_may_tell(struct gate *g, const struct repo_name *repo, const struct digest *d,
                   enum pull_why why, int64_t now_ms);

/* Looks whether something has changed, here or elsewhere; once a second, one thread. */
ERR_CHECKED enum err_code gate_poll(struct gate *g, struct meta *m, struct err *e);

/* Calls fn with the rules in force, which stay as they are meanwhile. */
void gate_with_rules(struct gate *g, void (*fn)(void *ctx, const struct conf_pull_rules *rules),
                     void *ctx);

AUTO_POINTER(gate, gate_free);

static inline void auto_gate_image_(struct gate_image *i)
{
    gate_image_done(i);
}
