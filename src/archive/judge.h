/*
 * The verdict over an archive that has come whole: which images it holds. What both layouts share.
 */
#pragma once

#include "archive/member.h"
#include "archive/verdict.h"

struct judge {
    struct members *members;
    struct refusal *refusal;
    struct archive_verdict *verdict;
    size_t manifests_cap, images_cap;
    size_t n_descriptors; /* followed so far */
};

/* A new manifest of the verdict, zeroed; good until the next. */
struct archive_manifest *judge_add_manifest(struct judge *g);

/* The image of that manifest gets the name (NULL: none); made when it is not there. */
void judge_name_image(struct judge *g, size_t manifest, const char *name);
