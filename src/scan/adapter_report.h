/*
 * A report of the pluggable scanner API (application/vnd.security.vulnerability.report,
 * version 1.1, and the one before it), read as it comes: a report of any length takes a few KB
 * beside the findings. It is foreign and not believed: what is none, is about another image, or
 * holds something of another type than it should is an error and never "no vulnerabilities". What
 * is not known is passed over. One thread. Source: goharbor/pluggable-scanner-spec,
 * scanner-adapter-openapi-v1.2.yaml, "GetScanReport".
 */
#pragma once

#include "scan/scanner.h"

struct adapter_report;

/* Of that image; adds to *list, and sets what it knows of *facts. All outlive it. */
struct adapter_report *adapter_report_new(const struct digest *digest, struct finding_list *list,
                                          struct scan_facts *facts);
void adapter_report_free(struct adapter_report *r); /* accepts NULL */

/* The next bytes. Errors: INTERNAL, it is no such report; BODY_TOO_LARGE, of the list. */
ERR_CHECKED enum err_code adapter_report_feed(struct adapter_report *r, struct str bytes,
                                              struct err *e);

/* That was all of it. Error: INTERNAL. */
ERR_CHECKED enum err_code adapter_report_end(struct adapter_report *r, struct err *e);

AUTO_POINTER(adapter_report, adapter_report_free);
