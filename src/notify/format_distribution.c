/* The envelope of the reference registry's notifications:
 * https://distribution.github.io/distribution/about/notifications/ */
#include "base/cleanup.h"
#include "notify/format.h"

#define URL_MAX 2048

static const struct {
    const char *event, *action;
} actions[] = {
    {"manifest.pushed", "push"}, {"manifest.pulled", "pull"},      {"manifest.deleted", "delete"},
    {"tag.deleted", "delete"},   {"repository.deleted", "delete"}, {"blob.pushed", "push"},
    {"blob.mounted", "mount"},
};

static const char *action_of(const struct notice *n)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(actions[i].event, n->event) == 0)
            return actions[i].action;
    }
    return NULL;
}

static bool knows(const struct notice *n)
{
    return action_of(n) != NULL;
}

/* Of what is there: what is deleted has none. */
static void add_url(const struct notice *n, const struct format_source *source, struct buf *b)
{
    const char *host = notice_text(n, "host"), *digest = notice_text(n, "digest");
    AUTO(buf) struct buf url = {0};

    if (!host[0] || !digest[0] || strcmp(action_of(n), "delete") == 0)
        return;
    buf_init(&url, URL_MAX);
    buf_addf(&url, "%s://%s/v2/%s/%s/%s", source->scheme, host, n->repository,
             strncmp(n->event, "blob.", 5) == 0 ? "blobs" : "manifests", digest);
    format_add(b, "url", buf_text(&url));
}

/* Members after the first have their comma; the first is always there. */
static void add_target(const struct notice *n, const struct format_source *source, struct buf *b)
{
    int64_t size = notice_number(n, "size");

    buf_add_text(b, ",\"target\":{\"repository\":");
    buf_add_json(b, str_of(n->repository));
    format_add(b, "mediaType", notice_text(n, "media_type"));
    if (size > 0)
        buf_addf(b, ",\"size\":%lld,\"length\":%lld", (long long)size, (long long)size);
    format_add(b, "digest", notice_text(n, "digest"));
    add_url(n, source, b);
    format_add(b, "tag", notice_tag(n));
    format_add(b, "fromRepository", notice_text(n, "from"));
    buf_add_char(b, '}');
}

static void add_request(const struct notice *n, struct buf *b)
{
    buf_add_text(b, ",\"request\":{\"id\":");
    buf_add_json(b, str_of(notice_text(n, "request_id")));
    format_add(b, "addr", notice_text(n, "address"));
    format_add(b, "host", notice_text(n, "host"));
    buf_add_text(b, ",\"method\":");
    buf_add_json(b, str_of(notice_text(n, "method")));
    buf_add_text(b, ",\"useragent\":");
    buf_add_json(b, str_of(notice_text(n, "user_agent")));
    buf_add_char(b, '}');
}

static void add_actor(const struct notice *n, struct buf *b)
{
    const char *name = notice_actor(n);

    buf_add_text(b, ",\"actor\":{");
    if (name[0] && strcmp(name, "anonymous") != 0) {
        buf_add_text(b, "\"name\":");
        buf_add_json(b, str_of(notice_actor_name(n)));
    }
    buf_add_char(b, '}');
}

static void write_envelope(const struct notice *n, const struct format_source *source,
                           struct post *p)
{
    struct buf *b = &p->body;

    buf_add_text(b, "{\"events\":[{\"id\":");
    buf_add_json(b, str_of(n->id));
    format_add(b, "timestamp", n->time);
    format_add(b, "action", action_of(n));
    add_target(n, source, b);
    add_request(n, b);
    add_actor(n, b);
    buf_addf(b, ",\"source\":{\"addr\":\"%s\",\"instanceID\":\"%s\"}}]}", source->address,
             source->instance);
}

const struct format format_distribution = {.name = "distribution",
                                           .content_type =
                                               "application/vnd.docker.distribution.events.v2+json",
                                           .knows = knows,
                                           .write = write_envelope};
