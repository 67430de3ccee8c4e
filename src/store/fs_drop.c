/* Deleting many files of a repository: its directory is synced once. */
#include "store/fs.h"

#include <errno.h>
#include <unistd.h>

enum err_code fs_drop(struct store *s, enum store_kind kind, const struct repo_name *repo,
                      const struct digest *d, struct err *e)
{
    bool blob = kind == STORE_BLOB;
    struct fs_path path;

    if (blob)
        fs_blob_path(repo, d, &path);
    else
        fs_manifest_path(repo, d, &path);
    if (unlinkat(fs_of(s)->root_fd, path.text, 0) == 0)
        return ERR_OK;
    if (errno == ENOENT)
        return err_set(e, blob ? ERR_BLOB_UNKNOWN : ERR_MANIFEST_UNKNOWN, "no '%s'", path.text);
    return err_errno(e, "remove '%s'", path.text);
}

enum err_code fs_dropped(struct store *s, enum store_kind kind, const struct repo_name *repo,
                         struct err *e)
{
    struct fs_path dir;

    if (kind == STORE_BLOB)
        fs_blobs_dir(repo, &dir);
    else
        fs_manifests_dir(repo, &dir);
    return fs_dir_sync(fs_of(s), &dir, e);
}
