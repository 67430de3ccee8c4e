/* CBOR (RFC 8949) of others, a head at a time, without memory and without depth. What has no length
 * in front (indefinite) is refused: nothing here is streamed. Pure. */
#pragma once

#include "base/str.h"

enum cbor_kind { CBOR_NUMBER, CBOR_BYTES, CBOR_TEXT, CBOR_LIST, CBOR_MAP, CBOR_TAG, CBOR_OTHER };

struct cbor_value {
    enum cbor_kind kind;
    int64_t number;   /* a number; which tag; how many values a list has, or pairs a map */
    struct str bytes; /* of BYTES and TEXT, within what was read */
};

/* The next head, cut off the rest; what a list, a map or a tag has comes after it. False: it is
 * none, or says that more follows than there is. */
bool cbor_next(struct str *rest, struct cbor_value *ret);

/* The next head, if it is one of that kind. */
bool cbor_next_of(struct str *rest, enum cbor_kind kind, struct cbor_value *ret);

/* Cuts off a value with all that it has. */
bool cbor_skip(struct str *rest);
