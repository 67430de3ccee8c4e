/* registry policy: the rules of a configuration and of its database, and what they say. */
#include "auth/people/user.h"
#include "auth/policy/policy_json.h"
#include "auth/policy/rules.h"
#include "base/cleanup.h"
#include "cli/command_accounts.h"
#include "cli/commands.h"
#include "cli/guard.h"

#define LINE_MAX_BYTES (64 * 1024)

struct question {
    struct identity *who;
    enum action action;
    bool about_registry; /* itself, not a repository */
    bool tagged;
    struct repo_name repo;
    struct tag_name tag;
};

static inline void auto_question_(struct question *q)
{
    identity_unref(q->who);
}

static int wrong(struct cli *cli, const char *what, const char *word, const char *allowed)
{
    fprintf(cli->err, "registry: '%s' is no %s; %s\n", word, what, allowed);
    return CLI_USAGE;
}

static void add_groups(const struct cli_args *args, struct identity *id)
{
    const char *names;
    struct str rest, group;

    for (size_t i = 0; (names = cli_flag_nth(args, "--group", i)); i++) {
        for (rest = str_of(names); rest.n > 0;) {
            str_cut(&rest, ',', &group);
            identity_add_group(id, str_trim(group));
        }
    }
}

/* "anonymous", "robot:ci", "user:alice", "alice". */
static int parse_user(struct cli *cli, const struct cli_args *args, struct question *q)
{
    struct str name = str_of(args->operands[0]);
    enum identity_kind kind = IDENTITY_USER;

    if (str_eq(name, STR("anonymous"))) {
        q->who = identity_anonymous();
        return CLI_OK;
    }
    if (str_starts(name, STR("robot:"))) {
        kind = IDENTITY_ROBOT;
        name = str_sub(name, 6, name.n - 6);
    } else if (str_starts(name, STR("user:"))) {
        name = str_sub(name, 5, name.n - 5);
    }
    /* names of other issuers hold more than identity_name_valid() lets pass */
    if (name.n == 0 || name.n > 255 || str_eq(name, STR("*")))
        return wrong(cli, "user", args->operands[0], "write a name, 'robot:NAME' or 'anonymous'");
    q->who = identity_new(kind, name, "");
    q->who->admin = cli_flag(args, "--admin") != NULL;
    add_groups(args, q->who);
    return CLI_OK;
}

static int parse_place(struct cli *cli, const char *text, struct question *q)
{
    struct str tag = str_of(text), repo;
    struct err e;

    q->about_registry = !text;
    if (!text)
        return CLI_OK;
    q->tagged = str_cut(&tag, ':', &repo);
    if (repo_name_parse(repo, &q->repo, &e) != ERR_OK)
        return wrong(cli, "repository", text, "write REPOSITORY or REPOSITORY:TAG");
    if (q->tagged && tag_name_parse(tag, &q->tag, &e) != ERR_OK)
        return wrong(cli, "tag", tag.p, "write REPOSITORY or REPOSITORY:TAG");
    return CLI_OK;
}

static int parse_question(struct cli *cli, const struct cli_args *args, struct question *q)
{
    int status;

    if (args->n_operands < 2) {
        fputs("registry: a user and an action must be given\n"
              "`registry policy test --help` shows what there is.\n",
              cli->err);
        return CLI_USAGE;
    }
    q->action = (enum action)action_parse(str_of(args->operands[1]));
    if (q->action == 0 || q->action == ACTION_ALL)
        return wrong(cli, "action", args->operands[1],
                     "write pull, push, overwrite, delete, scan, admin or bypass");
    status = parse_user(cli, args, q);
    return status == CLI_OK ? parse_place(cli, args->operands[2], q) : status;
}

static void print_rule(struct cli *cli, const char *before, const struct policy_rule *rule)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, LINE_MAX_BYTES);
    rules_print(rule, &text);
    fprintf(cli->out, "%s- %s", before, buf_text(&text));
}

/* A local user with their groups, besides what the command line says of them. */
static enum err_code look_up(struct meta *m, struct question *q, struct err *e)
{
    struct accounts *a = accounts_new(m);
    AUTO(user) struct user u = {0};
    enum err_code code = user_get(a, str_of(q->who->name), &u, e);
    struct identity *id;

    accounts_free(a);
    if (code != ERR_OK)
        return code == ERR_NOT_FOUND ? ERR_OK : code;
    id = user_identity(&u, "local");
    id->admin |= q->who->admin;
    for (size_t i = 0; i < q->who->n_groups; i++)
        identity_add_group(id, str_of(q->who->groups[i]));
    identity_unref(q->who);
    q->who = id;
    return ERR_OK;
}

/* The rules of the database, behind those of the file. */
static enum err_code join_rules(struct meta *m, struct policy **policy, struct err *e)
{
    struct rules *rules = rules_new(m);
    enum err_code code = rules_poll(rules, e);

    rules_set_file(rules, *policy);
    *policy = rules_policy(rules);
    rules_free(rules);
    return code;
}

/* All rules in force; and, if q is not NULL, what the database knows of those who are asked about.
 * *ret_policy is the caller's, also after an error. */
static enum err_code gather(struct cli *cli, const struct conf *c, struct question *q,
                            struct policy **ret_policy, struct err *e)
{
    struct meta *meta = NULL;
    enum err_code code;

    *ret_policy = cli_auth_policy(c);
    if (!cli_has_database(c)) /* this command makes none */
        return ERR_OK;
    TRY(cli->open_meta(c, NULL, NULL, &meta, e));
    code = join_rules(meta, ret_policy, e);
    if (code == ERR_OK && q && q->who->kind == IDENTITY_USER)
        code = look_up(meta, q, e);
    meta_free(meta);
    return code;
}

static inline void auto_policy_(struct policy **p)
{
    policy_unref(*p);
}

static int answer(struct cli *cli, const struct conf *c, struct question *q)
{
    AUTO(policy) struct policy *policy = NULL;
    struct decision d;
    struct err e = {0};

    if (gather(cli, c, q, &policy, &e) != ERR_OK)
        return cli_accounts_status(cli, e.code, &e);
    policy_allows(policy, q->who, q->action, q->about_registry ? NULL : &q->repo,
                  q->tagged ? &q->tag : NULL, &d);
    fprintf(cli->out, "%s\n", d.why);
    if (d.rule >= 0) {
        print_rule(cli, "  ", policy_rule_at(policy, (size_t)d.rule));
        fputc('\n', cli->out);
    }
    return d.allowed ? CLI_OK : CLI_DENIED;
}

int cli_policy_test(struct cli *cli, const struct cli_args *args)
{
    AUTO(question) struct question q = {.who = NULL};
    AUTO(conf) struct conf *c = NULL;
    int status = parse_question(cli, args, &q);

    if (status != CLI_OK)
        return status;
    if (!cli_config_load(cli, args, &c))
        return CLI_FAILED;
    if (!conf_auth_on(&c->auth)) {
        fputs("allowed: authentication is off, so nobody is asked\n", cli->out);
        return CLI_OK;
    }
    return answer(cli, c, &q);
}

static void list_yaml(struct cli *cli, const struct policy *p)
{
    if (policy_without_rules(p))
        fputs("# no rule in the configuration: who has signed in may pull and push everywhere\n",
              cli->out);
    for (size_t i = 0; i < policy_rule_count(p); i++) {
        const struct policy_rule *r = policy_rule_at(p, i);

        print_rule(cli, "", r);
        if (r->id)
            fprintf(cli->out, " # rule %s of the database\n", r->id);
        else
            fprintf(cli->out, " # rule %zu of the configuration\n", i + 1);
    }
}

static void list_json(struct cli *cli, const struct policy *p)
{
    for (size_t i = 0; i < policy_rule_count(p); i++) {
        AUTO(buf) struct buf text = {0};

        buf_init(&text, LINE_MAX_BYTES);
        policy_rule_json(p, i, &text);
        fprintf(cli->out, "%s\n", buf_text(&text));
    }
}

int cli_policy_list(struct cli *cli, const struct cli_args *args)
{
    AUTO(conf) struct conf *c = NULL;
    AUTO(policy) struct policy *policy = NULL;
    struct err e = {0};

    if (!cli_config_load(cli, args, &c))
        return CLI_FAILED;
    if (gather(cli, c, NULL, &policy, &e) != ERR_OK)
        return cli_accounts_status(cli, e.code, &e);
    if (cli_flag(args, "--json"))
        list_json(cli, policy);
    else
        list_yaml(cli, policy);
    return CLI_OK;
}

/* Changes: by who may write the database, whatever the policy says of them. */

static enum err_code audit(const struct cli_accounts *a, const struct cli_args *args,
                           const char *id, struct err *e)
{
    char target[POLICY_ID_MAX + 8];

    snprintf(target, sizeof(target), "rule:%.*s", POLICY_ID_MAX, id);
    return cli_accounts_audit(a, args, target, e);
}

static inline void auto_rules_(struct rules **r)
{
    rules_free(*r);
}

static struct rules *open_rules(const struct cli_accounts *a)
{
    struct rules *rules = rules_new(a->meta);

    rules_set_file(rules, cli_auth_policy(a->conf));
    return rules;
}

int cli_policy_add(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    AUTO(rules) struct rules *rules = NULL;
    const char *rule = cli_accounts_operand(cli, args, "the rule");
    char id[POLICY_ID_MAX + 1];
    struct err e = {0};
    enum err_code code;

    if (!rule)
        return CLI_USAGE;
    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    rules = open_rules(&a);
    code = rules_add(rules, str_of(rule), NULL, id, &e);
    if (code == ERR_OK)
        code = audit(&a, args, id, &e);
    if (code == ERR_OK) {
        fprintf(cli->out, "rule %s added\n", id);
        cli_accounts_say_when_off(cli, &a);
    }
    return cli_accounts_status(cli, code, &e);
}

int cli_policy_rm(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    AUTO(rules) struct rules *rules = NULL;
    const char *id = cli_accounts_operand(cli, args, "the id of the rule");
    struct err e = {0};
    enum err_code code;

    if (!id)
        return CLI_USAGE;
    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    rules = open_rules(&a);
    code = rules_remove(rules, str_of(id), NULL, &e);
    if (code == ERR_OK)
        code = audit(&a, args, id, &e);
    if (code == ERR_OK)
        fprintf(cli->out, "rule %s removed\n", id);
    return cli_accounts_status(cli, code, &e);
}
