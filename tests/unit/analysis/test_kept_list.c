#include "analysis/kept_list.h"

#include "unit/analysis/layers.h"

#include <stdlib.h>

#define OF STR("sha256:abc")

/* Bytes in pieces of a few. */
struct pieces {
    struct reader reader;
    struct str left;
    size_t piece_bytes;
};

static enum err_code read_piece(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                                struct err *e)
{
    struct pieces *p = (struct pieces *)r;
    size_t n = p->left.n < p->piece_bytes ? p->left.n : p->piece_bytes;

    (void)e;
    *ret_n = n < cap ? n : cap;
    memcpy(buf, p->left.p, *ret_n);
    p->left = str_sub(p->left, *ret_n, p->left.n - *ret_n);
    return ERR_OK;
}

static const struct reader_ops ops = {.read = read_piece};

static enum err_code add(void *ctx, const void *p, size_t n, struct err *e)
{
    (void)e;
    buf_add(ctx, p, n);
    return ERR_OK;
}

static void keep(const struct layer_files *f, struct buf *ret)
{
    buf_init(ret, 64u << 20);
    assert_ok(kept_list_write(f, OF, add, ret, ERR_IGNORED));
}

static enum err_code restore(struct str bytes, size_t piece_bytes, kept_list_want want,
                             struct layer_files **ret, struct err *e)
{
    struct pieces in = {.reader = {.ops = &ops}, .left = bytes, .piece_bytes = piece_bytes};

    return kept_list_read(&in.reader, OF, 64u << 20, want, NULL, ret, e);
}

static struct layer_files *a_list(void)
{
    AUTO(buf) struct buf tar = {0};
    struct layer_files *f = NULL;

    buf_init(&tar, 1u << 20);
    layer_folder(&tar, "usr/");
    layer_file(&tar, "usr/bin/env", "#!/bin/sh\n");
    layer_file(&tar, "usr/bin/\xff\xfe", "no UTF-8");
    layer_member(&tar, '2', "usr/bin/link", "../lib/x", STR_NONE);
    layer_member(&tar, '1', "usr/bin/env2", "usr/bin/env", STR_NONE);
    layer_file(&tar, "usr/lib/.wh.gone", "");
    layer_file(&tar, "opt/.wh..wh..opq", "");
    layer_file(&tar, "app/log4j-core-2.14.jar", "jar");
    layer_file(&tar, "etc/os-release", "ID=alpine\n");
    layer_end(&tar);
    assert_ok(layer_take(buf_str(&tar), tar.n, PLENTY, &f, ERR_IGNORED));
    return f;
}

static void assert_same_file(const struct layer_file *a, const struct layer_file *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_true(str_eq(a->path, b->path));
    assert_true(str_eq(a->link, b->link));
    if (a->kind == LAYER_WHITEOUT || a->kind == LAYER_OPAQUE)
        return;
    assert_int_equal(a->size_bytes, b->size_bytes);
    assert_int_equal(a->mode, b->mode);
    assert_int_equal(a->uid, b->uid);
    assert_int_equal(a->gid, b->gid);
    assert_int_equal(a->modified_s, b->modified_s);
    assert_int_equal(a->at_bytes, b->at_bytes);
    assert_int_equal(a->has_sha256, b->has_sha256);
    assert_memory_equal(a->sha256, b->sha256, 32);
}

static void assert_same(const struct layer_files *a, const struct layer_files *b)
{
    assert_int_equal(layer_files_count(a), layer_files_count(b));
    for (size_t i = 0; i < layer_files_count(a); i++) {
        struct layer_file x, y;

        layer_files_get(a, i, &x);
        layer_files_get(b, i, &y);
        assert_same_file(&x, &y);
    }
}

static void a_list_comes_back_as_it_was(void **state)
{
    static const size_t sizes[] = {1, 7, 100000};
    AUTO(layer_files) struct layer_files *f = a_list();
    AUTO(buf) struct buf bytes = {0};

    (void)state;
    keep(f, &bytes);
    for (size_t i = 0; i < 3; i++) {
        AUTO(layer_files) struct layer_files *again = NULL;

        assert_ok(restore(buf_str(&bytes), sizes[i], NULL, &again, ERR_IGNORED));
        assert_same(f, again);
        assert_int_equal(layer_files_packed_bytes(again), layer_files_packed_bytes(f));
        assert_int_equal(layer_files_unpacked_bytes(again), layer_files_unpacked_bytes(f));
    }
}

static void packages_and_os_release_come_back(void **state)
{
    AUTO(layer_files) struct layer_files *f = a_list(), *again = NULL;
    AUTO(buf) struct buf bytes = {0};
    struct layer_package p;

    (void)state;
    keep(f, &bytes);
    assert_ok(restore(buf_str(&bytes), 100, NULL, &again, ERR_IGNORED));
    assert_int_equal(layer_files_packages(again), 1);
    layer_files_get_package(again, 0, &p);
    assert_int_equal(p.kind, PACKAGE_JAVA);
    assert_true(str_eq(p.name, STR("log4j-core")));
    assert_true(str_eq(p.version, STR("2.14")));
    assert_int_equal(p.file, 7);
    assert_true(str_eq(layer_files_os_release(again), STR("ID=alpine\n")));
}

static void the_same_list_is_kept_as_the_same_bytes(void **state)
{
    AUTO(layer_files) struct layer_files *f = a_list(), *again = NULL;
    AUTO(buf) struct buf bytes = {0}, bytes_again = {0};

    (void)state;
    keep(f, &bytes);
    assert_ok(restore(buf_str(&bytes), 100, NULL, &again, ERR_IGNORED));
    keep(again, &bytes_again);
    assert_true(str_eq(buf_str(&bytes), buf_str(&bytes_again)));
}

static bool in_bin(void *ctx, const struct layer_file *f)
{
    (void)ctx;
    return str_starts(f->path, STR("usr/bin/"));
}

static void only_what_is_wanted_is_read_into_memory(void **state)
{
    AUTO(layer_files) struct layer_files *f = a_list(), *some = NULL;
    AUTO(buf) struct buf bytes = {0};

    (void)state;
    keep(f, &bytes);
    assert_ok(restore(buf_str(&bytes), 100, in_bin, &some, ERR_IGNORED));
    assert_int_equal(layer_files_count(some), 4);
    assert_int_equal(layer_files_packages(some), 0);
}

static void a_list_that_is_cut_anywhere_is_damaged(void **state)
{
    AUTO(layer_files) struct layer_files *f = a_list();
    AUTO(buf) struct buf bytes = {0};

    (void)state;
    keep(f, &bytes);
    for (size_t n = 0; n < bytes.n; n++) {
        AUTO(layer_files) struct layer_files *again = NULL;

        assert_code(ERR_CORRUPT,
                    restore(str_sub(buf_str(&bytes), 0, n), 100, NULL, &again, ERR_IGNORED));
    }
}

static void a_list_with_any_wrong_byte_is_read_without_harm(void **state)
{
    AUTO(layer_files) struct layer_files *f = a_list();
    AUTO(buf) struct buf bytes = {0};

    (void)state;
    keep(f, &bytes);
    for (size_t i = 0; i < bytes.n; i++) {
        AUTO(layer_files) struct layer_files *again = NULL;

        bytes.p[i] ^= 0x41;
        (void)!restore(buf_str(&bytes), 100, NULL, &again, ERR_IGNORED);
        bytes.p[i] ^= 0x41;
    }
}

static void a_list_of_another_layer_is_damaged(void **state)
{
    AUTO(layer_files) struct layer_files *f = a_list(), *again = NULL;
    AUTO(buf) struct buf bytes = {0};

    (void)state;
    buf_init(&bytes, 1u << 20);
    assert_ok(kept_list_write(f, STR("sha256:abd"), add, &bytes, ERR_IGNORED));
    assert_code(ERR_CORRUPT, restore(buf_str(&bytes), 100, NULL, &again, ERR_IGNORED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_comes_back_as_it_was),
        cmocka_unit_test(packages_and_os_release_come_back),
        cmocka_unit_test(the_same_list_is_kept_as_the_same_bytes),
        cmocka_unit_test(only_what_is_wanted_is_read_into_memory),
        cmocka_unit_test(a_list_that_is_cut_anywhere_is_damaged),
        cmocka_unit_test(a_list_with_any_wrong_byte_is_read_without_harm),
        cmocka_unit_test(a_list_of_another_layer_is_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
