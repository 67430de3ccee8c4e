/*
 * What is known of images as referrers of them (dist-spec "Listing Referrers"), for clients that
 * look for lists of packages and reports there: an artifact for each item of scan.publish, whose
 * type is the media type of its one layer. Pushed as anybody's manifest is, with the quotas and
 * events of that, by nobody; no tag points to it, so it goes with its image (gc/graph.h).
 *
 * An artifact depends on nothing but its image and its layer, so that what is there already is told
 * by its digest, and an annotation says whose it is: so there is nothing to remember, and what a
 * later scan makes takes the place of what an earlier one has made. It is no image, and so not
 * scanned itself.
 */
#pragma once

#include "conf/conf.h"
#include "core/registry.h"

#define PUBLISH_JOB        "scan.publish"      /* by keys of core/scan_wish.h */
#define PUBLISH_ANNOTATION "io.cyberdock.scan" /* its value is the item of scan.publish */

struct publisher {
    struct registry *registry;
    const struct conf_scan *conf;
};

/* Is anything to be published? */
static inline bool publish_wanted(const struct conf_scan *c)
{
    return c->publish.n > 0;
}

/* The kind of jobs. p outlives them. */
void publish_jobs(struct publisher *p);

/* What is known of the image now; nothing, when nothing is, or the repository does not have it. For
 * tests; a job does it. Errors: QUOTA and what else a push has. */
ERR_CHECKED enum err_code publish_image(struct publisher *p, const struct repo_name *repo,
                                        const struct digest *image, struct err *e);
