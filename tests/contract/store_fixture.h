/*
 * What the tests of struct store share: a store of the driver under test in a temporary directory,
 * and short ways to say "push this". Functions here fail the running test, so they are for its own
 * thread; those that end in _e report instead, and may run in any.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "names.h"
#include "store/store.h"
#include "temp_dir.h"

struct variant {
    const char *name;
    bool lasts;  /* keeps its content when it is opened again */
    bool files;  /* blobs have descriptors, from the first time they are opened */
    bool takes;  /* a file as a blob */
    bool shared; /* a blob is kept once for all repositories */
    bool reads;  /* what was uploaded can be read back and cut; else it has notes */
    bool looks;  /* says that what is to be deleted is not there */
    struct store *(*make)(const char *dir);
};

struct fixture {
    const struct variant *variant;
    struct store *s;
    char dir[TEMP_DIR_MAX];
};

extern const struct variant *variant_under_test;

int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_reopen(struct fixture *f);

/* The variant called name; fails when there is none. */
const struct variant *variant_find(const char *name);

extern struct err last_err; /* of the test's own thread; what OK() shows */
#define E (&last_err)

void check_code(enum err_code got, enum err_code want, const char *call, const char *file,
                int line);
#define FAILS(want, call) check_code(call, want, #call, __FILE__, __LINE__)
#define OK(call)          FAILS(ERR_OK, call)

struct uuid new_uuid(void);

/* n bytes that differ by seed; the caller frees. */
struct str make_bytes(unsigned seed, size_t n);

/* A whole upload of bytes as repo's blob d. */
enum err_code push_e(struct store *s, const struct repo_name *r, struct str bytes,
                     const struct digest *d, const struct repo_name *twin, struct err *e);
struct digest push(struct store *s, const char *name, struct str bytes);

/* The blob's bytes are these. False on any error, too. */
bool blob_is_e(struct store *s, const struct repo_name *r, const struct digest *d,
               struct str bytes);
void assert_blob(struct store *s, const char *name, const struct digest *d, struct str bytes);
void assert_no_blob(struct store *s, const char *name, const struct digest *d);
size_t count_uploads(struct store *s);

/* All that was written is durable now. */
void sync_upload(struct store *s, struct store_upload *u);
void delete_uploads(struct store *s);

/* The suites. */
int run_suite(void);          /* store_suite.c */
int run_upload_suite(void);   /* store_uploads.c */
int run_original_suite(void); /* store_originals.c */
int run_thread_suite(void);   /* store_threads.c */
int run_torture_suite(void);  /* store_torture.c */
int run_remote_suite(void);   /* store_remote.c */
