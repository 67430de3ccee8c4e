/* An analysis as text, for people. */
#pragma once

#include "base/str.h"

#include <stdio.h>

/* json: as analysis/report.h makes it. What is missing there is left out. */
void analysis_text(struct str json, FILE *out);
