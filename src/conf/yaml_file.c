/*
 * The configuration file: YAML of mappings, scalars, flat lists and lists of maps. Anchors,
 * aliases, tags and further documents are refused: no configuration needs them, and they let a
 * small file become a large one, or one key hide another.
 */
#include "conf/yaml_file.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "conf/field.h"
#include "conf/items.h"
#include "conf/value.h"

#include <yaml.h>

#define NAME_MAX_BYTES 128 /* of a key with its sections */

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the last one read; freed before the next */
    struct str text;
    struct conf_source *source;
    const struct conf_row *variable; /* whose text is read; NULL: it is the file */
};

/* A key with its sections before it. */
struct path {
    char text[NAME_MAX_BYTES];
    size_t n;
};

/* The keys of one mapping so far. Each is known and none is there twice, so they are few. */
struct seen {
    struct {
        char name[NAME_MAX_BYTES];
        unsigned line;
    } key[2 * CONF_ROWS_MAX]; /* keys and sections */
    size_t n;
};

static void auto_yaml_reader_(struct reader *r)
{
    yaml_event_delete(&r->event);
    yaml_parser_delete(&r->parser);
}

static unsigned event_line(const struct reader *r)
{
    return (unsigned)r->event.start_mark.line + 1;
}

static enum err_code wrong(const struct reader *r, unsigned line, struct err *e)
{
    return r->variable ? conf_place(r->source, CONF_KEY(r->variable), e)
                       : err_prefix(e, "%s:%u", r->source->path, line);
}

static struct str scalar_text(const struct reader *r)
{
    return (struct str){(const char *)r->event.data.scalar.value, r->event.data.scalar.length};
}

/* Is the given line (from 1) indented with a tab? */
static bool has_tab_indent(struct str text, size_t line)
{
    struct str head = STR_NONE;

    while (line-- > 0)
        str_cut(&text, '\n', &head);
    for (size_t i = 0; i < head.n && (head.p[i] == ' ' || head.p[i] == '\t'); i++) {
        if (head.p[i] == '\t')
            return true;
    }
    return false;
}

static enum err_code syntax_error(const struct reader *r, struct err *e)
{
    unsigned line = (unsigned)r->parser.problem_mark.line + 1;

    if (r->parser.error == YAML_READER_ERROR) { /* it knows the byte, not the line */
        struct str before = str_sub(r->text, 0, r->parser.problem_offset), head;

        for (line = 1; str_cut(&before, '\n', &head);)
            line++;
    }
    if (has_tab_indent(r->text, line))
        err_set(e, ERR_CONFIG, "YAML can't be indented with tabs; use spaces");
    else
        err_set(e, ERR_CONFIG, "this is not YAML: %s",
                r->parser.problem ? r->parser.problem : "it can't be read");
    return wrong(r, line, e);
}

/* Reads the next event; what no configuration needs is an error here already. */
static enum err_code next(struct reader *r, struct err *e)
{
    const yaml_event_t *event = &r->event;
    bool anchored = false, tagged = false;

    yaml_event_delete(&r->event);
    if (!yaml_parser_parse(&r->parser, &r->event))
        return syntax_error(r, e);
    if (event->type == YAML_SCALAR_EVENT) {
        anchored = event->data.scalar.anchor != NULL;
        tagged = event->data.scalar.tag != NULL;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchored = event->data.mapping_start.anchor != NULL;
        tagged = event->data.mapping_start.tag != NULL;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchored = event->data.sequence_start.anchor != NULL;
        tagged = event->data.sequence_start.tag != NULL;
    }
    if (anchored || event->type == YAML_ALIAS_EVENT)
        err_set(e, ERR_CONFIG,
                "anchors and aliases (& and *) are not allowed; quote a value that "
                "starts with one of these");
    else if (tagged)
        err_set(e, ERR_CONFIG, "tags (!) are not allowed; quote a value that starts with one");
    else
        return ERR_OK;
    return wrong(r, event_line(r), e);
}

/* Nothing, "~" or "null", without quotes. */
static bool scalar_is_null(const struct reader *r)
{
    struct str s = scalar_text(r);

    return r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (s.n == 0 || str_eq(s, STR("~")) || str_ieq(s, STR("null")));
}

/* The key's line, for the errors found later. */
static void note(struct reader *r, struct conf_key key)
{
    struct conf_source *s = r->source;

    if (r->variable)
        return;
    if (key.item == CONF_NO_ITEM) {
        s->of[key.row - conf_rows].line = event_line(r);
        return;
    }
    conf_note_item(s, key, event_line(r));
}

/* A mistake in the event at hand, which may be lines below its key. */
static enum err_code place(struct reader *r, struct conf_key key, struct err *e)
{
    struct conf_source *s = r->source;

    for (size_t i = 0; i < s->n_items && key.item != CONF_NO_ITEM && !r->variable; i++) {
        struct conf_item_line *l = &s->items[i];

        if (conf_key_eq(&l->key, &key))
            l->line = event_line(r);
    }
    if (key.item == CONF_NO_ITEM)
        note(r, key);
    return conf_place(s, key, e);
}

/* The row of the value that the key is about; of an item, that of its list. */
static const struct conf_row *row_of(struct conf_key key)
{
    if (key.inner.in && key.inner.sub)
        return key.inner.sub;
    return key.sub ? key.sub : key.row;
}

static enum err_code wrong_shape(struct reader *r, struct conf_key key, const char *what,
                                 struct err *e)
{
    AUTO(buf) struct buf allowed = {0};

    buf_init(&allowed, sizeof(e->detail));
    conf_value_print_allowed(row_of(key), &allowed);
    err_set(e, ERR_CONFIG, "%s; allowed is %s", what, buf_text(&allowed));
    return place(r, key, e);
}

static enum err_code read_list(struct reader *r, struct conf_key key, void *field, struct err *e)
{
    const struct conf_row *row = row_of(key);

    conf_field_free(row, field);
    for (;;) {
        TRY(next(r, e));
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        if (r->event.type != YAML_SCALAR_EVENT || scalar_is_null(r)) {
            err_set(e, ERR_CONFIG, "an item of this list must be a text");
            return place(r, key, e);
        }
        if (conf_value_add(row, scalar_text(r), field, e) != ERR_OK)
            return place(r, key, e);
    }
    if (conf_value_complete(row, field, e) != ERR_OK)
        return place(r, key, e);
    return ERR_OK;
}

static enum err_code read_items(struct reader *r, struct conf_key key, struct conf_items *list,
                                struct err *e);
static enum err_code read_only_item(struct reader *r, struct conf_key key, struct conf_items *list,
                                    struct err *e);

/* The event at hand is the value of the key. */
static enum err_code read_value(struct reader *r, struct conf_key key, void *field, struct err *e)
{
    const struct conf_row *row = row_of(key);

    switch (r->event.type) {
    case YAML_SEQUENCE_START_EVENT:
        if (row->type == CONF_ITEMS)
            return read_items(r, key, field, e);
        if (row->type != CONF_TEXTS)
            return wrong_shape(r, key, "here stands a list", e);
        return read_list(r, key, field, e);
    case YAML_SCALAR_EVENT:
        if (scalar_is_null(r))
            return wrong_shape(r, key, "there is no value (an empty text is \"\")", e);
        if (conf_value_set(row, scalar_text(r), field, e) != ERR_OK)
            return place(r, key, e);
        return ERR_OK;
    case YAML_MAPPING_START_EVENT:
        if (row->type == CONF_ITEMS && row->max == 1)
            return read_only_item(r, key, field, e);
        return wrong_shape(r, key, "here stand keys, not a value", e);
    default:
        return wrong_shape(r, key, "here stand keys, not a value", e);
    }
}

/* Text of a client's making, for an error. */
static void show(struct str s, char *dst, size_t cap)
{
    size_t n = s.n < cap - 1 ? s.n : cap - 1;

    for (size_t i = 0; i < n; i++)
        dst[i] = (char)(s.p[i] >= 0x20 && s.p[i] < 0x7f ? s.p[i] : '?');
    dst[n] = '\0';
}

/* The keys of the item that the key is, or is a key of. */
static const struct conf_item *keys_of(struct conf_key key)
{
    return key.inner.in ? key.sub->item : key.row->item;
}

static void name_sub(struct conf_key *item, const struct conf_row *sub)
{
    if (item->inner.in)
        item->inner.sub = sub;
    else
        item->sub = sub;
}

/* The event at hand is a key that the item does not have. */
static enum err_code unknown_item_key(struct reader *r, struct conf_key item, struct err *e)
{
    struct str name = r->event.type == YAML_SCALAR_EVENT ? scalar_text(r) : STR("?");
    const struct conf_item *keys = keys_of(item);
    size_t nearest = name.n < 9 ? 3 : 5;
    const char *near = NULL;
    char shown[64];

    for (size_t k = 0; k < keys->n; k++) {
        size_t distance = str_distance(name, str_of(keys->rows[k].name));

        if (distance < nearest) {
            near = keys->rows[k].name;
            nearest = distance;
        }
    }
    show(name, shown, sizeof(shown));
    if (near)
        err_set(e, ERR_CONFIG, "'%s' is an unknown key; did you mean '%s'?", shown, near);
    else
        err_set(e, ERR_CONFIG, "'%s' is an unknown key; the reference page lists them", shown);
    return place(r, item, e);
}

/* The event at hand is a key of the item. *seen: a bit for each key that was there already. */
static enum err_code read_item_pair(struct reader *r, struct conf_key key, void *item,
                                    uint32_t *seen, struct err *e)
{
    const struct conf_item *keys = keys_of(key);
    const struct conf_row *sub = NULL;
    uint32_t bit;

    if (r->event.type == YAML_SCALAR_EVENT)
        sub = conf_item_find(keys, scalar_text(r));
    if (!sub)
        return unknown_item_key(r, key, e);
    name_sub(&key, sub);
    note(r, key);
    bit = 1u << (sub - keys->rows);
    if (*seen & bit) {
        err_set(e, ERR_CONFIG, "stands here a second time");
        return place(r, key, e);
    }
    *seen |= bit;
    TRY(next(r, e));
    return read_value(r, key, conf_item_field(sub, item), e);
}

/* The event at hand is the start of the item's mapping. */
static enum err_code read_item(struct reader *r, struct conf_key key, void *item, struct err *e)
{
    const struct conf_item *keys = keys_of(key);
    uint32_t seen = 0;

    note(r, key);
    for (;;) {
        TRY(next(r, e));
        if (r->event.type == YAML_MAPPING_END_EVENT)
            break;
        TRY(read_item_pair(r, key, item, &seen, e));
    }
    for (size_t k = 0; k < keys->n; k++) {
        if (!(keys->rows[k].flags & CONF_REQUIRED) || seen & (1u << k))
            continue;
        name_sub(&key, &keys->rows[k]);
        return wrong_shape(r, key, "this key is missing", e);
    }
    return ERR_OK;
}

/* Of the list that the key is, the item with that number. */
static struct conf_key item_at(struct conf_key key, size_t i)
{
    if (key.item == CONF_NO_ITEM)
        key.item = i;
    else
        key.inner = (struct conf_inner_key){true, i, NULL};
    return key;
}

/* The event at hand is the start of the mapping that stands for a list of one. */
static enum err_code read_only_item(struct reader *r, struct conf_key key, struct conf_items *list,
                                    struct err *e)
{
    const struct conf_row *row = row_of(key);

    conf_items_free(row, list);
    return read_item(r, item_at(key, 0), conf_items_add(row, list), e);
}

/* The event at hand is the start of the list that the key is. */
static enum err_code read_items(struct reader *r, struct conf_key key, struct conf_items *list,
                                struct err *e)
{
    const struct conf_row *row = row_of(key);

    conf_items_free(row, list);
    for (;;) {
        struct conf_key at = item_at(key, list->n);
        void *item;

        TRY(next(r, e));
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            return ERR_OK;
        if (r->event.type != YAML_MAPPING_START_EVENT)
            return wrong_shape(r, key, "an item of this list must be a map", e);
        item = conf_items_add(row, list);
        if (!item)
            return wrong_shape(r, key, "here is one item too many", e);
        TRY(read_item(r, at, item, e));
    }
}

static enum err_code unknown_key(const struct reader *r, const struct path *p, struct err *e)
{
    char near[CONF_ENV_MAX], shown[NAME_MAX_BYTES];

    show((struct str){p->text, p->n}, shown, sizeof(shown));
    if (conf_suggest((struct str){p->text, p->n}, CONF_SPELL_KEY, near))
        err_set(e, ERR_CONFIG, "%s: unknown key; did you mean '%s'?", shown, near);
    else
        err_set(e, ERR_CONFIG, "%s: unknown key; 'registry config print' shows all keys", shown);
    return wrong(r, event_line(r), e);
}

static enum err_code path_add(const struct reader *r, struct path *p, struct str name,
                              struct err *e)
{
    if (p->n + 1 + name.n >= sizeof(p->text) || name.n == 0 || memchr(name.p, '\0', name.n)) {
        err_set(e, ERR_CONFIG, "unknown key; 'registry config print' shows all keys");
        return wrong(r, event_line(r), e);
    }
    if (p->n)
        p->text[p->n++] = '.';
    memcpy(p->text + p->n, name.p, name.n);
    p->n += name.n;
    p->text[p->n] = '\0';
    return ERR_OK;
}

/* The event at hand is a known key, with its sections in p. */
static enum err_code refuse_second(const struct reader *r, struct seen *seen, const struct path *p,
                                   struct err *e)
{
    for (size_t i = 0; i < seen->n; i++) {
        if (strcmp(seen->key[i].name, p->text) == 0) {
            err_set(e, ERR_CONFIG, "%s: stands here a second time; the first is in line %u",
                    p->text, seen->key[i].line);
            return wrong(r, event_line(r), e);
        }
    }
    memcpy(seen->key[seen->n].name, p->text, p->n + 1);
    seen->key[seen->n++].line = event_line(r);
    return ERR_OK;
}

static void note_key(struct reader *r, const struct conf_row *row, const struct path *p)
{
    note(r, CONF_KEY(row));
    r->source->of[row - conf_rows].as = strcmp(p->text, row->name) == 0 ? row->name : row->alias;
}

/* The alias of the row is the name of a section, and it is the section that stands here. */
static void forget_key(struct reader *r, const struct conf_row *row)
{
    r->source->of[row - conf_rows].line = 0;
    r->source->of[row - conf_rows].as = NULL;
    r->source->of[row - conf_rows].section = true;
}

/* The event at hand is the value of row, which stands there as p. */
static enum err_code read_key(struct reader *r, struct seen *seen, const struct conf_row *row,
                              const struct path *p, struct err *e)
{
    struct path name = {.n = strlen(row->name)};

    if (strcmp(p->text, row->name) != 0) {
        memcpy(name.text, row->name, name.n + 1);
        TRY(refuse_second(r, seen, &name, e));
    }
    return read_value(r, CONF_KEY(row), conf_field(r->source->conf, row), e);
}

static enum err_code read_section(struct reader *r, struct seen *seen, const struct path *section,
                                  struct err *e);

/* The event at hand is a key. */
static enum err_code read_pair(struct reader *r, struct seen *seen, const struct path *section,
                               struct err *e)
{
    struct path p = *section;
    const struct conf_row *row;
    bool is_section;

    if (r->event.type != YAML_SCALAR_EVENT) {
        err_set(e, ERR_CONFIG, "a key must be a name");
        return wrong(r, event_line(r), e);
    }
    TRY(path_add(r, &p, scalar_text(r), e));
    row = conf_row_find((struct str){p.text, p.n});
    is_section = conf_section_exists((struct str){p.text, p.n});
    if (!row && !is_section)
        return unknown_key(r, &p, e);
    TRY(refuse_second(r, seen, &p, e));
    if (row)
        note_key(r, row, &p);
    TRY(next(r, e));
    if (is_section && r->event.type == YAML_MAPPING_START_EVENT) {
        if (row)
            forget_key(r, row);
        return read_section(r, seen, &p, e);
    }
    if (row)
        return read_key(r, seen, row, &p, e);
    if (r->event.type == YAML_SCALAR_EVENT && scalar_is_null(r))
        return ERR_OK; /* a section whose keys are all commented out */
    err_set(e, ERR_CONFIG, "%s: keys must follow, indented below it", p.text);
    return wrong(r, event_line(r), e);
}

/* The event at hand is the start of the section's mapping. */
static enum err_code read_section(struct reader *r, struct seen *seen, const struct path *section,
                                  struct err *e)
{
    for (;;) {
        TRY(next(r, e));
        if (r->event.type == YAML_MAPPING_END_EVENT)
            return ERR_OK;
        TRY(read_pair(r, seen, section, e));
    }
}

static enum err_code read_document(struct reader *r, struct err *e)
{
    AUTO(mem) struct seen *seen = NEW(struct seen);
    struct path root = {.n = 0};

    TRY(next(r, e));
    if (r->event.type == YAML_MAPPING_START_EVENT)
        TRY(read_section(r, seen, &root, e));
    else if (r->event.type != YAML_SCALAR_EVENT || !scalar_is_null(r)) {
        err_set(e, ERR_CONFIG, "the file must hold keys and values, such as 'log:'");
        return wrong(r, event_line(r), e);
    }
    return next(r, e); /* the end of the document */
}

/* What stands at the end of one document; its beginning was read. */
static enum err_code read_end(struct reader *r, struct err *e)
{
    TRY(next(r, e));
    if (r->event.type != YAML_STREAM_END_EVENT) {
        err_set(e, ERR_CONFIG, "a second document starts here; only one is allowed");
        return wrong(r, event_line(r), e);
    }
    return ERR_OK;
}

static enum err_code start(struct reader *r, struct err *e)
{
    struct str text = r->text;

    if (!yaml_parser_initialize(&r->parser))
        return err_set(e, ERR_INTERNAL, "out of memory");
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    TRY(next(r, e)); /* the start of the stream */
    return next(r, e);
}

enum err_code conf_read_yaml(struct conf_source *s, struct str text, struct err *e)
{
    __attribute__((cleanup(auto_yaml_reader_))) struct reader r = {.source = s, .text = text};

    TRY(start(&r, e));
    if (r.event.type == YAML_STREAM_END_EVENT)
        return ERR_OK; /* empty, or comments only */
    TRY(read_document(&r, e));
    return read_end(&r, e);
}

enum err_code conf_read_items(struct conf_source *s, const struct conf_row *row, struct str text,
                              struct err *e)
{
    __attribute__((cleanup(auto_yaml_reader_))) struct reader r = {
        .source = s, .text = text, .variable = row};

    TRY(start(&r, e));
    if (r.event.type == YAML_STREAM_END_EVENT) {
        conf_field_free(row, conf_field(s->conf, row)); /* empty */
        return ERR_OK;
    }
    TRY(next(&r, e));
    if (r.event.type != YAML_SEQUENCE_START_EVENT)
        return wrong_shape(&r, CONF_KEY(row), "this is no list", e);
    TRY(read_items(&r, CONF_KEY(row), conf_field(s->conf, row), e));
    TRY(next(&r, e)); /* the end of the document */
    return read_end(&r, e);
}
