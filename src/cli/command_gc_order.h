/* What the commands of collection have in common: doing it here, or by the server that runs. */
#pragma once

#include "cli/cli.h"
#include "core/registry.h"
#include "gc/server_run.h"

/* Files have a lock that says whether a server runs; elsewhere the job decides, and only a server
 * has jobs. A dry run writes nothing, and needs no lock. *ret_registry is NULL when it is for a
 * server: then *ret_meta is the caller's, else the registry has it. Both are set also on errors. */
ERR_CHECKED enum err_code cli_gc_open(struct cli *cli, struct conf *conf, bool dry_run,
                                      struct registry **ret_registry, struct meta **ret_meta,
                                      struct err *e);

/* Has it done, and says so, unless quiet. *ret_left: no server takes it up, which is said; the next
 * one will. */
ERR_CHECKED enum err_code cli_gc_order(struct cli *cli, struct meta *m, struct gc_order *order,
                                       bool quiet, bool *ret_left, struct err *e);

/* "2.3 GB" */
#define CLI_GC_BYTES_SIZE 32
const char *cli_gc_bytes(uint64_t bytes, char dst[static CLI_GC_BYTES_SIZE]);
