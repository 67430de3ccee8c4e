#include "check/again.h"

#include "base/cleanup.h"
#include "check/usage.h"
#include "core/manifest.h"
#include "core/quarantine.h"
#include "core/removal.h"

#include <stdint.h>

#define TAGS_PAGE 256

/* ---- what is looked up once for all of a round */

static enum err_code met_pending(void *ctx, const struct meta_row *row, struct err *e)
{
    struct again *a = ctx;

    (void)e;
    sums_add(&a->pending, sums_hash(&a->pending, 'P', row->texts[0], row->texts[1]));
    return ERR_OK;
}

enum check_code again_code_of(enum store_odd odd)
{
    static const enum check_code codes[] = {
        [STORE_ODD_NAME] = CHECK_NAME_FOREIGN,
        [STORE_ODD_LINK] = CHECK_LINK_FOREIGN,
        [STORE_ODD_MODE] = CHECK_PERMISSIONS,
        [STORE_ODD_TEMP] = CHECK_TEMP_LEFT,
    };

    return codes[odd];
}

static bool is_odd(enum check_code code)
{
    return code == CHECK_NAME_FOREIGN || code == CHECK_LINK_FOREIGN || code == CHECK_PERMISSIONS ||
           code == CHECK_TEMP_LEFT;
}

static enum err_code met_odd(void *ctx, const struct store_item *item, struct err *e)
{
    struct again *a = ctx;

    (void)e;
    sums_add(&a->odd,
             sums_hash(&a->odd, (char)again_code_of(item->odd), str_of(item->path), STR("")));
    return ERR_OK;
}

uint64_t again_link(const struct sums *s, struct str digest)
{
    return sums_hash(s, 'L', digest, STR("")) & SUMS_VALUE_MAX;
}

bool again_links(const struct sums *s, const struct meta_manifest *m, uint64_t *ret_sum)
{
    AUTO(manifest) struct manifest parsed = {0};
    uint64_t sum = 0;

    if (manifest_parse(m->bytes, m->media_type, SIZE_MAX, &parsed, ERR_IGNORED) != ERR_OK)
        return false;
    for (size_t i = 0; i < parsed.n_links; i++)
        sum += again_link(s, digest_str(&parsed.links[i].digest));
    *ret_sum = sum & SUMS_VALUE_MAX;
    return true;
}

static uint64_t edges_hash(const struct again *a, struct str repo, struct str digest)
{
    return sums_hash(&a->edges, 'E', repo, digest);
}

/* What a manifest names by its bytes, less what the rows say, is nothing. */
static enum err_code load_links(struct again *a, const struct check_finding *f, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    enum err_code code = meta_manifest_by_digest(a->r->meta, &f->repo, &f->digest, &m, e);
    uint64_t sum;

    if (code == ERR_MANIFEST_UNKNOWN || code == ERR_CORRUPT)
        return ERR_OK;
    TRY(code);
    if (again_links(&a->edges, m, &sum))
        sums_add(&a->edges, edges_hash(a, repo_name_str(&f->repo), digest_str(&f->digest)))->value =
            sum & SUMS_VALUE_MAX;
    return ERR_OK;
}

static enum err_code met_edge(void *ctx, const struct meta_row *row, struct err *e)
{
    struct again *a = ctx;
    struct sums_row *sum = sums_find(&a->edges, edges_hash(a, row->texts[0], row->texts[1]));

    (void)e;
    if (sum)
        sum->value = (sum->value - again_link(&a->edges, row->texts[2])) & SUMS_VALUE_MAX;
    return ERR_OK;
}

enum err_code again_begin(struct registry *r, const struct check_finding *list, size_t n,
                          struct again *ret, struct err *e)
{
    bool tags = false, odd = false, edges = false;

    ret->r = r;
    sums_init(&ret->pending);
    sums_init(&ret->odd);
    sums_init(&ret->edges);
    for (size_t i = 0; i < n; i++) {
        tags |= list[i].tag.n > 0;
        odd |= is_odd(list[i].code);
        edges |= list[i].code == CHECK_MANIFEST_EDGES;
        if (list[i].code == CHECK_MANIFEST_EDGES)
            TRY(load_links(ret, &list[i], e));
    }
    if (tags)
        TRY(meta_rows_each(r->meta, META_ROW_PROJECTION, met_pending, ret, e));
    if (odd)
        TRY(store_each(r->store, STORE_ODD, met_odd, ret, e));
    return edges ? meta_rows_each(r->meta, META_ROW_EDGE, met_edge, ret, e) : ERR_OK;
}

void again_end(struct again *a)
{
    sums_done(&a->pending);
    sums_done(&a->odd);
    sums_done(&a->edges);
}

/* ---- blobs */

/* *ret_there: it is there, and of that size. What is not there is no error. */
static enum err_code row_of_blob(struct again *a, const struct check_finding *f, bool *ret_there,
                                 uint64_t *ret_size_bytes, struct err *e)
{
    struct repo_name any;
    enum err_code code = f->repo.n > 0
                             ? meta_blob_stat(a->r->meta, &f->repo, &f->digest, ret_size_bytes, e)
                             : meta_blob_find(a->r->meta, &f->digest, &any, ret_size_bytes, e);

    *ret_there = code == ERR_OK;
    return code == ERR_BLOB_UNKNOWN ? ERR_OK : code;
}

static enum err_code file_of_blob(struct again *a, const struct check_finding *f, bool *ret_there,
                                  uint64_t *ret_size_bytes, struct err *e)
{
    /* Which repository it is asked for in makes no difference where a finding names none. */
    static const struct repo_name any = {.n = 3, .text = "any"};
    enum err_code code = store_blob_stat(a->r->store, f->repo.n > 0 ? &f->repo : &any, &f->digest,
                                         ret_size_bytes, e);

    *ret_there = code == ERR_OK;
    return code == ERR_BLOB_UNKNOWN ? ERR_OK : code;
}

/* Nothing links it, and it waits to be deleted. */
static enum err_code is_condemned(struct again *a, const struct check_finding *f,
                                  bool *ret_condemned, struct err *e)
{
    const struct meta_content c = {f->repo.n > 0 ? &f->repo : NULL, &f->digest};

    return removal_waits(a->r->meta, c, ret_condemned, e);
}

/* The row is asked before and after: who deletes takes the row away first, who pushes puts it in
 * last. */
static enum err_code blob_stands(struct again *a, const struct check_finding *f, bool *ret_stands,
                                 struct err *e)
{
    bool row, file, row_after, condemned = false;
    uint64_t row_bytes = 0, file_bytes = 0;

    TRY(row_of_blob(a, f, &row, &row_bytes, e));
    TRY(file_of_blob(a, f, &file, &file_bytes, e));
    TRY(row_of_blob(a, f, &row_after, &row_bytes, e));
    if (f->code == CHECK_BLOB_UNKNOWN)
        TRY(is_condemned(a, f, &condemned, e));
    if (f->code == CHECK_BLOB_UNKNOWN)
        *ret_stands = file && !row && !row_after && !condemned;
    else if (f->code == CHECK_BLOB_MISSING)
        *ret_stands = row && row_after && !file;
    else
        *ret_stands = row && row_after && file && row_bytes != file_bytes;
    return ERR_OK;
}

static enum err_code corrupt_stands(struct again *a, const struct check_finding *f,
                                    bool *ret_stands, struct err *e)
{
    struct check_finding has = *f;
    struct rehash how = {0};
    uint64_t row_bytes = 0;
    bool row, whole = true;
    enum err_code code;

    *ret_stands = false;
    if (f->repo.n == 0 &&
        meta_blob_find(a->r->meta, &f->digest, &has.repo, &row_bytes, ERR_IGNORED) != ERR_OK)
        return ERR_OK;
    TRY(row_of_blob(a, &has, &row, &row_bytes, e));
    if (!row)
        return ERR_OK;
    code = quarantine_rehash(a->r, &has.repo, &has.digest, &how, &whole, e);
    *ret_stands = (code == ERR_OK && !whole) || again_is_unreadable(code);
    return ERR_OK;
}

/* ---- manifests */

static enum err_code row_of_manifest(struct again *a, const struct repo_name *repo,
                                     const struct digest *d, struct meta_manifest **ret_manifest,
                                     struct err *e)
{
    enum err_code code = meta_manifest_by_digest(a->r->meta, repo, d, ret_manifest, e);

    return code == ERR_MANIFEST_UNKNOWN ? ERR_OK : code;
}

static enum err_code file_of_manifest(struct again *a, const struct check_finding *f,
                                      bool *ret_there, struct buf *ret_bytes, struct err *e)
{
    enum err_code code = store_manifest_get(a->r->store, &f->repo, &f->digest, ret_bytes, e);

    *ret_there = code != ERR_MANIFEST_UNKNOWN;
    if (code == ERR_CORRUPT) /* longer than any that is taken: it differs */
        return ERR_OK;
    return code == ERR_MANIFEST_UNKNOWN ? ERR_OK : code;
}

static bool edges_differ(const struct again *a, const struct check_finding *f)
{
    const struct sums_row *row =
        sums_find(&a->edges, edges_hash(a, repo_name_str(&f->repo), digest_str(&f->digest)));

    return row && row->value != 0;
}

static enum err_code manifest_stands(struct again *a, const struct check_finding *f,
                                     bool *ret_stands, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    AUTO(meta_manifest) struct meta_manifest *after = NULL;
    AUTO(buf) struct buf bytes = {0};
    bool file;

    TRY(row_of_manifest(a, &f->repo, &f->digest, &m, e));
    if (f->code == CHECK_MANIFEST_DAMAGED) {
        *ret_stands = false; /* it would have been an error */
        return ERR_OK;
    }
    if (f->code == CHECK_MANIFEST_EDGES) {
        *ret_stands = m && edges_differ(a, f);
        return ERR_OK;
    }
    buf_init(&bytes, m ? m->bytes.n + 1 : conf_u64(&a->r->limits->manifest_bytes));
    TRY(file_of_manifest(a, f, &file, &bytes, e));
    TRY(row_of_manifest(a, &f->repo, &f->digest, &after, e));
    if (f->code == CHECK_MANIFEST_UNKNOWN)
        *ret_stands = file && !m && !after;
    else if (f->code == CHECK_MANIFEST_MISSING)
        *ret_stands = m && after && !file;
    else
        *ret_stands = m && after && file && !str_eq(buf_str(&bytes), m->bytes);
    return ERR_OK;
}

/* The other one is a blob or a manifest. */
static enum err_code incomplete_stands(struct again *a, const struct check_finding *f,
                                       bool *ret_stands, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    AUTO(meta_manifest) struct meta_manifest *child = NULL;
    uint64_t row_bytes, file_bytes = 0;
    enum err_code code;

    *ret_stands = false;
    TRY(row_of_manifest(a, &f->repo, &f->digest, &m, e));
    if (!m)
        return ERR_OK;
    code = meta_blob_stat(a->r->meta, &f->repo, &f->other, &row_bytes, e);
    if (code == ERR_OK) {
        code = store_blob_stat(a->r->store, &f->repo, &f->other, &file_bytes, e);
        *ret_stands =
            code == ERR_BLOB_UNKNOWN || (code == ERR_OK && (file_bytes != row_bytes || f->damaged));
        return code == ERR_BLOB_UNKNOWN ? ERR_OK : code;
    }
    if (code != ERR_BLOB_UNKNOWN)
        return code;
    TRY(row_of_manifest(a, &f->repo, &f->other, &child, e));
    *ret_stands = !child;
    return ERR_OK;
}

/* ---- tags */

static bool is_pending(const struct again *a, const struct check_finding *f)
{
    return sums_find(&a->pending, sums_hash(&a->pending, 'P', repo_name_str(&f->repo),
                                            tag_name_str(&f->tag))) != NULL;
}

static enum err_code has_tag(struct again *a, const struct check_finding *f, bool *ret_has,
                             struct err *e)
{
    AUTO(name_list) struct meta_name_list page = {0};
    enum err_code code = ERR_OK;
    bool beyond = false;

    *ret_has = false;
    do {
        AUTO(name_list) struct meta_name_list last = page;

        page = (struct meta_name_list){0};
        code = meta_tags(a->r->meta, &f->repo, str_of(last.n ? last.names[last.n - 1] : ""),
                         TAGS_PAGE, &page, e);
        for (size_t i = 0; code == ERR_OK && i < page.n && !beyond; i++) {
            int order = strcmp(page.names[i], f->tag.text);

            *ret_has |= order == 0;
            beyond = order >= 0;
        }
    } while (code == ERR_OK && page.more && page.n > 0 && !beyond);
    return code == ERR_NAME_UNKNOWN ? ERR_OK : code;
}

/* One whose manifest is not there is listed, and dangles. */
static enum err_code unknown_stands(struct again *a, const struct check_finding *f,
                                    bool *ret_stands, struct err *e)
{
    bool listed;

    TRY(has_tag(a, f, &listed, e));
    *ret_stands = !listed;
    return ERR_OK;
}

static enum err_code tag_stands(struct again *a, const struct check_finding *f, bool *ret_stands,
                                struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct digest leads = {.n = 0};
    enum err_code code;
    bool there;

    *ret_stands = false;
    if (is_pending(a, f))
        return ERR_OK;
    code = store_tag_get(a->r->store, &f->repo, &f->tag, &leads, e);
    there = code != ERR_MANIFEST_UNKNOWN;
    if (code != ERR_OK && there && code != ERR_DIGEST_MALFORMED && code != ERR_CORRUPT)
        return code;
    code = meta_manifest_by_tag(a->r->meta, &f->repo, &f->tag, &m, NULL, e);
    if (code != ERR_OK && code != ERR_MANIFEST_UNKNOWN)
        return code;
    if (f->code == CHECK_TAG_UNKNOWN)
        return there && !m ? unknown_stands(a, f, ret_stands, e) : ERR_OK;
    else if (f->code == CHECK_TAG_MISSING)
        *ret_stands = !there && m;
    else
        *ret_stands = there && m && !digest_eq(&leads, &m->digest);
    return ERR_OK;
}

static enum err_code dangling_stands(struct again *a, const struct check_finding *f,
                                     bool *ret_stands, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    enum err_code code = meta_manifest_by_tag(a->r->meta, &f->repo, &f->tag, &m, NULL, e);

    *ret_stands = false;
    if (code == ERR_OK)
        return ERR_OK;
    return code == ERR_MANIFEST_UNKNOWN ? has_tag(a, f, ret_stands, e) : code;
}

/* ---- the rest */

static enum err_code usage_stands(struct again *a, const struct check_finding *f, bool *ret_stands,
                                  struct err *e)
{
    struct meta_repo_sums said, counted;

    return usage_look(a->r->meta, &f->repo, &said, &counted, ret_stands, e);
}

/* What is not there any more can be read, so to speak. */
static enum err_code unreadable_stands(struct again *a, const struct check_finding *f,
                                       bool *ret_stands, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};
    struct rehash how = {0};
    bool whole;

    if (f->of_manifest) {
        buf_init(&bytes, conf_u64(&a->r->limits->manifest_bytes));
        *ret_stands =
            again_is_unreadable(store_manifest_get(a->r->store, &f->repo, &f->digest, &bytes, e));
    } else {
        *ret_stands =
            again_is_unreadable(quarantine_rehash(a->r, &f->repo, &f->digest, &how, &whole, e));
    }
    return ERR_OK;
}

bool again_is_unreadable(enum err_code code)
{
    return code != ERR_OK && code != ERR_BLOB_UNKNOWN && code != ERR_MANIFEST_UNKNOWN &&
           code != ERR_CORRUPT && code != ERR_LATER;
}

static enum err_code odd_stands(struct again *a, const struct check_finding *f, bool *ret_stands,
                                struct err *e)
{
    (void)e;
    *ret_stands =
        sums_find(&a->odd, sums_hash(&a->odd, (char)f->code, str_of(f->path), STR(""))) != NULL;
    return ERR_OK;
}

/* Its age was judged, and nobody goes on with one that is so old without a row or bytes. */
static enum err_code always(struct again *a, const struct check_finding *f, bool *ret_stands,
                            struct err *e)
{
    (void)a, (void)f, (void)e;
    *ret_stands = true;
    return ERR_OK;
}

enum err_code again_stands(struct again *a, const struct check_finding *f, bool *ret_stands,
                           struct err *e)
{
    static enum err_code (*const looks[CHECK_CODES])(struct again *, const struct check_finding *,
                                                     bool *, struct err *) = {
        [CHECK_BLOB_MISSING] = blob_stands,         [CHECK_BLOB_SIZE] = blob_stands,
        [CHECK_BLOB_CORRUPT] = corrupt_stands,      [CHECK_BLOB_UNKNOWN] = blob_stands,
        [CHECK_MANIFEST_MISSING] = manifest_stands, [CHECK_MANIFEST_DIFFERS] = manifest_stands,
        [CHECK_MANIFEST_UNKNOWN] = manifest_stands, [CHECK_MANIFEST_DAMAGED] = manifest_stands,
        [CHECK_MANIFEST_EDGES] = manifest_stands,   [CHECK_IMAGE_INCOMPLETE] = incomplete_stands,
        [CHECK_TAG_MISSING] = tag_stands,           [CHECK_TAG_DIFFERS] = tag_stands,
        [CHECK_TAG_UNKNOWN] = tag_stands,           [CHECK_TAG_DANGLING] = dangling_stands,
        [CHECK_UPLOAD_ABANDONED] = always,          [CHECK_TEMP_LEFT] = odd_stands,
        [CHECK_PERMISSIONS] = odd_stands,           [CHECK_LINK_FOREIGN] = odd_stands,
        [CHECK_NAME_FOREIGN] = odd_stands,          [CHECK_SPACE_LOW] = always,
        [CHECK_USAGE_DRIFTED] = usage_stands,       [CHECK_UNREADABLE] = unreadable_stands,
    };

    enum err_code code = looks[f->code](a, f, ret_stands, e);

    /* Of a manifest whose bytes are not its own that is told, and nothing else. */
    if (code != ERR_CORRUPT)
        return code;
    *ret_stands = f->code == CHECK_MANIFEST_DAMAGED;
    return ERR_OK;
}
