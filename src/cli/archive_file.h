/*
 * An archive of images in a file, on standard input, or as a directory (an OCI image layout), read
 * once to its end with all checks of
 * src/archive; afterwards each content can be had again: from the file, when it is a plain tar that
 * can be read anywhere, else from a temporary file without a name, where they were written
 * meanwhile.
 */
#pragma once

#include "archive/archive.h"
#include "cli/layout_folder.h"

struct archive_file {
    const char *path;
    const char *spool_folder; /* where the temporary file is made when it is needed */
    int fd, spool_fd;         /* -1: none */
    bool seekable, is_folder;
    struct layout_folder folder;
    uint64_t n_bytes; /* of what has a length; else 0 */
    uint64_t done_bytes;
    uint64_t spool_bytes;
    void (*done)(void *ctx, uint64_t done_bytes); /* told while it is read */
    void *ctx;
    struct archive *archive;
    const struct archive_verdict *verdict; /* once it was read */
};

/* path "-" is standard input. archive_file_done() also after an error. Error: CONFIG. */
ERR_CHECKED enum err_code archive_file_open(const char *path, const char *spool_folder,
                                            struct archive_file *ret, struct err *e);
void archive_file_done(struct archive_file *f);

/* Reads all of it; so many bytes are told as are done. Errors: IMAGE_INVALID and IMAGE_TOO_LARGE,
 * see archive_refusal(); STORAGE_FULL and what else the files say. */
ERR_CHECKED enum err_code archive_file_read(struct archive_file *f,
                                            void (*done)(void *ctx, uint64_t done_bytes), void *ctx,
                                            struct err *e);

/* Where the content of the verdict stands that is not in memory; the descriptor is the caller's. */
ERR_CHECKED enum err_code archive_file_place(const struct archive_file *f,
                                             const struct archive_blob *b, int *ret_fd,
                                             uint64_t *ret_at_bytes, struct err *e);

static inline void auto_archive_file_(struct archive_file *f)
{
    archive_file_done(f);
}
