/* Lists of maps (CONF_ITEMS); a map may hold such lists in turn. For the files of conf/. */
#pragma once

#include "conf/table.h"

/* A new item at the end, with its defaults; NULL when row allows no more. */
void *conf_items_add(const struct conf_row *row, struct conf_items *list);

static inline void *conf_items_at(const struct conf_row *row, const struct conf_items *list,
                                  size_t i)
{
    return (char *)list->items + i * row->item->bytes;
}

static inline void *conf_item_field(const struct conf_row *key, void *item)
{
    return (char *)item + key->offset;
}

void conf_items_free(const struct conf_row *row, struct conf_items *list);
bool conf_items_eq(const struct conf_row *row, const struct conf_items *a,
                   const struct conf_items *b);

/* In brackets; and one item, in braces. */
void conf_items_print(const struct conf_row *row, const struct conf_items *list,
                      struct buf *ret_yaml);
void conf_item_print(const struct conf_item *item, const void *values, struct buf *ret_yaml);

/* As JSON: a list of objects, whose numbers with units and choices are texts. */
void conf_items_json(const struct conf_row *row, const struct conf_items *list,
                     struct buf *ret_json);
