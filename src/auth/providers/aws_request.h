/*
 * What a caller of AWS shows and what AWS says of them: foreign bytes, parsed once.
 *
 * The token is AWS_TOKEN_PREFIX and, in base64url, the URL of a presigned sts:GetCallerIdentity, as
 * aws-iam-authenticator of EKS makes it: the caller signs, the registry sends the request, AWS
 * checks the signature and answers whose it is. So the request must be that one and no other, go to
 * a server of the configuration, and be made for this registry (the header AWS_AUDIENCE is signed).
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"

#define AWS_TOKEN_PREFIX STR("cyberdock-aws-v1.")
#define AWS_AUDIENCE     "x-registry-id"
#define AWS_URL_MAX      6144 /* most of it is the session token of temporary credentials */
#define AWS_ARN_MAX      2048

/*
 * Puts the URL to ask into ret_url, made anew from the checked parameters: nothing of the token's
 * server, path or spelling is in it. *ret_until_ms is when the token ends, wall clock.
 * Error: UNAUTHORIZED, with what is wrong with the token told to the client.
 */
ERR_CHECKED enum err_code aws_request_parse(struct str token, const struct conf_aws *c,
                                            int64_t now_ms, struct buf *ret_url,
                                            int64_t *ret_until_ms, struct err *e);

struct aws_caller {
    char account[13];
    char arn[AWS_ARN_MAX]; /* of the role, when it is a session of one */
};

/* The answer to GetCallerIdentity as JSON. Error: UNAVAILABLE when it is something else. */
ERR_CHECKED enum err_code aws_caller_parse(struct str json, struct aws_caller *ret_caller,
                                           struct err *e);
