/*
 * The vulnerability data that scans of this process use: kept up to date in the background,
 * watched, and told of. Data of Trivy lies in generations (generation.h); a scanner that keeps its
 * own (a `trivy server`, an adapter) is asked how old it is.
 *
 * Data has a version, which is the time of its sources. When it has changed, what was scanned with
 * another is scanned again.
 */
#pragma once

#include "core/registry.h"
#include "scan/generation.h"
#include "scan/rescan.h"
#include "scan/scanner.h"

#define SCAN_DATA_JOB "scan-data" /* of each process */

struct scan_data;

struct scan_data_options {
    struct registry *registry;
    const struct conf_scan *conf;
    struct scanner *scanner; /* borrowed; asked where dir is "" */
    struct rescan *rescan;   /* is told how old the data is; NULL: nobody */
    const char *dir;         /* where generations are (data_dir()); "": the data is not ours */
};

/* What the options point to outlives it. */
struct scan_data *scan_data_new(const struct scan_data_options *o);
void scan_data_free(struct scan_data *d); /* after its jobs have ended; accepts NULL */

/* The kind of job that sees to it. */
void scan_data_jobs(struct scan_data *d);

/* What that job does at each turn, for tests. */
ERR_CHECKED enum err_code scan_data_look(struct scan_data *d, struct err *e);

/* Repositories are asked now, by that job. Never blocks for long. */
void scan_data_ask(struct scan_data *d);

enum scan_data_state {
    SCAN_DATA_UNKNOWN, /* nobody has looked yet */
    SCAN_DATA_NONE,    /* there is none: nothing can be scanned */
    SCAN_DATA_OLD,     /* older than scan.data.max_age */
    SCAN_DATA_OK
};

const char *scan_data_state_name(enum scan_data_state s);

struct scan_data_status {
    enum scan_data_state state;
    char scanner[32];
    int64_t updated_ms; /* 0: not known */
    int64_t java_updated_ms;
    int64_t max_age_ms;
    char source[DATA_ORIGIN_SIZE];      /* as origin of a generation */
    char java_source[DATA_ORIGIN_SIZE]; /* "": there is no Java index */
    int64_t failed_ms;                  /* when an update failed last, and none went well since */
    char failure[400];
};

/* As it was at the last look, some seconds ago at most. Never blocks. */
void scan_data_status(struct scan_data *d, struct scan_data_status *ret);

/* The same of a directory, without a server; what is not known stays zero. */
ERR_CHECKED enum err_code scan_data_status_of(const struct generations *g,
                                              const struct conf_scan *c,
                                              struct scan_data_status *ret, struct err *e);

/* As JSON, with a line's end; with the walk that data began, or NULL. */
void scan_data_json(const struct scan_data_status *s, const struct rescan_state *walk,
                    int64_t now_ms, struct buf *ret);
