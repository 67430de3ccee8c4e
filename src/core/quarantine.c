#include "core/quarantine.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "core/blob.h"
#include "core/removal.h"

#include <stdlib.h>
#include <sys/stat.h>

#define PIECE_BYTES (1u << 20)
#define REPOS_PAGE  256
#define WHY_DAMAGED "damaged"

static enum err_code hash_all(struct reader *r, struct hasher *h, const struct rehash *how,
                              struct err *e)
{
    AUTO(mem) char *p = mem_alloc(PIECE_BYTES);
    size_t n;

    do {
        TRY(reader_read_waiting(r, p, PIECE_BYTES, &n, e));
        hasher_update(h, p, n);
        if (how->goes_on && !how->goes_on(how->ctx, n))
            return err_set(e, ERR_LATER, "it was to end");
    } while (n > 0);
    return ERR_OK;
}

static uint64_t file_of(struct reader *r)
{
    int fd = reader_fd(r);
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

enum err_code quarantine_rehash(struct registry *r, const struct repo_name *repo,
                                const struct digest *d, struct rehash *how, bool *ret_whole,
                                struct err *e)
{
    struct store *s = store_behind_cache(r->store);
    AUTO(reader) struct reader *reader = NULL;
    AUTO(hasher) struct hasher *h = hasher_new(d->algorithm);
    struct digest is;
    uint64_t size_bytes, file;

    TRY(store_blob_open(s, repo, d, UINT64_MAX, &reader, &size_bytes, e));
    file = file_of(reader);
    if (file == 0 || file != how->file) {
        how->file = 0;
        TRY(hash_all(reader, h, how, e));
        hasher_digest(h, &is);
        how->was_whole = digest_eq(&is, d);
        how->file = file;
    }
    *ret_whole = how->was_whole;
    return ERR_OK;
}

/* ---- rows that go, and come back */

/* Repositories that have lost it. */
struct lost {
    const struct digest *digest;
    struct repo_name *repos;
    size_t n;
    uint64_t size_bytes; /* as their rows said */
};

static void auto_lost_(struct lost *l)
{
    free(l->repos);
}

static enum err_code lose(struct registry *r, const struct repo_name *repo, struct lost *l,
                          struct err *e)
{
    struct meta_op op = meta_op_blob_lose(repo, l->digest);
    enum err_code code = meta_commit(r->meta, &op, 1, 0, NULL, e);

    if (code == ERR_BLOB_UNKNOWN)
        return ERR_OK;
    TRY(code);
    l->repos = mem_resize(l->repos, (l->n + 1) * sizeof(*l->repos));
    l->repos[l->n++] = *repo;
    return ERR_OK;
}

/* In all repositories, where they have it in common. */
static enum err_code lose_all(struct registry *r, const struct repo_name *repo, struct lost *l,
                              struct err *e)
{
    if (!store_shared(r->store))
        return lose(r, repo, l, e);
    for (;;) {
        struct repo_name has;
        enum err_code code = meta_blob_find(r->meta, l->digest, &has, &l->size_bytes, e);

        if (code == ERR_BLOB_UNKNOWN)
            return ERR_OK;
        TRY(code);
        TRY(lose(r, &has, l, e));
    }
}

static enum err_code link_back(struct registry *r, const struct lost *l, pthread_mutex_t **held,
                               struct err *e)
{
    for (size_t i = 0; i < l->n; i++) {
        struct meta_op op = removal_link(r, &l->repos[i], l->digest, l->size_bytes);

        TRY(removal_commit(r, &op, 1, 0, held, e));
        blob_is_linked(r, l->digest);
    }
    return ERR_OK;
}

/* Another process may have stored the blob, and linked it, before its row went: whose link comes
 * later than that has stored it before as well. So another look behind it misses none. While
 * nobody can tell, all is as before. */
static enum err_code look_again(struct registry *r, const struct lost *l, pthread_mutex_t **held,
                                bool *ret_back, struct err *e)
{
    uint64_t size_bytes = 0;
    enum err_code code;

    *ret_back = false;
    if (l->n == 0 || !store_shared(r->store))
        return ERR_OK;
    code = store_blob_stat(r->store, &l->repos[0], l->digest, &size_bytes, e);
    if (code == ERR_BLOB_UNKNOWN || (code == ERR_OK && size_bytes != l->size_bytes))
        return ERR_OK;
    TRY(link_back(r, l, held, code == ERR_OK ? e : ERR_IGNORED));
    *ret_back = code == ERR_OK;
    return code;
}

/* ---- what is damaged */

static enum err_code is_damaged(struct registry *r, const struct repo_name *repo,
                                const struct digest *d, uint64_t row_bytes, bool *ret_damaged,
                                struct err *e)
{
    struct rehash how = {0};
    uint64_t size_bytes = 0;
    bool whole = false;
    enum err_code code = store_blob_stat(r->store, repo, d, &size_bytes, e);

    if (code == ERR_OK && size_bytes == row_bytes)
        code = quarantine_rehash(r, repo, d, &how, &whole, e);
    *ret_damaged = code == ERR_OK && !whole;
    return code == ERR_BLOB_UNKNOWN ? ERR_OK : code;
}

static enum err_code move_file(struct registry *r, const struct repo_name *repo,
                               const struct digest *d, struct err *e)
{
    AUTO(lost) struct lost l = {.digest = d};

    TRY(store_blob_quarantine(r->store, repo, d, e));
    return lose_all(r, repo, &l, e);
}

/* *ret_gone: nothing links it, nor does before that deletion has ended (core/removal.h). */
static enum err_code mark_gone(struct registry *r, const struct repo_name *repo,
                               const struct digest *d, uint64_t size_bytes, int64_t *ret_number,
                               bool *ret_gone, struct err *e)
{
    const struct meta_content c = {NULL, d};
    struct meta_removal why = removal_of(r, WHY_DAMAGED, true);
    struct meta_op op;
    uint64_t random;

    random_bytes(&random, sizeof(random));
    *ret_number = (int64_t)(random >> 1) | 1;
    why.size_bytes = size_bytes;
    TRY(removal_condemn(r, repo, d, why, e));
    op = meta_op_content_gone(c, why.since_ms, *ret_number, clock_wall_ms(), ret_gone);
    return meta_commit(r->meta, &op, 1, 0, NULL, e);
}

/* Where other processes store and link as well. When it can't be told how the move has ended, the
 * job that deletes content ends it. */
static enum err_code move_shared(struct registry *r, const struct repo_name *repo,
                                 const struct digest *d, pthread_mutex_t **held, bool *ret_moved,
                                 struct err *e)
{
    AUTO(lost) struct lost l = {.digest = d};
    bool gone = false, back, damaged = false;
    struct meta_op op;
    enum err_code code;
    int64_t number;

    *ret_moved = false;
    TRY(lose_all(r, repo, &l, e));
    TRY(mark_gone(r, repo, d, l.size_bytes, &number, &gone, e));
    if (!gone)
        return look_again(r, &l, held, &back, e);
    code = is_damaged(r, repo, d, l.size_bytes, &damaged, e); /* somebody may have mended it */
    if (code == ERR_OK && damaged) {
        TRY(store_blob_quarantine(r->store, repo, d, e));
        *ret_moved = true;
        op =
            meta_op_content_deleted((struct meta_content){NULL, d}, number, clock_wall_ms(), false);
        return meta_commit(r->meta, &op, 1, 0, NULL, e);
    }
    op = meta_op_content_back((struct meta_content){NULL, d}, number, clock_wall_ms());
    TRY(meta_commit(r->meta, &op, 1, 0, NULL, code == ERR_OK ? e : ERR_IGNORED));
    TRY(look_again(r, &l, held, &back, code == ERR_OK ? e : ERR_IGNORED));
    return code;
}

enum err_code quarantine_blob(struct registry *r, const struct repo_name *repo,
                              const struct digest *d, uint64_t row_bytes, bool *ret_moved,
                              struct err *e)
{
    AUTO(held) pthread_mutex_t *held = locks_hold(&r->blob_locks, STR_NONE, digest_str(d));

    TRY(is_damaged(r, repo, d, row_bytes, ret_moved, e));
    if (!*ret_moved)
        return ERR_OK;
    return store_shared(r->store) ? move_shared(r, repo, d, &held, ret_moved, e)
                                  : move_file(r, repo, d, e);
}

/* ---- what is missing */

static bool link_from(struct registry *r, const struct repo_name *from, const struct repo_name *to,
                      const struct digest *d)
{
    uint64_t row_bytes, file_bytes = 0;

    return !str_eq(repo_name_str(from), repo_name_str(to)) &&
           meta_blob_stat(r->meta, from, d, &row_bytes, ERR_IGNORED) == ERR_OK &&
           store_blob_stat(r->store, from, d, &file_bytes, ERR_IGNORED) == ERR_OK &&
           file_bytes == row_bytes && store_blob_link(r->store, from, to, d, ERR_IGNORED) == ERR_OK;
}

/* From the first that has it. There is no list of those that do: all are asked. */
static bool link_again(struct registry *r, const struct repo_name *repo, const struct digest *d)
{
    AUTO(name_list) struct meta_name_list page = {0};

    if (store_shared(r->store))
        return false;
    do {
        AUTO(name_list) struct meta_name_list last = page;

        page = (struct meta_name_list){0};
        if (meta_repos(r->meta, str_of(last.n ? last.names[last.n - 1] : ""), REPOS_PAGE, &page,
                       ERR_IGNORED) != ERR_OK)
            return false;
        for (size_t i = 0; i < page.n; i++) {
            struct repo_name from;

            if (repo_name_parse(str_of(page.names[i]), &from, ERR_IGNORED) == ERR_OK &&
                link_from(r, &from, repo, d))
                return true;
        }
    } while (page.more && page.n > 0);
    return false;
}

enum err_code quarantine_missing(struct registry *r, const struct repo_name *repo,
                                 const struct digest *d, bool *ret_back, struct err *e)
{
    AUTO(held) pthread_mutex_t *held = locks_hold(&r->blob_locks, STR_NONE, digest_str(d));
    AUTO(lost) struct lost l = {.digest = d};
    uint64_t size_bytes;
    enum err_code code = store_blob_stat(r->store, repo, d, &size_bytes, e);

    *ret_back = code == ERR_OK || (code == ERR_BLOB_UNKNOWN && link_again(r, repo, d));
    if (*ret_back || code != ERR_BLOB_UNKNOWN)
        return code == ERR_BLOB_UNKNOWN ? ERR_OK : code;
    TRY(lose_all(r, repo, &l, e));
    return look_again(r, &l, &held, ret_back, e);
}
