/* The rules in force, over HTTP: those of the configuration are shown, those of the database made
 * and removed (auth/policy/rules.h). */

#include "api/access.h"
#include "api/body.h"
#include "api/handlers.h"
#include "api/policy_in_force.h"
#include "api/reply.h"
#include "auth/people/user.h"
#include "auth/policy/policy.h"
#include "auth/policy/policy_json.h"
#include "auth/policy/rules.h"
#include "base/cleanup.h"

#include <stdio.h>

#define ANSWER_MAX_BYTES (64u << 20)

static inline void auto_policy_(struct policy **p)
{
    policy_unref(*p);
}

enum err_code api_policy_list(struct req *q, struct err *e)
{
    AUTO(policy) struct policy *p = api_policy(q->api);
    AUTO(buf) struct buf body = {0};

    (void)e;
    buf_init(&body, ANSWER_MAX_BYTES);
    buf_addf(&body, "{\"without_rules\":%s,\"rules\":[",
             policy_without_rules(p) ? "true" : "false");
    for (size_t i = 0; i < policy_rule_count(p); i++) {
        buf_add_text(&body, i ? "," : "");
        policy_rule_json(p, i, &body);
    }
    buf_add_text(&body, "]}\n");
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}

static enum err_code reply_rule(struct req *q, const char *id, struct err *e)
{
    AUTO(policy) struct policy *p = api_policy(q->api);
    AUTO(buf) struct buf body = {0};

    buf_init(&body, ANSWER_MAX_BYTES);
    for (size_t i = 0; i < policy_rule_count(p); i++) {
        if (!policy_rule_at(p, i)->id || strcmp(policy_rule_at(p, i)->id, id) != 0)
            continue;
        policy_rule_json(p, i, &body);
        buf_add_char(&body, '\n');
        reply_location(q, "/api/v1/policy/%s", id);
        reply_json(q, 201, buf_str(&body));
        return ERR_OK;
    }
    return err_tell(e, ERR_CONFLICT, "the rule was removed at the same time");
}

enum err_code api_policy_post(struct req *q, struct err *e)
{
    AUTO(body) json_t *body = NULL;
    AUTO(mem) char *text = NULL;
    char id[POLICY_ID_MAX + 1];

    TRY(body_json(q, BODY_MAX_BYTES, &body, e));
    text = json_dumps(body, JSON_COMPACT);
    if (!text)
        return err_set(e, ERR_INTERNAL, "a rule can't be written");
    TRY(rules_add(q->api->guard.rules, str_of(text), q->who, id, e));
    snprintf(q->target, sizeof(q->target), "rule:%s", id);
    return reply_rule(q, id, e);
}

enum err_code api_policy_delete(struct req *q, struct err *e)
{
    TRY(rules_remove(q->api->guard.rules, str_of(q->item), q->who, e));
    reply_empty(q, 204);
    return ERR_OK;
}

/* Explaining. */

struct question {
    struct str subject, action, repository, tag;
    struct body_texts groups;
    int admin;
    enum action parsed;
    struct repo_name repo;
    struct tag_name tag_name;
};

static inline void auto_question_(struct question *a)
{
    auto_body_texts_(&a->groups);
}

static enum err_code take_question(const json_t *body, struct question *a, struct err *e)
{
    const struct body_field fields[] = {
        {"subject", BODY_TEXT, true, &a->subject},        {"action", BODY_TEXT, true, &a->action},
        {"repository", BODY_TEXT, false, &a->repository}, {"tag", BODY_TEXT, false, &a->tag},
        {"groups", BODY_TEXTS, false, &a->groups},        {"admin", BODY_BOOL, false, &a->admin},
    };

    TRY(body_take(body, fields, sizeof(fields) / sizeof(fields[0]), e));
    a->parsed = (enum action)action_parse(a->action);
    if (a->parsed == 0 || a->parsed == ACTION_ALL)
        return err_tell(e, ERR_REQUEST_INVALID,
                        "'action' must be pull, push, overwrite, delete, scan, admin or bypass");
    if (a->repository.n)
        TRY(repo_name_parse(a->repository, &a->repo, e));
    if (a->tag.n && !a->repository.n)
        return err_tell(e, ERR_REQUEST_INVALID, "'tag' needs 'repository'");
    if (a->tag.n)
        TRY(tag_name_parse(a->tag, &a->tag_name, e));
    return ERR_OK;
}

/* "anonymous", "robot:ci", "user:alice", "alice"; a local user with their groups. */
static enum err_code subject_of(struct req *q, const struct question *a,
                                struct identity **ret_identity, struct err *e)
{
    AUTO(user) struct user u = {0};
    bool robot = str_starts(a->subject, STR("robot:"));
    size_t prefix = robot ? 6 : str_starts(a->subject, STR("user:")) ? 5 : 0;
    struct str name = str_sub(a->subject, prefix, a->subject.n - prefix);
    enum err_code code = ERR_NOT_FOUND;

    if (str_eq(a->subject, STR("anonymous"))) {
        *ret_identity = identity_anonymous();
        return ERR_OK;
    }
    if (name.n == 0 || name.n > 255 || str_eq(name, STR("*")))
        return err_tell(e, ERR_REQUEST_INVALID,
                        "'subject' must be user:NAME, robot:NAME or anonymous");
    if (!robot)
        code = user_get(q->api->guard.accounts, name, &u, e);
    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    *ret_identity = code == ERR_OK ? user_identity(&u, "local")
                                   : identity_new(robot ? IDENTITY_ROBOT : IDENTITY_USER, name, "");
    for (size_t i = 0; i < a->groups.n; i++)
        identity_add_group(*ret_identity, a->groups.items[i]);
    if (a->admin >= 0)
        (*ret_identity)->admin = a->admin == 1;
    return ERR_OK;
}

static void reply_decision(struct req *q, const struct policy *p, const struct decision *d)
{
    AUTO(buf) struct buf body = {0};

    buf_init(&body, ANSWER_MAX_BYTES);
    buf_addf(&body, "{\"allowed\":%s,\"why\":", d->allowed ? "true" : "false");
    buf_add_json(&body, str_of(d->why));
    buf_add_text(&body, ",\"rule\":");
    if (d->rule >= 0)
        policy_rule_json(p, (size_t)d->rule, &body);
    else
        buf_add_text(&body, "null");
    buf_add_text(&body, "}\n");
    reply_json(q, 200, buf_str(&body));
}

enum err_code api_policy_test(struct req *q, struct err *e)
{
    AUTO(body) json_t *body = NULL;
    AUTO(question) struct question a = {.admin = -1};
    AUTO(identity) struct identity *who = NULL;
    AUTO(policy) struct policy *p = api_policy(q->api);
    struct decision d;

    TRY(body_json(q, BODY_MAX_BYTES, &body, e));
    TRY(take_question(body, &a, e));
    TRY(subject_of(q, &a, &who, e));
    policy_allows(p, who, a.parsed, a.repository.n ? &a.repo : NULL, a.tag.n ? &a.tag_name : NULL,
                  &d);
    reply_decision(q, p, &d);
    return ERR_OK;
}
