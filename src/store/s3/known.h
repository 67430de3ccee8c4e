/*
 * Blobs that were seen at their keys lately, so that not everybody who is sent there costs a look.
 * What is deleted here is forgotten at once; of what another process deletes that is not known for
 * S3_KNOWN_MS at most. A bounded table: what is pushed out of it is looked at again. Any thread.
 */
#pragma once

#include "base/digest.h"

#include <stdbool.h>
#include <stdint.h>

#define S3_KNOWN_MS 60000

struct s3_known;

struct s3_known *s3_known_new(void);
void s3_known_free(struct s3_known *k); /* accepts NULL */

bool s3_known_has(struct s3_known *k, const struct digest *d, int64_t now_ms);

/* A look at the server takes time, in which the blob may be deleted: what is added is what was seen
 * after `since`, if nothing was forgotten meanwhile. */
uint64_t s3_known_since(struct s3_known *k);
void s3_known_add(struct s3_known *k, const struct digest *d, uint64_t since, int64_t now_ms);
void s3_known_forget(struct s3_known *k, const struct digest *d);
