/* Rows: all that a driver holds, out of it and into another one. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "fixture.h"

#include <stdlib.h>

#define TEXT_MAX (1 << 20)

static struct meta *open_memory(void)
{
    const struct meta_sqlite_options o = {.path = ":memory:", .read_connections = 1};
    struct meta *m;
    struct err e;

    assert_ok(meta_sqlite_new(&o, &m, &e));
    return m;
}

static void add_audit(struct fixture *f, const char *actor)
{
    struct meta_audit x = {.time_ms = 1,
                           .actor = actor,
                           .action = "push",
                           .target = "a:t",
                           .address = "::1",
                           .result = "ok",
                           .detail = "{}",
                           .repository = "a"};

    assert_ok(commit_one(f, meta_op_audit_add(&x)));
}

static void add_uploads(struct fixture *f)
{
    struct meta_upload u = {.repo = repo_of("a"), .owner = "bob", .started_ms = 5};
    struct digest d = digest_for("layer");

    uuid_make(&u.id);
    assert_ok(commit_one(f, meta_op_upload_take(&u, &u.turn)));
    uuid_make(&u.id);
    assert_ok(commit_one(f, meta_op_upload_take(&u, &u.turn)));
    assert_ok(commit_one(f, meta_op_upload_finish(&u, &d, 7)));
}

/* Some of every kind, with traces of what was there before. */
static void fill(struct fixture *f)
{
    const struct meta_edge edges[] = {{META_EDGE_BLOB, digest_for("layer")},
                                      {META_EDGE_LOOSE_BLOB, digest_for("elsewhere")},
                                      {META_EDGE_BLOB, digest_for("layer")}};

    assert_ok(blob_link(f, "a", "layer"));
    assert_ok(blob_link(f, "b/c", "layer"));
    assert_ok(blob_link(f, "b/c", "unused"));
    assert_ok(blob_link(f, "b/c", "condemned"));
    assert_ok(blob_unlink(f, "b/c", "condemned"));
    assert_ok(put_edges(f, "a", "image", edges, 3));
    assert_ok(put(f, "b/c", "image"));
    assert_ok(put_referrer(f, "a", "signature", "image", "a/type", "{\"by\":\"\xC3\xA4\"}"));
    assert_ok(set_tag(f, "a", "gone", "image", META_ANY));
    assert_ok(delete_tag(f, "a", "gone", META_ANY));
    assert_ok(set_tag(f, "a", "t", "image", META_ANY));
    assert_ok(set_tag(f, "a", "T", "image", META_ANY));
    assert_ok(set_tag(f, "b/c", "t", "image", META_ANY));
    add_uploads(f);
    assert_ok(commit_one(f, meta_op_record_put(STR("users"), STR("bob"), STR("{}"), META_ANY)));
    assert_ok(commit_one(f, meta_op_record_put(STR("users"), STR("bob"), STR("{1}"), META_ANY)));
    assert_ok(commit_one(f, meta_op_record_put(STR("tokens"), STR("1:2"), STR(""), META_ANY)));
    add_audit(f, "user:z");
    add_audit(f, "user:z");
    add_audit(f, "user:a");
    assert_ok(commit_one(f, meta_op_job_add((struct meta_job_add){
                                .kind = STR("sweep"), .key = STR("k"), .due_ms = 5})));
}

static const size_t filled[META_ROW_KINDS] = {
    [META_ROW_REPO] = 2,       [META_ROW_BLOB] = 3,   [META_ROW_MANIFEST] = 3,
    [META_ROW_EDGE] = 3,       [META_ROW_TAG] = 3,    [META_ROW_REFERRER] = 1,
    [META_ROW_PROJECTION] = 4, [META_ROW_UPLOAD] = 2, [META_ROW_RECORD] = 2,
    [META_ROW_AUDIT] = 3,      [META_ROW_JOB] = 1,    [META_ROW_REMOVED] = 1,
    [META_ROW_MOVE] = 5,
};

struct lines {
    char *lines[64];
    size_t n;
};

static void lines_done(struct lines *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->lines[i]);
    l->n = 0;
}

static void add_line(struct lines *l, const struct meta_row *row)
{
    AUTO(buf) struct buf b = {0};

    buf_init(&b, TEXT_MAX);
    buf_addf(&b, "%d", (int)row->kind);
    for (size_t i = 0; i < META_ROW_TEXTS; i++)
        buf_addf(&b, "|" STR_FMT, STR_ARG(row->texts[i]));
    for (size_t i = 0; i < META_ROW_INTS; i++)
        buf_addf(&b, "|%lld", (long long)row->ints[i]);
    assert_true(l->n < 64);
    l->lines[l->n++] = str_dup(buf_str(&b));
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Those that go by no age may come in any order: sorted. */
static void read_kind(struct meta *m, enum meta_row_kind kind, size_t limit, struct lines *ret)
{
    bool more = true, by_age = kind == META_ROW_AUDIT || kind == META_ROW_PROJECTION;
    char *after = strdup("");
    struct err e;

    ret->n = 0;
    while (more) {
        AUTO(row_list) struct meta_row_list l = {0};

        assert_ok(meta_rows(m, kind, str_of(after), limit, &l, &e));
        assert_true(l.n <= limit);
        for (size_t i = 0; i < l.n; i++)
            add_line(ret, &l.rows[i]);
        more = l.more;
        if (more) {
            assert_true(l.n > 0);
            free(after);
            after = STEAL(l.next);
        }
    }
    free(after);
    if (!by_age && ret->n > 1)
        qsort(ret->lines, ret->n, sizeof(ret->lines[0]), by_text);
}

static void assert_same(const struct lines *a, const struct lines *b)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++)
        assert_string_equal(a->lines[i], b->lines[i]);
}

static void assert_same_rows(struct meta *one, struct meta *other)
{
    for (int kind = 0; kind < META_ROW_KINDS; kind++) {
        struct lines a, b;

        read_kind(one, (enum meta_row_kind)kind, 100, &a);
        read_kind(other, (enum meta_row_kind)kind, 100, &b);
        assert_same(&a, &b);
        lines_done(&a);
        lines_done(&b);
    }
}

static enum err_code add(struct meta *m, const struct meta_row *row)
{
    struct meta_op op = meta_op_row_add(row);
    struct err e;

    return meta_commit(m, &op, 1, 0, NULL, &e);
}

static void carry(struct meta *from, struct meta *to)
{
    struct err e;

    for (int kind = 0; kind < META_ROW_KINDS; kind++) {
        AUTO(row_list) struct meta_row_list l = {0};
        struct meta_op ops[64];

        assert_ok(meta_rows(from, (enum meta_row_kind)kind, STR(""), 16, &l, &e));
        assert_false(l.more);
        for (size_t i = 0; i < l.n; i++)
            ops[i] = meta_op_row_add(&l.rows[i]);
        assert_ok(meta_commit(to, ops, l.n, 0, NULL, &e));
    }
}

static void all_that_is_held_comes_as_rows(void **state)
{
    struct fixture *f = *state;

    fill(f);
    for (int kind = 0; kind < META_ROW_KINDS; kind++) {
        struct lines l;

        read_kind(f->m, (enum meta_row_kind)kind, 100, &l);
        assert_int_equal(l.n, filled[kind]);
        lines_done(&l);
    }
}

static void an_empty_database_has_no_rows(void **state)
{
    struct fixture *f = *state;

    for (int kind = 0; kind < META_ROW_KINDS; kind++) {
        AUTO(row_list) struct meta_row_list l = {0};

        assert_ok(meta_rows(f->m, (enum meta_row_kind)kind, STR(""), 1, &l, &f->e));
        assert_int_equal(l.n, 0);
        assert_false(l.more);
    }
}

static void pages_of_one_leave_nothing_out(void **state)
{
    struct fixture *f = *state;

    fill(f);
    for (int kind = 0; kind < META_ROW_KINDS; kind++) {
        struct lines all, paged;

        read_kind(f->m, (enum meta_row_kind)kind, 100, &all);
        read_kind(f->m, (enum meta_row_kind)kind, 1, &paged);
        assert_same(&all, &paged);
        lines_done(&all);
        lines_done(&paged);
    }
}

static void rows_that_went_to_another_driver_are_the_same_there(void **state)
{
    struct fixture *f = *state;
    struct meta *other = open_memory();

    fill(f);
    carry(f->m, other);
    assert_same_rows(f->m, other);
    meta_free(other);
}

static void rows_that_came_from_another_driver_are_the_same_here(void **state)
{
    struct fixture *f = *state;
    struct fixture other = {.m = open_memory()};

    fill(&other);
    carry(other.m, f->m);
    assert_same_rows(other.m, f->m);
    meta_free(other.m);
}

static void what_came_as_rows_is_found_and_goes_on(void **state)
{
    struct fixture *f = *state;
    struct fixture other = {.m = open_memory()};
    struct meta_usage here, there;
    int64_t version;

    fill(&other);
    carry(other.m, f->m);
    version = version_of(&other, "a", "t");
    assert_tag(f, "a", "t", "image");
    assert_true(has_blob(f, "b/c", "unused"));
    assert_int_equal(version_of(f, "a", "t"), version);
    assert_int_equal(blob_unlink(f, "a", "layer"), ERR_IN_USE);
    assert_ok(meta_usage(other.m, STR(""), &there, &f->e));
    assert_ok(meta_usage(f->m, STR(""), &here, &f->e));
    assert_int_equal(here.bytes, there.bytes);
    assert_int_equal(here.tags, there.tags);
    assert_ok(set_tag(f, "a", "new", "image", META_ABSENT));
    assert_true(version_of(f, "a", "new") > version);
    assert_ok(delete_manifest(f, "a", "signature"));
    add_audit(f, "user:later");
    meta_free(other.m);
}

static void a_row_that_is_there_is_refused(void **state)
{
    struct fixture *f = *state;
    struct meta_row row = {
        .kind = META_ROW_RECORD, .texts = {STR("users"), STR("bob"), STR("{}")}, .ints = {3}};

    assert_ok(add(f->m, &row));
    assert_int_equal(add(f->m, &row), ERR_INTERNAL);
}

static void a_row_whose_repository_is_not_there_is_not_added(void **state)
{
    struct fixture *f = *state;
    struct digest d = digest_for("layer");
    struct meta_row row = {.kind = META_ROW_BLOB, .texts = {STR("a"), digest_str(&d)}, .ints = {5}};
    AUTO(row_list) struct meta_row_list l = {0};

    assert_ok(add(f->m, &row));
    assert_ok(meta_rows(f->m, META_ROW_BLOB, STR(""), 1, &l, &f->e));
    assert_int_equal(l.n, 0);
}

static void a_place_that_no_page_gave_is_refused(void **state)
{
    static const char *const places[] = {"1", "x:", "2:1", "1:x", "1:1", "1:11:1", "1:11:1x"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        AUTO(row_list) struct meta_row_list l = {0};
        enum meta_row_kind kind = strcmp(places[i], "1:11:1") == 0 ? META_ROW_REPO : META_ROW_EDGE;

        assert_int_equal(meta_rows(f->m, kind, str_of(places[i]), 1, &l, &f->e), ERR_INTERNAL);
    }
}

static void a_kind_that_is_none_is_refused(void **state)
{
    struct fixture *f = *state;
    struct meta_row row = {.kind = META_ROW_KINDS};
    AUTO(row_list) struct meta_row_list l = {0};

    assert_int_equal(add(f->m, &row), ERR_INTERNAL);
    assert_int_equal(meta_rows(f->m, META_ROW_KINDS, STR(""), 1, &l, &f->e), ERR_INTERNAL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(all_that_is_held_comes_as_rows),
        TEST(an_empty_database_has_no_rows),
        TEST(pages_of_one_leave_nothing_out),
        TEST(rows_that_went_to_another_driver_are_the_same_there),
        TEST(rows_that_came_from_another_driver_are_the_same_here),
        TEST(what_came_as_rows_is_found_and_goes_on),
        TEST(a_row_that_is_there_is_refused),
        TEST(a_row_whose_repository_is_not_there_is_not_added),
        TEST(a_place_that_no_page_gave_is_refused),
        TEST(a_kind_that_is_none_is_refused),
    };

    fixture_choose(argc, argv);
    return cmocka_run_group_tests_name(fixture_driver(), tests, NULL, NULL);
}
