/*
 * The job that takes an archive of which all has come (core/archive_session.h): it is read once, as
 * one that is being received is (core/image_upload.h), what came of it becomes the answer, and its
 * bytes are removed. One that dies with its process is done again: the same archive twice changes
 * nothing.
 *
 * One that waits for a verdict (core/held_image.h) is looked at when it was held, when a scan of it
 * has ended, and when it has waited for too long; in between no job and no thread has it. What came
 * of it is decided once, in a transaction, and then done, however often.
 */
#pragma once

#include "core/archive_session.h"
#include "core/image_upload.h"
#include "jobs/jobs.h"

/* What only the edge knows: rights, answers, the trail. Called by threads of jobs. */
struct archive_taker {
    struct registry *r;

    /* May it be done at all? Then `end` is called, once. Errors: those of the trail. Of one that
     * goes to several repositories each is begun, and ended. */
    enum err_code (*begin)(void *ctx, struct err *e);

    /* As those of image_rights, of the rights of s. */
    enum err_code (*may_push)(void *ctx, const struct archive_session *s,
                              const struct repo_name *repo, struct err *e);
    enum err_code (*may_tag)(void *ctx, const struct archive_session *s,
                             const struct repo_name *repo, const struct tag_name *tag,
                             bool *ret_create_only, struct err *e);

    /* The answer to what was stored, or refused: why has the text and *f the reason, when its code
     * is not NONE. images are those that are blocked: items of a list of JSON, or
     * empty. */
    void (*stored)(void *ctx, const struct archive_session *s, const struct image_stored *stored,
                   struct buf *ret_answer);
    void (*refused)(void *ctx, const struct archive_session *s, const struct err *why,
                    const struct refusal *f, struct str images, struct buf *ret_answer);

    /* LATER: nothing was done, and it is tried again. repo is NULL where it is not known which. */
    void (*end)(void *ctx, const struct archive_session *s, const struct repo_name *repo,
                enum err_code code);
    void *ctx;
};

/* The t must live until the jobs are stopped. */
struct job_kind archive_take_kind(struct archive_taker *t);
