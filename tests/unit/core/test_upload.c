#include "core/upload.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/recent.h"
#include "core/blob.h"
#include "core/mount.h"
#include "core/pull.h"
#include "core/remove.h"
#include "core/upload_session.h"
#include "support.h"

#define OWNER   "anna"
#define HOUR_MS ((uint64_t)3600 * 1000)

static struct world w;
static struct repo_name repo;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    repo = repo_of("library/busybox");
    return 0;
}

static int set_up_disk(void **state)
{
    (void)state;
    world_on_disk(&w);
    repo = repo_of("library/busybox");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static struct uuid begun(void)
{
    struct uuid id;

    struct upload *u = NULL;

    assert_ok(upload_begin(w.r, &repo, OWNER, DIGEST_SHA256, &id, ERR_IGNORED));
    assert_ok(upload_open(w.r, &repo, OWNER, &id, UPLOAD_MORE, &u, ERR_IGNORED));
    upload_close(u);
    return id;
}

static struct uuid only_begun(void)
{
    struct uuid id;

    assert_ok(upload_begin(w.r, &repo, OWNER, DIGEST_SHA256, &id, ERR_IGNORED));
    return id;
}

static struct upload *opened(const struct uuid *id)
{
    struct upload *u = NULL;

    assert_ok(upload_open(w.r, &repo, OWNER, id, UPLOAD_MORE, &u, ERR_IGNORED));
    return u;
}

static enum err_code append(struct upload *u, struct str bytes)
{
    struct source s = source_of(bytes);

    return upload_append(u, &s.reader, BODY(bytes.n), ERR_IGNORED);
}

static enum err_code try_open(const struct uuid *id)
{
    struct upload *u = NULL;
    enum err_code code = upload_open(w.r, &repo, OWNER, id, UPLOAD_MORE, &u, ERR_IGNORED);

    upload_close(u);
    return code;
}

static uint64_t status(const struct uuid *id)
{
    uint64_t offset = 0;

    assert_ok(upload_status(w.r, &repo, OWNER, id, &offset, ERR_IGNORED));
    return offset;
}

/* Nothing of a session is left anywhere. */
static void assert_no_sessions(void)
{
    assert_int_equal(session_count(w.r->uploads), 0);
    assert_int_equal(stored_uploads(&w), 0);
    assert_int_equal(known_uploads(&w), 0);
}

static void a_blob_in_two_chunks_is_readable(void **state)
{
    struct digest d = sha256_of(STR("hello world"));
    struct uuid id = begun();
    struct upload *u = opened(&id);

    (void)state;
    assert_ok(append(u, STR("hello ")));
    assert_int_equal(upload_offset(u), 6);
    upload_close(u);
    assert_int_equal(status(&id), 6);
    u = opened(&id);
    assert_int_equal(upload_offset(u), 6);
    assert_ok(append(u, STR("world")));
    assert_ok(upload_finish(u, &d, NULL, ERR_IGNORED));
    assert_true(blob_readable(&w, "library/busybox", &d));
    assert_no_sessions();
}

static void an_empty_blob_is_a_blob(void **state)
{
    struct digest d = sha256_of(STR(""));
    struct uuid id = begun();

    (void)state;
    assert_ok(upload_finish(opened(&id), &d, NULL, ERR_IGNORED));
    assert_true(blob_readable(&w, "library/busybox", &d));
    assert_no_sessions();
}

static void a_session_can_be_resumed_by_another_process(void **state)
{
    struct digest d = sha256_of(STR("hello world"));
    struct uuid id = begun();
    struct upload *u = opened(&id);

    (void)state;
    assert_ok(append(u, STR("hello ")));
    upload_close(u);
    world_restart(&w);
    assert_int_equal(status(&id), 6);
    u = opened(&id);
    assert_int_equal(upload_offset(u), 6);
    assert_ok(append(u, STR("world")));
    assert_ok(upload_finish(u, &d, NULL, ERR_IGNORED));
    assert_true(blob_readable(&w, "library/busybox", &d));
    assert_no_sessions();
}

static void a_session_finished_right_after_a_restart_is_hashed_again(void **state)
{
    struct digest d = sha256_of(STR("hello"));
    struct uuid id = begun();
    struct upload *u = opened(&id);

    (void)state;
    assert_ok(append(u, STR("hello")));
    upload_close(u);
    world_restart(&w);
    assert_ok(upload_finish(opened(&id), &d, NULL, ERR_IGNORED));
    assert_true(blob_readable(&w, "library/busybox", &d));
}

static void a_session_belongs_to_its_owner(void **state)
{
    struct uuid id = begun();
    struct upload *u = NULL;
    uint64_t offset;

    (void)state;
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN,
                upload_open(w.r, &repo, "bert", &id, UPLOAD_MORE, &u, ERR_IGNORED));
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN,
                upload_open(w.r, &repo, "", &id, UPLOAD_MORE, &u, ERR_IGNORED));
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN,
                upload_status(w.r, &repo, "bert", &id, &offset, ERR_IGNORED));
    assert_ok(try_open(&id));
}

static void a_session_belongs_to_its_repository(void **state)
{
    struct repo_name other = repo_of("library/alpine");
    struct uuid id = begun();
    struct upload *u = NULL;
    uint64_t offset;

    (void)state;
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN,
                upload_open(w.r, &other, OWNER, &id, UPLOAD_MORE, &u, ERR_IGNORED));
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN,
                upload_status(w.r, &other, OWNER, &id, &offset, ERR_IGNORED));
}

static void what_was_never_begun_is_unknown(void **state)
{
    struct uuid id;
    uint64_t offset;

    (void)state;
    uuid_make(&id);
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN, try_open(&id));
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN,
                upload_status(w.r, &repo, OWNER, &id, &offset, ERR_IGNORED));
}

static void a_held_session_is_busy_for_others(void **state)
{
    struct uuid id = begun();
    struct upload *u = opened(&id);

    (void)state;
    assert_code(ERR_BLOB_UPLOAD_BUSY, try_open(&id));
    assert_int_equal(status(&id), 0);
    upload_close(u);
    assert_ok(try_open(&id));
}

static void a_digest_that_does_not_match_ends_the_session(void **state)
{
    struct digest d = sha256_of(STR("hello"));
    struct uuid id = begun();
    struct upload *u = opened(&id);

    (void)state;
    assert_ok(append(u, STR("hallo")));
    assert_code(ERR_DIGEST_INVALID, upload_finish(u, &d, NULL, ERR_IGNORED));
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN, try_open(&id));
    assert_false(blob_readable(&w, "library/busybox", &d));
    assert_no_sessions();
}

static void cancelling_leaves_nothing(void **state)
{
    struct uuid id = begun();
    struct upload *u = opened(&id);

    (void)state;
    assert_ok(append(u, STR("hello")));
    assert_ok(upload_cancel(u, ERR_IGNORED));
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN, try_open(&id));
    assert_no_sessions();
}

static void the_algorithm_may_change_at_the_end(void **state)
{
    struct uuid id = begun();
    struct upload *u = opened(&id);
    struct digest d;

    (void)state;
    digest_of(DIGEST_SHA512, "hello", 5, &d);
    assert_ok(append(u, STR("hello")));
    assert_ok(upload_finish(u, &d, NULL, ERR_IGNORED));
    assert_true(blob_readable(&w, "library/busybox", &d));
}

static void the_algorithm_may_be_known_before_the_first_byte(void **state)
{
    struct source s = source_of(STR("hello"));
    struct uuid id = begun();
    struct upload *u = opened(&id);
    struct digest d;

    (void)state;
    digest_of(DIGEST_SHA512, "hello", 5, &d);
    assert_ok(upload_append(
        u, &s.reader,
        &(struct upload_body){.expected_bytes = 5, .exact_bytes = UINT64_MAX, .finish = &d},
        ERR_IGNORED));
    assert_ok(upload_finish(u, &d, NULL, ERR_IGNORED));
    assert_true(blob_readable(&w, "library/busybox", &d));
}

static void what_came_of_a_chunk_before_the_client_left_is_kept(void **state)
{
    struct source s = failing_source(STR("hello world"), 6, ERR_CLIENT_GONE);
    struct digest d = sha256_of(STR("hello world"));
    struct uuid id = begun();
    struct upload *u = opened(&id);

    (void)state;
    assert_code(ERR_CLIENT_GONE, upload_append(u, &s.reader, BODY(11), ERR_IGNORED));
    upload_close(u);
    assert_int_equal(status(&id), 6);
    u = opened(&id);
    assert_int_equal(upload_offset(u), 6);
    assert_ok(append(u, STR("world")));
    assert_ok(upload_finish(u, &d, NULL, ERR_IGNORED));
    assert_true(blob_readable(&w, "library/busybox", &d));
}

static void a_full_store_takes_the_chunk_back_and_another_try_succeeds(void **state)
{
    struct digest d = sha256_of(STR("hello world"));
    struct uuid id = begun();
    struct upload *u = opened(&id);

    (void)state;
    assert_ok(append(u, STR("hello ")));
    world_fail_store(&w, 1, ERR_STORAGE_FULL);
    assert_code(ERR_STORAGE_FULL, append(u, STR("world")));
    upload_close(u);
    assert_int_equal(status(&id), 6);
    u = opened(&id);
    assert_int_equal(upload_offset(u), 6);
    assert_ok(append(u, STR("world")));
    assert_ok(upload_finish(u, &d, NULL, ERR_IGNORED));
    assert_true(blob_readable(&w, "library/busybox", &d));
}

static void a_store_that_is_full_in_the_middle_of_a_chunk_takes_all_of_it_back(void **state)
{
    size_t buffer = (size_t)w.r->buffer_bytes, n = 3 * buffer + 5;
    AUTO(mem) char *bytes = noise(n, 3);
    struct digest d = sha256_of((struct str){bytes, n});
    struct uuid id = begun();
    struct upload *u = opened(&id);

    (void)state;
    world_fail_store(&w, 3, ERR_STORAGE_FULL);
    assert_code(ERR_STORAGE_FULL, append(u, (struct str){bytes, n}));
    assert_int_equal(upload_offset(u), 0);
    upload_close(u);
    u = opened(&id);
    assert_int_equal(upload_offset(u), 0);
    assert_ok(append(u, (struct str){bytes, n}));
    assert_ok(upload_finish(u, &d, NULL, ERR_IGNORED));
    assert_true(blob_readable(&w, "library/busybox", &d));
}

/* Whichever call of the store fails during a chunk, a client that asks where it stands and goes on
 * from there gets its blob, or is told that the session is gone. */
static void whatever_fails_in_a_chunk_the_session_stays_true(void **state)
{
    struct digest d = sha256_of(STR("hello world"));

    (void)state;
    for (uint64_t n = 1; n <= 6; n++) {
        struct uuid id = begun();
        struct upload *u = opened(&id);
        enum err_code code;
        uint64_t offset;

        assert_ok(append(u, STR("hello")));
        world_fail_store(&w, n, ERR_INTERNAL);
        code = append(u, STR(" wor"));
        upload_close(u);
        world_fail_store(&w, 0, ERR_OK);
        offset = status(&id);
        assert_true(offset == 5 || offset == 9);
        if (code == ERR_OK)
            assert_int_equal(offset, 9);
        u = opened(&id);
        assert_int_equal(upload_offset(u), offset);
        assert_ok(append(u, str_sub(STR("hello world"), (size_t)offset, 11 - (size_t)offset)));
        assert_ok(upload_finish(u, &d, NULL, ERR_IGNORED));
        assert_true(blob_readable(&w, "library/busybox", &d));
    }
    assert_no_sessions();
}

static void a_finish_that_failed_can_be_tried_again(void **state)
{
    struct digest d = sha256_of(STR("hello"));
    struct uuid id = begun();
    struct upload *u = opened(&id);

    (void)state;
    assert_ok(append(u, STR("hello")));
    world_fail_store(&w, 1, ERR_STORAGE_FULL); /* the commit */
    assert_code(ERR_STORAGE_FULL, upload_finish(u, &d, NULL, ERR_IGNORED));
    assert_false(blob_readable(&w, "library/busybox", &d));
    assert_ok(upload_finish(opened(&id), &d, NULL, ERR_IGNORED));
    assert_true(blob_readable(&w, "library/busybox", &d));
    assert_no_sessions();
}

static void a_finish_whose_transaction_fails_once_is_done_all_the_same(void **state)
{
    struct digest d = sha256_of(STR("hello"));
    struct uuid id = begun();
    struct upload *u = opened(&id);

    (void)state;
    assert_ok(append(u, STR("hello")));
    world_fail_meta(&w, 2, ERR_UNAVAILABLE); /* 1 looks for a twin */
    assert_ok(upload_finish(u, &d, NULL, ERR_IGNORED));
    assert_true(blob_readable(&w, "library/busybox", &d));
    assert_no_sessions();
}

/* Asks for the blob as a client does that wants to know whether to push it. */
static enum err_code head(const char *name, const struct digest *d)
{
    struct repo_name of = repo_of(name);
    AUTO(reader) struct reader *r = NULL;
    uint64_t size;

    return pull_blob_head(w.r, &of, d, &r, &size, ERR_IGNORED);
}

static uint64_t calls_of_a_finish(struct str bytes, const struct digest *d)
{
    struct uuid id = begun();
    struct upload *u = opened(&id);
    uint64_t before;

    assert_ok(append(u, bytes));
    before = meta_fault_calls(w.meta);
    assert_ok(upload_finish(u, d, NULL, ERR_IGNORED));
    return meta_fault_calls(w.meta) - before;
}

static void a_finish_asks_meta_twice_and_once_when_the_blob_was_seen_nowhere(void **state)
{
    struct digest d = sha256_of(STR("hello")), other = sha256_of(STR("world"));

    (void)state;
    assert_int_equal(calls_of_a_finish(STR("hello"), &d), 2);
    assert_code(ERR_BLOB_UNKNOWN, head("library/busybox", &other));
    assert_int_equal(calls_of_a_finish(STR("world"), &other), 1);
}

static void a_blob_that_was_seen_nowhere_is_found_once_another_repository_has_it(void **state)
{
    struct digest d = sha256_of(STR("hello"));
    struct repo_name found;

    (void)state;
    assert_code(ERR_BLOB_UNKNOWN, head("library/busybox", &d));
    assert_code(ERR_BLOB_UNKNOWN, blob_find_twin(w.r, &repo, &d, &found, ERR_IGNORED));
    blob_put(&w, "library/other", STR("hello"));
    assert_ok(blob_find_twin(w.r, &repo, &d, &found, ERR_IGNORED));
    assert_string_equal(found.text, "library/other");
    assert_code(ERR_BLOB_UNKNOWN, head("library/busybox", &d)); /* it is somewhere */
    assert_ok(blob_find_twin(w.r, &repo, &d, &found, ERR_IGNORED));
}

static void a_blob_that_is_mounted_is_not_nowhere(void **state)
{
    struct digest d = sha256_of(STR("hello"));
    struct repo_name from = repo_of("library/other"), found;

    (void)state;
    blob_put(&w, "library/other", STR("hello"));
    recent_add(w.r->absent, &d, recent_since(w.r->absent, &d), clock_mono_ms());
    assert_code(ERR_BLOB_UNKNOWN, blob_find_twin(w.r, &repo, &d, &found, ERR_IGNORED));
    assert_ok(mount_blob(w.r, &repo, &from, &d, ERR_IGNORED));
    assert_ok(blob_find_twin(w.r, &repo, &d, &found, ERR_IGNORED));
}

/* As a connection that breaks when the transaction was done, and before its answer. */
static enum err_code commit_and_say_nothing(struct meta *m, const struct meta_op *ops, size_t n,
                                            unsigned flags, size_t *ret_failed, struct err *e)
{
    enum err_code code = meta_commit(m->inner, ops, n, flags, ret_failed, e);

    return code == ERR_OK ? err_set(e, ERR_UNAVAILABLE, "the answer was lost") : code;
}

static void a_finish_whose_answer_from_meta_is_lost_is_known_for_done(void **state)
{
    struct digest d = sha256_of(STR("hello"));
    struct uuid id = begun();
    struct upload *u = opened(&id);

    (void)state;
    w.conf->registry.upload_timeout_ms = HOUR_MS;
    assert_ok(append(u, STR("hello")));
    world_patch_meta(&w)->commit = commit_and_say_nothing;
    assert_ok(upload_finish(u, &d, NULL, ERR_IGNORED));
    assert_true(blob_readable(&w, "library/busybox", &d));
}

static enum err_code commit_nothing(struct meta *m, const struct meta_op *ops, size_t n,
                                    unsigned flags, size_t *ret_failed, struct err *e)
{
    (void)m, (void)ops, (void)n, (void)flags, (void)ret_failed;
    return err_set(e, ERR_UNAVAILABLE, "the database is away");
}

static void a_finish_while_meta_is_away_can_be_tried_again(void **state)
{
    struct digest d = sha256_of(STR("hello"));
    struct uuid id = begun();
    struct upload *u = opened(&id);

    (void)state;
    assert_ok(append(u, STR("hello")));
    world_patch_meta(&w)->commit = commit_nothing;
    assert_code(ERR_UNAVAILABLE, upload_finish(u, &d, NULL, ERR_IGNORED));
    assert_false(blob_readable(&w, "library/busybox", &d));
    world_patch_meta(&w);
    assert_ok(upload_open(w.r, &repo, OWNER, &id, UPLOAD_END, &u, ERR_IGNORED));
    assert_ok(upload_finish(u, &d, NULL, ERR_IGNORED));
    assert_true(blob_readable(&w, "library/busybox", &d));
    assert_no_sessions();
}

static void what_was_stored_is_not_linked_by_another_digest(void **state)
{
    struct digest d = sha256_of(STR("hello")), other = sha256_of(STR("secret"));
    struct uuid id = begun();
    struct upload *u = opened(&id);

    (void)state;
    blob_put(&w, "library/secrets", STR("secret"));
    assert_ok(append(u, STR("hello")));
    world_patch_meta(&w)->commit = commit_nothing;
    assert_code(ERR_UNAVAILABLE, upload_finish(u, &d, NULL, ERR_IGNORED));
    world_patch_meta(&w);
    assert_ok(upload_open(w.r, &repo, OWNER, &id, UPLOAD_END, &u, ERR_IGNORED));
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN, upload_finish(u, &other, NULL, ERR_IGNORED));
    assert_false(blob_readable(&w, "library/busybox", &other));
}

static void a_chunk_past_the_limit_is_taken_back(void **state)
{
    struct uuid id = begun();
    struct upload *u = opened(&id);

    (void)state;
    w.conf->limits.blob_bytes = 10;
    assert_ok(append(u, STR("hello ")));
    assert_code(ERR_BLOB_TOO_LARGE, append(u, STR("world")));
    assert_int_equal(upload_offset(u), 6);
    assert_ok(append(u, STR("worl")));
    assert_int_equal(upload_offset(u), 10);
    upload_close(u);
}

static void a_limit_that_was_lowered_below_what_is_there_stops_the_session(void **state)
{
    struct uuid id = begun();
    struct upload *u = opened(&id);

    (void)state;
    assert_ok(append(u, STR("hello world")));
    w.conf->limits.blob_bytes = 5;
    assert_code(ERR_BLOB_TOO_LARGE, append(u, STR("!")));
    assert_int_equal(upload_offset(u), 11);
    upload_close(u);
}

static void there_are_only_so_many_sessions(void **state)
{
    struct uuid id, first;

    (void)state;
    w.conf->limits.uploads = 2;
    first = begun();
    begun();
    assert_code(ERR_TOO_MANY_REQUESTS,
                upload_begin(w.r, &repo, OWNER, DIGEST_SHA256, &id, ERR_IGNORED));
    assert_ok(upload_cancel(opened(&first), ERR_IGNORED));
    begun();
}

static bool stored(const struct repo_name *in, const struct digest *d)
{
    AUTO(reader) struct reader *r = NULL;
    uint64_t size_bytes;

    return store_blob_open(w.store, in, d, UINT64_MAX, &r, &size_bytes, ERR_IGNORED) == ERR_OK;
}

static void a_blob_that_is_refused_leaves_nothing(void **state)
{
    struct digest d = sha256_of(STR("hello"));
    struct uuid id = begun();
    struct upload *u = opened(&id);

    (void)state;
    world_set_quota(&w, "", 4, 0);
    assert_ok(append(u, STR("hello")));
    assert_code(ERR_QUOTA, upload_finish(u, &d, NULL, ERR_IGNORED));
    assert_false(stored(&repo, &d));
    assert_no_sessions();
    world_set_quota(&w, "", 5, 0);
    blob_put(&w, "library/busybox", STR("hello"));
    assert_true(stored(&repo, &d));
}

/* Pushed again into a repository that has it, past a quota meanwhile: what was there stays. */
static void a_blob_that_is_refused_keeps_the_one_that_was_there(void **state)
{
    struct digest d = blob_put(&w, "library/busybox", STR("hello"));
    struct uuid id = begun();
    struct upload *u = opened(&id);

    (void)state;
    world_set_quota(&w, "", 4, 0);
    assert_ok(append(u, STR("hello")));
    assert_code(ERR_QUOTA, upload_finish(u, &d, NULL, ERR_IGNORED));
    assert_no_sessions();
    assert_true(stored(&repo, &d));
}

static void a_mount_that_is_refused_leaves_nothing(void **state)
{
    struct digest d = blob_put(&w, "library/busybox", STR("hello"));
    struct repo_name other = repo_of("library/alpine");

    (void)state;
    world_set_quota(&w, "", 9, 0);
    assert_code(ERR_QUOTA, mount_blob(w.r, &other, &repo, &d, ERR_IGNORED));
    assert_false(stored(&other, &d));
    assert_true(stored(&repo, &d));
}

static void a_session_that_could_not_be_made_leaves_nothing(void **state)
{
    struct uuid id = only_begun();

    (void)state;
    world_fail_store(&w, 1, ERR_STORAGE_FULL);
    assert_code(ERR_STORAGE_FULL, try_open(&id));
    assert_no_sessions();
    id = only_begun();
    world_fail_meta(&w, 1, ERR_STORAGE_FULL);
    assert_code(ERR_STORAGE_FULL, try_open(&id));
    assert_no_sessions();
}

static void a_session_whose_bytes_are_gone_is_forgotten(void **state)
{
    struct uuid id = begun();

    (void)state;
    assert_ok(store_upload_delete(w.store, &id, ERR_IGNORED));
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN, try_open(&id));
    assert_int_equal(session_count(w.r->uploads), 0);
}

static void the_same_blob_may_be_pushed_twice(void **state)
{
    struct digest d = blob_put(&w, "library/busybox", STR("hello"));

    (void)state;
    blob_put(&w, "library/busybox", STR("hello"));
    assert_true(blob_readable(&w, "library/busybox", &d));
}

static void a_blob_of_another_repository_is_not_readable_here(void **state)
{
    struct digest d = blob_put(&w, "library/alpine", STR("hello"));

    (void)state;
    assert_false(blob_readable(&w, "library/busybox", &d));
    blob_put(&w, "library/busybox", STR("hello"));
    assert_true(blob_readable(&w, "library/busybox", &d));
}

/* While one request removes a session, another that comes for it must not bring it back. */

static struct uuid raced_id;
static enum err_code raced_code;
static struct upload *raced_upload;

static enum err_code open_while_deleting(struct store *s, const struct uuid *id, struct err *e)
{
    raced_code = upload_open(w.r, &repo, OWNER, &raced_id, UPLOAD_MORE, &raced_upload, ERR_IGNORED);
    return store_upload_delete(s->inner, id, e);
}

static void a_request_that_comes_while_a_session_is_cancelled_does_not_revive_it(void **state)
{
    (void)state;
    raced_id = begun();
    world_patch_store(&w)->upload_delete = open_while_deleting;
    assert_ok(upload_cancel(opened(&raced_id), ERR_IGNORED));
    assert_int_not_equal(raced_code, ERR_OK);
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN, try_open(&raced_id));
    assert_no_sessions();
}

/* jib and others: a PATCH without Content-Range that is cut, and then the whole body once more.
 */
static void a_body_that_is_sent_again_as_a_whole_is_taken(void **state)
{
    struct uuid id = begun();
    struct digest d = sha256_of(STR("hello world"));
    struct upload *u = opened(&id);
    bool repeated = false;

    (void)state;
    assert_ok(append(u, STR("hello w")));
    upload_close(u);
    u = opened(&id);
    assert_ok(append(u, STR("hello world")));
    upload_close(u);
    assert_ok(upload_finish(opened(&id), &d, &repeated, ERR_IGNORED));
    assert_true(repeated);
    assert_true(blob_readable(&w, "library/busybox", &d));
    assert_no_sessions();
}

static void a_body_sent_again_with_another_digest_ends_the_session(void **state)
{
    struct uuid id = begun();
    struct digest d = sha256_of(STR("hello there"));
    struct upload *u = opened(&id);

    (void)state;
    assert_ok(append(u, STR("hello w")));
    assert_ok(append(u, STR("hello world")));
    assert_code(ERR_DIGEST_INVALID, upload_finish(u, &d, NULL, ERR_IGNORED));
    assert_no_sessions();
}

static enum err_code was_finished(const struct repo_name *r, const char *owner,
                                  const struct uuid *id, const struct digest *d)
{
    return upload_was_finished(w.r, r, owner, id, d, ERR_IGNORED);
}

/* A session that became the blob "hello". */
static struct uuid finished(struct digest *ret_digest)
{
    struct uuid id = begun();
    struct upload *u = opened(&id);

    w.conf->registry.upload_timeout_ms = HOUR_MS;
    *ret_digest = sha256_of(STR("hello"));
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN, was_finished(&repo, OWNER, &id, ret_digest));
    assert_ok(append(u, STR("hello")));
    assert_ok(upload_finish(u, ret_digest, NULL, ERR_IGNORED));
    return id;
}

static void what_was_finished_is_remembered_for_its_owner_and_repository(void **state)
{
    struct digest d, other = sha256_of(STR("hallo"));
    struct repo_name elsewhere = repo_of("else/where");
    struct uuid id = finished(&d);

    (void)state;
    assert_ok(was_finished(&repo, OWNER, &id, &d));
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN, was_finished(&repo, OWNER, &id, &other));
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN, was_finished(&repo, "mallory", &id, &d));
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN, was_finished(&elsewhere, OWNER, &id, &d));
}

static void what_was_finished_is_remembered_by_another_process(void **state)
{
    struct digest d;
    struct uuid id = finished(&d);

    (void)state;
    world_restart(&w);
    assert_ok(was_finished(&repo, OWNER, &id, &d));
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN, was_finished(&repo, "mallory", &id, &d));
    assert_ok(upload_load_all(w.r, ERR_IGNORED));
    assert_no_sessions();
}

static void what_was_finished_is_remembered_as_long_as_a_session(void **state)
{
    struct digest d;
    struct uuid id = finished(&d);

    (void)state;
    assert_ok(upload_sweep(w.r, ERR_IGNORED));
    assert_ok(was_finished(&repo, OWNER, &id, &d));
    w.conf->registry.upload_timeout_ms = (uint64_t)-1000;
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN, was_finished(&repo, OWNER, &id, &d));
    assert_ok(upload_sweep(w.r, ERR_IGNORED));
    w.conf->registry.upload_timeout_ms = HOUR_MS;
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN, was_finished(&repo, OWNER, &id, &d));
    assert_true(blob_readable(&w, "library/busybox", &d));
}

static void what_was_finished_and_deleted_is_not_remembered(void **state)
{
    struct digest d;
    struct uuid id = finished(&d);

    (void)state;
    assert_ok(remove_blob(w.r, &repo, &d, ERR_IGNORED));
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN, was_finished(&repo, OWNER, &id, &d));
}

static void a_held_session_is_unknown_to_strangers_not_busy(void **state)
{
    struct uuid id = begun();
    struct upload *u = opened(&id), *stolen;

    (void)state;
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN,
                upload_open(w.r, &repo, "mallory", &id, UPLOAD_MORE, &stolen, ERR_IGNORED));
    upload_close(u);
}

static int64_t used_ms_of(const struct uuid *id)
{
    struct meta_upload info;
    uint64_t offset_bytes;
    int64_t used_ms;
    bool busy;

    assert_true(session_peek(w.r->uploads, id, &info, &offset_bytes, &busy, &used_ms));
    return used_ms;
}

static void a_session_is_not_renewed_by_strangers(void **state)
{
    struct uuid id = begun();
    int64_t used_ms = used_ms_of(&id);
    struct upload *stolen;

    (void)state;
    while (clock_mono_ms() <= used_ms)
        continue;
    assert_code(ERR_BLOB_UPLOAD_UNKNOWN,
                upload_open(w.r, &repo, "mallory", &id, UPLOAD_MORE, &stolen, ERR_IGNORED));
    assert_int_equal(used_ms_of(&id), used_ms);
}

static void sessions_of_before_a_restart_count(void **state)
{
    struct uuid id;

    (void)state;
    begun();
    begun();
    world_restart(&w);
    assert_ok(upload_load_all(w.r, ERR_IGNORED));
    assert_int_equal(session_count(w.r->uploads), 2);
    w.conf->limits.uploads = 2;
    assert_code(ERR_TOO_MANY_REQUESTS,
                upload_begin(w.r, &repo, OWNER, DIGEST_SHA256, &id, ERR_IGNORED));
}

int main(void)
{
#define TEST(f)    cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define ON_DISK(f) cmocka_unit_test_setup_teardown(f, set_up_disk, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_blob_in_two_chunks_is_readable),
        TEST(an_empty_blob_is_a_blob),
        ON_DISK(a_session_can_be_resumed_by_another_process),
        ON_DISK(a_session_finished_right_after_a_restart_is_hashed_again),
        TEST(a_session_belongs_to_its_owner),
        TEST(a_session_belongs_to_its_repository),
        TEST(what_was_never_begun_is_unknown),
        TEST(a_held_session_is_busy_for_others),
        TEST(a_digest_that_does_not_match_ends_the_session),
        TEST(cancelling_leaves_nothing),
        TEST(the_algorithm_may_change_at_the_end),
        TEST(the_algorithm_may_be_known_before_the_first_byte),
        TEST(what_came_of_a_chunk_before_the_client_left_is_kept),
        TEST(a_full_store_takes_the_chunk_back_and_another_try_succeeds),
        TEST(a_store_that_is_full_in_the_middle_of_a_chunk_takes_all_of_it_back),
        TEST(whatever_fails_in_a_chunk_the_session_stays_true),
        TEST(a_finish_that_failed_can_be_tried_again),
        TEST(a_finish_whose_transaction_fails_once_is_done_all_the_same),
        TEST(a_finish_asks_meta_twice_and_once_when_the_blob_was_seen_nowhere),
        TEST(a_blob_that_was_seen_nowhere_is_found_once_another_repository_has_it),
        TEST(a_blob_that_is_mounted_is_not_nowhere),
        TEST(a_finish_whose_answer_from_meta_is_lost_is_known_for_done),
        TEST(a_finish_while_meta_is_away_can_be_tried_again),
        TEST(what_was_stored_is_not_linked_by_another_digest),
        TEST(a_chunk_past_the_limit_is_taken_back),
        TEST(a_limit_that_was_lowered_below_what_is_there_stops_the_session),
        TEST(there_are_only_so_many_sessions),
        TEST(a_session_that_could_not_be_made_leaves_nothing),
        TEST(a_session_whose_bytes_are_gone_is_forgotten),
        TEST(the_same_blob_may_be_pushed_twice),
        TEST(a_blob_of_another_repository_is_not_readable_here),
        TEST(a_body_that_is_sent_again_as_a_whole_is_taken),
        TEST(a_body_sent_again_with_another_digest_ends_the_session),
        TEST(what_was_finished_is_remembered_for_its_owner_and_repository),
        ON_DISK(what_was_finished_is_remembered_by_another_process),
        TEST(what_was_finished_is_remembered_as_long_as_a_session),
        TEST(a_blob_that_is_refused_leaves_nothing),
        TEST(a_blob_that_is_refused_keeps_the_one_that_was_there),
        TEST(a_mount_that_is_refused_leaves_nothing),
        TEST(what_was_finished_and_deleted_is_not_remembered),
        TEST(a_held_session_is_unknown_to_strangers_not_busy),
        TEST(a_session_is_not_renewed_by_strangers),
        ON_DISK(sessions_of_before_a_restart_count),
        TEST(a_request_that_comes_while_a_session_is_cancelled_does_not_revive_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
