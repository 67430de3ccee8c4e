/* A field of the configuration, be it a value (value.h) or a list of maps (items.h). */
#pragma once

#include "conf/table.h"

void conf_field_free(const struct conf_row *row, void *field);
bool conf_field_eq(const struct conf_row *row, const void *a, const void *b);

/* As conf_value_print(), a map in braces. */
void conf_field_print(const struct conf_row *row, const void *field, struct buf *ret_text);
