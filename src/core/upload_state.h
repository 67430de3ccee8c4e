/*
 * What a record of an upload says, as a struct and as the JSON that is written of it.
 */
#pragma once

#include "base/digest.h"
#include "base/json.h"
#include "base/name.h"
#include "base/uuid.h"
#include "core/upload_phase.h"

#define UPLOAD_TEXT_MAX 160

struct upload_layer {
    struct digest digest; /* n is 0: not known yet */
    uint64_t size_bytes, received_bytes;
};

struct upload_state {
    struct uuid id;
    struct uuid holder; /* "": nobody */
    char user[UPLOAD_TEXT_MAX + 1], address[64], request_id[65], way[16], format[16];
    char original[1024];
    struct repo_name repo; /* n is 0: not known */
    struct tag_name tag;   /* likewise */
    uint64_t expected_bytes, received_bytes;
    uint64_t rate_bytes; /* a second, lately */
    int64_t started_ms, updated_ms, ended_ms;
    enum upload_phase phase, failed_in;
    json_t *error;  /* object, or NULL */
    json_t *images; /* list, or NULL */
    struct upload_layer *layers;
    size_t n_layers, n_more_layers;
};

void upload_state_done(struct upload_state *s);

static inline void auto_upload_state_(struct upload_state *s)
{
    upload_state_done(s);
}

/* The caller frees. */
char *upload_state_text(const struct upload_state *s);

/* What was written. Error: CORRUPT. */
ERR_CHECKED enum err_code upload_state_parse(const char *text, struct upload_state *ret_state,
                                             struct err *e);

/* The key of its record: keys sort from the newest to the oldest. */
#define UPLOAD_KEY_SIZE (UUID_TEXT + 1)
void upload_key(const struct uuid *id, char dst[static UPLOAD_KEY_SIZE]);
