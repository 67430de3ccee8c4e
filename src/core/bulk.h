/*
 * Deleting many: whole repositories, and tags by pattern. Each tag, manifest and blob goes in a
 * transaction of its own, just as when a client deletes it alone, a few at a time side by side. So
 * nothing is locked for long, whatever is interrupted can be done again for the rest, and content
 * that loses its last link goes as it does then.
 */
#pragma once

#include "core/remove.h"

/* What goes, or what there is. */
struct bulk_counts {
    uint64_t tags, manifests, blobs;
    uint64_t own_bytes;         /* of blobs that no other repository has */
    uint64_t shared_bytes;      /* of the others, which stay there */
    uint64_t reclaimable_bytes; /* of own_bytes: of blobs that no manifest names */
};

/* What a repository holds. Reads only. */
ERR_CHECKED enum err_code bulk_look(struct meta *m, const struct repo_name *repo,
                                    struct bulk_counts *ret_counts, struct err *e);

struct bulk {
    struct registry *registry;
    const struct repo_name *repo;
    const char *actor;       /* "user:alice" */
    bool soon;               /* remove_link_soon() */
    remove_tag_fn may_untag; /* from several threads at once; NULL: all may go */
    /* Asked now and then, with what is done so far; NULL: it goes on to the end. */
    bool (*go_on)(void *ctx, const struct bulk_counts *done);
    void *ctx; /* of both */
};

/*
 * All tags, manifests and blobs of a repository; its name stays, and open uploads do. What is
 * pushed meanwhile goes too, or stays: *ret_left says that there is something. Of bytes, only those
 * of blobs are counted. It ends with the event of it, without which there is an error; it may be
 * done again then, also when nothing is left. Errors: NAME_UNKNOWN; LATER, go_on said no; what
 * may_untag said about a tag, before anything was deleted; else the first of a step, which ended no
 * other.
 */
ERR_CHECKED enum err_code bulk_remove_repo(const struct bulk *b, struct bulk_counts *ret_done,
                                           bool *ret_left, struct err *e);

/* May all tags of a repository go? Else what may_untag said about one that may not. */
ERR_CHECKED enum err_code bulk_may_untag(struct meta *m, const struct repo_name *repo,
                                         remove_tag_fn may_untag, void *ctx, struct err *e);

/* Which tags. */
struct bulk_tags {
    struct str pattern;      /* base/pattern.h */
    int64_t before_ms;       /* pushed before that; 0: whenever. When it is not known, it stays */
    remove_tag_fn may_untag; /* what it refuses stays; NULL: all may go */
    void *ctx;               /* of it */
};

/* goes: may_untag does not refuse it. */
typedef void (*bulk_tag_fn)(void *ctx, const struct meta_repo_tag *tag, bool goes);

/* Those of a repository that match and are old enough, by name. */
ERR_CHECKED enum err_code bulk_tags_each(struct meta *m, const struct repo_name *repo,
                                         const struct bulk_tags *which, bulk_tag_fn fn, void *ctx,
                                         struct err *e);

/* Those that were seen; by pages of what is looked at at once. Errors as of the next. */
ERR_CHECKED enum err_code bulk_remove_these(const struct bulk *b, const struct meta_repo_tag *tags,
                                            size_t n, struct err *e);

/* Those that may go do, unless they are moved meanwhile; their manifests stay. Errors: LATER; the
 * first of a step. */
ERR_CHECKED enum err_code bulk_remove_tags(const struct bulk *b, const struct bulk_tags *which,
                                           struct bulk_counts *ret_done, struct err *e);
