/* The event log as a stream: docs/events.md. */
#include "api/access.h"
#include "api/handlers.h"
#include "api/parameter.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/pattern.h"
#include "core/event_stream.h"

#include <stdlib.h>

/* Who reads. */
struct viewer {
    struct api *api;
    struct identity *who;
    char subject[IDENTITY_NAME_MAX + 32]; /* "user:alice"; "": nobody is known */
};

static bool sees(void *ctx, const struct repo_name *repo)
{
    const struct viewer *v = ctx;

    return access_may_by(v->api, v->who, repo ? ACTION_PULL : ACTION_ADMIN, repo, NULL);
}

/* Where people are, and with what they come, is for admins, and for themselves. */
static bool knows(void *ctx, const char *who)
{
    const struct viewer *v = ctx;

    return (v->subject[0] && strcmp(v->subject, who) == 0) ||
           access_may_by(v->api, v->who, ACTION_ADMIN, NULL, NULL);
}

static void free_viewer(void *ctx)
{
    struct viewer *v = ctx;

    identity_unref(v->who);
    free(v);
}

static enum err_code bad(const char *what, const char *allowed, struct err *e)
{
    return err_tell(e, ERR_REQUEST_INVALID, "%s is to be %s", what, allowed);
}

/* The header of a browser that comes back goes before what it asked for first. */
static enum err_code place(struct req *q, uint64_t *ret_after, struct err *e)
{
    struct str last = http_field_get(q->head, STR("Last-Event-ID"));
    char after[32];

    *ret_after = EVENT_STREAM_NOW;
    if (last.n > 0)
        return str_to_u64(last, INT64_MAX, ret_after)
                   ? ERR_OK
                   : bad("Last-Event-ID", "the id of an event of this stream", e);
    TRY(query_text(q, "after", after, sizeof(after), e));
    if (after[0] && !str_to_u64(str_of(after), INT64_MAX, ret_after))
        return bad("query parameter 'after'", "the id of an event, or 0", e);
    return ERR_OK;
}

static enum err_code patterns(struct req *q, struct event_stream_wish *w, struct err *e)
{
    struct str rest, one;
    bool more;

    TRY(query_text(q, "repository", w->repository, sizeof(w->repository), e));
    if (w->repository[0] && !pattern_valid(str_of(w->repository)))
        return bad("query parameter 'repository'", "a name or pattern of repositories", e);
    TRY(query_text(q, "event", w->events, sizeof(w->events), e));
    rest = str_of(w->events);
    do {
        more = str_cut(&rest, ',', &one);
        if (w->events[0] && !pattern_valid(one))
            return bad("query parameter 'event'",
                       "names or patterns of events, with a comma between", e);
    } while (more);
    return ERR_OK;
}

static enum err_code follow(struct req *q, bool *ret_follow, struct err *e)
{
    char text[8];

    TRY(query_text(q, "follow", text, sizeof(text), e));
    *ret_follow = strcmp(text, "false") != 0;
    if (text[0] && *ret_follow && strcmp(text, "true") != 0)
        return bad("query parameter 'follow'", "true or false", e);
    return ERR_OK;
}

/* Proxies are not to collect it. */
enum err_code api_events(struct req *q, struct err *e)
{
    struct event_stream_wish w = {.sees = sees, .knows = knows, .free_ctx = free_viewer};
    struct viewer *v;
    struct reader *r;
    bool follows;

    TRY(place(q, &w.after, e));
    TRY(patterns(q, &w, e));
    TRY(follow(q, &follows, e));
    w.to_end = !follows;
    v = NEW(struct viewer);
    v->api = q->api;
    v->who = identity_ref(q->who);
    if (v->who->kind != IDENTITY_ANONYMOUS)
        identity_subject(v->who, v->subject, sizeof(v->subject));
    w.ctx = v;
    TRY(event_stream_open(q->registry->streams, &w, &r, e));
    http_header(q->x, "Content-Type", STR("text/event-stream"));
    http_header(q->x, "Cache-Control", STR("no-store"));
    http_header(q->x, "X-Accel-Buffering", STR("no"));
    return http_send_stream(q->x, r, e);
}
