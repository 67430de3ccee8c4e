/* Names and digests of a test's own texts. A text that is no name fails the running test. */
#pragma once

#include "base/digest.h"
#include "base/name.h"

struct repo_name repo_of(const char *text);
struct tag_name tag_of(const char *text);
struct digest sha256_of(struct str bytes);
