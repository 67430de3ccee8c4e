#include "conf/value.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "conf/url.h"

#include <inttypes.h>

#define SHOWN_MAX 40 /* bytes of a wrong value that an error repeats */

struct suffix {
    const char *text;
    uint64_t factor;
};

/* Largest first; of equal ones the first is printed. 1000 is never meant: memory and disk limits
 * are powers of two everywhere else too. */
static const struct suffix size_suffixes[] = {
    {"TiB", 1ull << 40},
    {"TB", 1ull << 40},
    {"T", 1ull << 40},
    {"GiB", 1ull << 30},
    {"GB", 1ull << 30},
    {"G", 1ull << 30},
    {"MiB", 1 << 20},
    {"MB", 1 << 20},
    {"M", 1 << 20},
    {"KiB", 1 << 10},
    {"KB", 1 << 10},
    {"K", 1 << 10},
    {"B", 1},
    {"", 1},
    {NULL, 0},
};

static const struct suffix duration_suffixes[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0},
};

static const char *const bool_choices[] = {"false", "true", NULL};

static const char *const *choices_of(const struct conf_row *row)
{
    return row->type == CONF_BOOL && !row->choices ? bool_choices : row->choices;
}

/* Errors. */

static enum err_code refuse(const struct conf_row *row, struct str text, const char *why,
                            struct err *e)
{
    char shown[SHOWN_MAX + 4] = "";
    AUTO(buf) struct buf allowed = {0};
    size_t n = text.n < SHOWN_MAX ? text.n : SHOWN_MAX;

    for (size_t i = 0; i < n; i++)
        shown[i] = (char)(text.p[i] >= 0x20 && text.p[i] < 0x7f ? text.p[i] : '?');
    if (n < text.n)
        strcpy(shown + n, "...");
    buf_init(&allowed, sizeof(e->detail));
    conf_value_print_allowed(row, &allowed);
    if (row->type == CONF_SECRET)
        return err_set(e, ERR_CONFIG, "the value %s; allowed is %s", why, buf_text(&allowed));
    return err_set(e, ERR_CONFIG, "'%s' %s; allowed is %s", shown, why, buf_text(&allowed));
}

/* Numbers. */

static bool multiply(uint64_t a, uint64_t b, uint64_t *ret)
{
    return !__builtin_mul_overflow(a, b, ret);
}

static struct str take_digits(struct str *s)
{
    size_t n = 0;
    struct str digits;

    while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
        n++;
    digits = str_sub(*s, 0, n);
    *s = str_sub(*s, n, s->n - n);
    return digits;
}

static const struct suffix *find_suffix(const struct suffix *table, struct str text)
{
    for (; table->text; table++) {
        if (str_ieq(text, str_of(table->text)))
            return table;
    }
    return NULL;
}

static bool parse_size(struct str s, uint64_t *ret)
{
    struct str digits = take_digits(&s);
    const struct suffix *suffix = find_suffix(size_suffixes, str_trim(s));
    uint64_t v;

    return suffix && str_to_u64(digits, UINT64_MAX, &v) && multiply(v, suffix->factor, ret);
}

/* "90s", "1h30m"; a number without a unit only when it is 0. */
static bool parse_duration(struct str s, uint64_t *ret)
{
    uint64_t sum = 0;

    if (str_eq(s, STR("0"))) {
        *ret = 0;
        return true;
    }
    if (s.n == 0)
        return false;
    while (s.n > 0) {
        struct str digits = take_digits(&s);
        const struct suffix *suffix;
        size_t n = 0;
        uint64_t v;

        while (n < s.n && (s.p[n] < '0' || s.p[n] > '9'))
            n++;
        suffix = find_suffix(duration_suffixes, str_trim(str_sub(s, 0, n)));
        s = str_sub(s, n, s.n - n);
        if (!suffix || !str_to_u64(digits, UINT64_MAX, &v) || !multiply(v, suffix->factor, &v) ||
            __builtin_add_overflow(sum, v, &sum))
            return false;
    }
    *ret = sum;
    return true;
}

static bool parse_choice(const char *const *choices, struct str s, uint64_t *ret)
{
    for (uint64_t i = 0; choices[i]; i++) {
        if (str_ieq(s, str_of(choices[i]))) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static enum err_code parse_number(const struct conf_row *row, struct str text, uint64_t *ret,
                                  struct err *e)
{
    static const char *const wrong[] = {
        [CONF_COUNT] = "is not a whole number",
        [CONF_SIZE] = "is not a size such as 64KiB",
        [CONF_DURATION] = "is not a duration such as 30s",
        [CONF_BOOL] = "is not known here",
        [CONF_ENUM] = "is not known here",
    };
    uint64_t v = 0;
    bool ok;

    if (row->type == CONF_COUNT)
        ok = str_to_u64(text, UINT64_MAX, &v);
    else if (row->type == CONF_SIZE)
        ok = parse_size(text, &v);
    else if (row->type == CONF_DURATION)
        ok = parse_duration(text, &v);
    else
        ok = parse_choice(choices_of(row), text, &v);
    if (!ok && row->as_well && str_ieq(text, str_of(row->as_well))) {
        v = row->as_well_is;
        ok = true;
    }
    if (!ok)
        return refuse(row, text, wrong[row->type], e);
    if (!choices_of(row) && (v < row->min || v > row->max))
        return refuse(row, text, "is out of range", e);
    *ret = v;
    return ERR_OK;
}

/* Texts. */

/* Values reach the log and the terminal, and YAML must be able to hold them. */
static bool text_printable(struct str s)
{
    size_t step;

    for (size_t i = 0; i < s.n; i += step) {
        unsigned char c = (unsigned char)s.p[i];

        step = str_utf8_step(str_sub(s, i, s.n - i));
        if (step == 0 || c < 0x20 || c == 0x7f)
            return false;
    }
    return true;
}

static enum err_code set_text(const struct conf_row *row, struct str text, char **field,
                              struct err *e)
{
    if (!text_printable(text))
        return refuse(row, text, "holds a control character or is not UTF-8", e);
    if (text.n < row->min)
        return refuse(row, text, "is too short", e);
    if (text.n > row->max)
        return refuse(row, text, "is too long", e);
    if (row->type == CONF_PATH && str_starts(text, STR("~/")))
        return refuse(row, text, "starts with '~', which only a shell knows; write it out", e);
    free(*field);
    *field = str_dup(text);
    return ERR_OK;
}

void conf_strings_add(struct conf_strings *list, struct str text)
{
    list->items = mem_resize(list->items, (list->n + 1) * sizeof(list->items[0]));
    list->items[list->n++] = str_dup(text);
}

void conf_strings_free(struct conf_strings *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct conf_strings){0};
}

enum err_code conf_value_add(const struct conf_row *row, struct str text, void *field,
                             struct err *e)
{
    struct conf_strings *list = field;
    uint64_t choice;

    text = str_trim(text);
    if (text.n == 0 || !text_printable(text))
        return refuse(row, text, "is not an item of a list", e);
    if (row->choices) {
        if (!parse_choice(row->choices, text, &choice))
            return refuse(row, text, "is not known here", e);
        text = str_of(row->choices[choice]);
    }
    if (list->n >= row->max)
        return refuse(row, text, "is one item too many", e);
    conf_strings_add(list, text);
    return ERR_OK;
}

enum err_code conf_value_complete(const struct conf_row *row, const void *field, struct err *e)
{
    const struct conf_strings *list = field;

    if (list->n < row->min)
        return refuse(row, STR("[]"), "has too few items", e);
    return ERR_OK;
}

static enum err_code set_texts(const struct conf_row *row, struct str text, void *field,
                               struct err *e)
{
    struct str item;
    bool more = text.n > 0;

    conf_strings_free(field);
    while (more) {
        more = str_cut(&text, ',', &item);
        TRY(conf_value_add(row, item, field, e));
    }
    return conf_value_complete(row, field, e);
}

enum err_code conf_value_set(const struct conf_row *row, struct str text, void *field,
                             struct err *e)
{
    uint64_t v = 0;

    if (conf_row_is_text(row))
        return set_text(row, text, field, e);
    if (row->type == CONF_TEXTS)
        return set_texts(row, text, field, e);
    if (row->type == CONF_ITEMS)
        return refuse(row, text, "is a text", e);
    TRY(parse_number(row, str_trim(text), &v, e));
    if (row->type == CONF_BOOL)
        *(bool *)field = v;
    else
        *(uint64_t *)field = v;
    return ERR_OK;
}

void conf_value_default(const struct conf_row *row, void *field)
{
    if (conf_row_is_text(row)) {
        *(char **)field = mem_strdup(row->def_text);
    } else if (row->type == CONF_TEXTS) {
        struct str rest = str_of(row->def_text), item;

        while (rest.n) {
            str_cut(&rest, ',', &item);
            if (conf_value_add(row, item, field, ERR_IGNORED) != ERR_OK)
                abort(); /* a mistake in the table; a test loads all defaults */
        }
    } else if (row->type == CONF_BOOL) {
        *(bool *)field = row->def;
    } else if (row->type != CONF_ITEMS) {
        *(uint64_t *)field = row->def;
    }
}

void conf_value_free(const struct conf_row *row, void *field)
{
    if (row->type == CONF_TEXTS) {
        conf_strings_free(field);
    } else if (conf_row_is_text(row)) {
        free(*(char **)field);
        *(char **)field = NULL;
    }
}

static bool texts_eq(const struct conf_strings *a, const struct conf_strings *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    }
    return true;
}

bool conf_value_eq(const struct conf_row *row, const void *a, const void *b)
{
    if (row->type == CONF_TEXTS)
        return texts_eq(a, b);
    if (conf_row_is_text(row))
        return strcmp(*(char *const *)a, *(char *const *)b) == 0;
    return memcmp(a, b, row->size) == 0;
}

/* Printing. */

static void print_suffixed(const struct suffix *table, uint64_t v, struct buf *b)
{
    while (v % table->factor != 0)
        table++;
    buf_add_u64(b, v / table->factor);
    buf_add_text(b, table->text);
}

void conf_value_print_number(const struct conf_row *row, uint64_t v, struct buf *ret_text)
{
    const struct suffix *table = row->type == CONF_SIZE ? size_suffixes : duration_suffixes;

    if (choices_of(row)) {
        buf_add_text(ret_text, choices_of(row)[v]);
    } else if (row->type == CONF_COUNT || v == 0) {
        buf_add_u64(ret_text, v);
    } else {
        print_suffixed(table, v, ret_text);
    }
}

static void print_texts(const struct conf_strings *list, struct buf *b)
{
    buf_add_char(b, '[');
    for (size_t i = 0; i < list->n; i++) {
        buf_add_text(b, i ? ", " : "");
        buf_add_json(b, str_of(list->items[i]));
    }
    buf_add_char(b, ']');
}

#define HIDDEN "********"

/* The path may be what makes its sender known there. */
static void print_server(const char *text, struct buf *b)
{
    AUTO(buf) struct buf shown = {0};
    struct conf_url url;

    buf_init(&shown, 4096);
    if (!conf_url_parse(str_of(text), &url))
        buf_add_text(&shown, HIDDEN);
    else if (url.path.n <= 1)
        buf_add_text(&shown, text);
    else
        buf_addf(&shown, "%.*s/" HIDDEN, (int)(url.path.p - text), text);
    buf_add_json(b, buf_str(&shown));
}

void conf_value_print(const struct conf_row *row, const void *field, struct buf *ret_text)
{
    const char *text;

    if (row->type == CONF_TEXTS) {
        print_texts(field, ret_text);
    } else if (row->flags & CONF_SECRET_URL) {
        print_server(*(char *const *)field, ret_text);
    } else if (conf_row_is_text(row)) {
        text = *(char *const *)field;
        /* JSON's strings are strings of YAML too (YAML 1.2, 1.3) */
        buf_add_json(ret_text, str_of(row->type == CONF_SECRET && *text ? HIDDEN : text));
    } else {
        conf_value_print_number(
            row, row->type == CONF_BOOL ? *(const bool *)field : *(const uint64_t *)field,
            ret_text);
    }
}

static void print_range(const struct conf_row *row, struct buf *b)
{
    buf_add_text(b, " from ");
    conf_value_print_number(row, row->min, b);
    buf_add_text(b, " to ");
    conf_value_print_number(row, row->max, b);
}

static void print_choices(const struct conf_row *row, struct buf *b)
{
    const char *const *choices = choices_of(row);

    for (size_t i = 0; choices[i]; i++) {
        if (i)
            buf_add_text(b, choices[i + 1] ? ", " : " or ");
        buf_addf(b, "'%s'", choices[i]);
    }
}

static void print_maps_allowed(const struct conf_row *row, struct buf *ret_text)
{
    const struct conf_item *item = row->item;

    buf_addf(ret_text, "a list of %" PRIu64 " to %" PRIu64 " maps of ", row->min, row->max);
    for (size_t k = 0; k < item->n; k++) {
        if (k)
            buf_add_text(ret_text, k + 1 < item->n ? ", " : " and ");
        buf_add_text(ret_text, item->rows[k].name);
    }
}

void conf_value_print_allowed(const struct conf_row *row, struct buf *ret_text)
{
    switch (row->type) {
    case CONF_BOOL:
    case CONF_ENUM:
        print_choices(row, ret_text);
        break;
    case CONF_COUNT:
        buf_add_text(ret_text, "a whole number");
        print_range(row, ret_text);
        break;
    case CONF_SIZE:
        buf_add_text(ret_text, "a size");
        print_range(row, ret_text);
        break;
    case CONF_DURATION:
        buf_add_text(ret_text, "a duration");
        print_range(row, ret_text);
        break;
    case CONF_TEXT:
    case CONF_PATH:
    case CONF_SECRET:
        buf_addf(ret_text, "%s of %" PRIu64 " to %" PRIu64 " bytes",
                 row->type == CONF_PATH ? "a path" : "a text", row->min, row->max);
        break;
    case CONF_TEXTS:
        buf_addf(ret_text, "a list of %" PRIu64 " to %" PRIu64 "%s", row->min, row->max,
                 row->choices ? " of " : " texts");
        if (row->choices)
            print_choices(row, ret_text);
        break;
    case CONF_ITEMS:
        print_maps_allowed(row, ret_text);
        break;
    }
}

bool conf_duration(struct str text, uint64_t *ret_ms)
{
    static const struct conf_row row = {
        .name = "duration",
        .type = CONF_DURATION,
        .size = sizeof(uint64_t),
        .max = 36500ull * 86400 * 1000,
    };

    return conf_value_set(&row, text, ret_ms, ERR_IGNORED) == ERR_OK;
}
