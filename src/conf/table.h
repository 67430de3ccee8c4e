/* The configuration table: one row a key. For the files of conf/ and its tests. */
#pragma once

#include "conf/conf.h"

enum conf_type {
    CONF_BOOL,     /* bool; choices, when given, name false and true */
    CONF_COUNT,    /* uint64_t */
    CONF_SIZE,     /* uint64_t, bytes; written with KiB, MiB, GiB, TiB */
    CONF_DURATION, /* uint64_t, milliseconds; written with ms, s, m, h, d */
    CONF_ENUM,     /* uint64_t, an index into choices */
    CONF_TEXT,     /* char * */
    CONF_PATH,     /* char * */
    CONF_SECRET,   /* char *, never printed */
    CONF_TEXTS,    /* struct conf_strings; choices, when given, are all that an item may be */
    CONF_ITEMS,    /* struct conf_items: a list of maps; of one at most, it may stand alone */
};

enum conf_flag {
    CONF_REBUILD = 1,    /* SIGHUP: something is made anew of it; see conf_reload() */
    CONF_REQUIRED = 2,   /* of an item: the key must be there */
    CONF_READ = 4,       /* of a path, or a list of them: files that are read */
    CONF_SECRET_URL = 8, /* of a text: a URL, of which the server alone is printed */
};

/* Does SIGHUP take a new value over? That is, can the field be stored while it is read? */
#define CONF_RELOADED(field)                                                                       \
    _Generic(&(field), _Atomic uint64_t * : true, _Atomic bool * : true, default : false)

/* What every field of CONF_ITEMS looks like: struct conf_rules and its like, typed. */
struct conf_items {
    void *items;
    size_t n;
};

/* The keys of an item; their offsets are those of its struct. */
struct conf_item {
    const struct conf_row *rows;
    size_t n, bytes;
};

struct conf_row {
    const char *name;  /* "http.tls.certificate" */
    const char *alias; /* another name; NULL: none. That of a section is set by its scalar */
    enum conf_type type;
    size_t offset, size; /* of the field in struct conf */
    bool reloaded;       /* CONF_RELOADED(), of that field */
    uint64_t min, max;   /* of a number; bytes of a text; items of a list */
    union {
        uint64_t def;         /* numbers, bools, enums */
        const char *def_text; /* texts; a list's items separated by commas */
    };
    const char *const *choices; /* ends with NULL */
    const char *as_well;        /* another word for the choice `as_well_is`; NULL: none */
    uint64_t as_well_is;
    const struct conf_item *item; /* of CONF_ITEMS */
    const char *unit;             /* when the value does not carry it */
    unsigned flags;
    const char *help;
};

#define CONF_ROWS_MAX 320
#define CONF_KEYS_MAX 32 /* of an item */
#define CONF_ENV_MAX  64 /* longest variable name, with NUL */

extern const struct conf_row conf_rows[];
extern const size_t conf_rows_n;

extern const struct conf_item conf_item_external, conf_item_aws_role, conf_item_header,
    conf_item_rule, conf_item_quota, conf_item_retention, conf_item_pull_rule,
    conf_item_signature_rule, conf_item_webhook, conf_item_mail_rule;

/* By name or alias; NULL when there is no such key. */
const struct conf_row *conf_row_find(struct str name);

/* Is there a key below the section `name`? "http" and "http.tls" are sections. */
bool conf_section_exists(struct str name);

/* NULL when the item has no such key. */
const struct conf_row *conf_item_find(const struct conf_item *item, struct str name);

/* "http.tls.key" is REGISTRY_HTTP_TLS_KEY. */
void conf_env(const char *name, char dst[static CONF_ENV_MAX]);

static inline void conf_row_env(const struct conf_row *row, char dst[static CONF_ENV_MAX])
{
    conf_env(row->name, dst);
}

static inline bool conf_row_is_text(const struct conf_row *row)
{
    return row->type == CONF_TEXT || row->type == CONF_PATH || row->type == CONF_SECRET;
}

static inline void *conf_field(struct conf *c, const struct conf_row *row)
{
    return (char *)c + row->offset;
}

static inline const void *conf_field_const(const struct conf *c, const struct conf_row *row)
{
    return (const char *)c + row->offset;
}
