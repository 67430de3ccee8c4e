#include "check/all_rows.h"

#include "base/cleanup.h"

#define PAGE 512

enum err_code rows_each(struct meta *m, enum meta_row_kind kind, rows_fn fn, void *ctx,
                        struct err *e)
{
    AUTO(row_list) struct meta_row_list page = {0};

    do {
        AUTO(row_list) struct meta_row_list last = page;

        page = (struct meta_row_list){0};
        TRY(meta_rows(m, kind, str_of(last.next ? last.next : ""), PAGE, &page, e));
        for (size_t i = 0; i < page.n; i++)
            TRY(fn(ctx, &page.rows[i], e));
    } while (page.more);
    return ERR_OK;
}
