/*
 * How the content of a blob goes. A blob that loses its last link is *condemned* by the same
 * transaction; after gc.grace (and, in a bucket, gc.linger) a job deletes its bytes, unless a link
 * has revived it. The database decides, under one lock a digest, so that it is safe with any number
 * of processes over one store (tests/model/removal.pml; steps are named as there):
 *
 *                 unlink (the last)        gone(n)             the DELETE has ended
 *     linked  ------------------> condemned ------> gone, n ------------------> deleted, n
 *        ^                           |   ^             |                             |
 *        +--------- try_link --------+   +-- back -----+                             |
 *        +------------- try_link, by who saw n before they looked at the bytes ------+
 *
 * While it is gone no bytes that are there are good for a link: they may be deleted the next
 * moment. Who finds it so waits a little, then looks at the bytes anew. A deletion has ended when
 * its answer is certain; one of which that is not known may still come, until the server would
 * refuse it. Who can't wait so long puts a copy aside (store_blob_aside()), where it does not come,
 * and links that as long as the row has the number that it saw before the copy; the row stays. What
 * stored bytes and did not link them condemns them in turn (condemn_if_unlinked).
 *
 * In a store of files each repository's name of a blob goes for itself: the row is the
 * repository's. There one process is alone, and who links or deletes holds the lock on the blob
 * (core/registry.h), under which nothing is on its way.
 */
#pragma once

#include "core/registry.h"

struct job;

#define REGISTRY_REMOVE "remove" /* the kind of job that deletes: background.h */

/* How long from its last link's end content stays at least. */
int64_t removal_wait_ms(const struct registry *r);

/* For meta_op_blob_unlink(): why, a constant. waited: it was condemned for gc.grace before, and
 * only for what a reader may still need is waited, and for gc.undo. */
struct meta_removal removal_of(const struct registry *r, const char *why, bool waited);

/* After a transaction with such an operation: what waits no longer goes at once. Never fails; may
 * take a transaction. */
void removal_wake(struct registry *r);

/* The link of content whose bytes are stored. */
struct meta_op removal_link(const struct registry *r, const struct repo_name *repo,
                            const struct digest *d, uint64_t size_bytes);

/* try_link: commits operations of which ops[link] is one by removal_link(). Under the lock on the
 * blob, *held, which is let go of while a deletion is waited for or bytes are put aside, and held
 * again when it returns. held NULL: nothing of that is done. Errors: GONE, told: it is being
 * deleted, or what was stored was, and has to be stored anew; those of the transaction. */
ERR_CHECKED enum err_code removal_commit(struct registry *r, struct meta_op *ops, size_t n,
                                         size_t link, pthread_mutex_t **held, struct err *e);

/* Bytes that were stored and not linked. Under the lock on the blob. */
ERR_CHECKED enum err_code removal_discard(struct registry *r, const struct repo_name *repo,
                                          const struct digest *d, struct err *e);

/* What the store asks of deletions (store_set_deletions()); ctx is the registry. */
enum err_code removal_number(void *ctx, const struct digest *d, int64_t *ret_number, struct err *e);

/* Bytes that nothing links are condemned, as with the end of a last link; what is linked stays as
 * it is. Under the lock on the blob. */
ERR_CHECKED enum err_code removal_condemn(struct registry *r, const struct repo_name *repo,
                                          const struct digest *d, struct meta_removal removal,
                                          struct err *e);

/* Is it condemned, or being deleted? */
ERR_CHECKED enum err_code removal_waits(struct meta *m, struct meta_content c, bool *ret_waits,
                                        struct err *e);

/* The job: deletes what has been condemned for long enough. Of files also by itself, with job NULL.
 */
ERR_CHECKED enum err_code removal_run(struct registry *r, struct job *job, struct err *e);
