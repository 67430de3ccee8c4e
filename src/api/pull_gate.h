/*
 * The pull policy at every road that an image leaves by: manifests, archives, originals. What is no
 * image (an index, a signature, a chart) goes its way. Not at blobs: they belong to any number of
 * images, and one alone is none.
 */
#pragma once

#include "api/req.h"

struct meta_manifest;

/* Is it known that the caller may pull it? Never blocks. */
bool pull_gate_quick(const struct req *q, const struct meta_manifest *m);

/* May the caller pull the manifest, of the repository of the path? An answer that warns says so in
 * its header. Errors: DENIED, told, as people are to read it, with its entry in the trail. */
ERR_CHECKED enum err_code pull_gate(struct req *q, const struct meta_manifest *m, struct err *e);

/* The same of all that goes at once, of an index every image in it. Errors: those of
 * pull_manifest(), too. */
ERR_CHECKED enum err_code pull_gate_whole(struct req *q, const struct digest *d, struct err *e);

/* A manifest with that subject was pushed: what verdicts go by may have changed. */
void pull_gate_pushed(struct req *q, const struct digest *subject, struct str manifest);
