/* An analysis as text, for people. */
#pragma once

#include "base/json.h"

#include <stdio.h>

/* json: as analysis/report.h makes it. What is missing there is left out. */
void analysis_text(struct str json, FILE *out);

/* diff: as cli/analysis_diff.h makes it. */
void analysis_diff_text(const json_t *diff, FILE *out);

/* diff: as analysis/diff_json.h makes it. */
void image_diff_text(const json_t *diff, FILE *out);
