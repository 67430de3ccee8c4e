#include "core/upload_phase.h"

static const char *const phases[UPLOAD_PHASE_COUNT] = {
#define UPLOAD_PHASE_TEXT(name, text) [UPLOAD_##name] = text,
    UPLOAD_PHASES(UPLOAD_PHASE_TEXT)
#undef UPLOAD_PHASE_TEXT
};

const char *upload_phase_text(enum upload_phase phase)
{
    return phases[phase];
}

bool upload_phase_rests(enum upload_phase phase)
{
    return phase == UPLOAD_WAITING || phase == UPLOAD_SCANNING;
}

bool upload_phase_is_end(enum upload_phase phase)
{
    return phase >= UPLOAD_DONE;
}

enum upload_phase upload_phase_parse(struct str text)
{
    for (size_t i = 0; i < UPLOAD_PHASE_COUNT; i++) {
        if (str_eq(text, str_of(phases[i])))
            return (enum upload_phase)i;
    }
    return UPLOAD_WAITING;
}
