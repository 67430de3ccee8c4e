/*
 * Who decides whether images of archives become images of repositories (`upload.scan: block`): a
 * scanner and the pull policy, of which core knows nothing. Any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/digest.h"
#include "base/name.h"

enum image_verdict {
    IMAGE_PASSES,
    IMAGE_WAITS, /* for a scan, which has been asked for; archive_session_scanned() will be told */
    IMAGE_BLOCKED
};

/* An image that waits. */
struct image_case {
    const struct repo_name *held; /* where it is */
    const struct repo_name *repo; /* where it is to be */
    const struct digest *digest;
    int64_t since_ms; /* wall clock: since it waits */
};

struct image_judge {
    /* May anything be blocked in that repository? */
    bool (*judges)(void *ctx, const struct repo_name *repo);

    /* Of BLOCKED, why has one sentence, told, and ret_json gets an object that says the same for
     * programs, with the worst findings. Of WAITS, why says what is known of it. Errors: those of
     * meta and store. */
    enum err_code (*judge)(void *ctx, const struct image_case *c, enum image_verdict *ret_verdict,
                           struct err *why, struct buf *ret_json, struct err *e);

    void *ctx;
};
