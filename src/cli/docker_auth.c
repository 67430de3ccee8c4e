#include "cli/docker_auth.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define CONFIG_MAX (1u << 20)

/* NULL: it is not set, or empty. */
static const char *variable(char *const *environment, const char *name)
{
    size_t n = strlen(name);

    for (char *const *v = environment; v && *v; v++) {
        if (strncmp(*v, name, n) == 0 && (*v)[n] == '=')
            return (*v)[n + 1] ? *v + n + 1 : NULL;
    }
    return NULL;
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
    return str_ieq(host, server);
}

static enum err_code find_in(struct str text, struct str server, struct buf *ret_basic,
                             const char *where, struct err *e)
{
    AUTO(json) json_t *root = json_shallow(text) ? json_loadb(text.p, text.n, 0, NULL) : NULL;
    json_t *auths = json_object_get(root, "auths"), *value;
    const char *key;

    if (!root)
        return err_set(e, ERR_CONFIG, "%s is not JSON", where);
    json_object_foreach(auths, key, value)
    {
        const char *basic = json_string_value(json_object_get(value, "auth"));

        if (basic && is_of(str_of(key), server) && ret_basic->n == 0)
            buf_add_text(ret_basic, basic);
    }
    return ERR_OK;
}

enum err_code docker_auth_find(char *const *environment, struct str server, struct buf *ret_basic,
                               struct err *e)
{
    const char *text = variable(environment, "DOCKER_AUTH_CONFIG");
    const char *folder = variable(environment, "DOCKER_CONFIG");
    const char *home = variable(environment, "HOME");
    AUTO(buf) struct buf file = {0};
    AUTO(buf) struct buf path = {0};

    if (text)
        return find_in(str_of(text), server, ret_basic, "DOCKER_AUTH_CONFIG", e);
    if (!folder && !home)
        return ERR_OK;
    buf_init(&path, 4096);
    buf_addf(&path, "%s%s/config.json", folder ? folder : home, folder ? "" : "/.docker");
    if (access(buf_text(&path), F_OK) < 0)
        return ERR_OK;
    buf_init(&file, CONFIG_MAX);
    TRY(file_read_at(AT_FDCWD, buf_text(&path), &file, e));
    return find_in(buf_str(&file), server, ret_basic, buf_text(&path), e);
}
