/* Reports as SARIF 2.1.0. */
#pragma once

#include "scan/report_writer.h"

extern const struct report_writer report_sarif;
