/*
 * AWS Signature Version 4 ("Create a signed AWS API request"), in a header or in the query. It
 * only computes: any thread, nothing is sent.
 */
#pragma once

#include "base/buf.h"

#include <stdint.h>

#define SIGV4_QUERY_MAX  32 /* parameters, those of the signature included */
#define SIGV4_EMPTY_BODY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* The value of x-amz-date. */
#define SIGV4_DATE_SIZE 17 /* "20260131T235959Z" and NUL */
void sigv4_date(int64_t time_ms, char dst[static SIGV4_DATE_SIZE]);

struct sigv4_key {
    const char *access_key, *secret_key;
    const char *session_token; /* of temporary credentials; NULL: none */
    const char *region, *service;
};

struct sigv4_field {
    struct str name, value;
};

struct sigv4_request {
    const char *method;
    struct str path;                 /* encoded, as it is sent; "/" at least */
    const struct sigv4_field *query; /* in any order, not encoded */
    size_t n_query;
    const struct sigv4_field *headers; /* to be signed: names small and in their order, values
                                          without blanks at their ends */
    size_t n_headers;
    const char *payload; /* SHA-256 of the body in hex, or "UNSIGNED-PAYLOAD" */
    int64_t time_ms;     /* wall clock */
};

/* The value of the Authorization header. Host and x-amz-date must be among the headers, and
 * x-amz-security-token when there is a session token. */
void sigv4_authorization(const struct sigv4_key *key, const struct sigv4_request *r,
                         struct buf *ret_value);

/* The whole query, encoded, with the signature; r->query holds what the request itself asks. */
void sigv4_presign(const struct sigv4_key *key, const struct sigv4_request *r, unsigned expires_s,
                   struct buf *ret_query);
