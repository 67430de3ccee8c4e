/* "Container credential provider": of ECS, and of EKS Pod Identity. */
#include "base/cleanup.h"
#include "base/host.h"
#include "net/aws_source.h"
#include "net/fetch.h"

#define ECS        "http://169.254.170.2"
#define ANSWER_MAX (1 << 16)
#define TIMEOUT_MS 2000

/* The host of "http://HOST[:PORT]/PATH", without its brackets. */
static struct str host_of(const char *url)
{
    struct str rest = str_of(url), host;

    rest = str_sub(rest, strlen("http://"), rest.n - strlen("http://"));
    if (str_starts(rest, STR("["))) {
        rest = str_sub(rest, 1, rest.n - 1);
        str_cut(&rest, ']', &host);
        return host;
    }
    return str_sub(rest, 0, strcspn(rest.p, ":/?"));
}

/* The token goes to no other machine in the clear. */
static bool url_allowed(const char *url, bool *ret_link_local)
{
    static const struct str allowed[] = {STR("169.254.170.2"), STR("169.254.170.23"),
                                         STR("fd00:ec2::23")};
    bool known = false;

    *ret_link_local = false;
    if (str_starts(str_of(url), STR("https://")))
        return true;
    if (!str_starts(str_of(url), STR("http://")))
        return false;
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        known |= str_ieq(host_of(url), allowed[i]);
    *ret_link_local = known;
    return known || host_is_loopback(host_of(url));
}

/* The Authorization header, when there is a token. */
static enum err_code header_of(const struct aws_credentials_options *o, struct buf *ret_header,
                               struct err *e)
{
    const char *file = aws_variable(o, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *text = aws_variable(o, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    AUTO(buf) struct buf token = {0};

    if (file)
        TRY(aws_file_read(file, &token, e));
    text = file ? buf_text(&token) : text;
    if (!text)
        return ERR_OK;
    if (!str_is_text(str_of(text)))
        return err_set(e, ERR_CONFIG, "the authorization token is not one line of text");
    buf_addf(ret_header, "Authorization: %s", text);
    return ERR_OK;
}

enum err_code aws_source_container(const struct aws_credentials_options *o, struct aws_key *ret_key,
                                   struct err *e)
{
    const char *relative = aws_variable(o, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = aws_variable(o, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    AUTO(buf) struct buf url = {0}, header = {0}, body = {0};
    const char *headers[] = {NULL, NULL};
    struct fetch f = {.headers = headers, .timeout_ms = TIMEOUT_MS};
    int status;

    if (!relative && !full)
        return err_set(e, ERR_NOT_FOUND, "no AWS_CONTAINER_CREDENTIALS_FULL_URI");
    buf_init(&url, 4096);
    buf_init(&header, ANSWER_MAX);
    buf_init(&body, ANSWER_MAX);
    buf_addf(&url, "%s%s", relative ? ECS : "", relative ? relative : full);
    if (relative && relative[0] != '/')
        return err_set(e, ERR_CONFIG, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is no path");
    if (!url_allowed(buf_text(&url), &f.link_local))
        return err_set(e, ERR_CONFIG,
                       "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of "
                       "this machine, of ECS or of EKS");
    TRY(header_of(o, &header, e));
    f.url = buf_text(&url);
    headers[0] = header.n ? buf_text(&header) : NULL;
    TRY(fetch_run(&f, &status, &body, e));
    if (status != 200)
        return err_set(e, ERR_UNAVAILABLE, "the endpoint answers %d", status);
    return aws_answer_read(buf_str(&body), ret_key, e);
}
