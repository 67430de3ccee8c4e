/* The S3 server that tests in C are to use: scripts/run_tests.py starts one and names it in the
 * environment (REGISTRY_TEST_S3_NAME, _ENDPOINT, _ACCESS_KEY, _SECRET_KEY, _REGION, _BUCKET);
 * `scripts/services env NAME` prints the same of one that runs. */
#pragma once

struct s3_place {
    const char *name; /* "minio", "ceph", "versitygw": where servers differ */
    const char *endpoint, *access_key, *secret_key, *region;
    const char *bucket; /* perhaps not made yet; others use it, too, under prefixes of their own */
};

#define S3_NO_PLACE 77 /* what a program then ends with, so that meson says "skipped" */

/* Ends the program with S3_NO_PLACE when the environment names none. */
struct s3_place s3_place(void);
