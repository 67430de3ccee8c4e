/* "Assume role with web identity": as Kubernetes gives service accounts of EKS a role. */
#include "net/aws_source.h"
#include "net/aws_sts.h"

enum err_code aws_source_web_identity(const struct aws_credentials_options *o,
                                      struct aws_key *ret_key, struct err *e)
{
    const char *file = aws_variable(o, "AWS_WEB_IDENTITY_TOKEN_FILE");
    struct aws_role role = {
        .arn = aws_variable(o, "AWS_ROLE_ARN"),
        .session = aws_variable(o, "AWS_ROLE_SESSION_NAME"),
    };

    if (!file)
        return err_set(e, ERR_NOT_FOUND, "no AWS_WEB_IDENTITY_TOKEN_FILE");
    if (!role.arn)
        return err_set(e, ERR_CONFIG,
                       "AWS_ROLE_ARN is not set, which goes with AWS_WEB_IDENTITY_TOKEN_FILE");
    return aws_sts_assume_with_token(o, &role, file, ret_key, e);
}
