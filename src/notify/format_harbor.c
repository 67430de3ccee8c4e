/* What Harbor posts ("Default" there): https://goharbor.io/docs/, "Configure Webhook
 * Notifications". A namespace is what stands before the last slash, where Harbor has its project.
 */
#include "base/cleanup.h"
#include "notify/format.h"

#include <stdlib.h>

#define URL_MAX 2048

static const struct {
    const char *event, *result, *type; /* result: a member "status" that it must have; NULL: any */
} types[] = {
    {"manifest.pushed", NULL, "PUSH_ARTIFACT"},
    {"manifest.pulled", NULL, "PULL_ARTIFACT"},
    {"manifest.deleted", NULL, "DELETE_ARTIFACT"},
    {"scan.completed", "completed", "SCANNING_COMPLETED"},
    {"scan.completed", NULL, "SCANNING_FAILED"},
    {"quota.refused", NULL, "QUOTA_EXCEED"},
};

static const char *type_of(const struct notice *n)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].event, n->event) == 0 &&
            (!types[i].result || strcmp(types[i].result, notice_text(n, "status")) == 0))
            return types[i].type;
    }
    return NULL;
}

static bool knows(const struct notice *n)
{
    return type_of(n) != NULL;
}

static void add_counts(const struct notice *n, struct buf *b)
{
    const json_t *counts = json_object_get(n->json, "vulnerabilities");
    AUTO(mem) char *text = json_is_object(counts) ? json_dumps(counts, JSON_COMPACT) : NULL;

    if (strncmp(n->event, "scan.", 5) != 0)
        return;
    buf_add_text(b, ",\"scan_overview\":{\"application/vnd.security.vulnerability.report; "
                    "version=1.1\":{\"scan_status\":");
    buf_add_json(b, str_of(strcmp(type_of(n), "SCANNING_COMPLETED") == 0 ? "Success" : "Error"));
    if (text)
        buf_addf(b, ",\"summary\":{\"summary\":%s}", text);
    buf_add_text(b, "}}");
}

static void add_resource(const struct notice *n, struct buf *b)
{
    const char *digest = notice_text(n, "digest"), *tag = notice_tag(n);
    AUTO(buf) struct buf url = {0};

    buf_init(&url, URL_MAX);
    buf_addf(&url, "%s/%s%s%s", notice_text(n, "host"), n->repository, tag[0] ? ":" : "@",
             tag[0] ? tag : digest);
    buf_add_text(b, ",\"resources\":[{\"digest\":");
    buf_add_json(b, str_of(digest));
    format_add(b, "tag", tag[0] ? tag : digest);
    if (notice_text(n, "host")[0])
        format_add(b, "resource_url", buf_text(&url));
    add_counts(n, b);
    buf_add_text(b, "}]");
}

static void add_repository(const struct notice *n, struct buf *b)
{
    const char *slash = strrchr(n->repository, '/');
    const char *name = slash ? slash + 1 : n->repository;
    size_t namespace_n = slash ? (size_t)(slash - n->repository) : 0;

    buf_add_text(b, ",\"repository\":{\"name\":");
    buf_add_json(b, str_of(name));
    buf_add_text(b, ",\"namespace\":");
    buf_add_json(b, (struct str){n->repository, namespace_n});
    buf_add_text(b, ",\"repo_full_name\":");
    buf_add_json(b, str_of(n->repository));
    buf_add_text(b, ",\"repo_type\":\"private\"}");
}

static void write_payload(const struct notice *n, const struct format_source *source,
                          struct post *p)
{
    struct buf *b = &p->body;

    (void)source;
    buf_addf(b, "{\"type\":\"%s\",\"occur_at\":%lld,\"operator\":", type_of(n),
             (long long)(n->time_ms / 1000));
    buf_add_json(b, str_of(notice_actor_name(n)));
    buf_add_text(b, ",\"event_data\":{\"event_id\":");
    buf_add_json(b, str_of(n->id));
    add_resource(n, b);
    add_repository(n, b);
    buf_add_text(b, "}}");
}

const struct format format_harbor = {
    .name = "harbor", .content_type = "application/json", .knows = knows, .write = write_payload};
