#include "check/deep.h"

#include "base/cleanup.h"
#include "check/again.h"
#include "core/quarantine.h"

#include <stdio.h>

#define PAGE 64

/* After so many in a row that were not to be had it is asked whether the server is there at all. */
#define AWAY_MOST 8

struct reading {
    const struct deep *o;
    struct rehash how;
    struct digest last; /* n is 0: none yet */
    unsigned away;
};

static enum err_code is_there(struct store *s, struct err *e)
{
    struct store_health unused;

    return store_health(s, &unused, e);
}

/* What came of reading one: an error that is its own is told, and the others are read. */
static enum err_code read_came_to(struct reading *c, struct check_finding *f, enum err_code code,
                                  struct err *e)
{
    if (!again_is_unreadable(code)) {
        c->away = 0;
        return code;
    }
    c->away += code == ERR_UNAVAILABLE;
    if (c->away == AWAY_MOST) {
        c->away = 0;
        TRY(is_there(c->o->r->store, e));
    }
    f->code = CHECK_UNREADABLE;
    snprintf(f->detail, sizeof(f->detail), "%.*s", (int)sizeof(f->detail) - 1, e->detail);
    return c->o->doubt(c->o->ctx, f, e);
}

static bool is_wanted(const struct deep *o, struct str repo)
{
    return !o->repo || str_eq(repo_name_str(o->repo), repo);
}

/* Where it is kept once for all, its next row says nothing new. */
static bool was_read(struct reading *c, const struct digest *d)
{
    bool same = c->last.n > 0 && digest_eq(&c->last, d);

    if (!same)
        c->how.file = 0;
    c->last = *d;
    return same && store_shared(c->o->r->store);
}

/* One that is missing is found without reading. */
static enum err_code read_blob(struct reading *c, const struct meta_row *row, struct err *e)
{
    struct check_finding f = {.code = CHECK_BLOB_CORRUPT};
    bool whole = true;
    enum err_code code;

    if (!is_wanted(c->o, row->texts[0]) ||
        repo_name_parse(row->texts[0], &f.repo, ERR_IGNORED) != ERR_OK ||
        digest_parse(row->texts[1], &f.digest, ERR_IGNORED) != ERR_OK || was_read(c, &f.digest))
        return ERR_OK;
    code = quarantine_rehash(c->o->r, &f.repo, &f.digest, &c->how, &whole, e);
    if (code == ERR_BLOB_UNKNOWN || (code == ERR_OK && whole))
        return read_came_to(c, &f, ERR_OK, e);
    if (code != ERR_OK)
        return read_came_to(c, &f, code, e);
    if (store_shared(c->o->r->store))
        f.repo = (struct repo_name){.n = 0};
    return c->o->doubt(c->o->ctx, &f, e);
}

enum err_code deep_blobs(const struct deep *o, struct err *e)
{
    struct reading c = {.o = o, .how = {.goes_on = o->goes_on, .ctx = o->ctx}};
    AUTO(row_list) struct meta_row_list page = {0};
    bool first = true;

    do {
        AUTO(row_list) struct meta_row_list last = page;

        page = (struct meta_row_list){0};
        TRY(meta_rows(o->r->meta, META_ROW_BLOB,
                      first       ? o->from
                      : last.next ? str_of(last.next)
                                  : STR(""),
                      PAGE, &page, e));
        first = false;
        for (size_t i = 0; i < page.n; i++)
            TRY(read_blob(&c, &page.rows[i], e));
        if (o->page && page.next)
            TRY(o->page(o->ctx, page.next, e));
    } while (page.more);
    return ERR_OK;
}

static enum err_code read_manifest(void *ctx, const struct meta_row *row, struct err *e)
{
    struct reading *c = ctx;
    const struct deep *o = c->o;
    struct check_finding f = {.code = CHECK_MANIFEST_DIFFERS, .of_manifest = true};
    AUTO(buf) struct buf bytes = {0};
    enum err_code code;

    if (!is_wanted(o, row->texts[0]) ||
        repo_name_parse(row->texts[0], &f.repo, ERR_IGNORED) != ERR_OK ||
        digest_parse(row->texts[1], &f.digest, ERR_IGNORED) != ERR_OK)
        return ERR_OK;
    buf_init(&bytes, row->texts[4].n + 1);
    code = store_manifest_get(o->r->store, &f.repo, &f.digest, &bytes, e);
    if (!o->goes_on(o->ctx, row->texts[4].n))
        return err_set(e, ERR_LATER, "it was to end");
    if (code == ERR_MANIFEST_UNKNOWN)
        return ERR_OK;
    if (code == ERR_OK && str_eq(buf_str(&bytes), row->texts[4]))
        return read_came_to(c, &f, ERR_OK, e);
    return code == ERR_OK || code == ERR_CORRUPT ? o->doubt(o->ctx, &f, e)
                                                 : read_came_to(c, &f, code, e);
}

enum err_code deep_manifests(const struct deep *o, struct err *e)
{
    struct reading c = {.o = o};

    return meta_rows_each(o->r->meta, META_ROW_MANIFEST, read_manifest, &c, e);
}

int64_t deep_rest_ms(uint64_t rate_bytes, uint64_t bytes, int64_t took_ms)
{
    uint64_t due_ms;

    if (rate_bytes == 0)
        return 0;
    due_ms = bytes / rate_bytes * 1000 + bytes % rate_bytes * 1000 / rate_bytes;
    return due_ms > INT64_MAX / 2 || (int64_t)due_ms <= took_ms ? 0 : (int64_t)due_ms - took_ms;
}
