#include "check/usage.h"

#include "base/cleanup.h"

#define PAGE 512

/* What is in the sums, of each repository. */
#define MANIFESTS 'm'
#define BYTES     'b'
#define TAGS      't'
#define ROW       'r' /* the row that was seen, as a hash */

void usage_init(struct usage *u)
{
    sums_init(&u->sums);
}

void usage_done(struct usage *u)
{
    sums_done(&u->sums);
}

struct meta_repo_sums usage_said(const struct meta_row *repo)
{
    return (struct meta_repo_sums){
        .manifests = repo->ints[0], .bytes = repo->ints[2], .tags = repo->ints[3]};
}

static uint64_t row_value(const struct usage *u, const struct meta_row *repo)
{
    const struct str ints = {(const char *)repo->ints, sizeof(repo->ints)};

    return sums_hash(&u->sums, ROW, ints, STR("")) & SUMS_VALUE_MAX;
}

void usage_see(struct usage *u, const struct meta_row *repo)
{
    sums_add(&u->sums, sums_hash(&u->sums, ROW, repo->texts[0], STR("")))->value =
        row_value(u, repo) & SUMS_VALUE_MAX;
}

static void add(struct usage *u, char kind, struct str repo, int64_t more)
{
    struct sums_row *row;

    if (more == 0)
        return;
    row = sums_add(&u->sums, sums_hash(&u->sums, kind, repo, STR("")));
    row->value = (row->value + (uint64_t)more) & SUMS_VALUE_MAX;
}

void usage_count(struct usage *u, struct str repo, struct meta_repo_sums more)
{
    add(u, MANIFESTS, repo, more.manifests);
    add(u, BYTES, repo, more.bytes);
    add(u, TAGS, repo, more.tags);
}

static int64_t counted(const struct usage *u, char kind, struct str repo)
{
    const struct sums_row *row = sums_find(&u->sums, sums_hash(&u->sums, kind, repo, STR("")));

    return row ? (int64_t)row->value : 0;
}

bool usage_drifted(const struct usage *u, const struct meta_row *repo,
                   struct meta_repo_sums *ret_counted)
{
    const struct sums_row *seen =
        sums_find(&u->sums, sums_hash(&u->sums, ROW, repo->texts[0], STR("")));
    const struct meta_repo_sums said = usage_said(repo);

    if (!seen || seen->value != row_value(u, repo))
        return false;
    *ret_counted = (struct meta_repo_sums){.manifests = counted(u, MANIFESTS, repo->texts[0]),
                                           .bytes = counted(u, BYTES, repo->texts[0]),
                                           .tags = counted(u, TAGS, repo->texts[0])};
    return ret_counted->manifests != said.manifests || ret_counted->bytes != said.bytes ||
           ret_counted->tags != said.tags;
}

/* ---- one repository */

static enum err_code count_blobs(struct usage *u, struct meta *m, const struct repo_name *repo,
                                 struct err *e)
{
    AUTO(meta_repo_blobs) struct meta_repo_blob_list page = {0};

    do {
        AUTO(meta_repo_blobs) struct meta_repo_blob_list last = page;

        page = (struct meta_repo_blob_list){0};
        TRY(meta_repo_blobs(m, repo, last.next ? str_of(last.next) : STR(""), PAGE, &page, e));
        for (size_t i = 0; i < page.n; i++)
            add(u, BYTES, repo_name_str(repo), (int64_t)page.rows[i].size_bytes);
    } while (page.next);
    return ERR_OK;
}

static enum err_code count_manifests(struct usage *u, struct meta *m, const struct repo_name *repo,
                                     struct err *e)
{
    AUTO(meta_repo_manifests) struct meta_repo_manifest_list page = {0};

    do {
        AUTO(meta_repo_manifests) struct meta_repo_manifest_list last = page;

        page = (struct meta_repo_manifest_list){0};
        TRY(meta_repo_manifests(m, repo, last.next ? str_of(last.next) : STR(""), PAGE, &page, e));
        add(u, MANIFESTS, repo_name_str(repo), (int64_t)page.n);
    } while (page.next);
    return ERR_OK;
}

/* By their names: those without a manifest count as well. */
static enum err_code count_tags(struct usage *u, struct meta *m, const struct repo_name *repo,
                                struct err *e)
{
    AUTO(name_list) struct meta_name_list page = {0};

    do {
        AUTO(name_list) struct meta_name_list last = page;
        enum err_code code;

        page = (struct meta_name_list){0};
        code = meta_tags(m, repo, str_of(last.n ? last.names[last.n - 1] : ""), PAGE, &page, e);
        if (code == ERR_NAME_UNKNOWN)
            return ERR_OK;
        TRY(code);
        add(u, TAGS, repo_name_str(repo), (int64_t)page.n);
    } while (page.more && page.n > 0);
    return ERR_OK;
}

struct one {
    struct usage usage;
    const struct repo_name *repo;
    bool drifted;
    struct meta_repo_sums said, counted;
};

static void auto_one_(struct one *o)
{
    usage_done(&o->usage);
}

static enum err_code see_one(void *ctx, const struct meta_row *row, struct err *e)
{
    struct one *o = ctx;

    (void)e;
    if (str_eq(row->texts[0], repo_name_str(o->repo)))
        usage_see(&o->usage, row);
    return ERR_OK;
}

static enum err_code compare_one(void *ctx, const struct meta_row *row, struct err *e)
{
    struct one *o = ctx;

    (void)e;
    if (!str_eq(row->texts[0], repo_name_str(o->repo)))
        return ERR_OK;
    o->said = usage_said(row);
    o->drifted = usage_drifted(&o->usage, row, &o->counted);
    return ERR_OK;
}

enum err_code usage_look(struct meta *m, const struct repo_name *repo,
                         struct meta_repo_sums *ret_said, struct meta_repo_sums *ret_counted,
                         bool *ret_drifted, struct err *e)
{
    AUTO(one) struct one o = {.repo = repo};

    usage_init(&o.usage);
    TRY(meta_rows_each(m, META_ROW_REPO, see_one, &o, e));
    TRY(count_blobs(&o.usage, m, repo, e));
    TRY(count_manifests(&o.usage, m, repo, e));
    TRY(count_tags(&o.usage, m, repo, e));
    TRY(meta_rows_each(m, META_ROW_REPO, compare_one, &o, e));
    *ret_said = o.said;
    *ret_counted = o.counted;
    *ret_drifted = o.drifted;
    return ERR_OK;
}
