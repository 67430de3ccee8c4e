#include "api/body.h"

#include "base/json.h"
#include "exchange.h"

/* Small bodies: what is taken as JSON, and which fields it may have. */

#define JSON  "Content-Type: application/json\r\n"
#define ROOM  100 /* the largest body here */
#define SPACE "          "

static struct server s;

static int set_up(void **state)
{
    (void)state;
    server_init(&s);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    server_done(&s);
    return 0;
}

static enum err_code read_json(const char *headers, struct str body, bool chunked, struct err *e)
{
    AUTO(body) json_t *json = NULL;
    struct call c;
    enum err_code code;

    call_init(
        &c, &s,
        &(struct request){.line = "POST /", .headers = headers, .body = body, .chunked = chunked});
    code = body_json(&c.q, ROOM, &json, e);
    assert_int_equal(code == ERR_OK, json_is_object(json));
    call_done(&c);
    return code;
}

static void an_object_sent_as_json_is_taken(void **state)
{
    static const struct {
        const char *story, *headers, *body;
        enum err_code code;
    } rows[] = {
        {"an object", JSON, "{}", ERR_OK},
        {"blanks around it", JSON, " \n{\"a\": [1, null]}\r\n", ERR_OK},
        {"a type with a parameter", "Content-Type: application/json; charset=utf-8\r\n", "{}",
         ERR_OK},
        {"a type in capitals", "Content-Type: Application/JSON\r\n", "{}", ERR_OK},
        {"no type", NULL, "{}", ERR_MEDIA_TYPE},
        {"an empty type", "Content-Type:\r\n", "{}", ERR_MEDIA_TYPE},
        {"a form", "Content-Type: application/x-www-form-urlencoded\r\n", "{}", ERR_MEDIA_TYPE},
        {"a text", "Content-Type: text/plain\r\n", "{}", ERR_MEDIA_TYPE},
        {"a type that goes on", "Content-Type: application/json-patch\r\n", "{}", ERR_MEDIA_TYPE},
        {"a text that names JSON", "Content-Type: text/plain; application/json\r\n", "{}",
         ERR_MEDIA_TYPE},
        {"nothing", JSON, "", ERR_REQUEST_INVALID},
        {"a list", JSON, "[]", ERR_REQUEST_INVALID},
        {"null", JSON, "null", ERR_REQUEST_INVALID},
        {"half of it", JSON, "{\"a\":", ERR_REQUEST_INVALID},
        {"two of them", JSON, "{}{}", ERR_REQUEST_INVALID},
        {"a field twice", JSON, "{\"a\":1,\"a\":2}", ERR_REQUEST_INVALID},
        {"no UTF-8", JSON, "{\"a\":\"\xff\"}", ERR_REQUEST_INVALID},
        {"half of a pair", JSON, "{\"a\":\"\\ud800\"}", ERR_REQUEST_INVALID},
        {"a NUL", JSON, "{\"a\":\"\\u0000\"}", ERR_REQUEST_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err e = {0};
        enum err_code code = read_json(rows[i].headers, str_of(rows[i].body), false, &e);

        if (code != rows[i].code)
            fail_msg("%s: %s %s", rows[i].story, err_name(code), e.detail);
        assert_int_equal(e.public_detail, code != ERR_OK);
    }
}

static void a_body_has_a_largest_size(void **state)
{
    static const char fits[] =
        "{" SPACE SPACE SPACE SPACE SPACE SPACE SPACE SPACE SPACE "        }";
    static const char more[] =
        "{" SPACE SPACE SPACE SPACE SPACE SPACE SPACE SPACE SPACE "         }";
    char far_more[10000];
    struct err e = {0};

    (void)state;
    memset(far_more, ' ', sizeof(far_more));
    assert_int_equal(strlen(fits), ROOM);
    for (int chunked = 0; chunked < 2; chunked++) {
        assert_ok(read_json(JSON, str_of(fits), chunked, ERR_IGNORED));
        assert_code(ERR_BODY_TOO_LARGE, read_json(JSON, str_of(more), chunked, &e));
        assert_string_equal(e.detail, "the body is larger than 100 bytes");
        assert_true(e.public_detail);
        assert_code(ERR_BODY_TOO_LARGE,
                    read_json(JSON, (struct str){far_more, sizeof(far_more)}, chunked, &e));
    }
}

static void a_mistake_is_told_by_its_place_and_not_quoted(void **state)
{
    struct err e = {0};

    (void)state;
    assert_code(ERR_REQUEST_INVALID,
                read_json(JSON, STR("{\n  \"password\": \"secret\" x}"), false, &e));
    assert_non_null(strstr(e.detail, "line 2, column"));
    assert_null(strstr(e.detail, "secret"));
}

static void a_body_has_a_largest_depth(void **state)
{
    char text[80] = "{\"a\":";
    struct err e = {0};

    (void)state;
    memset(text + 5, '[', JSON_DEPTH_MAX);
    assert_code(ERR_REQUEST_INVALID, read_json(JSON, str_of(text), false, &e));
    assert_non_null(strstr(e.detail, "nested deeper than 64 levels"));
}

static void a_body_that_breaks_off_is_an_error(void **state)
{
    AUTO(body) json_t *json = NULL;
    struct call c;

    (void)state;
    call_init(&c, &s,
              &(struct request){.line = "POST /",
                                .headers = JSON,
                                .body = STR("{\"a\":1}"),
                                .cut_with = ERR_CLIENT_GONE});
    assert_code(ERR_CLIENT_GONE, body_json(&c.q, ROOM, &json, ERR_IGNORED));
    call_done(&c);
}

/* Fields. */

static void a_field_is_taken_as_its_row_says(void **state)
{
    static const struct {
        const char *story, *body;
        enum err_code code;
        const char *text;
        int flag;
        size_t n;
        const char *told; /* part of it */
    } rows[] = {
        {"all of them", "{\"name\":\"x\",\"on\":true,\"list\":[\"a\",\"b\"]}", 0, "x", 1, 2, ""},
        {"only what must be there", "{\"name\":\"x\"}", 0, "x", -1, 0, ""},
        {"an empty text and list", "{\"name\":\"\",\"on\":false,\"list\":[]}", 0, "", 0, 0, ""},
        {"one that must be there is not", "{\"on\":true}", ERR_REQUEST_INVALID, NULL, 1, 0,
         "'name' is missing"},
        {"one that must be there is null", "{\"name\":null}", ERR_REQUEST_INVALID, NULL, -1, 0,
         "'name' must be a text"},
        {"a number as a text", "{\"name\":1}", ERR_REQUEST_INVALID, NULL, -1, 0,
         "'name' must be a text"},
        {"a number as a truth", "{\"name\":\"x\",\"on\":1}", ERR_REQUEST_INVALID, "x", -1, 0,
         "'on' must be true or false"},
        {"a text as a truth", "{\"name\":\"x\",\"on\":\"true\"}", ERR_REQUEST_INVALID, "x", -1, 0,
         "'on' must be true or false"},
        {"a text as a list", "{\"name\":\"x\",\"list\":\"a\"}", ERR_REQUEST_INVALID, "x", -1, 0,
         "'list' must be a list of texts"},
        {"a list of lists", "{\"name\":\"x\",\"list\":[\"a\",[]]}", ERR_REQUEST_INVALID, "x", -1, 1,
         "'list' must be a list of texts"},
        {"one that is not known", "{\"name\":\"x\",\"nmae\":1}", ERR_REQUEST_INVALID, "x", -1, 0,
         "'nmae' is no field here; there are name, on and list"},
        {"one in other letters", "{\"Name\":\"x\"}", ERR_REQUEST_INVALID, NULL, -1, 0,
         "'Name' is no field here"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(body) json_t *json = json_loads(rows[i].body, 0, NULL);
        AUTO(body_texts) struct body_texts list = {0};
        struct str name = STR_NONE;
        struct err e = {0};
        int on = -1;
        const struct body_field fields[] = {{"name", BODY_TEXT, true, &name},
                                            {"on", BODY_BOOL, false, &on},
                                            {"list", BODY_TEXTS, false, &list}};
        enum err_code code = body_take(json, fields, 3, &e);

        if (code != rows[i].code || on != rows[i].flag || list.n != rows[i].n ||
            !str_eq(name, str_of(rows[i].text)) || !strstr(e.detail, rows[i].told))
            fail_msg("%s: %s %s", rows[i].story, err_name(code), e.detail);
        assert_int_equal(e.public_detail, code != ERR_OK);
    }
}

static void texts_and_lists_have_a_largest_size(void **state)
{
    static const struct {
        size_t text_bytes, items;
        enum err_code code;
    } rows[] = {
        {BODY_TEXT_MAX, 1, ERR_OK},
        {BODY_TEXT_MAX + 1, 1, ERR_REQUEST_INVALID},
        {1, 1000, ERR_OK},
        {1, 1001, ERR_REQUEST_INVALID},
    };
    char text[BODY_TEXT_MAX + 2];

    (void)state;
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(body) json_t *json = json_object();
        AUTO(body_texts) struct body_texts list = {0};
        const struct body_field field = {"list", BODY_TEXTS, false, &list};
        json_t *array = json_array();

        for (size_t k = 0; k < rows[i].items; k++)
            json_array_append_new(array, json_stringn(text, rows[i].text_bytes));
        json_object_set_new(json, "list", array);
        assert_code(rows[i].code, body_take(json, &field, 1, ERR_IGNORED));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_sent_as_json_is_taken),
        cmocka_unit_test(a_body_has_a_largest_size),
        cmocka_unit_test(a_mistake_is_told_by_its_place_and_not_quoted),
        cmocka_unit_test(a_body_has_a_largest_depth),
        cmocka_unit_test(a_body_that_breaks_off_is_an_error),
        cmocka_unit_test(a_field_is_taken_as_its_row_says),
        cmocka_unit_test(texts_and_lists_have_a_largest_size),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
