#include "store/s3/s3.h"

#include "base/cleanup.h"

enum err_code s3_bucket_look(struct s3_client *c, struct err *e)
{
    struct s3_request r = {.method = "HEAD"};
    struct s3_answer a = {0};
    enum err_code code = s3_do(c, &r, &a, e);

    if (code == ERR_NOT_FOUND)
        return err_set(e, code, "there is no bucket '%s'", s3_client_options(c)->bucket);
    return code;
}

/* Where "us-east-1" is meant no place is named. */
static enum err_code create(struct s3_client *c, struct err *e)
{
    const char *region = s3_client_options(c)->region;
    struct s3_request r = {.method = "PUT", .body = STR("")};
    AUTO(buf) struct buf body = {0};
    struct s3_answer a = {0};
    enum err_code code;

    buf_init(&body, 1024);
    if (strcmp(region, "us-east-1") != 0) {
        buf_addf(&body,
                 "<CreateBucketConfiguration><LocationConstraint>%s</LocationConstraint>"
                 "</CreateBucketConfiguration>",
                 region);
        r.body = buf_str(&body);
    }
    code = s3_do(c, &r, &a, e);
    /* Somebody else was faster: another replica. */
    if (code != ERR_OK && strcmp(a.code, "BucketAlreadyOwnedByYou") == 0)
        return ERR_OK;
    return code;
}

enum err_code s3_bucket_make(struct s3_client *c, struct err *e)
{
    enum err_code code = s3_bucket_look(c, e);

    if (code != ERR_NOT_FOUND)
        return code;
    return create(c, e);
}
