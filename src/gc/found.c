#include "gc/found.h"

#include <stdio.h>

#define ITEMS 256 /* of one record */

const char *gc_action_name(enum gc_action action)
{
    static const char *const names[] = {[GC_REVIVED] = "revive",
                                        [GC_CONDEMNED] = "condemn",
                                        [GC_DELETED] = "delete",
                                        [GC_KEPT] = "keep"};

    return names[action];
}

static void write_down(struct gc_found *f)
{
    char key[GC_KEY_SIZE];
    struct meta_op op;

    if (f->entry.n == 0 || f->error.code != ERR_OK)
        return;
    snprintf(key, sizeof(key), "%s/%06u", f->run, ++f->records);
    op = meta_op_record_put(GC_FOUND, str_of(key), gc_entry_end(&f->entry), META_ANY);
    f->entry.n = 0;
    f->error.code = meta_commit(f->meta, &op, 1, META_LAZY, NULL, &f->error);
}

void gc_found_add(struct gc_found *f, const struct gc_item *item)
{
    if (f->entry.n == ITEMS || !str_eq(repo_name_str(item->repo), repo_name_str(&f->repo)))
        write_down(f);
    if (f->entry.n == 0) {
        f->repo = *item->repo;
        gc_entry_begin(&f->entry, item->repo);
    }
    gc_entry_found(&f->entry, item->kind, item->digest, item->size_bytes, item->why,
                   gc_action_name(item->action));
}

enum err_code gc_found_end(struct gc_found *f, struct err *e)
{
    write_down(f);
    buf_done(&f->entry.text);
    if (f->error.code != ERR_OK)
        *e = f->error;
    return f->error.code;
}
