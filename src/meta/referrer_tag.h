/*
 * Tags by which a manifest refers to another one without saying so itself: those of cosign
 * ("sha256-HEX.sig"), and that of the index of referrers which clients keep where a registry has
 * none (dist-spec "Referrers Tag Schema": "sha256-HEX", its parts cut off at 32 and 64 characters).
 */
#pragma once

#include "base/digest.h"
#include "base/name.h"

#define REFERRER_TAGS 4

struct referrer_tags {
    char names[REFERRER_TAGS][TAG_NAME_MAX + 1]; /* "": there is none */
};

/* Of what is about that manifest. */
void referrer_tags_of(const struct digest *d, struct referrer_tags *ret);

/* May the tag be one of them? Which manifest it is about is then that whose referrer_tags_of() has
 * it. */
bool referrer_tag_looks_so(const struct tag_name *tag);

/* How the digest begins of what the tag is about: all of sha256, half of sha512; false: it is none
 * of them. */
bool referrer_tag_about(const struct tag_name *tag, char dst[static DIGEST_TEXT_MAX + 1]);
