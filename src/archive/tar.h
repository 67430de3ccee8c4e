/*
 * Reading a tar archive that comes in pieces: ustar, PAX, GNU tar and tar of version 7. Strict: a
 * header that programs read in different ways is refused. Source: POSIX.1-2017, pax, "ustar
 * Interchange Format" and "pax Interchange Format"; GNU tar, "Basic Tar Format".
 */
#pragma once

#include "archive/refusal.h"
#include "base/buf.h"

#include <stdint.h>

#define TAR_NAME_MAX 4096

enum tar_kind { TAR_FILE, TAR_HARD_LINK, TAR_SYMBOLIC_LINK, TAR_FOLDER, TAR_SPARSE, TAR_OTHER };

/* A member's head. Borrowed during the call. */
struct tar_entry {
    enum tar_kind kind;
    struct str name; /* as it stands there */
    struct str link; /* where a link leads, likewise */
    uint64_t size_bytes;
    uint64_t whole_bytes; /* of a file with holes, with these; else as size_bytes */
    uint32_t mode;        /* permissions, set-id and sticky bits */
    uint64_t uid, gid;
    int64_t modified_s; /* Unix time */
    uint64_t at_bytes;  /* where its contents begin in the tar */
};

struct tar_events {
    enum err_code (*begin)(void *ctx, const struct tar_entry *t, struct err *e);
    enum err_code (*data)(void *ctx, const void *p, size_t n, struct err *e);
    enum err_code (*end)(void *ctx, struct err *e); /* of the member */
};

/* Could a tar begin with these bytes, TAR_HEAD_BYTES or all? The sum of its first header is right.
 */
#define TAR_HEAD_BYTES 512
bool tar_begins(const void *p, size_t n);

struct tar; /* one thread */

/* *f gets why the archive is refused. */
struct tar *tar_new(const struct tar_events *events, void *ctx, struct refusal *f);
void tar_free(struct tar *t); /* accepts NULL */

/* Errors: IMAGE_INVALID, those of the events. */
ERR_CHECKED enum err_code tar_feed(struct tar *t, const void *p, size_t n, struct err *e);

/* All has come. Blocks of zeros need not stand at the end. Errors: the same. */
ERR_CHECKED enum err_code tar_end(struct tar *t, struct err *e);
