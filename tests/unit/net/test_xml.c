#include "net/xml.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What was told: "path=text;" each. */
static struct buf told;

static void tell(void *ctx, struct str path, struct str text)
{
    assert_ptr_equal(ctx, &told);
    buf_add_str(&told, path);
    buf_add_char(&told, '=');
    buf_add_str(&told, text);
    buf_add_char(&told, ';');
}

static enum err_code read_all(struct str document)
{
    buf_clear(&told);
    return xml_each(document, tell, &told, ERR_IGNORED);
}

static void assert_told(const char *document, const char *want)
{
    assert_int_equal(read_all(str_of(document)), ERR_OK);
    assert_string_equal(buf_text(&told), want);
}

static void assert_refused(const char *document)
{
    assert_int_equal(read_all(str_of(document)), ERR_UNAVAILABLE);
}

static void elements_are_told_with_their_paths_when_they_end(void **state)
{
    (void)state;
    assert_told(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
        "<List xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><A><B>1</B><C/></A><A>2</A>"
        "</List>",
        "List/A/B=1;List/A/C=;List/A=;List/A=2;List=;");
}

static void spaces_between_elements_are_no_text(void **state)
{
    (void)state;
    assert_told("<A>\n  <B> 1 </B>\n  <B>2</B>\n</A>\n", "A/B= 1 ;A/B=2;A=;");
}

static void text_is_unescaped(void **state)
{
    (void)state;
    assert_told("<ETag>&quot;a&amp;b&lt;&#x3e;&#65;<![CDATA[<c>]]>&quot;</ETag>",
                "ETag=\"a&b<>A<c>\";");
}

static void prefixes_of_names_stay(void **state)
{
    (void)state;
    assert_told("<s:A xmlns:s=\"x\"><s:B>1</s:B></s:A>", "s:A/s:B=1;s:A=;");
}

static void what_is_cut_off_is_refused(void **state)
{
    (void)state;
    assert_refused("<A><B>1</B>");
    assert_refused("");
}

static void what_is_no_xml_is_refused(void **state)
{
    (void)state;
    assert_refused("<html><body>Bad gateway<br></body></html>");
    assert_refused("{\"error\": \"x\"}");
    assert_refused("<A>1</A><A>2</A>");
    assert_refused("<A>\xff</A>");
    assert_int_equal(read_all(STR("<A>\0</A>")), ERR_UNAVAILABLE);
}

static void document_types_are_refused(void **state)
{
    (void)state;
    assert_refused("<!DOCTYPE A [<!ENTITY x \"y\">]><A>&x;</A>");
    assert_string_equal(buf_text(&told), "");
    assert_refused("<!DOCTYPE A SYSTEM \"file:///etc/passwd\"><A>1</A>");
    assert_refused("<A>&x;</A>");
}

/* n times open, then n times close. */
static void nest(struct buf *dst, size_t n, const char *open, const char *close)
{
    buf_clear(dst);
    for (size_t i = 0; i < n; i++)
        buf_add_text(dst, open);
    for (size_t i = 0; i < n; i++)
        buf_add_text(dst, close);
}

static void levels_are_bounded(void **state)
{
    AUTO(buf) struct buf document = {0};

    (void)state;
    buf_init(&document, SIZE_MAX);
    nest(&document, XML_PATH_MAX / 2, "<a>", "</a>");
    assert_int_equal(read_all(buf_str(&document)), ERR_OK);
    nest(&document, XML_PATH_MAX / 2 + 1, "<a>", "</a>");
    assert_int_equal(read_all(buf_str(&document)), ERR_UNAVAILABLE);
    nest(&document, 100000, "<a>", "");
    assert_int_equal(read_all(buf_str(&document)), ERR_UNAVAILABLE);
}

static void an_element_whose_name_is_too_long_is_not_told(void **state)
{
    AUTO(buf) struct buf document = {0};

    (void)state;
    buf_init(&document, SIZE_MAX);
    buf_add_text(&document, "<A><");
    for (size_t i = 0; i < XML_PATH_MAX; i++)
        buf_add_char(&document, 'b');
    buf_add_text(&document, "/></A>");
    assert_int_equal(read_all(buf_str(&document)), ERR_UNAVAILABLE);
    assert_string_equal(buf_text(&told), "");
}

static void texts_are_bounded(void **state)
{
    AUTO(buf) struct buf document = {0};

    (void)state;
    buf_init(&document, SIZE_MAX);
    buf_add_text(&document, "<A>");
    for (size_t i = 0; i < 1000000; i++)
        buf_add_char(&document, 'x');
    buf_add_text(&document, "</A>");
    assert_int_equal(read_all(buf_str(&document)), ERR_UNAVAILABLE);
    assert_string_equal(buf_text(&told), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_told_with_their_paths_when_they_end),
        cmocka_unit_test(spaces_between_elements_are_no_text),
        cmocka_unit_test(text_is_unescaped),
        cmocka_unit_test(prefixes_of_names_stay),
        cmocka_unit_test(what_is_cut_off_is_refused),
        cmocka_unit_test(what_is_no_xml_is_refused),
        cmocka_unit_test(document_types_are_refused),
        cmocka_unit_test(levels_are_bounded),
        cmocka_unit_test(an_element_whose_name_is_too_long_is_not_told),
        cmocka_unit_test(texts_are_bounded),
    };

    int failed;

    buf_init(&told, 1 << 20);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_done(&told);
    return failed;
}
