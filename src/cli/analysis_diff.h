/* Two analyses (analysis/report.h) beside each other. */
#pragma once

#include "base/json.h"

/*
 * A new object: `image` with the numbers of both, each a list of two; `layers` with how many have
 * the same digest in both (`common`); `packages` that only the second (`added`) or the first
 * (`removed`) has, each with kind, name and version, once.
 */
json_t *analysis_diff(const json_t *before, const json_t *after);
