#include "core/referrers.h"

#include "base/buf.h"
#include "base/mem.h"
#include "core/manifest.h"
#include "support.h"

#define REPO "library/busybox"

static struct world w;
static struct repo_name repo;
static struct digest subject;
static struct buf seen; /* digests of the rows, each with a newline */
static size_t room;     /* rows that are taken */

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    repo = repo_of(REPO);
    subject = image_put(&w, REPO, "the subject", "latest");
    buf_init(&seen, 1 << 24);
    room = SIZE_MAX;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_done(&seen);
    world_done(&w);
    return 0;
}

/* An artifact of its own, told apart by text; about: digest of its subject, "" for none. */
static char *artifact_json(const char *text, const char *type, const char *about)
{
    char *json;
    struct digest config = blob_put(&w, REPO, STR("{}"));
    char link[512] = "";

    if (about[0])
        snprintf(link, sizeof(link),
                 ",\"subject\":{\"mediaType\":\"a/b\",\"digest\":\"%s\",\"size\":1}", about);
    assert_true(asprintf(&json,
                         "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\","
                         "\"artifactType\":\"%s\",\"config\":{\"mediaType\":\"a/b\",\"digest\":"
                         "\"%s\",\"size\":2},\"layers\":[],\"annotations\":{\"text\":\"%s\"}%s}",
                         type, config.text, text, link) > 0);
    return json;
}

static struct digest artifact_put(const char *text, const char *type, const char *about)
{
    AUTO(mem) char *json = artifact_json(text, type, about);
    struct err e = {0};
    struct digest d;

    assert_ok(manifest_push(&w, REPO, json, NULL, &d, &e));
    return d;
}

/* The index of the referrers tag schema, of these descriptors. */
static void fallback_put(const char *descriptors)
{
    AUTO(mem) char *json = NULL;
    struct tag_name tag;
    struct err e = {0};
    struct digest d;

    w.conf->registry.sparse_indexes = true;
    referrers_tag(&subject, &tag);
    assert_true(asprintf(&json,
                         "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\","
                         "\"manifests\":[%s]}",
                         descriptors) > 0);
    assert_ok(manifest_push(&w, REPO, json, tag.text, &d, &e));
}

static void add_descriptor(struct buf *b, const struct digest *d, size_t size, const char *type)
{
    buf_addf(b,
             "%s{\"mediaType\":\"" MEDIA_OCI_MANIFEST
             "\",\"digest\":\"%s\",\"size\":%zu,\"artifactType\":\"%s\","
             "\"annotations\":{\"from\":\"fallback\"}}",
             b->n ? "," : "", d->text, size, type);
}

/* An index under the tag that lists one manifest so many times. */
static void fallback_lists(const struct digest *d, size_t size, int times)
{
    AUTO(buf) struct buf index = {0};

    buf_init(&index, 1 << 16);
    for (int i = 0; i < times; i++)
        add_descriptor(&index, d, size, "x/y");
    fallback_put(buf_text(&index));
}

static size_t manifest_bytes(const struct digest *d)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    assert_ok(meta_manifest_by_digest(w.r->meta, &repo, d, &m, ERR_IGNORED));
    return m->bytes.n;
}

static struct meta_referrer last;

static bool take(void *ctx, const struct meta_referrer *row)
{
    size_t *n = ctx;

    if (*n == room)
        return false;
    (*n)++;
    buf_addf(&seen, "%s\n", row->digest.text);
    last = *row;
    last.media_type = last.artifact_type = last.annotations_json = NULL;
    return true;
}

/* How many rows there are on the page; what they are is in seen. */
static size_t list(const char *type, const char *after, size_t limit, bool *ret_more)
{
    struct referrers_query q = {.repo = &repo,
                                .subject = &subject,
                                .artifact_type = str_of(type),
                                .after = str_of(after),
                                .limit = limit};
    struct err e = {0};
    size_t n = 0;

    assert_ok(referrers_each(w.r, &q, take, &n, ret_more, &e));
    return n;
}

static bool has_seen(const struct digest *d)
{
    return strstr(buf_text(&seen), d->text) != NULL;
}

/* All pages of that size; the digests come once each and in order. */
static size_t list_all(const char *type, size_t limit)
{
    char after[DIGEST_TEXT_MAX + 1] = "";
    size_t total = 0, n;
    bool more = true;

    while (more) {
        n = list(type, after, limit, &more);
        total += n;
        if (!more)
            break;
        assert_true(n > 0);
        assert_true(strcmp(last.digest.text, after) > 0);
        memcpy(after, last.digest.text, sizeof(after));
    }
    return total;
}

static void the_tag_is_algorithm_and_hex(void **state)
{
    struct tag_name tag;
    struct digest d;

    (void)state;
    d = sha256_of(STR("hello"));
    referrers_tag(&d, &tag);
    assert_string_equal(tag.text,
                        "sha256-2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert_int_equal(tag.n, strlen(tag.text));
}

/* dist-spec "Referrers Tag Schema": the hex is cut at 64 characters. */
static void the_tag_of_sha512_is_cut(void **state)
{
    struct tag_name tag;
    struct digest d;

    (void)state;
    digest_of(DIGEST_SHA512, "hello", 5, &d);
    referrers_tag(&d, &tag);
    assert_int_equal(tag.n, 7 + 64);
    assert_true(tag_name_valid(tag_name_str(&tag)));
}

static void what_has_no_referrers_has_an_empty_list(void **state)
{
    bool more = true;

    (void)state;
    assert_int_equal(list("", "", 10, &more), 0);
    assert_false(more);
}

static void a_repository_that_is_not_there_has_an_empty_list(void **state)
{
    bool more = true;

    (void)state;
    repo = repo_of("no/such");
    assert_int_equal(list("", "", 10, &more), 0);
    assert_false(more);
}

static void manifests_with_the_subject_are_listed(void **state)
{
    struct digest a = artifact_put("a", "x/y", subject.text), b;
    struct digest elsewhere = sha256_of(STR("elsewhere"));
    bool more;

    (void)state;
    b = artifact_put("b", "x/y", elsewhere.text);
    assert_int_equal(list("", "", 10, &more), 1);
    assert_true(has_seen(&a));
    assert_false(has_seen(&b));
}

static void a_deleted_referrer_is_not_listed(void **state)
{
    struct digest a = artifact_put("a", "x/y", subject.text);
    struct meta_op op = meta_op_manifest_delete(&repo, &a, META_ANY);
    bool more;

    (void)state;
    assert_ok(meta_commit(w.r->meta, &op, 1, 0, NULL, ERR_IGNORED));
    assert_int_equal(list("", "", 10, &more), 0);
}

static void the_artifact_type_filters(void **state)
{
    struct digest a = artifact_put("a", "x/y", subject.text), b;
    bool more;

    (void)state;
    b = artifact_put("b", "x/z", subject.text);
    assert_int_equal(list("x/z", "", 10, &more), 1);
    assert_false(has_seen(&a));
    assert_true(has_seen(&b));
}

static void pages_hold_all_rows_once(void **state)
{
    char text[16];

    (void)state;
    for (int i = 0; i < 30; i++) {
        snprintf(text, sizeof(text), "%d", i);
        artifact_put(text, i % 2 ? "x/y" : "x/z", subject.text);
    }
    for (size_t limit = 1; limit < 35; limit++)
        assert_int_equal(list_all("", limit), 30);
    assert_int_equal(list_all("x/y", 4), 15);
}

static void a_full_page_tells_that_there_is_more(void **state)
{
    bool more;

    (void)state;
    artifact_put("a", "x/y", subject.text);
    artifact_put("b", "x/y", subject.text);
    assert_int_equal(list("", "", 1, &more), 1);
    assert_true(more);
    assert_int_equal(list("", "", 2, &more), 2);
    assert_false(more);
}

static void a_caller_without_room_ends_the_page(void **state)
{
    bool more;

    (void)state;
    artifact_put("a", "x/y", subject.text);
    artifact_put("b", "x/y", subject.text);
    room = 1;
    assert_int_equal(list("", "", 10, &more), 1);
    assert_true(more);
}

/* The fallback index. */

static void what_the_fallback_index_lists_counts(void **state)
{
    struct digest a = artifact_put("a", "x/y", subject.text), b = artifact_put("b", "x/y", "");
    bool more;

    (void)state;
    fallback_lists(&b, manifest_bytes(&b), 1);
    assert_int_equal(list("", "", 10, &more), 2);
    assert_true(has_seen(&a));
    assert_true(has_seen(&b));
    assert_false(more);
}

static void what_is_in_both_is_listed_once(void **state)
{
    struct digest a = artifact_put("a", "x/y", subject.text);
    bool more;

    (void)state;
    fallback_lists(&a, manifest_bytes(&a), 2);
    assert_int_equal(list("", "", 10, &more), 1);
}

static void what_the_fallback_index_lists_twice_is_listed_once(void **state)
{
    struct digest b = artifact_put("b", "x/y", "");
    bool more;

    (void)state;
    fallback_lists(&b, manifest_bytes(&b), 2);
    assert_int_equal(list("", "", 10, &more), 1);
}

static void a_listed_manifest_that_is_not_here_does_not_count(void **state)
{
    struct digest nowhere = sha256_of(STR("nowhere"));
    bool more;

    (void)state;
    fallback_lists(&nowhere, 7, 1);
    assert_int_equal(list("", "", 10, &more), 0);
    assert_false(more);
}

static void a_listed_manifest_with_another_subject_does_not_count(void **state)
{
    struct digest elsewhere = sha256_of(STR("elsewhere")),
                  b = artifact_put("b", "x/y", elsewhere.text);
    bool more;

    (void)state;
    fallback_lists(&b, manifest_bytes(&b), 1);
    assert_int_equal(list("", "", 10, &more), 0);
}

static void the_artifact_type_filters_the_fallback_index(void **state)
{
    struct digest b = artifact_put("b", "x/y", "");
    bool more;

    (void)state;
    fallback_lists(&b, manifest_bytes(&b), 1);
    assert_int_equal(list("x/z", "", 10, &more), 0);
    assert_int_equal(list("x/y", "", 10, &more), 1);
}

static void an_image_under_the_tag_is_no_fallback_index(void **state)
{
    struct tag_name tag;
    bool more;

    (void)state;
    referrers_tag(&subject, &tag);
    image_put(&w, REPO, "someone's image", tag.text);
    assert_int_equal(list("", "", 10, &more), 0);
}

static void pages_of_both_hold_all_rows_once(void **state)
{
    AUTO(buf) struct buf index = {0};
    char text[16];

    (void)state;
    buf_init(&index, 1 << 20);
    for (int i = 0; i < 40; i++) {
        struct digest d, nowhere;

        snprintf(text, sizeof(text), "%d", i);
        d = artifact_put(text, "x/y", i % 2 ? subject.text : "");
        if (i % 2 == 0 || i % 3 == 0)
            add_descriptor(&index, &d, manifest_bytes(&d), "x/y");
        nowhere = sha256_of(str_of(text));
        add_descriptor(&index, &nowhere, 7, "x/y");
    }
    fallback_put(buf_text(&index));
    for (size_t limit = 1; limit < 45; limit++)
        assert_int_equal(list_all("", limit), 40);
}

static size_t lookups;

static enum err_code counted(struct meta *m, const struct repo_name *name, const struct digest *d,
                             struct meta_manifest **ret_manifest, struct err *e)
{
    lookups++;
    return meta_manifest_by_digest(m->inner, name, d, ret_manifest, e);
}

/* A page costs as much as its rows, not as much as the whole index. */
static void a_page_looks_at_no_more_of_the_fallback_index_than_it_needs(void **state)
{
    AUTO(buf) struct buf index = {0};
    char text[16];
    bool more;

    (void)state;
    buf_init(&index, 1 << 20);
    for (int i = 0; i < 100; i++) {
        struct digest d;

        snprintf(text, sizeof(text), "%d", i);
        d = artifact_put(text, "x/y", "");
        add_descriptor(&index, &d, manifest_bytes(&d), "x/y");
    }
    fallback_put(buf_text(&index));
    world_patch_meta(&w)->manifest_by_digest = counted;
    lookups = 0;
    assert_int_equal(list("", "", 10, &more), 10);
    assert_true(more);
    assert_true(lookups <= 11);
}

static void an_error_of_meta_comes_up(void **state)
{
    struct referrers_query q = {.repo = &repo, .subject = &subject, .limit = 10};
    size_t n = 0;
    bool more;

    (void)state;
    for (uint64_t i = 1; i <= 2; i++) {
        world_fail_meta(&w, i, ERR_UNAVAILABLE);
        assert_code(ERR_UNAVAILABLE, referrers_each(w.r, &q, take, &n, &more, ERR_IGNORED));
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tag_is_algorithm_and_hex),
        cmocka_unit_test(the_tag_of_sha512_is_cut),
        TEST(what_has_no_referrers_has_an_empty_list),
        TEST(a_repository_that_is_not_there_has_an_empty_list),
        TEST(manifests_with_the_subject_are_listed),
        TEST(a_deleted_referrer_is_not_listed),
        TEST(the_artifact_type_filters),
        TEST(pages_hold_all_rows_once),
        TEST(a_full_page_tells_that_there_is_more),
        TEST(a_caller_without_room_ends_the_page),
        TEST(what_the_fallback_index_lists_counts),
        TEST(what_is_in_both_is_listed_once),
        TEST(what_the_fallback_index_lists_twice_is_listed_once),
        TEST(a_listed_manifest_that_is_not_here_does_not_count),
        TEST(a_listed_manifest_with_another_subject_does_not_count),
        TEST(the_artifact_type_filters_the_fallback_index),
        TEST(an_image_under_the_tag_is_no_fallback_index),
        TEST(pages_of_both_hold_all_rows_once),
        TEST(a_page_looks_at_no_more_of_the_fallback_index_than_it_needs),
        TEST(an_error_of_meta_comes_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
