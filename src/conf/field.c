#include "conf/field.h"

#include "conf/items.h"
#include "conf/value.h"

void conf_field_free(const struct conf_row *row, void *field)
{
    if (row->type == CONF_ITEMS)
        conf_items_free(row, field);
    else
        conf_value_free(row, field);
}

bool conf_field_eq(const struct conf_row *row, const void *a, const void *b)
{
    return row->type == CONF_ITEMS ? conf_items_eq(row, a, b) : conf_value_eq(row, a, b);
}

void conf_field_print(const struct conf_row *row, const void *field, struct buf *ret_text)
{
    if (row->type == CONF_ITEMS)
        conf_items_print(row, field, ret_text);
    else
        conf_value_print(row, field, ret_text);
}
