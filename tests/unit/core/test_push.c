#include "core/push.h"

#include "base/mem.h"
#include "core/manifest.h"
#include "core/pull.h"
#include "core/remove.h"
#include "core/url_rules.h"
#include "support.h"

#define REPO "library/busybox"

static struct world w;
static struct repo_name repo;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    repo = repo_of(REPO);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static char *index_json(const struct digest *child, size_t size_bytes, const char *type)
{
    char *json;

    assert_true(asprintf(&json,
                         "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\","
                         "\"manifests\":[{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}]}",
                         type, child->text, size_bytes) > 0);
    return json;
}

static bool manifest_stored(const struct digest *d)
{
    AUTO(buf) struct buf b = {0};

    buf_init(&b, 1 << 20);
    return store_manifest_get(w.r->store, &repo, d, &b, ERR_IGNORED) == ERR_OK;
}

static bool manifest_known(const struct digest *d)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct reference ref = digest_ref(d);

    return pull_manifest(w.r, &repo, &ref, &m, ERR_IGNORED) == ERR_OK;
}

/* Pushes the bytes with conditions, under one tag. */
static enum err_code push_if(const char *json, const char *tag, bool if_absent,
                             const struct digest *if_match)
{
    struct tag_name t = tag_of(tag);
    struct push p = {.repo = &repo,
                     .bytes = str_of(json),
                     .tags = &t,
                     .n_tags = 1,
                     .none_match = {.given = if_absent, .any = true},
                     .match = {.given = if_match, .digests = if_match, .n = 1}};
    struct pushed done;

    return push_manifest(w.r, &p, &done, ERR_IGNORED);
}

/* By somebody who may make tags, and move none. */
static enum err_code push_to_make(const char *json, const char *tag)
{
    struct tag_name t = tag_of(tag);
    bool create_only = true;
    struct push p = {
        .repo = &repo, .bytes = str_of(json), .tags = &t, .n_tags = 1, .create_only = &create_only};
    struct pushed done;

    return push_manifest(w.r, &p, &done, ERR_IGNORED);
}

static void the_bytes_come_back_as_they_were_pushed(void **state)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    AUTO(mem) char *json = image_json("{}", "layer", "   \n");
    struct reference ref = tag_ref("latest");
    struct err e = {0};
    struct digest d;

    (void)state;
    blob_put(&w, REPO, STR("{}"));
    blob_put(&w, REPO, STR("layer"));
    assert_ok(manifest_push(&w, REPO, json, "latest", &d, &e));
    assert_ok(pull_manifest(w.r, &repo, &ref, &m, &e));
    assert_true(str_eq(m->bytes, str_of(json)));
    assert_digest_equal(&m->digest, &d);
    assert_true(str_eq(m->media_type, STR(MEDIA_OCI_MANIFEST)));
    assert_true(manifest_stored(&d));
}

static void the_tag_is_carried_to_the_store(void **state)
{
    struct digest d = image_put(&w, REPO, "one", "latest"), there;

    (void)state;
    there = projected_tag(&w, REPO, "latest");
    assert_digest_equal(&there, &d);
}

static void a_missing_blob_is_told(void **state)
{
    AUTO(mem) char *json = image_json("{}", "layer", "");
    struct digest d, layer = sha256_of(STR("layer"));
    struct err e = {0};

    (void)state;
    blob_put(&w, REPO, STR("{}"));
    assert_code(ERR_MANIFEST_BLOB_UNKNOWN, manifest_push(&w, REPO, json, "latest", &d, &e));
    assert_true(e.public_detail);
    assert_non_null(strstr(e.detail, layer.text));
    assert_false(manifest_known(&d));
    assert_false(manifest_stored(&d));
}

static void a_blob_of_another_repository_is_missing_here(void **state)
{
    AUTO(mem) char *json = image_json("{}", "layer", "");
    struct digest d;

    (void)state;
    blob_put(&w, REPO, STR("{}"));
    blob_put(&w, "library/alpine", STR("layer"));
    assert_code(ERR_MANIFEST_BLOB_UNKNOWN,
                manifest_push(&w, REPO, json, "latest", &d, ERR_IGNORED));
}

static void a_missing_child_is_told(void **state)
{
    struct digest child = sha256_of(STR("no such manifest")), d;
    AUTO(mem) char *json = index_json(&child, 16, MEDIA_OCI_MANIFEST);

    (void)state;
    assert_code(ERR_MANIFEST_BLOB_UNKNOWN,
                manifest_push(&w, REPO, json, "latest", &d, ERR_IGNORED));
}

static void a_blob_is_no_child_manifest(void **state)
{
    struct digest child = blob_put(&w, REPO, STR("blob")), d;
    AUTO(mem) char *json = index_json(&child, 4, MEDIA_OCI_MANIFEST);

    (void)state;
    assert_code(ERR_MANIFEST_BLOB_UNKNOWN,
                manifest_push(&w, REPO, json, "latest", &d, ERR_IGNORED));
}

static void a_child_of_another_type_may_be_a_blob_or_a_manifest(void **state)
{
    struct digest blob = blob_put(&w, REPO, STR("blob")), image = image_put(&w, REPO, "i", NULL), d;
    AUTO(mem) char *image_text = image_json("i", "the layer of all", "");
    AUTO(mem) char *of_blob = index_json(&blob, 4, "application/vnd.example");
    AUTO(mem) char *of_image = index_json(&image, strlen(image_text), "application/vnd.example");

    (void)state;
    assert_ok(manifest_push(&w, REPO, of_blob, "a", &d, ERR_IGNORED));
    assert_ok(manifest_push(&w, REPO, of_image, "b", &d, ERR_IGNORED));
}

static void a_sparse_index_is_accepted_where_it_is_allowed(void **state)
{
    struct digest child = sha256_of(STR("no such manifest")), d;
    AUTO(mem) char *json = index_json(&child, 16, MEDIA_OCI_MANIFEST);

    (void)state;
    w.conf->registry.sparse_indexes = true;
    assert_ok(manifest_push(&w, REPO, json, "latest", &d, ERR_IGNORED));
}

static void a_sparse_index_does_not_allow_a_sparse_image(void **state)
{
    AUTO(mem) char *json = image_json("{}", "layer", "");
    struct digest d;

    (void)state;
    w.conf->registry.sparse_indexes = true;
    w.conf->registry.sparse_images = false;
    assert_code(ERR_MANIFEST_BLOB_UNKNOWN,
                manifest_push(&w, REPO, json, "latest", &d, ERR_IGNORED));
}

static void a_size_other_than_that_of_the_blob_is_refused(void **state)
{
    AUTO(mem) char *json = image_json("{}", "layer", "");
    struct err e = {0};
    struct digest d;
    char *size;

    (void)state;
    blob_put(&w, REPO, STR("{}"));
    blob_put(&w, REPO, STR("layer"));
    size = strstr(json, "\"size\":5");
    assert_non_null(size);
    size[7] = '6';
    assert_code(ERR_MANIFEST_INVALID, manifest_push(&w, REPO, json, "latest", &d, &e));
    assert_true(e.public_detail);
}

static void a_size_other_than_that_of_the_child_is_refused(void **state)
{
    struct digest child = image_put(&w, REPO, "one", NULL), d;
    AUTO(mem) char *json = index_json(&child, 1, MEDIA_OCI_MANIFEST);

    (void)state;
    assert_code(ERR_MANIFEST_INVALID, manifest_push(&w, REPO, json, "latest", &d, ERR_IGNORED));
}

/* An image whose layer is somewhere else. */
static char *elsewhere_json(const char *url)
{
    struct digest config = blob_put(&w, REPO, STR("{}")), layer = sha256_of(STR("elsewhere"));
    char *json = NULL;

    assert_true(asprintf(&json,
                         "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"a/b\",\"digest\":\"%s\","
                         "\"size\":2},\"layers\":[{\"mediaType\":"
                         "\"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip\","
                         "\"digest\":\"%s\",\"size\":9,\"urls\":[\"%s\"]}]}",
                         config.text, layer.text, url) > 0);
    return json;
}

static void a_foreign_layer_need_not_be_here(void **state)
{
    AUTO(mem) char *json = elsewhere_json("https://example.org/");
    struct digest d;

    (void)state;
    assert_ok(manifest_push(&w, REPO, json, "latest", &d, ERR_IGNORED));
}

/* The registry's rules are those of these two patterns, from now on; "": none. */
static void rule(char *allow, char *deny)
{
    struct conf_registry c = {.url_allow = {&allow, *allow ? 1 : 0},
                              .url_deny = {&deny, *deny ? 1 : 0}};

    url_rules_free(w.r->url_rules);
    w.r->url_rules = url_rules_new(&c);
}

static void urls_are_those_that_the_configuration_allows(void **state)
{
    static const struct {
        const char *allow, *deny, *url;
        enum err_code code;
    } rows[] = {
        {"", "", "https://a.example/x", ERR_OK},
        {"^https://a\\.example/", "", "https://a.example/x", ERR_OK},
        {"^https://a\\.example/", "", "https://b.example/x", ERR_MANIFEST_INVALID},
        {"", "b\\.example", "https://b.example/x", ERR_MANIFEST_INVALID},
        {"", "b\\.example", "https://a.example/x", ERR_OK},
        {"example", "b\\.example", "https://b.example/x", ERR_MANIFEST_INVALID},
        {"^$", "", "https://a.example/x", ERR_MANIFEST_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(mem) char *json = elsewhere_json(rows[i].url);
        AUTO(mem) char *allow = mem_strdup(rows[i].allow), *deny = mem_strdup(rows[i].deny);
        struct err e = {0};
        struct digest d;

        rule(allow, deny);
        assert_code(rows[i].code, manifest_push(&w, REPO, json, "latest", &d, &e));
        if (rows[i].code != ERR_OK)
            assert_non_null(strstr(e.detail, rows[i].url));
    }
}

static void a_digest_that_is_not_that_of_the_bytes_is_refused(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", " ");
    struct digest wrong = sha256_of(STR("wrong"));
    struct push p = {.repo = &repo, .bytes = str_of(json), .digest = &wrong};
    struct pushed done;

    (void)state;
    image_put(&w, REPO, "one", "latest");
    assert_code(ERR_DIGEST_INVALID, push_manifest(w.r, &p, &done, ERR_IGNORED));
}

static void a_push_by_sha512_is_found_by_sha512(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", " ");
    struct push p = {.repo = &repo, .bytes = str_of(json)};
    struct pushed done;
    struct digest d;

    (void)state;
    image_put(&w, REPO, "one", NULL);
    digest_of(DIGEST_SHA512, json, strlen(json), &d);
    p.digest = &d;
    assert_ok(push_manifest(w.r, &p, &done, ERR_IGNORED));
    assert_digest_equal(&done.digest, &d);
    assert_true(manifest_known(&d));
}

static void many_tags_are_set_at_once(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", "");
    struct tag_name tags[] = {tag_of("a"), tag_of("b"), tag_of("a")};
    struct push p = {.repo = &repo, .bytes = str_of(json), .tags = tags, .n_tags = 3};
    struct digest d = sha256_of(str_of(json)), a, b;
    struct pushed done;

    (void)state;
    image_put(&w, REPO, "one", NULL);
    assert_ok(push_manifest(w.r, &p, &done, ERR_IGNORED));
    a = tag_get(&w, REPO, "a");
    b = tag_get(&w, REPO, "b");
    assert_digest_equal(&a, &d);
    assert_digest_equal(&b, &d);
}

static void pushing_again_moves_the_tag(void **state)
{
    struct digest one = image_put(&w, REPO, "one", "latest"), two, now;

    (void)state;
    two = image_put(&w, REPO, "two", "latest");
    now = tag_get(&w, REPO, "latest");
    assert_digest_equal(&now, &two);
    now = projected_tag(&w, REPO, "latest");
    assert_digest_equal(&now, &two);
    assert_true(manifest_known(&one));
}

static void the_subject_is_told(void **state)
{
    struct digest subject = sha256_of(STR("need not be here"));
    AUTO(mem) char *more = NULL, *json = NULL;
    struct push p = {.repo = &repo};
    struct pushed done;

    (void)state;
    assert_true(asprintf(&more, ",\"subject\":{\"mediaType\":\"a/b\",\"digest\":\"%s\",\"size\":1}",
                         subject.text) > 0);
    json = image_json("one", "the layer of all", more);
    image_put(&w, REPO, "one", NULL);
    p.bytes = str_of(json);
    assert_ok(push_manifest(w.r, &p, &done, ERR_IGNORED));
    assert_true(done.has_subject);
    assert_digest_equal(&done.subject, &subject);
}

/* Conditions. */

static void if_absent_makes_a_tag_but_moves_none(void **state)
{
    AUTO(mem) char *one = image_json("one", "the layer of all", "");
    AUTO(mem) char *two = image_json("one", "the layer of all", " ");
    struct digest first = sha256_of(str_of(one)), refused = sha256_of(str_of(two)), now;

    (void)state;
    image_put(&w, REPO, "one", NULL);
    assert_ok(push_if(one, "v1", true, NULL));
    assert_code(ERR_PRECONDITION, push_if(two, "v1", true, NULL));
    assert_code(ERR_PRECONDITION, push_if(one, "v1", true, NULL));
    now = tag_get(&w, REPO, "v1");
    assert_digest_equal(&now, &first);
    assert_false(manifest_known(&refused));
}

static void if_match_moves_only_the_tag_it_saw(void **state)
{
    AUTO(mem) char *two = image_json("one", "the layer of all", " ");
    struct digest first = image_put(&w, REPO, "one", "v1"), other = sha256_of(STR("x")), now;

    (void)state;
    assert_code(ERR_PRECONDITION, push_if(two, "v1", false, &other));
    assert_code(ERR_PRECONDITION, push_if(two, "v2", false, &first));
    now = tag_get(&w, REPO, "v1");
    assert_digest_equal(&now, &first);
    assert_ok(push_if(two, "v1", false, &first));
    now = tag_get(&w, REPO, "v1");
    assert_digest_not_equal(&now, &first);
}

static void a_push_that_was_refused_leaves_no_file(void **state)
{
    AUTO(mem) char *two = image_json("one", "the layer of all", " ");
    struct digest refused = sha256_of(str_of(two)), other = sha256_of(STR("x"));

    (void)state;
    image_put(&w, REPO, "one", "v1");
    assert_code(ERR_PRECONDITION, push_if(two, "v1", true, NULL));
    assert_false(manifest_stored(&refused));
    assert_code(ERR_PRECONDITION, push_if(two, "v1", false, &other));
    assert_false(manifest_stored(&refused));
}

static void pushes_past_a_quota_leave_no_files(void **state)
{
    (void)state;
    image_put(&w, REPO, "one", "v0");
    world_set_quota(&w, "", 0, 1);
    for (int i = 1; i < 50; i++) {
        char spaces[64], tag[16];
        AUTO(mem) char *json = NULL;
        struct digest d;

        snprintf(spaces, sizeof(spaces), "%*s", i, "");
        snprintf(tag, sizeof(tag), "v%d", i);
        json = image_json("one", "the layer of all", spaces);
        assert_code(ERR_QUOTA, manifest_push(&w, REPO, json, tag, &d, ERR_IGNORED));
        d = sha256_of(str_of(json));
        assert_false(manifest_stored(&d));
    }
}

static void a_push_past_a_quota_of_bytes_leaves_no_file(void **state)
{
    AUTO(mem) char *two = image_json("one", "the layer of all", " ");
    struct digest refused = sha256_of(str_of(two));

    (void)state;
    image_put(&w, REPO, "one", "v1");
    world_set_quota(&w, "", 1, 0);
    assert_code(ERR_QUOTA, manifest_push(&w, REPO, two, NULL, &refused, ERR_IGNORED));
    refused = sha256_of(str_of(two));
    assert_false(manifest_stored(&refused));
}

/* The first of the tags may be set; the second stops it all. */
static void one_tag_of_several_that_may_not_move_leaves_no_file(void **state)
{
    AUTO(mem) char *two = image_json("one", "the layer of all", " ");
    struct digest refused = sha256_of(str_of(two)), none;
    struct tag_name tags[] = {tag_of("v2"), tag_of("v1")};
    bool create_only[] = {true, true};
    struct push p = {
        .repo = &repo, .bytes = str_of(two), .tags = tags, .n_tags = 2, .create_only = create_only};
    struct pushed done;

    (void)state;
    image_put(&w, REPO, "one", "v1");
    assert_code(ERR_DENIED, push_manifest(w.r, &p, &done, ERR_IGNORED));
    assert_false(manifest_stored(&refused));
    none = tag_get(&w, REPO, "v2");
    assert_string_equal(none.text, "");
}

static void a_tag_that_may_not_move_leaves_no_file(void **state)
{
    AUTO(mem) char *two = image_json("one", "the layer of all", " ");
    struct digest refused = sha256_of(str_of(two));

    (void)state;
    image_put(&w, REPO, "one", "v1");
    assert_code(ERR_DENIED, push_to_make(two, "v1"));
    assert_false(manifest_stored(&refused));
}

static void a_push_that_was_refused_keeps_the_file_that_was_there(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", "");
    struct digest d = image_put(&w, REPO, "one", "v1");

    (void)state;
    assert_code(ERR_PRECONDITION, push_if(json, "v1", true, NULL));
    assert_true(manifest_stored(&d));
    assert_true(manifest_known(&d));
}

/* Another request changes things between the look and the commit. */

static void (*meanwhile)(void);

static enum err_code commit_after_meanwhile(struct meta *m, const struct meta_op *ops, size_t n,
                                            unsigned flags, size_t *ret_failed, struct err *e)
{
    void (*f)(void) = meanwhile;

    meanwhile = NULL;
    if (f)
        f();
    return meta_commit(m->inner, ops, n, flags, ret_failed, e);
}

static void delete_the_layer(void)
{
    struct digest layer = sha256_of(STR("layer"));

    assert_ok(remove_blob(w.r, &repo, &layer, ERR_IGNORED));
}

static void a_blob_deleted_meanwhile_refuses_the_push(void **state)
{
    AUTO(mem) char *json = image_json("{}", "layer", "");
    struct digest d;

    (void)state;
    blob_put(&w, REPO, STR("{}"));
    blob_put(&w, REPO, STR("layer"));
    world_patch_meta(&w)->commit = commit_after_meanwhile;
    meanwhile = delete_the_layer;
    assert_code(ERR_MANIFEST_BLOB_UNKNOWN,
                manifest_push(&w, REPO, json, "latest", &d, ERR_IGNORED));
    assert_null(meanwhile);
    assert_false(manifest_known(&d));
    assert_false(manifest_stored(&d));
}

static void move_the_tag(void)
{
    image_put(&w, REPO, "two", "v1");
}

static void a_tag_moved_meanwhile_refuses_if_match(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", " ");
    struct digest first = image_put(&w, REPO, "one", "v1"), now, refused;
    AUTO(mem) char *second = image_json("two", "the layer of all", "");
    struct digest moved = sha256_of(str_of(second));

    (void)state;
    world_patch_meta(&w)->commit = commit_after_meanwhile;
    meanwhile = move_the_tag;
    assert_code(ERR_PRECONDITION, push_if(json, "v1", false, &first));
    now = tag_get(&w, REPO, "v1");
    assert_digest_equal(&now, &moved);
    refused = sha256_of(str_of(json));
    assert_false(manifest_stored(&refused));
}

static void a_tag_made_meanwhile_refuses_if_absent(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", " ");
    struct digest refused = sha256_of(str_of(json));

    (void)state;
    image_put(&w, REPO, "one", NULL);
    world_patch_meta(&w)->commit = commit_after_meanwhile;
    meanwhile = move_the_tag;
    assert_code(ERR_PRECONDITION, push_if(json, "v1", true, NULL));
    assert_false(manifest_stored(&refused));
}

static void a_tag_made_meanwhile_that_may_not_move_leaves_no_file(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", " ");
    struct digest refused = sha256_of(str_of(json));

    (void)state;
    image_put(&w, REPO, "one", NULL);
    world_patch_meta(&w)->commit = commit_after_meanwhile;
    meanwhile = move_the_tag;
    assert_code(ERR_DENIED, push_to_make(json, "v1"));
    assert_null(meanwhile);
    assert_false(manifest_stored(&refused));
}

static void what_is_no_manifest_is_not_stored(void **state)
{
    struct digest d;

    (void)state;
    assert_code(ERR_MANIFEST_INVALID, manifest_push(&w, REPO, "{}", "latest", &d, ERR_IGNORED));
    assert_false(manifest_stored(&d));
}

static void more_references_than_allowed_are_refused(void **state)
{
    AUTO(mem) char *json = image_json("one", "the layer of all", " ");
    struct digest d;

    (void)state;
    image_put(&w, REPO, "one", NULL);
    w.conf->limits.manifest_references = 0;
    assert_code(ERR_MANIFEST_INVALID, manifest_push(&w, REPO, json, "latest", &d, ERR_IGNORED));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_bytes_come_back_as_they_were_pushed),
        TEST(the_tag_is_carried_to_the_store),
        TEST(a_missing_blob_is_told),
        TEST(a_blob_of_another_repository_is_missing_here),
        TEST(a_missing_child_is_told),
        TEST(a_blob_is_no_child_manifest),
        TEST(a_child_of_another_type_may_be_a_blob_or_a_manifest),
        TEST(a_sparse_index_is_accepted_where_it_is_allowed),
        TEST(a_sparse_index_does_not_allow_a_sparse_image),
        TEST(a_size_other_than_that_of_the_blob_is_refused),
        TEST(a_size_other_than_that_of_the_child_is_refused),
        TEST(a_foreign_layer_need_not_be_here),
        TEST(urls_are_those_that_the_configuration_allows),
        TEST(a_digest_that_is_not_that_of_the_bytes_is_refused),
        TEST(a_push_by_sha512_is_found_by_sha512),
        TEST(many_tags_are_set_at_once),
        TEST(pushing_again_moves_the_tag),
        TEST(the_subject_is_told),
        TEST(if_absent_makes_a_tag_but_moves_none),
        TEST(if_match_moves_only_the_tag_it_saw),
        TEST(a_push_that_was_refused_leaves_no_file),
        TEST(pushes_past_a_quota_leave_no_files),
        TEST(a_push_past_a_quota_of_bytes_leaves_no_file),
        TEST(one_tag_of_several_that_may_not_move_leaves_no_file),
        TEST(a_tag_that_may_not_move_leaves_no_file),
        TEST(a_push_that_was_refused_keeps_the_file_that_was_there),
        TEST(a_blob_deleted_meanwhile_refuses_the_push),
        TEST(a_tag_moved_meanwhile_refuses_if_match),
        TEST(a_tag_made_meanwhile_refuses_if_absent),
        TEST(a_tag_made_meanwhile_that_may_not_move_leaves_no_file),
        TEST(what_is_no_manifest_is_not_stored),
        TEST(more_references_than_allowed_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
