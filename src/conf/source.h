/* What the readers of conf/ share while a configuration is being put together: where each value
 * came from. */
#pragma once

#include "conf/table.h"

/* A key, or a key of an item of a list, or an item as a whole; the same of a list in an item. */
struct conf_key {
    const struct conf_row *row; /* of the table */
    size_t item;                /* index; CONF_NO_ITEM: the key itself */
    const struct conf_row *sub; /* of row->item; NULL: the whole item */
    struct conf_inner_key {     /* of the list that sub is */
        bool in;                /* else it is about sub itself */
        size_t item;
        const struct conf_row *sub; /* of sub->item; NULL: the whole item */
    } inner;
};

#define CONF_NO_ITEM  SIZE_MAX
#define CONF_KEY(row) ((struct conf_key){(row), CONF_NO_ITEM, NULL, {false, 0, NULL}})

bool conf_key_eq(const struct conf_key *a, const struct conf_key *b);

/* Where the value of a key came from. */
struct conf_origin {
    unsigned line;  /* 0: not in the file */
    const char *as; /* the key as it was written: row->name, row->alias, or another registry's */
    bool environment;
    bool section;       /* the alias is that of a section, and the section is in the file */
    const char *remark; /* what changed with a value of another registry; NULL: its name at most */
};

/* Where each value came from, for the errors found after all were read. */
struct conf_source {
    struct conf *conf;
    const char *path; /* of the file; NULL: none */
    bool elsewhere;   /* it is not for this machine: no file that it names is looked at */
    struct conf_origin of[CONF_ROWS_MAX];
    struct conf_item_line { /* of the items in the file */
        struct conf_key key;
        unsigned line;
    } * items;
    size_t n_items;
};

void conf_source_done(struct conf_source *s); /* leaves conf alone */

/* The item, or a key of it, stands in that line of the file. */
void conf_note_item(struct conf_source *s, struct conf_key key, unsigned line);

static inline void auto_source_(struct conf_source *s)
{
    conf_source_done(s);
}

/* Was the key in the file, or its variable in the environment? */
bool conf_given(const struct conf_source *s, const struct conf_row *row);

/* The key or section (or variable) nearest to a misspelt one; false when none is near. */
enum conf_spelling { CONF_SPELL_KEY, CONF_SPELL_ENVIRONMENT };
bool conf_suggest(struct str word, enum conf_spelling as, char ret_text[static CONF_ENV_MAX]);

/* Puts "FILE:LINE: KEY" or the variable's name before e's detail. */
enum err_code conf_place(const struct conf_source *s, struct conf_key key, struct err *e);
