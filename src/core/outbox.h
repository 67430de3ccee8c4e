/*
 * What happened, for those who want to hear of it: events, each written in the transaction that
 * made it true, and kept as a record until it is moved to the event log (core/event_log.h), from
 * which all read. Keys are stamps of the database (meta_op_record_append()) and UUIDs, values are
 * JSON objects:
 *
 *     {"event": "scan.completed", "time": "2027-01-02T03:04:05.678Z", ...}
 */
#pragma once

#include "base/buf.h"
#include "base/uuid.h"
#include "meta/meta.h"

#define OUTBOX STR("outbox") /* the collection */

#define OUTBOX_SCAN_COMPLETED      "scan.completed"
#define OUTBOX_NEW_VULNERABILITIES "scan.new_vulnerabilities"
#define OUTBOX_SCAN_PUBLISHED      "scan.published"
#define OUTBOX_PULL_BLOCKED        "pull.blocked"
#define OUTBOX_UPLOAD_ENDED        "upload.ended"

#define OUTBOX_MANIFEST_PUSHED    "manifest.pushed"
#define OUTBOX_MANIFEST_DELETED   "manifest.deleted"
#define OUTBOX_MANIFEST_PULLED    "manifest.pulled"
#define OUTBOX_QUOTA_REFUSED      "quota.refused"
#define OUTBOX_GC_ENDED           "gc.ended"
#define OUTBOX_TAG_MOVED          "tag.moved"
#define OUTBOX_TAG_DELETED        "tag.deleted"
#define OUTBOX_REPOSITORY_DELETED "repository.deleted"

#define OUTBOX_EVENT_MAX (64u << 10)

/* One that is being written; lives as long as its operation. */
struct outbox_event {
    struct uuid id;
    struct buf json;
};

/* Begins it: the name and the time are there. Whoever has it adds members to json, each with a
 * comma before it. */
void outbox_begin(struct outbox_event *ev, const char *name);
void outbox_add_text(struct outbox_event *ev, const char *key, struct str value);
void outbox_add_number(struct outbox_event *ev, const char *key, int64_t value);

/* Ends it. One that is too large is told without its last members, and with "cut": true. The
 * operation belongs into the transaction of what it tells. */
struct meta_op outbox_put(struct outbox_event *ev);
void outbox_done(struct outbox_event *ev); /* accepts one that is all zero */

static inline void auto_outbox_(struct outbox_event *ev)
{
    outbox_done(ev);
}
