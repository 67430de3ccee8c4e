#include "analysis/go_modules.h"

#include "base/buf.h"
#include "unit/analysis/layers.h"

#include <stdlib.h>

#define BEGIN "\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6"
#define END   "\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2"
#define TEXT                                                                                       \
    "path\texample.org/cmd\nmod\texample.org\t(devel)\t\n"                                         \
    "dep\texample.org/a\tv1.2.3\th1:x=\ndep\texample.org/b\tv2.0.0\n"                              \
    "=>\texample.org/fork\tv2.0.1\th1:y=\nbuild\tGOOS=linux\n"
#define MODULES "stdlib 1.22.1\nexample.org \nexample.org/a v1.2.3\nexample.org/fork v2.0.1\n"

static void a_program(struct buf *b, const char *head, const char *text, bool ends)
{
    buf_init(b, 4u << 20);
    buf_add_text(b, head);
    while (b->n < 70000)
        buf_add(b, "\0some code", 10);
    buf_add(b, "\xff Go buildinf:no", 16); /* one that reads others */
    buf_add(b, BEGIN, 16);
    buf_add_text(b, text);
    if (ends)
        buf_add(b, END, 16);
    buf_add(b, "more\0code", 9);
    buf_add(b, "\xff Go buildinf:\x08\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x08go1.22.1", 41);
}

static enum err_code add(void *ctx, struct str name, struct str version, struct err *e)
{
    (void)e;
    buf_addf(ctx, STR_FMT " " STR_FMT "\n", STR_ARG(name), STR_ARG(version));
    return ERR_OK;
}

static void assert_modules(struct go_modules *g, struct str bytes, size_t piece_bytes,
                           const char *want)
{
    AUTO(buf) struct buf found = {0};

    buf_init(&found, 1u << 20);
    go_modules_begin(g);
    for (size_t at = 0; at < bytes.n; at += piece_bytes)
        go_modules_feed(g, bytes.p + at, bytes.n - at < piece_bytes ? bytes.n - at : piece_bytes);
    assert_ok(go_modules_end(g, add, &found, ERR_IGNORED));
    assert_string_equal(buf_text(&found), want);
}

static void modules_are_found_in_pieces_of_any_size(void **state)
{
    static const size_t sizes[] = {1, 13, 4096, 65536, 65600, 1000000};
    AUTO(go_modules) struct go_modules *g = go_modules_new();
    AUTO(buf) struct buf b = {0};

    (void)state;
    a_program(&b,
              "\x7f"
              "ELF",
              TEXT, true);
    for (size_t i = 0; i < 6; i++)
        assert_modules(g, buf_str(&b), sizes[i], MODULES);
}

static void what_is_no_program_has_none(void **state)
{
    AUTO(go_modules) struct go_modules *g = go_modules_new();
    AUTO(buf) struct buf b = {0};

    (void)state;
    a_program(&b, "#!/bin/sh", TEXT, true);
    assert_modules(g, buf_str(&b), 1000, "");
    assert_modules(g, STR(""), 1, "");
    assert_modules(g, STR("\x7f"), 1, "");
}

static void a_list_without_an_end_is_none(void **state)
{
    AUTO(go_modules) struct go_modules *g = go_modules_new();
    AUTO(buf) struct buf b = {0};

    (void)state;
    a_program(&b,
              "\x7f"
              "ELF",
              TEXT, false);
    while (b.n < 600000)
        buf_add_text(&b, "dep\tx\ty\n");
    assert_modules(g, buf_str(&b), 1000, "stdlib 1.22.1\n");
}

static void nothing_is_left_of_the_program_before(void **state)
{
    AUTO(go_modules) struct go_modules *g = go_modules_new();
    AUTO(buf) struct buf b = {0}, c = {0};

    (void)state;
    a_program(&b,
              "\x7f"
              "ELF",
              TEXT, true);
    a_program(&c, "MZ", "mod\tx\tv1.0.0\n", true);
    assert_modules(g, buf_str(&b), 1000, MODULES);
    assert_modules(g, buf_str(&c), 1000, "stdlib 1.22.1\nx v1.0.0\n");
}

static void lines_that_are_not_as_they_should_be_do_no_harm(void **state)
{
    AUTO(go_modules) struct go_modules *g = go_modules_new();
    AUTO(buf) struct buf b = {0};

    (void)state;
    a_program(&b,
              "\x7f"
              "ELF",
              "=>\n\n\t\t\ndep\nmod\t\n=>\tx\n\xff\xfe", true);
    assert_modules(g, buf_str(&b), 1000, "stdlib 1.22.1\nx \n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modules_are_found_in_pieces_of_any_size),
        cmocka_unit_test(what_is_no_program_has_none),
        cmocka_unit_test(a_list_without_an_end_is_none),
        cmocka_unit_test(nothing_is_left_of_the_program_before),
        cmocka_unit_test(lines_that_are_not_as_they_should_be_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
