#include "auth/core/record.h"

#include "base/cleanup.h"
#include "base/mem.h"

static enum err_code read_page(const struct record_kind *kind, const struct meta_record_list *from,
                               struct record_page *page, struct err *e)
{
    for (; page->n < from->n; page->n++)
        TRY(kind->read(&from->rows[page->n], (char *)page->rows + page->n * kind->bytes, e));
    page->more = from->more;
    return ERR_OK;
}

enum err_code record_page(struct meta *m, const struct record_kind *kind, struct str after,
                          size_t limit, struct record_page *ret_page, struct err *e)
{
    AUTO(records) struct meta_record_list list = {0};
    struct record_page page = {0};
    enum err_code code;

    TRY(meta_records(m, kind->collection, after, limit, &list, e));
    page.rows = mem_zero((list.n + 1) * kind->bytes);
    code = read_page(kind, &list, &page, e);
    if (code == ERR_OK) {
        *ret_page = page;
        return ERR_OK;
    }
    while (page.n > 0)
        kind->done((char *)page.rows + --page.n * kind->bytes);
    free(page.rows);
    return code;
}

struct walk {
    const struct record_kind *kind;
    record_fn fn;
    void *ctx;
};

static enum err_code walk_record(void *ctx, const struct meta_record *r, struct err *e)
{
    const struct walk *w = ctx;
    AUTO(mem) void *row = mem_zero(w->kind->bytes);
    enum err_code code;

    TRY(w->kind->read(r, row, e));
    code = w->fn(w->ctx, row, e);
    w->kind->done(row);
    return code;
}

enum err_code record_each(struct meta *m, const struct record_kind *kind, record_fn fn, void *ctx,
                          struct err *e)
{
    return meta_records_each(m, kind->collection, walk_record, &(struct walk){kind, fn, ctx}, e);
}
