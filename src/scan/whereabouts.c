#include "scan/whereabouts.h"

bool scan_result_names(const struct scan_result *s, const struct repo_name *repo)
{
    for (size_t i = 0; i < s->n_repos; i++) {
        if (str_eq(repo_name_str(&s->repos[i]), repo_name_str(repo)))
            return true;
    }
    return false;
}

void scan_result_note_repo(struct scan_result *s, const struct repo_name *repo)
{
    if (!scan_result_names(s, repo) && s->n_repos < SCAN_REPOS_MAX)
        s->repos[s->n_repos++] = *repo;
}

enum err_code scan_has(struct registry *r, const struct repo_name *repo, const struct digest *d,
                       bool *ret, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    enum err_code code = meta_manifest_by_digest(r->meta, repo, d, &m, e);

    *ret = code == ERR_OK;
    return code == ERR_MANIFEST_UNKNOWN ? ERR_OK : code;
}

static enum err_code keep_living(struct registry *r, const struct digest *d, struct scan_result *s,
                                 struct err *e)
{
    struct scan_result kept = *s;

    kept.n_repos = 0;
    for (size_t i = 0; i < s->n_repos; i++) {
        bool there;

        TRY(scan_has(r, &s->repos[i], d, &there, e));
        if (there)
            kept.repos[kept.n_repos++] = s->repos[i];
    }
    *s = kept;
    return ERR_OK;
}

static enum err_code look_by_config(struct registry *r, const struct digest *d,
                                    struct scan_result *s, enum scan_where *ret, struct err *e)
{
    struct repo_name repo;
    uint64_t unused;
    enum err_code code = meta_blob_find(r->meta, &s->config, &repo, &unused, e);
    bool there;

    *ret = SCAN_NOWHERE;
    if (code == ERR_BLOB_UNKNOWN)
        return ERR_OK;
    TRY(code);
    TRY(scan_has(r, &repo, d, &there, e));
    if (there)
        scan_result_note_repo(s, &repo);
    *ret = there ? SCAN_SOMEWHERE : SCAN_HIDDEN;
    return ERR_OK;
}

enum err_code scan_where(struct registry *r, const struct digest *d, struct scan_result *s,
                         enum scan_where *ret, struct err *e)
{
    TRY(keep_living(r, d, s, e));
    *ret = s->n_repos > 0 ? SCAN_SOMEWHERE : SCAN_NOWHERE;
    if (s->n_repos > 0 || !s->config.text[0])
        return ERR_OK;
    return look_by_config(r, d, s, ret, e);
}
