/* The password of a role of AWS: a presigned request, made of the credentials in the environment
 * as the tools of AWS do it. Nothing is asked of anyone. */
#include "auth/providers/aws_request.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "net/sigv4.h"

#include <openssl/evp.h>
#include <stdlib.h>

#define EXPIRES_S 900 /* AWS looks no further back */

static const char *first(const char *a, const char *b)
{
    return a ? a : b;
}

/* Of the region that was asked for; without one the global endpoint, which signs as us-east-1. */
static void endpoint_of(const struct cli *cli, const struct cli_args *args, struct sigv4_key *key,
                        struct buf *ret_url)
{
    const char *given =
        first(cli_flag(args, "--endpoint"), cli_variable(cli->environment, "AWS_ENDPOINT_URL_STS"));
    const char *region = first(cli_flag(args, "--region"),
                               first(cli_variable(cli->environment, "AWS_REGION"),
                                     cli_variable(cli->environment, "AWS_DEFAULT_REGION")));

    key->region = first(region, "us-east-1");
    if (given)
        buf_add_text(ret_url, given);
    else if (region)
        buf_addf(ret_url, "https://sts.%s.amazonaws.com", region);
    else
        buf_add_text(ret_url, "https://sts.amazonaws.com");
}

/* Base64url without padding; the caller frees. */
static char *encode(struct str text)
{
    char *made = mem_alloc(text.n / 3 * 4 + 5);
    int n = EVP_EncodeBlock((unsigned char *)made, (const unsigned char *)text.p, (int)text.n);

    while (n > 0 && made[n - 1] == '=')
        made[--n] = '\0';
    for (int i = 0; i < n; i++) {
        if (made[i] == '+')
            made[i] = '-';
        if (made[i] == '/')
            made[i] = '_';
    }
    return made;
}

static void print_token(struct cli *cli, const struct sigv4_key *key, const char *audience,
                        struct buf *url)
{
    static const struct sigv4_field query[] = {{STR("Action"), STR("GetCallerIdentity")},
                                               {STR("Version"), STR("2011-06-15")}};
    const char *host = strstr(buf_text(url), "://") + 3;
    const struct sigv4_field headers[] = {{STR("host"), str_of(host)},
                                          {STR(AWS_AUDIENCE), str_of(audience)}};
    const struct sigv4_request request = {
        .method = "GET",
        .path = STR("/"),
        .query = query,
        .n_query = 2,
        .headers = headers,
        .n_headers = 2,
        .payload = SIGV4_EMPTY_BODY,
        .time_ms = clock_wall_ms(),
    };
    AUTO(buf) struct buf signed_query = {0};
    AUTO(mem) char *token = NULL;

    buf_init(&signed_query, AWS_URL_MAX);
    sigv4_presign(key, &request, EXPIRES_S, &signed_query);
    buf_add_text(url, "/?");
    buf_add_str(url, buf_str(&signed_query));
    token = encode(buf_str(url));
    fprintf(cli->out, STR_FMT "%s\n", STR_ARG(AWS_TOKEN_PREFIX), token);
}

int cli_token_aws(struct cli *cli, const struct cli_args *args)
{
    const char *audience = cli_flag(args, "--audience");
    struct sigv4_key key = {
        .access_key = cli_variable(cli->environment, "AWS_ACCESS_KEY_ID"),
        .secret_key = cli_variable(cli->environment, "AWS_SECRET_ACCESS_KEY"),
        .session_token = cli_variable(cli->environment, "AWS_SESSION_TOKEN"),
        .service = "sts",
    };
    AUTO(buf) struct buf url = {0};

    buf_init(&url, AWS_URL_MAX);
    endpoint_of(cli, args, &key, &url);
    if (!audience || !*audience) {
        fputs("registry: --audience NAME is missing: what auth.aws.audience of the registry says\n",
              cli->err);
        return CLI_USAGE;
    }
    if (!strstr(buf_text(&url), "://")) {
        fprintf(cli->err, "registry: '%s' is no URL of a token service\n", buf_text(&url));
        return CLI_USAGE;
    }
    if (!key.access_key || !key.secret_key) {
        fputs("registry: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set; "
              "`aws configure export-credentials --format env` prints them\n",
              cli->err);
        return CLI_FAILED;
    }
    print_token(cli, &key, audience, &url);
    return CLI_OK;
}
