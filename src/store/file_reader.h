/* A reader of a file. */
#pragma once

#include "base/digest.h"
#include "base/reader.h"

/* Takes over fd, a regular file of that many bytes, open for reading; d is for messages. */
struct reader *file_reader_new(int fd, uint64_t size_bytes, const struct digest *d);
