/* What the sources share. */
#include "net/aws_source.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <fcntl.h>

#define FILE_MAX (1 << 20)

const char *aws_variable(const struct aws_credentials_options *o, const char *name)
{
    size_t n = strlen(name);

    for (char *const *v = o->environment; v && *v; v++) {
        if (strncmp(*v, name, n) == 0 && (*v)[n] == '=')
            return (*v)[n + 1] ? *v + n + 1 : NULL;
    }
    return NULL;
}

/* A key goes into headers, as it is. */
static bool copy_word(const char *text, char dst[static AWS_KEY_MAX])
{
    size_t n = strlen(text);

    for (size_t i = 0; i < n; i++) {
        if (text[i] <= ' ' || text[i] >= 0x7f)
            return false;
    }
    return n > 0 && str_copy((struct str){text, n}, dst, AWS_KEY_MAX);
}

enum err_code aws_key_make(const char *access_key, const char *secret_key,
                           const char *session_token, struct aws_key *ret_key, struct err *e)
{
    struct aws_key key = {0};
    size_t n = session_token ? strlen(session_token) : 0;

    if (!copy_word(access_key, key.access))
        return err_set(e, ERR_CONFIG, "the access key is none");
    if (!copy_word(secret_key, key.secret))
        return err_set(e, ERR_CONFIG, "the secret of the access key is none");
    if (n > AWS_TOKEN_MAX || (n > 0 && !str_is_text((struct str){session_token, n})))
        return err_set(e, ERR_CONFIG, "the session token is none");
    buf_init(&key.token, AWS_TOKEN_MAX);
    buf_add(&key.token, session_token, n);
    *ret_key = key;
    return ERR_OK;
}

enum err_code aws_file_read(const char *path, struct buf *ret_text, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};
    size_t from = 0, to;

    buf_init(&bytes, FILE_MAX);
    if (file_read_at(AT_FDCWD, path, &bytes, e) != ERR_OK) {
        e->code = ERR_CONFIG;
        return ERR_CONFIG;
    }
    to = bytes.n;
    while (to > 0 && strchr(" \t\r\n", bytes.p[to - 1]))
        to--;
    while (from < to && strchr(" \t\r\n", bytes.p[from]))
        from++;
    if (from == to)
        return err_set(e, ERR_CONFIG, "'%.200s' is empty", path);
    if (memchr(bytes.p, '\0', bytes.n))
        return err_set(e, ERR_CONFIG, "'%.200s' holds no text", path);
    buf_init(ret_text, FILE_MAX);
    buf_add(ret_text, bytes.p + from, to - from);
    return ERR_OK;
}
