#include "notify/notice_line.h"

static const struct {
    const char *event, *title;
} titles[] = {
    {"manifest.pushed", "Pushed"},
    {"manifest.pulled", "Pulled"},
    {"manifest.deleted", "Deleted"},
    {"tag.moved", "Tag moved"},
    {"tag.deleted", "Tag deleted"},
    {"repository.deleted", "Repository deleted"},
    {"scan.completed", "Scan ended"},
    {"scan.new_vulnerabilities", "New vulnerabilities"},
    {"scan.published", "Published with the image"},
    {"pull.blocked", "Pull blocked"},
    {"upload.ended", "Upload ended"},
    {"quota.refused", "Refused by a quota"},
    {"gc.ended", "Garbage collection ended"},
};

const char *notice_title(const struct notice *n)
{
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
        if (strcmp(titles[i].event, n->event) == 0)
            return titles[i].title;
    }
    return n->event;
}

static void add_image(const struct notice *n, struct buf *b)
{
    const char *tag = notice_tag(n), *digest = notice_text(n, "digest");

    if (!n->repository[0])
        return;
    buf_addf(b, ": %s", n->repository);
    if (tag[0])
        buf_addf(b, ":%s", tag);
    if (digest[0])
        buf_addf(b, "@%s", digest);
}

/* "critical 2, high 5": the members of an object that are numbers above 0. */
static void add_counts(const struct notice *n, struct buf *b)
{
    json_t *counts = json_object_get(n->json, "vulnerabilities"), *value;
    const char *key, *before = " (";

    json_object_foreach(counts, key, value)
    {
        if (json_integer_value(value) <= 0)
            continue;
        buf_addf(b, "%s%s %lld", before, key, (long long)json_integer_value(value));
        before = ", ";
    }
    if (before[0] == ',')
        buf_add_char(b, ')');
}

void notice_line(const struct notice *n, struct buf *ret_line)
{
    static const char *const told[] = {"result", "status", "reason", "worst"};

    buf_add_text(ret_line, notice_title(n));
    add_image(n, ret_line);
    add_counts(n, ret_line);
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        const char *text = notice_text(n, told[i]);

        if (text[0])
            buf_addf(ret_line, ", %s", text);
    }
    if (notice_actor(n)[0])
        buf_addf(ret_line, ", by %s", notice_actor(n));
}
