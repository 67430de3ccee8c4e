/* Reports as CycloneDX 1.5, as VEX. */
#pragma once

#include "scan/report_writer.h"

extern const struct report_writer report_cyclonedx;
