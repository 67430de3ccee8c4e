/* A reader of a blob that is on the shelf. */
#pragma once

#include "base/reader.h"

struct reader *hit_reader_new(int fd); /* takes fd */
