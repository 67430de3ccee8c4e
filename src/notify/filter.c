#include "notify/filter.h"

#include "base/pattern.h"
#include "conf/event_names.h"

static bool names_event(const struct conf_strings *list, const char *event)
{
    for (size_t i = 0; i < list->n; i++) {
        if (conf_event_matches(list->items[i], event))
            return true;
    }
    return list->n == 0 && strcmp(event, EVENT_PULLED) != 0;
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
