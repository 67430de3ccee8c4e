/* What only DynamoDB has to be asked: how many requests operations take, and what happens to what
 * one transaction can't hold. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "fixture.h"
#include "meta/dynamodb/dynamodb.h"

#include <stdio.h>
#include <stdlib.h>

#define MANY 400
static uint64_t since(struct fixture *f, uint64_t *from)
{
    uint64_t now = dynamo_requests(f->m), n = now - *from;

    *from = now;
    return n;
}

static void linking_a_blob_takes_one(void **state)
{
    struct fixture *f = *state;
    uint64_t from = dynamo_requests(f->m);

    assert_ok(blob_link(f, "a", "first"));
    assert_ok(blob_link(f, "a", "second"));
    assert_int_equal(since(f, &from), 2);
}

static void a_manifest_of_many_layers_with_a_tag_takes_two(void **state)
{
    struct fixture *f = *state;
    struct layered l;
    uint64_t from;

    layered_begin(f, &l);
    from = dynamo_requests(f->m);
    assert_ok(commit(f, l.ops, 2));
    assert_int_equal(since(f, &from), 2);
    layered_done(&l);
}

static void reads_take_one_and_by_a_tag_two(void **state)
{
    struct fixture *f = *state;
    uint64_t from;

    assert_ok(put(f, "a", "m"));
    assert_ok(set_tag(f, "a", "t", "m", META_ANY));
    from = dynamo_requests(f->m);
    assert_true(has_manifest(f, "a", "m"));
    assert_false(has_blob(f, "a", "none"));
    assert_int_equal(since(f, &from), 2);
    assert_tag(f, "a", "t", "m");
    assert_int_equal(since(f, &from), 2);
}

static void a_record_is_written_in_one_when_it_is_as_expected(void **state)
{
    struct fixture *f = *state;
    uint64_t from = dynamo_requests(f->m);

    for (int64_t i = 0; i < 3; i++)
        assert_ok(commit_one(f, meta_op_record_put(STR("c"), STR("k"), STR("v"), i)));
    assert_ok(commit_one(f, meta_op_record_check(STR("c"), STR("k"))));
    assert_ok(commit_one(f, meta_op_record_delete(STR("c"), STR("k"), 3)));
    assert_int_equal(since(f, &from), 5);
}

/* Renewing it does not touch what others ask for; with the row that goes. */
static void the_row_of_a_replica_is_asked_for_beside_it(void **state)
{
    struct fixture *f = *state;
    struct meta_op check = meta_op_record_check(STR("replicas"), STR("id"));

    assert_int_equal(commit_one(f, check), ERR_NOT_FOUND);
    assert_ok(commit_one(f, meta_op_record_put(STR("replicas"), STR("id"), STR("v"), 0)));
    for (int64_t i = 1; i < 20; i++) {
        assert_ok(commit_one(f, check));
        assert_ok(commit_one(f, meta_op_record_put(STR("replicas"), STR("id"), STR("v"), i)));
    }
    assert_ok(commit_one(f, meta_op_record_delete(STR("replicas"), STR("id"), 20)));
    for (int i = 0; i < 20; i++)
        assert_int_equal(commit_one(f, check), ERR_NOT_FOUND);
    assert_ok(commit_one(f, meta_op_record_put(STR("replicas"), STR("id"), STR("v"), META_ANY)));
    assert_ok(commit_one(f, check));
}

/* ---- what is too large */

static void a_record_of_any_length_is_kept(void **state)
{
    struct fixture *f = *state;
    size_t n = 900000;
    AUTO(mem) char *value = mem_alloc(n);
    AUTO(record) struct meta_record r = {0};

    memset(value, 'v', n);
    assert_ok(
        commit_one(f, meta_op_record_put(STR("c"), STR("k"), (struct str){value, n}, META_ABSENT)));
    assert_ok(meta_record_get(f->m, STR("c"), STR("k"), &r, &f->e));
    assert_int_equal(strlen(r.value), n);
    meta_record_done(&r);
    assert_ok(commit_one(f, meta_op_record_put(STR("c"), STR("k"), STR("short"), 1)));
    assert_ok(meta_record_get(f->m, STR("c"), STR("k"), &r, &f->e));
    assert_string_equal(r.value, "short");
}

/* Children "c0", "c1", ... of an index. */
static struct meta_edge *make_children(struct fixture *f, size_t n)
{
    struct meta_edge *edges = mem_alloc(n * sizeof(*edges));
    struct meta_op *ops = mem_alloc(n * sizeof(*ops));
    struct meta_manifest **manifests = mem_alloc(n * sizeof(struct meta_manifest *));
    struct repo_name r = repo_of("a");

    for (size_t i = 0; i < n; i++) {
        char text[24];

        snprintf(text, sizeof(text), "c%zu", i);
        manifests[i] = manifest_for(text);
        edges[i] = (struct meta_edge){META_EDGE_MANIFEST, manifests[i]->digest};
        ops[i] =
            meta_op_manifest_put((struct meta_manifest_put){.repo = &r, .manifest = manifests[i]});
    }
    assert_ok(commit(f, ops, n));
    for (size_t i = 0; i < n; i++)
        meta_manifest_unref(manifests[i]);
    free(manifests);
    free(ops);
    return edges;
}

static enum err_code push_index(struct fixture *f, const struct meta_edge *edges, size_t n,
                                int64_t expected)
{
    struct repo_name r = repo_of("a");
    struct tag_name t = tag_of("t");
    AUTO(meta_manifest) struct meta_manifest *m = manifest_for("index");
    const struct meta_op ops[] = {
        meta_op_manifest_put(
            (struct meta_manifest_put){.repo = &r, .manifest = m, .edges = edges, .n_edges = n}),
        meta_op_tag_set(&r, &t, &m->digest, expected),
    };

    return commit(f, ops, 2);
}

/* Some of each step, and the last. */
static void assert_children(struct fixture *f, size_t n, enum err_code code)
{
    for (size_t i = 0; i < n; i += 37) {
        char text[24];

        snprintf(text, sizeof(text), "c%zu", i + 37 < n ? i : n - 1);
        assert_int_equal(delete_manifest(f, "a", text), code);
    }
}

static void an_index_of_many_keeps_what_it_names_and_lets_it_go(void **state)
{
    struct fixture *f = *state;
    AUTO(mem) struct meta_edge *edges = make_children(f, MANY);

    assert_ok(push_index(f, edges, MANY, META_ABSENT));
    assert_tag(f, "a", "t", "index");
    assert_children(f, MANY, ERR_IN_USE);
    assert_ok(push_index(f, edges, MANY, META_ANY)); /* it is there */
    assert_ok(delete_manifest(f, "a", "index"));
    assert_false(has_manifest(f, "a", "index"));
    assert_int_equal(version_of(f, "a", "t"), META_ABSENT);
    assert_children(f, MANY, ERR_OK);
}

static void an_index_of_many_that_lacks_one_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    AUTO(mem) struct meta_edge *edges = make_children(f, MANY);

    assert_ok(delete_manifest(f, "a", "c300"));
    assert_int_equal(push_index(f, edges, MANY, META_ABSENT), ERR_MANIFEST_BLOB_UNKNOWN);
    assert_int_equal(f->failed, 0);
    assert_non_null(strstr(f->e.detail, edges[300].digest.text));
    assert_false(has_manifest(f, "a", "index"));
    assert_ok(delete_manifest(f, "a", "c0"));
    assert_ok(delete_manifest(f, "a", "c299"));
    assert_ok(delete_manifest(f, "a", "c399"));
}

static void an_index_of_many_that_may_not_have_its_tag_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    AUTO(mem) struct meta_edge *edges = make_children(f, MANY);

    assert_int_equal(push_index(f, edges, MANY, 99), ERR_CONFLICT);
    assert_int_equal(f->failed, 1);
    assert_false(has_manifest(f, "a", "index"));
    assert_children(f, MANY, ERR_OK);
}

/* As a process leaves it that is stopped before its last transaction. */
static void stage(struct fixture *f, const struct meta_edge *edges, size_t n)
{
    struct repo_name r = repo_of("a");
    AUTO(meta_manifest) struct meta_manifest *m = manifest_for("index");
    const struct meta_manifest_put put = {.repo = &r, .manifest = m, .edges = edges, .n_edges = n};
    struct dynamo *d = dynamo_of(f->m);

    assert_ok(dynamo_stage(d, &put, dynamo_link_end(d->link), &f->e));
}

static void what_was_left_in_the_middle_is_not_seen_and_gone_on_with(void **state)
{
    struct fixture *f = *state;
    AUTO(mem) struct meta_edge *edges = make_children(f, MANY);

    stage(f, edges, MANY);
    assert_false(has_manifest(f, "a", "index"));
    assert_int_equal(delete_manifest(f, "a", "index"), ERR_MANIFEST_UNKNOWN);
    assert_children(f, MANY, ERR_IN_USE);
    assert_ok(push_index(f, edges, MANY, META_ABSENT));
    assert_ok(delete_manifest(f, "a", "index"));
    assert_children(f, MANY, ERR_OK);
}

static void what_was_left_in_the_middle_for_other_links_is_begun_anew(void **state)
{
    struct fixture *f = *state;
    AUTO(mem) struct meta_edge *edges = make_children(f, MANY);

    stage(f, edges, MANY);
    for (size_t i = 0; i < MANY; i++)
        edges[i].kind = META_EDGE_LOOSE_MANIFEST;
    assert_ok(push_index(f, edges, MANY, META_ABSENT));
    assert_ok(delete_manifest(f, "a", "index"));
    assert_children(f, MANY, ERR_OK);
}

static void what_was_left_in_the_middle_long_ago_is_cleaned_up(void **state)
{
    struct fixture *f = *state;
    AUTO(mem) struct meta_edge *edges = make_children(f, MANY);

    stage(f, edges, MANY);
    assert_ok(commit_one(f, meta_op_finished_prune(clock_wall_ms())));
    assert_int_equal(delete_manifest(f, "a", "c0"), ERR_IN_USE); /* it is younger than an hour */
    assert_ok(commit_one(f, meta_op_finished_prune(clock_wall_ms() + 2 * 3600000)));
    assert_children(f, MANY, ERR_OK);
}

static void a_list_that_fails_at_its_end_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = digest_for("m");
    struct meta_op ops[MANY + 1];
    struct tag_name tags[MANY];
    struct meta_name_list l = {0};

    assert_ok(put(f, "a", "m"));
    for (size_t i = 0; i < MANY; i++) {
        char text[24];

        snprintf(text, sizeof(text), "t%zu", i);
        tags[i] = tag_of(text);
        ops[i] = meta_op_tag_set(&r, &tags[i], &d, META_ANY);
    }
    ops[MANY] = meta_op_record_delete(STR("c"), STR("none"), 5);
    assert_int_equal(commit(f, ops, MANY + 1), ERR_CONFLICT);
    assert_int_equal(f->failed, MANY);
    assert_ok(meta_tags(f->m, &r, STR(""), 10, &l, &f->e));
    assert_int_equal(l.n, 0);
    meta_name_list_done(&l);
}

/* "PREFIX0", "PREFIX1", ... of a manifest: more than go with it. */
static void put_with_tags(struct fixture *f, const char *text, const char *prefix, size_t n)
{
    assert_ok(put(f, "a", text));
    for (size_t i = 0; i < n; i++) {
        char tag[16];

        snprintf(tag, sizeof(tag), "%s%zu", prefix, i);
        assert_ok(set_tag(f, "a", tag, text, META_ANY));
    }
}

static void tags_that_go_first_stay_when_the_list_ends_with_a_check_that_fails(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = digest_for("m");
    const struct meta_op ops[] = {
        meta_op_manifest_delete(&r, &d, META_ANY),
        meta_op_record_check(STR("c"), STR("none")),
    };

    put_with_tags(f, "m", "t", DYNAMO_UNTAG_MOST + 1);
    assert_int_equal(commit(f, ops, 2), ERR_NOT_FOUND);
    assert_tag(f, "a", "t0", "m");
    assert_tag(f, "a", "t8", "m");
}

static void tags_of_what_was_revived_stay(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = digest_for("m");

    put_with_tags(f, "m", "t", DYNAMO_UNTAG_MOST + 1);
    assert_int_equal(commit_one(f, meta_op_condemned_delete(&r, &d, META_ANY, INT64_MAX)),
                     ERR_CONFLICT);
    assert_tag(f, "a", "t0", "m");
}

static void manifests_of_many_tags_go_in_one_list(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest one = digest_for("one"), two = digest_for("two");
    const struct meta_op ops[] = {
        meta_op_manifest_delete(&r, &one, META_ANY),
        meta_op_manifest_delete(&r, &two, META_ANY),
    };

    put_with_tags(f, "one", "s", DYNAMO_UNTAG_MOST + 1);
    put_with_tags(f, "two", "t", DYNAMO_UNTAG_MOST + 1);
    assert_ok(commit(f, ops, 2));
    assert_false(has_manifest(f, "a", "one"));
    assert_false(has_manifest(f, "a", "two"));
}

/* All that a transaction may have of each, together. */
static void an_image_of_many_children_tags_and_referrers_goes(void **state)
{
    struct fixture *f = *state;
    static const size_t children[] = {DYNAMO_CHILDREN_FEW, DYNAMO_CHILDREN_MOST};

    for (size_t i = 0; i < sizeof(children) / sizeof(children[0]); i++) {
        AUTO(mem) struct meta_edge *edges = make_children(f, children[i]);
        char text[24];

        assert_ok(push_index(f, edges, children[i], META_ANY));
        for (int k = 1; k < DYNAMO_UNTAG_MOST; k++) {
            snprintf(text, sizeof(text), "t%d", k);
            assert_ok(set_tag(f, "a", text, "index", META_ANY));
        }
        for (int k = 0; k < 19; k++) {
            snprintf(text, sizeof(text), "s%d", k);
            assert_ok(put_referrer(f, "a", text, "index", "x/y", ""));
        }
        assert_ok(delete_manifest(f, "a", "index"));
        assert_false(has_manifest(f, "a", "index"));
        assert_int_equal(version_of(f, "a", "t"), META_ABSENT);
        assert_children(f, children[i], ERR_OK);
    }
}

static void a_subject_of_many_goes_behind_another_operation(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = digest_for("image");
    const struct meta_op ops[] = {
        meta_op_record_put(STR("c"), STR("k"), STR("v"), META_ABSENT),
        meta_op_manifest_delete(&r, &d, META_ANY),
    };

    assert_ok(put(f, "a", "image"));
    for (int i = 0; i < 25; i++) {
        char text[24];

        snprintf(text, sizeof(text), "r%d", i);
        assert_ok(put_referrer(f, "a", text, "image", "x/y", ""));
    }
    assert_ok(commit(f, ops, 2));
    assert_false(has_manifest(f, "a", "image"));
}

/* Sixty-four are more than a transaction holds. */
static void what_is_condemned_goes_in_parts(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d[64];
    struct meta_op ops[64];
    bool done[64];
    AUTO(mem) struct meta_edge *edges = make_children(f, 64);

    for (size_t i = 0; i < 64; i++) {
        d[i] = edges[i].digest;
        ops[i] = meta_op_condemn((struct meta_verdict){.repo = &r,
                                                       .kind = META_ITEM_MANIFEST,
                                                       .digest = &d[i],
                                                       .run = STR("run"),
                                                       .now_ms = 1000,
                                                       .seen_version = META_ABSENT},
                                 &done[i]);
    }
    assert_ok(commit(f, ops, 64));
    assert_ok(put(f, "a", "c40")); /* it is pushed again */
    for (size_t i = 0; i < 64; i++)
        ops[i] = meta_op_condemned_delete(&r, &d[i], META_ABSENT, 1000);
    assert_int_equal(commit(f, ops, 64), ERR_CONFLICT);
    assert_int_equal(f->failed, 40);
    assert_true(has_manifest(f, "a", "c0"));
    ops[40] = ops[0];
    assert_ok(commit(f, ops + 1, 63));
    assert_true(has_manifest(f, "a", "c40"));
    assert_false(has_manifest(f, "a", "c63"));
}

/* ---- what a deletion leaves */

static size_t condemned_in(struct fixture *f, enum meta_why why)
{
    struct repo_name r = repo_of("a");
    AUTO(meta_uses) struct meta_use_list l = {0};
    size_t n = 0;

    assert_ok(meta_uses(f->m, &r, META_ITEM_MANIFEST, STR(""), 2 * MANY, &l, &f->e));
    for (size_t i = 0; i < l.n; i++)
        n += l.rows[i].condemned && l.rows[i].why == why;
    return n;
}

static void an_index_of_many_that_goes_condemns_its_children(void **state)
{
    struct fixture *f = *state;
    AUTO(mem) struct meta_edge *edges = make_children(f, MANY);

    assert_ok(push_index(f, edges, MANY, META_ABSENT));
    assert_ok(set_tag(f, "a", "mine", "c7", META_ANY));
    assert_ok(delete_manifest(f, "a", "index"));
    assert_int_equal(condemned_in(f, META_WHY_CHILD), MANY - 1);
    assert_ok(push_index(f, edges, MANY, META_ABSENT));
    assert_int_equal(condemned_in(f, META_WHY_CHILD), 0);
}

static void an_index_of_many_that_was_not_put_condemns_nothing(void **state)
{
    struct fixture *f = *state;
    AUTO(mem) struct meta_edge *edges = make_children(f, MANY);

    assert_int_equal(push_index(f, edges, MANY, 99), ERR_CONFLICT);
    assert_int_equal(condemned_in(f, META_WHY_CHILD), 0);
}

static void a_subject_of_many_that_goes_condemns_its_referrers(void **state)
{
    struct fixture *f = *state;

    assert_ok(put(f, "a", "image"));
    for (int i = 0; i < 50; i++) {
        char text[24];

        snprintf(text, sizeof(text), "r%d", i);
        assert_ok(put_referrer(f, "a", text, "image", "x/y", ""));
    }
    assert_ok(delete_manifest(f, "a", "image"));
    assert_int_equal(condemned_in(f, META_WHY_REFERRER), 50);
}

/* ---- what a repository has */

static void assert_has(struct fixture *f, size_t manifests, size_t blobs)
{
    struct repo_name r = repo_of("a");
    AUTO(meta_repo_manifests) struct meta_repo_manifest_list m = {0};
    AUTO(meta_repo_blobs) struct meta_repo_blob_list b = {0};

    assert_ok(meta_repo_manifests(f->m, &r, STR(""), 100, &m, &f->e));
    assert_ok(meta_repo_blobs(f->m, &r, STR(""), 100, &b, &f->e));
    assert_int_equal(m.n, manifests);
    assert_int_equal(b.n, blobs);
    assert_null(m.next);
    assert_null(b.next);
}

/* Two for the manifests, two for the blobs, and one for each blob: who else has it. */
static void what_a_repository_has_is_listed_without_looking_at_others(void **state)
{
    struct fixture *f = *state;
    uint64_t from;

    for (int i = 0; i < 30; i++) {
        char seed[16];

        snprintf(seed, sizeof(seed), "other %d", i);
        assert_ok(blob_link(f, "b", seed));
        assert_ok(put(f, "b", seed));
    }
    assert_ok(blob_link(f, "a", "layer"));
    assert_ok(put(f, "a", "image"));
    from = dynamo_requests(f->m);
    assert_has(f, 1, 1);
    assert_int_equal(since(f, &from), 5);
}

static void write_item(struct fixture *f, json_t *request)
{
    AUTO(json) json_t *requests = json_pack("[o]", request);
    struct dynamo_link *l = dynamo_of(f->m)->link;

    assert_ok(dynamo_write_many(l, requests, dynamo_link_end(l), &f->e));
}

static void forget_held(struct fixture *f, bool manifest, const char *seed)
{
    struct digest d = digest_for(seed);
    struct dynamo_key key = dynamo_key_held(STR("a"), manifest, digest_str(&d));

    write_item(f, dynamo_delete_request(key.pk, key.sk));
}

static void damage_edges(struct fixture *f, const char *text)
{
    struct dynamo_link *l = dynamo_of(f->m)->link;
    struct digest d = digest_for(text);
    struct dynamo_key key = dynamo_key_manifest(STR("a"), digest_str(&d));
    json_t *item = NULL;

    assert_ok(dynamo_get(l, &key, dynamo_link_end(l), &item, &f->e));
    json_object_set_new(item, "edges", json_pack("{s:s}", "S", "no edge"));
    write_item(f, json_pack("{s:{s:o}}", "PutRequest", "Item", item));
}

static bool condemn_blob(struct fixture *f, const char *seed)
{
    struct repo_name r = repo_of("a");
    struct digest d = digest_for(seed);
    bool done = false;

    assert_ok(commit_one(f, meta_op_condemn((struct meta_verdict){.repo = &r,
                                                                  .kind = META_ITEM_BLOB,
                                                                  .digest = &d,
                                                                  .run = STR("run"),
                                                                  .now_ms = 1000},
                                            &done)));
    return done;
}

static void a_manifest_whose_edges_are_damaged_keeps_what_it_names(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    const struct meta_edge edge = {META_EDGE_BLOB, digest_for("layer")};
    AUTO(meta_uses) struct meta_use_list l = {0};

    assert_ok(blob_link(f, "a", "layer"));
    assert_ok(blob_link(f, "a", "other"));
    assert_ok(put_edges(f, "a", "image", &edge, 1));
    damage_edges(f, "image");
    assert_ok(meta_uses(f->m, &r, META_ITEM_MANIFEST, STR(""), 10, &l, &f->e));
    assert_int_equal(l.n, 1);
    assert_true(l.rows[0].damaged);
    assert_false(condemn_blob(f, "layer"));
    assert_true(condemn_blob(f, "other"));
}

static void a_table_of_the_first_layout_gets_what_leads_to_manifests_and_blobs(void **state)
{
    struct fixture *f = *state;

    assert_ok(blob_link(f, "a", "layer"));
    assert_ok(put(f, "a", "image"));
    forget_held(f, false, "layer");
    forget_held(f, true, "image");
    assert_has(f, 0, 0);
    write_item(f, json_pack("{s:{s:{s:{s:s}, s:{s:s}, s:o}}}", "PutRequest", "Item", "pk", "S",
                            "table", "sk", "S", "layout", "version", item_number(1)));
    fixture_reopen(f);
    assert_has(f, 1, 1);
}

/* ---- what the service refuses, and its emulator does not */

/* However often an item is touched, it is in the transaction once. */
static void no_transaction_names_an_item_twice(void **state)
{
    struct fixture *f = *state;
    struct dynamo_cells cells;
    struct dynamo_key key = dynamo_key_record(STR("c"), STR("k"));
    struct dynamo_cell *c;
    AUTO(json) json_t *action = NULL;

    dynamo_cells_init(&cells, dynamo_of(f->m)->link, clock_mono_ms() + 10000);
    c = dynamo_cell_at(&cells, &key);
    assert_ok(dynamo_cell_guess(&cells, c, json_pack("{s:o}", "version", item_number(3)), &f->e));
    dynamo_cell_saw(c, "version", false);
    dynamo_cell_saw(c, "version", true);
    dynamo_cell_add(c, "version", 1);
    dynamo_cell_set(&cells, c, "value", STR("one"));
    dynamo_cell_set(&cells, c, "value", STR("two"));
    assert_ptr_equal(dynamo_cell_at(&cells, &key), c);
    assert_null(c->next);
    assert_int_equal(dynamo_cell_number(c, "version"), 4);
    action = dynamo_cell_action(c, "T");
    assert_int_equal(json_object_size(action), 1);
    assert_string_equal(json_string_value(json_object_get(json_object_get(action, "Update"),
                                                          "ConditionExpression")),
                        "#version = :v2");
    dynamo_cells_done(&cells);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(linking_a_blob_takes_one),
        TEST(a_manifest_of_many_layers_with_a_tag_takes_two),
        TEST(reads_take_one_and_by_a_tag_two),
        TEST(a_record_is_written_in_one_when_it_is_as_expected),
        TEST(the_row_of_a_replica_is_asked_for_beside_it),
        TEST(a_record_of_any_length_is_kept),
        TEST(an_index_of_many_keeps_what_it_names_and_lets_it_go),
        TEST(an_index_of_many_that_lacks_one_leaves_nothing),
        TEST(an_index_of_many_that_may_not_have_its_tag_leaves_nothing),
        TEST(what_was_left_in_the_middle_is_not_seen_and_gone_on_with),
        TEST(what_was_left_in_the_middle_for_other_links_is_begun_anew),
        TEST(what_was_left_in_the_middle_long_ago_is_cleaned_up),
        TEST(a_list_that_fails_at_its_end_changes_nothing),
        TEST(tags_that_go_first_stay_when_the_list_ends_with_a_check_that_fails),
        TEST(tags_of_what_was_revived_stay),
        TEST(manifests_of_many_tags_go_in_one_list),
        TEST(an_image_of_many_children_tags_and_referrers_goes),
        TEST(a_subject_of_many_goes_behind_another_operation),
        TEST(what_is_condemned_goes_in_parts),
        TEST(an_index_of_many_that_goes_condemns_its_children),
        TEST(an_index_of_many_that_was_not_put_condemns_nothing),
        TEST(a_subject_of_many_that_goes_condemns_its_referrers),
        TEST(what_a_repository_has_is_listed_without_looking_at_others),
        TEST(a_manifest_whose_edges_are_damaged_keeps_what_it_names),
        TEST(a_table_of_the_first_layout_gets_what_leads_to_manifests_and_blobs),
        TEST(no_transaction_names_an_item_twice),
    };

    fixture_choose(argc, argv);
    return cmocka_run_group_tests_name(fixture_driver(), tests, NULL, NULL);
}
