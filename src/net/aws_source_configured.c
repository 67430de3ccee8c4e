/* A key that stands in the configuration, or in files that it names. */
#include "net/aws_source.h"

static bool is_given(const char *text)
{
    return text && *text;
}

/* The text, or what the file holds. */
static enum err_code value_of(const char *text, const char *file, struct buf *ret_value,
                              struct err *e)
{
    if (is_given(file))
        return aws_file_read(file, ret_value, e);
    if (!is_given(text))
        return err_set(e, ERR_CONFIG, "an access key and its secret go together");
    buf_init(ret_value, AWS_KEY_MAX);
    buf_add_text(ret_value, text);
    return ERR_OK;
}

enum err_code aws_source_configured(const struct aws_credentials_options *o,
                                    struct aws_key *ret_key, struct err *e)
{
    AUTO(buf) struct buf access = {0}, secret = {0};

    if (!is_given(o->access_key) && !is_given(o->access_key_file))
        return err_set(e, ERR_NOT_FOUND, "no access key");
    TRY(value_of(o->access_key, o->access_key_file, &access, e));
    TRY(value_of(o->secret_key, o->secret_key_file, &secret, e));
    return aws_key_make(buf_text(&access), buf_text(&secret), o->session_token, ret_key, e);
}
