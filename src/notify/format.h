/* Formats of webhooks: what an event looks like in a request. One file a format. */
#pragma once

#include "conf/conf.h"
#include "notify/notice.h"
#include "notify/post.h"

/* What events come from. */
struct format_source {
    const char *uri;      /* of CloudEvents */
    const char *scheme;   /* "https": of URLs of this registry */
    const char *address;  /* HOST:PORT of this server */
    const char *instance; /* of this process, a UUID */
};

struct format {
    const char *name;
    const char *content_type;

    /* Can it tell this event? NULL: it tells all. */
    bool (*knows)(const struct notice *n);

    /* Writes the body, and headers of its own. */
    void (*write)(const struct notice *n, const struct format_source *source, struct post *p);
};

extern const struct format format_cloudevents, format_cloudevents_binary, format_distribution,
    format_harbor, format_slack;

const struct format *format_of(enum conf_webhook_format which);

static inline bool format_knows(const struct format *f, const struct notice *n)
{
    return !f->knows || f->knows(n);
}

/* ,"key":"value", unless the value is empty. */
void format_add(struct buf *json, const char *key, const char *value);
