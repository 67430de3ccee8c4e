#include "conf/load.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"
#include "conf/value.h"

#include <fcntl.h>

#define FILE_MAX_BYTES (1024 * 1024)

#define KEY_NAME_MAX 128 /* "auth.external[7].username_claim" */

void conf_source_done(struct conf_source *s)
{
    free(STEAL(s->items));
    s->n_items = 0;
}

static inline void auto_source_(struct conf_source *s)
{
    conf_source_done(s);
}

bool conf_given(const struct conf_source *s, const struct conf_row *row)
{
    size_t i = (size_t)(row - conf_rows);

    return s->of[i].environment || s->of[i].line;
}

/* The key's own line; else the one of its item, then of the list. */
static unsigned line_of(const struct conf_source *s, struct conf_key key)
{
    unsigned line = s->of[key.row - conf_rows].line;

    if (key.item == CONF_NO_ITEM)
        return line;
    for (size_t i = 0; i < s->n_items; i++) {
        const struct conf_key *k = &s->items[i].key;

        if (k->row != key.row || k->item != key.item)
            continue;
        if (k->sub == key.sub)
            return s->items[i].line;
        if (!k->sub)
            line = s->items[i].line;
    }
    return line;
}

static void name_of(const struct conf_source *s, struct conf_key key, char dst[static KEY_NAME_MAX])
{
    const char *as = s->of[key.row - conf_rows].as;

    as = as ? as : key.row->name;
    if (key.item == CONF_NO_ITEM)
        snprintf(dst, KEY_NAME_MAX, "%s", as);
    else
        snprintf(dst, KEY_NAME_MAX, "%s[%zu]%s%s", as, key.item, key.sub ? "." : "",
                 key.sub ? key.sub->name : "");
}

enum err_code conf_place(const struct conf_source *s, struct conf_key key, struct err *e)
{
    size_t i = (size_t)(key.row - conf_rows);
    char name[KEY_NAME_MAX], env[CONF_ENV_MAX];

    name_of(s, key, name);
    if (s->of[i].environment) {
        conf_env(s->of[i].as, env);
        if (key.item != CONF_NO_ITEM)
            err_prefix(e, "%s", name);
        return err_prefix(e, "environment variable %s", env);
    }
    if (s->of[i].line)
        return err_prefix(e, "%s:%u: %s", s->path, line_of(s, key), name);
    return err_prefix(e, "%s", name);
}

struct nearest {
    size_t distance;
    char *text; /* CONF_ENV_MAX */
};

static void offer(struct nearest *n, struct str candidate, size_t distance)
{
    if (distance < n->distance && str_copy(candidate, n->text, CONF_ENV_MAX))
        n->distance = distance;
}

static struct str leaf(struct str name)
{
    const char *dot = name.n ? memrchr(name.p, '.', name.n) : NULL;
    size_t before = dot ? (size_t)(dot + 1 - name.p) : 0;

    return str_sub(name, before, name.n - before);
}

/* A key, its sections, and a key that is right but for its section. */
static void offer_key(struct nearest *n, struct str word, struct str key)
{
    size_t distance = str_distance(leaf(word), leaf(key));

    offer(n, key, str_distance(word, key));
    for (size_t i = 0; i < key.n; i++) {
        if (key.p[i] == '.')
            offer(n, str_sub(key, 0, i), str_distance(word, str_sub(key, 0, i)));
    }
    if (distance < SIZE_MAX)
        offer(n, key, distance + 2);
}

bool conf_suggest(struct str word, enum conf_spelling as, char ret_text[static CONF_ENV_MAX])
{
    size_t farthest = word.n < 9 ? 3 : word.n / 3; /* farther is no help */
    struct nearest n = {.distance = farthest < 5 ? farthest : 5, .text = ret_text};
    char env[CONF_ENV_MAX];

    ret_text[0] = '\0';
    for (size_t i = 0; i < conf_rows_n; i++) {
        conf_row_env(&conf_rows[i], env);
        if (as == CONF_SPELL_ENVIRONMENT)
            offer(&n, str_of(env), str_distance(word, str_of(env)));
        else
            offer_key(&n, word, str_of(conf_rows[i].name));
        if (as != CONF_SPELL_ENVIRONMENT || !conf_rows[i].alias)
            continue;
        conf_env(conf_rows[i].alias, env);
        offer(&n, str_of(env), str_distance(word, str_of(env)));
    }
    return ret_text[0] != '\0';
}

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
        conf_value_free(&conf_rows[i], conf_field(c, &conf_rows[i]));
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

        if (conf_value_eq(row, conf_field_const(live, row), conf_field_const(from, row)))
            continue;
        if (row->flags & CONF_REBUILD)
            continue;
        if (row->flags & CONF_RELOAD)
            store(row, conf_field(live, row), conf_field_const(from, row));
        else
            buf_addf(ret_ignored, "%s%s", ret_ignored->n ? ", " : "", row->name);
    }
}
