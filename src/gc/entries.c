#include "gc/entries.h"

#include "base/cleanup.h"
#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>

/* "RECORD.ITEM": how many of the items of that record were read. */
struct place {
    char key[GC_KEY_SIZE]; /* of the record, with the run */
    size_t items;
};

struct reading {
    struct meta *meta;
    struct str collection;
    const char *run;
    size_t left;
    gc_entry_fn fn;
    void *ctx;
    struct place at;
};

static enum err_code parse_place(struct reading *r, struct str after, struct err *e)
{
    struct str rest = after, record = STR("");
    uint64_t items = 0;

    if (after.n > 0 &&
        (!str_cut(&rest, '.', &record) || record.n > 30 || !str_to_u64(rest, SIZE_MAX, &items)))
        return err_tell(e, ERR_REQUEST_INVALID, "'last' is not what the Link of a page said");
    snprintf(r->at.key, sizeof(r->at.key), "%s/" STR_FMT, r->run, STR_ARG(record));
    r->at.items = items;
    return ERR_OK;
}

static void read_record(struct reading *r, const struct meta_record *record)
{
    AUTO(json) json_t *json = json_loads(record->value, 0, NULL);
    const json_t *items = json_object_get(json, "items");
    struct gc_entry_row row = {.repo = json_string_value(json_object_get(json, "repository")),
                               .at_ms = json_integer_value(json_object_get(json, "at"))};
    size_t i = r->at.items;

    for (; i < json_array_size(items) && r->left > 0 && row.repo; i++, r->left--) {
        row.item = json_array_get(items, i);
        r->fn(r->ctx, &row);
    }
    r->at.items = i;
}

/* The record at which the page before ended. */
static enum err_code read_begun(struct reading *r, struct err *e)
{
    AUTO(record) struct meta_record record = {0};
    enum err_code code = meta_record_get(r->meta, r->collection, str_of(r->at.key), &record, e);

    if (code == ERR_OK)
        read_record(r, &record);
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

static enum err_code read_next(struct reading *r, bool *ret_more, struct err *e)
{
    AUTO(records) struct meta_record_list page = {0};
    char of[GC_KEY_SIZE];

    snprintf(of, sizeof(of), "%s/", r->run);
    TRY(meta_records(r->meta, r->collection, str_of(r->at.key), 1, &page, e));
    *ret_more = page.n > 0 && str_starts(str_of(page.rows[0].key), str_of(of)) &&
                str_copy(str_of(page.rows[0].key), r->at.key, sizeof(r->at.key));
    r->at.items = 0;
    if (*ret_more)
        read_record(r, &page.rows[0]);
    return ERR_OK;
}

enum err_code gc_entries(struct meta *m, struct str collection, const char *run, struct str after,
                         size_t n, gc_entry_fn fn, void *ctx, char ret_next[static GC_PLACE_SIZE],
                         struct err *e)
{
    struct reading r = {
        .meta = m, .collection = collection, .run = run, .left = n, .fn = fn, .ctx = ctx};
    bool more = true;

    ret_next[0] = '\0';
    TRY(parse_place(&r, after, e));
    if (after.n > 0)
        TRY(read_begun(&r, e));
    while (more && r.left > 0)
        TRY(read_next(&r, &more, e));
    if (more)
        snprintf(ret_next, GC_PLACE_SIZE, "%s.%zu", r.at.key + strlen(run) + 1, r.at.items);
    return ERR_OK;
}
