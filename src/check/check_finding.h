/*
 * What a check may find, as a table: `registry check`, its --json and docs/check.md speak of
 * findings by the words of it.
 */
#pragma once

#include "base/digest.h"
#include "base/name.h"

enum check_code {
    CHECK_BLOB_MISSING,
    CHECK_BLOB_SIZE,
    CHECK_BLOB_CORRUPT,
    CHECK_BLOB_UNKNOWN,
    CHECK_MANIFEST_MISSING,
    CHECK_MANIFEST_DIFFERS,
    CHECK_MANIFEST_UNKNOWN,
    CHECK_MANIFEST_DAMAGED,
    CHECK_MANIFEST_EDGES,
    CHECK_IMAGE_INCOMPLETE,
    CHECK_TAG_MISSING,
    CHECK_TAG_DIFFERS,
    CHECK_TAG_UNKNOWN,
    CHECK_TAG_DANGLING,
    CHECK_USAGE_DRIFTED,
    CHECK_UNREADABLE,
    CHECK_UPLOAD_ABANDONED,
    CHECK_TEMP_LEFT,
    CHECK_PERMISSIONS,
    CHECK_LINK_FOREIGN,
    CHECK_NAME_FOREIGN,
    CHECK_SPACE_LOW,
    CHECK_CODES /* how many there are */
};

struct check_kind {
    const char *name;   /* "blob-missing" */
    const char *means;  /* a sentence */
    const char *repair; /* what `registry check --repair` does, and what is left to people */
};

extern const struct check_kind check_kinds[CHECK_CODES];

#define FINDING_DETAIL_MAX 160

/* One that is about no repository, digest, tag or path has n 0, or NULL, there. */
struct check_finding {
    enum check_code code;
    struct repo_name repo;
    struct digest digest;
    struct digest other; /* of an incomplete image: what it lacks; of a tag: what the store says */
    struct tag_name tag;
    bool of_manifest; /* of what is unreadable: it is one, else a blob */
    bool damaged;     /* the other one is there, and no good */
    const char *path; /* below the store's root, or the id of an upload */
    char detail[FINDING_DETAIL_MAX];
};

/* "REPOSITORY@DIGEST", "REPOSITORY:TAG", a path: what it is about, for people; cut where it is too
 * long. */
#define FINDING_SUBJECT_MAX 512
void check_subject(const struct check_finding *f, char dst[static FINDING_SUBJECT_MAX]);
