#include "conf/load.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"
#include "conf/check.h"
#include "conf/check_files.h"
#include "conf/distribution/read.h"
#include "conf/environment.h"
#include "conf/field.h"
#include "conf/value.h"
#include "conf/yaml_file.h"

#include <fcntl.h>
#include <stdlib.h>

#define FILE_MAX_BYTES (1024 * 1024)

static enum err_code read_bytes(const char *path, struct buf *ret_text, struct err *e)
{
    buf_init(ret_text, FILE_MAX_BYTES);
    switch (file_read_at(AT_FDCWD, path, ret_text, e)) {
    case ERR_OK:
        return ERR_OK;
    case ERR_CORRUPT:
        return err_set(e, ERR_CONFIG, "%s: a configuration file has at most 1 MiB", path);
    default:
        e->code = ERR_CONFIG;
        return err_prefix(e, "configuration file");
    }
}

/* A file that can't be read as YAML at all is one of theirs when it says so in a line of its own.
 */
static bool says_version(struct str text)
{
    struct str line;
    bool more;

    do {
        more = str_cut(&text, '\n', &line);
        if (str_starts(line, STR("version:")))
            return true;
    } while (more);
    return false;
}

static enum err_code read_all(struct conf_source *s, struct flat *flat, char *const *environment,
                              struct err *e)
{
    AUTO(buf) struct buf text = {0};
    struct err wrong = {0};
    enum err_code code;

    if (s->path)
        TRY(read_bytes(s->path, &text, e));
    code = flat_read(flat, buf_str(&text), s->path, &wrong);
    if (code == ERR_OK && conf_is_distribution(flat))
        return conf_read_distribution(s, flat, environment, e);
    if (code != ERR_OK && says_version(buf_str(&text))) {
        *e = wrong;
        return code;
    }
    TRY(conf_read_yaml(s, buf_str(&text), e));
    TRY(conf_refuse_distribution(environment, e));
    return conf_read_environment(s, environment, e);
}

enum err_code conf_load_source(struct conf_source *s, struct flat *flat, char *const *environment,
                               struct err *e)
{
    for (size_t i = 0; i < conf_rows_n; i++)
        conf_value_default(&conf_rows[i], conf_field(s->conf, &conf_rows[i]));
    TRY(read_all(s, flat, environment, e));
    return conf_check(s, e);
}

static enum err_code load(const char *path, char *const *environment, bool with_files,
                          struct conf **ret_conf, struct err *e)
{
    AUTO(conf) struct conf *c = NEW(struct conf);
    AUTO(flat) struct flat flat = {0};
    AUTO(source) struct conf_source source = {.conf = c, .path = path};

    TRY(conf_load_source(&source, &flat, environment, e));
    if (with_files)
        TRY(conf_check_files(&source, e));
    *ret_conf = STEAL(c);
    return ERR_OK;
}

enum err_code conf_load(const char *path, char *const *environment, struct conf **ret_conf,
                        struct err *e)
{
    return load(path, environment, false, ret_conf, e);
}

enum err_code conf_load_with_files(const char *path, char *const *environment,
                                   struct conf **ret_conf, struct err *e)
{
    return load(path, environment, true, ret_conf, e);
}

void conf_free(struct conf *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < conf_rows_n; i++)
        conf_field_free(&conf_rows[i], conf_field(c, &conf_rows[i]));
    conf_strings_free(&c->warnings);
    free(c);
}

static void store(const struct conf_row *row, void *live, const void *from)
{
    if (row->type == CONF_BOOL)
        atomic_store_explicit((_Atomic bool *)live, conf_bool(from), memory_order_relaxed);
    else
        atomic_store_explicit((_Atomic uint64_t *)live, conf_u64(from), memory_order_relaxed);
}

void conf_reload(struct conf *live, const struct conf *from, struct buf *ret_ignored)
{
    for (size_t i = 0; i < conf_rows_n; i++) {
        const struct conf_row *row = &conf_rows[i];

        if (conf_field_eq(row, conf_field_const(live, row), conf_field_const(from, row)))
            continue;
        if (row->flags & CONF_REBUILD)
            continue;
        if (row->reloaded)
            store(row, conf_field(live, row), conf_field_const(from, row));
        else
            buf_addf(ret_ignored, "%s%s", ret_ignored->n ? ", " : "", row->name);
    }
}
