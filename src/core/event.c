#include "core/event.h"

#include "core/event_log.h"
#include "core/own_repo.h"

#define TEXT_MAX 512 /* of what a client says of itself */

bool events_of_pushes(const struct registry *r, const struct repo_name *repo)
{
    return conf_bool(&r->options->events_pushes) && !own_repo(repo);
}

static void add_given(struct outbox_event *ev, const char *key, struct str text)
{
    if (text.n > 0)
        outbox_add_text(ev, key, text);
}

static struct str text_of(const char *text)
{
    return text ? str_of(text) : STR("");
}

static struct str start_of(struct str text)
{
    return str_sub(text, 0, text.n < TEXT_MAX ? text.n : TEXT_MAX);
}

static void add_origin(struct outbox_event *ev, const struct event_origin *by)
{
    static const struct event_origin nobody = {.actor = NULL};

    if (!by)
        by = &nobody;
    add_given(ev, "actor", text_of(by->actor));
    add_given(ev, "address", text_of(by->address));
    add_given(ev, "request_id", text_of(by->request_id));
    add_given(ev, "method", text_of(by->method));
    add_given(ev, "host", start_of(by->host));
    add_given(ev, "user_agent", start_of(by->user_agent));
}

static void begin(struct outbox_event *ev, const char *name, const struct repo_name *repo)
{
    outbox_begin(ev, name);
    outbox_add_text(ev, "repository", repo_name_str(repo));
}

static void add_tags(struct outbox_event *ev, const struct tag_name *tags, size_t n)
{
    if (n == 0)
        return;
    buf_add_text(&ev->json, ",\"tags\":[");
    for (size_t i = 0; i < n; i++)
        buf_addf(&ev->json, "%s\"%s\"", i > 0 ? "," : "", tags[i].text);
    buf_add_char(&ev->json, ']');
}

struct meta_op event_pushed(struct outbox_event *ev, const struct event_push *p)
{
    begin(ev, OUTBOX_MANIFEST_PUSHED, p->repo);
    outbox_add_text(ev, "digest", digest_str(&p->manifest->digest));
    outbox_add_number(ev, "size", (int64_t)p->manifest->bytes.n);
    outbox_add_text(ev, "media_type", p->manifest->media_type);
    add_given(ev, "artifact_type", p->artifact_type);
    if (p->subject)
        outbox_add_text(ev, "subject", digest_str(p->subject));
    add_tags(ev, p->tags, p->n_tags);
    add_origin(ev, p->by);
    return outbox_put(ev);
}

struct meta_op event_tag_moved(struct outbox_event *ev, const struct repo_name *repo,
                               const struct tag_name *tag, const struct digest *from,
                               const struct digest *to, const struct event_origin *by)
{
    begin(ev, OUTBOX_TAG_MOVED, repo);
    outbox_add_text(ev, "tag", tag_name_str(tag));
    outbox_add_text(ev, "digest", digest_str(to));
    if (from)
        outbox_add_text(ev, "previous", digest_str(from));
    add_origin(ev, by);
    return outbox_put(ev);
}

struct meta_op event_tag_deleted(struct outbox_event *ev, const struct repo_name *repo,
                                 const struct tag_name *tag, const struct event_origin *by)
{
    begin(ev, OUTBOX_TAG_DELETED, repo);
    outbox_add_text(ev, "tag", tag_name_str(tag));
    add_origin(ev, by);
    return outbox_put(ev);
}

struct meta_op event_manifest_deleted(struct outbox_event *ev, const struct repo_name *repo,
                                      const struct digest *d, const struct event_origin *by)
{
    begin(ev, OUTBOX_MANIFEST_DELETED, repo);
    outbox_add_text(ev, "digest", digest_str(d));
    add_origin(ev, by);
    return outbox_put(ev);
}

struct meta_op event_repository_deleted(struct outbox_event *ev, const struct repo_name *repo,
                                        const struct event_origin *by)
{
    begin(ev, OUTBOX_REPOSITORY_DELETED, repo);
    add_origin(ev, by);
    return outbox_put(ev);
}

/* ---- of no transaction */

bool events_of_pulls(const struct registry *r, const struct repo_name *repo)
{
    return conf_bool(&r->options->events_pulls) && event_log_has_room(r->events) && !own_repo(repo);
}

void event_pulled(struct registry *r, const struct repo_name *repo, const struct reference *ref,
                  const struct meta_manifest *m, const struct event_origin *by)
{
    struct outbox_event ev;

    begin(&ev, OUTBOX_MANIFEST_PULLED, repo);
    outbox_add_text(&ev, "digest", digest_str(&m->digest));
    outbox_add_number(&ev, "size", (int64_t)m->bytes.n);
    outbox_add_text(&ev, "media_type", m->media_type);
    if (!ref->is_digest)
        outbox_add_text(&ev, "tag", tag_name_str(&ref->tag));
    add_origin(&ev, by);
    event_log_defer(r->events, &ev);
}

void event_quota_refused(struct registry *r, const struct repo_name *repo, struct str why,
                         const struct event_origin *by)
{
    struct outbox_event ev;

    if (!event_log_may_tell(r->events, repo_name_str(repo)))
        return;
    begin(&ev, OUTBOX_QUOTA_REFUSED, repo);
    outbox_add_text(&ev, "reason", why);
    add_origin(&ev, by);
    event_log_defer(r->events, &ev);
}
