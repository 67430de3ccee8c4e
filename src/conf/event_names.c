#include "conf/event_names.h"

/* In the order of docs/events.md; a test compares with core/outbox.h. */
static const char *const events[] = {
    "manifest.pushed", EVENT_PULLED,       "tag.moved",
    "tag.deleted",     "manifest.deleted", "repository.deleted",
    "upload.ended",    "scan.completed",   "scan.new_vulnerabilities",
    "scan.published",  "pull.blocked",     "quota.refused",
    "gc.ended"};

/* What people know them as from elsewhere. */
static const struct {
    const char *name, *event;
} aliases[] = {
    {"push", "manifest.pushed"},         {"pull", EVENT_PULLED},
    {"delete", "manifest.deleted"},      {"delete", "tag.deleted"},
    {"delete", "repository.deleted"},    {"vulnerabilities.found", "scan.new_vulnerabilities"},
    {"upload.finished", "upload.ended"}, {"scan.finished", "scan.completed"},
};

#define N(array) (sizeof(array) / sizeof(array[0]))

static bool is_or_below(const char *name, const char *event)
{
    size_t n = strlen(name);

    return strncmp(name, event, n) == 0 && (event[n] == '\0' || event[n] == '.');
}

bool conf_event_matches(const char *name, const char *event)
{
    if (is_or_below(name, event))
        return true;
    for (size_t i = 0; i < N(aliases); i++) {
        if (strcmp(aliases[i].name, name) == 0 && strcmp(aliases[i].event, event) == 0)
            return true;
    }
    return false;
}

bool conf_event_known(const char *name)
{
    for (size_t i = 0; i < N(events); i++) {
        if (conf_event_matches(name, events[i]))
            return true;
    }
    return false;
}

void conf_event_list(struct buf *ret_names)
{
    for (size_t i = 0; i < N(events); i++)
        buf_addf(ret_names, "%s%s", i ? ", " : "", events[i]);
    for (size_t i = 0; i < N(aliases); i++) {
        if (i == 0 || strcmp(aliases[i].name, aliases[i - 1].name) != 0)
            buf_addf(ret_names, ", %s", aliases[i].name);
    }
}
