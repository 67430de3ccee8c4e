#include "conf/distribution/flat.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <yaml.h>

#define DEPTH_MAX   16
#define ENTRIES_MAX 4096
#define VISITS_MAX  (4 * ENTRIES_MAX) /* aliases may lead to the same place again and again */

/* One text on its way into the list. */
struct reading {
    struct flat *flat;
    yaml_document_t document;
    const char *name;     /* of the file, or of the variable */
    const char *variable; /* the same; NULL: it is a file */
    unsigned visits;
};

static void auto_reading_(struct reading *r)
{
    yaml_document_delete(&r->document);
}

static void auto_parser_(yaml_parser_t *p)
{
    yaml_parser_delete(p);
}

static enum err_code wrong(const struct reading *r, size_t line, struct err *e)
{
    e->code = ERR_CONFIG;
    if (r->variable)
        return err_prefix(e, "environment variable %s", r->variable);
    return err_prefix(e, "%s:%zu", r->name, line);
}

static size_t line_of(const yaml_node_t *node)
{
    return node->start_mark.line + 1;
}

static void entry_done(struct flat_entry *entry)
{
    free(entry->path);
    free(entry->value);
    free(entry->variable);
}

static bool is_at(const char *text, struct str path, bool any_case)
{
    return (any_case ? strncasecmp : strncmp)(text, path.p, path.n) == 0 &&
           (text[path.n] == '.' || text[path.n] == '\0');
}

bool flat_below(const char *text, struct str path)
{
    return is_at(text, path, false);
}

static void remove_below(struct flat *f, const char *path, bool any_case)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->n; i++) {
        if (is_at(f->items[i].path, str_of(path), any_case))
            entry_done(&f->items[i]);
        else
            f->items[kept++] = f->items[i];
    }
    f->n = kept;
}

/* value NULL: nothing. */
static enum err_code add(const struct reading *r, const char *path, const yaml_node_t *node,
                         const char *value, struct err *e)
{
    struct flat *f = r->flat;

    if (f->n == ENTRIES_MAX) {
        err_set(e, ERR_CONFIG, "more than %d values", ENTRIES_MAX);
        return wrong(r, line_of(node), e);
    }
    f->items = mem_resize(f->items, (f->n + 1) * sizeof(*f->items));
    f->items[f->n++] = (struct flat_entry){
        .path = mem_strdup(path),
        .value = value ? mem_strdup(value) : NULL,
        .quoted =
            node->type == YAML_SCALAR_NODE && node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE,
        .line = r->variable ? 0 : (unsigned)line_of(node),
        .variable = r->variable ? mem_strdup(r->variable) : NULL,
    };
    return ERR_OK;
}

static bool is_null(const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;

    return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (!*text || strcmp(text, "~") == 0 || str_ieq(str_of(text), STR("null")));
}

static enum err_code add_scalar(const struct reading *r, const char *path, const yaml_node_t *node,
                                struct err *e)
{
    const char *text = (const char *)node->data.scalar.value;

    if (strlen(text) != node->data.scalar.length) {
        err_set(e, ERR_CONFIG, "%s: holds a NUL byte", path);
        return wrong(r, line_of(node), e);
    }
    return add(r, path, node, is_null(node) ? NULL : text, e);
}

static enum err_code add_node(struct reading *r, const char *path, unsigned depth, int id,
                              struct err *e);

/* path with a dot and the name behind it; just the name when path is empty. */
static enum err_code join(const struct reading *r, const char *path, const char *name,
                          const yaml_node_t *node, char dst[static FLAT_PATH_MAX], struct err *e)
{
    size_t n = (size_t)snprintf(dst, FLAT_PATH_MAX, "%s%s", path, *path ? "." : "");
    bool ok = *name != '\0';

    for (; ok && *name; name++) {
        ok = (unsigned char)*name >= ' ' && *name != 0x7f && n + 3 < FLAT_PATH_MAX;
        if (ok && *name == '.')
            dst[n++] = '\\';
        if (ok)
            dst[n++] = *name;
    }
    dst[n] = '\0';
    if (ok)
        return ERR_OK;
    err_set(
        e, ERR_CONFIG,
        "a key is empty, holds a control character, or has more than %d bytes with its sections",
        FLAT_PATH_MAX - 3);
    return wrong(r, line_of(node), e);
}

static bool is_merge(const yaml_node_t *key)
{
    return key->type == YAML_SCALAR_NODE && key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           strcmp((const char *)key->data.scalar.value, "<<") == 0;
}

/* What "<<" brings: a map, or a list of maps of which the first counts most. */
static enum err_code add_merged(struct reading *r, const char *path, unsigned depth, int id,
                                struct err *e)
{
    const yaml_node_t *node = yaml_document_get_node(&r->document, id);
    const yaml_node_item_t *start = NULL, *item = NULL;

    if (node->type == YAML_MAPPING_NODE)
        return add_node(r, path, depth, id, e);
    if (node->type == YAML_SEQUENCE_NODE) {
        start = node->data.sequence.items.start;
        item = node->data.sequence.items.top;
    }
    for (; item > start; item--) {
        if (yaml_document_get_node(&r->document, item[-1])->type != YAML_MAPPING_NODE)
            break;
        TRY(add_node(r, path, depth, item[-1], e));
    }
    if (start && item == start)
        return ERR_OK;
    err_set(e, ERR_CONFIG, "'<<' merges maps only");
    return wrong(r, line_of(node), e);
}

static enum err_code add_merges(struct reading *r, const char *path, unsigned depth,
                                const yaml_node_t *node, struct err *e)
{
    const yaml_node_pair_t *end = node->data.mapping.pairs.top;

    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start; p < end; p++) {
        if (is_merge(yaml_document_get_node(&r->document, p->key)))
            TRY(add_merged(r, path, depth, p->value, e));
    }
    return ERR_OK;
}

/* Keys of the map itself come after what it merges, and count more. */
static enum err_code add_mapping(struct reading *r, const char *path, unsigned depth,
                                 const yaml_node_t *node, struct err *e)
{
    const yaml_node_pair_t *end = node->data.mapping.pairs.top;

    TRY(add_merges(r, path, depth, node, e));
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start; p < end; p++) {
        const yaml_node_t *key = yaml_document_get_node(&r->document, p->key);
        char below[FLAT_PATH_MAX];

        if (is_merge(key))
            continue;
        if (key->type != YAML_SCALAR_NODE) {
            err_set(e, ERR_CONFIG, "a key must be a name");
            return wrong(r, line_of(key), e);
        }
        TRY(join(r, path, (const char *)key->data.scalar.value, key, below, e));
        remove_below(r->flat, below, false);
        TRY(add_node(r, below, depth, p->value, e));
    }
    return node->data.mapping.pairs.start == end ? add(r, path, node, NULL, e) : ERR_OK;
}

static enum err_code add_sequence(struct reading *r, const char *path, unsigned depth,
                                  const yaml_node_t *node, struct err *e)
{
    const yaml_node_item_t *start = node->data.sequence.items.start;
    const yaml_node_item_t *end = node->data.sequence.items.top;

    for (const yaml_node_item_t *item = start; item < end; item++) {
        char below[FLAT_PATH_MAX], index[24];

        snprintf(index, sizeof(index), "%zu", (size_t)(item - start));
        TRY(join(r, path, index, node, below, e));
        TRY(add_node(r, below, depth, *item, e));
    }
    return start == end ? add(r, path, node, NULL, e) : ERR_OK;
}

static enum err_code add_node(struct reading *r, const char *path, unsigned depth, int id,
                              struct err *e)
{
    const yaml_node_t *node = yaml_document_get_node(&r->document, id);

    if (depth == DEPTH_MAX || r->visits++ == VISITS_MAX) {
        err_set(e, ERR_CONFIG, "more than %d levels, or too many aliases", DEPTH_MAX);
        return wrong(r, line_of(node), e);
    }
    if (node->type == YAML_MAPPING_NODE)
        return add_mapping(r, path, depth + 1, node, e);
    if (node->type == YAML_SEQUENCE_NODE)
        return add_sequence(r, path, depth + 1, node, e);
    return add_scalar(r, path, node, e);
}

static int step_of(yaml_event_type_t type)
{
    if (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT)
        return 1;
    return type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT ? -1 : 0;
}

/* The library's time grows with the square of the levels when it reads all at once. */
static bool is_deep(struct str text)
{
    AUTO(parser) yaml_parser_t parser = {0};
    int depth = 0;
    bool more = yaml_parser_initialize(&parser);

    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    while (more && depth <= DEPTH_MAX) {
        yaml_event_t event;

        more = yaml_parser_parse(&parser, &event);
        if (!more)
            break;
        depth += step_of(event.type);
        more = event.type != YAML_DOCUMENT_END_EVENT && event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    return depth > DEPTH_MAX;
}

/* The text's first document, whose root becomes path. */
static enum err_code read_text(struct reading *r, const char *path, struct str text, struct err *e)
{
    AUTO(parser) yaml_parser_t parser = {0};

    if (!yaml_parser_initialize(&parser))
        return err_set(e, ERR_INTERNAL, "out of memory");
    if (is_deep(text)) {
        err_set(e, ERR_CONFIG, "more than %d levels", DEPTH_MAX);
        return wrong(r, 1, e);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    if (!yaml_parser_load(&parser, &r->document)) {
        err_set(e, ERR_CONFIG, "this is not YAML: %s",
                parser.problem ? parser.problem : "it can't be read");
        return wrong(r, parser.problem_mark.line + 1, e);
    }
    return yaml_document_get_root_node(&r->document) ? add_node(r, path, 0, 1, e) : ERR_OK;
}

enum err_code flat_read(struct flat *f, struct str text, const char *name, struct err *e)
{
    AUTO(reading) struct reading r = {.flat = f, .name = name};

    return read_text(&r, "", text, e);
}

enum err_code flat_put(struct flat *f, const char *path, const char *variable, struct str text,
                       struct err *e)
{
    AUTO(reading) struct reading r = {.flat = f, .name = variable, .variable = variable};

    remove_below(f, path, true);
    return read_text(&r, path, text, e);
}

void flat_done(struct flat *f)
{
    for (size_t i = 0; i < f->n; i++)
        entry_done(&f->items[i]);
    free(f->items);
    *f = (struct flat){0};
}

const struct flat_entry *flat_find(const struct flat *f, const char *path)
{
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->items[i].path, path) == 0)
            return &f->items[i];
    }
    return NULL;
}

const char *flat_value(const struct flat *f, const char *path)
{
    const struct flat_entry *entry = flat_find(f, path);

    return entry && entry->value ? entry->value : "";
}

const struct flat_entry *flat_first(const struct flat *f, struct str path)
{
    for (size_t i = 0; i < f->n; i++) {
        if (flat_below(f->items[i].path, path))
            return &f->items[i];
    }
    return NULL;
}

bool flat_has(const struct flat *f, const char *path)
{
    return flat_first(f, str_of(path)) != NULL;
}
