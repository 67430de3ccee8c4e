/* registry policy test: what the policy of a configuration says, and why. */
#include "auth/rules.h"
#include "auth/user.h"
#include "base/cleanup.h"
#include "cli/auth.h"
#include "cli/cli.h"

#include <limits.h>
#include <unistd.h>

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
              "`registry policy test --help` tells more.\n",
              cli->err);
        return CLI_USAGE;
    }
    q->action = (enum action)action_parse(str_of(args->operands[1]));
    if (q->action == 0 || q->action == ACTION_ALL)
        return wrong(cli, "action", args->operands[1],
                     "write pull, push, overwrite, delete, scan or admin");
    status = parse_user(cli, args, q);
    return status == CLI_OK ? parse_place(cli, args->operands[2], q) : status;
}

static void print_rule(struct cli *cli, const struct conf *c, int rule)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, LINE_MAX_BYTES);
    conf_print_rule(&c->policy.items[rule], &text);
    fprintf(cli->out, "  - %s\n", buf_text(&text));
}

/* There may be none yet, and this command makes none. */
static bool has_database(const struct conf *c)
{
    char path[PATH_MAX];

    if (c->metadata.sqlite_path[0])
        return access(c->metadata.sqlite_path, F_OK) == 0;
    snprintf(path, sizeof(path), "%s/registry.db", c->storage.root);
    return c->storage.backend != CONF_STORAGE_MEM && access(path, F_OK) == 0;
}

/* A local user with his groups, besides what the command line says of him. */
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

/* What the database says: rules that were made through the API, and users. */
static enum err_code consult(struct meta *m, struct question *q, struct policy **policy,
                             struct err *e)
{
    struct rules *rules = rules_new(m);
    enum err_code code = rules_poll(rules, e);

    rules_set_file(rules, *policy);
    *policy = rules_policy(rules);
    rules_free(rules);
    if (code == ERR_OK && q->who->kind == IDENTITY_USER)
        code = look_up(m, q, e);
    return code;
}

static int answer(struct cli *cli, const struct conf *c, struct question *q)
{
    struct policy *policy = cli_auth_policy(c);
    struct meta *meta = NULL;
    enum err_code code = ERR_OK;
    struct decision d;
    struct err e;

    if (has_database(c)) {
        code = cli->open_meta(c, &meta, &e);
        if (code == ERR_OK)
            code = consult(meta, q, &policy, &e);
        meta_free(meta);
    }
    if (code != ERR_OK) {
        fprintf(cli->err, "registry: %s\n", e.detail);
        policy_unref(policy);
        return CLI_FAILED;
    }
    policy_allows(policy, q->who, q->action, q->about_registry ? NULL : &q->repo,
                  q->tagged ? &q->tag : NULL, &d);
    policy_unref(policy);
    fprintf(cli->out, "%s\n", d.why);
    if (d.rule >= 0 && (size_t)d.rule < c->policy.n)
        print_rule(cli, c, d.rule);
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
