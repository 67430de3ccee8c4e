/* A command line, run in this process with its output kept. */
#pragma once

#include "cli/cli.h"

/* Runs "registry" with these words, ended by NULL; the outputs of the last run stay until the next
 * one or run_done(). environment may be NULL. */
int run_with(char *const *environment, ...) __attribute__((sentinel));

#define run(...) run_with(NULL, __VA_ARGS__, NULL)

extern char *run_out, *run_err;

int run_done(void **state);
