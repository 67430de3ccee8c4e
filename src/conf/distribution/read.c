#include "conf/distribution/read.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "conf/distribution/rows.h"
#include "conf/distribution/take.h"
#include "conf/environment.h"

#include <stdio.h>
#include <stdlib.h>

#define PREFIX STR("REGISTRY_")

bool conf_is_distribution(const struct flat *f)
{
    return flat_has(f, "version");
}

static bool harmless(const struct distribution_row *row, const char *value)
{
    if (!row->harmless)
        return false;
    if (strcmp(row->harmless, "true") == 0)
        return take_is_true(value);
    return str_ieq(str_of(value), str_of(row->harmless)) ||
           (strcmp(row->harmless, "false") == 0 && !take_is_true(value));
}

/* What is told of a row is told once. */
static bool told_before(struct taking *t, const struct distribution_row *row,
                        const struct flat_entry *entry)
{
    for (const struct flat_entry *before = t->flat->items; before != entry; before++) {
        if (before->value && distribution_row_find(before->path) == row)
            return true;
    }
    return false;
}

static enum err_code take_lost(struct taking *t, const struct distribution_row *row,
                               const struct flat_entry *entry, struct err *e)
{
    const char *value = entry->value ? entry->value : "";

    if (harmless(row, value))
        return ERR_OK;
    if (row->verdict == DISTRIBUTION_REFUSED)
        return take_refuse(t, entry, row->note, e);
    if (entry->value && !told_before(t, row, entry))
        take_warn(t, entry, row->note);
    return ERR_OK;
}

/* Of a section that is unknown as a whole, such as one that holds anchors, the first key is told.
 */
static bool top_told(const struct taking *t, const struct flat_entry *entry)
{
    struct str top = {entry->path, strcspn(entry->path, ".")};
    char name[FLAT_PATH_MAX];

    if (!str_copy(top, name, sizeof(name)) || distribution_row_known(name))
        return false;
    return flat_first(t->flat, top) != entry;
}

/* No row is about the entry. */
static enum err_code take_stranger(struct taking *t, const struct flat_entry *entry, struct err *e)
{
    const struct distribution_row *other = distribution_row_other(entry->path);

    if (other)
        return take_refuse(t, entry, other->note, e);
    if (distribution_row_below_value(entry->path))
        return take_refuse(t, entry, "here must stand a value, or a list of values, not keys", e);
    if (distribution_row_known(entry->path)) {
        if (entry->value)
            return take_refuse(t, entry, "here must stand keys, not a value", e);
        return ERR_OK; /* an empty section */
    }
    if (!top_told(t, entry))
        take_warn(t, entry, "is no key of the reference registry; nothing is done with it");
    return ERR_OK;
}

static enum err_code take_entry(struct taking *t, const struct flat_entry *entry, struct err *e)
{
    const struct distribution_row *row = distribution_row_find(entry->path);
    bool below = row && row->shape == DISTRIBUTION_BELOW;

    if (!row)
        return take_stranger(t, entry, e);
    if (below && entry->value && strcmp(entry->path, row->path) == 0)
        return take_refuse(t, entry, "here must stand keys or a list, not a value", e);
    if (row->verdict == DISTRIBUTION_ALWAYS)
        return ERR_OK;
    if (!row->take)
        return take_lost(t, row, entry, e);
    if (!below && (!entry->value || !*entry->value))
        return ERR_OK; /* as if it were not there, as there */
    return row->take(t, row, entry, e);
}

/* REGISTRY_HTTP_ADDR is "http.addr"; false when it can be none: it is too long, or not in capitals
 * where keys of theirs stand. Names of headers and fields may have any case. */
static bool path_of(struct str name, char dst[static FLAT_PATH_MAX])
{
    const struct distribution_row *row;
    char given[FLAT_PATH_MAX];
    size_t n;

    if (!str_copy(str_sub(name, PREFIX.n, name.n - PREFIX.n), given, sizeof(given)))
        return false;
    for (n = 0; given[n]; n++)
        dst[n] = given[n] == '_' ? '.' : str_lower(given[n]);
    dst[n] = '\0';
    row = distribution_row_find(dst);
    given[row ? strlen(row->path) : n] = '\0';
    return strcspn(given, "abcdefghijklmnopqrstuvwxyz") == strlen(given);
}

static bool is_plain(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f)
            return false;
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Theirs into the list; ours to *ret_ours, and what is neither is warned of, as they do. */
static enum err_code sort_variable(struct taking *t, struct flat *flat, char *text,
                                   char ***ret_ours, struct err *e)
{
    AUTO(mem) char *variable = NULL;
    struct str value = str_of(text), name;
    char path[FLAT_PATH_MAX];
    bool theirs;

    if (!str_cut(&value, '=', &name) || !str_starts(name, PREFIX) || !is_plain(name))
        return ERR_OK;
    if (str_eq(name, STR("REGISTRY_VERSION")))
        return ERR_OK; /* that of the file counts, as there */
    variable = str_dup(name);
    theirs = path_of(name, path);
    if (theirs && distribution_row_known(path))
        return flat_put(flat, path, variable, value, e);
    switch (conf_variable_kind(name, value)) {
    case CONF_VARIABLE_OURS:
        *(*ret_ours)++ = text;
        break;
    case CONF_VARIABLE_UNKNOWN:
        if (theirs && distribution_row_other(path)) /* is refused there, too */
            return flat_put(flat, path, variable, value, e);
        take_warn(t, &(struct flat_entry){.variable = variable},
                  "no key has this name; nothing is done with it");
        break;
    case CONF_VARIABLE_OTHERS:
        break;
    }
    return ERR_OK;
}

static size_t count(char *const *environment)
{
    size_t n = 0;

    while (environment && environment[n])
        n++;
    return n;
}

/* Variables in the order of their names: REGISTRY_AUTH comes before REGISTRY_AUTH_HTPASSWD_PATH and
 * does not undo it. */
static enum err_code sort_environment(struct taking *t, struct flat *flat, char *const *environment,
                                      char **ret_ours, struct err *e)
{
    size_t n = count(environment);
    AUTO(mem) char **sorted = mem_zero((n + 1) * sizeof(*sorted));

    for (size_t i = 0; i < n; i++)
        sorted[i] = environment[i];
    qsort(sorted, n, sizeof(*sorted), by_name);
    for (size_t i = 0; i < n; i++)
        TRY(sort_variable(t, flat, sorted[i], &ret_ours, e));
    return ERR_OK;
}

enum err_code conf_read_distribution(struct conf_source *s, struct flat *flat,
                                     char *const *environment, struct err *e)
{
    AUTO(mem) char **ours = mem_zero((count(environment) + 1) * sizeof(*ours));
    struct taking t = {s, flat};

    if (strcmp(flat_value(flat, "version"), "0.1") != 0)
        return take_refuse(&t, flat_first(flat, STR("version")),
                           "is unknown; the reference registry's files have '0.1', and this "
                           "registry's own have no version",
                           e);
    TRY(sort_environment(&t, flat, environment, ours, e));
    for (size_t i = 0; i < flat->n; i++)
        TRY(take_entry(&t, &flat->items[i], e));
    TRY(take_defaults(&t, e));
    return conf_read_environment(s, ours, e);
}

enum err_code conf_refuse_distribution(char *const *environment, struct err *e)
{
    for (; environment && *environment; environment++) {
        struct str value = str_of(*environment), name;
        char path[FLAT_PATH_MAX];

        if (!str_cut(&value, '=', &name) || !str_starts(name, PREFIX) ||
            conf_variable_kind(name, value) != CONF_VARIABLE_UNKNOWN || !path_of(name, path) ||
            !distribution_row_known(path))
            continue;
        return err_set(e, ERR_CONFIG,
                       "environment variable %.*s: is one of the reference registry, and read with "
                       "a file of its kind ('version: 0.1'); 'registry config convert' tells the "
                       "keys that are used here",
                       (int)(name.n < 80 ? name.n : 80), name.p);
    }
    return ERR_OK;
}
