/*
 * The findings of an image in formats of others, as a reader: written while they are read from
 * their blob (findings_blob.h), a finding at a time, whatever there are. All texts are foreign, and
 * escaped.
 *
 * SARIF 2.1.0 (OASIS): a rule for each vulnerability, a result for each finding. CycloneDX 1.5 as
 * VEX (ECMA-424 is the same): the packages that have findings, and a vulnerability for each finding
 * that affects one of them. To have no package twice it remembers 8 bytes for each.
 */
#pragma once

#include "base/reader.h"
#include "scan/findings_blob.h"

enum report_format { REPORT_SARIF, REPORT_CYCLONEDX };

const char *report_media_type(enum report_format f);
bool report_format_parse(struct str media_type, enum report_format *ret);

struct report_order {
    enum report_format format;
    const struct repo_name *repo; /* copied, as all of these */
    const struct digest *image;
    const struct scan_result *result; /* completed */
    unsigned severities;              /* as in findings_query */
    int fix;                          /* likewise */
};

/* *ret_reader is the caller's; waits as the reader of the blob does. Errors: those of the store;
 * CORRUPT, also of its reads. */
ERR_CHECKED enum err_code report_open(struct registry *r, const struct report_order *o,
                                      struct reader **ret_reader, struct err *e);
