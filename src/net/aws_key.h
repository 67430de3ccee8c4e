/* A key of AWS, and where one may be looked for. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

#define AWS_KEY_MAX   256
#define AWS_TOKEN_MAX (1 << 16)

struct aws_key {
    char access[AWS_KEY_MAX], secret[AWS_KEY_MAX];
    struct buf token;   /* of temporary credentials; empty: none */
    int64_t expires_ms; /* wall clock; 0: never */
};

void aws_key_done(struct aws_key *key);

/* *dst is overwritten, not freed before. */
void aws_key_copy(const struct aws_key *key, struct aws_key *ret_key);

static inline void auto_aws_key_(struct aws_key *key)
{
    aws_key_done(key);
}

/* What is not said is NULL or "". */
struct aws_credentials_options {
    const char *access_key, *access_key_file; /* at most one; with one, nobody else is asked */
    const char *secret_key, *secret_key_file;
    const char *session_token;
    const char *region;       /* of the token service, when the environment says none */
    const char *ca_file;      /* PEM, for a token service that is not AWS's own */
    char *const *environment; /* environ-style */
};
