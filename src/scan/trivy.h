/* Trivy as a program that is run once for each scan: what it is told, bounded by and answers. */
#pragma once

#include "scan/scanner.h"

/* What the last lines of what it wrote say of why it failed, as one line without control
 * characters, into dst. */
#define TRIVY_REASON_MAX 320
void trivy_reason(struct str errors, char dst[static TRIVY_REASON_MAX]);

/*
 * As scanner.h has it of every driver. data_dir is where generations of its data are (data_dir() of
 * data_update.h); not looked at where a server has the data. Errors: CONFIG, of its user or that
 * directory.
 */
ERR_CHECKED enum err_code scanner_trivy_open(const struct conf_scan *c, const char *data_dir,
                                             struct scanner **ret_scanner, struct err *e);
