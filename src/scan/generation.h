/*
 * Generations of a scanner's vulnerability data, in a directory (scan.trivy.cache_dir):
 *
 *   db/, java-db/      what somebody put there, in the scanner's own layout
 *   generations/ID/    one: db/, java-db/ (where there is a Java index), and where they are from
 *   current            a symbolic link to the generation that new scans take
 *   incoming/ID/       one that is being made
 *
 * A generation never changes once it has its name; a newer one is switched to by a rename, so a
 * scan that names its generation sees one state from its beginning to its end. Who uses a
 * generation holds a lock on its directory (flock), which the kernel takes back from a process that
 * dies; so several processes may have one directory, and what nobody holds can be removed.
 *
 * Any thread; everything blocks. Errors: those of files, and what stands with each function.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

enum data_part { DATA_DB, DATA_JAVA };
#define DATA_PARTS 2

#define DATA_ID_SIZE     32
#define DATA_DIR_SIZE    3072
#define DATA_PATH_SIZE   (DATA_DIR_SIZE + 128)
#define DATA_ORIGIN_SIZE 600

struct data_facts {
    bool there;
    int64_t updated_ms;    /* when who made it had its sources; what `its age` is about */
    int64_t downloaded_ms; /* 0: not known */
    uint64_t bytes;
    char origin[DATA_ORIGIN_SIZE]; /* what data_draft_add() was given */
};

struct generations {
    int fd;
    char dir[DATA_DIR_SIZE]; /* absolute */
};

/* Makes what is missing. Errors: CONFIG, there can be no such directory. */
ERR_CHECKED enum err_code generations_open(const char *dir, struct generations *ret, struct err *e);
void generations_done(struct generations *g);

/* The name of a part's directory: "db", "java-db". */
const char *data_part_name(enum data_part part);

/* One that is held. */
struct generation {
    int fd; /* -1: none */
    char id[DATA_ID_SIZE];
    char path[DATA_PATH_SIZE]; /* absolute; of the directory that has db/ and java-db/ */
    struct data_facts parts[DATA_PARTS];
};

/* The current one. Error: NOT_FOUND, there is none. */
ERR_CHECKED enum err_code generation_hold(const struct generations *g, struct generation *ret,
                                          struct err *e);
void generation_release(struct generation *x); /* accepts one with fd -1 */

/* One that is being made. */
struct data_draft {
    const struct generations *of; /* NULL: none */
    int fd;
    char id[DATA_ID_SIZE];
    char path[DATA_PATH_SIZE]; /* absolute; who makes a part may use names of its own in there */
};

ERR_CHECKED enum err_code data_draft_new(const struct generations *g, struct data_draft *ret,
                                         struct err *e);

/* The part as it stands in that directory, which goes into the draft as a whole (it is below the
 * draft's path). Errors: CORRUPT, it is none, or not whole. */
ERR_CHECKED enum err_code data_draft_add(struct data_draft *d, enum data_part part,
                                         const char *from, const char *origin, struct err *e);

/* A copy of what stands below a directory that others write to. go_on is asked now and then; LATER
 * when it says no. Errors: CORRUPT as above; CONFLICT, it was changed meanwhile. */
typedef bool (*data_go_on_fn)(void *ctx);
ERR_CHECKED enum err_code data_draft_copy(struct data_draft *d, enum data_part part,
                                          const char *from, const char *origin, data_go_on_fn go_on,
                                          void *ctx, struct err *e);

/* The part of an older generation, as links: it costs nothing. */
ERR_CHECKED enum err_code data_draft_keep(struct data_draft *d, enum data_part part,
                                          const struct generation *old, struct err *e);

/* What is in the draft. */
ERR_CHECKED enum err_code data_draft_facts(const struct data_draft *d, enum data_part part,
                                           struct data_facts *ret, struct err *e);

/* It is the current one from now on, also after a power loss. */
ERR_CHECKED enum err_code data_draft_switch(struct data_draft *d, struct err *e);

/* Removes it unless it was switched to. Accepts one without `of`. */
void data_draft_done(struct data_draft *d);

/* Tells states of what stands there apart: it is the same text as long as nobody replaced or wrote
 * to it; "" when there is none. */
void data_stamp(const char *dir, enum data_part part, char dst[static DATA_ORIGIN_SIZE]);

/* Removes generations and drafts that nobody uses. */
void generations_sweep(const struct generations *g);

static inline void auto_generations_(struct generations *g)
{
    generations_done(g);
}

static inline void auto_generation_(struct generation *x)
{
    generation_release(x);
}

static inline void auto_data_draft_(struct data_draft *d)
{
    data_draft_done(d);
}
