/*
 * Orders: what a command asks the server that runs to do, for that one alone may write to the
 * store, and has in memory where tags point. An order is a job of its own kind (jobs/jobs.h), with
 * the order as JSON for its key, so it is not lost, and done once. Where no server runs the command
 * does the same itself.
 */
#pragma once

#include "core/registry.h"
#include "jobs/jobs.h"

#define ORDER_KIND    "order"
#define ORDER_KEY_MAX 960

enum order_kind { ORDER_ROLLBACK };

struct order {
    enum order_kind kind;
    struct repo_name repo;
    struct tag_name tag; /* ROLLBACK */
    struct digest to;    /* ROLLBACK; n is 0: not given */
    char actor[64];      /* "shell:root" */
};

/* As the key of its job. Error: REQUEST_INVALID, it is too long. */
ERR_CHECKED enum err_code order_key(const struct order *o, char dst[static ORDER_KEY_MAX + 1],
                                    struct err *e);
ERR_CHECKED enum err_code order_parse(struct str key, struct order *ret_order, struct err *e);

/* Does it. Errors: those of what is ordered. */
ERR_CHECKED enum err_code order_run(struct registry *r, const struct order *o, struct err *e);

/* The kind of job that does orders. */
struct job_kind order_job_kind(struct registry *r);
