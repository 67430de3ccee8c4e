#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"
#include "conf/check.h"
#include "conf/environment.h"
#include "conf/field.h"
#include "conf/value.h"
#include "conf/yaml_file.h"

#include <fcntl.h>

#define FILE_MAX_BYTES (1024 * 1024)

static enum err_code read_file(struct conf_source *s, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, FILE_MAX_BYTES);
    switch (file_read_at(AT_FDCWD, s->path, &text, e)) {
    case ERR_OK:
        return conf_read_yaml(s, buf_str(&text), e);
    case ERR_CORRUPT:
        return err_set(e, ERR_CONFIG, "%s: a configuration file has at most 1 MiB", s->path);
    default:
        e->code = ERR_CONFIG;
        return err_prefix(e, "configuration file");
    }
}

static enum err_code load(struct conf_source *s, char *const *environment, struct err *e)
{
    for (size_t i = 0; i < conf_rows_n; i++)
        conf_value_default(&conf_rows[i], conf_field(s->conf, &conf_rows[i]));
    if (s->path)
        TRY(read_file(s, e));
    TRY(conf_read_environment(s, environment, e));
    return conf_check(s, e);
}

enum err_code conf_load(const char *path, char *const *environment, struct conf **ret_conf,
                        struct err *e)
{
    AUTO(conf) struct conf *c = NEW(struct conf);
    AUTO(source) struct conf_source source = {.conf = c, .path = path};
    struct err spare;

    TRY(load(&source, environment, e ? e : &spare));
    *ret_conf = STEAL(c);
    return ERR_OK;
}

enum err_code conf_load_with_files(const char *path, char *const *environment,
                                   struct conf **ret_conf, struct err *e)
{
    AUTO(conf) struct conf *c = NEW(struct conf);
    AUTO(source) struct conf_source source = {.conf = c, .path = path};
    struct err spare;

    e = e ? e : &spare;
    TRY(load(&source, environment, e));
    TRY(conf_check_files(&source, e));
    *ret_conf = STEAL(c);
    return ERR_OK;
}

void conf_free(struct conf *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < conf_rows_n; i++)
        conf_field_free(&conf_rows[i], conf_field(c, &conf_rows[i]));
    free(c);
}

static void store(const struct conf_row *row, void *live, const void *from)
{
    if (row->type == CONF_BOOL)
        __atomic_store_n((bool *)live, *(const bool *)from, __ATOMIC_RELAXED);
    else
        __atomic_store_n((uint64_t *)live, *(const uint64_t *)from, __ATOMIC_RELAXED);
}

void conf_reload(struct conf *live, const struct conf *from, struct buf *ret_ignored)
{
    for (size_t i = 0; i < conf_rows_n; i++) {
        const struct conf_row *row = &conf_rows[i];

        if (conf_field_eq(row, conf_field_const(live, row), conf_field_const(from, row)))
            continue;
        if (row->flags & CONF_REBUILD)
            continue;
        if (row->flags & CONF_RELOAD)
            store(row, conf_field(live, row), conf_field_const(from, row));
        else
            buf_addf(ret_ignored, "%s%s", ret_ignored->n ? ", " : "", row->name);
    }
}
