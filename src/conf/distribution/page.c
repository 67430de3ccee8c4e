/* The table of what becomes of each key, in Markdown. */
#include "conf/distribution/rows.h"

static const char *const verdicts[] = {
    [DISTRIBUTION_TAKEN] = "taken",
    [DISTRIBUTION_ALWAYS] = "taken",
    [DISTRIBUTION_WARNED] = "warned",
    [DISTRIBUTION_REFUSED] = "refused",
};

static const char *const shapes[] = {
    [DISTRIBUTION_ONE] = "",
    [DISTRIBUTION_LIST] = "",
    [DISTRIBUTION_BELOW] = ".*",
    [DISTRIBUTION_OTHER] = ".<any other>",
};

static void add_row(const struct distribution_row *row, struct buf *b)
{
    buf_addf(b, "| `%s%s` | %s", row->path, shapes[row->shape], verdicts[row->verdict]);
    if (row->harmless)
        buf_addf(b, ", but for `%s`", *row->harmless ? row->harmless : "\"\"");
    buf_add_text(b, " | ");
    if (row->to)
        buf_addf(b, "`%s`%s", row->to, row->note ? ": " : "");
    buf_addf(b, "%s |\n", row->note ? row->note : "");
}

void conf_distribution_reference(struct buf *ret_markdown)
{
    buf_add_text(ret_markdown, "| key there | what becomes of it | key here, and what to know |\n"
                               "| --- | --- | --- |\n");
    for (size_t i = 0; i < distribution_rows_n; i++)
        add_row(&distribution_rows[i], ret_markdown);
}
