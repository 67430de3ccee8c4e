/* A file of the reference registry, printed as one of ours. */
#include "base/cleanup.h"
#include "base/mem.h"
#include "conf/distribution/read.h"
#include "conf/load.h"
#include "conf/print.h"

#include <stdlib.h>

/* Where the value stood, and what changed; nothing where the line is the same. */
static void remark(const struct conf_source *s, const struct conf_row *row, struct buf *b)
{
    const struct conf_origin *o = &s->of[row - conf_rows];
    bool made = strcmp(o->as, "version") == 0;

    if (!made && strcmp(o->as, row->name) == 0 && !o->remark)
        return;
    buf_add_text(b, " #");
    if (!made)
        buf_addf(b, " line %u, %s", o->line, o->as);
    if (o->remark)
        buf_addf(b, "%s%s", made ? " " : "; ", o->remark);
}

enum err_code conf_convert(const char *path, struct buf *ret_yaml, struct err *e)
{
    AUTO(conf) struct conf *c = NEW(struct conf);
    AUTO(flat) struct flat flat = {0};
    AUTO(source) struct conf_source s = {.conf = c, .path = path, .elsewhere = true};

    TRY(conf_load_source(&s, &flat, NULL, e));
    if (!conf_is_distribution(&flat))
        return err_set(e, ERR_CONFIG,
                       "%s: is no file of the reference registry: those have a line "
                       "'version: 0.1'",
                       path);
    buf_addf(ret_yaml, "# Made by 'registry config convert' from %s.\n", path);
    conf_print_given(&s, remark, ret_yaml);
    for (size_t i = 0; i < c->warnings.n; i++)
        buf_addf(ret_yaml, "# lost: %s\n", c->warnings.items[i]);
    return ERR_OK;
}
