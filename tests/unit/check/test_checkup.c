#include "check/checkup.h"

#include "base/clock.h"
#include "check/deep.h"
#include "check/mend.h"
#include "check/usage.h"
#include "unit/core/support.h"

#include <stdlib.h>

#define REPO "library/busybox"

static struct world w;
static struct repo_name repo;
static struct check_finding found_list[32];
static size_t n_found;
static void (*when_found)(void);

static int set_up(void **state)
{
    (void)state;
    n_found = 0;
    repo = repo_of(REPO);
    w.conf->registry.upload_timeout_ms = (uint64_t)-60000; /* all there is is old */
    return 0;
}

static int set_up_memory(void **state)
{
    world_in_memory(&w);
    return set_up(state);
}

static int set_up_shared(void **state)
{
    world_remote(&w);
    return set_up(state);
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static enum err_code found(void *ctx, const struct check_finding *f, bool mended, struct err *e)
{
    (void)ctx, (void)mended, (void)e;
    assert_true(n_found < sizeof(found_list) / sizeof(found_list[0]));
    found_list[n_found++] = *f;
    return ERR_OK;
}

static enum err_code check_with(int64_t settle_ms, struct check_counts *ret_counts)
{
    const struct check_options o = {.registry = w.r, .settle_ms = settle_ms, .found = found};

    n_found = 0;
    return check_run(&o, ret_counts, ERR_IGNORED);
}

static void check(void)
{
    struct check_counts counts;

    assert_ok(check_with(0, &counts));
    assert_int_equal(counts.findings, n_found);
}

static void assert_found(enum check_code code)
{
    check();
    assert_int_equal(n_found, 1);
    assert_string_equal(check_kinds[found_list[0].code].name, check_kinds[code].name);
}

static void what_was_pushed_is_whole(void **state)
{
    struct check_counts counts;

    (void)state;
    image_put(&w, REPO, "one", "v1");
    image_put(&w, "other", "one", "v1");
    assert_ok(check_with(0, &counts));
    assert_int_equal(n_found, 0);
    assert_int_equal(counts.blobs, 4);
    assert_int_equal(counts.manifests, 2);
    assert_int_equal(counts.tags, 2);
}

static void a_blob_that_is_lost_is_told_with_its_image(void **state)
{
    struct digest blob = blob_put(&w, REPO, STR("config one"));
    struct digest image = image_put(&w, REPO, "one", "v1");
    struct meta_row_list edges = {0};

    (void)state;
    (void)blob;
    assert_ok(meta_rows(w.meta, META_ROW_EDGE, STR(""), 1, &edges, ERR_IGNORED));
    assert_ok(digest_parse(edges.rows[0].texts[2], &blob, ERR_IGNORED));
    meta_row_list_done(&edges);
    assert_ok(store_blob_delete(w.store, &repo, &blob, false, ERR_IGNORED));
    check();
    assert_int_equal(n_found, 2);
    assert_int_equal(found_list[0].code, CHECK_BLOB_MISSING);
    assert_digest_equal(&found_list[0].digest, &blob);
    assert_int_equal(found_list[1].code, CHECK_IMAGE_INCOMPLETE);
    assert_digest_equal(&found_list[1].digest, &image);
    assert_digest_equal(&found_list[1].other, &blob);
}

static void a_blob_without_a_row_is_told(void **state)
{
    struct digest d = blob_put(&w, REPO, STR("bytes"));
    struct meta_op op = meta_op_blob_lose(&repo, &d);

    (void)state;
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    assert_found(CHECK_BLOB_UNKNOWN);
    assert_digest_equal(&found_list[0].digest, &d);
}

static void a_blob_that_waits_to_be_deleted_is_no_fault(void **state)
{
    struct digest d = blob_put(&w, REPO, STR("bytes"));
    struct meta_op op =
        meta_op_blob_unlink(&repo, &d, (struct meta_removal){.once = store_shared(w.store)});

    (void)state;
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    check();
    assert_int_equal(n_found, 0);
}

static void a_manifest_without_a_row_is_told(void **state)
{
    struct digest d = sha256_of(STR("{}"));

    (void)state;
    assert_ok(store_manifest_put(w.store, &repo, &d, STR("{}"), ERR_IGNORED));
    assert_found(CHECK_MANIFEST_UNKNOWN);
}

static void a_tag_that_leads_elsewhere_is_told_once(void **state)
{
    struct tag_name tag = tag_of("v1");
    struct digest other = sha256_of(STR("other"));

    (void)state;
    image_put(&w, REPO, "one", "v1");
    assert_ok(store_tag_put(w.store, &repo, &tag, &other, ERR_IGNORED));
    while (pending_projections(&w) > 0) {
        struct meta_projection p;
        struct meta_op op;
        size_t n;

        assert_ok(meta_projections(w.meta, STR(""), &p, 1, &n, ERR_IGNORED));
        op = meta_op_projection_done(&p.repo, &p.tag, p.version);
        assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    }
    assert_found(CHECK_TAG_DIFFERS);
    assert_string_equal(found_list[0].tag.text, "v1");
}

static void a_tag_that_is_still_to_be_carried_is_no_fault(void **state)
{
    struct tag_name tag = tag_of("v1");

    (void)state;
    image_put(&w, REPO, "one", "v1");
    assert_int_equal(pending_projections(&w), 1);
    assert_ok(store_tag_delete(w.store, &repo, &tag, ERR_IGNORED));
    check();
    assert_int_equal(n_found, 0);
}

/* ---- changes in progress */

static struct digest late;

/* The push whose blob was in the store before its row commits. */
static enum err_code link_late(struct store *s, const struct repo_name *in, const struct digest *d,
                               uint64_t *ret_size_bytes, struct err *e)
{
    struct meta_op op = meta_op_blob_link(&repo, &late, 5);

    if (when_found)
        assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    when_found = NULL;
    return store_blob_stat(s->inner, in, d, ret_size_bytes, e);
}

static void nothing(void)
{
}

static void a_push_that_ends_during_the_second_look_is_no_fault(void **state)
{
    struct meta_op op;

    (void)state;
    late = blob_put(&w, REPO, STR("bytes"));
    op = meta_op_blob_lose(&repo, &late);
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    world_patch_store(&w)->blob_stat = link_late;
    when_found = nothing;
    check();
    assert_int_equal(n_found, 0);
    assert_null(when_found);
}

static void a_fault_is_told_when_it_has_stood_for_long_enough(void **state)
{
    struct digest d = sha256_of(STR("{}"));
    struct check_counts counts;
    int64_t since_ms = clock_mono_ms();

    (void)state;
    assert_ok(store_manifest_put(w.store, &repo, &d, STR("{}"), ERR_IGNORED));
    assert_ok(check_with(150, &counts));
    assert_int_equal(n_found, 1);
    assert_true(clock_mono_ms() - since_ms >= 150);
}

static void nothing_is_waited_for_where_nothing_is_doubtful(void **state)
{
    struct check_counts counts;
    int64_t since_ms = clock_mono_ms();

    (void)state;
    image_put(&w, REPO, "one", "v1");
    assert_ok(check_with(3600 * 1000, &counts));
    assert_true(clock_mono_ms() - since_ms < 600 * 1000);
}

/* ---- damage and repair */

static bool goes_on(void *ctx, uint64_t bytes)
{
    (void)ctx, (void)bytes;
    return true;
}

static enum err_code at_page(void *ctx, const char *place, struct err *e)
{
    (void)ctx, (void)e;
    assert_true(place[0]);
    return ERR_OK;
}

static enum err_code mend(void *ctx, const struct check_finding *list, size_t n, bool *ret_mended,
                          struct err *e)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        TRY(mend_finding(w.r, &list[i], &ret_mended[i], e));
    return ERR_OK;
}

static void check_deep(bool repair, struct check_counts *ret_counts)
{
    const struct check_options o = {.registry = w.r,
                                    .deep = true,
                                    .deep_goes_on = goes_on,
                                    .deep_page = at_page,
                                    .mend = repair ? mend : NULL,
                                    .found = found};

    n_found = 0;
    assert_ok(check_run(&o, ret_counts, ERR_IGNORED));
}

static void store_as(const struct digest *d, struct str bytes)
{
    struct store_upload *u;
    struct uuid id;
    uint64_t size;

    uuid_make(&id);
    assert_ok(store_upload_create(w.store, &id, ERR_IGNORED));
    assert_ok(store_upload_open(w.store, &id, &u, &size, ERR_IGNORED));
    assert_ok(store_upload_write(w.store, u, bytes.p, bytes.n, 0, ERR_IGNORED));
    assert_ok(store_upload_commit(w.store, u, &repo, d, NULL, ERR_IGNORED));
    assert_ok(store_upload_delete(w.store, &id, ERR_IGNORED));
}

/* As many bytes as it had, under its name. */
static void damage(const struct digest *d, struct str bytes)
{
    assert_ok(store_blob_delete(w.store, &repo, d, false, ERR_IGNORED));
    store_as(d, bytes);
}

static void a_damaged_blob_is_found_by_reading_and_goes(void **state)
{
    struct digest d = blob_put(&w, REPO, STR("good"));
    struct check_counts counts;

    (void)state;
    damage(&d, STR("evil"));
    check();
    assert_int_equal(n_found, 0);
    check_deep(false, &counts);
    assert_int_equal(n_found, 1);
    assert_int_equal(found_list[0].code, CHECK_BLOB_CORRUPT);
    assert_int_equal(counts.mended, 0);
    check_deep(true, &counts);
    assert_int_equal(counts.mended, 1);
    assert_false(blob_readable(&w, REPO, &d));
    check_deep(false, &counts);
    assert_int_equal(n_found, 0);
    blob_put(&w, REPO, STR("good"));
    assert_true(blob_readable(&w, REPO, &d));
    check_deep(false, &counts);
    assert_int_equal(n_found, 0);
}

static void what_all_repositories_share_goes_from_all(void **state)
{
    struct digest d = blob_put(&w, REPO, STR("good"));
    struct check_counts counts;

    (void)state;
    blob_put(&w, "other", STR("good"));
    damage(&d, STR("evil"));
    check_deep(true, &counts);
    assert_int_equal(counts.findings, 1);
    assert_int_equal(counts.mended, 1);
    assert_false(blob_readable(&w, REPO, &d));
    assert_false(blob_readable(&w, "other", &d));
}

/* A push by another process, which has answered just before the row goes. */
static struct digest healed; /* n is 0: it was */

static void store_again(const struct digest *d)
{
    (void)!store_blob_delete(w.store, &repo, d, false, ERR_IGNORED);
    store_as(d, STR("good"));
}

static enum err_code heal_first(struct meta *m, const struct meta_op *ops, size_t n, unsigned flags,
                                size_t *ret_failed, struct err *e)
{
    const struct digest d = healed;

    healed.n = 0;
    if (ops[0].kind != META_BLOB_LOSE)
        healed = d;
    else if (d.n > 0)
        store_again(&d);
    return meta_commit(m->inner, ops, n, flags, ret_failed, e);
}

static void assert_healed(const struct digest *d)
{
    struct check_counts counts;

    healed = *d;
    world_patch_meta(&w)->commit = heal_first;
    check_deep(true, &counts);
    assert_int_equal(healed.n, 0);
    assert_true(blob_readable(&w, REPO, d));
    assert_true(blob_readable(&w, "other", d));
    check_deep(false, &counts);
    assert_int_equal(n_found, 0);
}

static void who_heals_a_damaged_blob_meanwhile_keeps_it(void **state)
{
    struct digest d = blob_put(&w, REPO, STR("good"));

    (void)state;
    blob_put(&w, "other", STR("good"));
    damage(&d, STR("evil"));
    assert_healed(&d);
}

static void who_heals_a_lost_blob_meanwhile_keeps_it(void **state)
{
    struct digest d = blob_put(&w, REPO, STR("good"));

    (void)state;
    blob_put(&w, "other", STR("good"));
    assert_ok(store_blob_delete(w.store, &repo, &d, false, ERR_IGNORED));
    assert_healed(&d);
}

static void a_finding_comes_back_from_the_key_of_its_job(void **state)
{
    struct check_finding f = {.code = CHECK_TAG_DIFFERS, .repo = repo, .tag = tag_of("v1")}, back;
    char key[MEND_KEY_MAX], path[FINDING_SUBJECT_MAX];

    (void)state;
    mend_key(&f, key);
    assert_string_equal(key, "tag-differs " REPO " - v1 -");
    assert_true(mend_key_parse(str_of(key), &back, path, sizeof(path)));
    assert_int_equal(back.code, f.code);
    assert_string_equal(back.repo.text, REPO);
    assert_string_equal(back.tag.text, "v1");
    assert_null(back.path);
    f = (struct check_finding){.code = CHECK_PERMISSIONS, .path = "a path/with blanks"};
    mend_key(&f, key);
    assert_true(mend_key_parse(str_of(key), &back, path, sizeof(path)));
    assert_string_equal(back.path, f.path);
}

static void what_is_no_key_of_a_job_is_none(void **state)
{
    static const char *const texts[] = {"", "tag-differs", "no-such a - - -",
                                        "tag-differs NO - v1 -", "blob-missing a sha256:1 - -"};
    struct check_finding f;
    char path[FINDING_SUBJECT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(mend_key_parse(str_of(texts[i]), &f, path, sizeof(path)));
}

static void reading_rests_for_no_more_than_its_rate(void **state)
{
    (void)state;
    assert_int_equal(deep_rest_ms(0, 1 << 30, 0), 0);
    assert_int_equal(deep_rest_ms(1000, 500, 100), 400);
    assert_int_equal(deep_rest_ms(1000, 500, 600), 0);
    assert_int_equal(deep_rest_ms(1ull << 40, 1ull << 50, 0), 1024 * 1000);
}

/* ---- trouble */

static void any_call_of_the_store_that_fails_ends_the_check(void **state)
{
    struct check_counts counts;
    uint64_t calls;

    (void)state;
    image_put(&w, REPO, "one", "v1");
    world_fail_store(&w, 0, ERR_OK);
    assert_ok(check_with(0, &counts));
    calls = store_fault_calls(w.store);
    assert_true(calls > 0);
    for (uint64_t n = 1; n <= calls; n++) {
        world_fail_store(&w, n, ERR_INTERNAL);
        assert_code(ERR_INTERNAL, check_with(0, &counts));
        assert_int_equal(n_found, 0);
    }
}

static enum err_code bad_sector(struct store *s, const struct repo_name *in, const struct digest *d,
                                uint64_t known_bytes, struct reader **ret_reader,
                                uint64_t *ret_size_bytes, struct err *e)
{
    if (digest_eq(d, &late))
        return err_set(e, ERR_INTERNAL, "read: Input/output error");
    return store_blob_open(s->inner, in, d, known_bytes, ret_reader, ret_size_bytes, e);
}

static void a_blob_that_cannot_be_read_is_told_and_the_others_are_read(void **state)
{
    struct digest d = blob_put(&w, REPO, STR("good"));
    struct check_counts counts;

    (void)state;
    late = blob_put(&w, REPO, STR("on a bad sector"));
    damage(&d, STR("evil"));
    world_patch_store(&w)->blob_open = bad_sector;
    check_deep(true, &counts);
    assert_int_equal(n_found, 2);
    for (size_t i = 0; i < n_found; i++) {
        bool unreadable = digest_eq(&found_list[i].digest, &late);

        assert_int_equal(found_list[i].code, unreadable ? CHECK_UNREADABLE : CHECK_BLOB_CORRUPT);
        if (unreadable)
            assert_string_equal(found_list[i].detail, "read: Input/output error");
    }
    assert_int_equal(counts.mended, 1);
    assert_false(blob_readable(&w, REPO, &d));
    world_patch_store(&w)->blob_open = NULL;
    assert_true(blob_readable(&w, REPO, &late));
}

static int looks;

static enum err_code away(struct store *s, const struct repo_name *in, const struct digest *d,
                          uint64_t known_bytes, struct reader **ret_reader,
                          uint64_t *ret_size_bytes, struct err *e)
{
    (void)s, (void)in, (void)d, (void)known_bytes, (void)ret_reader, (void)ret_size_bytes;
    return err_set(e, ERR_UNAVAILABLE, "the server is away");
}

/* When the room was looked at, and not afterwards. */
static enum err_code healthy_once(struct store *s, struct store_health *ret_health, struct err *e)
{
    if (looks++ > 0)
        return err_set(e, ERR_UNAVAILABLE, "the server is away");
    return store_health(s->inner, ret_health, e);
}

static void a_server_that_refuses_many_and_is_there_does_not_end_the_reading(void **state)
{
    struct check_counts counts;

    (void)state;
    for (char i = 'a'; i < 'a' + 20; i++)
        blob_put(&w, REPO, (struct str){&i, 1});
    world_patch_store(&w)->blob_open = away;
    check_deep(false, &counts);
    assert_int_equal(n_found, 20);
}

static void a_server_that_is_away_ends_the_reading(void **state)
{
    const struct check_options o = {.registry = w.r,
                                    .deep = true,
                                    .deep_goes_on = goes_on,
                                    .deep_page = at_page,
                                    .found = found};
    struct check_counts counts;
    struct store_driver *driver;

    (void)state;
    looks = 0;
    for (char i = 'a'; i < 'a' + 20; i++)
        blob_put(&w, REPO, (struct str){&i, 1});
    driver = world_patch_store(&w);
    driver->blob_open = away;
    driver->health = healthy_once;
    assert_code(ERR_UNAVAILABLE, check_run(&o, &counts, ERR_IGNORED));
}

static void sums_that_drifted_are_counted_anew(void **state)
{
    struct meta_row drifted = {
        .kind = META_ROW_REPO, .texts = {STR(REPO)}, .ints = {3, 0, 1000, 7}};
    struct meta_op op = meta_op_row_add(&drifted);
    struct check_counts counts;
    struct meta_usage usage;

    (void)state;
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    image_put(&w, REPO, "one", "v1");
    image_put(&w, "other", "one", "v1");
    assert_found(CHECK_USAGE_DRIFTED);
    assert_string_equal(found_list[0].repo.text, REPO);
    assert_non_null(strstr(found_list[0].detail, "said to hold 4 manifests, 8 tags, "));
    check_deep(true, &counts);
    assert_int_equal(counts.mended, 1);
    assert_ok(meta_usage(w.meta, STR(REPO), &usage, ERR_IGNORED));
    assert_int_equal(usage.tags, 1);
    check();
    assert_int_equal(n_found, 0);
}

static void what_is_written_to_while_it_is_counted_is_not_judged(void **state)
{
    const struct meta_row before = {
        .kind = META_ROW_REPO, .texts = {STR(REPO)}, .ints = {1, 1, 10, 1}};
    struct meta_row after = before;
    struct meta_repo_sums counted;
    struct usage usage;

    (void)state;
    usage_init(&usage);
    usage_see(&usage, &before);
    usage_count(&usage, STR(REPO), (struct meta_repo_sums){1, 10, 1});
    assert_false(usage_drifted(&usage, &before, &counted));
    usage_count(&usage, STR(REPO), (struct meta_repo_sums){.bytes = 5});
    assert_true(usage_drifted(&usage, &before, &counted));
    assert_int_equal(counted.bytes, 15);
    after.ints[2] = 20;
    assert_false(usage_drifted(&usage, &after, &counted));
    usage_done(&usage);
}

int main(void)
{
#define IN(setup, test)                                                                            \
    {                                                                                              \
#test " (" #setup ")", test, set_up_##setup, tear_down, NULL                               \
    }
    const struct CMUnitTest tests[] = {
        IN(memory, what_was_pushed_is_whole),
        IN(shared, what_was_pushed_is_whole),
        IN(memory, a_blob_that_is_lost_is_told_with_its_image),
        IN(shared, a_blob_that_is_lost_is_told_with_its_image),
        IN(memory, a_blob_without_a_row_is_told),
        IN(shared, a_blob_without_a_row_is_told),
        IN(memory, a_blob_that_waits_to_be_deleted_is_no_fault),
        IN(shared, a_blob_that_waits_to_be_deleted_is_no_fault),
        IN(memory, a_manifest_without_a_row_is_told),
        IN(memory, a_tag_that_leads_elsewhere_is_told_once),
        IN(memory, a_tag_that_is_still_to_be_carried_is_no_fault),
        IN(memory, a_push_that_ends_during_the_second_look_is_no_fault),
        IN(memory, a_fault_is_told_when_it_has_stood_for_long_enough),
        IN(memory, nothing_is_waited_for_where_nothing_is_doubtful),
        IN(memory, a_damaged_blob_is_found_by_reading_and_goes),
        IN(shared, a_damaged_blob_is_found_by_reading_and_goes),
        IN(shared, what_all_repositories_share_goes_from_all),
        IN(shared, who_heals_a_damaged_blob_meanwhile_keeps_it),
        IN(shared, who_heals_a_lost_blob_meanwhile_keeps_it),
        IN(memory, a_finding_comes_back_from_the_key_of_its_job),
        IN(memory, what_is_no_key_of_a_job_is_none),
        IN(memory, reading_rests_for_no_more_than_its_rate),
        IN(memory, a_blob_that_cannot_be_read_is_told_and_the_others_are_read),
        IN(shared, a_blob_that_cannot_be_read_is_told_and_the_others_are_read),
        IN(shared, a_server_that_refuses_many_and_is_there_does_not_end_the_reading),
        IN(shared, a_server_that_is_away_ends_the_reading),
        IN(memory, sums_that_drifted_are_counted_anew),
        IN(memory, what_is_written_to_while_it_is_counted_is_not_judged),
        IN(memory, any_call_of_the_store_that_fails_ends_the_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
