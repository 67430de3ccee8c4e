/* Collection: what is condemned, what revives it, and who names what. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "fixture.h"
#include "meta/referrer_tag.h"

#include <pthread.h>
#include <string.h>

static bool condemn(struct fixture *f, struct meta_verdict v, const char *seed)
{
    struct repo_name r = repo_of("a");
    struct digest d = digest_for(seed);
    bool done = false;

    v.repo = &r;
    v.digest = &d;
    v.run = STR("run");
    v.now_ms = v.now_ms ? v.now_ms : 1000;
    assert_ok(commit_one(f, meta_op_condemn(v, &done)));
    return done;
}

static bool condemn_blob(struct fixture *f, const char *seed)
{
    return condemn(f, (struct meta_verdict){.kind = META_ITEM_BLOB}, seed);
}

static bool condemn_manifest(struct fixture *f, const char *seed)
{
    return condemn(f,
                   (struct meta_verdict){.kind = META_ITEM_MANIFEST,
                                         .why = META_WHY_UNTAGGED,
                                         .seen_version = META_ABSENT},
                   seed);
}

static bool condemn_referrer(struct fixture *f, const char *seed)
{
    return condemn(f,
                   (struct meta_verdict){.kind = META_ITEM_MANIFEST,
                                         .why = META_WHY_REFERRER,
                                         .seen_version = INT64_MAX},
                   seed);
}

/* The row of it; n of its digest is 0 when it is not there. */
static struct meta_use use_of(struct fixture *f, enum meta_item_kind kind, const char *seed)
{
    struct repo_name r = repo_of("a");
    struct digest d = digest_for(seed);
    AUTO(meta_uses) struct meta_use_list l = {0};

    assert_ok(meta_uses(f->m, &r, kind, STR(""), 100, &l, &f->e));
    for (size_t i = 0; i < l.n; i++) {
        if (digest_eq(&l.rows[i].digest, &d))
            return l.rows[i];
    }
    return (struct meta_use){0};
}

static bool blob_is_condemned(struct fixture *f, const char *seed)
{
    struct repo_name r = repo_of("a");
    struct digest d = digest_for(seed);
    struct meta_blob_sight sight;
    uint64_t size;

    assert_ok(meta_blob_look(f->m, &r, &d, &size, &sight, &f->e));
    assert_int_equal(sight.condemned, use_of(f, META_ITEM_BLOB, seed).condemned);
    return sight.condemned;
}

static bool manifest_is_condemned(struct fixture *f, const char *seed)
{
    return use_of(f, META_ITEM_MANIFEST, seed).condemned;
}

/* Deletes it, if it has been condemned for so long. */
static enum err_code drop_blob(struct fixture *f, const char *seed, int64_t until_ms)
{
    struct repo_name r = repo_of("a");
    struct digest d = digest_for(seed);

    return commit_one(
        f, meta_op_condemned_unlink(&r, &d, (struct meta_removal){.once = false}, until_ms));
}

static enum err_code drop_manifest(struct fixture *f, const char *seed, int64_t until_ms)
{
    struct repo_name r = repo_of("a");
    struct digest d = digest_for(seed);

    return commit_one(f, meta_op_condemned_delete(&r, &d, META_ANY, until_ms));
}

/* Cosign's signature of it: ".sig". */
static const char *signature_tag(const char *seed, struct referrer_tags *t)
{
    struct digest d = digest_for(seed);

    referrer_tags_of(&d, t);
    return t->names[1];
}

static void an_image(struct fixture *f, const char *text, const char *layer)
{
    const struct meta_edge edge = {META_EDGE_BLOB, digest_for(layer)};

    assert_ok(blob_link(f, "a", layer));
    assert_ok(put_edges(f, "a", text, &edge, 1));
}

static void an_index(struct fixture *f, const char *text, const char *image)
{
    const struct meta_edge edge = {META_EDGE_MANIFEST, digest_for(image)};

    assert_ok(put_edges(f, "a", text, &edge, 1));
}

static void an_unused_blob_is_condemned(void **state)
{
    struct fixture *f = *state;
    struct meta_use u;

    assert_ok(blob_link(f, "a", "layer"));
    assert_ok(blob_link(f, "b", "layer"));
    assert_true(condemn_blob(f, "layer"));
    u = use_of(f, META_ITEM_BLOB, "layer");
    assert_true(u.condemned);
    assert_int_equal(u.why, META_WHY_UNUSED);
    assert_int_equal(u.condemned_ms, 1000);
    assert_true(u.by_run);
    assert_true(has_blob(f, "a", "layer"));
    assert_false(condemn_blob(f, "layer"));
    assert_false(condemn_blob(f, "not there"));
}

static void a_blob_that_a_manifest_names_is_not_condemned(void **state)
{
    struct fixture *f = *state;

    an_image(f, "image", "layer");
    assert_false(condemn_blob(f, "layer"));
    assert_true(condemn_manifest(f, "image"));
    assert_true(condemn_blob(f, "layer"));
}

static void linking_a_blob_revives_it(void **state)
{
    struct fixture *f = *state;

    assert_ok(blob_link(f, "a", "layer"));
    assert_true(condemn_blob(f, "layer"));
    assert_ok(blob_link(f, "b", "layer"));
    assert_true(blob_is_condemned(f, "layer"));
    assert_ok(blob_link(f, "a", "layer"));
    assert_false(blob_is_condemned(f, "layer"));
}

static void a_blob_is_revived_by_its_own_operation(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a"), other = repo_of("nowhere");
    struct digest d = digest_for("layer");

    assert_ok(blob_link(f, "a", "layer"));
    assert_true(condemn_blob(f, "layer"));
    assert_ok(commit_one(f, meta_op_revive(&other, META_ITEM_BLOB, &d)));
    assert_ok(commit_one(f, meta_op_revive(&r, META_ITEM_MANIFEST, &d)));
    assert_true(blob_is_condemned(f, "layer"));
    assert_ok(commit_one(f, meta_op_revive(&r, META_ITEM_BLOB, &d)));
    assert_ok(commit_one(f, meta_op_revive(&r, META_ITEM_BLOB, &d)));
    assert_false(blob_is_condemned(f, "layer"));
}

static bool revive_of(struct fixture *f, const char *seed, enum meta_why why, const char *by)
{
    struct repo_name r = repo_of("a");
    struct digest d = digest_for(seed), other = digest_for(by ? by : "");
    bool done = false;

    assert_ok(commit_one(f, meta_op_revive_by(&r, &d, why, by ? &other : NULL, &done)));
    return done;
}

static bool revive_by(struct fixture *f, const char *seed, const char *by)
{
    return revive_of(f, seed, META_WHY_UNTAGGED, by);
}

static void a_manifest_is_revived_if_it_is_condemned_for_that_reason_still(void **state)
{
    struct fixture *f = *state;

    an_image(f, "image", "layer");
    an_index(f, "index", "image");
    assert_true(condemn_manifest(f, "index"));
    assert_true(condemn_manifest(f, "image"));
    assert_ok(delete_manifest(f, "a", "index"));
    assert_false(revive_of(f, "image", META_WHY_UNTAGGED, NULL));
    assert_true(manifest_is_condemned(f, "image"));
    assert_true(revive_of(f, "image", META_WHY_CHILD, NULL));
}

static int64_t since_of(struct fixture *f, const char *seed)
{
    struct repo_name r = repo_of("a");
    struct digest d = digest_for(seed);
    int64_t since_ms;

    assert_ok(meta_manifest_condemned(f->m, &r, &d, &since_ms, &f->e));
    return since_ms;
}

static void what_is_condemned_anew_is_so_since_then(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = digest_for("image");

    assert_int_equal(since_of(f, "image"), 0);
    an_image(f, "image", "layer");
    assert_ok(commit_one(f, meta_op_condemn_anew(&r, &d, 5000)));
    assert_int_equal(since_of(f, "image"), 0);
    assert_true(condemn_manifest(f, "image"));
    assert_int_equal(since_of(f, "image"), 1000);
    assert_ok(commit_one(f, meta_op_condemn_anew(&r, &d, 5000)));
    assert_int_equal(since_of(f, "image"), 5000);
    assert_int_equal(use_of(f, META_ITEM_MANIFEST, "image").why, META_WHY_UNTAGGED);
    assert_int_equal(drop_manifest(f, "image", 4999), ERR_CONFLICT);
    assert_ok(drop_manifest(f, "image", 5000));
}

static void a_manifest_is_revived_while_what_it_lives_by_is_there(void **state)
{
    struct fixture *f = *state;

    an_image(f, "image", "layer");
    an_image(f, "other", "layer");
    assert_true(condemn_manifest(f, "image"));
    assert_false(revive_by(f, "image", "gone"));
    assert_true(manifest_is_condemned(f, "image"));
    assert_true(revive_by(f, "image", "other"));
    assert_false(manifest_is_condemned(f, "image"));
    assert_false(revive_by(f, "image", "other"));
    assert_true(condemn_manifest(f, "image"));
    assert_true(revive_by(f, "image", NULL));
    assert_false(manifest_is_condemned(f, "image"));
}

static void what_was_unlinked_is_not_condemned_when_it_comes_back(void **state)
{
    struct fixture *f = *state;

    assert_ok(blob_link(f, "a", "layer"));
    assert_true(condemn_blob(f, "layer"));
    assert_ok(blob_unlink(f, "a", "layer"));
    assert_ok(blob_link(f, "a", "layer"));
    assert_false(blob_is_condemned(f, "layer"));
}

static void a_push_revives_what_it_names_to_the_last_blob(void **state)
{
    struct fixture *f = *state;

    an_image(f, "image", "layer");
    an_index(f, "index", "image");
    an_index(f, "outer", "index");
    assert_true(condemn_manifest(f, "outer"));
    assert_true(condemn_manifest(f, "index"));
    assert_true(condemn_manifest(f, "image"));
    assert_true(condemn_blob(f, "layer"));
    an_index(f, "outer", "index");
    assert_false(manifest_is_condemned(f, "outer"));
    assert_false(manifest_is_condemned(f, "index"));
    assert_false(manifest_is_condemned(f, "image"));
    assert_false(blob_is_condemned(f, "layer"));
}

static void a_new_manifest_revives_what_it_names(void **state)
{
    struct fixture *f = *state;

    an_image(f, "image", "layer");
    assert_true(condemn_manifest(f, "image"));
    assert_true(condemn_blob(f, "layer"));
    an_index(f, "index", "image");
    assert_false(manifest_is_condemned(f, "image"));
    assert_false(blob_is_condemned(f, "layer"));
}

static void a_tag_revives_what_it_names(void **state)
{
    struct fixture *f = *state;

    an_image(f, "image", "layer");
    an_image(f, "other", "layer 2");
    assert_true(condemn_manifest(f, "image"));
    assert_true(condemn_blob(f, "layer"));
    assert_true(condemn_manifest(f, "other"));
    assert_ok(set_tag(f, "a", "t", "image", META_ABSENT));
    assert_false(manifest_is_condemned(f, "image"));
    assert_false(blob_is_condemned(f, "layer"));
    assert_true(manifest_is_condemned(f, "other"));
}

static void a_manifest_with_a_tag_that_was_not_seen_is_not_condemned(void **state)
{
    struct fixture *f = *state;
    struct meta_verdict v = {.kind = META_ITEM_MANIFEST, .seen_version = META_ABSENT};

    an_image(f, "image", "layer");
    assert_ok(set_tag(f, "a", "t", "image", META_ABSENT));
    assert_false(condemn(f, v, "image"));
    v.seen_version = version_of(f, "a", "t");
    assert_true(condemn(f, v, "image"));
}

static void a_manifest_that_was_pushed_again_is_not_too_old(void **state)
{
    struct fixture *f = *state;
    int64_t began_ms = clock_wall_ms();
    struct meta_verdict v = {
        .kind = META_ITEM_MANIFEST, .seen_version = META_ABSENT, .before_ms = began_ms};

    an_image(f, "image", "layer");
    assert_in_range(use_of(f, META_ITEM_MANIFEST, "image").since_ms, began_ms, clock_wall_ms());
    assert_false(condemn(f, v, "image"));
    v.before_ms = clock_wall_ms() + 1000;
    assert_true(condemn(f, v, "image"));
    an_image(f, "image", "layer");
    assert_false(manifest_is_condemned(f, "image"));
    v.before_ms = began_ms;
    assert_false(condemn(f, v, "image"));
}

static void a_child_is_not_condemned_before_its_index(void **state)
{
    struct fixture *f = *state;

    an_image(f, "image", "layer");
    an_index(f, "index", "image");
    assert_false(condemn_manifest(f, "image"));
    assert_true(condemn_manifest(f, "index"));
    assert_true(condemn_manifest(f, "image"));
}

static void a_referrer_is_not_condemned_before_its_subject(void **state)
{
    struct fixture *f = *state;

    assert_ok(put(f, "a", "image"));
    assert_ok(put_referrer(f, "a", "signature", "image", "x/y", ""));
    assert_false(condemn_referrer(f, "signature"));
    assert_true(condemn_manifest(f, "image"));
    assert_true(condemn_referrer(f, "signature"));
}

static void a_signature_by_its_tag_is_not_condemned_before_its_image(void **state)
{
    struct fixture *f = *state;
    struct referrer_tags t;

    assert_ok(put(f, "a", "image"));
    assert_ok(put(f, "a", "signature"));
    assert_ok(set_tag(f, "a", signature_tag("image", &t), "signature", META_ABSENT));
    assert_false(condemn_referrer(f, "signature"));
    assert_true(condemn_manifest(f, "image"));
    assert_true(condemn_referrer(f, "signature"));
}

static void pushing_a_referrer_revives_its_subject(void **state)
{
    struct fixture *f = *state;

    an_image(f, "image", "layer");
    assert_true(condemn_manifest(f, "image"));
    assert_true(condemn_blob(f, "layer"));
    assert_ok(put_referrer(f, "a", "signature", "image", "x/y", ""));
    assert_false(manifest_is_condemned(f, "image"));
    assert_false(blob_is_condemned(f, "layer"));
}

static void a_push_that_is_refused_revives_nothing(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct tag_name t = tag_of("t");
    const struct meta_edge edge = {META_EDGE_MANIFEST, digest_for("image")};
    AUTO(meta_manifest) struct meta_manifest *m = manifest_for("index");
    const struct meta_op ops[] = {
        meta_op_manifest_put(
            (struct meta_manifest_put){.repo = &r, .manifest = m, .edges = &edge, .n_edges = 1}),
        meta_op_tag_set(&r, &t, &m->digest, 99),
    };

    an_image(f, "image", "layer");
    assert_true(condemn_manifest(f, "image"));
    assert_int_equal(commit(f, ops, 2), ERR_CONFLICT);
    assert_int_equal(f->failed, 1);
    assert_true(manifest_is_condemned(f, "image"));
}

static void deleting_an_index_condemns_children_of_nothing_else(void **state)
{
    struct fixture *f = *state;
    const struct meta_edge edges[] = {{META_EDGE_MANIFEST, digest_for("alone")},
                                      {META_EDGE_MANIFEST, digest_for("shared")},
                                      {META_EDGE_MANIFEST, digest_for("tagged")}};
    struct meta_use u;

    an_image(f, "alone", "layer");
    an_image(f, "shared", "layer");
    an_image(f, "tagged", "layer");
    assert_ok(set_tag(f, "a", "t", "tagged", META_ABSENT));
    assert_ok(put_edges(f, "a", "index", edges, 3));
    an_index(f, "other", "shared");
    assert_ok(delete_manifest(f, "a", "index"));
    u = use_of(f, META_ITEM_MANIFEST, "alone");
    assert_true(u.condemned);
    assert_int_equal(u.why, META_WHY_CHILD);
    assert_false(u.by_run);
    assert_in_range(u.condemned_ms, clock_wall_ms() - 60000, clock_wall_ms());
    assert_false(manifest_is_condemned(f, "shared"));
    assert_false(manifest_is_condemned(f, "tagged"));
    assert_false(blob_is_condemned(f, "layer"));
}

static void deleting_a_subject_condemns_its_referrers(void **state)
{
    struct fixture *f = *state;
    struct digest d = digest_for("image");
    struct referrer_tags t;

    referrer_tags_of(&d, &t);
    assert_string_equal(t.names[0] + 71, "");
    assert_string_equal(t.names[1] + 71, ".sig");
    assert_ok(put(f, "a", "image"));
    assert_ok(put_referrer(f, "a", "untagged", "image", "x/y", ""));
    assert_ok(put_referrer(f, "a", "tagged", "image", "x/y", ""));
    assert_ok(set_tag(f, "a", "mine", "tagged", META_ABSENT));
    assert_ok(put(f, "a", "signature"));
    assert_ok(set_tag(f, "a", t.names[1], "signature", META_ABSENT));
    assert_ok(put(f, "a", "of another"));
    assert_ok(set_tag(f, "a", "sha256-0.sig", "of another", META_ABSENT));
    assert_ok(delete_manifest(f, "a", "image"));
    assert_int_equal(use_of(f, META_ITEM_MANIFEST, "untagged").why, META_WHY_REFERRER);
    assert_true(manifest_is_condemned(f, "untagged"));
    assert_true(manifest_is_condemned(f, "signature"));
    assert_false(manifest_is_condemned(f, "tagged"));
    assert_false(manifest_is_condemned(f, "of another"));
}

static void what_was_condemned_for_its_age_is_left_for_another_reason(void **state)
{
    struct fixture *f = *state;
    struct meta_use u;

    an_image(f, "image", "layer");
    an_index(f, "index", "image");
    assert_true(condemn_manifest(f, "index"));
    assert_true(condemn_manifest(f, "image"));
    assert_ok(delete_manifest(f, "a", "index"));
    u = use_of(f, META_ITEM_MANIFEST, "image");
    assert_int_equal(u.why, META_WHY_CHILD);
    assert_int_equal(u.condemned_ms, 1000);
}

static void a_deleted_manifest_is_not_condemned_when_it_comes_back(void **state)
{
    struct fixture *f = *state;

    assert_ok(put(f, "a", "image"));
    assert_true(condemn_manifest(f, "image"));
    assert_ok(delete_manifest(f, "a", "image"));
    assert_ok(put(f, "a", "image"));
    assert_false(manifest_is_condemned(f, "image"));
}

static void what_has_been_condemned_long_enough_goes(void **state)
{
    struct fixture *f = *state;

    assert_ok(blob_link(f, "a", "layer"));
    assert_int_equal(drop_blob(f, "layer", 2000), ERR_CONFLICT);
    assert_true(condemn_blob(f, "layer"));
    assert_int_equal(drop_blob(f, "layer", 999), ERR_CONFLICT);
    assert_int_equal(drop_manifest(f, "layer", 1000), ERR_CONFLICT);
    assert_ok(drop_blob(f, "layer", 1000));
    assert_int_equal(drop_blob(f, "layer", 1000), ERR_CONFLICT);
}

static void a_referrer_does_not_go_while_its_subject_is_there(void **state)
{
    struct fixture *f = *state;

    assert_ok(put(f, "a", "image"));
    assert_ok(put_referrer(f, "a", "signature", "image", "x/y", ""));
    assert_true(condemn_manifest(f, "image"));
    assert_true(condemn_referrer(f, "signature"));
    assert_int_equal(drop_manifest(f, "signature", 1000), ERR_CONFLICT);
    assert_ok(delete_manifest(f, "a", "image"));
    assert_ok(drop_manifest(f, "signature", 1000));
}

static void what_refers_to_something_that_is_back_does_not_go(void **state)
{
    struct fixture *f = *state;
    struct referrer_tags t;

    assert_ok(put(f, "a", "image"));
    assert_ok(put_referrer(f, "a", "by its field", "image", "x/y", ""));
    assert_ok(put(f, "a", "by its tag"));
    assert_ok(set_tag(f, "a", signature_tag("image", &t), "by its tag", META_ABSENT));
    assert_ok(delete_manifest(f, "a", "image"));
    assert_true(manifest_is_condemned(f, "by its field"));
    assert_true(manifest_is_condemned(f, "by its tag"));
    assert_ok(put(f, "a", "image"));
    assert_int_equal(drop_manifest(f, "by its field", INT64_MAX), ERR_CONFLICT);
    assert_int_equal(drop_manifest(f, "by its tag", INT64_MAX), ERR_CONFLICT);
    assert_ok(delete_manifest(f, "a", "image"));
    assert_ok(drop_manifest(f, "by its field", INT64_MAX));
    assert_ok(drop_manifest(f, "by its tag", INT64_MAX));
}

static void what_refers_to_two_goes_with_the_last_of_them(void **state)
{
    struct fixture *f = *state;
    struct referrer_tags one, two;

    assert_ok(put(f, "a", "one"));
    assert_ok(put(f, "a", "two"));
    assert_ok(put_referrer(f, "a", "signature", "three", "x/y", ""));
    assert_ok(set_tag(f, "a", signature_tag("one", &one), "signature", META_ABSENT));
    assert_ok(set_tag(f, "a", signature_tag("two", &two), "signature", META_ABSENT));
    assert_ok(put(f, "a", "three"));
    assert_ok(delete_manifest(f, "a", "one"));
    assert_false(manifest_is_condemned(f, "signature"));
    assert_ok(delete_manifest(f, "a", "three"));
    assert_false(manifest_is_condemned(f, "signature"));
    assert_false(condemn_referrer(f, "signature"));
    assert_ok(delete_manifest(f, "a", "two"));
    assert_true(manifest_is_condemned(f, "signature"));
    assert_ok(drop_manifest(f, "signature", INT64_MAX));
}

static void what_is_condemned_goes_in_one_transaction(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest m = digest_for("image"), b = digest_for("layer");
    const struct meta_op ops[] = {
        meta_op_condemned_delete(&r, &m, META_ABSENT, 1000),
        meta_op_condemned_unlink(&r, &b, (struct meta_removal){.once = false}, 1000),
    };

    an_image(f, "image", "layer");
    assert_true(condemn_manifest(f, "image"));
    assert_int_equal(commit(f, ops, 2), ERR_CONFLICT);
    assert_int_equal(f->failed, 1);
    assert_true(has_manifest(f, "a", "image"));
    assert_true(condemn_blob(f, "layer"));
    assert_ok(commit(f, ops, 2));
    assert_false(has_manifest(f, "a", "image"));
    assert_false(has_blob(f, "a", "layer"));
}

static void uses_are_listed_in_pages_with_who_names_them(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a"), none = repo_of("none");
    AUTO(meta_uses) struct meta_use_list manifests = {0}, refused = {0};
    char after[DIGEST_TEXT_MAX + 1] = "";
    size_t seen = 0, users = 0;

    an_image(f, "one", "shared");
    an_image(f, "two", "shared");
    assert_ok(blob_link(f, "a", "unused"));
    assert_ok(blob_link(f, "b", "of another repository"));
    for (bool more = true; more;) {
        AUTO(meta_uses) struct meta_use_list l = {0};

        assert_ok(meta_uses(f->m, &r, META_ITEM_BLOB, str_of(after), 1, &l, &f->e));
        assert_int_equal(l.n, 1);
        assert_int_equal(l.rows[0].n_users, l.n_users);
        seen++;
        users += l.n_users;
        strcpy(after, l.rows[0].digest.text);
        more = l.more;
    }
    assert_int_equal(seen, 2);
    assert_int_equal(users, 2);
    an_index(f, "index", "one");
    assert_ok(put_referrer(f, "a", "signature", "one", "x/y", ""));
    assert_ok(meta_uses(f->m, &r, META_ITEM_MANIFEST, STR(""), 10, &manifests, &f->e));
    assert_int_equal(manifests.n, 4);
    assert_int_equal(manifests.n_users, 1);
    assert_int_equal(use_of(f, META_ITEM_MANIFEST, "one").n_users, 1);
    assert_int_equal(manifests.users[0], use_of(f, META_ITEM_MANIFEST, "index").id);
    assert_int_equal(use_of(f, META_ITEM_MANIFEST, "one").size_bytes, 3);
    assert_string_equal(use_of(f, META_ITEM_MANIFEST, "signature").subject.text,
                        digest_for("one").text);
    assert_int_equal(meta_uses(f->m, &none, META_ITEM_BLOB, STR(""), 10, &refused, &f->e),
                     ERR_NAME_UNKNOWN);
}

static void tags_are_listed_with_their_manifests(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    AUTO(meta_tags) struct meta_tag_list first = {0}, rest = {0};
    int64_t version;

    assert_ok(put(f, "a", "image"));
    assert_ok(set_tag(f, "a", "t2", "image", META_ABSENT));
    assert_ok(set_tag(f, "a", "t1", "image", META_ABSENT));
    assert_ok(meta_tag_targets(f->m, &r, STR(""), 1, &first, &version, &f->e));
    assert_int_equal(first.n, 1);
    assert_true(first.more);
    assert_string_equal(first.rows[0].name.text, "t1");
    assert_int_equal(first.rows[0].manifest_id, use_of(f, META_ITEM_MANIFEST, "image").id);
    assert_int_equal(version, version_of(f, "a", "t1"));
    assert_ok(meta_tag_targets(f->m, &r, STR("t1"), 5, &rest, &version, &f->e));
    assert_int_equal(rest.n, 1);
    assert_false(rest.more);
}

/* ---- a push beside the collector */

struct beside {
    struct fixture *f;
    pthread_t thread;
    _Atomic size_t collected;
    atomic_bool ended;
};

/* Takes all that is there, as a run with grace 0: in steps, what is refused is left. */
static void collect_once(struct beside *b, const struct repo_name *r, const struct digest *m,
                         const struct digest *layer)
{
    struct meta *meta = b->f->m;
    AUTO(meta_tags) struct meta_tag_list tags = {0};
    struct meta_verdict v = {.repo = r, .run = STR("run"), .now_ms = clock_wall_ms()};
    int64_t seen = META_ABSENT, late = INT64_MAX;
    bool done;

    if (meta_tag_targets(meta, r, STR(""), 10, &tags, &seen, ERR_IGNORED) != ERR_OK || tags.n > 0)
        return;
    v.kind = META_ITEM_MANIFEST;
    v.digest = m;
    v.seen_version = seen;
    const struct meta_op first = meta_op_condemn(v, &done);

    v.kind = META_ITEM_BLOB;
    v.digest = layer;
    const struct meta_op second = meta_op_condemn(v, &done);
    const struct meta_op drop = meta_op_condemned_delete(r, m, seen, late);
    const struct meta_op unlink =
        meta_op_condemned_unlink(r, layer, (struct meta_removal){.once = false}, late);

    (void)!meta_commit(meta, &first, 1, 0, NULL, ERR_IGNORED);
    (void)!meta_commit(meta, &second, 1, 0, NULL, ERR_IGNORED);
    b->collected += meta_commit(meta, &drop, 1, 0, NULL, ERR_IGNORED) == ERR_OK;
    b->collected += meta_commit(meta, &unlink, 1, 0, NULL, ERR_IGNORED) == ERR_OK;
}

static void *collector_main(void *ctx)
{
    struct beside *b = ctx;
    struct repo_name r = repo_of("a");
    struct digest m = digest_for("image"), layer = digest_for("layer");

    while (!atomic_load(&b->ended) || b->collected == 0) /* in the end nothing holds it */
        collect_once(b, &r, &m, &layer);
    return NULL;
}

/* The image is whole whenever its push was acknowledged, until its tag is taken away. */
static void a_push_beside_a_collector_is_whole_or_refused(void **state)
{
    struct fixture *f = *state;
    struct beside b = {.f = f};
    struct repo_name r = repo_of("a");
    struct tag_name t = tag_of("t");
    struct digest layer = digest_for("layer");
    const struct meta_edge edge = {META_EDGE_BLOB, layer};
    AUTO(meta_manifest) struct meta_manifest *m = manifest_for("image");
    const struct meta_op link = meta_op_blob_link(&r, &layer, strlen("layer"));
    const struct meta_op push[] = {
        meta_op_manifest_put(
            (struct meta_manifest_put){.repo = &r, .manifest = m, .edges = &edge, .n_edges = 1}),
        meta_op_tag_set(&r, &t, &m->digest, META_ANY),
    };
    const struct meta_op untag = meta_op_tag_delete(&r, &t, META_ANY);
    const size_t rounds = fixture_rounds(100);
    size_t lost = 0, pushed = 0;

    assert_int_equal(pthread_create(&b.thread, NULL, collector_main, &b), 0);
    for (size_t i = 0; i < rounds; i++) {
        enum err_code code = meta_commit(f->m, &link, 1, 0, NULL, ERR_IGNORED);

        if (code == ERR_OK)
            code = meta_commit(f->m, push, 2, 0, NULL, ERR_IGNORED);
        if (code != ERR_OK)
            continue;
        pushed++;
        lost += !has_manifest(f, "a", "image") || !has_blob(f, "a", "layer");
        (void)!meta_commit(f->m, &untag, 1, 0, NULL, ERR_IGNORED);
    }
    atomic_store(&b.ended, true);
    pthread_join(b.thread, NULL);
    assert_int_equal(lost, 0);
    assert_true(pushed > 0);
    assert_true(b.collected > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(an_unused_blob_is_condemned),
        TEST(a_blob_that_a_manifest_names_is_not_condemned),
        TEST(linking_a_blob_revives_it),
        TEST(a_blob_is_revived_by_its_own_operation),
        TEST(a_manifest_is_revived_while_what_it_lives_by_is_there),
        TEST(what_was_unlinked_is_not_condemned_when_it_comes_back),
        TEST(a_push_revives_what_it_names_to_the_last_blob),
        TEST(a_new_manifest_revives_what_it_names),
        TEST(a_tag_revives_what_it_names),
        TEST(a_manifest_with_a_tag_that_was_not_seen_is_not_condemned),
        TEST(a_manifest_that_was_pushed_again_is_not_too_old),
        TEST(a_child_is_not_condemned_before_its_index),
        TEST(a_referrer_is_not_condemned_before_its_subject),
        TEST(deleting_an_index_condemns_children_of_nothing_else),
        TEST(deleting_a_subject_condemns_its_referrers),
        TEST(what_was_condemned_for_its_age_is_left_for_another_reason),
        TEST(a_deleted_manifest_is_not_condemned_when_it_comes_back),
        TEST(a_manifest_is_revived_if_it_is_condemned_for_that_reason_still),
        TEST(what_is_condemned_anew_is_so_since_then),
        TEST(a_signature_by_its_tag_is_not_condemned_before_its_image),
        TEST(pushing_a_referrer_revives_its_subject),
        TEST(a_push_that_is_refused_revives_nothing),
        TEST(what_has_been_condemned_long_enough_goes),
        TEST(a_referrer_does_not_go_while_its_subject_is_there),
        TEST(what_refers_to_something_that_is_back_does_not_go),
        TEST(what_refers_to_two_goes_with_the_last_of_them),
        TEST(what_is_condemned_goes_in_one_transaction),
        TEST(uses_are_listed_in_pages_with_who_names_them),
        TEST(tags_are_listed_with_their_manifests),
        TEST(a_push_beside_a_collector_is_whole_or_refused),
    };

    fixture_choose(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
