/*
 * What a database of RDS takes for the password of a user who signs in by IAM ("IAM database
 * authentication"): a signed request to connect, good for beginning connections for 15 minutes.
 */
#pragma once

#include "net/sigv4.h"

/* The key's service means nothing here. Appends "HOST:PORT/?Action=connect&..."; it only computes.
 */
void rds_token(const struct sigv4_key *key, const char *host, const char *port, const char *user,
               int64_t time_ms, struct buf *ret_token);
