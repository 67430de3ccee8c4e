#include "notify/notice.h"

#include "base/clock.h"

enum err_code notice_read(struct str json, struct notice *ret_notice, struct err *e)
{
    struct notice n = {.json = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, NULL)};

    n.id = notice_text(&n, "id");
    n.event = notice_text(&n, "event");
    n.time = notice_text(&n, "time");
    n.repository = notice_text(&n, "repository");
    if (!n.id[0] || !n.event[0] || !clock_parse(str_of(n.time), &n.time_ms)) {
        notice_done(&n);
        return err_set(e, ERR_CORRUPT, "a record of the event log is no event");
    }
    *ret_notice = n;
    return ERR_OK;
}

void notice_done(struct notice *n)
{
    json_decref(n->json);
    *n = (struct notice){0};
}

const char *notice_text(const struct notice *n, const char *key)
{
    const char *text = json_string_value(json_object_get(n->json, key));

    return text ? text : "";
}

int64_t notice_number(const struct notice *n, const char *key)
{
    return json_integer_value(json_object_get(n->json, key));
}

const char *notice_tag(const struct notice *n)
{
    const char *first = json_string_value(json_array_get(json_object_get(n->json, "tags"), 0));

    return first ? first : notice_text(n, "tag");
}

const char *notice_actor(const struct notice *n)
{
    const char *actor = notice_text(n, "actor");

    return actor[0] ? actor : notice_text(n, "user");
}

const char *notice_actor_name(const struct notice *n)
{
    const char *actor = notice_actor(n), *colon = strchr(actor, ':');

    return colon ? colon + 1 : actor;
}
