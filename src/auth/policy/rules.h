/*
 * The policy in force: the rules of the configuration, and those of the database, which were made
 * through the API or by `registry policy` and are records of the collection "policy". Deny wins
 * among all of them. Where the configuration has no rule, what holds without rules holds on,
 * whatever the database has: the first rule there locks nobody out and opens nothing but what it
 * says.
 *
 * Any thread, any process that shares the metadata: a change elsewhere is seen by rules_poll().
 */
#pragma once

#include "auth/policy/policy.h"
#include "conf/conf.h"
#include "meta/meta.h"

struct rules;

#define RULES_MAX 1000

struct rules *rules_new(struct meta *m); /* m must outlive it */
void rules_free(struct rules *r);        /* accepts NULL */

/* The rules of the configuration, in place of earlier ones; takes the reference. */
void rules_set_file(struct rules *r, struct policy *file);

/* A new reference to the policy in force; NULL before rules_set_file(). */
struct policy *rules_policy(struct rules *r);

/* Puts in force what was changed, if anything was. After an error, as when a rule can't be
 * understood, that of before stays. Blocks for one look-up. */
ERR_CHECKED enum err_code rules_poll(struct rules *r, struct err *e);

/* A rule as YAML (or JSON, which is YAML), checked as one of the configuration is, with the same
 * words. After rules_set_file(). who: NULL is the operator of the machine, who is no admin of the
 * registry. Errors, told: REQUEST_INVALID; CONFLICT when `who` would be no admin any more; QUOTA.
 */
ERR_CHECKED enum err_code rules_add(struct rules *r, struct str yaml, const struct identity *who,
                                    char ret_id[static POLICY_ID_MAX + 1], struct err *e);

/* The operator (who is NULL) can remove a rule that nobody understands as well. Errors, told:
 * NOT_FOUND, CONFLICT. */
ERR_CHECKED enum err_code rules_remove(struct rules *r, struct str id, const struct identity *who,
                                       struct err *e);

/* A rule of the configuration as one of a policy. */
struct policy_rule rules_from_conf(const struct conf_rule *from);

/* The other way: a rule as the configuration has it, on one line. */
void rules_print(const struct policy_rule *r, struct buf *ret_yaml);
