#include "conf/items.h"

#include "base/mem.h"
#include "conf/value.h"

#include <stdlib.h>

const struct conf_row *conf_item_find(const struct conf_item *item, struct str name)
{
    for (size_t i = 0; i < item->n; i++) {
        if (str_eq(name, str_of(item->rows[i].name)))
            return &item->rows[i];
    }
    return NULL;
}

void *conf_items_add(const struct conf_row *row, struct conf_items *list)
{
    const struct conf_item *item = row->item;
    void *added;

    if (list->n >= row->max)
        return NULL;
    list->items = mem_resize(list->items, (list->n + 1) * item->bytes);
    added = conf_items_at(row, list, list->n++);
    memset(added, 0, item->bytes);
    for (size_t i = 0; i < item->n; i++)
        conf_value_default(&item->rows[i], conf_item_field(&item->rows[i], added));
    return added;
}

static void free_field(const struct conf_row *key, void *field)
{
    if (key->type == CONF_ITEMS)
        conf_items_free(key, field);
    else
        conf_value_free(key, field);
}

void conf_items_free(const struct conf_row *row, struct conf_items *list)
{
    for (size_t i = 0; i < list->n; i++) {
        for (size_t k = 0; k < row->item->n; k++) {
            const struct conf_row *key = &row->item->rows[k];

            free_field(key, conf_item_field(key, conf_items_at(row, list, i)));
        }
    }
    free(list->items);
    *list = (struct conf_items){0};
}

static bool field_eq(const struct conf_row *key, const void *a, const void *b)
{
    return key->type == CONF_ITEMS ? conf_items_eq(key, a, b) : conf_value_eq(key, a, b);
}

bool conf_items_eq(const struct conf_row *row, const struct conf_items *a,
                   const struct conf_items *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        for (size_t k = 0; k < row->item->n; k++) {
            const struct conf_row *key = &row->item->rows[k];

            if (!field_eq(key, conf_item_field(key, conf_items_at(row, a, i)),
                          conf_item_field(key, conf_items_at(row, b, i))))
                return false;
        }
    }
    return true;
}

void conf_items_print(const struct conf_row *row, const struct conf_items *list,
                      struct buf *ret_yaml)
{
    buf_add_char(ret_yaml, '[');
    for (size_t i = 0; i < list->n; i++) {
        buf_add_text(ret_yaml, i ? ", " : "");
        conf_item_print(row->item, conf_items_at(row, list, i), ret_yaml);
    }
    buf_add_char(ret_yaml, ']');
}

void conf_item_print(const struct conf_item *item, const void *values, struct buf *ret_yaml)
{
    buf_add_char(ret_yaml, '{');
    for (size_t k = 0; k < item->n; k++) {
        const struct conf_row *key = &item->rows[k];
        const void *field = (const char *)values + key->offset;

        buf_addf(ret_yaml, "%s%s: ", k ? ", " : "", key->name);
        if (key->type == CONF_ITEMS)
            conf_items_print(key, field, ret_yaml);
        else
            conf_value_print(key, field, ret_yaml);
    }
    buf_add_char(ret_yaml, '}');
}

static void value_json(const struct conf_row *key, const void *field, struct buf *b)
{
    bool plain = conf_row_is_text(key) || key->type == CONF_TEXTS || key->type == CONF_BOOL ||
                 key->type == CONF_COUNT;

    if (key->type == CONF_ITEMS) {
        conf_items_json(key, field, b);
        return;
    }
    buf_add_text(b, plain ? "" : "\"");
    conf_value_print(key, field, b);
    buf_add_text(b, plain ? "" : "\"");
}

void conf_items_json(const struct conf_row *row, const struct conf_items *list,
                     struct buf *ret_json)
{
    buf_add_char(ret_json, '[');
    for (size_t i = 0; i < list->n; i++) {
        for (size_t k = 0; k < row->item->n; k++) {
            const struct conf_row *key = &row->item->rows[k];

            buf_addf(ret_json, "%s\"%s\":", k ? "," : i ? ",{" : "{", key->name);
            value_json(key, conf_item_field(key, conf_items_at(row, list, i)), ret_json);
        }
        buf_add_char(ret_json, '}');
    }
    buf_add_char(ret_json, ']');
}
