/* Repairs of `registry check`: done here, or by the servers that run. */
#pragma once

#include "check/checkup.h"
#include "cli/cli.h"

struct check_repair {
    struct registry *registry;
    bool beside;    /* a server has the store, or uses the database: it is asked to */
    bool move_tags; /* repair may move tags that lead nowhere */
    /* Is told of a repair that could not be done here; the others are. */
    void (*failed)(void *ctx, const struct check_finding *f, const struct err *e);
    void *ctx;
};

/* Finds out whether servers use the database, where several may. */
ERR_CHECKED enum err_code check_repair_begin(struct check_repair *r, struct err *e);

/* As mend() of struct check_options. What servers do is waited for. Error: UNAVAILABLE, none does
 * it. */
ERR_CHECKED enum err_code check_repair_all(struct check_repair *r, const struct check_finding *list,
                                           size_t n, bool *ret_mended, struct err *e);

/* For the audit trail. */
ERR_CHECKED enum err_code check_repair_note(struct check_repair *r, const struct cli_args *args,
                                            const struct check_counts *counts, struct err *e);
