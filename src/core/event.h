/*
 * What clients do to content, as events of the outbox: each is an operation that goes into the
 * transaction of what it tells. docs/events.md has the members of each.
 */
#pragma once

#include "core/outbox.h"
#include "core/reference.h"
#include "core/registry.h"

/* Who asked for it; texts are borrowed, and NULL or "" when not known. */
struct event_origin {
    const char *actor;   /* "user:alice", "anonymous" */
    const char *address; /* of the client */
    const char *request_id;
    const char *method; /* "PUT" */
    struct str host;    /* as the client wrote it */
    struct str user_agent;
};

/* Are there to be events of what is pushed there and deleted (events.pushes)? */
bool events_of_pushes(const struct registry *r, const struct repo_name *repo);

/* Does anybody want to hear of this pull? Never blocks, nor does the next. */
bool events_of_pulls(const struct registry *r, const struct repo_name *repo);
void event_pulled(struct registry *r, const struct repo_name *repo, const struct reference *ref,
                  const struct meta_manifest *m, const struct event_origin *by);

/* A quota has refused something; why: as the client is told. Of a repository once an hour. */
void event_quota_refused(struct registry *r, const struct repo_name *repo, struct str why,
                         const struct event_origin *by);

/* A manifest that is pushed. */
struct event_push {
    const struct repo_name *repo;
    const struct meta_manifest *manifest;
    struct str artifact_type;     /* "": none */
    const struct digest *subject; /* NULL: none */
    const struct tag_name *tags;
    size_t n_tags;
    const struct event_origin *by; /* NULL: not known */
};

/* Each begins *ev, which lives as long as the operation, and is empty before (outbox_done()). */
struct meta_op event_pushed(struct outbox_event *ev, const struct event_push *p);

/* from: where it pointed, NULL: nowhere or not known; to: where it points now. */
struct meta_op event_tag_moved(struct outbox_event *ev, const struct repo_name *repo,
                               const struct tag_name *tag, const struct digest *from,
                               const struct digest *to, const struct event_origin *by);
struct meta_op event_tag_deleted(struct outbox_event *ev, const struct repo_name *repo,
                                 const struct tag_name *tag, const struct event_origin *by);
struct meta_op event_manifest_deleted(struct outbox_event *ev, const struct repo_name *repo,
                                      const struct digest *d, const struct event_origin *by);
struct meta_op event_repository_deleted(struct outbox_event *ev, const struct repo_name *repo,
                                        const struct event_origin *by);
