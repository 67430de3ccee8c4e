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

bool upload_phase_is_end(enum upload_phase phase)
{
    return phase >= UPLOAD_DONE;
}
