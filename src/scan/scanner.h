/*
 * A scanner is one file with a struct scanner_driver. It runs outside of this process, or answers
 * over the network; whatever it says is foreign, and bounded.
 *
 * Who scans makes a private directory for each scan, and removes it after each end and at
 * the start of a server:
 *
 *     DIR/image/   the image as an OCI layout, when the driver wants it
 *     DIR/tmp/     for the scanner
 *
 * Threads: a driver may be asked by several at once, as many as it says.
 */
#pragma once

#include "base/digest.h"
#include "base/name.h"
#include "conf/conf.h"
#include "core/registry.h"
#include "scan/finding.h"

#define SCAN_IMAGE_DIR    "image"
#define SCAN_TMP_DIR      "tmp"
#define SCAN_VERSION_SIZE 64

/* In which format it lists the packages of an image. */
enum sbom_format { SBOM_CYCLONEDX, SBOM_SPDX, SBOM_FORMATS };

/* What a scanner says beside findings. */
struct scan_facts {
    char scanner[32]; /* "trivy": what it calls itself */
    char version[SCAN_VERSION_SIZE];
    int64_t data_ms;                 /* time of its data of vulnerabilities; 0: not known */
    char os_family[64], os_name[64]; /* of the image; "": none was found */
    bool os_ended;                   /* that release gets no more fixes */
    bool os_unread;    /* nothing can be said of its packages: the scanner does not know it, or
                          did not find them; note says so */
    uint64_t packages; /* that were looked at */
    bool partial;      /* something was passed over, and note says what */
    char note[256];
};

/* One scan. */
struct scan_order {
    const char *dir; /* the private directory: an absolute path */
    const struct repo_name *repo;
    const struct digest *digest; /* of an image manifest, never of an index */
    int64_t deadline_ms;         /* by clock_mono_ms() */
    int stop_fd;                 /* becomes readable when it is to end sooner; -1: there is none */
    const char *sbom;            /* a CycloneDX file of the same image that is read instead of it;
                                    NULL: none. For drivers that say takes_sbom */
};

struct scanner; /* a driver's own begins with it */

struct scanner_driver {
    const char *name;
    bool wants_layout;    /* else it gets at the image itself */
    bool takes_sbom;      /* and makes them */
    bool counts_packages; /* says of how many packages it knows: of none, it has seen nothing */

    /*
     * Adds what it finds to *ret, which the caller has initialised with bounds; unsorted. Blocks,
     * at most until the deadline. Errors: NOT_ANALYZABLE, told: this image can't be scanned, and
     * never will; TIMEOUT; UNAVAILABLE (out of reach, stopped, no data of vulnerabilities yet);
     * BODY_TOO_LARGE (says too much); INTERNAL (it failed; the detail is what it said last).
     */
    enum err_code (*scan)(struct scanner *s, const struct scan_order *o, struct finding_list *ret,
                          struct scan_facts *ret_facts, struct err *e);

    /*
     * Of an image that it has just scanned, by that order and not by a list: its packages, without
     * what is wrong with them, as a new file of the directory. Errors: as of scan. NULL: it can't.
     */
    enum err_code (*sbom)(struct scanner *s, const struct scan_order *o, enum sbom_format format,
                          const char *name, struct err *e);

    /* Time of the data that a scan would use now, or 0: it does not say; a change of it makes
     * rescans due. Cheap: it is asked before each scan and once a minute. Errors: UNAVAILABLE
     * (there is none yet), INTERNAL.
     */
    enum err_code (*data)(struct scanner *s, int64_t *ret_data_ms, struct err *e);

    /* The version that a scan would have now; "" where it is not known. What another version found
     * does not count as done, and its list of packages is not read. Cheap but for the first time.
     * NULL: it is not known. */
    void (*version)(struct scanner *s, char ret_version[static SCAN_VERSION_SIZE]);

    void (*free)(struct scanner *s); /* accepts no NULL */
};

struct scanner {
    const struct scanner_driver *driver;
    unsigned at_once; /* scans; at least 1 */
};

/*
 * Who has a driver has a NAME_open() in its header, which opens the scanner of the configuration.
 * *ret_scanner is the caller's, freed with scanner_free(). Does not look whether it works: that
 * each scan says.
 */
static inline void scanner_free(struct scanner *s)
{
    if (s)
        s->driver->free(s);
}

AUTO_POINTER(scanner, scanner_free);
