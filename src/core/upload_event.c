#include "core/upload_event.h"

#include "base/mem.h"

#include <stdlib.h>

/* Of images, so that the rest of the event has its room: of more it is said how many there are. */
#define IMAGES_BYTES (OUTBOX_EVENT_MAX / 2)

static void add_given(struct outbox_event *ev, const char *key, const char *text)
{
    if (text[0])
        outbox_add_text(ev, key, str_of(text));
}

/* False: it is no JSON, or there is no room for it. */
static bool add_image(struct buf *dst, const json_t *image, size_t n_before)
{
    AUTO(mem) char *text = json_dumps(image, JSON_COMPACT);

    if (!text || dst->n + strlen(text) > IMAGES_BYTES)
        return false;
    buf_addf(dst, "%s%s", n_before > 0 ? "," : "", text);
    return true;
}

static void add_images(struct outbox_event *ev, const json_t *images)
{
    size_t n = json_array_size(images), told = 0;

    buf_add_text(&ev->json, ",\"images\":[");
    while (told < n && add_image(&ev->json, json_array_get(images, told), told))
        told++;
    buf_add_char(&ev->json, ']');
    if (told < n)
        outbox_add_number(ev, "more_images", (int64_t)(n - told));
}

static void add_error(struct outbox_event *ev, const json_t *error)
{
    AUTO(mem) char *text = error ? json_dumps(error, JSON_COMPACT) : NULL;

    if (text)
        buf_addf(&ev->json, ",\"error\":%s", text);
}

void upload_event_begin(struct outbox_event *ev, const struct upload_state *s)
{
    outbox_begin(ev, OUTBOX_UPLOAD_ENDED);
    outbox_add_text(ev, "upload", str_of(s->id.text));
    outbox_add_text(ev, "result", str_of(upload_phase_text(s->phase)));
    if (s->phase != UPLOAD_DONE)
        outbox_add_text(ev, "failed_in", str_of(upload_phase_text(s->failed_in)));
    outbox_add_text(ev, "user", str_of(s->user));
    outbox_add_text(ev, "address", str_of(s->address));
    outbox_add_text(ev, "request_id", str_of(s->request_id));
    outbox_add_text(ev, "way", str_of(s->way));
    add_given(ev, "repository", s->repo.text);
    add_given(ev, "tag", s->tag.text);
    add_given(ev, "original", s->original);
    outbox_add_number(ev, "received", (int64_t)s->received_bytes);
    if (s->phase == UPLOAD_DONE)
        add_images(ev, s->images);
    add_error(ev, s->error);
}
