/*
 * scan: which known vulnerabilities an image has. May include core/, analysis/, jobs/, store/,
 * meta/, replicas/, net/, conf/ and base/.
 *
 * A scanner (scanner.h) says what it found as findings; a result keeps them by the digest of the
 * manifest; verdicts are made of results.
 *
 * This file: a finding, and lists of them. No threads; who has a list uses it alone.
 */
#pragma once

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

enum severity { /* rising */
                SEVERITY_UNKNOWN,
                SEVERITY_LOW,
                SEVERITY_MEDIUM,
                SEVERITY_HIGH,
                SEVERITY_CRITICAL,
                SEVERITIES /* how many there are */
};

const char *severity_name(enum severity s); /* "critical" */

/* In any case; "negligible" is low. False: it is none. */
bool severity_parse(struct str text, enum severity *ret);

/* All texts are borrowed from who gives it, are UTF-8 or not, and hostile. Empty: not known. */
struct finding {
    enum severity severity;
    struct str cve;       /* the scanner's id: CVE-, GHSA-, ALAS-... */
    struct str package;   /* its name */
    struct str path;      /* where in the image, of packages of languages */
    struct str purl;      /* the package as an address */
    struct str installed; /* its version */
    struct str fixed;     /* version, or several with ", " between; empty: there is no fix */
    struct str status;    /* "fixed", "affected", "will_not_fix", ... */
    struct str title, description, link;
    struct str source;       /* of the advisory: "debian", "ghsa" */
    struct str layer;        /* digest of the layer that brought it */
    struct str vector;       /* CVSS */
    struct str score_source; /* whose score it is: "nvd" */
    double score;            /* CVSS; less than 0: there is none */
    int64_t since_ms;        /* since when this registry knows it of the image; 0 from scanners */
};

/* Longer texts are cut when a finding is added, at a character; each NUL becomes a '?'. */
#define FINDING_TEXT_MAX        512
#define FINDING_DESCRIPTION_MAX 2048

/* A list that owns its texts. All zero: an empty one without bounds. */
struct finding_list {
    struct finding *items;
    size_t n, cap;
    size_t max;       /* findings; 0: no such bound */
    size_t max_bytes; /* of texts; 0: no such bound */
    size_t bytes;
    struct finding_chunk *chunks;
};

void finding_list_init(struct finding_list *l, size_t max, size_t max_bytes);
void finding_list_done(struct finding_list *l); /* leaves an empty one */

/* A copy of f is added. Error: BODY_TOO_LARGE, told, when it does not fit. */
ERR_CHECKED enum err_code finding_list_add(struct finding_list *l, const struct finding *f,
                                           struct err *e);

/* The one order of findings: severity falling, then cve, package, installed, path, purl, fixed. */
int finding_cmp(const struct finding *a, const struct finding *b);

/* In that order, without doubles (of all seven: by a purl one may be dismissed, and by its fix let
 * pass). */
void finding_list_sort(struct finding_list *l);

/* Is it the same vulnerability of the same package, whatever was learned of it since? By cve, and
 * purl, or package and path. */
bool finding_same(const struct finding *a, const struct finding *b);

static inline bool finding_is_fixable(const struct finding *f)
{
    return f->fixed.n > 0;
}

static inline void auto_finding_list_(struct finding_list *l)
{
    finding_list_done(l);
}
