#include "conf/print.h"
#include "conf/field.h"
#include "conf/items.h"
#include "conf/value.h"

#include <inttypes.h>

#define INDENT "  "

/* Length of the section of a key with its dot: 9 of "http.tls.key". */
static size_t section_length(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot ? (size_t)(dot - name) + 1 : 0;
}

static void indent(size_t depth, struct buf *b)
{
    while (depth-- > 0)
        buf_add_text(b, INDENT);
}

/* The lines that open the sections of `name` which `before`, the key printed last, is not in.
 * Returns the depth of the key itself. */
static size_t open_sections(const char *name, const char *before, struct buf *b)
{
    size_t from = 0, depth = 0;

    for (size_t i = 0; i < section_length(name); i++) {
        if (name[i] != '.')
            continue;
        if (strncmp(name, before, i + 1) != 0) {
            indent(depth, b);
            buf_add(b, name + from, i - from);
            buf_add_text(b, ":\n");
        }
        from = i + 1;
        depth++;
    }
    return depth;
}

/* An item a line; the list is depth sections deep. */
static void print_items(const struct conf_row *row, const struct conf_items *list, size_t depth,
                        struct buf *b)
{
    if (list->n == 0)
        buf_add_text(b, " []");
    for (size_t i = 0; i < list->n; i++) {
        buf_add_char(b, '\n');
        indent(depth + 1, b);
        buf_add_text(b, "- ");
        conf_item_print(row->item, conf_items_at(row, list, i), b);
    }
}

/* The row in its sections; before is the key printed last. */
static void print_row(const struct conf *c, const struct conf_row *row, const char *before,
                      struct buf *b)
{
    const void *field = conf_field_const(c, row);
    size_t depth = open_sections(row->name, before, b);

    indent(depth, b);
    buf_addf(b, "%s:", row->name + section_length(row->name));
    if (row->type == CONF_ITEMS) {
        print_items(row, field, depth, b);
    } else {
        buf_add_char(b, ' ');
        conf_field_print(row, field, b);
    }
}

void conf_print(const struct conf *c, struct buf *ret_yaml)
{
    const char *before = "";

    for (size_t i = 0; i < conf_rows_n; i++) {
        print_row(c, &conf_rows[i], before, ret_yaml);
        if (conf_rows[i].unit)
            buf_addf(ret_yaml, " # %s", conf_rows[i].unit);
        buf_add_char(ret_yaml, '\n');
        before = conf_rows[i].name;
    }
}

/* In the place of a secret: what was printed for it would be read as one. */
static void print_nothing(const struct conf_row *row, const char *before, struct buf *b)
{
    indent(open_sections(row->name, before, b), b);
    buf_addf(b, "%s: \"\"", row->name + section_length(row->name));
}

void conf_print_given(const struct conf_source *s, conf_remark_fn *remark, struct buf *ret_yaml)
{
    const char *before = "";

    for (size_t i = 0; i < conf_rows_n; i++) {
        const struct conf_row *row = &conf_rows[i];

        if (!conf_given(s, row))
            continue;
        if (row->type == CONF_SECRET)
            print_nothing(row, before, ret_yaml);
        else
            print_row(s->conf, row, before, ret_yaml);
        remark(s, row, ret_yaml);
        buf_add_char(ret_yaml, '\n');
        before = row->name;
    }
}

void conf_print_rule(const struct conf_rule *r, struct buf *ret_yaml)
{
    conf_item_print(&conf_item_rule, r, ret_yaml);
}

static const char reference_head[] =
    "# Configuration\n"
    "\n"
    "<!-- Made by `registry config reference`; do not edit. -->\n"
    "\n"
    "The registry needs no configuration. What is set comes, in this order, from\n"
    "\n"
    "1. the defaults below,\n"
    "2. one YAML file: `registry serve --config FILE` (or the variable `REGISTRY_CONFIG`),\n"
    "3. environment variables, which win.\n"
    "\n"
    "A dot in a key is a level of the file, so `http.listen` and `log.level` are\n"
    "\n"
    "```yaml\n"
    "http:\n"
    "  listen: 127.0.0.1:5000\n"
    "log:\n"
    "  level: debug\n"
    "```\n"
    "\n"
    "A wrong key, a wrong value, and a `REGISTRY_` variable that no key owns are errors: the "
    "server\n"
    "does not start and says where the mistake is and what is allowed. `registry config check "
    "FILE`\n"
    "looks without starting anything; `registry config print` shows the configuration in effect.\n"
    "\n"
    "Sizes are written with `B`, `KiB`, `MiB`, `GiB` or `TiB` (1 KiB is 1024 bytes; `K` and `KB`\n"
    "mean the same), durations with `ms`, `s`, `m`, `h` or `d`, also together: `1h30m`. A list is "
    "a\n"
    "YAML list, or one text with commas; in a variable it is a text with commas. A list of maps "
    "is,\n"
    "in a variable, its JSON: `REGISTRY_QUOTAS='[{\"namespace\": \"dev\", \"tags\": 100}]'`.\n"
    "\n"
    "SIGHUP makes a running server read its configuration anew. Keys marked \"yes\" under "
    "*reload*\n"
    "then take effect at once; a change of another one is named in the log and waits for a "
    "restart.\n";

static const char *type_name(const struct conf_row *row)
{
    static const char *const names[] = {
        [CONF_BOOL] = "switch",        [CONF_COUNT] = "number",  [CONF_SIZE] = "size",
        [CONF_DURATION] = "duration",  [CONF_ENUM] = "choice",   [CONF_TEXT] = "text",
        [CONF_PATH] = "path",          [CONF_SECRET] = "secret", [CONF_TEXTS] = "list",
        [CONF_ITEMS] = "list of maps",
    };

    return names[row->type];
}

static void reference_default(const struct conf_row *row, struct buf *b)
{
    if (row->flags & CONF_REQUIRED) {
        buf_add_text(b, "must be given");
        return;
    }
    if (row->type == CONF_ITEMS) {
        buf_add_text(b, "empty");
        return;
    }
    if (conf_row_is_text(row) || row->type == CONF_TEXTS) {
        if (*row->def_text)
            buf_addf(b, "`%s`", row->def_text);
        else
            buf_add_text(b, "empty");
        return;
    }
    buf_add_char(b, '`');
    conf_value_print_number(row, row->def, b);
    buf_add_char(b, '`');
}

/* From the type to the unit. */
static void reference_value(const struct conf_row *row, struct buf *b)
{
    buf_addf(b, " | %s | ", type_name(row));
    reference_default(row, b);
    buf_add_text(b, " | ");
    if (row->type == CONF_ITEMS)
        buf_addf(b, "%" PRIu64 " to %" PRIu64 " maps, see below", row->min, row->max);
    else
        conf_value_print_allowed(row, b);
    if (row->unit)
        buf_addf(b, " (%s)", row->unit);
}

static void reference_row(const struct conf_row *row, struct buf *b)
{
    char env[CONF_ENV_MAX];

    conf_row_env(row, env);
    buf_addf(b, "| `%s` <br> `%s`", row->name, env);
    reference_value(row, b);
    buf_addf(b, " | %s | %s |\n", row->reloaded || row->flags & CONF_REBUILD ? "yes" : "no",
             row->help);
}

/* before: the list that row is a key of, with a dot; or "". */
static void reference_item(const char *before, const struct conf_row *row, struct buf *b)
{
    buf_addf(b,
             "\n### Keys of each map in %s%s\n\n"
             "| key | type | default | allowed | meaning |\n"
             "| --- | --- | --- | --- | --- |\n",
             before, row->name);
    for (size_t k = 0; k < row->item->n; k++) {
        buf_addf(b, "| `%s`", row->item->rows[k].name);
        reference_value(&row->item->rows[k], b);
        buf_addf(b, " | %s |\n", row->item->rows[k].help);
    }
}

static void reference_items(const struct conf_row *row, struct buf *b)
{
    char name[CONF_ENV_MAX];

    reference_item("", row, b);
    snprintf(name, sizeof(name), "%s.", row->name);
    for (size_t k = 0; k < row->item->n; k++) {
        if (row->item->rows[k].type == CONF_ITEMS)
            reference_item(name, &row->item->rows[k], b);
    }
}

/* Length of the part before the first dot: the key's group on the page. */
static size_t group_length(const char *name)
{
    return strcspn(name, ".");
}

static bool same_group(const char *a, const char *b)
{
    return group_length(a) == group_length(b) && strncmp(a, b, group_length(a)) == 0;
}

/* The rows from first to before end: one group. */
static void reference_group(size_t first, size_t end, struct buf *b)
{
    buf_addf(b,
             "\n## %.*s\n\n"
             "| key, variable | type | default | allowed | reload | meaning |\n"
             "| --- | --- | --- | --- | --- | --- |\n",
             (int)group_length(conf_rows[first].name), conf_rows[first].name);
    for (size_t i = first; i < end; i++)
        reference_row(&conf_rows[i], b);
    for (size_t i = first; i < end; i++) {
        if (conf_rows[i].type == CONF_ITEMS)
            reference_items(&conf_rows[i], b);
    }
}

void conf_reference(struct buf *ret_markdown)
{
    size_t end;

    buf_add_text(ret_markdown, reference_head);
    for (size_t first = 0; first < conf_rows_n; first = end) {
        for (end = first + 1; end < conf_rows_n; end++) {
            if (!same_group(conf_rows[first].name, conf_rows[end].name))
                break;
        }
        reference_group(first, end, ret_markdown);
    }
}
