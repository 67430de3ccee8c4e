/*
 * The key that requests to AWS, and to servers that speak its protocols, are signed with: found as
 * the tools of AWS find it ("Standardized credential providers"), kept, and renewed before it
 * expires.
 *
 * Asked in this order, the first that has one: the configuration; the environment; the profile of
 * the shared files, with the role it assumes; web identity; the container's endpoint; the metadata
 * of the instance. A source that is configured and fails ends the search: whoever configured it
 * means that one.
 */
#pragma once

#include "net/aws_key.h"

struct aws_credentials;

/* Asks nobody yet. The options are copied, but for the environment, which stays the caller's and
 * unchanged for as long as the credentials live. */
struct aws_credentials *aws_credentials_new(const struct aws_credentials_options *o);
void aws_credentials_free(struct aws_credentials *c); /* accepts NULL; nobody is in a call */

/* A copy of the key that holds now, the caller's. Any thread; waits for a source when there is no
 * key. Error: UNAVAILABLE, with the sources that were asked and why each has nothing. */
ERR_CHECKED enum err_code aws_credentials_get(struct aws_credentials *c, struct aws_key *ret_key,
                                              struct err *e);

/* The same for who can't wait: UNAVAILABLE when there is no key, which is asked for then. */
ERR_CHECKED enum err_code aws_credentials_get_now(struct aws_credentials *c,
                                                  struct aws_key *ret_key, struct err *e);

/* A server has refused this key: the next aws_credentials_get() asks the sources anew, unless they
 * had nothing better when they were asked for the same reason within the last minute. */
void aws_credentials_refused(struct aws_credentials *c, const struct aws_key *key);
