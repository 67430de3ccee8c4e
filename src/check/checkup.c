#include "check/checkup.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "check/again.h"
#include "check/deep.h"
#include "check/doubt.h"
#include "check/sums.h"
#include "check/usage.h"

#include <stdlib.h>

#define SHOWN_EVERY 4096

/* What is in the sums, by the kind of its hash. */
#define BLOB     'b' /* of a repository; the value is its size */
#define OBJECT   'o' /* a blob of a store that keeps it once for all; likewise */
#define MANIFEST 'm' /* likewise */
#define TAG      't' /* the value says where it leads */
#define LOST     'l' /* a blob that a finding says is not there */
#define UPLOAD   'u' /* of the store */

struct run {
    const struct check_options *o;
    struct registry *r;
    bool shared;
    struct sums seen;  /* rows; marked: the store has it */
    struct sums edges; /* of each manifest: what its bytes name, less what the rows say */
    struct sums lost;
    struct usage usage;
    struct doubts doubts;
    struct check_counts counts;
    uint64_t unmet; /* rows of the seen that are not marked */
    uint64_t shown, read_bytes;
    const char *phase;
    int64_t old_ms; /* wall clock: what is older is not on its way any more */
};

static enum err_code doubt(struct run *c, const struct check_finding *f, struct err *e)
{
    return doubts_add(&c->doubts, f, e);
}

static void begin_phase(struct run *c, const char *what)
{
    c->phase = what;
    c->shown = 0;
}

static void show(struct run *c)
{
    if (c->shown++ % SHOWN_EVERY == 0 && c->o->progress)
        c->o->progress(c->o->ctx, c->phase, c->shown - 1);
}

static bool is_wanted(const struct run *c, struct str repo)
{
    return !c->o->repo || str_eq(repo_name_str(c->o->repo), repo);
}

/* Names of rows were validated when they came in; one that is not is the database's damage. */
static enum err_code name_of(struct str repo, struct str digest, struct check_finding *f,
                             struct err *e)
{
    if (repo_name_parse(repo, &f->repo, ERR_IGNORED) != ERR_OK ||
        (digest.n > 0 && digest_parse(digest, &f->digest, ERR_IGNORED) != ERR_OK))
        return err_set(e, ERR_CORRUPT, "a row of the database is of no repository and digest");
    return ERR_OK;
}

/* ---- rows */

static uint64_t hash_of(const struct run *c, char kind, struct str a, struct str b)
{
    return sums_hash(&c->seen, kind, a, b);
}

static void see(struct run *c, uint64_t hash, uint64_t value)
{
    struct sums_row *row = sums_add(&c->seen, hash);

    if (!row->mark)
        c->unmet++;
    row->mark = true; /* until all rows were read: it counts once */
    row->value = value & SUMS_VALUE_MAX;
}

static enum err_code take_blob(void *ctx, const struct meta_row *row, struct err *e)
{
    struct run *c = ctx;

    (void)e;
    show(c);
    if (!is_wanted(c, row->texts[0]))
        return ERR_OK;
    c->counts.blobs++;
    c->counts.bytes += (uint64_t)row->ints[0];
    usage_count(&c->usage, row->texts[0], (struct meta_repo_sums){.bytes = row->ints[0]});
    if (c->shared) { /* what the repository has counts for images, the object for the store */
        see(c, hash_of(c, OBJECT, row->texts[1], STR("")), (uint64_t)row->ints[0]);
        sums_add(&c->seen, hash_of(c, BLOB, row->texts[0], row->texts[1]))->mark = true;
    } else {
        see(c, hash_of(c, BLOB, row->texts[0], row->texts[1]), (uint64_t)row->ints[0]);
    }
    return ERR_OK;
}

static enum err_code take_manifest(void *ctx, const struct meta_row *row, struct err *e)
{
    struct run *c = ctx;
    struct check_finding f = {.code = CHECK_MANIFEST_DAMAGED};
    struct digest is;
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    uint64_t links;

    show(c);
    if (!is_wanted(c, row->texts[0]))
        return ERR_OK;
    c->counts.manifests++;
    usage_count(&c->usage, row->texts[0], (struct meta_repo_sums){.manifests = 1});
    see(c, hash_of(c, MANIFEST, row->texts[0], row->texts[1]), row->texts[4].n);
    TRY(name_of(row->texts[0], row->texts[1], &f, e));
    digest_of(f.digest.algorithm, row->texts[4].p, row->texts[4].n, &is);
    if (!digest_eq(&is, &f.digest))
        return doubt(c, &f, e);
    m = meta_manifest_new(&f.digest, row->texts[2], row->texts[4]);
    if (again_links(&c->edges, m, &links))
        sums_add(&c->edges, hash_of(c, MANIFEST, row->texts[0], row->texts[1]))->value =
            links & SUMS_VALUE_MAX;
    return ERR_OK;
}

static enum err_code take_tag(void *ctx, const struct meta_row *row, struct err *e)
{
    struct run *c = ctx;

    (void)e;
    show(c);
    if (!is_wanted(c, row->texts[0]))
        return ERR_OK;
    c->counts.tags++;
    see(c, hash_of(c, TAG, row->texts[0], row->texts[1]),
        hash_of(c, TAG, row->texts[2], STR("")) & SUMS_VALUE_MAX);
    return ERR_OK;
}

static bool is_held(const struct run *c, const struct meta_row *edge)
{
    char kind = edge->ints[1] == META_EDGE_BLOB ? BLOB : MANIFEST;

    if (edge->ints[1] != META_EDGE_BLOB && edge->ints[1] != META_EDGE_MANIFEST)
        return true; /* it may be missing */
    return sums_find(&c->seen, hash_of(c, kind, edge->texts[0], edge->texts[2])) != NULL;
}

static enum err_code doubt_image(struct run *c, const struct meta_row *edge, bool damaged,
                                 struct err *e)
{
    struct check_finding f = {.code = CHECK_IMAGE_INCOMPLETE, .damaged = damaged};

    TRY(name_of(edge->texts[0], edge->texts[1], &f, e));
    if (digest_parse(edge->texts[2], &f.other, ERR_IGNORED) != ERR_OK)
        return ERR_OK;
    snprintf(f.detail, sizeof(f.detail), "lacks %s", f.other.text);
    return doubt(c, &f, e);
}

static enum err_code take_edge(void *ctx, const struct meta_row *row, struct err *e)
{
    struct run *c = ctx;
    struct sums_row *sum;

    show(c);
    if (!is_wanted(c, row->texts[0]))
        return ERR_OK;
    sum = sums_find(&c->edges, hash_of(c, MANIFEST, row->texts[0], row->texts[1]));
    if (!sum)
        return ERR_OK; /* it came since, or can't be read */
    sum->value = (sum->value - again_link(&c->edges, row->texts[2])) & SUMS_VALUE_MAX;
    return is_held(c, row) ? ERR_OK : doubt_image(c, row, false, e);
}

static enum err_code doubt_edges(void *ctx, const struct meta_row *row, struct err *e)
{
    struct run *c = ctx;
    struct check_finding f = {.code = CHECK_MANIFEST_EDGES};
    const struct sums_row *sum =
        sums_find(&c->edges, hash_of(c, MANIFEST, row->texts[0], row->texts[1]));

    if (!sum || sum->value == 0)
        return ERR_OK;
    TRY(name_of(row->texts[0], row->texts[1], &f, e));
    return doubt(c, &f, e);
}

static enum err_code look_at_edges(struct run *c, struct err *e)
{
    bool differ = false;

    TRY(meta_rows_each(c->r->meta, META_ROW_EDGE, take_edge, c, e));
    for (size_t i = 0; i < c->edges.cap && !differ; i++)
        differ = c->edges.rows[i].hash != 0 && c->edges.rows[i].value != 0;
    return differ ? meta_rows_each(c->r->meta, META_ROW_MANIFEST, doubt_edges, c, e) : ERR_OK;
}

/* A tag that is listed, and was not among the rows, which leave out those without a manifest. */
static enum err_code look_at_tags(void *ctx, const struct meta_row *row, struct err *e)
{
    struct run *c = ctx;
    AUTO(name_list) struct meta_name_list page = {0};
    struct check_finding f = {.code = CHECK_TAG_DANGLING};

    if (!is_wanted(c, row->texts[0]))
        return ERR_OK;
    TRY(name_of(row->texts[0], STR(""), &f, e));
    do {
        AUTO(name_list) struct meta_name_list last = page;
        enum err_code code;

        page = (struct meta_name_list){0};
        code = meta_tags(c->r->meta, &f.repo, str_of(last.n ? last.names[last.n - 1] : ""), 512,
                         &page, e);
        if (code == ERR_NAME_UNKNOWN)
            return ERR_OK;
        TRY(code);
        usage_count(&c->usage, row->texts[0], (struct meta_repo_sums){.tags = (int64_t)page.n});
        for (size_t i = 0; i < page.n; i++) {
            struct str name = str_of(page.names[i]);

            if (sums_find(&c->seen, hash_of(c, TAG, row->texts[0], name)) ||
                tag_name_parse(name, &f.tag, ERR_IGNORED) != ERR_OK)
                continue;
            TRY(doubt(c, &f, e));
        }
    } while (page.more && page.n > 0);
    return ERR_OK;
}

/* ---- what repositories are said to hold */

static enum err_code see_repo(void *ctx, const struct meta_row *row, struct err *e)
{
    struct run *c = ctx;

    (void)e;
    if (is_wanted(c, row->texts[0]))
        usage_see(&c->usage, row);
    return ERR_OK;
}

static enum err_code look_at_usage(void *ctx, const struct meta_row *row, struct err *e)
{
    struct run *c = ctx;
    const struct meta_repo_sums said = usage_said(row);
    struct meta_repo_sums counted;
    struct check_finding f = {.code = CHECK_USAGE_DRIFTED};

    if (!is_wanted(c, row->texts[0]) || !usage_drifted(&c->usage, row, &counted))
        return ERR_OK;
    TRY(name_of(row->texts[0], STR(""), &f, e));
    snprintf(f.detail, sizeof(f.detail),
             "said to hold %lld manifests, %lld tags, %lld bytes; has %lld, %lld, %lld",
             (long long)said.manifests, (long long)said.tags, (long long)said.bytes,
             (long long)counted.manifests, (long long)counted.tags, (long long)counted.bytes);
    return doubt(c, &f, e);
}

static enum err_code read_rows(struct run *c, struct err *e)
{
    struct meta *m = c->r->meta;

    begin_phase(c, "reading the database");
    TRY(meta_rows_each(m, META_ROW_REPO, see_repo, c, e));
    TRY(meta_rows_each(m, META_ROW_BLOB, take_blob, c, e));
    TRY(meta_rows_each(m, META_ROW_MANIFEST, take_manifest, c, e));
    TRY(meta_rows_each(m, META_ROW_TAG, take_tag, c, e));
    TRY(look_at_edges(c, e));
    TRY(meta_rows_each(m, META_ROW_REPO, look_at_tags, c, e));
    return meta_rows_each(m, META_ROW_REPO, look_at_usage, c, e);
}

/* ---- the store */

static char kind_of(const struct run *c, const struct store_item *item)
{
    if (item->kind == STORE_BLOB)
        return c->shared ? OBJECT : BLOB;
    return item->kind == STORE_MANIFEST ? MANIFEST : TAG;
}

static uint64_t item_hash(const struct run *c, const struct store_item *item)
{
    char kind = kind_of(c, item);

    if (kind == OBJECT)
        return hash_of(c, OBJECT, digest_str(&item->digest), STR(""));
    return hash_of(c, kind, repo_name_str(&item->repo),
                   kind == TAG ? tag_name_str(&item->tag) : digest_str(&item->digest));
}

static uint64_t item_value(const struct run *c, const struct store_item *item)
{
    return item->kind == STORE_TAG
               ? hash_of(c, TAG, digest_str(&item->digest), STR("")) & SUMS_VALUE_MAX
               : item->size_bytes;
}

/* The store has it otherwise than the rows said, or they did not know it. */
static enum err_code doubt_item(struct run *c, const struct store_item *item, bool known,
                                struct err *e)
{
    static const enum check_code codes[][2] = {
        [STORE_BLOB] = {CHECK_BLOB_UNKNOWN, CHECK_BLOB_SIZE},
        [STORE_MANIFEST] = {CHECK_MANIFEST_UNKNOWN, CHECK_MANIFEST_DIFFERS},
        [STORE_TAG] = {CHECK_TAG_UNKNOWN, CHECK_TAG_DIFFERS},
    };
    struct check_finding f = {.code = codes[item->kind][known], .repo = item->repo};

    if (!known && item->kind != STORE_TAG && item->modified_ms > c->old_ms)
        return ERR_OK; /* a push may be on its way */
    if (item->kind == STORE_TAG) {
        f.tag = item->tag;
        snprintf(f.detail, sizeof(f.detail), "leads to %s",
                 item->digest.n ? item->digest.text : "no digest");
    } else {
        f.digest = item->digest;
        snprintf(f.detail, sizeof(f.detail), "%llu bytes", (unsigned long long)item->size_bytes);
    }
    return doubt(c, &f, e);
}

static enum err_code doubt_odd(struct run *c, const struct store_item *item, struct err *e)
{
    struct check_finding f = {.code = again_code_of(item->odd), .path = item->path};

    if (item->odd == STORE_ODD_TEMP && item->modified_ms > c->old_ms)
        return ERR_OK;
    return doubt(c, &f, e);
}

static enum err_code take_item(void *ctx, const struct store_item *item, struct err *e)
{
    struct run *c = ctx;
    struct sums_row *row;
    bool agrees;

    show(c);
    if (item->kind == STORE_ODD)
        return c->o->repo ? ERR_OK : doubt_odd(c, item, e);
    if (item->repo.n > 0 && !is_wanted(c, repo_name_str(&item->repo)))
        return ERR_OK;
    c->counts.objects++;
    row = sums_find(&c->seen, item_hash(c, item));
    if (!row)
        return c->o->repo && item->repo.n == 0 ? ERR_OK : doubt_item(c, item, false, e);
    agrees = row->value == item_value(c, item);
    if (row->mark && c->unmet > 0)
        c->unmet--;
    row->mark = false; /* met */
    return agrees ? ERR_OK : doubt_item(c, item, true, e);
}

/* ---- what was not met */

static bool is_unmet(const struct run *c, uint64_t hash)
{
    const struct sums_row *row = sums_find(&c->seen, hash);

    return row && row->mark;
}

static enum err_code doubt_row(struct run *c, const struct meta_row *row, enum check_code code,
                               struct err *e)
{
    struct check_finding f = {.code = code};

    TRY(name_of(row->texts[0], code == CHECK_TAG_MISSING ? STR("") : row->texts[1], &f, e));
    if (code == CHECK_TAG_MISSING && tag_name_parse(row->texts[1], &f.tag, ERR_IGNORED) != ERR_OK)
        return ERR_OK;
    return doubt(c, &f, e);
}

static enum err_code miss_blob(void *ctx, const struct meta_row *row, struct err *e)
{
    struct run *c = ctx;
    uint64_t hash = c->shared ? hash_of(c, OBJECT, row->texts[1], STR(""))
                              : hash_of(c, BLOB, row->texts[0], row->texts[1]);

    return is_wanted(c, row->texts[0]) && is_unmet(c, hash)
               ? doubt_row(c, row, CHECK_BLOB_MISSING, e)
               : ERR_OK;
}

static enum err_code miss_manifest(void *ctx, const struct meta_row *row, struct err *e)
{
    struct run *c = ctx;

    return is_unmet(c, hash_of(c, MANIFEST, row->texts[0], row->texts[1]))
               ? doubt_row(c, row, CHECK_MANIFEST_MISSING, e)
               : ERR_OK;
}

static enum err_code miss_tag(void *ctx, const struct meta_row *row, struct err *e)
{
    struct run *c = ctx;

    return is_unmet(c, hash_of(c, TAG, row->texts[0], row->texts[1]))
               ? doubt_row(c, row, CHECK_TAG_MISSING, e)
               : ERR_OK;
}

static enum err_code look_for_unmet(struct run *c, struct err *e)
{
    if (c->unmet == 0)
        return ERR_OK;
    TRY(meta_rows_each(c->r->meta, META_ROW_BLOB, miss_blob, c, e));
    TRY(meta_rows_each(c->r->meta, META_ROW_MANIFEST, miss_manifest, c, e));
    return meta_rows_each(c->r->meta, META_ROW_TAG, miss_tag, c, e);
}

/* ---- images that need what is not there */

static bool is_lost_blob(enum check_code code)
{
    return code == CHECK_BLOB_MISSING || code == CHECK_BLOB_SIZE || code == CHECK_BLOB_CORRUPT;
}

/* Whether it is lost for good is seen when the images are looked at that need it. */
static void lose(struct run *c, const struct check_finding *f)
{
    struct sums_row *row =
        sums_add(&c->lost, sums_hash(&c->lost, LOST, c->shared ? STR("") : repo_name_str(&f->repo),
                                     digest_str(&f->digest)));

    row->value = f->code == CHECK_BLOB_CORRUPT;
}

static enum err_code found(void *ctx, const struct check_finding *list, size_t n, struct err *e)
{
    struct run *c = ctx;
    AUTO(mem) bool *mended = mem_zero(n * sizeof(*mended));

    if (c->o->mend)
        TRY(c->o->mend(c->o->ctx, list, n, mended, e));
    for (size_t i = 0; i < n; i++) {
        if (is_lost_blob(list[i].code))
            lose(c, &list[i]);
        c->counts.mended += mended[i];
        TRY(c->o->found(c->o->ctx, &list[i], mended[i], e));
    }
    return ERR_OK;
}

static enum err_code needs_lost(void *ctx, const struct meta_row *edge, struct err *e)
{
    struct run *c = ctx;
    const struct sums_row *row;

    if (edge->ints[1] != META_EDGE_BLOB || !is_wanted(c, edge->texts[0]))
        return ERR_OK;
    row = sums_find(
        &c->lost, sums_hash(&c->lost, LOST, c->shared ? STR("") : edge->texts[0], edge->texts[2]));
    return row ? doubt_image(c, edge, row->value, e) : ERR_OK;
}

static enum err_code look_for_broken(struct run *c, struct err *e)
{
    return c->lost.n > 0 ? meta_rows_each(c->r->meta, META_ROW_EDGE, needs_lost, c, e) : ERR_OK;
}

/* ---- uploads, room */

static int64_t abandoned_ms(const struct run *c)
{
    return c->old_ms - (int64_t)conf_u64(&c->r->options->upload_timeout_ms);
}

static enum err_code doubt_upload(struct run *c, const struct uuid *id, struct err *e)
{
    const struct check_finding f = {.code = CHECK_UPLOAD_ABANDONED, .path = id->text};

    return doubt(c, &f, e);
}

static enum err_code take_upload(void *ctx, const struct store_upload_info *u, struct err *e)
{
    struct run *c = ctx;

    sums_add(&c->seen, hash_of(c, UPLOAD, str_of(u->id.text), STR("")));
    return u->modified_ms < abandoned_ms(c) ? doubt_upload(c, &u->id, e) : ERR_OK;
}

/* Of one whose bytes are in the store those said how old it is. */
static enum err_code take_session(void *ctx, const struct meta_upload *u, struct err *e)
{
    struct run *c = ctx;

    return sums_find(&c->seen, hash_of(c, UPLOAD, str_of(u->id.text), STR("")))
               ? ERR_OK
               : doubt_upload(c, &u->id, e);
}

static enum err_code look_at_uploads(struct run *c, struct err *e)
{
    TRY(store_upload_each(c->r->store, take_upload, c, e));
    return meta_uploads_each(c->r->meta, abandoned_ms(c), take_session, c, e);
}

static enum err_code look_at_room(struct run *c, struct err *e)
{
    struct check_finding f = {.code = CHECK_SPACE_LOW, .path = "."};
    struct store_health h = {0};

    TRY(store_health(c->r->store, &h, e));
    if (h.free_bytes >= c->o->min_free_bytes)
        return ERR_OK;
    snprintf(f.detail, sizeof(f.detail), "%llu of %llu bytes are free",
             (unsigned long long)h.free_bytes, (unsigned long long)h.total_bytes);
    return doubt(c, &f, e);
}

/* ---- bytes */

static enum err_code doubt_of(void *ctx, const struct check_finding *f, struct err *e)
{
    return doubt(ctx, f, e);
}

static bool goes_on(void *ctx, uint64_t bytes)
{
    struct run *c = ctx;

    c->read_bytes += bytes;
    if (c->o->progress)
        c->o->progress(c->o->ctx, "reading blobs, MiB", c->read_bytes >> 20);
    return c->o->deep_goes_on(c->o->ctx, bytes);
}

/* What was read is settled before the place behind it is told. */
static enum err_code at_page(void *ctx, const char *place, struct err *e)
{
    struct run *c = ctx;

    TRY(doubts_settle(&c->doubts, e));
    return c->o->deep_page(c->o->ctx, place, e);
}

static enum err_code read_all(struct run *c, struct err *e)
{
    const struct deep deep = {.r = c->r,
                              .repo = c->o->repo,
                              .from = c->o->deep_from,
                              .doubt = doubt_of,
                              .goes_on = goes_on,
                              .page = at_page,
                              .ctx = c};

    TRY(deep_blobs(&deep, e));
    TRY(deep_manifests(&deep, e));
    return doubts_settle(&c->doubts, e);
}

/* ---- a run */

static enum err_code look_at_all(struct run *c, struct err *e)
{
    const unsigned all = STORE_BLOB | STORE_MANIFEST | STORE_TAG | STORE_ODD;

    TRY(read_rows(c, e));
    begin_phase(c, "looking through the store");
    TRY(store_each(c->r->store, all, take_item, c, e));
    TRY(look_for_unmet(c, e));
    if (!c->o->repo) {
        TRY(look_at_uploads(c, e));
        TRY(look_at_room(c, e));
    }
    begin_phase(c, "looking again");
    show(c);
    TRY(doubts_settle(&c->doubts, e));
    if (c->o->deep)
        TRY(read_all(c, e));
    TRY(look_for_broken(c, e));
    return doubts_settle(&c->doubts, e);
}

enum err_code check_run(const struct check_options *o, struct check_counts *ret_counts,
                        struct err *e)
{
    struct run c = {
        .o = o,
        .r = o->registry,
        .shared = store_shared(o->registry->store),
        .old_ms = clock_wall_ms() - (int64_t)conf_u64(&o->registry->options->upload_timeout_ms),
    };
    enum err_code code;

    sums_init(&c.seen);
    sums_init(&c.edges);
    sums_init(&c.lost);
    usage_init(&c.usage);
    c.doubts = (struct doubts){
        .registry = o->registry, .settle_ms = o->settle_ms, .stand = found, .ctx = &c};
    doubts_init(&c.doubts);
    code = look_at_all(&c, e);
    c.counts.findings = c.doubts.findings;
    doubts_done(&c.doubts);
    sums_done(&c.seen);
    sums_done(&c.edges);
    sums_done(&c.lost);
    usage_done(&c.usage);
    if (code == ERR_OK)
        *ret_counts = c.counts;
    return code;
}
