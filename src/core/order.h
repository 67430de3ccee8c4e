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

enum order_kind { ORDER_ROLLBACK, ORDER_REPO_RM, ORDER_TAG_RM, ORDER_RETENTION };

struct order {
    enum order_kind kind;
    struct repo_name repo; /* not of RETENTION */
    struct tag_name tag;   /* ROLLBACK */
    struct digest to;      /* ROLLBACK; n is 0: not given */
    char pattern[256];     /* TAG_RM */
    int64_t before_ms;     /* TAG_RM: bulk_tags.before_ms */
    char actor[64];        /* "shell:root" */
};

/* As the key of its job. Error: REQUEST_INVALID, it is too long. */
ERR_CHECKED enum err_code order_key(const struct order *o, char dst[static ORDER_KEY_MAX + 1],
                                    struct err *e);
ERR_CHECKED enum err_code order_parse(struct str key, struct order *ret_order, struct err *e);

/* Does it, as the rights of r say (registry.is_immutable). go_on is asked now and then whether to
 * go on, with a line that says how far it is; NULL: it does, to the end. Errors: those of what is
 * ordered; DENIED: a repository has a tag that must stay; LATER: go_on said no. */
typedef bool (*order_go_on_fn)(void *ctx, const char *how_far);
ERR_CHECKED enum err_code order_run(struct registry *r, const struct order *o, order_go_on_fn go_on,
                                    void *ctx, struct err *e);

/* Refuses a tag that a rule of the rights lets nobody move or delete, as a remove_tag_fn. */
struct order_rules {
    bool (*is_immutable)(void *ctx, const struct repo_name *repo, const struct tag_name *tag);
    void *immutable_ctx; /* as those of a registry; the first may be NULL */
    const struct repo_name *repo;
};

ERR_CHECKED enum err_code order_may_untag(void *rules, const struct tag_name *tag, struct err *e);

/* The kind of job that does orders. */
struct job_kind order_job_kind(struct registry *r);
