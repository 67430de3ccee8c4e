#include "dynamo_table.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/uuid.h"
#include "database.h"
#include "meta/dynamodb/request.h"
#include "net/aws_credentials.h"

#include <stdio.h>
#include <stdlib.h>

static char name[64];
static struct aws_credentials *credentials;

static const char *named(const char *variable)
{
    const char *value = getenv(variable);

    if (value && value[0])
        return value;
    fprintf(stderr, "%s is not set: no DynamoDB to use (see dynamo_table.h)\n", variable);
    exit(DATABASE_NO_SERVER);
}

static struct meta_dynamodb_options options(const char *endpoint, uint64_t timeout_ms)
{
    return (struct meta_dynamodb_options){.table = name,
                                          .region = "us-east-1",
                                          .endpoint = endpoint ? endpoint : dynamo_table_endpoint(),
                                          .credentials = credentials,
                                          .timeout_ms = timeout_ms,
                                          .audit_look = DYNAMO_TABLE_AUDIT_LOOK};
}

const char *dynamo_table_endpoint(void)
{
    return named("REGISTRY_TEST_DYNAMODB_URL");
}

static void done(void)
{
    aws_credentials_free(credentials);
}

void dynamo_table_make(void)
{
    static char *none[] = {NULL};
    const struct aws_credentials_options o = {
        .access_key = named("REGISTRY_TEST_DYNAMODB_ACCESS_KEY"),
        .secret_key = "any",
        .environment = none,
    };
    uint64_t number;

    random_bytes(&number, sizeof(number));
    snprintf(name, sizeof(name), "test_%016llx", (unsigned long long)number);
    dynamo_table_endpoint();
    credentials = aws_credentials_new(&o);
    atexit(done);
}

/* One that is not there is what is wanted. */
void dynamo_table_clear(void)
{
    struct meta_dynamodb_options o = options(NULL, 0);
    struct dynamo_link *link = NULL;
    AUTO(json) json_t *body = json_pack("{s:s}", "TableName", name);
    AUTO(json) json_t *answer = NULL;
    struct err e;
    enum err_code code = dynamo_link_new(&o, &link, &e);

    if (code == ERR_OK)
        code = dynamo_ask(link, "DeleteTable", body, dynamo_link_end(link), &answer, &e);
    if (code != ERR_OK && code != ERR_NOT_FOUND) {
        fprintf(stderr, "the table can't be deleted: %s\n", e.detail);
        abort();
    }
    dynamo_link_free(link);
}

enum err_code dynamo_table_use(const char *endpoint, uint64_t timeout_ms, struct meta **ret_meta,
                               struct err *e)
{
    const struct meta_dynamodb_options o = options(endpoint, timeout_ms);

    return meta_dynamodb_new(&o, ret_meta, e);
}
