/*
 * Trivy's report of one image (schema 2 of its JSON), read as it comes: a report of any length
 * takes a few KB beside the findings. It is foreign and not believed: what is none, is of another
 * schema, or holds something of another type than it should is an error and never "no
 * vulnerabilities". What is not known is passed over. One thread.
 */
#pragma once

#include "scan/scanner.h"

struct trivy_report;

/* Adds to *list, and sets what it knows of *facts; both are the caller's, and outlive it. */
struct trivy_report *trivy_report_new(struct finding_list *list, struct scan_facts *facts);
void trivy_report_free(struct trivy_report *r); /* accepts NULL */

/* The next bytes. Errors: INTERNAL, it is no such report; BODY_TOO_LARGE, of the list. */
ERR_CHECKED enum err_code trivy_report_feed(struct trivy_report *r, struct str bytes,
                                            struct err *e);

/* That was all of it. Error: INTERNAL. */
ERR_CHECKED enum err_code trivy_report_end(struct trivy_report *r, struct err *e);

/* All of that file, from its beginning. Errors: as above; those of reading. */
ERR_CHECKED enum err_code trivy_report_read(int fd, struct finding_list *list,
                                            struct scan_facts *facts, struct err *e);

AUTO_POINTER(trivy_report, trivy_report_free);
