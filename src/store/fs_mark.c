#include "store/fs.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static enum err_code read_mark(int dir_fd, struct buf *ret_text, struct err *e)
{
    if (faccessat(dir_fd, FS_MARK, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
        return err_set(e, ERR_NOT_FOUND, "no '%s'", FS_MARK);
    return file_read_at(dir_fd, FS_MARK, ret_text, e);
}

enum err_code fs_mark_get(struct store *s, struct buf *ret_text, struct err *e)
{
    return read_mark(fs_of(s)->root_fd, ret_text, e);
}

enum err_code store_fs_mark(const char *root, struct buf *ret_text, struct err *e)
{
    AUTO(fd) int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return err_set(e, ERR_NOT_FOUND, "no '%s'", root);
    if (fd < 0)
        return err_errno(e, "open '%s'", root);
    return read_mark(fd, ret_text, e);
}

static enum err_code name_it(struct fs *f, const struct fs_path *from, bool first, struct err *e)
{
    const struct fs_path to = {.n = sizeof(FS_MARK) - 1, .text = FS_MARK};

    if (!first && renameat(f->root_fd, from->text, f->root_fd, to.text) == 0)
        return ERR_OK;
    if (first && fs_rename_new(f, from, &to) == 0)
        return ERR_OK;
    if (first && errno == EEXIST)
        return err_set(e, ERR_PRECONDITION, "there is a '%s'", FS_MARK);
    return err_errno(e, "name '%s'", FS_MARK);
}

enum err_code fs_mark_put(struct store *s, struct str text, bool first, struct err *e)
{
    const struct fs_path top = {.n = 1, .text = "."};
    struct fs *f = fs_of(s);
    struct fs_path new;
    enum err_code code;

    fs_new_path(f, &new);
    code = fs_write_new(f, &new, text, f->fsync, e);
    if (code == ERR_OK)
        code = name_it(f, &new, first, e);
    if (code != ERR_OK) {
        unlinkat(f->root_fd, new.text, 0);
        return code;
    }
    return fs_dir_sync(f, &top, e);
}
