#include "cli/docker_auth.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/credential_helper.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#define CONFIG_MAX (1u << 20)

/* What `docker login` calls its hub, and where that is. */
#define HUB_KEY  "https://index.docker.io/v1/"
#define HUB_NAME "index.docker.io"
#define HUB_HOST "registry-1.docker.io"

void docker_auth_init(struct docker_auth *a)
{
    buf_init(&a->basic, DOCKER_AUTH_MAX);
    buf_init(&a->identity_token, DOCKER_AUTH_MAX);
}

static void wipe(struct buf *b)
{
    if (b->p)
        OPENSSL_cleanse(b->p, b->cap);
    buf_done(b);
}

void docker_auth_done(struct docker_auth *a)
{
    wipe(&a->basic);
    wipe(&a->identity_token);
}

void docker_auth_set(struct docker_auth *a, struct str user, struct str password)
{
    size_t n = user.n + 1 + password.n;
    AUTO(mem) char *both = mem_alloc(n + 1);
    AUTO(mem) char *made = mem_alloc(n / 3 * 4 + 5);

    memcpy(both, user.p, user.n);
    both[user.n] = ':';
    memcpy(both + user.n + 1, password.p, password.n);
    EVP_EncodeBlock((unsigned char *)made, (const unsigned char *)both, (int)n);
    buf_clear(&a->basic);
    buf_add_text(&a->basic, made);
    OPENSSL_cleanse(both, n);
    OPENSSL_cleanse(made, strlen(made));
}

/* "https://HOST:PORT/v1/" as Docker wrote them once, or HOST:PORT. */
static bool is_of(struct str key, struct str server)
{
    struct str host;

    if (str_starts(key, STR("https://")))
        key = str_sub(key, 8, key.n - 8);
    else if (str_starts(key, STR("http://")))
        key = str_sub(key, 7, key.n - 7);
    str_cut(&key, '/', &host);
    if (str_eq(server, STR(HUB_HOST)) &&
        (str_eq(host, STR(HUB_NAME)) || str_eq(host, STR("docker.io"))))
        return true;
    return str_ieq(host, server);
}

/* Helpers are asked for the name that `docker login` gave them. */
static enum err_code ask(char *const *environment, const char *helper, struct str server,
                         struct docker_auth *a, struct err *e)
{
    struct str key = str_eq(server, STR(HUB_HOST)) ? STR(HUB_KEY) : server;
    AUTO(docker_auth) struct docker_auth found = {0}; /* user and secret, as they are */
    struct buf *user = &found.basic, *secret = &found.identity_token;

    docker_auth_init(&found);
    TRY(credential_helper_get(environment, str_of(helper), key, user, secret, e));
    if (secret->n == 0)
        return ERR_OK;
    /* Docker's "Credential helper protocol": this user says what the secret is. */
    if (str_eq(buf_str(user), STR("<token>")))
        buf_add_str(&a->identity_token, buf_str(secret));
    else
        docker_auth_set(a, buf_str(user), buf_str(secret));
    return ERR_OK;
}

static enum err_code ask_helpers(char *const *environment, const json_t *root, struct str server,
                                 struct docker_auth *a, struct err *e)
{
    const char *usual = json_string_value(json_object_get(root, "credsStore")), *key;
    json_t *helpers = json_object_get(root, "credHelpers"), *value;
    enum err_code code;

    json_object_foreach(helpers, key, value)
    {
        if (json_is_string(value) && is_of(str_of(key), server))
            return ask(environment, json_string_value(value), server, a, e);
    }
    if (!usual || !*usual)
        return ERR_OK;
    code = ask(environment, usual, server, a, e);
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

static void look_in(json_t *auths, struct str server, struct docker_auth *a)
{
    json_t *value;
    const char *key;

    json_object_foreach(auths, key, value)
    {
        const char *basic = json_string_value(json_object_get(value, "auth"));
        const char *token = json_string_value(json_object_get(value, "identitytoken"));

        if (!is_of(str_of(key), server) || a->basic.n > 0 || a->identity_token.n > 0)
            continue;
        if (basic)
            buf_add_text(&a->basic, basic);
        if (token)
            buf_add_text(&a->identity_token, token);
    }
}

static enum err_code find_in(char *const *environment, struct str text, struct str server,
                             struct docker_auth *a, const char *where, struct err *e)
{
    AUTO(json) json_t *root = json_shallow(text) ? json_loadb(text.p, text.n, 0, NULL) : NULL;

    if (!root)
        return err_set(e, ERR_CONFIG, "%s is not JSON", where);
    TRY(ask_helpers(environment, root, server, a, e));
    if (a->basic.n == 0 && a->identity_token.n == 0)
        look_in(json_object_get(root, "auths"), server, a);
    return ERR_OK;
}

enum err_code docker_auth_find(char *const *environment, struct str server, struct docker_auth *a,
                               struct err *e)
{
    const char *text = cli_variable(environment, "DOCKER_AUTH_CONFIG");
    const char *folder = cli_variable(environment, "DOCKER_CONFIG");
    const char *home = cli_variable(environment, "HOME");
    AUTO(buf) struct buf file = {0};
    AUTO(buf) struct buf path = {0};

    if (text)
        return find_in(environment, str_of(text), server, a, "DOCKER_AUTH_CONFIG", e);
    if (!folder && !home)
        return ERR_OK;
    buf_init(&path, 4096);
    buf_addf(&path, "%s%s/config.json", folder ? folder : home, folder ? "" : "/.docker");
    if (access(buf_text(&path), F_OK) < 0)
        return ERR_OK;
    buf_init(&file, CONFIG_MAX);
    TRY(file_read_at(AT_FDCWD, buf_text(&path), &file, e));
    return find_in(environment, buf_str(&file), server, a, buf_text(&path), e);
}
