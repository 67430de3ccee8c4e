#include "core/upload_state.h"

#include "base/hex.h"
#include "base/mem.h"

#include <stdlib.h>

/* The complement of the id, which sorts by its time and by what it counts within that. */
void upload_key(const struct uuid *id, char dst[static UPLOAD_KEY_SIZE])
{
    for (size_t i = 0; i <= UUID_TEXT; i++) {
        int value = hex_value(id->text[i]);

        dst[i] = value < 0 ? id->text[i] : "fedcba9876543210"[value];
    }
}

void upload_state_done(struct upload_state *s)
{
    json_decref(s->error);
    json_decref(s->images);
    free(s->layers);
    *s = (struct upload_state){0};
}

/* ---- as text */

static json_t *layers_json(const struct upload_state *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->n_layers; i++) {
        const struct upload_layer *l = &s->layers[i];

        json_array_append_new(list, json_pack("{s:s?, s:I, s:I}", "digest",
                                              l->digest.n > 0 ? l->digest.text : NULL, "size",
                                              (json_int_t)l->size_bytes, "received",
                                              (json_int_t)l->received_bytes));
    }
    return list;
}

static json_t *known_bytes(uint64_t bytes)
{
    return bytes == UPLOAD_SIZE_UNKNOWN ? json_null() : json_integer((json_int_t)bytes);
}

static const char *given(const char *text)
{
    return text[0] ? text : NULL;
}

static json_t *state_json(const struct upload_state *s)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:s?}", "id",
                          s->id.text, "user", s->user, "address", s->address, "request_id",
                          s->request_id, "way", s->way, "repository", given(s->repo.text), "tag",
                          given(s->tag.text), "format", given(s->format), "original",
                          given(s->original), "holder", given(s->holder.text));
    json_t *numbers = json_pack(
        "{s:o, s:I, s:I, s:I, s:I, s:I, s:s, s:s?, s:O?, s:O?, s:o, s:I}", "expected",
        known_bytes(s->expected_bytes), "received", (json_int_t)s->received_bytes, "rate",
        (json_int_t)s->rate_bytes, "started", (json_int_t)s->started_ms, "updated",
        (json_int_t)s->updated_ms, "ended", (json_int_t)s->ended_ms, "phase",
        upload_phase_text(s->phase), "failed_in",
        s->phase > UPLOAD_DONE ? upload_phase_text(s->failed_in) : NULL, "error", s->error,
        "images", s->images, "layers", layers_json(s), "more_layers", (json_int_t)s->n_more_layers);

    json_object_update(o, numbers);
    json_decref(numbers);
    return o;
}

/* What clients sent as names may be no text. */
char *upload_state_text(const struct upload_state *s)
{
    AUTO(json) json_t *o = state_json(s);

    return o ? json_dumps(o, JSON_COMPACT) : mem_strdup("{}");
}

/* ---- from text */

static struct str text_of(const json_t *o, const char *key)
{
    const json_t *text = json_object_get(o, key);

    return json_is_string(text) ? (struct str){json_string_value(text), json_string_length(text)}
                                : STR("");
}

static int64_t number_of(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static void take_texts(struct upload_state *s, const json_t *o)
{
    const struct {
        const char *key;
        char *dst;
        size_t cap;
    } texts[] = {
        {"user", s->user, sizeof(s->user)},
        {"address", s->address, sizeof(s->address)},
        {"request_id", s->request_id, sizeof(s->request_id)},
        {"way", s->way, sizeof(s->way)},
        {"format", s->format, sizeof(s->format)},
        {"original", s->original, sizeof(s->original)},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        (void)!str_copy(text_of(o, texts[i].key), texts[i].dst, texts[i].cap);
    (void)!uuid_parse(text_of(o, "holder"), &s->holder);
    (void)!repo_name_parse(text_of(o, "repository"), &s->repo, ERR_IGNORED);
    (void)!tag_name_parse(text_of(o, "tag"), &s->tag, ERR_IGNORED);
}

static void take_layers(struct upload_state *s, const json_t *list)
{
    s->layers = mem_zero((json_array_size(list) + 1) * sizeof(*s->layers));
    for (size_t i = 0; i < json_array_size(list) && i < UPLOAD_LAYERS_MAX; i++) {
        const json_t *o = json_array_get(list, i);
        struct upload_layer *l = &s->layers[s->n_layers++];

        (void)!digest_parse(text_of(o, "digest"), &l->digest, ERR_IGNORED);
        l->size_bytes = (uint64_t)number_of(o, "size");
        l->received_bytes = (uint64_t)number_of(o, "received");
    }
}

enum err_code upload_state_parse(const char *text, struct upload_state *ret_state, struct err *e)
{
    AUTO(json) json_t *o = json_loads(text, 0, NULL);
    struct upload_state s = {.phase = upload_phase_parse(text_of(o, "phase")),
                             .failed_in = upload_phase_parse(text_of(o, "failed_in"))};
    const json_t *expected = json_object_get(o, "expected");

    if (!uuid_parse(text_of(o, "id"), &s.id))
        return err_set(e, ERR_CORRUPT, "the record of an upload can't be read");
    take_texts(&s, o);
    s.expected_bytes =
        json_is_integer(expected) ? (uint64_t)json_integer_value(expected) : UPLOAD_SIZE_UNKNOWN;
    s.received_bytes = (uint64_t)number_of(o, "received");
    s.started_ms = number_of(o, "started");
    s.updated_ms = number_of(o, "updated");
    s.ended_ms = number_of(o, "ended");
    s.n_more_layers = (size_t)number_of(o, "more_layers");
    s.error = json_incref(json_object_get(o, "error"));
    if (json_is_array(json_object_get(o, "images"))) /* else it is null */
        s.images = json_incref(json_object_get(o, "images"));
    take_layers(&s, json_object_get(o, "layers"));
    *ret_state = s;
    return ERR_OK;
}
