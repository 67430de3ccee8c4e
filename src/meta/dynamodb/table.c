#include "meta/dynamodb/table.h"

#include "base/cleanup.h"
#include "base/clock.h"

#define LAYOUT        2 /* 1: without what leads from a repository to what it has */
#define WAIT_FIRST_MS 5
#define WAIT_MOST_MS  2000
#define CREATE_MS     180000 /* with its indexes it takes the service some ten seconds */

/* Partition and sort attribute of each index; all attributes of an item are in it. */
static const struct {
    const char *name, *sort;
} indexes[] = {
    {"g_age", "at"},     {"g_actor", "at"},      {"g_action", "at"},
    {"g_address", "at"}, {"g_repository", "at"}, {"g_result", "at"},
};

static json_t *schema_of(const char *hash, const char *sort)
{
    return json_pack("[{s:s, s:s}, {s:s, s:s}]", "AttributeName", hash, "KeyType", "HASH",
                     "AttributeName", sort, "KeyType", "RANGE");
}

static void add_attribute(json_t *list, const char *name)
{
    json_array_append_new(list,
                          json_pack("{s:s, s:s}", "AttributeName", name, "AttributeType", "S"));
}

static json_t *description(struct dynamo_link *l)
{
    json_t *body = dynamo_body(l), *attributes = json_array(), *list = json_array();

    add_attribute(attributes, "pk");
    add_attribute(attributes, "sk");
    add_attribute(attributes, "at");
    for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
        add_attribute(attributes, indexes[i].name);
        json_array_append_new(list,
                              json_pack("{s:s, s:o, s:{s:s}}", "IndexName", indexes[i].name,
                                        "KeySchema", schema_of(indexes[i].name, indexes[i].sort),
                                        "Projection", "ProjectionType", "ALL"));
    }
    json_object_set_new(body, "BillingMode", json_string("PAY_PER_REQUEST"));
    json_object_set_new(body, "KeySchema", schema_of("pk", "sk"));
    json_object_set_new(body, "AttributeDefinitions", attributes);
    json_object_set_new(body, "GlobalSecondaryIndexes", list);
    return body;
}

/* "ACTIVE", "CREATING", ...; "" when there is none. */
static enum err_code status_of(struct dynamo_link *l, char *dst, size_t size, struct err *e)
{
    AUTO(json) json_t *body = dynamo_body(l);
    AUTO(json) json_t *answer = NULL;
    enum err_code code = dynamo_ask(l, "DescribeTable", body, dynamo_link_end(l), &answer, e);
    const json_t *status;

    dst[0] = '\0';
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(code);
    status = json_object_get(json_object_get(answer, "Table"), "TableStatus");
    if (!str_copy(str_of(json_string_value(status)), dst, size))
        return err_set(e, ERR_UNAVAILABLE, "the table %s has no status", dynamo_link_where(l));
    return ERR_OK;
}

/* LATER: another process was quicker, or too many tables are being made. */
static enum err_code create(struct dynamo_link *l, struct err *e)
{
    AUTO(json) json_t *body = description(l);
    AUTO(json) json_t *answer = NULL;
    enum err_code code = dynamo_ask(l, "CreateTable", body, dynamo_link_end(l), &answer, e);

    return code == ERR_LATER ? ERR_OK : code;
}

static enum err_code wait_until_active(struct dynamo_link *l, struct err *e)
{
    int64_t end_ms = clock_mono_ms() + CREATE_MS;
    char status[32];

    for (unsigned n = 0;; n++) {
        TRY(status_of(l, status, sizeof(status), e));
        if (strcmp(status, "ACTIVE") == 0 || strcmp(status, "UPDATING") == 0)
            return ERR_OK;
        if (!status[0])
            TRY(create(l, e));
        if (!dynamo_pause(l, n < 10 ? n : 10, WAIT_FIRST_MS, WAIT_MOST_MS, end_ms))
            return err_set(e, ERR_UNAVAILABLE, "the table %s is not ready: it is %s",
                           dynamo_link_where(l), status[0] ? status : "missing");
    }
}

static enum err_code ttl_is_on(struct dynamo_link *l, bool *ret_on, struct err *e)
{
    AUTO(json) json_t *body = dynamo_body(l);
    AUTO(json) json_t *answer = NULL;
    const char *status;

    TRY(dynamo_ask(l, "DescribeTimeToLive", body, dynamo_link_end(l), &answer, e));
    status = json_string_value(
        json_object_get(json_object_get(answer, "TimeToLiveDescription"), "TimeToLiveStatus"));
    *ret_on = status && strncmp(status, "ENABL", 5) == 0; /* or it is being enabled */
    return ERR_OK;
}

/* Items whose attribute "ttl" has passed go by themselves, which costs nothing. It only cleans. Who
 * is told that it is on already was not the first. */
static enum err_code enable_ttl(struct dynamo_link *l, struct err *e)
{
    AUTO(json) json_t *body = dynamo_body(l);
    AUTO(json) json_t *answer = NULL;
    enum err_code code;
    bool on;

    TRY(ttl_is_on(l, &on, e));
    if (on)
        return ERR_OK;
    json_object_set_new(body, "TimeToLiveSpecification",
                        json_pack("{s:b, s:s}", "Enabled", 1, "AttributeName", "ttl"));
    code = dynamo_ask(l, "UpdateTimeToLive", body, dynamo_link_end(l), &answer, e);
    if (code == ERR_INTERNAL && ttl_is_on(l, &on, ERR_IGNORED) == ERR_OK && on)
        return ERR_OK;
    return code;
}

static enum err_code write_layout(struct dynamo_link *l, const struct dynamo_key *key,
                                  struct err *e)
{
    AUTO(json)
    json_t *requests = json_pack("[{s:{s:{s:{s:s}, s:{s:s}, s:o}}}]", "PutRequest", "Item", "pk",
                                 "S", key->pk, "sk", "S", key->sk, "version", item_number(LAYOUT));

    return dynamo_write_many(l, requests, dynamo_link_end(l), e);
}

/* ---- from layout 1 */

#define LOOK 5000

static enum err_code lead_to(struct dynamo_link *l, bool manifest, const json_t *items,
                             struct err *e)
{
    AUTO(json) json_t *requests = json_array();
    const json_t *item;
    size_t i;

    json_array_foreach(items, i, item)
    {
        struct dynamo_key key =
            dynamo_key_held(item_get_text(item, "repo"), manifest, item_get_text(item, "digest"));

        json_array_append_new(requests, json_pack("{s:{s:{s:{s:s}, s:{s:s}}}}", "PutRequest",
                                                  "Item", "pk", "S", key.pk, "sk", "S", key.sk));
    }
    return json_array_size(requests) > 0 ? dynamo_write_many(l, requests, dynamo_link_end(l), e)
                                         : ERR_OK;
}

/* A row for each blob and manifest, read from all of the table, once. What is gone when its row is
 * written does no harm. */
static enum err_code lead_to_all(struct dynamo_link *l, const char *kind, struct err *e)
{
    AUTO(json) json_t *last = NULL;

    do {
        AUTO(json) json_t *items = NULL;

        TRY(dynamo_scan(l, kind, LOOK, dynamo_link_end(l), &last, &items, e));
        TRY(lead_to(l, strcmp(kind, "M") == 0, items, e));
    } while (last);
    return ERR_OK;
}

static enum err_code check_layout(struct dynamo_link *l, struct err *e)
{
    struct dynamo_key key = {.pk = "table", .sk = "layout"};
    AUTO(json) json_t *item = NULL;
    int64_t layout;

    TRY(dynamo_get(l, &key, dynamo_link_end(l), &item, e));
    if (!item) {
        TRY(enable_ttl(l, e));
        return write_layout(l, &key, e);
    }
    layout = item_get_number(item, "version");
    if (layout == 1) {
        TRY(lead_to_all(l, "B", e));
        TRY(lead_to_all(l, "M", e));
        return write_layout(l, &key, e);
    }
    if (layout != LAYOUT)
        return err_set(e, ERR_CONFIG,
                       "the table %s has layout %lld, and this program knows only %d: it was "
                       "written by a newer one",
                       dynamo_link_where(l), (long long)layout, LAYOUT);
    return ERR_OK;
}

enum err_code dynamo_table_open(struct dynamo_link *l, struct err *e)
{
    enum err_code code;

    TRY(wait_until_active(l, e));
    code = check_layout(l, e);
    if (code == ERR_INTERNAL)
        err_prefix(e, "the table %s is not one of a registry", dynamo_link_where(l));
    return code;
}
