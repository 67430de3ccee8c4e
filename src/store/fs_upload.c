#include "store/fs.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/*
 * Large uploads go to the disk while they still run: write-back is begun in steps, and blocks are
 * allocated ahead of the writes, in one call where delayed allocation would search at each step.
 * Of 256 MiB, hashed and written in steps of 512 KiB (ext4, medians of 7): 196 ms without any
 * sync; with a sync at the end 267; with write-back in steps of 1, 4, 8, 16, 32 MiB 216, 207, 208,
 * 215, 222; of 8 MiB and with 16 to 64 MiB allocated ahead 192 to 194, of which the sync waits 3.
 */
#define WRITE_BACK_BYTES (8ull << 20)
#define AHEAD_BYTES      (16ull << 20)

#define COMPARE_BYTES (128u << 10)

struct fs_upload {
    int fd;
    struct uuid id;
    uint64_t begun;     /* write-back was begun for the bytes before */
    uint64_t allocated; /* blocks were allocated up to here; 0: none ahead */
    bool synced;        /* nothing was written since the last sync */
    bool lost;          /* a sync failed: the kernel may have dropped bytes it could not write */
    int same_fd;        /* a blob's file that was found to have these bytes; -1: none was */
};

static struct fs_upload *upload_of(struct store_upload *u)
{
    return (struct fs_upload *)u;
}

enum err_code fs_upload_create(struct store *s, const struct uuid *id, struct err *e)
{
    struct fs *f = fs_of(s);
    struct fs_path dir, data;
    int fd;

    fs_upload_dir(id, &dir);
    fs_upload_data(id, &data);
    if (mkdirat(f->root_fd, dir.text, 0755) < 0)
        return err_errno(e, "make directory '%s'", dir.text);
    fd = openat(f->root_fd, data.text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                FS_FILE_MODE);
    if (fd < 0) {
        enum err_code code = err_errno(e, "create '%s'", data.text);

        unlinkat(f->root_fd, dir.text, AT_REMOVEDIR);
        return code;
    }
    close(fd);
    return ERR_OK;
}

enum err_code fs_upload_open(struct store *s, const struct uuid *id,
                             struct store_upload **ret_upload, uint64_t *ret_size_bytes,
                             struct err *e)
{
    struct fs *f = fs_of(s);
    struct fs_upload *fu;
    struct fs_path data;
    struct stat st;

    fs_upload_data(id, &data);

    AUTO(fd) int fd = openat(f->root_fd, data.text, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return err_set(e, ERR_BLOB_UPLOAD_UNKNOWN, "no '%s'", data.text);
    if (fd < 0)
        return err_errno(e, "open '%s'", data.text);
    if (fstat(fd, &st) < 0)
        return err_errno(e, "stat '%s'", data.text);
    /* A second name is a blob's: to write here would be to write into that blob. */
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
        return err_set(e, ERR_BLOB_UPLOAD_UNKNOWN, "'%s' is no upload any more", data.text);
    fu = NEW(struct fs_upload);
    fu->fd = STEAL_FD(fd);
    fu->same_fd = -1;
    fu->id = *id;
    fu->begun = (uint64_t)st.st_size;
    fu->allocated = (uint64_t)st.st_blocks * 512;
    *ret_size_bytes = (uint64_t)st.st_size;
    *ret_upload = (struct store_upload *)fu;
    return ERR_OK;
}

static enum err_code check_lost(const struct fs_upload *u, struct err *e)
{
    if (u->lost)
        return err_set(e, ERR_INTERNAL, "the disk failed upload %s before", u->id.text);
    return ERR_OK;
}

/* The bytes change: what was found out of the old ones holds no more. */
static void begin_change(struct fs_upload *u)
{
    u->synced = false;
    if (u->same_fd >= 0)
        close(u->same_fd);
    u->same_fd = -1;
}

/* Both calls are hints: what goes wrong is found by the write or by the sync. */
static void push_to_disk(struct fs_upload *u, uint64_t end)
{
    if (end < u->begun + WRITE_BACK_BYTES)
        return;
    do {
        sync_file_range(u->fd, (off_t)u->begun, (off_t)WRITE_BACK_BYTES, SYNC_FILE_RANGE_WRITE);
        u->begun += WRITE_BACK_BYTES;
    } while (end >= u->begun + WRITE_BACK_BYTES);
    if (end + WRITE_BACK_BYTES > u->allocated) {
        fallocate(u->fd, FALLOC_FL_KEEP_SIZE, (off_t)end, (off_t)AHEAD_BYTES);
        u->allocated = end + AHEAD_BYTES;
    }
}

/* Gives back what was allocated past the end: cutting a file at its size does. Not for close,
 * which may run while another handle has begun to write. */
static void give_back(struct fs_upload *u)
{
    struct stat st;

    if (u->allocated == 0 || fstat(u->fd, &st) < 0)
        return;
    if (u->allocated > (uint64_t)(st.st_size + st.st_blksize) && ftruncate(u->fd, st.st_size) < 0)
        return; /* costs space until the upload goes, nothing else */
    u->allocated = 0;
}

enum err_code fs_upload_write(struct store *s, struct store_upload *handle, const void *p, size_t n,
                              uint64_t offset_bytes, struct err *e)
{
    struct fs_upload *u = upload_of(handle);

    TRY(check_lost(u, e));
    begin_change(u);
    if (file_pwrite_all(u->fd, p, n, offset_bytes) < 0)
        return err_errno(e, "write upload %s", u->id.text);
    if (fs_of(s)->fsync)
        push_to_disk(u, offset_bytes + n);
    return ERR_OK;
}

enum err_code fs_upload_read(struct store *s, struct store_upload *handle, void *p, size_t cap,
                             uint64_t offset_bytes, size_t *ret_n, struct err *e)
{
    struct fs_upload *u = upload_of(handle);
    ssize_t got;

    (void)s;
    do {
        got = pread(u->fd, p, cap, (off_t)offset_bytes);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_errno(e, "read upload %s", u->id.text);
    *ret_n = (size_t)got;
    return ERR_OK;
}

/*
 * After a failed fsync the kernel takes the lost pages for clean, and a second fsync succeeds. So
 * the first failure ends the upload: no call accepts it, and closing it removes it.
 */
static enum err_code sync_data(struct fs *f, struct fs_upload *u, struct err *e)
{
    TRY(check_lost(u, e));
    if (u->synced)
        return ERR_OK;
    give_back(u);
    if (f->fsync && fdatasync(u->fd) < 0) {
        u->lost = true;
        return err_errno(e, "sync upload %s", u->id.text);
    }
    u->synced = true;
    return ERR_OK;
}

/* Bytes that can be read back need no note. */
enum err_code fs_upload_sync(struct store *s, struct store_upload *handle,
                             const struct store_note *note, uint64_t *ret_durable_bytes,
                             struct err *e)
{
    struct fs_upload *u = upload_of(handle);
    struct stat st;

    (void)note;
    TRY(sync_data(fs_of(s), u, e));
    if (fstat(u->fd, &st) < 0)
        return err_errno(e, "stat upload %s", u->id.text);
    *ret_durable_bytes = (uint64_t)st.st_size;
    return ERR_OK;
}

enum err_code fs_upload_truncate(struct store *s, struct store_upload *handle, uint64_t size_bytes,
                                 struct err *e)
{
    struct fs_upload *u = upload_of(handle);
    struct stat st;

    (void)s;
    TRY(check_lost(u, e));
    if (fstat(u->fd, &st) < 0)
        return err_errno(e, "stat upload %s", u->id.text);
    if (size_bytes >= (uint64_t)st.st_size)
        return ERR_OK;
    begin_change(u);
    if (ftruncate(u->fd, (off_t)size_bytes) < 0)
        return err_errno(e, "truncate upload %s", u->id.text);
    u->allocated = 0;
    if (u->begun > size_bytes)
        u->begun = size_bytes;
    return ERR_OK;
}

void fs_upload_close(struct store *s, struct store_upload *handle)
{
    struct fs_upload *u = upload_of(handle);

    if (u->lost)
        fs_upload_delete(s, &u->id, ERR_IGNORED); /* what fails here the sweep finds */
    begin_change(u);
    close(u->fd);
    free(u);
}

enum err_code fs_upload_delete(struct store *s, const struct uuid *id, struct err *e)
{
    struct fs *f = fs_of(s);
    struct fs_path dir, data, note;

    fs_upload_dir(id, &dir);
    fs_upload_data(id, &data);
    fs_upload_note(id, &note);
    if (unlinkat(f->root_fd, data.text, 0) < 0 && errno != ENOENT)
        return err_errno(e, "remove '%s'", data.text);
    if (unlinkat(f->root_fd, note.text, 0) < 0 && errno != ENOENT)
        return err_errno(e, "remove '%s'", note.text);
    if (unlinkat(f->root_fd, dir.text, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return err_errno(e, "remove '%s'", dir.text);
    return ERR_OK;
}

/* Which blob the upload becomes, before there is one. */
static enum err_code note_digest(struct fs *f, const struct uuid *id, const struct repo_name *repo,
                                 const struct digest *d, struct err *e)
{
    char text[STORE_BECOMES_MAX + 1];
    struct fs_path note;

    store_becomes(repo, d, text);
    fs_upload_note(id, &note);
    if (symlinkat(text, f->root_fd, note.text) == 0)
        return ERR_OK;
    if (errno == EEXIST && unlinkat(f->root_fd, note.text, 0) == 0 &&
        symlinkat(text, f->root_fd, note.text) == 0)
        return ERR_OK;
    if (errno == ENOENT)
        return err_set(e, ERR_BLOB_UPLOAD_UNKNOWN, "upload %s was removed", id->text);
    return err_errno(e, "note the digest of upload %s", id->text);
}

static void read_note(struct fs *f, struct store_upload_info *info)
{
    char text[STORE_BECOMES_MAX + 1];
    struct fs_path note;
    ssize_t n;

    fs_upload_note(&info->id, &note);
    n = readlinkat(f->root_fd, note.text, text, sizeof(text));
    store_becomes_parse((struct str){text, n > 0 && (size_t)n < sizeof(text) ? (size_t)n : 0},
                        info);
}

static bool same_bytes(const struct fs_upload *u, int fd, uint64_t size_bytes)
{
    AUTO(mem) char *p = mem_alloc(2ul * COMPARE_BYTES);

    for (uint64_t at = 0; at < size_bytes; at += COMPARE_BYTES) {
        size_t n = size_bytes - at < COMPARE_BYTES ? (size_t)(size_bytes - at) : COMPARE_BYTES;

        if (file_pread_all(fd, p, n, at) != (ssize_t)n ||
            file_pread_all(u->fd, p + COMPARE_BYTES, n, at) != (ssize_t)n ||
            memcmp(p, p + COMPARE_BYTES, n) != 0)
            return false;
    }
    return true;
}

/* Is it the very file that was compared before? Its open descriptor keeps the number from being
 * another's. */
static bool was_found_same(const struct fs_upload *u, int fd)
{
    struct stat now, then;

    return u->same_fd >= 0 && fstat(fd, &now) == 0 && fstat(u->same_fd, &then) == 0 &&
           now.st_dev == then.st_dev && now.st_ino == then.st_ino;
}

/* Whether the file at path holds the upload's bytes. One that bears their digest and does not is
 * damaged, and what the client has just sent must not be given up for it. */
static bool has_bytes(struct fs *f, struct fs_upload *u, const struct fs_path *path,
                      uint64_t size_bytes)
{
    AUTO(fd) int fd = -1;
    uint64_t found_bytes;

    if (fs_file_size(f, path, &found_bytes) < 0 || found_bytes != size_bytes)
        return false;
    fd = openat(f->root_fd, path->text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    if (was_found_same(u, fd))
        return true;
    if (!same_bytes(u, fd, size_bytes))
        return false;
    if (u->same_fd >= 0)
        close(u->same_fd);
    u->same_fd = STEAL_FD(fd);
    return true;
}

/* Links twin's blob to path when it is the same as the upload. A twin that is not there, is
 * damaged or has no link left is no error: the upload has the bytes itself. */
static bool link_twin(struct fs *f, struct fs_upload *u, const struct repo_name *twin,
                      const struct digest *d, uint64_t size_bytes, const struct fs_path *path)
{
    struct fs_path from;

    fs_blob_path(twin, d, &from);
    return has_bytes(f, u, &from, size_bytes) &&
           linkat(f->root_fd, from.text, f->root_fd, path->text, 0) == 0;
}

/* Gives the upload's own file the name path. A damaged file there is replaced. */
static enum err_code name_data(struct fs *f, struct fs_upload *u, const struct fs_path *path,
                               uint64_t size_bytes, struct err *e)
{
    struct fs_path data;

    fs_upload_data(&u->id, &data);
    TRY(sync_data(f, u, e));
    if (fs_rename_new(f, &data, path) == 0)
        return ERR_OK;
    if (errno == EEXIST) {
        if (has_bytes(f, u, path, size_bytes))
            return ERR_OK;
        if (renameat(f->root_fd, data.text, f->root_fd, path->text) == 0)
            return ERR_OK;
    }
    if (errno == ENOENT)
        return err_set(e, ERR_BLOB_UPLOAD_UNKNOWN, "upload %s was removed", u->id.text);
    return err_errno(e, "name '%s'", path->text);
}

enum err_code fs_upload_name(struct fs *f, struct store_upload *handle, const struct fs_path *to,
                             struct err *e)
{
    struct fs_upload *u = upload_of(handle);
    struct fs_path data;

    fs_upload_data(&u->id, &data);
    TRY(sync_data(f, u, e));
    if (fs_rename_new(f, &data, to) == 0)
        return ERR_OK;
    if (errno == ENOENT)
        return err_set(e, ERR_BLOB_UPLOAD_UNKNOWN, "upload %s was removed", u->id.text);
    return err_errno(e, "name '%s'", to->text);
}

/* How large it is, and that there is a directory for it. */
static enum err_code need_place(struct fs *f, const struct fs_upload *u, const struct fs_path *dir,
                                uint64_t *ret_size_bytes, struct err *e)
{
    struct stat st;

    TRY(check_lost(u, e));
    if (fstat(u->fd, &st) < 0)
        return err_errno(e, "stat upload %s", u->id.text);
    *ret_size_bytes = (uint64_t)st.st_size;
    return fs_dir_make(f, dir, e);
}

enum err_code fs_upload_prepare(struct store *s, struct store_upload *handle,
                                const struct repo_name *repo, const struct digest *d,
                                const struct repo_name *twin, struct err *e)
{
    struct fs *f = fs_of(s);
    struct fs_upload *u = upload_of(handle);
    struct fs_path path, dir, from;
    uint64_t size = 0;

    fs_blob_path(repo, d, &path);
    fs_blobs_dir(repo, &dir);
    TRY(need_place(f, u, &dir, &size, e));
    if (has_bytes(f, u, &path, size))
        return ERR_OK;
    if (twin) {
        fs_blob_path(twin, d, &from);
        if (has_bytes(f, u, &from, size))
            return ERR_OK;
    }
    return sync_data(f, u, e);
}

enum err_code fs_upload_commit(struct store *s, struct store_upload *handle,
                               const struct repo_name *repo, const struct digest *d,
                               const struct repo_name *twin, struct err *e)
{
    struct fs *f = fs_of(s);
    struct fs_upload *u = upload_of(handle);
    struct fs_path path, dir;
    enum err_code code;
    uint64_t size = 0;

    fs_blob_path(repo, d, &path);
    fs_blobs_dir(repo, &dir);
    TRY(need_place(f, u, &dir, &size, e));
    TRY(note_digest(f, &u->id, repo, d, e));
    /* What has a blob's name was synced before it got it: no need to sync our copy then. */
    if (!has_bytes(f, u, &path, size) && !(twin && link_twin(f, u, twin, d, size, &path)))
        TRY(name_data(f, u, &path, size, e));
    code = fs_dir_sync(f, &dir, e); /* also for one found there: its maker may not have yet */
    if (code != ERR_OK) {
        u->lost = true; /* its file is the blob's now */
        return code;
    }
    fs_upload_data(&u->id, &path);
    unlinkat(f->root_fd, path.text, 0); /* where another file has the bytes */
    fs_upload_close(s, handle);
    return ERR_OK;
}

/* What a directory in temp/uploads holds. Without its file it is what a crash left: empty. */
static bool upload_info(struct fs *f, const char *name, struct store_upload_info *ret_info)
{
    struct fs_path path;
    struct stat st;

    if (!uuid_parse(str_of(name), &ret_info->id))
        return false;
    read_note(f, ret_info);
    fs_upload_data(&ret_info->id, &path);
    ret_info->size_bytes = 0;
    ret_info->has_bytes = fstatat(f->root_fd, path.text, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (ret_info->has_bytes) {
        ret_info->size_bytes = (uint64_t)st.st_size;
        ret_info->modified_ms = fs_modified_ms(&st);
        return true;
    }
    fs_upload_dir(&ret_info->id, &path);
    if (fstatat(f->root_fd, path.text, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false; /* gone meanwhile */
    ret_info->modified_ms = fs_modified_ms(&st);
    return true;
}

enum err_code fs_upload_each(struct store *s, store_upload_fn fn, void *ctx, struct err *e)
{
    struct fs *f = fs_of(s);
    AUTO(fd) int fd = openat(f->root_fd, FS_UPLOADS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (!dir)
        return err_errno(e, "open '%s'", FS_UPLOADS);
    fd = -1; /* the stream's now */
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        struct store_upload_info info;

        if (upload_info(f, entry->d_name, &info))
            TRY(fn(ctx, &info, e));
    }
    if (errno != 0)
        return err_errno(e, "read '%s'", FS_UPLOADS);
    return ERR_OK;
}
