#include "core/outbox.h"

#include "base/clock.h"

void outbox_begin(struct outbox_event *ev, const char *name)
{
    int64_t now_ms = clock_wall_ms();
    char time[CLOCK_RFC3339_SIZE];

    uuid_make_timed(now_ms, &ev->id);
    clock_rfc3339(now_ms, time);
    buf_init(&ev->json, OUTBOX_EVENT_MAX);
    buf_addf(&ev->json, "{\"event\":\"%s\",\"time\":\"%s\"", name, time);
}

void outbox_add_text(struct outbox_event *ev, const char *key, struct str value)
{
    buf_addf(&ev->json, ",\"%s\":", key);
    buf_add_json(&ev->json, value);
}

void outbox_add_number(struct outbox_event *ev, const char *key, int64_t value)
{
    buf_addf(&ev->json, ",\"%s\":%lld", key, (long long)value);
}

#define CUT ",\"cut\":true"

/* The last comma between two members, with room behind it. */
static size_t last_member(struct str json, size_t most)
{
    bool in_text = false;
    size_t last = 0;
    int depth = 0;

    for (size_t i = 0; i < json.n && i < most; i++) {
        char c = json.p[i];

        if (in_text && c == '\\')
            i++;
        else if (c == '"')
            in_text = !in_text;
        else if (!in_text && c == ',' && depth == 1)
            last = i;
        else if (!in_text)
            depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    }
    return last;
}

struct meta_op outbox_put(struct outbox_event *ev)
{
    buf_add_char(&ev->json, '}');
    if (ev->json.full) { /* what is there is the beginning of it */
        ev->json.n = last_member(buf_str(&ev->json), OUTBOX_EVENT_MAX - sizeof(CUT));
        ev->json.full = false;
        buf_add_text(&ev->json, CUT "}");
    }
    return meta_op_record_append(OUTBOX, str_of(ev->id.text), buf_str(&ev->json));
}

void outbox_done(struct outbox_event *ev)
{
    buf_done(&ev->json);
}
