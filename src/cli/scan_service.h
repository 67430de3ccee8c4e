/* What a server has of scanning, from the configuration: the scanner, its data, and who watches it.
 */
#pragma once

#include "api/api.h"
#include "conf/conf.h"
#include "scan/data.h"
#include "scan/generation.h"
#include "scan/publish.h"
#include "scan/rescan.h"
#include "scan/scanner.h"
#include "scan/scans.h"
#include "scan/scheduled.h"

struct scan_service {
    struct scanner *scanner; /* NULL: the configuration says nothing of scanning */
    struct scan_data *data;  /* likewise */
    struct scans *scans;     /* likewise */
    struct rescan rescan;
    struct publisher publisher;
    struct scheduled scheduled;
    const struct api_guard *guard;
    char work_dir[DATA_DIR_SIZE]; /* absolute or not, as it is configured; may not be there yet */
    char data_dir[DATA_DIR_SIZE]; /* "": the data is not ours */
    char url[512];                /* where this registry is */
};

/* Does the configuration ask for scans? */
bool scan_service_wanted(const struct conf_scan *c, bool on_push);

/* Where images are laid out, and where data is; false: too long. */
bool scan_service_dirs(const struct conf *c, struct scan_service *s);

/* Opens it, and adds the kinds of jobs. All that is given outlives it; it is released with
 * scan_service_done() after the jobs have ended, also after an error. */
ERR_CHECKED enum err_code scan_service_start(struct scan_service *s, struct registry *r,
                                             const struct conf *c, const struct api_guard *guard,
                                             struct err *e);
void scan_service_done(struct scan_service *s);
