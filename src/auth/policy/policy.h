/*
 * May you: rules over repository and tag patterns. Deny wins; what no rule allows is denied.
 * A policy is immutable and shared by reference count; any thread.
 *
 * Subjects: "user:NAME", "robot:NAME", "group:NAME", "authenticated", "anonymous", "*" (everyone).
 * NAME may be a pattern (pattern.h).
 */
#pragma once

#include "auth/core/identity.h"
#include "base/buf.h"
#include "base/err.h"

struct policy;

#define POLICY_ID_MAX 16

struct policy_rule {
    char *id; /* of one of the database (rules.h); NULL: of the configuration */
    char **subjects;
    size_t n_subjects;
    bool deny;
    unsigned actions;
    char **repositories; /* none: all */
    size_t n_repositories;
    char **tags; /* none: all, and what has no tag */
    size_t n_tags;
};

/* A reference. Takes ownership of rules and all in it. without_rules: the file has no policy
 * section: an authenticated user may pull, push and overwrite everywhere; admins may all. */
struct policy *policy_new(struct policy_rule *rules, size_t n, bool without_rules);

/* Whoever one of the subjects ("user:NAME", "robot:NAME", "group:NAME") means is an admin, besides
 * identities that say so themselves. Takes ownership; before the policy is shared. */
void policy_set_admins(struct policy *p, char **subjects, size_t n);
bool policy_is_admin(const struct policy *p, const struct identity *id);
struct policy *policy_ref(struct policy *p);
void policy_unref(struct policy *p); /* accepts NULL */
void policy_rule_done(struct policy_rule *r);
void policy_rules_free(struct policy_rule *rules, size_t n);

/* A policy of the rules of another one and, behind them, copies of these; else it is as that. */
struct policy *policy_join(const struct policy *file, const struct policy_rule *rules, size_t n);
size_t policy_rule_count(const struct policy *p);
const struct policy_rule *policy_rule_at(const struct policy *p, size_t i);
bool policy_without_rules(const struct policy *p);

struct decision {
    bool allowed;
    int rule; /* index of the rule that decided; -1: none did */
    char why[200];
};

/*
 * May id do action on repo (NULL: the registry itself), on tag (NULL: no tag is named)?
 * Without a tag a rule with tag patterns allows pull and push (blobs belong to no tag), and denies
 * nothing. ret_decision may be NULL.
 */
bool policy_allows(const struct policy *p, const struct identity *id, enum action action,
                   const struct repo_name *repo, const struct tag_name *tag,
                   struct decision *ret_decision);

/* May id do it on every tag of repo, as far as can be said of none in particular? */
bool policy_allows_all_tags(const struct policy *p, const struct identity *id, enum action action,
                            const struct repo_name *repo);

/* May id do one of these actions in some repository, as far as can be said of none in particular?
 */
bool policy_allows_somewhere(const struct policy *p, const struct identity *id, unsigned actions);

/* May id see that the repository exists: may it do anything at all there? */
bool policy_sees(const struct policy *p, const struct identity *id, const struct repo_name *repo);

/* Does a rule deny everybody ("*") to move the tag, or to delete it? */
bool policy_immutable(const struct policy *p, const struct repo_name *repo,
                      const struct tag_name *tag);

/* Does everyone see every repository, signed in or not? */
bool policy_shows_all(const struct policy *p);

/* May someone who has not signed in pull every tag of repo, or could there be more to see? */
bool policy_shows_all_tags(const struct policy *p, const struct repo_name *repo);
