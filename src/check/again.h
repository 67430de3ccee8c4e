/* The second look: is it still so, asked of that very thing? */
#pragma once

#include "check/check_finding.h"
#include "check/sums.h"
#include "core/registry.h"

/* What is looked up once for many doubts: made before, good for one round of looks. */
struct again {
    struct registry *r;
    struct sums pending; /* tags with a change that the store has not yet */
    struct sums odd;     /* paths, with what is odd of them */
    struct sums edges;   /* of the manifests that were asked for: what is named, and not there */
};

/* The manifests of these findings are those whose edges are summed up. */
ERR_CHECKED enum err_code again_begin(struct registry *r, const struct check_finding *list,
                                      size_t n, struct again *ret, struct err *e);
void again_end(struct again *a);

static inline void auto_again_(struct again *a)
{
    again_end(a);
}

ERR_CHECKED enum err_code again_stands(struct again *a, const struct check_finding *f,
                                       bool *ret_stands, struct err *e);

/* Is it an error of reading content, and says nothing of whether it is there and whole? */
bool again_is_unreadable(enum err_code code);

/* The code of what is odd of a file. */
enum check_code again_code_of(enum store_odd odd);

/* What one link comes to, and all that a manifest has; false: it is none that can be read. Sums are
 * modulo 2^63. */
uint64_t again_link(const struct sums *s, struct str digest);
bool again_links(const struct sums *s, const struct meta_manifest *m, uint64_t *ret_sum);
