/* The parts of a report in a format (report_stream.h), each appended to a buffer. */
#pragma once

#include "scan/result.h"

/* What a report is of. */
struct report_about {
    struct repo_name repo;
    struct digest image;
    struct scan_result result;
};

/*
 * Two passes over the findings that are wanted: head, first of each that is `new` there, middle,
 * second of each, tail. place counts from 0 in its pass: in the first, those that were new; in the
 * second, of the rule that the finding belongs to.
 */
struct report_writer {
    const char *media_type;
    bool by_rule; /* new is a vulnerability that the one before was not; else a package */
    void (*head)(struct buf *b, const struct report_about *a);
    void (*first)(struct buf *b, const struct report_about *a, const struct finding *f,
                  uint64_t place);
    void (*middle)(struct buf *b, const struct report_about *a);
    void (*second)(struct buf *b, const struct report_about *a, const struct finding *f,
                   uint64_t nth, uint64_t place);
    void (*tail)(struct buf *b, const struct report_about *a);
};

/* "PACKAGE VERSION in PATH". */
void report_add_package(struct buf *b, const struct finding *f);

/* What a component is called in a document: its purl, or of name, version and path. */
void report_add_ref(struct buf *b, const struct finding *f);

/* May it stand as an address in a report? */
bool report_is_url(struct str s);

/* "key":"text" with a comma before; nothing when it is empty. */
void report_add_text(struct buf *b, const char *key, struct str s);
