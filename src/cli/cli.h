/*
 * cli: the command line. May include everything. One file a noun; the table of commands and their
 * flags (commands.c) gives parsing, errors and --help.
 *
 * A command's run() returns the exit status: CLI_OK, CLI_FAILED (it could not do what was asked,
 * and said so on err), or CLI_USAGE (the command line was wrong). CLI_DENIED is the answer "no" of
 * `policy test`; of `check`, CLI_FAILED says that it found something, and CLI_UNCHECKED that it
 * could not look.
 */
#pragma once

#include "base/reserve.h"
#include "conf/conf.h"
#include "meta/meta.h"
#include "net/redis.h"
#include "replicas/members.h"
#include "store/store.h"

#include <stdio.h>

enum cli_status { CLI_OK, CLI_FAILED, CLI_USAGE, CLI_DENIED, CLI_UNCHECKED = CLI_USAGE };

/* What main.c wires. */
struct cli {
    FILE *out, *err;
    char *const *environment;

    /* The drivers that a configuration asks for; the one of the data that a reference registry
     * keeps where it says. The results are the caller's. The reserve may be NULL, and outlives the
     * meta; *ret_members is of the meta, and may not be asked for. */
    enum err_code (*open_store)(const struct conf *c, struct store **ret_store, struct err *e);
    /* The same to be read, without a cache, also while another process has it. */
    enum err_code (*open_store_beside)(const struct conf *c, struct store **ret_store,
                                       struct err *e);
    enum err_code (*open_distribution)(const struct conf *c, struct store **ret_store,
                                       struct err *e);
    enum err_code (*open_meta)(const struct conf *c, struct reserve *reserve,
                               struct members **ret_members, struct meta **ret_meta, struct err *e);

    /* The Redis that servers share; NULL where none is configured. It is the process's, c outlives
     * it, and it may not be there yet. Error: CONFIG, UNAVAILABLE. */
    enum err_code (*open_redis)(const struct conf *c, struct redis **ret_redis, struct err *e);

    /* Says so in the log when there is no database though the store has content: for those who are
     * about to open, and so make, one. */
    void (*warn_of_missing)(const struct conf *c);

    /* Space beside the database, for the one who serves; *ret_reserve may be NULL. */
    enum err_code (*open_reserve)(const struct conf *c, struct reserve **ret_reserve,
                                  struct err *e);

    /* Tries whatever else than the configuration itself these drivers need, and tells what came of
     * it. Error: what leaves nothing else to be tried. */
    enum err_code (*prove)(const struct conf *c, store_right_fn *fn, void *ctx, struct err *e);
};

#define CLI_FLAGS_MAX    24
#define CLI_OPERANDS_MAX 3
#define CLI_REPEATED_MAX 64 /* flags that are given again */

/* A table of flags ends with a row whose name is NULL. Every command also has --help. */
struct cli_flag {
    const char *name;  /* "--config" */
    const char *value; /* "FILE"; NULL: a flag without a value */
    const char *help;
    bool repeated; /* may be given several times */
};

struct cli_args;

struct cli_command {
    const char *name;     /* "serve", "config check" */
    const char *operands; /* as shown: "[FILE]"; "" when there are none */
    size_t max_operands;  /* 0 to CLI_OPERANDS_MAX */
    const struct cli_flag *flags;
    int (*run)(struct cli *cli, const struct cli_args *args);
    bool hidden;      /* not in the list of commands */
    bool names;       /* the operand names something; else it is the configuration file */
    const char *help; /* one line */
    const char *more; /* paragraphs of `registry COMMAND --help`; may be NULL */
};

/* All there are: THE table (commands.c). A name of two words is a group and a command of it. */
extern const struct cli_command cli_commands[];
extern const size_t cli_commands_n;

/* A variable of an environment; NULL: it is not set, or empty. */
const char *cli_variable(char *const *environment, const char *name);

/* "30d", as the configuration has durations. False: it is none. */
bool cli_duration(const char *text, uint64_t *ret_ms);

/* A command line, parsed and complete. */
struct cli_args {
    const struct cli_command *command;
    const char *values[CLI_FLAGS_MAX]; /* as command->flags; NULL: not given; "" of a bare flag */
    const char *operand;               /* the first one; NULL: not given */
    const char *operands[CLI_OPERANDS_MAX];
    size_t n_operands;
    struct {
        const struct cli_flag *flag;
        const char *value;
    } again[CLI_REPEATED_MAX]; /* the second and later values of repeated flags */
    size_t n_again;
};

/* argv as main() gets it. Returns the exit status. */
int cli_main(struct cli *cli, int argc, char *const *argv);

/* The value of a flag; NULL when it was not given. The command's table must have the flag. */
const char *cli_flag(const struct cli_args *args, const char *name);

/* The same for one that may be given several times: the i-th value; NULL behind the last. */
const char *cli_flag_nth(const struct cli_args *args, const char *name, size_t i);

/* The file named by --config, the operand (unless it is a name), or REGISTRY_CONFIG, in this order;
 * NULL: none, and none is needed. */
const char *cli_config_path(const struct cli *cli, const struct cli_args *args);

/* conf_load() of that file and the environment; an error is told on cli->err. */
bool cli_config_load(struct cli *cli, const struct cli_args *args, struct conf **ret_conf);
