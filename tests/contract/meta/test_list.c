/* Lists and their pages, uploads and projections. */
#include "base/cleanup.h"
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>

static struct meta_name_list repos_page(struct fixture *f, const char *after, size_t limit)
{
    struct meta_name_list l = {0};

    assert_ok(meta_repos(f->m, str_of(after), limit, &l, &f->e));
    return l;
}

static struct meta_name_list tags_page(struct fixture *f, const char *repo, const char *after,
                                       size_t limit)
{
    struct repo_name r = repo_of(repo);
    struct meta_name_list l = {0};

    assert_ok(meta_tags(f->m, &r, str_of(after), limit, &l, &f->e));
    return l;
}

/* Asserts the page's names, given with a closing NULL, and whether it says that more follow. */
static void assert_page(struct meta_name_list l, bool more, const char *const *names)
{
    size_t n = 0;

    while (names[n])
        n++;
    assert_names(&l, n, names);
    assert_int_equal(l.more, more);
    meta_name_list_done(&l);
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void repositories_are_listed_bytewise_with_pages(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"b", "a/b", "a-b", "a", "a.b", "a0", "c/d/e"};

    assert_page(repos_page(f, "", 10), false, NAMES());
    for (size_t i = 0; i < 7; i++)
        assert_ok(put(f, names[i], "m"));
    assert_page(repos_page(f, "", 10), false, NAMES("a", "a-b", "a.b", "a/b", "a0", "b", "c/d/e"));
    assert_page(repos_page(f, "", 7), false, NAMES("a", "a-b", "a.b", "a/b", "a0", "b", "c/d/e"));
    assert_page(repos_page(f, "", 6), true, NAMES("a", "a-b", "a.b", "a/b", "a0", "b"));
    assert_page(repos_page(f, "a.b", 2), true, NAMES("a/b", "a0"));
    assert_page(repos_page(f, "a.c", 1), true, NAMES("a/b"));
    assert_page(repos_page(f, "b", 1), false, NAMES("c/d/e"));
    assert_page(repos_page(f, "c/d/e", 5), false, NAMES());
    assert_page(repos_page(f, "zzz", 5), false, NAMES());
    assert_page(repos_page(f, "", SIZE_MAX), false,
                NAMES("a", "a-b", "a.b", "a/b", "a0", "b", "c/d/e"));
}

static void a_repository_without_manifests_is_not_listed(void **state)
{
    struct fixture *f = *state;

    assert_ok(blob_link(f, "blobs-only", "layer"));
    assert_ok(put(f, "a", "one"));
    assert_ok(put(f, "a", "two"));
    assert_page(repos_page(f, "", 10), false, NAMES("a"));
    assert_ok(delete_manifest(f, "a", "one"));
    assert_page(repos_page(f, "", 10), false, NAMES("a"));
    assert_ok(delete_manifest(f, "a", "two"));
    assert_page(repos_page(f, "", 10), false, NAMES());
    assert_ok(put(f, "a", "two"));
    assert_ok(put(f, "a", "two"));
    assert_page(repos_page(f, "", 10), false, NAMES("a"));
    assert_ok(delete_manifest(f, "a", "two"));
    assert_page(repos_page(f, "", 10), false, NAMES());
}

static void tags_are_listed_bytewise_with_pages(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"v1", "V1", "v10", "_x", "0", "v1.0", "v1-0", "latest"};

    assert_ok(put(f, "a", "m"));
    assert_page(tags_page(f, "a", "", 10), false, NAMES());
    for (size_t i = 0; i < 8; i++)
        assert_ok(set_tag(f, "a", names[i], "m", META_ABSENT));
    assert_page(tags_page(f, "a", "", 10), false,
                NAMES("0", "V1", "_x", "latest", "v1", "v1-0", "v1.0", "v10"));
    assert_page(tags_page(f, "a", "", 8), false,
                NAMES("0", "V1", "_x", "latest", "v1", "v1-0", "v1.0", "v10"));
    assert_page(tags_page(f, "a", "", 1), true, NAMES("0"));
    assert_page(tags_page(f, "a", "_x", 3), true, NAMES("latest", "v1", "v1-0"));
    assert_page(tags_page(f, "a", "v1.0", 1), false, NAMES("v10"));
    assert_page(tags_page(f, "a", "not there", 2), true, NAMES("v1", "v1-0"));
    assert_page(tags_page(f, "a", "v10", 2), false, NAMES());
}

static void tags_of_an_unknown_repository_are_an_error(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct meta_name_list l;

    assert_int_equal(meta_tags(f->m, &r, STR(""), 1, &l, &f->e), ERR_NAME_UNKNOWN);
    assert_ok(blob_link(f, "a", "layer"));
    assert_page(tags_page(f, "a", "", 1), false, NAMES());
}

static struct meta_name_list tags_of(struct fixture *f, const char *text, const char *after,
                                     size_t limit)
{
    struct repo_name r = repo_of("a");
    struct digest d = digest_for(text);
    struct meta_name_list l = {0};

    assert_ok(meta_manifest_tags(f->m, &r, &d, str_of(after), limit, &l, NULL, &f->e));
    return l;
}

static void tags_of_a_manifest_are_listed_with_pages(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"v1", "V1", "latest", "_x"};

    assert_page(tags_of(f, "m", "", 10), false, NAMES());
    assert_ok(put(f, "b", "m"));
    assert_ok(set_tag(f, "b", "elsewhere", "m", META_ABSENT));
    assert_page(tags_of(f, "m", "", 10), false, NAMES());
    assert_ok(put(f, "a", "m"));
    assert_ok(put(f, "a", "n"));
    assert_ok(set_tag(f, "a", "of-another", "n", META_ABSENT));
    assert_page(tags_of(f, "m", "", 10), false, NAMES());
    for (size_t i = 0; i < 4; i++)
        assert_ok(set_tag(f, "a", names[i], "m", META_ABSENT));
    assert_page(tags_of(f, "m", "", 4), false, NAMES("V1", "_x", "latest", "v1"));
    assert_page(tags_of(f, "m", "", 1), true, NAMES("V1"));
    assert_page(tags_of(f, "m", "_x", 1), true, NAMES("latest"));
    assert_page(tags_of(f, "m", "latest", 1), false, NAMES("v1"));
    assert_page(tags_of(f, "m", "v1", 1), false, NAMES());
}

static void a_page_of_nothing_is_refused(void **state)
{
    struct fixture *f = *state;
    struct meta_name_list l;

    assert_int_equal(meta_repos(f->m, STR(""), 0, &l, &f->e), ERR_INTERNAL);
}

#define MANY      100000
#define MANY_FAR  5000 /* on a server, where each costs a round trip or two */
#define AT_A_TIME 1000

static size_t many(void)
{
    if (fixture_is_dynamodb())
        return fixture_rounds(MANY_FAR);
    return str_starts(str_of(fixture_driver()), STR("postgresql")) ? MANY_FAR : MANY;
}

static size_t at_a_time(void)
{
    return fixture_is_dynamodb() ? fixture_rounds(AT_A_TIME) : AT_A_TIME;
}

static void tag_number(size_t i, char dst[static 16])
{
    snprintf(dst, 16, "t%06zu", i);
}

static void assert_is_tag(const char *name, size_t i)
{
    char text[16];

    tag_number(i, text);
    assert_string_equal(name, text);
}

static void set_many_tags(struct fixture *f, const struct repo_name *r, const struct digest *d)
{
    static struct tag_name tags[AT_A_TIME];
    static struct meta_op ops[AT_A_TIME];
    const size_t n = at_a_time();

    for (size_t i = 0; i < many(); i += n) {
        for (size_t k = 0; k < n; k++) {
            char text[16];

            tag_number(i + k, text);
            tags[k] = tag_of(text);
            ops[k] = meta_op_tag_set(r, &tags[k], d, META_ABSENT);
        }
        assert_ok(meta_commit(f->m, ops, n, META_LAZY, NULL, &f->e));
    }
}

static void many_tags_are_listed_and_deleted(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = digest_for("m");
    struct meta_name_list l;
    static struct meta_projection rows[10];
    const size_t n = at_a_time();
    char after[16];

    assert_ok(put(f, "a", "m"));
    set_many_tags(f, &r, &d);
    tag_number(2 * n - 1, after);
    l = tags_page(f, "a", after, n);
    assert_int_equal(l.n, n);
    assert_true(l.more);
    assert_is_tag(l.names[0], 2 * n);
    assert_is_tag(l.names[n - 1], 3 * n - 1);
    meta_name_list_done(&l);
    tag_number(many() - n - 1, after);
    l = tags_page(f, "a", after, n);
    assert_int_equal(l.n, n);
    assert_false(l.more);
    meta_name_list_done(&l);

    assert_ok(delete_manifest(f, "a", "m"));
    assert_page(tags_page(f, "a", "", 1), false, NAMES());
    assert_int_equal(pending(f, rows, 10), 10);
    for (size_t i = 0; i < 10; i++)
        assert_true(rows[i].deleted);
}

static struct meta_referrer_list referrers_page(struct fixture *f, const char *subject,
                                                const char *type, struct str after, size_t limit)
{
    struct repo_name r = repo_of("a");
    struct digest s = digest_for(subject);
    struct meta_referrer_list l = {0};

    assert_ok(meta_referrers(f->m, &r, &s, str_of(type), after, limit, &l, &f->e));
    return l;
}

static void a_referrer_is_listed_with_all_it_says(void **state)
{
    struct fixture *f = *state;
    struct meta_referrer_list l;
    struct digest d = digest_for("signature");

    assert_ok(put_referrer(f, "a", "signature", "image", "application/sig", "{\"k\":\"v\"}"));
    assert_ok(put_referrer(f, "b", "other", "image", "application/sig", ""));
    l = referrers_page(f, "image", "", STR(""), 10);
    assert_int_equal(l.n, 1);
    assert_false(l.more);
    assert_true(digest_eq(&l.rows[0].digest, &d));
    assert_int_equal(l.rows[0].size_bytes, strlen("signature"));
    assert_string_equal(l.rows[0].media_type, "application/vnd.oci.image.manifest.v1+json");
    assert_string_equal(l.rows[0].artifact_type, "application/sig");
    assert_string_equal(l.rows[0].annotations_json, "{\"k\":\"v\"}");
    meta_referrer_list_done(&l);
}

static void referrers_of_nothing_are_an_empty_list(void **state)
{
    struct fixture *f = *state;
    struct meta_referrer_list l = referrers_page(f, "image", "", STR(""), 10);

    assert_int_equal(l.n, 0);
    assert_false(l.more);
    meta_referrer_list_done(&l);
}

static void a_referrer_without_type_and_annotations_has_empty_ones(void **state)
{
    struct fixture *f = *state;
    struct meta_referrer_list l;

    assert_ok(put_referrer(f, "a", "x", "image", "", ""));
    l = referrers_page(f, "image", "", STR(""), 10);
    assert_int_equal(l.n, 1);
    assert_string_equal(l.rows[0].artifact_type, "");
    assert_string_equal(l.rows[0].annotations_json, "");
    meta_referrer_list_done(&l);
}

static void deleting_a_referrer_takes_its_row(void **state)
{
    struct fixture *f = *state;
    struct meta_referrer_list l;

    assert_ok(put(f, "a", "image"));
    assert_ok(put_referrer(f, "a", "one", "image", "t", ""));
    assert_ok(put_referrer(f, "a", "two", "image", "t", ""));
    assert_ok(delete_manifest(f, "a", "one"));
    l = referrers_page(f, "image", "", STR(""), 10);
    assert_int_equal(l.n, 1);
    meta_referrer_list_done(&l);
    assert_ok(delete_manifest(f, "a", "image")); /* a subject may go: its referrers stay */
    l = referrers_page(f, "image", "", STR(""), 10);
    assert_int_equal(l.n, 1);
    meta_referrer_list_done(&l);
}

/* 25 referrers, every fifth a signature. */
static void put_many_referrers(struct fixture *f)
{
    for (int i = 0; i < 25; i++) {
        char text[16];

        snprintf(text, sizeof(text), "referrer %d", i);
        assert_ok(put_referrer(f, "a", text, "image", i % 5 ? "sbom" : "sig", ""));
    }
}

/* All pages of a type; asserts that digests ascend. */
static size_t count_referrers(struct fixture *f, const char *type, size_t limit)
{
    char last[DIGEST_TEXT_MAX + 1] = "";
    size_t n = 0;
    bool more;

    do {
        struct meta_referrer_list l = referrers_page(f, "image", type, str_of(last), limit);

        assert_true(l.n <= limit);
        for (size_t i = 0; i < l.n; i++) {
            assert_true(strcmp(last, l.rows[i].digest.text) < 0);
            strcpy(last, l.rows[i].digest.text);
            if (*type)
                assert_string_equal(l.rows[i].artifact_type, type);
        }
        n += l.n;
        more = l.more;
        assert_true(l.n == limit || !more);
        meta_referrer_list_done(&l);
    } while (more);
    return n;
}

static void referrers_are_filtered_and_paged(void **state)
{
    struct fixture *f = *state;

    put_many_referrers(f);
    for (size_t limit = 1; limit <= 26; limit++) {
        assert_int_equal(count_referrers(f, "", limit), 25);
        assert_int_equal(count_referrers(f, "sig", limit), 5);
        assert_int_equal(count_referrers(f, "sbom", limit), 20);
        assert_int_equal(count_referrers(f, "none", limit), 0);
    }
}

static void a_page_of_large_referrers_ends_early(void **state)
{
    struct fixture *f = *state;
    AUTO(mem) char *annotations = malloc((1 << 20) + 1);
    struct meta_referrer_list l;

    memset(annotations, 'x', 1 << 20);
    annotations[1 << 20] = '\0';
    for (int i = 0; i < 8; i++)
        assert_ok(put_referrer(f, "a", (char[]){(char)('a' + i), 0}, "image", "t", annotations));
    l = referrers_page(f, "image", "", STR(""), 100);
    assert_in_range(l.n, 1, 5);
    assert_true(l.more);
    meta_referrer_list_done(&l);
}

static struct meta_upload upload_at(int64_t started_ms, const char *owner)
{
    struct meta_upload u = {
        .repo = repo_of("not/there/yet"), .algorithm = DIGEST_SHA512, .started_ms = started_ms};

    uuid_make(&u.id);
    assert_true(str_copy(str_of(owner), u.owner, sizeof(u.owner)));
    return u;
}

static int64_t take(struct fixture *f, const struct meta_upload *u)
{
    int64_t turn = -1;

    assert_ok(commit_one(f, meta_op_upload_take(u, &turn)));
    return turn;
}

static enum err_code finish(struct fixture *f, const struct meta_upload *u, int64_t turn,
                            const struct digest *d, int64_t at_ms)
{
    struct meta_upload seen = *u;

    seen.turn = turn;
    return commit_one(f, meta_op_upload_finish(&seen, d, at_ms));
}

static void an_upload_is_kept_as_it_was_made(void **state)
{
    struct fixture *f = *state;
    struct meta_upload u = upload_at(1234567890123, "user:\"alice\""), got;

    uuid_make(&u.holder);
    assert_int_equal(meta_upload_get(f->m, &u.id, &got, &f->e), ERR_BLOB_UPLOAD_UNKNOWN);
    assert_int_equal(take(f, &u), 1);
    assert_ok(meta_upload_get(f->m, &u.id, &got, &f->e));
    assert_string_equal(got.id.text, u.id.text);
    assert_string_equal(got.repo.text, "not/there/yet");
    assert_string_equal(got.owner, "user:\"alice\"");
    assert_int_equal(got.algorithm, DIGEST_SHA512);
    assert_int_equal(got.started_ms, 1234567890123);
    assert_string_equal(got.holder.text, u.holder.text);
    assert_int_equal(got.turn, 1);
    assert_false(got.over);
}

static void an_upload_that_is_taken_again_has_another_holder_and_the_next_turn(void **state)
{
    struct fixture *f = *state;
    struct meta_upload u = upload_at(500, "user:alice"), again = u, got;

    uuid_make(&again.holder);
    again.started_ms = 600;
    again.algorithm = DIGEST_SHA256;
    assert_int_equal(take(f, &u), 1);
    assert_int_equal(take(f, &again), 2);
    assert_ok(meta_upload_get(f->m, &u.id, &got, &f->e));
    assert_string_equal(got.holder.text, again.holder.text);
    assert_int_equal(got.turn, 2);
    assert_int_equal(got.started_ms, 500);
    assert_int_equal(got.algorithm, DIGEST_SHA512);
}

static void nobody_takes_what_is_of_another_repository_or_owner(void **state)
{
    struct fixture *f = *state;
    struct meta_upload u = upload_at(500, "user:alice"), other = u, got;

    assert_int_equal(take(f, &u), 1);
    other.repo = repo_of("another");
    assert_int_equal(take(f, &other), 0);
    other = u;
    assert_true(str_copy(STR("user:bob"), other.owner, sizeof(other.owner)));
    assert_int_equal(take(f, &other), 0);
    assert_ok(meta_upload_get(f->m, &u.id, &got, &f->e));
    assert_int_equal(got.turn, 1);
}

static void an_upload_that_is_finished_is_known_for_what_it_became(void **state)
{
    struct fixture *f = *state;
    struct meta_upload u = upload_at(500, "user:alice"), got;
    struct digest d = digest_for("layer");
    struct meta_finished finished;

    assert_int_equal(take(f, &u), 1);
    assert_int_equal(meta_upload_finished(f->m, &u.id, &finished, &f->e), ERR_BLOB_UPLOAD_UNKNOWN);
    assert_ok(finish(f, &u, 1, &d, 1234567890123));
    assert_ok(meta_upload_finished(f->m, &u.id, &finished, &f->e));
    assert_string_equal(finished.repo.text, "not/there/yet");
    assert_string_equal(finished.owner, "user:alice");
    assert_string_equal(finished.digest.text, d.text);
    assert_int_equal(finished.finished_ms, 1234567890123);
    assert_ok(meta_upload_get(f->m, &u.id, &got, &f->e));
    assert_true(got.over);
}

static void only_who_has_the_last_turn_finishes(void **state)
{
    struct fixture *f = *state;
    struct meta_upload u = upload_at(500, "user:alice");
    struct digest d = digest_for("layer"), other = digest_for("other");
    struct meta_finished finished;

    take(f, &u);
    take(f, &u);
    assert_int_equal(finish(f, &u, 1, &d, 600), ERR_CONFLICT);
    assert_int_equal(finish(f, &u, 0, &d, 600), ERR_CONFLICT);
    assert_ok(finish(f, &u, 2, &d, 600));
    assert_int_equal(finish(f, &u, 2, &other, 700), ERR_CONFLICT);
    assert_ok(meta_upload_finished(f->m, &u.id, &finished, &f->e));
    assert_string_equal(finished.digest.text, d.text);
}

static void a_blob_of_an_upload_that_somebody_took_is_not_linked(void **state)
{
    struct fixture *f = *state;
    struct meta_upload u = upload_at(500, "user:alice");
    struct digest d = digest_for("layer");
    struct meta_op ops[2] = {meta_op_upload_finish(&u, &d, 600), meta_op_blob_link(&u.repo, &d, 5)};
    size_t failed = 9;
    bool there;

    take(f, &u);
    assert_int_equal(meta_commit(f->m, ops, 2, 0, &failed, &f->e), ERR_CONFLICT);
    assert_int_equal(failed, 0);
    assert_ok(meta_repo_exists(f->m, &u.repo, &there, &f->e));
    assert_false(there);
    u.turn = 1;
    assert_ok(commit(f, ops, 2));
    assert_ok(meta_repo_exists(f->m, &u.repo, &there, &f->e));
    assert_true(there);
}

static enum err_code not_expected(void *ctx, const struct meta_upload *u, struct err *e)
{
    (void)ctx;
    return err_set(e, ERR_INTERNAL, "%s is no open upload", u->id.text);
}

static void an_upload_that_is_over_is_neither_visited_nor_taken(void **state)
{
    struct fixture *f = *state;
    struct meta_upload u = upload_at(500, ""), nothing = upload_at(501, ""), got;
    struct digest d = digest_for("layer");
    struct meta_finished finished;

    take(f, &u);
    take(f, &nothing);
    assert_ok(finish(f, &u, 1, &d, 600));
    assert_ok(finish(f, &nothing, 1, NULL, 600));
    assert_ok(meta_uploads_each(f->m, 1000, not_expected, NULL, &f->e));
    assert_int_equal(take(f, &u), 0);
    assert_int_equal(take(f, &nothing), 0);
    assert_ok(meta_upload_finished(f->m, &u.id, &finished, &f->e));
    assert_int_equal(meta_upload_finished(f->m, &nothing.id, &finished, &f->e),
                     ERR_BLOB_UPLOAD_UNKNOWN);
    assert_ok(meta_upload_get(f->m, &nothing.id, &got, &f->e));
    assert_true(got.over);
}

static void uploads_that_are_over_are_forgotten_by_their_age(void **state)
{
    struct fixture *f = *state;
    struct meta_upload open = upload_at(1, ""), old = upload_at(2, ""), late = upload_at(3, "");
    struct digest d = digest_for("layer");
    struct meta_finished finished;
    struct meta_upload got;

    take(f, &open);
    take(f, &old);
    take(f, &late);
    assert_ok(finish(f, &old, 1, &d, 599));
    assert_ok(finish(f, &late, 1, &d, 600));
    assert_ok(commit_one(f, meta_op_finished_prune(600)));
    assert_int_equal(meta_upload_finished(f->m, &old.id, &finished, &f->e),
                     ERR_BLOB_UPLOAD_UNKNOWN);
    assert_int_equal(meta_upload_get(f->m, &old.id, &got, &f->e), ERR_BLOB_UPLOAD_UNKNOWN);
    assert_ok(meta_upload_finished(f->m, &late.id, &finished, &f->e));
    assert_ok(meta_upload_get(f->m, &open.id, &got, &f->e));
}

static void an_upload_that_nobody_took_is_finished_all_the_same(void **state)
{
    struct fixture *f = *state;
    struct meta_upload u = upload_at(500, "user:alice");
    struct digest d = digest_for("layer");
    struct meta_finished finished;

    assert_ok(finish(f, &u, 0, &d, 600));
    assert_ok(meta_upload_finished(f->m, &u.id, &finished, &f->e));
    assert_string_equal(finished.digest.text, d.text);
    assert_string_equal(finished.owner, "user:alice");
}

struct sweep {
    struct fixture *f;
    size_t n;
    enum err_code answer;
};

static enum err_code sweep_one(void *ctx, const struct meta_upload *u, struct err *e)
{
    struct sweep *s = ctx;

    s->n++;
    assert_true(u->started_ms < 1000);
    if (s->answer != ERR_OK)
        return err_set(e, s->answer, "stop");
    return commit_one(s->f, meta_op_upload_finish(u, NULL, 2000));
}

static void old_uploads_are_visited_and_may_be_ended(void **state)
{
    struct fixture *f = *state;
    struct sweep s = {.f = f};

    for (int i = 0; i < 300; i++) { /* several of them at the same time: more than a page */
        struct meta_upload u = upload_at(i % 3 ? 500 : 1000 + i, "");

        assert_int_equal(take(f, &u), 1);
    }
    assert_ok(meta_uploads_each(f->m, 1000, sweep_one, &s, &f->e));
    assert_int_equal(s.n, 200);
    assert_ok(meta_uploads_each(f->m, 1000, sweep_one, &s, &f->e));
    assert_int_equal(s.n, 200);
}

static void visiting_uploads_stops_at_the_first_error(void **state)
{
    struct fixture *f = *state;
    struct sweep s = {.f = f, .answer = ERR_TIMEOUT};

    for (int i = 0; i < 3; i++) {
        struct meta_upload u = upload_at(i, "");

        assert_int_equal(take(f, &u), 1);
    }
    assert_int_equal(meta_uploads_each(f->m, 1000, sweep_one, &s, &f->e), ERR_TIMEOUT);
    assert_int_equal(s.n, 1);
}

static enum err_code projected(struct fixture *f, const struct meta_projection *p, int64_t version)
{
    return commit_one(f, meta_op_projection_done(&p->repo, &p->tag, version));
}

static void every_change_of_a_tag_is_pending_until_done(void **state)
{
    struct fixture *f = *state;
    struct digest d = digest_for("m");
    struct meta_projection rows[8];

    assert_ok(put(f, "a", "m"));
    assert_int_equal(pending(f, rows, 8), 0);
    assert_ok(set_tag(f, "a", "one", "m", META_ANY));
    assert_ok(set_tag(f, "a", "two", "m", META_ANY));
    assert_int_equal(pending(f, rows, 8), 2);
    assert_string_equal(rows[0].repo.text, "a");
    assert_string_equal(rows[0].tag.text, "one");
    assert_false(rows[0].deleted);
    assert_true(digest_eq(&rows[0].digest, &d));
    assert_int_equal(rows[0].version, version_of(f, "a", "one"));
    assert_string_equal(rows[1].tag.text, "two");
    assert_ok(projected(f, &rows[0], rows[0].version));
    assert_int_equal(pending(f, rows, 8), 1);
    assert_string_equal(rows[0].tag.text, "two");
    assert_ok(projected(f, &rows[0], rows[0].version));
    assert_ok(projected(f, &rows[0], rows[0].version));
    assert_int_equal(pending(f, rows, 8), 0);
}

static void only_the_last_change_of_a_tag_is_pending(void **state)
{
    struct fixture *f = *state;
    struct digest d = digest_for("new");
    struct meta_projection first[8], rows[8];

    assert_ok(put(f, "a", "old"));
    assert_ok(put(f, "a", "new"));
    assert_ok(set_tag(f, "a", "t", "old", META_ANY));
    assert_int_equal(pending(f, first, 8), 1);
    assert_ok(set_tag(f, "a", "t", "new", META_ANY));
    assert_ok(projected(f, &first[0], first[0].version)); /* late: something newer is pending */
    assert_int_equal(pending(f, rows, 8), 1);
    assert_true(rows[0].version > first[0].version);
    assert_true(digest_eq(&rows[0].digest, &d));
    assert_ok(projected(f, &rows[0], rows[0].version));
    assert_int_equal(pending(f, rows, 8), 0);
}

static void deletions_of_tags_are_pending_too(void **state)
{
    struct fixture *f = *state;
    struct meta_projection rows[8];
    int64_t version;

    assert_ok(put(f, "a", "m"));
    assert_ok(set_tag(f, "a", "t", "m", META_ANY));
    version = version_of(f, "a", "t");
    assert_ok(delete_tag(f, "a", "t", META_ANY));
    assert_int_equal(pending(f, rows, 8), 1);
    assert_true(rows[0].deleted);
    assert_true(rows[0].version > version);
    assert_ok(projected(f, &rows[0], rows[0].version));

    assert_ok(set_tag(f, "a", "one", "m", META_ANY));
    assert_int_equal(pending(f, rows, 8), 1);
    version = rows[0].version;
    assert_ok(projected(f, &rows[0], version));
    assert_ok(set_tag(f, "a", "two", "m", META_ANY));
    assert_ok(delete_manifest(f, "a", "m"));
    assert_int_equal(pending(f, rows, 8), 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(rows[i].deleted);
        assert_true(rows[i].version > version);
    }
}

static void pending_projections_come_oldest_first_and_bounded(void **state)
{
    struct fixture *f = *state;
    struct meta_projection rows[4];

    assert_ok(put(f, "b", "m"));
    assert_ok(put(f, "a", "m"));
    assert_ok(set_tag(f, "b", "z", "m", META_ANY));
    assert_ok(set_tag(f, "a", "y", "m", META_ANY));
    assert_ok(set_tag(f, "b", "x", "m", META_ANY));
    assert_int_equal(pending(f, rows, 2), 2);
    assert_string_equal(rows[0].tag.text, "z");
    assert_string_equal(rows[1].tag.text, "y");
    assert_int_equal(pending(f, rows, 4), 3);
    assert_string_equal(rows[2].tag.text, "x");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(repositories_are_listed_bytewise_with_pages),
        TEST(a_repository_without_manifests_is_not_listed),
        TEST(tags_are_listed_bytewise_with_pages),
        TEST(tags_of_an_unknown_repository_are_an_error),
        TEST(tags_of_a_manifest_are_listed_with_pages),
        TEST(a_page_of_nothing_is_refused),
        TEST(many_tags_are_listed_and_deleted),
        TEST(a_referrer_is_listed_with_all_it_says),
        TEST(referrers_of_nothing_are_an_empty_list),
        TEST(a_referrer_without_type_and_annotations_has_empty_ones),
        TEST(deleting_a_referrer_takes_its_row),
        TEST(referrers_are_filtered_and_paged),
        TEST(a_page_of_large_referrers_ends_early),
        TEST(an_upload_is_kept_as_it_was_made),
        TEST(an_upload_that_is_taken_again_has_another_holder_and_the_next_turn),
        TEST(nobody_takes_what_is_of_another_repository_or_owner),
        TEST(an_upload_that_is_finished_is_known_for_what_it_became),
        TEST(only_who_has_the_last_turn_finishes),
        TEST(a_blob_of_an_upload_that_somebody_took_is_not_linked),
        TEST(an_upload_that_is_over_is_neither_visited_nor_taken),
        TEST(uploads_that_are_over_are_forgotten_by_their_age),
        TEST(an_upload_that_nobody_took_is_finished_all_the_same),
        TEST(old_uploads_are_visited_and_may_be_ended),
        TEST(visiting_uploads_stops_at_the_first_error),
        TEST(every_change_of_a_tag_is_pending_until_done),
        TEST(only_the_last_change_of_a_tag_is_pending),
        TEST(deletions_of_tags_are_pending_too),
        TEST(pending_projections_come_oldest_first_and_bounded),
    };

    fixture_choose(argc, argv);
    return cmocka_run_group_tests_name(fixture_driver(), tests, NULL, NULL);
}
