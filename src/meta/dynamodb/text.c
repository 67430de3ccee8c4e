#include "meta/dynamodb/text.h"

#include "base/cleanup.h"

#include <stdio.h>

#define PART_BYTES 300000
#define NAME_MAX_  64

enum err_code dynamo_text_write(struct dynamo_link *l, struct str bytes, int64_t end_ms,
                                char ret_place[static DYNAMO_TEXT_PLACE], struct err *e)
{
    AUTO(json) json_t *requests = json_array();
    struct uuid id;
    size_t parts = 0;

    uuid_make(&id);
    for (size_t at = 0; at < bytes.n; at += PART_BYTES, parts++) {
        size_t n = bytes.n - at < PART_BYTES ? bytes.n - at : PART_BYTES;
        struct dynamo_key key = dynamo_key_text(&id, parts);
        json_t *item = dynamo_key_json(key.pk, key.sk);

        json_object_set_new(item, "part", item_bytes(str_sub(bytes, at, n)));
        json_array_append_new(requests, json_pack("{s:{s:o}}", "PutRequest", "Item", item));
    }
    TRY(dynamo_write_many(l, requests, end_ms, e));
    snprintf(ret_place, DYNAMO_TEXT_PLACE, "%s %zu", id.text, parts);
    return ERR_OK;
}

struct str dynamo_text_place(const json_t *item, const char *name)
{
    char place[NAME_MAX_];

    snprintf(place, sizeof(place), "%s_at", name);
    return item_get_text(item, place);
}

static bool parse(struct str place, struct uuid *ret_id, uint64_t *ret_parts)
{
    struct str id;

    return place.p && str_cut(&place, ' ', &id) && uuid_parse(id, ret_id) &&
           str_to_u64(place, 1 << 20, ret_parts);
}

static enum err_code read_parts(struct dynamo_link *l, struct str place, int64_t end_ms,
                                struct buf *dst, struct err *e)
{
    AUTO(dynamo_cursor) struct dynamo_cursor c = {.ended = false};
    struct uuid id;
    struct dynamo_key key;
    uint64_t parts, n = 0;
    json_t *item;

    if (!parse(place, &id, &parts))
        return err_set(e, ERR_CORRUPT, "the place of a long text is damaged");
    key = dynamo_key_text(&id, 0);
    c.range.partition = key.pk;
    for (;;) {
        TRY(dynamo_cursor_peek(l, &c, end_ms, &item, e));
        if (!item)
            break;
        n += item_get_bytes(item, "part", dst);
        dynamo_cursor_step(&c);
    }
    if (n != parts)
        return err_set(e, ERR_CORRUPT, "%llu of the %llu parts of a long text are missing",
                       (unsigned long long)(parts - n), (unsigned long long)parts);
    return ERR_OK;
}

enum err_code dynamo_text_read(struct dynamo_link *l, const json_t *item, const char *name,
                               int64_t end_ms, struct buf *dst, struct err *e)
{
    struct str place = dynamo_text_place(item, name);

    if (place.p)
        return read_parts(l, place, end_ms, dst, e);
    if (!item_get_bytes(item, name, dst))
        buf_add_str(dst, item_get_text(item, name));
    return ERR_OK;
}

void dynamo_text_delete(struct dynamo_link *l, struct str place, int64_t end_ms)
{
    AUTO(json) json_t *requests = json_array();
    struct uuid id;
    uint64_t parts;

    if (!parse(place, &id, &parts))
        return;
    for (size_t i = 0; i < parts; i++) {
        struct dynamo_key key = dynamo_key_text(&id, i);

        json_array_append_new(requests, dynamo_delete_request(key.pk, key.sk));
    }
    (void)!dynamo_write_many(l, requests, end_ms, ERR_IGNORED);
}
