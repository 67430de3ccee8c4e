/*
 * core: what a registry does, knowing no HTTP and no SQL. May include store/, meta/, conf/conf.h
 * and base/.
 *
 * struct registry is the whole of it: the two stores of truth, the limits, the open upload
 * sessions and the work in the background. One per process; every function here may be called from
 * any thread and may block, but for those that say otherwise.
 */
#pragma once

#include "base/reserve.h"
#include "conf/conf.h"
#include "core/locks.h"
#include "meta/meta.h"
#include "store/store.h"

#include <stdatomic.h>

struct upload_ids;
struct upload_ledger;
struct upload_table;
struct upload_watch;
struct url_rules;
struct jobs;
struct members;
struct recent;
struct pulled;
struct stray_count;
struct conditions_cache;
struct event_log;
struct event_streams;
struct removal_unsure;
struct image_judge;
struct tag_judge;

/*
 * The locks. Whoever adds content stores it, then commits the reference; whoever removes it commits
 * first, then removes (ARCHITECTURE.md, "Rules that hold everywhere"; blobs: core/removal.h, which
 * is all that several processes have). Were they at the same digest
 * at once, a remover could take away what the other has just stored and is about to refer to. So
 * each holds the lock on the digest from its first step to its second, and for nothing else: what
 * takes long of storing (receiving, hashing, syncing and comparing bytes) comes before it, and
 * other digests of the same stripe wait for no more than a name, a sync of its directory and a
 * transaction. (A manifest is small, and is written whole under its lock; a mount copies under it
 * where the file system makes no link.) A thread holds at most one of all these locks, and maybe
 * one of layer_locks before it.
 */
struct registry {
    struct store *store;
    struct meta *meta;
    const struct conf_limits *limits;
    const struct conf_registry *options;
    const struct conf_quotas *quotas;
    const struct conf_gc *gc;
    const _Atomic bool *verify_on_read; /* of the configuration, as it is now */
    uint64_t buffer_bytes;              /* of one receiving upload */
    struct reserve *reserve;            /* borrowed; may be NULL */
    const char *temp_dir;               /* for files without names; borrowed; NULL: P_tmpdir */
    struct members *members;            /* of the meta; NULL: nobody has asked for it */
    struct upload_table *uploads;
    struct upload_ids *upload_ids;
    atomic_uint_fast64_t image_uploads; /* archives that are being received */
    struct upload_ledger *ledger;       /* and what is recorded of them */
    struct upload_watch *watch;         /* and who follows that */
    struct event_log *events;           /* core/event_log.h */
    struct event_streams *streams;      /* and who follows it */
    struct uuid alone;                  /* this process, where nobody asks who else there is */
    struct url_rules *url_rules;
    struct recent *absent;       /* blobs that no repository had, by a look-up a little ago */
    struct locks blob_locks;     /* a blob is being linked or unlinked, in any repository */
    struct locks manifest_locks; /* likewise a manifest */
    struct locks tag_locks;      /* a (repository, tag) is being projected */
    struct locks layer_locks;    /* a layer is being read into a list: held before any of these */
    uint64_t lease_ms;           /* replicas.lease */
    struct conditions_cache *conditions;
    struct removal_unsure *unsure; /* of the job that deletes content alone: core/removal.c */
    size_t n_unsure;
    struct jobs *jobs; /* NULL: nothing is done in the background */
    const struct conf_retentions *retention;
    uint64_t pulls_keep_ms;            /* for the pull policy; 0: it does not ask */
    atomic_bool scans_awaited;         /* it gives images that are pushed a time to be scanned in */
    struct pulled *pulled;             /* core/pulled.h; NULL: no policy asks for pulls */
    const char *schedule;              /* gc.schedule */
    const struct image_judge *judge;   /* of images that are uploaded; borrowed; NULL: nobody */
    const struct tag_judge *tag_judge; /* of what tags are given to; likewise */
    /* May nobody move or delete the tag, as the rights are? NULL: each may be. */
    bool (*is_immutable)(void *ctx, const struct repo_name *repo, const struct tag_name *tag);
    void *immutable_ctx;
    void (*tell_retention)(size_t policy,
                           const char *why);          /* why it was not carried out; or NULL */
    void (*tell_strays)(const struct stray_count *c); /* from a job; NULL: it looks for none */
};

/* What the edges do with an error of a background job; any thread. */
typedef void (*registry_report_fn)(const char *what, const struct err *e);

/* May content be added? Not while the disk is full and the reserve is given up. Error:
 * STORAGE_FULL, told. */
ERR_CHECKED enum err_code registry_has_room(struct registry *r, struct err *e);

/* Was the transaction refused for certain? What fails otherwise may be committed all the same, and
 * content that it names must stay. */
static inline bool registry_refused(enum err_code code)
{
    return code != ERR_OK && err_status(code) < 500;
}

/* Both stores can be read and written. */
ERR_CHECKED enum err_code registry_health(struct registry *r, struct err *e);

#define REGISTRY_CARRY "carry" /* the kind of job that carries projections: background.h */

/* There are projections to carry. Never blocks for long. */
void registry_wake(struct registry *r);
