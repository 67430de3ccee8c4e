/* Files and directories: the few calls that must be the same everywhere. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <sys/types.h>

/* Writes all n bytes at offset, going on after short writes and EINTR. 0, or -1 with errno. */
int file_pwrite_all(int fd, const void *p, size_t n, uint64_t offset_bytes);
int file_write_all(int fd, const void *p, size_t n);

/* Reads n bytes at offset, going on after short reads and EINTR; fewer only at the end of the file.
 * How many, or -1 with errno. */
ssize_t file_pread_all(int fd, void *p, size_t n, uint64_t offset_bytes);

/* Whole file into *ret (initialised by the caller, whose max bounds it).
 * Errors: INTERNAL (err_errno), or CORRUPT when it is larger than the bound. */
ERR_CHECKED enum err_code file_read_at(int dir_fd, const char *path, struct buf *ret,
                                       struct err *e);

/* mkdir -p below dir_fd, mode 0755 minus umask; with sync, every directory that got a new entry is
 * synced. "Exists already" is success, and then says nothing of durability: whoever made the
 * directory may not have synced yet. */
ERR_CHECKED enum err_code file_mkdirs_at(int dir_fd, const char *path, bool sync, struct err *e);

/* fsync of a directory; success on a file system that has none for directories (EINVAL, as on some
 * network and FUSE mounts). 0, or -1 with errno. */
int file_sync_dir(int fd);

/* fsync of the directory that holds path ("." when there is no slash). */
ERR_CHECKED enum err_code file_sync_parent_at(int dir_fd, const char *path, struct err *e);

/* The errno of making a file in the directory and writing to it; 0: it works, or can't be tried
 * without leaving one. */
int file_try_directory(const char *path);

/* rm -r of what dir_fd has under that name, a symbolic link not followed, at most FILE_TREE_DEPTH
 * directories deep; "is not there" is success. What can't be removed does not keep the rest.
 * Errors: those of the first that failed. */
#define FILE_TREE_DEPTH 64
ERR_CHECKED enum err_code file_remove_tree_at(int dir_fd, const char *name, struct err *e);
