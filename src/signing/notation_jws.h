/* Envelopes of the Notary Project (notation_envelope.h): the flattened JSON of a JWS. Pure. */
#pragma once

#include "signing/notation_envelope.h"

/* Error: UNSUPPORTED, with what is not understood. It is the caller's, and is to be done with, in
 * either case. */
ERR_CHECKED enum err_code notation_jws_read(struct str text, struct notation_envelope *ret,
                                            struct err *e);
