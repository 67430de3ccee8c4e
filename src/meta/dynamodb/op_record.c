/* Operations on records, entries of the audit trail, and quotas. */
#include "meta/dynamodb/dynamodb.h"

#include "base/clock.h"

#include <stdio.h>

static struct dynamo_cell *record_cell(struct dynamo_tx *tx, struct str collection, struct str key)
{
    return dynamo_cell_of(tx, dynamo_key_record(collection, key));
}

static struct dynamo_cell *quota_cell(struct dynamo_tx *tx, const struct meta_op *op)
{
    return dynamo_cell_of(tx, dynamo_key_quota(op->quota_check.space));
}

/* What holds of quotas is read before what there is. */
void dynamo_record_wants(struct dynamo_tx *tx, const struct meta_op *op)
{
    if (op->kind == META_QUOTA_CHECK)
        dynamo_cell_want(quota_cell(tx, op));
}

/* As it is expected to be: so that in the usual case nothing is read. */
static json_t *expected_item(const struct dynamo_cell *c, int64_t version)
{
    if (version == META_ABSENT)
        return NULL;
    return json_pack("{s:{s:s}, s:o}", "pk", "S", c->pk, "version", item_number(version));
}

static enum err_code check_version(struct dynamo_tx *tx, struct dynamo_cell *c,
                                   struct str collection, struct str key, int64_t expected,
                                   struct err *e)
{
    int64_t version;

    if (expected == META_ANY)
        return ERR_OK;
    TRY(dynamo_cell_guess(&tx->cells, c, expected_item(c, expected), e));
    version = dynamo_cell_number(c, "version");
    if (version != expected)
        return err_set(e, ERR_CONFLICT, STR_FMT " '" STR_FMT "' is at version %lld, not %lld",
                       STR_ARG(collection), STR_ARG(key), (long long)version, (long long)expected);
    dynamo_cell_saw(c, "version", true);
    return ERR_OK;
}

/*
 * Rows of replicas are asked for with each commit of their process, and two transactions that ask
 * for one item at once conflict. So whether such a row is there is held in several items beside it,
 * which come and go with it; a transaction asks for one of them by chance. That a row is renewed
 * disturbs nobody then, either.
 */
#define SIGNS 16

static bool has_signs(struct str collection)
{
    return str_eq(collection, STR("replicas"));
}

static struct dynamo_cell *sign_cell(struct dynamo_tx *tx, struct str key, unsigned i)
{
    return dynamo_cell_of(tx, dynamo_key_sign(key, i % SIGNS));
}

static void set_signs(struct dynamo_tx *tx, struct str key, bool there)
{
    for (unsigned i = 0; i < SIGNS; i++) {
        if (there)
            dynamo_cell_put(sign_cell(tx, key, i));
        else
            dynamo_cell_delete(sign_cell(tx, key, i));
    }
}

/* Whoever moves a tag has the version of its repository as a condition: so what is written beside
 * it is of one transaction after the other, whatever their clocks say. */
static int64_t stamp_of(struct dynamo_tx *tx)
{
    int64_t stamp = clock_stamp_us();

    if (tx->moved) {
        if (stamp <= dynamo_cell_number(tx->moved, "stamp"))
            stamp = dynamo_cell_number(tx->moved, "stamp") + 1;
        dynamo_cell_set_number(tx->moved, "stamp", stamp);
    }
    return stamp;
}

static enum err_code append(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    AUTO(buf) struct buf key = {0};
    struct dynamo_cell *c;

    buf_init(&key, META_STAMP + 1 + op->record_put.key.n);
    buf_addf(&key, "%0*lld" STR_FMT, META_STAMP, (long long)stamp_of(tx),
             STR_ARG(op->record_put.key));
    c = record_cell(tx, op->record_put.collection, buf_str(&key));
    dynamo_cell_put(c);
    dynamo_cell_set(&tx->cells, c, "k", STR("C"));
    dynamo_cell_set(&tx->cells, c, "collection", op->record_put.collection);
    TRY(dynamo_tx_set_long(tx, c, "value", op->record_put.value, false, e));
    dynamo_cell_set_number(c, "version", 1);
    return ERR_OK;
}

enum err_code dynamo_record_put(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    struct str collection = op->record_put.collection, key = op->record_put.key;
    struct dynamo_cell *c;

    if (op->record_put.stamped)
        return append(tx, op, e);
    c = record_cell(tx, collection, key);
    TRY(check_version(tx, c, collection, key, op->record_put.expected_version, e));
    dynamo_cell_set(&tx->cells, c, "k", STR("C"));
    dynamo_cell_set(&tx->cells, c, "collection", collection);
    dynamo_tx_drop_long(tx, c, "value");
    TRY(dynamo_tx_set_long(tx, c, "value", op->record_put.value, false, e));
    if (has_signs(collection) && !dynamo_cell_has(c, "version"))
        set_signs(tx, key, true);
    dynamo_cell_add(c, "version", 1);
    return ERR_OK;
}

enum err_code dynamo_record_delete(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    struct str collection = op->record_delete.collection, key = op->record_delete.key;
    struct dynamo_cell *c = record_cell(tx, collection, key);

    TRY(check_version(tx, c, collection, key, op->record_delete.expected_version, e));
    dynamo_tx_drop_long(tx, c, "value");
    dynamo_cell_delete(c);
    if (has_signs(collection))
        set_signs(tx, key, false);
    return ERR_OK;
}

enum err_code dynamo_record_check(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    struct str collection = op->record_check.collection, key = op->record_check.key;
    struct dynamo_cell *c =
        has_signs(collection) ? sign_cell(tx, key, tx->chance) : record_cell(tx, collection, key);

    TRY(dynamo_cell_guess(&tx->cells, c, json_pack("{s:{s:s}}", "pk", "S", c->pk), e));
    if (!dynamo_cell_is(c))
        return err_set(e, ERR_NOT_FOUND, "no " STR_FMT " '" STR_FMT "'", STR_ARG(collection),
                       STR_ARG(key));
    if (c->how == DYNAMO_CELL_UPDATE)
        dynamo_cell_saw(c, "pk", false);
    return ERR_OK;
}

/* ---- the audit trail */

const char *const dynamo_audit_names[AUDIT_TEXTS] = {
    "actor", "action", "target", "address", "result", "detail", "repository",
};

/* By position: the index that finds entries by that text; of results, those that are no success. */
static const char *const indexes[AUDIT_TEXTS] = {
    "g_actor", "g_action", NULL, "g_address", "g_result", NULL, "g_repository",
};

enum err_code dynamo_audit_numbers(struct dynamo *d, size_t n, int64_t end_ms, int64_t *ret_first,
                                   struct err *e)
{
    AUTO(json) json_t *body = dynamo_body(d->link);
    AUTO(json) json_t *answer = NULL;

    json_object_set_new(body, "Key", dynamo_key_json("audit", "ids"));
    json_object_set_new(body, "UpdateExpression", json_string("ADD #n :n"));
    json_object_set_new(body, "ExpressionAttributeNames", json_pack("{s:s}", "#n", "n"));
    json_object_set_new(body, "ExpressionAttributeValues",
                        json_pack("{s:o}", ":n", item_number((int64_t)n)));
    json_object_set_new(body, "ReturnValues", json_string("UPDATED_NEW"));
    TRY(dynamo_ask(d->link, "UpdateItem", body, end_ms, &answer, e));
    *ret_first = item_get_number(json_object_get(answer, "Attributes"), "n") - (int64_t)n + 1;
    return ERR_OK;
}

/* A partition of an index. What is too long for it is found by the trail itself. */
static void set_index(struct dynamo_tx *tx, struct dynamo_cell *c, size_t i, struct str value,
                      int64_t id)
{
    char partition[DYNAMO_AUDIT_INDEXED + 16];

    if (!indexes[i] || value.n == 0 || value.n > DYNAMO_AUDIT_INDEXED ||
        (strcmp(indexes[i], "g_result") == 0 && str_eq(value, STR("ok"))))
        return;
    snprintf(partition, sizeof(partition), "%u#" STR_FMT, (unsigned)(id % DYNAMO_AUDIT_SHARDS),
             STR_ARG(value));
    dynamo_cell_set(&tx->cells, c, indexes[i], str_of(partition));
}

void dynamo_audit_put(struct dynamo_tx *tx, int64_t time_ms,
                      const struct str texts[static AUDIT_TEXTS])
{
    int64_t id = tx->next_audit++;
    char time[DYNAMO_SORTED], number[DYNAMO_SORTED];
    struct dynamo_key key = {.cut = false};
    struct dynamo_cell *c;

    dynamo_sorted(time_ms, time);
    dynamo_sorted(id, number);
    snprintf(key.pk, sizeof(key.pk), "audit#%u", (unsigned)(id % DYNAMO_AUDIT_SHARDS));
    snprintf(key.sk, sizeof(key.sk), "%s#%s", time, number);
    c = dynamo_cell_at(&tx->cells, &key);
    dynamo_cell_put(c);
    dynamo_cell_set(&tx->cells, c, "k", STR("A"));
    dynamo_cell_set(&tx->cells, c, "at", str_of(key.sk));
    dynamo_cell_set_number(c, "id", id);
    dynamo_cell_set_number(c, "time", time_ms);
    for (size_t i = 0; i < AUDIT_TEXTS; i++) {
        dynamo_cell_set(&tx->cells, c, dynamo_audit_names[i], texts[i]);
        set_index(tx, c, i, texts[i], id);
    }
}

#define AUDIT_TEXTS_MAX (256 << 10) /* of an entry, which is an item */

enum err_code dynamo_audit_add(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    const struct meta_audit *x = op->audit_add.entry;
    AUTO(buf) struct buf clean = {0};
    struct str texts[AUDIT_TEXTS];

    (void)e;
    buf_init(&clean, AUDIT_TEXTS_MAX);
    audit_texts(x, &clean, texts);
    dynamo_audit_put(tx, x->time_ms, texts);
    return ERR_OK;
}

/* ---- quotas */

static bool is_in(struct str repo, struct str space)
{
    return space.n == 0 || str_eq(repo, space) ||
           (str_starts(repo, space) && repo.n > space.n && repo.p[space.n] == '/');
}

/* What the transaction itself adds to the repositories of the space. */
static void add_own(struct dynamo_tx *tx, struct str space, struct meta_usage *usage)
{
    for (struct dynamo_cell *c = tx->cells.first; c; c = c->next) {
        if (!str_starts(str_of(c->pk), STR("repos#")) || !is_in(str_of(c->sk), space))
            continue;
        for (size_t i = 0; i < c->n_adds; i++) {
            if (strcmp(c->adds[i].name, "bytes") == 0)
                usage->bytes += (uint64_t)c->adds[i].more;
            else if (strcmp(c->adds[i].name, "tags") == 0)
                usage->tags += (uint64_t)c->adds[i].more;
        }
    }
}

enum err_code dynamo_quota_check(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    struct str space = op->quota_check.space;
    struct dynamo_cell *c = quota_cell(tx, op);
    struct meta_usage usage;

    TRY(dynamo_cell_read(&tx->cells, c, e));
    dynamo_cell_saw(c, "n", true); /* else two transactions do not see each other */
    dynamo_cell_set_number(c, "n", dynamo_cell_number(c, "n") + 1);
    TRY(dynamo_usage(tx->d, space, tx->cells.end_ms, &usage, e));
    add_own(tx, space, &usage);
    if (usage.bytes > op->quota_check.max_bytes)
        return err_tell(e, ERR_QUOTA, "'" STR_FMT "' may hold %llu bytes and would hold %llu",
                        STR_ARG(space), (unsigned long long)op->quota_check.max_bytes,
                        (unsigned long long)usage.bytes);
    if (usage.tags > op->quota_check.max_tags)
        return err_tell(e, ERR_QUOTA, "'" STR_FMT "' may hold %llu tags and would hold %llu",
                        STR_ARG(space), (unsigned long long)op->quota_check.max_tags,
                        (unsigned long long)usage.tags);
    return ERR_OK;
}
