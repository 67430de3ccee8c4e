#include "cli/cli.h"

#include "base/str.h"
#include "conf/conf.h"

/* Help. */

static void print_commands(FILE *f, struct str group)
{
    for (size_t i = 0; i < cli_commands_n; i++) {
        const struct cli_command *c = &cli_commands[i];

        if (!c->hidden && str_starts(str_of(c->name), group))
            fprintf(f, "  %-19s  %s\n", c->name, c->help);
    }
}

static void print_overview(FILE *f)
{
    fputs("registry: a container registry\n"
          "\n"
          "Usage: registry COMMAND [FLAGS]\n"
          "\n"
          "Commands:\n",
          f);
    print_commands(f, STR(""));
    fputs("\n"
          "`registry COMMAND --help` tells more. With no configuration the server listens on\n"
          "127.0.0.1:5000 and keeps its data in ./data/registry.\n",
          f);
}

static void print_group(FILE *f, struct str group)
{
    fprintf(f, "Usage: registry " STR_FMT " COMMAND [FLAGS]\n\nCommands:\n", STR_ARG(group));
    print_commands(f, group);
}

static void print_command(FILE *f, const struct cli_command *c)
{
    char left[48];

    fprintf(f, "%s.\n\nUsage: registry %s [FLAGS]%s%s\n", c->help, c->name, *c->operands ? " " : "",
            c->operands);
    if (c->more)
        fprintf(f, "\n%s\n", c->more);
    fputs("\nFlags:\n", f);
    for (const struct cli_flag *flag = c->flags; flag->name; flag++) {
        snprintf(left, sizeof(left), "%s %s", flag->name, flag->value ? flag->value : "");
        fprintf(f, "  %-19s  %s\n", left, flag->help);
    }
    fprintf(f, "  %-19s  %s\n", "--help", "This text.");
}

/* Errors. */

struct nearest {
    const char *text;
    size_t distance;
};

static void offer(struct nearest *n, const char *word, const char *candidate)
{
    struct str w = {word, strlen(word)}; /* not str_of(): word is never NULL */
    bool begun = w.n > 2 && str_starts(str_of(candidate), w);
    size_t distance = begun ? 1 : str_distance(w, str_of(candidate));

    if (distance < n->distance) {
        n->text = candidate;
        n->distance = distance;
    }
}

/* of: the command, or the group of commands, whose --help knows better; "": that of all. */
static int usage_error(struct cli *cli, const char *of, const char *what, const char *word,
                       struct nearest near)
{
    fprintf(cli->err, "registry: %s '%s'", what, word);
    if (near.text)
        fprintf(cli->err, "; did you mean '%s'?", near.text);
    fprintf(cli->err, "\n`registry%s%s --help` shows what there is.\n", *of ? " " : "", of);
    return CLI_USAGE;
}

static int unknown_command(struct cli *cli, const char *group, const char *word)
{
    struct nearest near = {.distance = 4};

    for (size_t i = 0; i < cli_commands_n; i++) {
        if (!cli_commands[i].hidden)
            offer(&near, word, cli_commands[i].name);
    }
    return usage_error(cli, group, "there is no command", word, near);
}

static int unknown_flag(struct cli *cli, const struct cli_command *c, const char *word)
{
    struct nearest near = {.distance = 4};

    for (const struct cli_flag *flag = c->flags; flag->name; flag++)
        offer(&near, word, flag->name);
    offer(&near, word, "--help");
    return usage_error(cli, c->name, "there is no flag", word, near);
}

/* Parsing. */

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool is_group(struct str word)
{
    for (size_t i = 0; i < cli_commands_n; i++) {
        struct str name = str_of(cli_commands[i].name);

        if (name.n > word.n && name.p[word.n] == ' ' && str_starts(name, word))
            return true;
    }
    return false;
}

/* The command that the first words name; *ret_words is how many they are. */
static const struct cli_command *find_command(int argc, char *const *argv, int *ret_words)
{
    char name[64];

    for (int words = argc < 2 ? argc : 2; words >= 1; words--) { /* `gc` and `gc runs` are two */
        int n = snprintf(name, sizeof(name), "%s%s%s", argv[0], words > 1 ? " " : "",
                         words > 1 ? argv[1] : "");

        if (n < 0 || (size_t)n >= sizeof(name))
            continue;
        for (size_t i = 0; i < cli_commands_n; i++) {
            if (strcmp(name, cli_commands[i].name) == 0) {
                *ret_words = words;
                return &cli_commands[i];
            }
        }
    }
    return NULL;
}

/* Of "--config=FILE" the part after '=', or NULL. */
static const struct cli_flag *find_flag(const struct cli_command *c, const char *word,
                                        const char **ret_value)
{
    size_t n = strcspn(word, "=");

    for (const struct cli_flag *flag = c->flags; flag->name; flag++) {
        if (strlen(flag->name) == n && strncmp(flag->name, word, n) == 0) {
            *ret_value = word[n] ? word + n + 1 : NULL;
            return flag;
        }
    }
    return NULL;
}

static int keep_value(struct cli *cli, struct cli_args *args, const struct cli_flag *flag,
                      const char *value, const char *word)
{
    const char **first = &args->values[flag - args->command->flags];

    if (!*first) {
        *first = value;
    } else if (!flag->repeated) {
        return usage_error(cli, args->command->name, "given twice:", word, (struct nearest){0});
    } else if (args->n_again == CLI_REPEATED_MAX) {
        return usage_error(cli, args->command->name, "given too often:", word, (struct nearest){0});
    } else {
        args->again[args->n_again].flag = flag;
        args->again[args->n_again++].value = value;
    }
    return CLI_OK;
}

/* argv[*i] is a flag; its value may be in argv[*i + 1]. */
static int parse_flag(struct cli *cli, struct cli_args *args, int argc, char *const *argv, int *i)
{
    const char *word = argv[*i], *value = NULL;
    const struct cli_flag *flag = find_flag(args->command, word, &value);
    struct nearest none = {0};

    if (!flag)
        return unknown_flag(cli, args->command, word);
    if (!flag->value && value)
        return usage_error(cli, args->command->name, "no value goes with", word, none);
    if (flag->value && !value) {
        if (*i + 1 >= argc)
            return usage_error(cli, args->command->name, "a value must follow", word, none);
        value = argv[++*i];
    }
    return keep_value(cli, args, flag, value ? value : "", word);
}

static int parse_args(struct cli *cli, struct cli_args *args, int argc, char *const *argv)
{
    bool only_operands = false;

    for (int i = 0; i < argc; i++) {
        if (!only_operands && strcmp(argv[i], "--") == 0) {
            only_operands = true;
        } else if (!only_operands && argv[i][0] == '-' && argv[i][1] != '\0') {
            int status = parse_flag(cli, args, argc, argv, &i);

            if (status != CLI_OK)
                return status;
        } else if (args->n_operands == args->command->max_operands) {
            return usage_error(cli, args->command->name, "one argument too many:", argv[i],
                               (struct nearest){0});
        } else {
            args->operands[args->n_operands++] = argv[i];
        }
    }
    args->operand = args->operands[0];
    return CLI_OK;
}

static bool wants_help(int argc, char *const *argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (is_help(argv[i]))
            return true;
    }
    return false;
}

/* `registry help COMMAND`, `registry help`. */
static int help(struct cli *cli, int argc, char *const *argv)
{
    const struct cli_command *c;
    int words;

    if (argc == 0) {
        print_overview(cli->out);
        return CLI_OK;
    }
    c = find_command(argc, argv, &words);
    if (c)
        print_command(cli->out, c);
    else if (is_group(str_of(argv[0])))
        print_group(cli->out, str_of(argv[0]));
    else
        return unknown_command(cli, "", argv[0]);
    return CLI_OK;
}

/* A group without a command of it: asked for help, forgotten, or misspelt. */
static int run_group(struct cli *cli, int argc, char *const *argv)
{
    char name[64];

    if (argc > 1 && is_help(argv[1])) {
        print_group(cli->out, str_of(argv[0]));
        return CLI_OK;
    }
    if (argc == 1) {
        print_group(cli->err, str_of(argv[0]));
        return CLI_USAGE;
    }
    snprintf(name, sizeof(name), "%s %s", argv[0], argv[1]);
    return unknown_command(cli, argv[0], name);
}

int cli_main(struct cli *cli, int argc, char *const *argv)
{
    struct cli_args args = {NULL};
    int words = 0, status;

    if (argc < 2) {
        print_overview(cli->err);
        return CLI_USAGE;
    }
    argc--;
    argv++;
    if (strcmp(argv[0], "help") == 0)
        return help(cli, argc - 1, argv + 1);
    if (is_help(argv[0]))
        return help(cli, 0, NULL);
    args.command = find_command(argc, argv, &words);
    if (!args.command)
        return is_group(str_of(argv[0])) ? run_group(cli, argc, argv)
                                         : unknown_command(cli, "", argv[0]);
    if (wants_help(argc - words, argv + words)) {
        print_command(cli->out, args.command);
        return CLI_OK;
    }
    status = parse_args(cli, &args, argc - words, argv + words);
    return status == CLI_OK ? args.command->run(cli, &args) : status;
}

const char *cli_flag(const struct cli_args *args, const char *name)
{
    for (size_t i = 0; args->command->flags[i].name; i++) {
        if (strcmp(args->command->flags[i].name, name) == 0)
            return args->values[i];
    }
    return NULL;
}

const char *cli_flag_nth(const struct cli_args *args, const char *name, size_t i)
{
    if (i == 0)
        return cli_flag(args, name);
    for (size_t k = 0; k < args->n_again; k++) {
        if (strcmp(args->again[k].flag->name, name) == 0 && --i == 0)
            return args->again[k].value;
    }
    return NULL;
}

const char *cli_variable(char *const *environment, const char *name)
{
    size_t n = strlen(name);

    for (char *const *v = environment; v && *v; v++) {
        if (strncmp(*v, name, n) == 0 && (*v)[n] == '=')
            return (*v)[n + 1] ? *v + n + 1 : NULL;
    }
    return NULL;
}

bool cli_duration(const char *text, uint64_t *ret_ms)
{
    return conf_duration(str_of(text), ret_ms);
}
