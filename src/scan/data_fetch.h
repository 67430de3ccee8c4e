/*
 * Vulnerability data, pulled by the scanner itself from where the configuration says: it runs as a
 * program of its own (base/process.h), with credentials that only this gets, into a directory of a
 * draft.
 */
#pragma once

#include "conf/conf.h"
#include "scan/generation.h"

/* Where the part comes from: "" is a directory. */
const char *data_repository(const struct conf_scan *c, enum data_part part);

/*
 * Pulls the part into the draft, whose it is then, with that origin. go_on is asked some times a
 * second. Blocks for as long as scan.trivy.timeout. Errors: LATER, go_on said no; CONFIG, there is
 * no such program or password file; CORRUPT, what came is no such data; UNAVAILABLE, the scanner
 * says that it failed, and why; TIMEOUT.
 */
ERR_CHECKED enum err_code data_fetch(const struct conf_scan *c, enum data_part part,
                                     struct data_draft *d, const char *origin, data_go_on_fn go_on,
                                     void *ctx, struct err *e);

/* For tests: the file that tells the scanner who we are. Appends it. */
void data_fetch_credentials(struct str repository, struct str user, struct str password,
                            struct buf *ret);
