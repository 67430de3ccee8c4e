/* "AWS access keys": AWS_ACCESS_KEY_ID and its like. */
#include "net/aws_source.h"

enum err_code aws_source_environment(const struct aws_credentials_options *o,
                                     struct aws_key *ret_key, struct err *e)
{
    const char *access = aws_variable(o, "AWS_ACCESS_KEY_ID");
    const char *secret = aws_variable(o, "AWS_SECRET_ACCESS_KEY");

    if (!access && !secret)
        return err_set(e, ERR_NOT_FOUND, "no AWS_ACCESS_KEY_ID");
    if (!access || !secret)
        return err_set(e, ERR_CONFIG, "%s is not set, which goes with %s",
                       access ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID",
                       access ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY");
    return aws_key_make(access, secret, aws_variable(o, "AWS_SESSION_TOKEN"), ret_key, e);
}
