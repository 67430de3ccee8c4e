#include "meta/dynamodb/dynamodb.h"

#include "base/mem.h"
#include "meta/dynamodb/table.h"

#include <pthread.h>
#include <stdlib.h>

#define AUDIT_LOOK 20000

/* Reading says whether the table is there, and may be used. */
static enum err_code health(struct meta *m, struct err *e)
{
    struct dynamo *d = dynamo_of(m);
    struct dynamo_key key = {.pk = "table", .sk = "layout"};
    AUTO(json) json_t *item = NULL;

    return dynamo_get(d->link, &key, dynamo_link_end(d->link), &item, e);
}

static void dynamo_free(struct meta *m)
{
    struct dynamo *d = dynamo_of(m);

    dynamo_naming_unref(d, d->naming);
    pthread_mutex_destroy(&d->naming_lock);
    dynamo_link_free(d->link);
    free(d);
}

static enum err_code snapshot(struct meta *m, struct meta **ret_snapshot, struct err *e)
{
    (void)m;
    (void)ret_snapshot;
    return err_set(e, ERR_UNSUPPORTED,
                   "DynamoDB does not show a table as it was at one moment; it has backups of its "
                   "own");
}

static struct meta_driver driver = {
    .name = "dynamodb",
    .shared = true,
    .commit = dynamo_commit,
    .snapshot = snapshot,
    .health = health,
    .free = dynamo_free,
};

static pthread_once_t filled = PTHREAD_ONCE_INIT;

static void fill(void)
{
    dynamo_read_fill(&driver);
    dynamo_list_fill(&driver);
    dynamo_repo_fill(&driver);
    dynamo_shown_fill(&driver);
    dynamo_audit_fill(&driver);
    dynamo_rows_fill(&driver);
    dynamo_job_fill(&driver);
    dynamo_removed_fill(&driver);
    dynamo_condemned_fill(&driver);
}

enum err_code meta_dynamodb_new(const struct meta_dynamodb_options *o, struct meta **ret_meta,
                                struct err *e)
{
    struct dynamo *d = NEW(struct dynamo);
    enum err_code code;

    pthread_once(&filled, fill);
    d->meta = (struct meta){&driver, NULL};
    pthread_mutex_init(&d->naming_lock, NULL);
    d->audit_look = o->audit_look ? o->audit_look : AUDIT_LOOK;
    code = dynamo_link_new(o, &d->link, e);
    if (code == ERR_OK)
        code = dynamo_table_open(d->link, e);
    if (code != ERR_OK) {
        dynamo_free(&d->meta);
        return code;
    }
    *ret_meta = &d->meta;
    return ERR_OK;
}

uint64_t dynamo_requests(struct meta *m)
{
    return dynamo_link_requests(dynamo_of(m)->link);
}
