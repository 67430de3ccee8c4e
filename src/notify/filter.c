#include "notify/filter.h"

#include "base/pattern.h"

#define PULLED "manifest.pulled"

/* Names that people know from elsewhere. */
static const struct {
    const char *name, *event;
} aliases[] = {
    {"push", "manifest.pushed"},
    {"push", "blob"},
    {"pull", PULLED},
    {"delete", "manifest.deleted"},
    {"delete", "tag.deleted"},
    {"delete", "repository.deleted"},
    {"vulnerabilities.found", "scan.new_vulnerabilities"},
    {"upload.finished", "upload.ended"},
    {"scan.finished", "scan.completed"},
};

static bool is_or_below(const char *entry, const char *event)
{
    size_t n = strlen(entry);

    return strncmp(entry, event, n) == 0 && (event[n] == '\0' || event[n] == '.');
}

bool filter_names(const char *entry, const char *event)
{
    if (is_or_below(entry, event))
        return true;
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
        if (strcmp(aliases[i].name, entry) == 0 && is_or_below(aliases[i].event, event))
            return true;
    }
    return false;
}

static bool names_event(const struct conf_strings *list, const char *event)
{
    for (size_t i = 0; i < list->n; i++) {
        if (filter_names(list->items[i], event))
            return true;
    }
    return list->n == 0 && strcmp(event, PULLED) != 0;
}

bool filter_wants(const struct conf_event_filter *f, const char *event, const char *repository)
{
    if (!names_event(&f->events, event))
        return false;
    for (size_t i = 0; i < f->repositories.n; i++) {
        if (repository[0] && pattern_matches(str_of(f->repositories.items[i]), str_of(repository)))
            return true;
    }
    return f->repositories.n == 0;
}
