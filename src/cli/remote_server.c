#include "cli/remote_server.h"

#include "base/json.h"
#include "base/mem.h"
#include "cli/docker_auth.h"
#include "cli/password_prompt.h"
#include "conf/url.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define URL_MAX           1024
#define AUTHORIZATION_MAX 4096
#define USER_MAX          256

static void add_base64(struct buf *b, struct str text)
{
    AUTO(mem) char *made = mem_alloc(text.n / 3 * 4 + 5);

    EVP_EncodeBlock((unsigned char *)made, (const unsigned char *)text.p, (int)text.n);
    buf_add_text(b, made);
    OPENSSL_cleanse(made, strlen(made));
}

static enum err_code ask_password(struct cli *cli, const struct cli_args *args, const char *user,
                                  struct buf *ret_basic, struct err *e)
{
    char password[CLI_PASSWORD_SIZE], both[USER_MAX + CLI_PASSWORD_SIZE];
    int n;

    if (strlen(user) >= USER_MAX || strchr(user, ':'))
        return err_set(e, ERR_CONFIG, "'%.64s' is no name of a user", user);
    if (!cli_password_read(cli, cli_flag(args, "--password-stdin") != NULL, password))
        return err_set(e, ERR_CONFIG, "without a password nobody signs in");
    n = snprintf(both, sizeof(both), "%s:%s", user, password);
    add_base64(ret_basic, (struct str){both, (size_t)n});
    OPENSSL_cleanse(password, sizeof(password));
    OPENSSL_cleanse(both, sizeof(both));
    return ERR_OK;
}

/* HOST[:PORT] of a URL. */
static struct str server_of(struct str url)
{
    struct str rest = url, server;

    str_cut(&rest, '/', &server);
    str_cut(&rest, '/', &server);
    str_cut(&rest, '/', &server);
    return server;
}

static enum err_code sign_in(struct cli *cli, const struct cli_args *args,
                             const struct conf_url *where, struct remote_server *s, struct err *e)
{
    const char *user = cli_flag(args, "--user");
    AUTO(buf) struct buf basic = {0};

    buf_init(&basic, AUTHORIZATION_MAX - 64);
    if (user)
        TRY(ask_password(cli, args, user, &basic, e));
    else
        TRY(docker_auth_find(cli->environment, server_of(buf_str(&s->url)), &basic, e));
    if (basic.n == 0)
        return ERR_OK;
    if (!where->loopback && str_eq(where->scheme, STR("http")))
        return err_set(e, ERR_CONFIG, "a password goes to another machine over https alone");
    buf_addf(&s->authorization, "Authorization: Basic " STR_FMT, STR_ARG(buf_str(&basic)));
    OPENSSL_cleanse(basic.p, basic.n);
    return ERR_OK;
}

enum err_code remote_server_open(struct cli *cli, const struct cli_args *args, const char *url,
                                 struct remote_server *ret, struct err *e)
{
    const char *given = cli_flag(args, "--url");
    struct client_options options = {.ca_file = cli_flag(args, "--ca-file")};
    struct str text = str_of(given ? given : url);
    struct conf_url where;

    *ret = (struct remote_server){0};
    buf_init(&ret->url, URL_MAX);
    buf_init(&ret->authorization, AUTHORIZATION_MAX);
    while (str_ends(text, STR("/")))
        text.n--;
    if (text.n >= URL_MAX || !conf_url_parse(text, &where) ||
        (!str_eq(where.scheme, STR("http")) && !str_eq(where.scheme, STR("https"))))
        return err_set(e, ERR_CONFIG, "'" STR_FMT "' is not http://HOST:PORT or https://HOST:PORT",
                       (int)(text.n < 128 ? text.n : 128), text.p);
    buf_add_str(&ret->url, text);
    TRY(sign_in(cli, args, &where, ret, e));
    return client_new(&options, &ret->client, e);
}

void remote_server_done(struct remote_server *s)
{
    client_free(s->client);
    if (s->authorization.p)
        OPENSSL_cleanse(s->authorization.p, s->authorization.n);
    buf_done(&s->authorization);
    buf_done(&s->url);
}

enum err_code remote_server_refused(int status, struct str body, struct err *e)
{
    AUTO(json) json_t *root = json_shallow(body) ? json_loadb(body.p, body.n, 0, NULL) : NULL;
    json_t *first = json_array_get(json_object_get(root, "errors"), 0);
    const char *message = json_string_value(json_object_get(first, "message"));
    enum err_code code = status == 429 || status >= 500 ? ERR_UNAVAILABLE : ERR_REQUEST_INVALID;

    if (status == 401)
        return err_set(e, ERR_UNAUTHORIZED, "the server wants a user: --user, or `docker login`");
    return err_set(e, code, "the server answers %d%s%.300s", status, message ? ": " : "",
                   message ? message : "");
}
