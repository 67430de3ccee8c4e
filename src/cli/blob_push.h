/*
 * One blob, pushed to a registry (dist-spec "Pushing blobs"): not when it is there, mounted where
 * the server has it elsewhere, and else sent; what a connection that breaks has brought stays,
 * where the server keeps it.
 */
#pragma once

#include "cli/remote_registry.h"
#include "cli/resume_notes.h"

struct blob_push {
    struct remote_registry *registry;
    const char *repository_url;       /* "https://host/v2/team/app" */
    const struct resume_notes *notes; /* NULL: none are kept */
    const char *from; /* a repository to mount from; NULL: whichever the server knows */
    struct digest digest;
    uint64_t size_bytes;
    const char *bytes; /* in memory, or NULL: */
    int fd;            /* of the file where they stand, */
    uint64_t at_bytes; /* from here */
    /* How many of its bytes are sent; may go back. From the thread that sends; NULL: none. */
    void (*sent)(void *ctx, uint64_t sent_bytes);
    void *ctx;
};

enum blob_result { BLOB_SENT, BLOB_THERE, BLOB_MOUNTED };

/* Errors: UNAVAILABLE, what the server says. */
ERR_CHECKED enum err_code blob_push_look(const struct blob_push *b, bool *ret_there, struct err *e);

/* For one that blob_push_look() has not found. Errors: the same; INTERNAL, the file can't be read.
 */
ERR_CHECKED enum err_code blob_push_run(const struct blob_push *b, enum blob_result *ret_result,
                                        struct err *e);
