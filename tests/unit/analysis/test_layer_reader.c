#include "analysis/layer_reader.h"

#include "base/digest.h"
#include "base/hex.h"
#include "base/mem.h"
#include "unit/analysis/layers.h"

#include <stdio.h>
#include <stdlib.h>

static void begin(struct buf *b)
{
    buf_init(b, 100u << 20);
}

static void a_layer(struct buf *b)
{
    begin(b);
    layer_folder(b, "usr/");
    layer_folder(b, "usr/bin/");
    layer_file(b, "./usr/bin/env", "#!/bin/sh\n");
    layer_member(b, '2', "usr/bin/link", "../lib/x", STR_NONE);
    layer_member(b, '1', "usr/bin/env2", "./usr/bin/env", STR_NONE);
    layer_file(b, "usr/lib/.wh.gone", "");
    layer_file(b, "opt/.wh..wh..opq", "");
    layer_file(b, ".wh..wh.plnk", "");
    layer_member(b, '3', "dev/null", NULL, STR_NONE);
    layer_end(b);
}

static struct layer_file file_of(const struct layer_files *f, size_t i)
{
    struct layer_file file;

    layer_files_get(f, i, &file);
    return file;
}

/* "kind path link size" of each, a line. */
static void list(const struct layer_files *f, struct buf *ret)
{
    buf_init(ret, 1u << 20);
    for (size_t i = 0; i < layer_files_count(f); i++) {
        struct layer_file x = file_of(f, i);

        buf_addf(ret, "%s " STR_FMT " " STR_FMT " %llu\n", layer_file_kind_name(x.kind),
                 STR_ARG(x.path), STR_ARG(x.link), (unsigned long long)x.size_bytes);
    }
}

static const char expected[] = "folder usr  0\n"
                               "folder usr/bin  0\n"
                               "file usr/bin/env  10\n"
                               "symlink usr/bin/link ../lib/x 0\n"
                               "hardlink usr/bin/env2 usr/bin/env 0\n"
                               "whiteout usr/lib/gone  0\n"
                               "opaque opt  0\n"
                               "device dev/null  0\n";

static void take_and_list(struct str bytes, size_t piece_bytes)
{
    AUTO(layer_files) struct layer_files *f = NULL;
    AUTO(buf) struct buf text = {0};

    assert_ok(layer_take(bytes, piece_bytes, PLENTY, &f, ERR_IGNORED));
    list(f, &text);
    assert_string_equal(buf_text(&text), expected);
    assert_int_equal(layer_files_packed_bytes(f), bytes.n);
}

static void the_files_of_a_layer_are_listed(void **state)
{
    AUTO(buf) struct buf b = {0};

    (void)state;
    a_layer(&b);
    take_and_list(buf_str(&b), b.n);
}

static void pieces_of_any_size_give_the_same_list(void **state)
{
    static const size_t sizes[] = {1, 7, 511, 512, 513, 4096};
    AUTO(buf) struct buf b = {0};

    (void)state;
    a_layer(&b);
    for (size_t i = 0; i < 6; i++)
        take_and_list(buf_str(&b), sizes[i]);
}

static void gzip_of_several_members_is_unpacked(void **state)
{
    AUTO(buf) struct buf b = {0}, packed = {0};

    (void)state;
    a_layer(&b);
    begin(&packed);
    layer_gzip(str_sub(buf_str(&b), 0, 1000), &packed); /* as eStargz has one for each file */
    layer_gzip(str_sub(buf_str(&b), 1000, b.n - 1000), &packed);
    take_and_list(buf_str(&packed), 100);
}

static void zstd_with_a_frame_to_skip_is_unpacked(void **state)
{
    AUTO(buf) struct buf b = {0}, packed = {0};

    (void)state;
    a_layer(&b);
    begin(&packed);
    layer_zstd(buf_str(&b), &packed);
    buf_add(&packed, "\x50\x2a\x4d\x18\x04\0\0\0toc!", 12); /* RFC 8878, 3.1.2 */
    take_and_list(buf_str(&packed), 64);
}

static void contents_get_their_digest(void **state)
{
    AUTO(buf) struct buf b = {0};
    AUTO(layer_files) struct layer_files *f = NULL;
    struct digest d;
    char hex[65];

    (void)state;
    a_layer(&b);
    assert_ok(layer_take(buf_str(&b), 100, PLENTY, &f, ERR_IGNORED));
    digest_of(DIGEST_SHA256, "#!/bin/sh\n", 10, &d);
    assert_true(file_of(f, 2).has_sha256);
    hex_encode(file_of(f, 2).sha256, 32, hex);
    assert_memory_equal(hex, digest_hex(&d).p, 64);
    assert_false(file_of(f, 0).has_sha256);
}

#define MANY       40
#define MANY_BYTES 100003u

/* Files of so many bytes, all together more than one thread reads alone; `last` stands behind. */
static void a_large_layer(struct buf *b, const char *last)
{
    AUTO(mem) char *contents = mem_alloc(MANY_BYTES);
    uint32_t x = 1;
    char path[16];

    begin(b);
    for (int i = 0; i < MANY; i++) {
        for (size_t k = 0; k < MANY_BYTES; k++) {
            x = x * 1103515245 + 12345;
            contents[k] = (char)(x >> 16);
        }
        snprintf(path, sizeof(path), "many/%02d", i);
        layer_member(b, '0', path, NULL, (struct str){contents, MANY_BYTES});
    }
    layer_file(b, last, "last");
    layer_end(b);
}

static void a_layer_that_another_thread_reads_gives_the_same_list(void **state)
{
    AUTO(buf) struct buf b = {0};
    AUTO(buf) struct buf packed = {0};
    AUTO(layer_files) struct layer_files *f = NULL;
    struct digest d;
    unsigned char sha256[32];

    (void)state;
    a_large_layer(&b, "last");
    begin(&packed);
    layer_gzip(buf_str(&b), &packed);
    assert_ok(layer_take(buf_str(&packed), 65536, PLENTY, &f, ERR_IGNORED));
    assert_int_equal(layer_files_count(f), MANY + 1);
    for (size_t i = 0; i < MANY; i++) {
        struct layer_file x = file_of(f, i);

        digest_of(DIGEST_SHA256, b.p + x.at_bytes, MANY_BYTES, &d);
        hex_decode(digest_hex(&d), sha256, sizeof(sha256));
        assert_memory_equal(x.sha256, sha256, sizeof(sha256));
    }
    assert_int_equal(file_of(f, MANY).size_bytes, 4);
    assert_int_equal(layer_files_unpacked_bytes(f), b.n);
}

/* Though the other thread may come to it later. */
static void of_two_faults_the_first_is_told(void **state)
{
    AUTO(buf) struct buf b = {0};
    AUTO(buf) struct buf packed = {0};
    struct layer_files *f = NULL;
    struct err e = {0};

    (void)state;
    a_large_layer(&b, "../last");
    begin(&packed);
    layer_gzip(buf_str(&b), &packed);
    packed.p[packed.n - 5] ^= 1; /* its CRC */
    assert_code(ERR_IMAGE_INVALID, layer_take(buf_str(&packed), 65536, PLENTY, &f, &e));
    assert_non_null(strstr(e.detail, "leads out"));
}

static void attributes_are_those_of_the_header(void **state)
{
    AUTO(buf) struct buf b = {0};
    AUTO(layer_files) struct layer_files *f = NULL;

    (void)state;
    a_layer(&b);
    assert_ok(layer_take(buf_str(&b), 100, PLENTY, &f, ERR_IGNORED));
    assert_int_equal(file_of(f, 2).mode, 0644);
    assert_int_equal(file_of(f, 2).uid, 7);
    assert_int_equal(file_of(f, 2).gid, 8);
    assert_int_equal(file_of(f, 2).modified_s, 1700000000);
}

static void attributes_in_a_pax_header_win(void **state)
{
    AUTO(buf) struct buf b = {0};
    AUTO(layer_files) struct layer_files *f = NULL;

    (void)state;
    begin(&b);
    layer_member(&b, 'x', "PaxHeaders/a", NULL,
                 STR("15 uid=3000000\n15 gid=4000000\n22 mtime=1800000000.5\n"));
    layer_file(&b, "a", "x");
    layer_file(&b, "b", "x");
    layer_end(&b);
    assert_ok(layer_take(buf_str(&b), 100, PLENTY, &f, ERR_IGNORED));
    assert_int_equal(file_of(f, 0).uid, 3000000);
    assert_int_equal(file_of(f, 0).gid, 4000000);
    assert_int_equal(file_of(f, 0).modified_s, 1800000000);
    assert_int_equal(file_of(f, 1).uid, 7);
}

static void a_path_that_begins_at_the_root_lies_below_it(void **state)
{
    AUTO(buf) struct buf b = {0}, text = {0};
    AUTO(layer_files) struct layer_files *f = NULL;

    (void)state;
    begin(&b);
    layer_file(&b, "/etc//a/../b", "x");
    layer_end(&b);
    assert_ok(layer_take(buf_str(&b), 100, PLENTY, &f, ERR_IGNORED));
    list(f, &text);
    assert_string_equal(buf_text(&text), "file etc/b  1\n");
}

static enum err_code take_file(const char *path)
{
    AUTO(buf) struct buf b = {0};
    AUTO(layer_files) struct layer_files *f = NULL;

    begin(&b);
    layer_file(&b, path, "x");
    layer_end(&b);
    return layer_take(buf_str(&b), 100, PLENTY, &f, ERR_IGNORED);
}

static void a_path_that_leads_outside_is_refused(void **state)
{
    (void)state;
    assert_code(ERR_IMAGE_INVALID, take_file("../etc/passwd"));
    assert_code(ERR_IMAGE_INVALID, take_file("a/../../b"));
    assert_code(ERR_IMAGE_INVALID, take_file("."));
    assert_ok(take_file("a/../b"));
}

static void a_layer_that_is_cut_anywhere_is_refused(void **state)
{
    AUTO(buf) struct buf b = {0}, packed = {0};

    (void)state;
    a_layer(&b);
    begin(&packed);
    layer_gzip(buf_str(&b), &packed);
    for (size_t n = 0; n < packed.n; n++) {
        AUTO(layer_files) struct layer_files *f = NULL;

        assert_code(ERR_IMAGE_INVALID,
                    layer_take(str_sub(buf_str(&packed), 0, n), 100, PLENTY, &f, ERR_IGNORED));
    }
}

static void more_bytes_than_allowed_are_refused(void **state)
{
    AUTO(buf) struct buf b = {0};
    AUTO(layer_files) struct layer_files *f = NULL;
    struct layer_limits limits = *PLENTY;
    struct err e;

    (void)state;
    a_layer(&b);
    limits.max_unpacked_bytes = b.n - 1;
    assert_code(ERR_IMAGE_TOO_LARGE, layer_take(buf_str(&b), 100, &limits, &f, &e));
    assert_true(e.public_detail);
    limits.max_unpacked_bytes = b.n;
    assert_ok(layer_take(buf_str(&b), 100, &limits, &f, &e));
}

static void a_bomb_is_refused_by_its_ratio(void **state)
{
    AUTO(buf) struct buf b = {0}, packed = {0};
    AUTO(layer_files) struct layer_files *f = NULL;
    struct layer_limits limits = *PLENTY;
    size_t n = 80u << 20;
    char *zeros = calloc(1, n);

    (void)state;
    limits.max_ratio = 100;
    begin(&b);
    begin(&packed);
    layer_member(&b, '0', "zeros", NULL, (struct str){zeros, n});
    layer_end(&b);
    layer_gzip(buf_str(&b), &packed);
    assert_code(ERR_IMAGE_TOO_LARGE, layer_take(buf_str(&packed), 4096, &limits, &f, ERR_IGNORED));
    free(zeros);
}

static void too_many_files_are_said_to_be_that(void **state)
{
    AUTO(buf) struct buf b = {0};
    AUTO(layer_files) struct layer_files *f = NULL;
    struct layer_limits limits = *PLENTY;
    struct err e;

    (void)state;
    begin(&b);
    for (int i = 0; i < 2000; i++) {
        char path[64];

        snprintf(path, sizeof(path), "folder/file-%d", i);
        layer_file(&b, path, "");
    }
    layer_end(&b);
    limits.memory_bytes = 100000;
    assert_code(ERR_IMAGE_TOO_LARGE, layer_take(buf_str(&b), 4096, &limits, &f, &e));
    assert_non_null(strstr(e.detail, "too many files"));
    assert_ok(layer_take(buf_str(&b), 4096, PLENTY, &f, &e));
    assert_int_equal(layer_files_count(f), 2000);
    assert_true(layer_files_memory(f) > 100000);
}

static void a_folder_with_contents_is_refused(void **state)
{
    AUTO(buf) struct buf b = {0};
    AUTO(layer_files) struct layer_files *f = NULL;

    (void)state;
    begin(&b);
    layer_member(&b, '5', "a/", NULL, STR("what programs read differently"));
    layer_end(&b);
    assert_code(ERR_IMAGE_INVALID, layer_take(buf_str(&b), 100, PLENTY, &f, ERR_IGNORED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_files_of_a_layer_are_listed),
        cmocka_unit_test(pieces_of_any_size_give_the_same_list),
        cmocka_unit_test(gzip_of_several_members_is_unpacked),
        cmocka_unit_test(zstd_with_a_frame_to_skip_is_unpacked),
        cmocka_unit_test(contents_get_their_digest),
        cmocka_unit_test(a_layer_that_another_thread_reads_gives_the_same_list),
        cmocka_unit_test(of_two_faults_the_first_is_told),
        cmocka_unit_test(attributes_are_those_of_the_header),
        cmocka_unit_test(attributes_in_a_pax_header_win),
        cmocka_unit_test(a_path_that_begins_at_the_root_lies_below_it),
        cmocka_unit_test(a_path_that_leads_outside_is_refused),
        cmocka_unit_test(a_layer_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(more_bytes_than_allowed_are_refused),
        cmocka_unit_test(a_bomb_is_refused_by_its_ratio),
        cmocka_unit_test(too_many_files_are_said_to_be_that),
        cmocka_unit_test(a_folder_with_contents_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
