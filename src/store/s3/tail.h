/* Tails of uploads: which one counts, and what it says of the parts before it. */
#pragma once

#include "store/s3/s3.h"

struct s3_tail_parts {
    size_t n;
    struct digest tags;       /* s3_tail_hash() of them */
    struct s3_upload_key key; /* that they are of */
};

/* The hash of entity tags, which are what tells parts apart. */
void s3_tail_hash(const struct s3_parts *parts, struct digest *ret_digest);

/* As text, and back. False: it says none. */
#define S3_TAIL_PARTS_MAX (16 + DIGEST_TEXT_MAX + 1 + S3_UPLOAD_KEY_MAX + 1)
void s3_tail_tell(const struct s3_parts *parts, const struct s3_upload_key *key,
                  char dst[static S3_TAIL_PARTS_MAX]);
bool s3_tail_hear(const char *text, struct s3_tail_parts *ret_parts);

/* The tail of the latest turn, and of that the last one. Errors: NOT_FOUND, there is none;
 * UNAVAILABLE: it is replaced by another one again and again. */
ERR_CHECKED enum err_code s3_tail_find(struct s3 *s, const struct uuid *id,
                                       struct s3_upload_key *ret_key, struct s3_answer *ret_tail,
                                       struct err *e);
