#include "cli/remote_server.h"

#include "base/host.h"
#include "base/json.h"
#include "base/name.h"
#include "cli/password_prompt.h"
#include "conf/url.h"

#include <openssl/crypto.h>

#define URL_MAX           1024
#define AUTHORIZATION_MAX (DOCKER_AUTH_MAX + 64)
#define USER_MAX          256
#define DEFAULT_URL       "http://127.0.0.1:5000"
#define STALL_MS          120000 /* some servers look at all of a blob before they answer */

static enum err_code ask_password(struct cli *cli, const struct cli_args *args, const char *user,
                                  struct docker_auth *a, struct err *e)
{
    char password[CLI_PASSWORD_SIZE];

    if (strlen(user) >= USER_MAX || strchr(user, ':'))
        return err_set(e, ERR_CONFIG, "'%.64s' is no name of a user", user);
    if (!cli_password_read(cli, cli_flag(args, "--password-stdin") != NULL, password))
        return err_set(e, ERR_CONFIG, "without a password nobody signs in");
    docker_auth_set(a, str_of(user), str_of(password));
    OPENSSL_cleanse(password, sizeof(password));
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

    if (user)
        TRY(ask_password(cli, args, user, &s->auth, e));
    else
        TRY(docker_auth_find(cli->environment, server_of(buf_str(&s->url)), &s->auth, e));
    if (s->auth.basic.n == 0 && s->auth.identity_token.n == 0)
        return ERR_OK;
    if (!where->loopback && str_eq(where->scheme, STR("http")))
        return err_set(e, ERR_CONFIG, "a password goes to another machine over https alone");
    if (s->auth.basic.n > 0)
        buf_addf(&s->authorization, "Authorization: Basic " STR_FMT,
                 STR_ARG(buf_str(&s->auth.basic)));
    return ERR_OK;
}

void remote_server_split(const struct cli_args *args, struct str *image, struct buf *ret_url)
{
    struct str rest = *image, host, port, name;

    if (cli_flag(args, "--url") || !str_cut(&rest, '/', &host) ||
        !(memchr(host.p, '.', host.n) || memchr(host.p, ':', host.n) ||
          str_eq(host, STR("localhost")))) {
        buf_add_text(ret_url, DEFAULT_URL);
        return;
    }
    *image = rest;
    if (str_eq(host, STR("docker.io")))
        host = STR("registry-1.docker.io");
    port = host;
    str_cut(&port, ':', &name);
    buf_addf(ret_url, "%s://" STR_FMT, host_is_loopback(name) ? "http" : "https", STR_ARG(host));
}

enum err_code remote_server_open(struct cli *cli, const struct cli_args *args, const char *url,
                                 struct remote_server *ret, struct err *e)
{
    const char *given = cli_flag(args, "--url");
    struct client_options options = {.ca_file = cli_flag(args, "--ca-file"), .stall_ms = STALL_MS};
    struct str text = str_of(given ? given : url);
    struct conf_url where;

    *ret = (struct remote_server){.ca_file = options.ca_file};
    docker_auth_init(&ret->auth);
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
    docker_auth_done(&s->auth);
}

enum err_code remote_server_add_manifest(struct buf *url, const char *image, struct err *e)
{
    const char *at = strchr(image, '@'), *slash = strrchr(image, '/');
    const char *colon = at ? at : strrchr(slash ? slash : image, ':');
    struct str name = {image, colon ? (size_t)(colon - image) : strlen(image)};
    struct repo_name repo;

    if (repo_name_parse(name, &repo, e) != ERR_OK)
        return err_set(e, ERR_CONFIG, "'%.200s' is no image; write NAME:TAG or NAME@DIGEST", image);
    buf_addf(url, "/v2/%s/manifests/", repo.text);
    buf_add_percent(url, colon ? str_of(colon + 1) : STR("latest"));
    return ERR_OK;
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

enum err_code remote_server_read(struct client_stream *s, char *dst, size_t cap, size_t *ret_n,
                                 struct err *e)
{
    enum err_code code;

    while ((code = client_stream_read(s, dst, cap, ret_n, e)) == ERR_LATER)
        client_stream_wait(s);
    return code;
}
