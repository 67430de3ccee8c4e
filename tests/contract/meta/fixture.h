/*
 * What the meta suite runs on: a driver by name ("sqlite", "memory", "cache", "fault"), each test
 * with a database of its own in a directory of its own, or "postgresql" or "dynamodb" alone
 * and with "-cache" or "-fault" behind it (database.h, dynamo_table.h), or with "redis" before it
 * (behind_redis.h). And short ways to say what tests say often: they assert success unless they
 * return a code.
 */
#pragma once

#include "meta/meta.h"
#include "names.h"
#include "temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture {
    struct meta *m;
    char dir[TEMP_DIR_MAX];
    char path[TEMP_PATH_MAX];
    struct err e;
    size_t failed; /* of the last commit */
};

/* argv[1] chooses the driver. For main(). */
void fixture_choose(int argc, char **argv);
const char *fixture_driver(void);
bool fixture_is_dynamodb(void);

/* How often to do what is done n times: on DynamoDB's emulator, where each takes long, a tenth of
 * that, unless rounds are long (rounds.h). */
size_t fixture_rounds(size_t n);

int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_reopen(struct fixture *f);

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

struct digest digest_for(const char *seed); /* of the seed's bytes */

/* A manifest whose bytes are the text. */
struct meta_manifest *manifest_for(const char *text);

enum err_code commit(struct fixture *f, const struct meta_op *ops, size_t n);
enum err_code commit_one(struct fixture *f, struct meta_op op);

enum err_code blob_link(struct fixture *f, const char *repo, const char *seed);
enum err_code blob_unlink(struct fixture *f, const char *repo, const char *seed);
enum err_code put(struct fixture *f, const char *repo, const char *text);
enum err_code put_edges(struct fixture *f, const char *repo, const char *text,
                        const struct meta_edge *edges, size_t n);
enum err_code put_referrer(struct fixture *f, const char *repo, const char *text,
                           const char *subject, const char *artifact_type, const char *annotations);
enum err_code delete_manifest(struct fixture *f, const char *repo, const char *text);
enum err_code set_tag(struct fixture *f, const char *repo, const char *tag, const char *text,
                      int64_t expected);
enum err_code delete_tag(struct fixture *f, const char *repo, const char *tag, int64_t expected);

/* What pushes an image of as many layers as users have, with a tag, when its blobs are there. */
struct layered {
    struct repo_name repo;
    struct tag_name tag;
    struct meta_manifest *manifest;
    struct meta_edge edges[11];
    struct meta_op ops[2]; /* they point to the rest */
};

/* Links its blobs. */
void layered_begin(struct fixture *f, struct layered *ret);
void layered_done(struct layered *l);

/* The version of the tag, META_ABSENT when it is not there. */
int64_t version_of(struct fixture *f, const char *repo, const char *tag);
bool has_manifest(struct fixture *f, const char *repo, const char *text);
bool has_blob(struct fixture *f, const char *repo, const char *seed);

/* Asserts that the tag's manifest has these bytes. */
void assert_tag(struct fixture *f, const char *repo, const char *tag, const char *text);

size_t pending(struct fixture *f, struct meta_projection *rows, size_t cap);

/* Asserts that the list holds exactly these names, in order. */
void assert_names(const struct meta_name_list *l, size_t n, const char *const *names);

#define assert_ok(call) assert_int_equal((call), ERR_OK)
