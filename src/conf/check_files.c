#include "conf/check_files.h"

#include "base/cleanup.h"
#include "conf/field.h"
#include "conf/items.h"

#include <fcntl.h>
#include <sys/stat.h>

static enum err_code check_file(const struct conf_source *s, struct conf_key key, const char *path,
                                struct err *e)
{
    AUTO(fd) int fd = -1;
    struct stat st;

    if (!*path)
        return ERR_OK;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        err_set(e, ERR_CONFIG, "'%.200s' can't be read: %m", path);
    } else if (S_ISDIR(st.st_mode)) {
        err_set(e, ERR_CONFIG, "'%.200s' is a directory, not a file", path);
    } else {
        return ERR_OK;
    }
    return conf_place(s, key, e);
}

/* A path, or a list of them. */
static enum err_code check_value(const struct conf_source *s, struct conf_key key,
                                 const struct conf_row *row, const void *field, struct err *e)
{
    const struct conf_strings *list = field;

    if (!(row->flags & CONF_READ))
        return ERR_OK;
    if (row->type != CONF_TEXTS)
        return check_file(s, key, *(char *const *)field, e);
    for (size_t i = 0; i < list->n; i++)
        TRY(check_file(s, key, list->items[i], e));
    return ERR_OK;
}

static enum err_code check_inner_files(const struct conf_source *s, struct conf_key key,
                                       const struct conf_items *list, struct err *e)
{
    const struct conf_item *keys = key.sub->item;

    for (size_t i = 0; i < list->n; i++) {
        for (size_t k = 0; k < keys->n; k++) {
            key.inner = (struct conf_inner_key){true, i, &keys->rows[k]};
            TRY(check_value(s, key, key.inner.sub,
                            conf_item_field(key.inner.sub, conf_items_at(key.sub, list, i)), e));
        }
    }
    return ERR_OK;
}

static enum err_code check_item_files(const struct conf_source *s, const struct conf_row *row,
                                      struct err *e)
{
    const struct conf_items *list = conf_field(s->conf, row);

    for (size_t i = 0; i < list->n; i++) {
        for (size_t k = 0; k < row->item->n; k++) {
            const struct conf_row *sub = &row->item->rows[k];
            const void *field = conf_item_field(sub, conf_items_at(row, list, i));
            struct conf_key key = {.row = row, .item = i, .sub = sub};

            if (sub->type == CONF_ITEMS)
                TRY(check_inner_files(s, key, field, e));
            else
                TRY(check_value(s, key, sub, field, e));
        }
    }
    return ERR_OK;
}

enum err_code conf_check_files(const struct conf_source *s, struct err *e)
{
    for (size_t i = 0; i < conf_rows_n; i++) {
        const struct conf_row *row = &conf_rows[i];

        if (row->type == CONF_ITEMS)
            TRY(check_item_files(s, row, e));
        else
            TRY(check_value(s, CONF_KEY(row), row, conf_field(s->conf, row), e));
    }
    return ERR_OK;
}
