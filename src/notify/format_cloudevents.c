/* CloudEvents 1.0 (https://github.com/cloudevents/spec/tree/v1.0.2): the event without what became
 * an attribute is its data; as JSON ("structured"), or with attributes in headers ("binary"). */
#include "base/cleanup.h"
#include "base/json.h"
#include "notify/format.h"

#include <stdlib.h>

#define TYPE "cyberdock."

/* The members that are attributes. */
static const char *const attributes[] = {"id", "event", "time"};

static char *data_of(const struct notice *n)
{
    AUTO(json) json_t *data = json_copy(n->json);

    for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++)
        json_object_del(data, attributes[i]);
    return json_dumps(data, JSON_COMPACT);
}

/* What it is about, within the source. */
static const char *subject_of(const struct notice *n)
{
    return n->repository;
}

static void write_structured(const struct notice *n, const struct format_source *source,
                             struct post *p)
{
    AUTO(mem) char *data = data_of(n);
    struct buf *b = &p->body;

    buf_add_text(b, "{\"specversion\":\"1.0\",\"id\":");
    buf_add_json(b, str_of(n->id));
    buf_add_text(b, ",\"source\":");
    buf_add_json(b, str_of(source->uri));
    buf_addf(b, ",\"type\":\"" TYPE "%s\"", n->event);
    format_add(b, "subject", subject_of(n));
    format_add(b, "time", n->time);
    buf_addf(b, ",\"datacontenttype\":\"application/json\",\"data\":%s}", data ? data : "{}");
}

static void write_binary(const struct notice *n, const struct format_source *source, struct post *p)
{
    AUTO(mem) char *data = data_of(n);
    AUTO(buf) struct buf type = {0};

    buf_init(&type, 256);
    buf_addf(&type, TYPE "%s", n->event);
    post_header(p, "ce-specversion", STR("1.0"));
    post_header(p, "ce-id", str_of(n->id));
    post_header(p, "ce-source", str_of(source->uri));
    post_header(p, "ce-type", buf_str(&type));
    post_header(p, "ce-time", str_of(n->time));
    if (subject_of(n)[0])
        post_header(p, "ce-subject", str_of(subject_of(n)));
    buf_add_text(&p->body, data ? data : "{}");
}

const struct format format_cloudevents = {.name = "cloudevents",
                                          .content_type =
                                              "application/cloudevents+json; charset=utf-8",
                                          .write = write_structured};

const struct format format_cloudevents_binary = {
    .name = "cloudevents-binary", .content_type = "application/json", .write = write_binary};
