#include "http/form.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define TYPE "multipart/form-data; boundary=XX"

/* What comes of a form, as text: "<name|file name>data;" for each part; "<name>" without a file. */
static struct buf told;
static const char *why;

static enum http_form_event feed(struct http_form *f, struct str in)
{
    enum http_form_event event;
    struct str data;

    while ((event = http_form_next(f, &in, &data)) != HTTP_FORM_MORE && event != HTTP_FORM_BAD) {
        if (event == HTTP_FORM_PART)
            buf_addf(&told, f->is_file ? "<%s|%s>" : "<%s>", f->name, f->file_name);
        else if (event == HTTP_FORM_DATA)
            buf_add_str(&told, data);
        else
            buf_add_text(&told, event == HTTP_FORM_END ? "." : ";");
    }
    if (event == HTTP_FORM_MORE)
        assert_int_equal(in.n, 0);
    return event;
}

/* The form in pieces: the first of so many bytes, the others of `step`. */
static bool taken(const char *type, struct str form, size_t first, size_t step)
{
    struct http_form f;
    size_t piece = first;

    buf_clear(&told);
    assert_true(http_form_init(&f, str_of(type)));
    while (form.n > 0) {
        piece = piece < form.n ? piece : form.n;
        if (feed(&f, str_sub(form, 0, piece)) == HTTP_FORM_BAD) {
            why = f.why;
            return false;
        }
        form = str_sub(form, piece, form.n - piece);
        piece = step;
    }
    return http_form_ended(&f);
}

/* Cut in two at every byte, and into pieces of all small sizes. */
static void expect_of(const char *type, struct str form, const char *want)
{
    for (size_t i = 1; i <= form.n; i++) {
        bool ok = taken(type, form, i, form.n) && strcmp(buf_text(&told), want) == 0;

        if (!ok)
            fail_msg("cut at %zu: %s", i, buf_text(&told));
        if (i < 20 && !(taken(type, form, i, i) && strcmp(buf_text(&told), want) == 0))
            fail_msg("pieces of %zu: %s", i, buf_text(&told));
    }
}

static void expect(const char *form, const char *want)
{
    expect_of(TYPE, str_of(form), want);
}

static void refused(const char *form, const char *reason)
{
    for (size_t step = 1; step < 40; step++) {
        why = "it breaks off";
        if (taken(TYPE, str_of(form), step, step))
            fail_msg("taken: %s", form);
        if (strcmp(why, reason) != 0)
            fail_msg("refused for '%s' instead of '%s'", why, reason);
    }
}

#define PART(head) "--XX\r\n" head "\r\n\r\nx\r\n--XX--\r\n"
#define FIELD      "Content-Disposition: form-data; name=\"a\""

static void what_curl_sends_is_taken(void **state)
{
    (void)state;
    expect_of("multipart/form-data; boundary=------------------------d74496d66958873e",
              STR("--------------------------d74496d66958873e\r\n"
                  "Content-Disposition: form-data; name=\"repository\"\r\n\r\n"
                  "team/app\r\n"
                  "--------------------------d74496d66958873e\r\n"
                  "Content-Disposition: form-data; name=\"file\"; filename=\"app.tar\"\r\n"
                  "Content-Type: application/octet-stream\r\n\r\n"
                  "bytes\r\n-\r\n"
                  "--------------------------d74496d66958873e--\r\n"),
              "<repository>team/app;<file|app.tar>bytes\r\n-;.");
}

static void what_browsers_send_is_taken(void **state)
{
    (void)state;
    expect_of(
        "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxk",
        STR("------WebKitFormBoundary7MA4YWxk\r\n"
            "Content-Disposition: form-data; name=\"file\"; filename=\"\xc3\xa4 %22b%22%.tar\"\r\n"
            "Content-Type: application/x-tar\r\n\r\n"
            "\r\n"
            "------WebKitFormBoundary7MA4YWxk\r\n"
            "Content-Disposition: form-data; name=\"tag\"\r\n\r\n"
            "v1\r\n"
            "------WebKitFormBoundary7MA4YWxk--\r\n"),
        "<file|\xc3\xa4 \"b\"%.tar>;<tag>v1;.");
}

static void file_names_may_be_escaped_in_both_ways(void **state)
{
    (void)state;
    expect(PART("Content-Disposition: form-data; name=\"f\"; filename=\"a%22b%0d%0A%41\""),
           "<f|a\"b\r\n%41>x;.");
    expect(PART("Content-Disposition: form-data; name=\"f\"; filename=\"a\\\"b\\\\c\""),
           "<f|a\"b\\c>x;.");
    expect(PART("Content-Disposition: form-data; name=\"f\"; filename=\"C:\\dir\\a.tar\""),
           "<f|C:\\dir\\a.tar>x;.");
    expect(PART("content-disposition:form-data;name=f;filename*=utf-8''a%20b"), "<f|>x;.");
    expect(PART("Content-Disposition: Form-Data; filename=\"\"; name=\"f;g\"; other=1"),
           "<f;g|>x;.");
}

static void data_may_hold_all_but_the_boundary(void **state)
{
    (void)state;
    expect("--XX\r\n" FIELD "\r\n\r\n\r\r\n\r\n-\r\n--\r\n--X\r\n--XY\r\n --XX\n--XX--XX\r\n--XX--",
           "<a>\r\r\n\r\n-\r\n--\r\n--X\r\n--XY\r\n --XX\n--XX--XX;.");
    expect_of(TYPE, STR("--XX\r\n" FIELD "\r\n\r\n\r\n--XX--"), "<a>;.");
}

static void a_nul_byte_is_data(void **state)
{
    struct str form = STR("--XX\r\n" FIELD "\r\n\r\na\0b\r\n\0\r\n--XX--\r\n");

    (void)state;
    for (size_t i = 1; i <= form.n; i++) {
        assert_true(taken(TYPE, form, i, 1));
        assert_true(str_eq(buf_str(&told), STR("<a>a\0b\r\n\0;.")));
    }
}

static void
a_line_break_before_the_first_boundary_and_blanks_behind_one_are_passed_over(void **state)
{
    (void)state;
    expect("\r\n--XX \t\r\n" FIELD "\r\n\r\nx\r\n--XX\t\r\n" FIELD "\r\n\r\ny\r\n--XX--",
           "<a>x;<a>y;.");
}

static void other_fields_of_a_part_are_not_looked_at(void **state)
{
    (void)state;
    expect(PART("X-Any: thing\r\n" FIELD "\r\nContent-Transfer-Encoding: binary\r\nContent-Type: "
                "a/b"),
           "<a>x;.");
}

static void malformed_forms_are_refused(void **state)
{
    static const struct {
        const char *form, *why;
    } rows[] = {
        {"", "it breaks off"},
        {"--XX\r\n" FIELD "\r\n\r\nx\r\n--XX", "it breaks off"},
        {"--XX\r\n" FIELD "\r\n\r\nx\r\n--XX-", "it breaks off"},
        {"--XX\r\n" FIELD "\r\n\r\nx", "it breaks off"},
        {"--XX\r\n" FIELD "\r\n\r\nx\r\n--XX--\r", "it breaks off"},
        {"hello\r\n" PART(FIELD), "it does not begin with its boundary"},
        {"\r\n\r\n" PART(FIELD), "it does not begin with its boundary"},
        {"--XY", "it does not begin with its boundary"},
        {"--XXX\r\n", "something stands behind a boundary on its line"},
        {"--XX -\r\n", "something stands behind a boundary on its line"},
        {"--XX-x", "something stands behind a boundary on its line"},
        {"--XX\r\n" FIELD "\r\n\r\nx\r\n--XXY", "something stands behind a boundary on its line"},
        {"--XX\n" FIELD, "something stands behind a boundary on its line"},
        {"--XX\r" FIELD, "a line that does not end in CRLF"},
        {"--XX\r\n" FIELD "\n\n", "a part whose head is malformed"},
        {"--XX\r\n" FIELD "\rx", "a part whose head is malformed"},
        {PART(FIELD "\r\n folded: x"), "a part whose head is malformed"},
        {PART(FIELD "\r\nnothing"), "a part whose head is malformed"},
        {PART("a b: c\r\n" FIELD), "a part whose head is malformed"},
        {PART(FIELD "\r\na: \x01"), "a part whose head is malformed"},
        {"--XX\r\n\r\n", "a part without Content-Disposition"},
        {PART("Content-Type: a/b"), "a part without Content-Disposition"},
        {PART(FIELD "\r\n" FIELD), "a part has two Content-Disposition"},
        {PART("Content-Disposition: attachment; name=a"),
         "a part whose Content-Disposition is not form-data"},
        {PART("Content-Disposition: form-data"), "a part without a name"},
        {PART("Content-Disposition: form-data; filename=a"), "a part without a name"},
        {PART("Content-Disposition: form-data; name=\"\""),
         "a part whose name is empty, too long or there twice"},
        {PART("Content-Disposition: form-data; name=a; name=b"),
         "a part whose name is empty, too long or there twice"},
        {PART("Content-Disposition: form-data; name=a; filename=b; filename=c"),
         "a part with two file names"},
        {PART("Content-Disposition: form-data; name=\"a"),
         "a part whose Content-Disposition is malformed"},
        {PART("Content-Disposition: form-data; name=\"a\\\""),
         "a part whose Content-Disposition is malformed"},
        {PART("Content-Disposition: form-data; name=\"a\"b"),
         "a part whose Content-Disposition is malformed"},
        {PART("Content-Disposition: form-data name=a"),
         "a part whose Content-Disposition is not form-data"},
        {PART("Content-Disposition: form-data; name"),
         "a part whose Content-Disposition is malformed"},
        {PART("Content-Disposition: form-data; name=a;"),
         "a part whose Content-Disposition is malformed"},
        {PART("Content-Disposition: form-data; =a"),
         "a part whose Content-Disposition is malformed"},
        {PART(FIELD "\r\nContent-Transfer-Encoding: base64"),
         "a part with a Content-Transfer-Encoding"},
        {PART(FIELD) "x", "something stands behind the last boundary"},
        {PART(FIELD) "\r\n", "something stands behind the last boundary"},
        {"--XX--x", "something stands behind the last boundary"},
        {"--XX--\rx", "something stands behind the last boundary"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        refused(rows[i].form, rows[i].why);
}

static void heads_names_blanks_and_parts_are_bounded(void **state)
{
    AUTO(buf) struct buf b = {0};

    (void)state;
    buf_init(&b, 100000);
    buf_add_text(&b, "--XX\r\nA: ");
    for (size_t i = 0; i < HTTP_FORM_HEAD_MAX; i++)
        buf_add_char(&b, 'x');
    refused(buf_text(&b), "a part whose head is too long");
    buf_clear(&b);
    buf_add_text(&b, "--XX");
    for (size_t i = 0; i <= HTTP_FORM_HEAD_MAX; i++)
        buf_add_char(&b, ' ');
    refused(buf_text(&b), "too many blanks behind a boundary");
    buf_clear(&b);
    buf_add_text(&b, "--XX\r\nContent-Disposition: form-data; name=");
    for (size_t i = 0; i <= HTTP_FORM_NAME_MAX; i++)
        buf_add_char(&b, 'n');
    buf_add_text(&b, "\r\n\r\n");
    refused(buf_text(&b), "a part whose name is empty, too long or there twice");
    buf_clear(&b);
    for (size_t i = 0; i <= HTTP_FORM_PARTS_MAX; i++)
        buf_add_text(&b, "--XX\r\n" FIELD "\r\n\r\n\r\n");
    refused(buf_text(&b), "too many parts");
}

static void nothing_is_taken_after_a_mistake(void **state)
{
    struct str bad = STR("x"), good = STR(PART(FIELD)), data;
    struct http_form f;

    (void)state;
    assert_true(http_form_init(&f, STR(TYPE)));
    assert_int_equal(http_form_next(&f, &bad, &data), HTTP_FORM_BAD);
    assert_int_equal(http_form_next(&f, &good, &data), HTTP_FORM_BAD);
    assert_false(http_form_ended(&f));
}

#define SEVENTY "1234567890123456789012345678901234567890123456789012345678901234567890"

static void a_content_type_needs_one_good_boundary(void **state)
{
    static const struct {
        const char *type;
        bool good;
    } rows[] = {
        {"multipart/form-data; boundary=a", true},
        {"Multipart/Form-Data;charset=utf-8;BOUNDARY=\"a b'()+_,-./:=?c\"", true},
        {"multipart/form-data ; boundary=" SEVENTY, true},
        {"multipart/form-data; boundary=" SEVENTY "1", false},
        {"multipart/form-data", false},
        {"multipart/form-data; boundary=", false},
        {"multipart/form-data; boundary=\"\"", false},
        {"multipart/form-data; boundary=\"a \"", false},
        {"multipart/form-data; boundary=\"a", false},
        {"multipart/form-data; boundary=a; boundary=a", false},
        {"multipart/form-data; boundary=a b", false},
        {"multipart/form-data; boundary=\"a\\\"\"", false},
        {"multipart/form-data; boundary=a!", false},
        {"multipart/mixed; boundary=a", false},
        {"multipart/form-data, boundary=a", false},
        {"", false},
    };
    struct http_form f;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (http_form_init(&f, str_of(rows[i].type)) != rows[i].good)
            fail_msg("%s", rows[i].type);
    }
}

static int set_up(void **state)
{
    (void)state;
    buf_init(&told, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_done(&told);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_curl_sends_is_taken),
        cmocka_unit_test(what_browsers_send_is_taken),
        cmocka_unit_test(file_names_may_be_escaped_in_both_ways),
        cmocka_unit_test(data_may_hold_all_but_the_boundary),
        cmocka_unit_test(a_nul_byte_is_data),
        cmocka_unit_test(
            a_line_break_before_the_first_boundary_and_blanks_behind_one_are_passed_over),
        cmocka_unit_test(other_fields_of_a_part_are_not_looked_at),
        cmocka_unit_test(malformed_forms_are_refused),
        cmocka_unit_test(heads_names_blanks_and_parts_are_bounded),
        cmocka_unit_test(nothing_is_taken_after_a_mistake),
        cmocka_unit_test(a_content_type_needs_one_good_boundary),
    };

    return cmocka_run_group_tests_name("http/form", tests, set_up, tear_down);
}
