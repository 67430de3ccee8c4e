/* What the commands that rebuild or move whole stores have in common: the registry without its
 * server, progress on a terminal, problems as they come. */
#pragma once

#include "cli/cli.h"
#include "core/copy.h"
#include "core/owner.h"
#include "core/registry.h"

struct cli_content {
    struct cli *cli;
    struct conf *conf;
    struct registry *registry;
    int64_t started_ms, shown_ms;
    bool line_open; /* a line of progress stands on the terminal */
};

/* The store, which no other process has then, and its database. False: it was said on cli->err why
 * not. */
bool cli_content_open(struct cli *cli, const struct cli_args *args, struct cli_content *ret);

/* The same whatever database the store belongs to. */
bool cli_content_open_any(struct cli *cli, const struct cli_args *args, struct cli_content *ret);
void cli_content_done(struct cli_content *c);

static inline void auto_cli_content_(struct cli_content *c)
{
    cli_content_done(c);
}

/* The configuration of a store that is named by its file, or by the directory that it lies in. What
 * stands in no file is as it is by default; the environment says nothing. Error: CONFIG. */
ERR_CHECKED enum err_code cli_content_place(const char *name, struct conf **ret_conf,
                                            struct err *e);

/* Were --from and --to given? If not, it is said on cli->err. */
bool cli_content_both_ends(struct cli *cli, const struct cli_args *args);

/* Shows, on a terminal and a few times a second, "what: done of all". */
void cli_content_progress(struct cli_content *c, const char *what, uint64_t done, uint64_t all);

/* Makes the store this database's (core/owner.h), and says so when it was another's. */
ERR_CHECKED enum err_code cli_content_take(struct cli_content *c, struct owner *ret_before,
                                           struct owner *ret_now, struct err *e);

/* ctx is the struct cli_content. */
void cli_content_problem(void *ctx, const char *text);

/* Takes the line of progress away. */
void cli_content_end_line(struct cli_content *c);

/* The exit status: CLI_FAILED when it failed, which is told, or when there were problems. */
int cli_content_status(struct cli_content *c, enum err_code code, const struct err *e,
                       uint64_t problems);

/* A row of a summary: "manifests  12  3 new". */
void cli_content_print_count(struct cli_content *c, const char *what, uint64_t n, uint64_t fresh);

/* The rest of one: what became of tags that were elsewhere already (kept: what to say of those that
 * were left), and how long it took. */
void cli_content_print_end(struct cli_content *c, uint64_t moved_tags, uint64_t kept_tags,
                           const char *kept);

/* Copies, with progress and problems; prints a summary unless it fails. */
ERR_CHECKED enum err_code cli_content_copy(struct cli_content *c, const struct copy *copy,
                                           struct copy_counts *ret_counts, struct err *e);
