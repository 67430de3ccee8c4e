/*
 * A reader that checks what it reads against a digest, for storage.verify_on_read: bytes that do
 * not match are never handed out to their end.
 */
#pragma once

#include "base/digest.h"
#include "base/reader.h"

/* Takes ownership of inner. A read from start to end is checked as it goes, and its last piece is
 * held back until the digest is right; a seek checks the whole content first, as far as it is
 * there, and the next read the rest. Has no fd. Error of reads and seeks: CORRUPT. */
struct reader *verify_reader_new(struct reader *inner, const struct digest *d, uint64_t size_bytes);
