/* "IMDS credential provider": the role of an EC2 instance, by version 2 of its metadata. */
#include "base/cleanup.h"
#include "net/aws_source.h"
#include "net/fetch.h"

#include <stdio.h>

#define IPV4       "http://169.254.169.254"
#define IPV6       "http://[fd00:ec2::254]"
#define ROLES      "/latest/meta-data/iam/security-credentials/"
#define ANSWER_MAX (1 << 16)
#define TIMEOUT_MS 1000 /* the instance itself answers */

struct instance {
    const char *endpoint;
    bool link_local;
    char token[1024]; /* a header */
};

/* One request; a body of text goes to *ret_body. */
static enum err_code ask(const struct instance *i, const char *path, const char *more, bool put,
                         struct buf *ret_body, int *ret_status, struct err *e)
{
    AUTO(buf) struct buf url = {0};
    const char *headers[] = {put ? "X-aws-ec2-metadata-token-ttl-seconds: 300" : i->token, NULL};
    struct fetch f = {
        .headers = headers, .put = put, .link_local = i->link_local, .timeout_ms = TIMEOUT_MS};

    buf_init(&url, 4096);
    buf_init(ret_body, ANSWER_MAX);
    buf_addf(&url, "%s%s%s", i->endpoint, path, more);
    f.url = buf_text(&url);
    return fetch_run(&f, ret_status, ret_body, e);
}

/* Outside of AWS nobody answers, which is no failure. */
static enum err_code take_token(struct instance *i, struct err *e)
{
    AUTO(buf) struct buf body = {0};
    int status;

    if (ask(i, "/latest/api/token", "", true, &body, &status, e) != ERR_OK)
        return err_set(e, ERR_NOT_FOUND, "nobody answers at %.60s", i->endpoint);
    if (status != 200 || body.n == 0 || body.n > 900 || !str_is_text(buf_str(&body)))
        return err_set(e, ERR_NOT_FOUND, "no token of %.60s (%d)", i->endpoint, status);
    snprintf(i->token, sizeof(i->token), "X-aws-ec2-metadata-token: %s", buf_text(&body));
    return ERR_OK;
}

/* The answer to the first request is the name of the role, which is asked for by the second. */
static enum err_code take_role(const struct instance *i, struct buf *ret_role, struct err *e)
{
    int status;
    struct str rest, line;

    TRY(ask(i, ROLES, "", false, ret_role, &status, e));
    if (status == 404)
        return err_set(e, ERR_NOT_FOUND, "the instance has no role");
    if (status != 200)
        return err_set(e, ERR_UNAVAILABLE, "its metadata answers %d for its role", status);
    rest = buf_str(ret_role);
    str_cut(&rest, '\n', &line);
    line = str_trim(line);
    if (line.n == 0 || !str_is_text(line) || memchr(line.p, '/', line.n))
        return err_set(e, ERR_UNAVAILABLE, "the name of its role is none");
    ret_role->n = line.n;
    return ERR_OK;
}

static bool is_on(const char *text)
{
    return text && str_ieq(str_of(text), STR("true"));
}

enum err_code aws_source_instance(const struct aws_credentials_options *o, struct aws_key *ret_key,
                                  struct err *e)
{
    const char *given = aws_variable(o, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = aws_variable(o, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    struct instance i = {.endpoint = given, .link_local = !given};
    AUTO(buf) struct buf role = {0}, body = {0};
    char trimmed[256];
    int status;

    if (is_on(aws_variable(o, "AWS_EC2_METADATA_DISABLED")))
        return err_set(e, ERR_NOT_FOUND, "AWS_EC2_METADATA_DISABLED");
    if (given) {
        snprintf(trimmed, sizeof(trimmed), "%s", given);
        while (*trimmed && trimmed[strlen(trimmed) - 1] == '/')
            trimmed[strlen(trimmed) - 1] = '\0';
        i.endpoint = trimmed;
    } else {
        i.endpoint = mode && str_ieq(str_of(mode), STR("IPv6")) ? IPV6 : IPV4;
    }
    TRY(take_token(&i, e));
    TRY(take_role(&i, &role, e));
    TRY(ask(&i, ROLES, buf_text(&role), false, &body, &status, e));
    if (status != 200)
        return err_set(e, ERR_UNAVAILABLE, "its metadata answers %d for its key", status);
    return aws_answer_read(buf_str(&body), ret_key, e);
}
