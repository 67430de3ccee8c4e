/*
 * Digests (image-spec "Digests") and the hashing that makes them. A struct digest exists only
 * validated, so its text is safe in a path, a header or a query.
 */
#pragma once

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

enum digest_algorithm { DIGEST_SHA256, DIGEST_SHA512 };

#define DIGEST_TEXT_MAX  (7 + 128)
#define DIGEST_BYTES_MAX 64

struct digest {
    enum digest_algorithm algorithm;
    size_t n;
    char text[DIGEST_TEXT_MAX + 1]; /* "sha256:" and lower-case hex */
};

/* Error: DIGEST_MALFORMED, told to the client. */
ERR_CHECKED enum err_code digest_parse(struct str s, struct digest *ret_digest, struct err *e);

/* "sha256" or "sha512"; false for any other. */
bool digest_algorithm_parse(struct str s, enum digest_algorithm *ret_algorithm);
const char *digest_algorithm_name(enum digest_algorithm a);

bool digest_eq(const struct digest *a, const struct digest *b);
struct str digest_hex(const struct digest *d); /* the part after the colon */

static inline struct str digest_str(const struct digest *d)
{
    return (struct str){d->text, d->n};
}

/* The digest of n bytes at p. */
void digest_of(enum digest_algorithm a, const void *p, size_t n, struct digest *ret_digest);

/* A running hash; one thread at a time. */
struct hasher;

struct hasher *hasher_new(enum digest_algorithm a);
void hasher_free(struct hasher *h); /* accepts NULL */
void hasher_update(struct hasher *h, const void *p, size_t n);

/* The digest of all that was added so far; the hasher may go on afterwards. */
void hasher_digest(const struct hasher *h, struct digest *ret_digest);
enum digest_algorithm hasher_algorithm(const struct hasher *h);
uint64_t hasher_bytes(const struct hasher *h); /* that were added so far */

/* What a hash has seen, to go on with elsewhere or later: as bytes that mean the same on every
 * machine. load: NULL for what save did not write. */
#define HASHER_STATE_MAX 256
size_t hasher_save(const struct hasher *h, char dst[static HASHER_STATE_MAX]);
struct hasher *hasher_load(const char *state, size_t n);

static inline void auto_hasher_(struct hasher **h)
{
    hasher_free(*h);
}
