#include "auth/policy/rules.h"

#include "auth/policy/policy_json.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/uuid.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define COLLECTION  STR("policy")
#define GENERATIONS STR("generations")
#define KEY         STR("policy")
#define TEXT_MAX    (1 << 20)
#define ACTIONS_MAX 8
#define NO_RULE     "there is no such rule in the database"

struct rules {
    struct meta *meta;
    pthread_mutex_t mutex; /* guards what follows */
    struct policy *file, *joined;
    struct policy_rule *rows; /* those of the database */
    size_t n;
    int64_t version; /* of the record that changes with them; -1: never looked at */
};

struct rules *rules_new(struct meta *m)
{
    struct rules *r = NEW(struct rules);

    r->meta = m;
    r->version = -1;
    pthread_mutex_init(&r->mutex, NULL);
    return r;
}

void rules_free(struct rules *r)
{
    if (!r)
        return;
    policy_unref(r->file);
    policy_unref(r->joined);
    policy_rules_free(r->rows, r->n);
    pthread_mutex_destroy(&r->mutex);
    free(r);
}

/* Under the mutex. */
static void join(struct rules *r)
{
    if (!r->file)
        return;
    policy_unref(r->joined);
    r->joined = policy_join(r->file, r->rows, r->n);
}

void rules_set_file(struct rules *r, struct policy *file)
{
    pthread_mutex_lock(&r->mutex);
    policy_unref(r->file);
    r->file = file;
    join(r);
    pthread_mutex_unlock(&r->mutex);
}

struct policy *rules_policy(struct rules *r)
{
    struct policy *p;

    pthread_mutex_lock(&r->mutex);
    p = r->joined ? policy_ref(r->joined) : NULL;
    pthread_mutex_unlock(&r->mutex);
    return p;
}

static char **copy_list(const struct conf_strings *list, size_t *ret_n)
{
    char **copy = mem_alloc(list->n * sizeof(char *));

    for (size_t i = 0; i < list->n; i++)
        copy[i] = mem_strdup(list->items[i]);
    *ret_n = list->n;
    return copy;
}

struct policy_rule rules_from_conf(const struct conf_rule *from)
{
    struct policy_rule rule = {.deny = from->effect == CONF_EFFECT_DENY};

    rule.subjects = copy_list(&from->subjects, &rule.n_subjects);
    rule.repositories = copy_list(&from->repositories, &rule.n_repositories);
    rule.tags = copy_list(&from->tags, &rule.n_tags);
    for (size_t i = 0; i < from->actions.n; i++)
        rule.actions |= action_parse(str_of(from->actions.items[i]));
    return rule;
}

void rules_print(const struct policy_rule *r, struct buf *ret_yaml)
{
    char *actions[ACTIONS_MAX];
    unsigned left = r->actions;
    const char *name;
    struct conf_rule rule = {
        .subjects = {r->subjects, r->n_subjects},
        .effect = r->deny ? CONF_EFFECT_DENY : CONF_EFFECT_ALLOW,
        .actions = {actions, 0},
        .repositories = {r->repositories, r->n_repositories},
        .tags = {r->tags, r->n_tags},
    };

    while ((name = action_next(&left)))
        rule.actions.items[rule.actions.n++] = mem_strdup(name);
    conf_print_rule(&rule, ret_yaml);
    for (size_t i = 0; i < rule.actions.n; i++)
        free(actions[i]);
}

/* One rule. JSON is YAML, so the reader of the configuration reads it. */
static enum err_code parse(struct str yaml, struct policy_rule *ret, struct err *e)
{
    struct conf_rules list = {NULL};
    AUTO(buf) struct buf text = {0};

    buf_init(&text, TEXT_MAX);
    buf_add_char(&text, '[');
    buf_add_str(&text, yaml);
    buf_add_char(&text, ']');
    TRY(conf_rules_parse(buf_str(&text), &list, e));
    if (list.n != 1) {
        conf_rules_free(&list);
        return err_set(e, ERR_CONFIG, "this is not one rule");
    }
    *ret = rules_from_conf(&list.items[0]);
    conf_rules_free(&list);
    return ERR_OK;
}

static enum err_code load(struct rules *r, struct policy_rule **ret_rows, size_t *ret_n,
                          struct err *e)
{
    AUTO(records) struct meta_record_list page = {0};
    struct policy_rule *rows;
    size_t n = 0;

    TRY(meta_records(r->meta, COLLECTION, STR(""), RULES_MAX, &page, e));
    if (page.more)
        return err_set(e, ERR_CORRUPT, "there are more than %d rules in the database", RULES_MAX);
    rows = mem_zero((page.n + 1) * sizeof(*rows));
    for (; n < page.n; n++) {
        if (parse(str_of(page.rows[n].value), &rows[n], e) != ERR_OK) {
            policy_rules_free(rows, n);
            err_prefix(e, "rule '%s' of the database", page.rows[n].key);
            return e->code = ERR_CORRUPT;
        }
        rows[n].id = mem_strdup(page.rows[n].key);
    }
    *ret_rows = rows;
    *ret_n = n;
    return ERR_OK;
}

static enum err_code version_of(struct rules *r, int64_t *ret_version, struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    enum err_code code = meta_record_get(r->meta, GENERATIONS, KEY, &record, e);

    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    *ret_version = code == ERR_OK ? record.version : META_ABSENT;
    return ERR_OK;
}

enum err_code rules_poll(struct rules *r, struct err *e)
{
    struct policy_rule *rows = NULL, *old;
    size_t n = 0, old_n;
    int64_t version;
    bool same;

    TRY(version_of(r, &version, e)); /* first: a change meanwhile is seen the next time */
    pthread_mutex_lock(&r->mutex);
    same = r->version >= version;
    pthread_mutex_unlock(&r->mutex);
    if (same)
        return ERR_OK;
    TRY(load(r, &rows, &n, e));
    pthread_mutex_lock(&r->mutex);
    if (r->version < version) {
        old = r->rows;
        old_n = r->n;
        r->rows = rows;
        r->n = n;
        r->version = version;
        join(r);
    } else { /* another thread was quicker, and saw as much */
        old = rows;
        old_n = n;
    }
    pthread_mutex_unlock(&r->mutex);
    policy_rules_free(old, old_n);
    return ERR_OK;
}

/* The rules as they are in the database, with one more (add not NULL) or one less (but). */
static enum err_code would_be(struct rules *r, const struct policy_rule *add, struct str but,
                              struct policy **ret_policy, struct err *e)
{
    struct policy_rule *rows = NULL, *some;
    bool found = add != NULL;
    size_t n = 0, kept = 0;

    TRY(load(r, &rows, &n, e));
    some = mem_zero((n + 1) * sizeof(*some));
    for (size_t i = 0; i < n; i++) {
        if (!add && str_eq(str_of(rows[i].id), but))
            found = true;
        else
            some[kept++] = rows[i];
    }
    if (add)
        some[kept++] = *add;
    pthread_mutex_lock(&r->mutex);
    *ret_policy = policy_join(r->file, some, kept);
    pthread_mutex_unlock(&r->mutex);
    free(some);
    policy_rules_free(rows, n);
    if (kept > RULES_MAX)
        err_tell(e, ERR_QUOTA, "there are %d rules already", RULES_MAX);
    else if (!found)
        err_tell(e, ERR_NOT_FOUND, NO_RULE);
    else
        return ERR_OK;
    policy_unref(*ret_policy);
    return e->code;
}

/* Nobody is to lock themselves out by a slip. The operator is not let in by the policy. */
static enum err_code check_admin(struct rules *r, const struct policy_rule *add, struct str but,
                                 const struct identity *who, struct err *e)
{
    struct policy *p;
    bool stays;

    TRY(would_be(r, add, but, &p, e));
    stays = !who || policy_allows(p, who, ACTION_ADMIN, NULL, NULL, NULL);
    policy_unref(p);
    if (stays)
        return ERR_OK;
    return err_tell(e, ERR_CONFLICT, "with that you would be no admin any more");
}

static enum err_code commit(struct rules *r, struct meta_op op, int64_t version, struct err *e)
{
    struct meta_op ops[] = {
        op,
        meta_op_record_put(GENERATIONS, KEY, STR_NONE, version),
    };

    return meta_commit(r->meta, ops, 2, 0, NULL, e);
}

/* An id that sorts behind those of earlier rules. */
static void make_id(char ret_id[static POLICY_ID_MAX + 1])
{
    uint16_t tail;

    random_bytes(&tail, sizeof(tail));
    snprintf(ret_id, POLICY_ID_MAX + 1, "%012llx%04x", (unsigned long long)clock_wall_ms(), tail);
}

static enum err_code add(struct rules *r, const struct policy_rule *rule,
                         const struct identity *who, struct str id, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    int64_t version;

    buf_init(&text, TEXT_MAX);
    buf_add_char(&text, '{');
    policy_rule_values_json(rule, &text);
    buf_add_char(&text, '}');
    TRY(version_of(r, &version, e));
    TRY(check_admin(r, rule, STR_NONE, who, e));
    TRY(commit(r, meta_op_record_put(COLLECTION, id, buf_str(&text), META_ABSENT), version, e));
    return rules_poll(r, e);
}

enum err_code rules_add(struct rules *r, struct str yaml, const struct identity *who,
                        char ret_id[static POLICY_ID_MAX + 1], struct err *e)
{
    struct policy_rule rule;
    enum err_code code;

    if (parse(yaml, &rule, e) != ERR_OK) {
        e->public_detail = true;
        return e->code = ERR_REQUEST_INVALID;
    }
    make_id(ret_id);
    code = add(r, &rule, who, str_of(ret_id), e);
    policy_rule_done(&rule);
    return code;
}

/* For the operator: without a look at what the rules say. */
static enum err_code check_there(struct rules *r, struct str id, struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    enum err_code code = meta_record_get(r->meta, COLLECTION, id, &record, e);

    return code == ERR_NOT_FOUND ? err_tell(e, ERR_NOT_FOUND, NO_RULE) : code;
}

enum err_code rules_remove(struct rules *r, struct str id, const struct identity *who,
                           struct err *e)
{
    struct meta_op op = meta_op_record_delete(COLLECTION, id, META_ANY);
    int64_t version;

    TRY(version_of(r, &version, e));
    TRY(who ? check_admin(r, NULL, id, who, e) : check_there(r, id, e));
    TRY(commit(r, op, version, e));
    return who ? rules_poll(r, e) : ERR_OK; /* another rule may be as bad */
}
