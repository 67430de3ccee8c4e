/* Originals: what store.h promises of every driver. */
#include "store_fixture.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define LARGE_BYTES (11u << 20) /* parts, on a server */

static struct store *store_in(void **state)
{
    return ((struct fixture *)*state)->s;
}

static struct store_original_name name_of(const char *text)
{
    struct store_original_name name = {0};

    assert_true(store_original_name_parse(str_of(text), &name));
    return name;
}

static struct store_upload *begin(struct store *s, const struct uuid *id,
                                  const struct store_original_name *name, struct str bytes)
{
    struct store_upload *u = NULL;
    uint64_t size;

    OK(store_upload_create(s, id, E));
    OK(store_upload_open(s, id, &u, &size, E));
    OK(store_original_expect(s, u, name, E));
    OK(store_upload_write(s, u, bytes.p, bytes.n, 0, E));
    return u;
}

static struct store_original_name keep(struct store *s, const char *text, struct str bytes)
{
    const struct store_original_name name = name_of(text);
    struct uuid id = new_uuid();
    struct store_upload *u = begin(s, &id, &name, bytes);

    OK(store_original_commit(s, u, &name, E));
    OK(store_upload_delete(s, &id, E));
    return name;
}

static enum err_code read_some(struct reader *r, char *p, size_t cap, size_t *ret_n)
{
    enum err_code code;

    while ((code = reader_read(r, p, cap, ret_n, E)) == ERR_LATER) {
        struct pollfd wait = {.fd = reader_wait_fd(r), .events = POLLIN};

        poll(&wait, 1, 1000);
    }
    return code;
}

static void assert_kept(struct store *s, const struct store_original_name *name, struct str bytes,
                        uint64_t known_bytes)
{
    struct reader *r = NULL;
    uint64_t size = 0;
    char *got = malloc(bytes.n + 1);
    size_t n = 1, at = 0;

    OK(store_original_open(s, name, known_bytes, &r, &size, E));
    assert_int_equal(size, bytes.n);
    while (n > 0) {
        OK(read_some(r, got + at, bytes.n + 1 - at, &n));
        at += n;
    }
    assert_int_equal(at, bytes.n);
    assert_memory_equal(got, bytes.p, bytes.n);
    reader_free(r);
    free(got);
}

static enum err_code count(void *ctx, const struct store_original *o, struct err *e)
{
    (void)o, (void)e;
    ++*(size_t *)ctx;
    return ERR_OK;
}

static size_t count_originals(struct store *s)
{
    size_t n = 0;

    OK(store_original_each(s, count, &n, E));
    return n;
}

static enum err_code delete_one(void *ctx, const struct store_original *o, struct err *e)
{
    return store_original_delete(ctx, &o->name, e);
}

/* Tests share the place of a server. */
static void clear(struct store *s)
{
    OK(store_original_each(s, delete_one, s, E));
    assert_int_equal(count_originals(s), 0);
}

static void what_is_kept_is_read_back(void **state)
{
    struct store *s = store_in(state);
    struct store_original_name name = keep(s, "ann/20260102T030405Z/1.tar.gz", STR("as it came"));

    assert_kept(s, &name, STR("as it came"), UINT64_MAX);
    assert_kept(s, &name, STR("as it came"), 10);
    clear(s);
}

static void a_large_one_is_whole_as_well(void **state)
{
    struct store *s = store_in(state);
    struct str bytes = make_bytes(1, LARGE_BYTES);
    struct store_original_name name = keep(s, "robot~ci/20260102T030405Z/2.tar.zst", bytes);

    assert_kept(s, &name, bytes, UINT64_MAX);
    clear(s);
    free((char *)bytes.p);
}

static void nothing_is_there_before_it_is_whole(void **state)
{
    struct store *s = store_in(state);
    struct store_original_name name = name_of("ann/20260102T030405Z/3.tar.gz");
    struct str bytes = make_bytes(2, LARGE_BYTES);
    struct uuid id = new_uuid();
    struct store_upload *u = begin(s, &id, &name, bytes);
    struct reader *r;
    uint64_t size;

    FAILS(ERR_NOT_FOUND, store_original_open(s, &name, UINT64_MAX, &r, &size, E));
    assert_int_equal(count_originals(s), 0);
    store_upload_close(s, u);
    OK(store_upload_delete(s, &id, E));
    assert_int_equal(count_originals(s), 0);
    assert_int_equal(count_uploads(s), 0);
    free((char *)bytes.p);
}

static void one_that_is_deleted_is_gone_alone(void **state)
{
    struct store *s = store_in(state);
    struct store_original_name a = keep(s, "ann/20260102T030405Z/4.tar.gz", STR("a"));
    struct store_original_name b = keep(s, "ann/20260102T030405Z/5.tar.gz", STR("b"));
    struct reader *r;
    uint64_t size;

    OK(store_original_delete(s, &a, E));
    FAILS(ERR_NOT_FOUND, store_original_open(s, &a, UINT64_MAX, &r, &size, E));
    OK(store_original_delete(s, &a, E)); /* not there: success */
    assert_kept(s, &b, STR("b"), UINT64_MAX);
    clear(s);
}

static enum err_code has_size(void *ctx, const struct store_original *o, struct err *e)
{
    (void)e;
    if (strcmp(o->name.text, "b%40c/20260102T030406Z/7.tar.xz") == 0)
        *(bool *)ctx = o->size_bytes == 3 && o->modified_ms > 0;
    return ERR_OK;
}

static void all_are_listed_by_name_and_size(void **state)
{
    struct store *s = store_in(state);
    bool found = false;

    keep(s, "~anonymous/20260102T030405Z/6.tar.gz", STR("1"));
    keep(s, "b%40c/20260102T030406Z/7.tar.xz", STR("123"));
    assert_int_equal(count_originals(s), 2);
    OK(store_original_each(s, has_size, &found, E));
    assert_true(found);
    clear(s);
}

static enum err_code told(void *ctx, const struct store_item *item, struct err *e)
{
    (void)ctx;
    return err_set(e, ERR_INTERNAL, "'%s' is told", item->path ? item->path : item->digest.text);
}

static void they_are_no_content(void **state)
{
    struct store *s = store_in(state);

    keep(s, "ann/20260102T030405Z/8.tar.gz", STR("no blob"));
    OK(store_each(s, STORE_BLOB | STORE_MANIFEST | STORE_TAG | STORE_ODD, told, NULL, E));
    clear(s);
}

static void they_last(void **state)
{
    struct fixture *f = *state;
    struct store_original_name name;

    if (!f->variant->lasts)
        return;
    name = keep(f->s, "ann/20260102T030405Z/9.tar.gz", STR("for long"));
    fixture_reopen(f);
    assert_kept(f->s, &name, STR("for long"), UINT64_MAX);
    clear(f->s);
}

static void names_that_lead_elsewhere_are_none(void **state)
{
    static const char *const bad[] = {
        "",          "a",    "a/b",  "a/b/c/d", "/a/b/c",  "../b/c",   "a/../c",       "a/b/..",
        "a/b/.hide", "a//c", "a/b/", "a/b/c\n", "a/b/c d", "a/b/c\\d", "a/b/\xc3\xa4",
    };
    struct store_original_name name;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(store_original_name_parse(str_of(bad[i]), &name));
}

int run_original_suite(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_kept_is_read_back, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_large_one_is_whole_as_well, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(nothing_is_there_before_it_is_whole, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(one_that_is_deleted_is_gone_alone, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(all_are_listed_by_name_and_size, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(they_are_no_content, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(they_last, fixture_setup, fixture_teardown),
        cmocka_unit_test(names_that_lead_elsewhere_are_none),
    };

    return cmocka_run_group_tests_name("store originals", tests, NULL, NULL);
}
