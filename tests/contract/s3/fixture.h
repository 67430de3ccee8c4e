/*
 * What the tests of store/s3/'s own calls share: a client of the server that s3_place.h says, in a
 * bucket that is there, with a prefix that no other test has. What is below it at the end is
 * deleted.
 */
#pragma once

#include "store/s3/multipart.h"
#include "store/s3/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture {
    struct store_s3_options options; /* of c */
    struct s3_client *c;
    const char *server; /* its name: see s3_place.h */
    char prefix[64];
    struct err e;
};

/* For main(), before the tests run. */
void fixture_choose(void);

int fixture_setup(void **state);
int fixture_teardown(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

void check_code(enum err_code got, enum err_code want, const struct err *e, const char *call,
                const char *file, int line);
#define FAILS(want, call) check_code(call, want, &f->e, #call, __FILE__, __LINE__)
#define OK(call)          FAILS(ERR_OK, call)

/* A key below the fixture's prefix. */
struct s3_name name_in(const struct fixture *f, const char *text);

void put(struct fixture *f, const char *key, struct str bytes);
void assert_object(struct fixture *f, const char *key, struct str bytes);
void assert_no_object(struct fixture *f, const char *key);
size_t count_objects(struct fixture *f, const char *prefix);
