/*
 * Where vulnerability data comes from, and when a new generation of it is made: from repositories,
 * every scan.data.interval, or at once where this registry serves them itself and their tag has
 * moved; or from what somebody put into the directory, once that rests.
 *
 * One process at a time does it in a directory (a lock of its own); any may ask.
 */
#pragma once

#include "conf/conf.h"
#include "core/registry.h"
#include "scan/generation.h"

/* Where generations are, as the configuration says; work_dir stands for an empty scan.work_dir.
 * False: too long. */
bool data_dir(const struct conf_scan *c, const char *work_dir, char dst[static DATA_DIR_SIZE]);

struct data_update {
    const struct conf_scan *conf;
    struct registry *registry; /* NULL: it is not asked for tags */
    const struct generations *in;
    bool now; /* repositories are asked though it is not time yet */
    data_go_on_fn go_on;
    void *ctx;
    /* What lay in the directory at the last look; zero at first, and kept between looks. */
    char seen[DATA_PARTS][DATA_ORIGIN_SIZE];
};

struct data_update_done {
    bool tried;    /* there was cause */
    bool switched; /* and a new generation came of it */
    bool back;     /* with an older database than there was */
};

/*
 * A look, and a new generation if there is cause. Blocks for minutes when data is pulled. Errors:
 * of files; LATER, go_on said no; of data_fetch(); CORRUPT, what somebody put there is no such
 * data. What there was stays in use after an error. The same cause is not taken up again before
 * scan.data.interval has passed, or what lies there has changed.
 */
ERR_CHECKED enum err_code data_update_look(struct data_update *u, struct data_update_done *ret,
                                           struct err *e);
