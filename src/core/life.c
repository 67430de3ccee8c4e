#include "core/life.h"

#include "base/mem.h"
#include "base/recent.h"
#include "core/background.h"
#include "core/conditions.h"
#include "core/event_log.h"
#include "core/event_stream.h"
#include "core/project.h"
#include "core/pulled.h"
#include "core/removal.h"
#include "core/upload.h"
#include "core/upload_id.h"
#include "core/upload_ledger.h"
#include "core/upload_session.h"
#include "core/upload_watch.h"
#include "core/url_rules.h"
#include "jobs/jobs.h"

#include <stdlib.h>

#define END_MS 2000 /* that the store has left for what is on its way elsewhere */

/* So long at most a blob that another process linked may be thought to be nowhere. */
#define ABSENT_MS 60000

/* Of the projections that a crash left, as many as start-up may take time for; the rest is
 * carried in the background. */
#define START_BATCHES 4

struct registry *registry_new(struct store *store, struct meta *meta, const struct conf *c)
{
    struct registry *r = NEW(struct registry);

    r->store = store;
    r->meta = meta;
    r->limits = &c->limits;
    r->options = &c->registry;
    r->quotas = &c->quotas;
    r->retention = &c->retention;
    r->pulls_keep_ms = c->pull_policy.n > 0 ? c->scan.pulls_keep_ms : 0;
    r->schedule = c->schedule;
    r->gc = &c->gc;
    r->verify_on_read = &c->storage.verify_on_read;
    r->buffer_bytes = c->http.buffer_bytes;
    r->lease_ms = c->replicas.lease_ms;
    r->conditions = conditions_new();
    r->uploads = upload_table_new();
    r->upload_ids = upload_ids_new();
    r->ledger = ledger_new(r);
    r->watch = upload_watch_new(r);
    r->events = event_log_new(r);
    r->streams = event_streams_new(r);
    uuid_make(&r->alone);
    r->url_rules = url_rules_new(&c->registry);
    r->absent = recent_new(ABSENT_MS);
    store_set_deletions(store, removal_number, r);
    locks_init(&r->blob_locks);
    locks_init(&r->manifest_locks);
    locks_init(&r->tag_locks);
    locks_init(&r->layer_locks);
    return r;
}

enum err_code registry_start(struct registry *r, registry_report_fn report, struct err *e)
{
    struct err problem = {0};
    bool more;

    /* A full or read-only disk is no reason not to serve what is there; it is tried again. What
     * nobody holds where there are others is for one of all to carry. */
    if (!project_is_shared(r) && project_pending(r, START_BATCHES, &more, &problem) != ERR_OK)
        report("carrying tags to the store failed at the start; will be tried again", &problem);
    if (upload_ids_load(r->upload_ids, r->meta, &problem) != ERR_OK)
        report("the key of upload sessions can't be had yet", &problem);
    if (upload_load_all(r, &problem) != ERR_OK)
        report("sessions of before the start can't be counted", &problem);
    return background_start(r, report, e);
}

void registry_stop(struct registry *r)
{
    store_hurry(r->store, END_MS); /* for the background, and for what the store does itself */
    jobs_stop(r->jobs);
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    registry_stop(r);
    store_set_deletions(r->store, NULL, NULL);
    jobs_free(r->jobs);
    upload_watch_free(r->watch);
    ledger_free(r->ledger);
    event_streams_free(r->streams);
    event_log_free(r->events);
    conditions_free(r->conditions);
    if (r->pulled)
        (void)!pulled_write(r->pulled, r->meta, ERR_IGNORED);
    pulled_free(r->pulled);
    upload_table_free(r->uploads);
    upload_ids_free(r->upload_ids);
    url_rules_free(r->url_rules);
    recent_free(r->absent);
    free(r->unsure);
    locks_done(&r->blob_locks);
    locks_done(&r->manifest_locks);
    locks_done(&r->tag_locks);
    locks_done(&r->layer_locks);
    meta_free(r->meta);
    store_free(r->store);
    free(r);
}
