#include "core/archive_session.h"

#include "base/clock.h"
#include "core/upload.h"
#include "jobs/jobs.h"
#include "support.h"

#include <stdio.h>

/* Sessions of archives: their records, what a crash leaves of them, and how they end. */

#define DATA STR("not an archive, but bytes")

static struct world w;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    world_add_jobs(&w);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static struct archive_session wanted(const char *owner, uint64_t length_bytes)
{
    struct archive_session s = {.repo = repo_of("team/app"), .length_bytes = length_bytes};

    snprintf(s.owner, sizeof(s.owner), "%s", owner);
    return s;
}

static struct archive_session begun(const char *owner, uint64_t length_bytes)
{
    struct archive_session s = wanted(owner, length_bytes);

    assert_ok(archive_session_begin(w.r, &s, NULL, ERR_IGNORED));
    return s;
}

/* As a request does it, up to its last step. */
static void append(const struct archive_session *s, struct str bytes)
{
    struct source from = source_of(bytes);
    struct upload *u;

    assert_ok(upload_open(w.r, &s->repo, s->owner, &s->upload, UPLOAD_MORE, &u, ERR_IGNORED));
    assert_ok(upload_append(u, &from.reader, BODY(bytes.n), ERR_IGNORED));
    upload_close(u);
}

static enum archive_state state_of(const struct archive_session *s)
{
    AUTO(archive_session) struct archive_session now = {0};

    assert_ok(archive_session_find(w.r, s->owner, &s->id, &now, ERR_IGNORED));
    return now.state;
}

static bool has_job(const struct archive_session *s)
{
    AUTO(meta_job) struct meta_job job = {0};

    return meta_job_get(w.meta, STR(ARCHIVE_SESSION_TAKE), str_of(s->key), &job, ERR_IGNORED) ==
           ERR_OK;
}

static void a_session_is_found_as_it_was_said(void **state)
{
    struct archive_session s = wanted("user:alice", UINT64_MAX);
    AUTO(archive_session) struct archive_session found = {0};

    (void)state;
    snprintf(s.image, sizeof(s.image), "team/a:1");
    snprintf(s.metadata, sizeof(s.metadata), "a YQ==");
    digest_of(DIGEST_SHA256, "x", 1, &s.digest);
    assert_ok(archive_session_begin(w.r, &s, NULL, ERR_IGNORED));
    assert_ok(archive_session_find(w.r, "user:alice", &s.id, &found, ERR_IGNORED));
    assert_string_equal(found.repo.text, "team/app");
    assert_string_equal(found.image, "team/a:1");
    assert_string_equal(found.metadata, "a YQ==");
    assert_digest_equal(&found.digest, &s.digest);
    assert_true(found.length_bytes == UINT64_MAX && found.tag.n == 0 && !found.is_direct);
}

static void to_others_there_is_none(void **state)
{
    struct archive_session s = begun("user:alice", 10), found;

    (void)state;
    assert_code(ERR_UPLOAD_UNKNOWN,
                archive_session_find(w.r, "user:bob", &s.id, &found, ERR_IGNORED));
    assert_code(ERR_UPLOAD_UNKNOWN, archive_session_find(w.r, "", &s.id, &found, ERR_IGNORED));
}

static void with_the_last_byte_comes_the_job(void **state)
{
    struct archive_session s = begun("user:alice", DATA.n);

    (void)state;
    append(&s, DATA);
    assert_false(has_job(&s));
    assert_ok(archive_session_advance(w.r, &s, DATA.n, ERR_IGNORED));
    assert_true(has_job(&s) && state_of(&s) == ARCHIVE_RECEIVED);
}

static void the_sweep_makes_good_a_last_byte_that_a_crash_kept_from_being_noted(void **state)
{
    struct archive_session s = begun("user:alice", DATA.n), more = begun("user:alice", DATA.n + 1);

    (void)state;
    append(&s, DATA);
    append(&more, DATA);
    assert_ok(archive_session_sweep(w.r, ERR_IGNORED));
    assert_true(has_job(&s) && state_of(&s) == ARCHIVE_RECEIVED);
    assert_false(has_job(&more));
    assert_int_equal(state_of(&more), ARCHIVE_RECEIVING);
}

static void what_has_expired_is_gone_with_its_bytes(void **state)
{
    struct archive_session s = begun("user:alice", DATA.n), found;

    (void)state;
    append(&s, str_sub(DATA, 0, 5));
    w.conf->registry.upload_timeout_ms = 0; /* it expires with its next use */
    assert_ok(archive_session_advance(w.r, &s, 5, ERR_IGNORED));
    assert_code(ERR_UPLOAD_UNKNOWN,
                archive_session_find(w.r, "user:alice", &s.id, &found, ERR_IGNORED));
    assert_int_equal(stored_uploads(&w), 1);
    assert_ok(archive_session_sweep(w.r, ERR_IGNORED));
    assert_int_equal(stored_uploads(&w), 0);
    assert_code(ERR_UPLOAD_UNKNOWN,
                archive_session_find_key(w.r, str_of(s.key), &found, ERR_IGNORED));
}

static void an_end_takes_the_place_of_the_session_once(void **state)
{
    const struct meta_op none = meta_op_record_delete(STR("none"), STR("none"), META_ANY);
    struct archive_session s = begun("user:alice", DATA.n);
    AUTO(archive_session) struct archive_session now = {0}, ended = {0};

    (void)state;
    append(&s, DATA);
    assert_ok(archive_session_advance(w.r, &s, DATA.n, ERR_IGNORED));
    assert_ok(archive_session_find(w.r, s.owner, &s.id, &now, ERR_IGNORED));
    assert_ok(archive_session_end(w.r, &now, 201, STR("{}"), none, ERR_IGNORED));
    assert_code(ERR_UPLOAD_UNKNOWN,
                archive_session_end(w.r, &now, 400, STR("[]"), none, ERR_IGNORED));
    assert_ok(archive_session_find(w.r, s.owner, &s.id, &ended, ERR_IGNORED));
    assert_int_equal(ended.state, ARCHIVE_ENDED);
    assert_int_equal(ended.status, 201);
    assert_string_equal(ended.answer, "{}");
}

static void what_ended_takes_no_place_of_its_owner(void **state)
{
    const struct meta_op none = meta_op_record_delete(STR("none"), STR("none"), META_ANY);
    struct archive_session s = begun("user:alice", DATA.n), more = wanted("user:alice", 5);
    AUTO(archive_session) struct archive_session now = {0};

    (void)state;
    w.conf->registry.archives.sessions = 1;
    assert_code(ERR_TOO_MANY_REQUESTS, archive_session_begin(w.r, &more, NULL, ERR_IGNORED));
    begun("user:bob", 5);
    assert_ok(archive_session_find(w.r, s.owner, &s.id, &now, ERR_IGNORED));
    assert_ok(archive_session_end(w.r, &now, 201, STR("{}"), none, ERR_IGNORED));
    assert_ok(archive_session_begin(w.r, &more, NULL, ERR_IGNORED));
}

static void a_session_that_is_being_written_to_is_not_removed(void **state)
{
    struct archive_session s = begun("user:alice", DATA.n);
    struct upload *u;

    (void)state;
    assert_ok(upload_open(w.r, &s.repo, s.owner, &s.upload, UPLOAD_MORE, &u, ERR_IGNORED));
    assert_code(ERR_UPLOAD_BUSY, archive_session_remove(w.r, &s, ERR_IGNORED));
    upload_close(u);
    assert_ok(archive_session_remove(w.r, &s, ERR_IGNORED));
    assert_int_equal(stored_uploads(&w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_session_is_found_as_it_was_said),
        TEST(to_others_there_is_none),
        TEST(with_the_last_byte_comes_the_job),
        TEST(the_sweep_makes_good_a_last_byte_that_a_crash_kept_from_being_noted),
        TEST(what_has_expired_is_gone_with_its_bytes),
        TEST(an_end_takes_the_place_of_the_session_once),
        TEST(what_ended_takes_no_place_of_its_owner),
        TEST(a_session_that_is_being_written_to_is_not_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
