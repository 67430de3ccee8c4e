#include "auth/policy/policy.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/pattern.h"

#include <stdio.h>
#include <stdlib.h>

struct policy {
    atomic_uint refs;
    struct policy_rule *rules;
    size_t n;
    bool without_rules;
    char **admins;
    size_t n_admins;
};

static void free_list(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

void policy_rule_done(struct policy_rule *r)
{
    free_list(r->subjects, r->n_subjects);
    free_list(r->repositories, r->n_repositories);
    free_list(r->tags, r->n_tags);
    free(r->id);
}

void policy_rules_free(struct policy_rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++)
        policy_rule_done(&rules[i]);
    free(rules);
}

static char **copy_list(char *const *list, size_t n)
{
    char **copy = mem_alloc(n * sizeof(char *));

    for (size_t i = 0; i < n; i++)
        copy[i] = mem_strdup(list[i]);
    return copy;
}

static struct policy_rule copy_rule(const struct policy_rule *r)
{
    struct policy_rule copy = *r;

    copy.id = r->id ? mem_strdup(r->id) : NULL;
    copy.subjects = copy_list(r->subjects, r->n_subjects);
    copy.repositories = copy_list(r->repositories, r->n_repositories);
    copy.tags = copy_list(r->tags, r->n_tags);
    return copy;
}

struct policy *policy_join(const struct policy *file, const struct policy_rule *rules, size_t n)
{
    struct policy_rule *all = mem_alloc((file->n + n) * sizeof(*all));
    struct policy *p;

    for (size_t i = 0; i < file->n; i++)
        all[i] = copy_rule(&file->rules[i]);
    for (size_t i = 0; i < n; i++)
        all[file->n + i] = copy_rule(&rules[i]);
    p = policy_new(all, file->n + n, file->without_rules);
    policy_set_admins(p, copy_list(file->admins, file->n_admins), file->n_admins);
    return p;
}

size_t policy_rule_count(const struct policy *p)
{
    return p->n;
}

const struct policy_rule *policy_rule_at(const struct policy *p, size_t i)
{
    return &p->rules[i];
}

bool policy_without_rules(const struct policy *p)
{
    return p->without_rules;
}

struct policy *policy_new(struct policy_rule *rules, size_t n, bool without_rules)
{
    struct policy *p = NEW(struct policy);

    atomic_init(&p->refs, 1);
    p->rules = rules;
    p->n = n;
    p->without_rules = without_rules;
    return p;
}

struct policy *policy_ref(struct policy *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void policy_unref(struct policy *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) > 1)
        return;
    policy_rules_free(p->rules, p->n);
    free_list(p->admins, p->n_admins);
    free(p);
}

static bool name_matches(struct str subject, struct str prefix, const char *name)
{
    return str_starts(subject, prefix) &&
           pattern_matches(str_sub(subject, prefix.n, subject.n - prefix.n), str_of(name));
}

static bool subject_matches(struct str subject, const struct identity *id)
{
    if (str_eq(subject, STR("*")))
        return true;
    if (id->kind == IDENTITY_ANONYMOUS)
        return str_eq(subject, STR("anonymous"));
    if (str_eq(subject, STR("authenticated")))
        return true;
    if (id->kind == IDENTITY_USER && name_matches(subject, STR("user:"), id->name))
        return true;
    if (id->kind == IDENTITY_ROBOT && name_matches(subject, STR("robot:"), id->name))
        return true;
    for (size_t i = 0; i < id->n_groups; i++) {
        if (name_matches(subject, STR("group:"), id->groups[i]))
            return true;
    }
    return false;
}

static bool any_subject(char *const *subjects, size_t n, const struct identity *id)
{
    for (size_t i = 0; i < n; i++) {
        if (subject_matches(str_of(subjects[i]), id))
            return true;
    }
    return false;
}

void policy_set_admins(struct policy *p, char **subjects, size_t n)
{
    free_list(p->admins, p->n_admins);
    p->admins = subjects;
    p->n_admins = n;
}

bool policy_is_admin(const struct policy *p, const struct identity *id)
{
    return id->kind != IDENTITY_ANONYMOUS && (id->admin || any_subject(p->admins, p->n_admins, id));
}

static bool any_pattern(char *const *patterns, size_t n, struct str text)
{
    for (size_t i = 0; i < n; i++) {
        if (pattern_matches(str_of(patterns[i]), text))
            return true;
    }
    return n == 0;
}

/* Blobs and digests belong to no tag: who may push or pull some tags must be able to push and pull
 * them, but what deletes or scans without a tag would do so to every tag. */
static bool tag_matches(const struct policy_rule *r, enum action action, const struct tag_name *tag)
{
    if (tag)
        return any_pattern(r->tags, r->n_tags, tag_name_str(tag));
    return r->n_tags == 0 || (!r->deny && (action == ACTION_PULL || action == ACTION_PUSH));
}

/* The registry itself (repo NULL) is spoken of by rules that name no repository, or all of them. */
static bool repo_matches(const struct policy_rule *r, const struct repo_name *repo)
{
    if (repo)
        return any_pattern(r->repositories, r->n_repositories, repo_name_str(repo));
    for (size_t i = 0; i < r->n_repositories; i++) {
        if (strcmp(r->repositories[i], "**") == 0)
            return true;
    }
    return r->n_repositories == 0;
}

static unsigned scope_of(const struct identity *id, const struct repo_name *repo)
{
    return identity_scope_actions(id, repo ? repo_name_str(repo) : STR_NONE);
}

static bool by_rule(struct decision *d, bool allowed, const struct policy *p, size_t rule,
                    const char *why)
{
    if (!d)
        return allowed;
    d->allowed = allowed;
    d->rule = (int)rule;
    if (p->rules[rule].id)
        snprintf(d->why, sizeof(d->why), "%s by rule %s of the database", why, p->rules[rule].id);
    else
        snprintf(d->why, sizeof(d->why), "%s by rule %zu of the policy", why, rule + 1);
    return allowed;
}

static bool say(struct decision *d, bool allowed, const char *why)
{
    if (d) {
        d->allowed = allowed;
        d->rule = -1;
        snprintf(d->why, sizeof(d->why), "%s", why);
    }
    return allowed;
}

static bool without_rules(const struct identity *id, enum action action, struct decision *d)
{
    if (id->kind == IDENTITY_ANONYMOUS)
        return say(d, false, "denied: there is no policy, so one must sign in");
    if (action & (ACTION_PULL | ACTION_PUSH | ACTION_OVERWRITE))
        return say(d, true, "allowed: there is no policy, so who is signed in may pull and push");
    return say(d, false, "denied: there is no policy, so only admins may do this");
}

static bool is_for_all(const struct policy_rule *r)
{
    for (size_t i = 0; i < r->n_subjects; i++) {
        if (strcmp(r->subjects[i], "*") == 0)
            return true;
    }
    return false;
}

bool policy_immutable(const struct policy *p, const struct repo_name *repo,
                      const struct tag_name *tag)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct policy_rule *r = &p->rules[i];

        if (r->deny && (r->actions & (ACTION_OVERWRITE | ACTION_DELETE)) && is_for_all(r) &&
            repo_matches(r, repo) && tag_matches(r, ACTION_DELETE, tag))
            return true;
    }
    return false;
}

/* The rule that decides: the first that denies, or else the first that allows; -1: none does. */
static int deciding_rule(const struct policy *p, const struct identity *id, enum action action,
                         const struct repo_name *repo, const struct tag_name *tag)
{
    int allowed_by = -1;

    for (size_t i = 0; i < p->n; i++) {
        const struct policy_rule *r = &p->rules[i];

        if (!(r->actions & action) || !any_subject(r->subjects, r->n_subjects, id) ||
            !repo_matches(r, repo) || !tag_matches(r, action, tag))
            continue;
        if (r->deny)
            return (int)i;
        if (allowed_by < 0)
            allowed_by = (int)i;
    }
    return allowed_by;
}

/* Whatever the scopes say. */
static bool decide(const struct policy *p, const struct identity *id, enum action action,
                   const struct repo_name *repo, const struct tag_name *tag,
                   struct decision *ret_decision)
{
    int rule = deciding_rule(p, id, action, repo, tag);

    if (rule >= 0 && p->rules[rule].deny)
        return by_rule(ret_decision, false, p, (size_t)rule, "denied");
    if (rule >= 0)
        return by_rule(ret_decision, true, p, (size_t)rule, "allowed");
    if (id->granted)
        return say(ret_decision, true, "allowed: the token says so");
    if (policy_is_admin(p, id))
        return say(ret_decision, true, "allowed: an admin may do everything not denied");
    if (p->without_rules)
        return without_rules(id, action, ret_decision);
    return say(ret_decision, false, "denied: no rule of the policy allows it");
}

/* Somebody has to have written it down. Who shows a token for pulling may with it what they may
 * pull themselves, for clients ask for nothing else. */
static bool bypasses(const struct policy *p, const struct identity *id,
                     const struct repo_name *repo, const struct tag_name *tag, struct decision *d)
{
    int rule = deciding_rule(p, id, ACTION_BYPASS, repo, tag);

    if (!(scope_of(id, repo) & ACTION_PULL))
        return say(d, false, "denied: outside the scope of the token");
    if (rule < 0)
        return say(d, false, "denied: no rule of the policy allows it, and nothing else can");
    if (p->rules[rule].deny)
        return by_rule(d, false, p, (size_t)rule, "denied");
    return by_rule(d, true, p, (size_t)rule, "allowed");
}

bool policy_allows(const struct policy *p, const struct identity *id, enum action action,
                   const struct repo_name *repo, const struct tag_name *tag,
                   struct decision *ret_decision)
{
    if (id->scans) /* whoever may not pull has to have it scanned all the same */
        return say(ret_decision,
                   action != ACTION_BYPASS ? (scope_of(id, repo) & action) != 0
                                           : (scope_of(id, repo) & ACTION_PULL) != 0,
                   "what is to be scanned, and nothing else");
    if (action == ACTION_BYPASS)
        return bypasses(p, id, repo, tag, ret_decision);
    if (!(scope_of(id, repo) & action))
        return say(ret_decision, false, "denied: outside the scope of the token");
    return decide(p, id, action, repo, tag, ret_decision);
}

/* Is there a rule that allows the action on some tags? */
static bool allowed_on_some_tag(const struct policy *p, const struct identity *id,
                                enum action action, const struct repo_name *repo)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct policy_rule *r = &p->rules[i];

        if (!r->deny && r->n_tags > 0 && r->actions & action &&
            any_subject(r->subjects, r->n_subjects, id) && repo_matches(r, repo))
            return true;
    }
    return false;
}

bool policy_sees(const struct policy *p, const struct identity *id, const struct repo_name *repo)
{
    static const enum action actions[] = {ACTION_PULL,   ACTION_PUSH, ACTION_OVERWRITE,
                                          ACTION_DELETE, ACTION_SCAN, ACTION_ADMIN};
    unsigned shown = SCOPE_IS_SHOWN(scope_of(id, repo));
    struct decision d;

    if (id->granted && scope_of(id, NULL)) { /* the whole catalog */
        int rule = deciding_rule(p, id, ACTION_PULL, repo, NULL);

        return rule < 0 || !p->rules[rule].deny;
    }
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (!(shown & actions[i]))
            continue;
        if (decide(p, id, actions[i], repo, NULL, &d))
            return true;
        if (d.rule < 0 && /* no rule denies it */
            allowed_on_some_tag(p, id, actions[i], repo))
            return true;
    }
    return false;
}

static bool is_about(const struct policy_rule *r, const struct identity *id, enum action action,
                     const struct repo_name *repo)
{
    return (r->actions & action) && any_subject(r->subjects, r->n_subjects, id) &&
           repo_matches(r, repo);
}

bool policy_allows_all_tags(const struct policy *p, const struct identity *id, enum action action,
                            const struct repo_name *repo)
{
    bool by_rule = false;
    struct decision d;

    if (!policy_allows(p, id, action, repo, NULL, &d))
        return false;
    for (size_t i = 0; i < p->n; i++) {
        const struct policy_rule *r = &p->rules[i];

        if (r->deny && r->n_tags > 0 && is_about(r, id, action, repo))
            return false;
        by_rule |= !r->deny && r->n_tags == 0 && is_about(r, id, action, repo);
    }
    return by_rule || d.rule < 0 || p->rules[d.rule].n_tags == 0;
}

/* Of the rules for someone who has not signed in, one lets them pull all that `covers` means, and
 * none denies anything of it. */
static bool open_to_all(const struct policy *p,
                        bool (*covers)(const struct policy_rule *r, const struct repo_name *repo),
                        const struct repo_name *repo)
{
    AUTO(identity) struct identity *nobody = identity_anonymous();
    bool open = false;

    for (size_t i = 0; i < p->n; i++) {
        const struct policy_rule *r = &p->rules[i];

        if (!(r->actions & ACTION_PULL) || !any_subject(r->subjects, r->n_subjects, nobody))
            continue;
        if (r->deny && (!repo || repo_matches(r, repo)))
            return false;
        open = open || (!r->deny && r->n_tags == 0 && covers(r, repo));
    }
    return open;
}

static bool covers_all(const struct policy_rule *r, const struct repo_name *repo)
{
    (void)repo;
    for (size_t i = 0; i < r->n_repositories; i++) {
        if (strcmp(r->repositories[i], "**") == 0)
            return true;
    }
    return r->n_repositories == 0;
}

/* What the scopes of id allow in any repository. */
static unsigned scoped_somewhere(const struct identity *id)
{
    unsigned set = id->scoped ? 0 : ACTION_ALL;

    for (size_t i = 0; i < id->n_scopes; i++)
        set |= id->scopes[i].repository[0] ? id->scopes[i].actions : 0;
    return set;
}

bool policy_allows_somewhere(const struct policy *p, const struct identity *id, unsigned actions)
{
    unsigned allowed = id->granted || policy_is_admin(p, id) ? ACTION_ALL : 0, denied = 0;

    if (p->without_rules && id->kind != IDENTITY_ANONYMOUS)
        allowed |= ACTION_PULL | ACTION_PUSH | ACTION_OVERWRITE;
    for (size_t i = 0; i < p->n; i++) {
        const struct policy_rule *r = &p->rules[i];

        if (!any_subject(r->subjects, r->n_subjects, id))
            continue;
        if (!r->deny)
            allowed |= r->actions;
        else if (covers_all(r, NULL) && r->n_tags == 0)
            denied |= r->actions;
    }
    return (actions & allowed & ~denied & scoped_somewhere(id)) != 0;
}

bool policy_shows_all(const struct policy *p)
{
    return open_to_all(p, covers_all, NULL);
}

bool policy_shows_all_tags(const struct policy *p, const struct repo_name *repo)
{
    return open_to_all(p, repo_matches, repo);
}
