/*
 * One value of the configuration: text to field and back, by its row. For the files of conf/. What
 * a list of maps needs as well is in field.h; here it is only refused, and what it allows is told.
 * An error's detail says what was wrong and what is allowed; the caller puts the place before it.
 */
#pragma once

#include "conf/table.h"

/* Parses text into the field, freeing what was there. A list is split at its commas; one of maps
 * is refused (conf_read_items() reads it). */
ERR_CHECKED enum err_code conf_value_set(const struct conf_row *row, struct str text, void *field,
                                         struct err *e);

/* Lists only: one item at the end; and a look at the number of items once all are there. */
ERR_CHECKED enum err_code conf_value_add(const struct conf_row *row, struct str text, void *field,
                                         struct err *e);
ERR_CHECKED enum err_code conf_value_complete(const struct conf_row *row, const void *field,
                                              struct err *e);

/* One more text, of a copy; and all away, which leaves an empty list. */
void conf_strings_add(struct conf_strings *list, struct str text);
void conf_strings_free(struct conf_strings *list);

/* Into a field that holds nothing yet. */
void conf_value_default(const struct conf_row *row, void *field);
void conf_value_free(const struct conf_row *row, void *field);
bool conf_value_eq(const struct conf_row *row, const void *a, const void *b);

/* As YAML on one line, a list in brackets; a secret as "********". */
void conf_value_print(const struct conf_row *row, const void *field, struct buf *ret_text);

/* A number of the row's type: "64KiB", "1m", "info". */
void conf_value_print_number(const struct conf_row *row, uint64_t v, struct buf *ret_text);

/* What the row allows: "a size from 1KiB to 64KiB". */
void conf_value_print_allowed(const struct conf_row *row, struct buf *ret_text);
