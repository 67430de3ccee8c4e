/*
 * A table of this program's own in DynamoDB, or in what speaks its protocol, for the meta suite.
 * The environment names it: REGISTRY_TEST_DYNAMODB_URL, REGISTRY_TEST_DYNAMODB_ACCESS_KEY.
 * scripts/run_tests.py starts one; `scripts/services env dynamodb` prints them of one that runs.
 */
#pragma once

#include "meta/meta.h"

#define DYNAMO_TABLE_AUDIT_LOOK 400 /* options.audit_look: writing more takes long there */

/* Names a table. The program ends with DATABASE_NO_SERVER (database.h) when the environment names
 * no server. */
void dynamo_table_make(void);

/* Takes it away, with all that is in it. */
void dynamo_table_clear(void);

/* Opens it; endpoint NULL: where it is. */
enum err_code dynamo_table_use(const char *endpoint, uint64_t timeout_ms, struct meta **ret_meta,
                               struct err *e);
const char *dynamo_table_endpoint(void);
