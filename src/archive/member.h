/*
 * The members of an archive: what is known of each, and which one a name means, by links of any
 * kind and in any direction, when all have come.
 */
#pragma once

#include "archive/refusal.h"
#include "archive/tar.h"
#include "archive/unpack.h"
#include "base/digest.h"

struct member {
    char *name; /* clean: no "./", no empty component */
    enum tar_kind kind;
    char *link;                    /* of a link: the clean name where it leads; NULL: outside */
    uint64_t size_bytes, at_bytes; /* in the tar */
    struct digest digest;
    struct digest diff_id; /* of what it unpacks to; n is 0: it does not unpack, see why */
    enum packing packing;
    struct refusal why;
    bool misnamed;   /* its name is that of a blob, and of another digest */
    char *bytes;     /* in memory, with a closing NUL, or NULL: */
    void *content;   /* of the sink */
    bool is_blob;    /* an image names it */
    size_t manifest; /* its place in the verdict and 1; 0: it is none, so far */
};

struct members {
    struct member *all;
    size_t n, cap;
    bool sorted;
};

void members_done(struct members *m); /* contents of the sink were released before */

/* A new member, zeroed but for its name; the pointer is good until the next. */
struct member *members_add(struct members *m, const char *name);

/* The clean form of a name, on the heap: relative to `folder` (may be empty). NULL: it is absolute
 * or leads outside. "" is the archive's root. */
char *member_name(struct str folder, struct str name);

/* The last name's part before its last '/'; empty when there is none. */
struct str member_folder(struct str name);

/* The file that the name means. *ret is NULL when there is no such member and `may_miss`. what is
 * for the text of an error. Errors: IMAGE_INVALID. */
ERR_CHECKED enum err_code members_find(struct members *m, struct str name, const char *what,
                                       bool may_miss, struct member **ret, struct refusal *f,
                                       struct err *e);
