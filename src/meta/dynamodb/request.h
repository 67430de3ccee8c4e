/*
 * Requests to DynamoDB, or to what speaks its protocol: signed, sent over connections that stay
 * open, and tried again where that helps. Any thread; every call blocks.
 *
 * Errors everywhere: UNAVAILABLE: it can't be reached or says "later", for as long as
 * options.timeout_ms, or there is no such table; STORAGE_READONLY: the key may not do this;
 * INTERNAL: what is refused otherwise. All with the server's own words. No error holds a secret.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "meta/meta.h"

struct dynamo_link; /* to one table */

ERR_CHECKED enum err_code dynamo_link_new(const struct meta_dynamodb_options *o,
                                          struct dynamo_link **ret_link, struct err *e);
void dynamo_link_free(struct dynamo_link *l); /* accepts NULL */

const char *dynamo_link_table(const struct dynamo_link *l);
const char *dynamo_link_where(const struct dynamo_link *l); /* "TABLE at URL", for errors */
int64_t dynamo_link_end(const struct dynamo_link *l);       /* monotonic: now, and the time-out */

/* Requests that were sent since it was made. */
uint64_t dynamo_link_requests(const struct dynamo_link *l);

/*
 * Asks for an operation ("GetItem") with that body, which is only read; an answer that was lost is
 * asked for again with the same bytes. *ret_answer, an object, is the caller's; it is there too
 * with errors of the first two: PRECONDITION: a condition failed; CONFLICT: a transaction was
 * cancelled; NOT_FOUND: no such table; LATER: a table is being made or changed.
 */
ERR_CHECKED enum err_code dynamo_ask(struct dynamo_link *l, const char *operation,
                                     const json_t *body, int64_t end_ms, json_t **ret_answer,
                                     struct err *e);

/* Waits before the n-th try (from 0), up to a bound that grows from first_ms to most_ms; false when
 * there is no time for it. "Exponential Backoff And Jitter": the full one. */
bool dynamo_pause(struct dynamo_link *l, unsigned n, uint64_t first_ms, uint64_t most_ms,
                  int64_t end_ms);
