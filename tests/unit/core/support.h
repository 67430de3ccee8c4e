/*
 * What the tests of core/ share: a registry of their own, a reader that fails when told to, and
 * short words for pushing things.
 */
#pragma once

#include "base/digest.h"
#include "base/reader.h"
#include "core/push.h"
#include "core/registry.h"
#include "names.h"
#include "temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_ok(call)               assert_code(ERR_OK, call)
#define assert_code(code, call)       assert_string_equal(err_name(code), err_name(call))
#define assert_digest_equal(a, b)     assert_string_equal((a)->text, (b)->text)
#define assert_digest_not_equal(a, b) assert_string_not_equal((a)->text, (b)->text)

/* Bytes in pieces of at most piece_bytes (0: any size); after fail_at bytes, the error. */
struct source {
    struct reader reader;
    struct str bytes;
    size_t at, piece_bytes, fail_at;
    enum err_code error; /* ERR_OK: never fails */
    bool seekable, freed;
};

struct source source_of(struct str bytes);

/* A body of n bytes that nothing more is known of, for upload_append(). */
#define BODY(n) (&(struct upload_body){.expected_bytes = (n), .exact_bytes = UINT64_MAX})
struct source failing_source(struct str bytes, size_t fail_at, enum err_code error);

/* n bytes that look random and are the same every time; the caller frees. */
char *noise(size_t n, unsigned seed);

/*
 * A registry over stores that can be made to fail. The drivers' tables are copies, so that a test
 * may put its own function in the place of one of them.
 */
struct world {
    char dir[TEMP_DIR_MAX]; /* "" when all is in memory */
    bool remote;            /* the store in memory is the remote one */
    struct conf *conf;
    struct store *store; /* the fault decorator; the registry owns it */
    struct meta *meta;
    struct registry *r;
    bool own_jobs; /* those of world_add_jobs() */
};

void world_in_memory(struct world *w);
void world_on_disk(struct world *w);
void world_remote(struct world *w);    /* in memory, over store_mem_remote_new() */
void world_restart(struct world *w);   /* on disk: a new process on the same files */
void world_lose_meta(struct world *w); /* meta is empty from here on, and in memory */
void world_add_jobs(struct world *w);  /* that wait: nobody runs them */
void world_done(struct world *w);

/* From here on the n-th call of the store or of meta fails; 0: none does. */
void world_fail_store(struct world *w, uint64_t n, enum err_code code);
void world_fail_meta(struct world *w, uint64_t n, enum err_code code);

/* The one quota there is from here on; 0: no limit of that kind. */
void world_set_quota(struct world *w, const char *namespace, uint64_t bytes, uint64_t tags);

/* A copy of the outermost driver's table, in use from now on, to be changed; one of each at a time.
 * What it has nothing to answer with goes to `inner`. */
struct store_driver *world_patch_store(struct world *w);
struct meta_driver *world_patch_meta(struct world *w);

/* What nothing links goes, whatever gc.grace and gc.linger are. */
void world_let_go(struct world *w);

struct reference tag_ref(const char *name);
struct reference digest_ref(const struct digest *d);

ERR_CHECKED enum err_code blob_push(struct world *w, const char *repo, struct str bytes,
                                    struct digest *ret_digest, struct err *e);
struct digest blob_put(struct world *w, const char *repo, struct str bytes);
bool blob_readable(struct world *w, const char *repo, const struct digest *d);

/* An image of a config and a layer that only differ from others by their texts; the caller frees
 * the JSON. */
char *image_json(const char *config, const char *layer, const char *more);
ERR_CHECKED enum err_code manifest_push(struct world *w, const char *repo, const char *json,
                                        const char *tag, struct digest *ret_digest, struct err *e);

/* Pushes config, layer and manifest. */
struct digest image_put(struct world *w, const char *repo, const char *text, const char *tag);

/* The digest that the tag has, "" when there is none. */
struct digest tag_get(struct world *w, const char *repo, const char *tag);
struct digest projected_tag(struct world *w, const char *repo, const char *tag);
size_t pending_projections(struct world *w);
size_t stored_uploads(struct world *w);
size_t known_uploads(struct world *w); /* rows of meta */
