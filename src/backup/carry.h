/* What a snapshot of the metadata names, carried from one store to another. */
#pragma once

#include "backup/snapshot.h"
#include "store/store.h"

/* As those of struct copy; what: "copying", ... Each may be NULL. */
struct backup_told {
    void (*problem)(void *ctx, const char *text);
    void (*progress)(void *ctx, const char *what, uint64_t done, uint64_t all);
    void *ctx;
};

void backup_tell(const struct backup_told *told, const char *what, uint64_t done, uint64_t all);

struct backup_counts {
    struct tag_name tag; /* of the snapshot */
    uint64_t repositories, blobs, manifests, tags;
    uint64_t new_blobs, new_manifests; /* that were copied */
    uint64_t missing;                  /* each told: the other store does not have it either */
};

struct carry {
    struct snapshot *snapshot;
    struct store *from, *to;
    bool tags;        /* those of `from` that lead to what the snapshot names, too */
    const char *lost; /* is said of a blob that `from` does not have whole: "could not be saved" */
    bool say_why;
    /* NULL, or: need the blob that `to` lacks not be there any more? An error ends it. */
    enum err_code (*gone)(void *ctx, const struct repo_name *repo, const struct digest *d,
                          bool *ret_gone, struct err *e);
    void *ctx;
    const struct backup_told *told;
};

/* Content that is there is not copied again; manifests that `from` lacks the snapshot has. Adds to
 * the counts. What is missing is told, and all else is there, durably. */
ERR_CHECKED enum err_code carry_run(const struct carry *c, struct backup_counts *counts,
                                    struct err *e);
