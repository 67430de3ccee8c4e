/* What an upload of an archive is at, as its record says it (core/upload_record.h). */
#pragma once

#include "base/str.h"

#include <stdint.h>

/* What it is at; X(name, text). Several of them may go on at once: then the last that began. */
#define UPLOAD_PHASES(X)                                                                           \
    X(WAITING, "waiting")     /* for the next request: nobody holds it */                          \
    X(RECEIVING, "receiving") /* it is unpacked and verified while it comes */                     \
    X(UNPACKING, "unpacking") /* all of it has come elsewhere, and is read from there */           \
    X(VERIFYING, "verifying") /* as a whole */                                                     \
    X(STORING, "storing")     /* blobs, manifests, tags */                                         \
    X(SCANNING, "scanning")   /* it waits for the verdict of a scanner: nobody holds it */         \
    X(DONE, "done")                                                                                \
    X(FAILED, "failed")                                                                            \
    X(CANCELLED, "cancelled")                                                                      \
    X(LOST, "lost") /* whoever received it is gone */

enum upload_phase {
#define UPLOAD_PHASE_ENUM(name, text) UPLOAD_##name,
    UPLOAD_PHASES(UPLOAD_PHASE_ENUM)
#undef UPLOAD_PHASE_ENUM
        UPLOAD_PHASE_COUNT
};

#define UPLOAD_SIZE_UNKNOWN UINT64_MAX
#define UPLOAD_LAYERS_MAX   256 /* that are listed */

const char *upload_phase_text(enum upload_phase phase);
bool upload_phase_is_end(enum upload_phase phase);
bool upload_phase_rests(enum upload_phase phase); /* nobody holds it meanwhile */

/* WAITING for a text that is none. */
enum upload_phase upload_phase_parse(struct str text);
