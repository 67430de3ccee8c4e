#include "net/aws_key.h"

void aws_key_done(struct aws_key *key)
{
    explicit_bzero(key->secret, sizeof(key->secret));
    buf_done(&key->token);
}

void aws_key_copy(const struct aws_key *key, struct aws_key *ret_key)
{
    *ret_key = *key;
    buf_init(&ret_key->token, AWS_TOKEN_MAX);
    buf_add_str(&ret_key->token, buf_str(&key->token));
}
