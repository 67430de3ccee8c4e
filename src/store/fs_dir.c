#include "store/fs.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Names are validated and FS_PATH_MAX has room for the longest, so nothing is ever cut. */
static void add(struct fs_path *p, struct str s)
{
    if (s.n >= sizeof(p->text) - p->n)
        abort();
    memcpy(p->text + p->n, s.p, s.n);
    p->n += s.n;
    p->text[p->n] = '\0';
}

/* A component that is the name of one of a repository's own directories gets a '%', which no
 * name holds: so repository a/manifests is not the directory of a's manifests. */
static void repo_dir(const struct repo_name *repo, struct fs_path *p)
{
    struct str rest = repo_name_str(repo), part;
    bool more;

    p->n = 0;
    add(p, STR(FS_REPOSITORIES));
    do {
        more = str_cut(&rest, '/', &part);
        add(p, STR("/"));
        if (str_eq(part, STR("manifests")) || str_eq(part, STR("blobs")))
            add(p, STR("%"));
        add(p, part);
    } while (more);
}

void fs_blobs_dir(const struct repo_name *repo, struct fs_path *ret_path)
{
    repo_dir(repo, ret_path);
    add(ret_path, STR("/blobs"));
}

void fs_blob_path(const struct repo_name *repo, const struct digest *d, struct fs_path *ret_path)
{
    fs_blobs_dir(repo, ret_path);
    add(ret_path, STR("/"));
    add(ret_path, digest_str(d));
}

void fs_manifests_dir(const struct repo_name *repo, struct fs_path *ret_path)
{
    repo_dir(repo, ret_path);
    add(ret_path, STR("/manifests"));
}

void fs_manifest_path(const struct repo_name *repo, const struct digest *d,
                      struct fs_path *ret_path)
{
    fs_manifests_dir(repo, ret_path);
    add(ret_path, STR("/"));
    add(ret_path, digest_str(d));
}

/* No tag is taken for a digest: a tag has no ':'. */
void fs_tag_path(const struct repo_name *repo, const struct tag_name *tag, struct fs_path *ret_path)
{
    fs_manifests_dir(repo, ret_path);
    add(ret_path, STR("/"));
    add(ret_path, tag_name_str(tag));
}

void fs_upload_dir(const struct uuid *id, struct fs_path *ret_path)
{
    ret_path->n = 0;
    add(ret_path, STR(FS_UPLOADS "/"));
    add(ret_path, (struct str){id->text, UUID_TEXT});
}

void fs_upload_data(const struct uuid *id, struct fs_path *ret_path)
{
    fs_upload_dir(id, ret_path);
    add(ret_path, STR("/data"));
}

/* A symbolic link that says which blob the upload becomes. */
void fs_upload_note(const struct uuid *id, struct fs_path *ret_path)
{
    fs_upload_dir(id, ret_path);
    add(ret_path, STR("/digest"));
}

void fs_quarantine_path(const struct digest *d, struct fs_path *ret_path)
{
    ret_path->n = 0;
    add(ret_path, STR(FS_QUARANTINE "/"));
    add(ret_path, digest_str(d));
}

/* The root is locked and temp/new was emptied at the start, so a serial number is unique. */
void fs_new_path(struct fs *f, struct fs_path *ret_path)
{
    uint64_t serial = atomic_fetch_add_explicit(&f->serial, 1, memory_order_relaxed);

    ret_path->n =
        (size_t)snprintf(ret_path->text, sizeof(ret_path->text), FS_NEW "/%ju", (uintmax_t)serial);
}

static inline uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash-2-4 (Aumasson, Bernstein 2012). */
static uint64_t path_hash(const struct fs *f, const char *p, size_t n)
{
    uint64_t v[4] = {f->hash_key[0] ^ 0x736f6d6570736575, f->hash_key[1] ^ 0x646f72616e646f6d,
                     f->hash_key[0] ^ 0x6c7967656e657261, f->hash_key[1] ^ 0x7465646279746573};
    size_t left = n;

    for (;; p += 8, left -= 8) {
        uint64_t word = 0;
        bool last = left < 8;

        memcpy(&word, p, last ? left : 8);
        if (last)
            word |= (uint64_t)n << 56;
        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
        if (last)
            break;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static bool is_known(struct fs *f, uint64_t hash)
{
    return atomic_load_explicit(&f->known_dirs[hash % FS_KNOWN_DIRS], memory_order_acquire) == hash;
}

static void set_known(struct fs *f, uint64_t hash)
{
    atomic_store_explicit(&f->known_dirs[hash % FS_KNOWN_DIRS], hash, memory_order_release);
}

/*
 * One level of fs_dir_make(). "Exists already" does not mean durable: another thread may have made
 * the directory a moment ago, or an earlier process that was killed before it synced. Whoever does
 * not know it to be durable syncs the parent itself.
 */
static enum err_code make_level(struct fs *f, const char *path, size_t n, struct err *e)
{
    uint64_t hash = path_hash(f, path, n);
    bool made = mkdirat(f->root_fd, path, 0755) == 0;

    if (!made && errno != EEXIST)
        return err_errno(e, "make directory '%s'", path);
    if (!made && is_known(f, hash))
        return ERR_OK;
    if (f->fsync)
        TRY(file_sync_parent_at(f->root_fd, path, e));
    set_known(f, hash);
    return ERR_OK;
}

enum err_code fs_dir_make(struct fs *f, const struct fs_path *dir, struct err *e)
{
    struct fs_path part = *dir;

    /* The look at the directory itself is for an operator who removed it meanwhile. */
    if (is_known(f, path_hash(f, dir->text, dir->n)) &&
        faccessat(f->root_fd, dir->text, F_OK, 0) == 0)
        return ERR_OK;
    for (size_t i = 1; i <= dir->n; i++) {
        if (dir->text[i] != '/' && dir->text[i] != '\0')
            continue;
        part.text[i] = '\0';
        TRY(make_level(f, part.text, i, e));
        part.text[i] = dir->text[i];
    }
    return ERR_OK;
}

enum err_code fs_dir_sync(struct fs *f, const struct fs_path *dir, struct err *e)
{
    if (!f->fsync)
        return ERR_OK;

    AUTO(fd) int fd = openat(f->root_fd, dir->text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return ERR_OK;
    if (fd < 0 || file_sync_dir(fd) < 0)
        return err_errno(e, "sync directory '%s'", dir->text);
    return ERR_OK;
}

/* One call for however many files and directories. */
enum err_code fs_sync_all(struct fs *f, struct err *e)
{
    if (f->fsync && syncfs(f->root_fd) < 0)
        return err_errno(e, "sync the file system of '%s'", f->root);
    return ERR_OK;
}

int fs_file_size(struct fs *f, const struct fs_path *p, uint64_t *ret_size_bytes)
{
    struct stat st;

    if (fstatat(f->root_fd, p->text, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOTDIR)
            errno = ENOENT;
        return -1;
    }
    if (!S_ISREG(st.st_mode)) {
        errno = ENOENT;
        return -1;
    }
    *ret_size_bytes = (uint64_t)st.st_size;
    return 0;
}

enum err_code fs_write_new(struct fs *f, const struct fs_path *path, struct str bytes, bool sync,
                           struct err *e)
{
    AUTO(fd)
    int fd = openat(f->root_fd, path->text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                    FS_FILE_MODE);

    if (fd < 0)
        return err_errno(e, "create '%s'", path->text);
    if (file_pwrite_all(fd, bytes.p, bytes.n, 0) < 0 || (sync && fdatasync(fd) < 0))
        return err_errno(e, "write '%s'", path->text);
    return ERR_OK;
}

int fs_rename_new(struct fs *f, const struct fs_path *from, const struct fs_path *to)
{
    if (renameat2(f->root_fd, from->text, f->root_fd, to->text, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    /* A file system without RENAME_NOREPLACE, such as NFS. A crash between the two calls leaves an
     * upload whose file has two names: fs_upload_open() does not take it for an upload. */
    if (linkat(f->root_fd, from->text, f->root_fd, to->text, 0) < 0)
        return -1;
    unlinkat(f->root_fd, from->text, 0);
    return 0;
}

enum err_code fs_remove(struct fs *f, const struct fs_path *p, const struct fs_path *dir,
                        enum err_code missing, struct err *e)
{
    if (unlinkat(f->root_fd, p->text, 0) < 0) {
        if (errno == ENOENT)
            return err_set(e, missing, "no '%s'", p->text);
        return err_errno(e, "remove '%s'", p->text);
    }
    return fs_dir_sync(f, dir, e);
}
