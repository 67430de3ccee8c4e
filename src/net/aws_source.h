/*
 * Where keys come from, for the files that find them: one file a source. Each is asked by one
 * thread at a time, which may wait on a server for some seconds.
 */
#pragma once

#include "net/aws_key.h"

/* Errors: NOT_FOUND: nothing is configured here, and the detail says what is missing; any other:
 * something is, and it failed. No error holds a secret. */
typedef enum err_code aws_source_ask(const struct aws_credentials_options *o,
                                     struct aws_key *ret_key, struct err *e);

struct aws_source {
    const char *name;
    aws_source_ask *ask;
};

aws_source_ask aws_source_configured, aws_source_environment, aws_source_profile,
    aws_source_web_identity, aws_source_container, aws_source_instance;

/* A variable of the environment; NULL: it is not set, or empty. */
const char *aws_variable(const struct aws_credentials_options *o, const char *name);

/* The key of these three; session_token may be NULL. Error: CONFIG for what is too long. */
ERR_CHECKED enum err_code aws_key_make(const char *access_key, const char *secret_key,
                                       const char *session_token, struct aws_key *ret_key,
                                       struct err *e);

/* What a small file holds, without blanks and line ends around it. Error: CONFIG. */
ERR_CHECKED enum err_code aws_file_read(const char *path, struct buf *ret_text, struct err *e);

/* The key in a JSON answer: of a container or an instance (AccessKeyId, SecretAccessKey, Token,
 * Expiration), or of the token service (the same below "Credentials"); or in XML, which is what
 * other token services than that of AWS answer, whatever is asked for. Error: UNAVAILABLE. */
ERR_CHECKED enum err_code aws_answer_read(struct str text, struct aws_key *ret_key, struct err *e);

/* What an answer says that is a refusal; "" for what it does not say. */
struct aws_refusal {
    char code[64], message[128];
};

void aws_answer_refusal(struct str text, struct aws_refusal *ret_refusal);
