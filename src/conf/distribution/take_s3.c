/* Content in S3: `storage.s3`, or `storage.s3aws`. */
#include "base/cleanup.h"
#include "conf/distribution/take.h"
#include "conf/value.h"

#include <stdio.h>

const char *take_s3_kind(const struct taking *t)
{
    static const char *const kinds[] = {"s3", "s3aws"};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char path[32];

        snprintf(path, sizeof(path), "storage.%s", kinds[i]);
        if (flat_has(t->flat, path))
            return kinds[i];
    }
    return NULL;
}

/* The value of another key of the driver; "" when there is none. */
static const char *beside(const struct taking *t, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "storage.%s.%s", take_s3_kind(t), name);
    return flat_value(t->flat, path);
}

enum err_code take_bucket(struct taking *t, const struct distribution_row *row,
                          const struct flat_entry *entry, struct err *e)
{
    if (!t->source->elsewhere)
        take_warn(
            t, entry,
            "images that the reference registry left in the bucket, below docker/registry/v2, "
            "are not served from there; 'registry import-distribution FILE --config FILE', with "
            "this file as both, takes them over");
    TRY(take_set(t, "storage.backend", entry, NULL, STR("s3"), e));
    return take_set(t, row->to, entry, NULL, str_of(entry->value), e);
}

/* A key never begins with a slash there, either. */
enum err_code take_s3_root(struct taking *t, const struct distribution_row *row,
                           const struct flat_entry *entry, struct err *e)
{
    const char *root = entry->value + strspn(entry->value, "/");

    return take_set(t, row->to, entry, row->note, str_of(root), e);
}

static bool is_secure(const struct taking *t)
{
    const char *secure = beside(t, "secure");

    return !*secure || take_is_true(secure);
}

enum err_code take_endpoint(struct taking *t, const struct distribution_row *row,
                            const struct flat_entry *entry, struct err *e)
{
    AUTO(buf) struct buf url = {0};

    buf_init(&url, 4096);
    if (!strstr(entry->value, "://"))
        buf_add_text(&url, is_secure(t) ? "https://" : "http://");
    buf_add_text(&url, entry->value);
    return take_set(t, row->to, entry, row->note, buf_str(&url), e);
}

enum err_code take_secure(struct taking *t, const struct distribution_row *row,
                          const struct flat_entry *entry, struct err *e)
{
    (void)e;
    if (!is_secure(t) && !*beside(t, "regionendpoint"))
        take_warn(t, entry, row->note);
    return ERR_OK;
}

enum err_code take_encrypt(struct taking *t, const struct distribution_row *row,
                           const struct flat_entry *entry, struct err *e)
{
    bool kms = *beside(t, "keyid");

    if (!take_is_true(entry->value))
        return ERR_OK;
    return take_set(t, row->to, entry, row->note, kms ? STR("kms") : STR("s3"), e);
}

enum err_code take_key_id(struct taking *t, const struct distribution_row *row,
                          const struct flat_entry *entry, struct err *e)
{
    if (take_is_true(beside(t, "encrypt")))
        return take_set(t, row->to, entry, NULL, str_of(entry->value), e);
    take_warn(t, entry, "nothing is encrypted by it without 'encrypt: true', as there");
    return ERR_OK;
}

enum err_code take_storage_class(struct taking *t, const struct distribution_row *row,
                                 const struct flat_entry *entry, struct err *e)
{
    if (strcmp(entry->value, "NONE") == 0)
        return ERR_OK;
    return take_set(t, row->to, entry, row->note, str_of(entry->value), e);
}

/* A number of bytes; out of our range it is the nearest that we have. */
enum err_code take_chunk_size(struct taking *t, const struct distribution_row *row,
                              const struct flat_entry *entry, struct err *e)
{
    const struct conf_row *to = conf_row_find(str_of(row->to));
    AUTO(buf) struct buf text = {0};
    uint64_t bytes;

    if (!str_to_u64_up_to(str_of(entry->value), to->max, &bytes))
        return take_refuse(t, entry, "is no number of bytes", e);
    if (bytes < to->min)
        return take_refuse(t, entry, "is less than 5242880, which is the least that S3 takes", e);
    buf_init(&text, 64);
    conf_value_print_number(to, bytes, &text);
    return take_set(t, row->to, entry, row->note, buf_str(&text), e);
}

enum err_code take_redirect(struct taking *t, const struct distribution_row *row,
                            const struct flat_entry *entry, struct err *e)
{
    return take_s3_kind(t) ? take_switch_not(t, row, entry, e) : ERR_OK;
}

enum err_code take_settle_s3(struct taking *t, const struct flat_entry *version, struct err *e)
{
    char path[32];

    snprintf(path, sizeof(path), "storage.%s", take_s3_kind(t));
    if (!*beside(t, "bucket") || !*beside(t, "region"))
        return take_refuse(t, flat_first(t->flat, str_of(path)),
                           "its bucket and its region must be given", e);
    if (!*flat_value(t->flat, "storage.redirect.disable"))
        TRY(take_set(t, "storage.s3.redirect.enabled", version, "the default there", STR("true"),
                     e));
    return take_set(t, "storage.s3.redirect.min_size", version, "all that is pulled, there",
                    STR("0"), e);
}
