/* Roles, asked for at the token service of AWS ("AWS STS API Reference"), or at one like it. */
#pragma once

#include "net/aws_key.h"

struct aws_role {
    const char *arn;
    const char *session;      /* its name; NULL: "registry" */
    const char *external_id;  /* NULL: none */
    const char *duration_s;   /* in digits; NULL: as the service has it */
    const char *endpoint_url; /* of the service, unless the environment says one; NULL: AWS's own */
};

/* Assumes the role with a key. Errors: UNAVAILABLE; CONFIG, or DENIED, when it is refused. */
ERR_CHECKED enum err_code aws_sts_assume(const struct aws_credentials_options *o,
                                         const struct aws_role *role, const struct aws_key *with,
                                         struct aws_key *ret_key, struct err *e);

/* Assumes it with the token of an OpenID provider that the file holds. The same errors. */
ERR_CHECKED enum err_code aws_sts_assume_with_token(const struct aws_credentials_options *o,
                                                    const struct aws_role *role,
                                                    const char *token_file, struct aws_key *ret_key,
                                                    struct err *e);
