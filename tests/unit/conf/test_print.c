#include "base/cleanup.h"
#include "base/file.h"
#include "conf/field.h"
#include "conf/table.h"
#include "fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Prints c, loads what was printed, and expects no key to differ. */
static void assert_round_trip(const struct conf *c)
{
    AUTO(conf) struct conf *again = NULL;
    AUTO(buf) struct buf yaml = {0};
    struct err e;

    buf_init(&yaml, 1 << 20);
    conf_print(c, &yaml);
    assert_false(yaml.full);
    if (conf_load_bytes(buf_str(&yaml), NULL, &again, &e) != ERR_OK)
        fail_msg("%s", e.detail);
    for (size_t i = 0; i < conf_rows_n; i++) {
        const struct conf_row *row = &conf_rows[i];

        if (!conf_field_eq(row, conf_field_const(c, row), conf_field_const(again, row)))
            fail_msg("%s", row->name);
    }
}

static void the_defaults_survive_printing(void **state)
{
    AUTO(conf) struct conf *c = conf_must("");

    (void)state;
    assert_round_trip(c);
}

/* Every key at its smallest, then at its largest value. */
static void extremes_survive_printing(void **state)
{
    (void)state;
    for (int largest = 0; largest < 2; largest++) {
        AUTO(conf)
        struct conf *c =
            conf_must("auth: on\nhttp: {tls: {certificate: /c, key: /k, client_ca: /a}}\n"
                      "storage: {s3: {bucket: abc, lifecycle: {transition_class: A}}}\n");

        for (size_t i = 0; i < conf_rows_n; i++) {
            const struct conf_row *row = &conf_rows[i];
            void *field = conf_field(c, row);

            if (row->type == CONF_COUNT || row->type == CONF_SIZE || row->type == CONF_DURATION)
                *(uint64_t *)field = largest ? row->max : row->min;
            if (row->type == CONF_BOOL)
                *(bool *)field = largest;
        }
        assert_round_trip(c);
    }
}

static void odd_texts_survive_printing(void **state)
{
    AUTO(conf)
    struct conf *c = conf_must("log:\n"
                               "  file: \"a: \\\"b\\\" # \\\\ '{}[]&*!|>%@` \\u00e4\"\n"
                               "storage: {filesystem: {root: 'true'}}\n"
                               "metadata: {sqlite: {path: '~'}}\n"
                               "http: {listen: ['unix:/a b', 'unix:/#x: y']}\n");

    (void)state;
    assert_string_equal(c->log.file, "a: \"b\" # \\ '{}[]&*!|>%@` \xc3\xa4");
    assert_round_trip(c);
}

static void lists_of_maps_survive_printing(void **state)
{
    AUTO(conf)
    struct conf *c = conf_must(
        "policy:\n"
        "- {subjects: [\"user:a: b, [c] {d} #\", '*'], effect: deny, actions: ['*'], tags: [v?]}\n"
        "- subjects: anonymous\n"
        "  actions: pull\n"
        "  repositories: public/**\n"
        "quotas: [{namespace: '', bytes: 1TiB}, {namespace: a/b, tags: 7}]\n"
        "auth:\n"
        "  external:\n"
        "  - {name: \"a\\\"b\", issuer: 'https://a', audience: [x], required_claims: ['a=b=c']}\n");

    (void)state;
    assert_int_equal(c->policy.n, 2);
    assert_string_equal(c->policy.items[0].subjects.items[0], "user:a: b, [c] {d} #");
    assert_round_trip(c);
}

static void every_key_is_printed_in_its_section(void **state)
{
    AUTO(conf) struct conf *c = conf_must("");
    AUTO(buf) struct buf b = {0};
    const char *text;

    (void)state;
    buf_init(&b, 1 << 20);
    conf_print(c, &b);
    text = buf_text(&b);
    assert_memory_equal(text, "auth:\n  mode: loopback\n  order: []\n", 35);
    assert_non_null(strstr(text, "\npolicy: []\npull_policy: []\nsignatures: []\nhttp:\n  listen: "
                                 "[\"127.0.0.1:5000\"]\n  tls:\n"));
    assert_non_null(strstr(text, "\n  workers: 256 # threads\n"));
    assert_non_null(strstr(text, "\nstorage:\n  backend: filesystem\n  filesystem:\n    root: "));
    assert_non_null(strstr(text, "\n  verify_on_read: false\n"));
    assert_non_null(strstr(text, "\n  blob_size: 10GiB\n"));
}

static void the_reference_names_every_key(void **state)
{
    AUTO(buf) struct buf b = {0};

    (void)state;
    buf_init(&b, 1 << 20);
    conf_reference(&b);
    assert_false(b.full);
    for (size_t i = 0; i < conf_rows_n; i++) {
        char cell[2 * CONF_ENV_MAX + 32], env[CONF_ENV_MAX];

        conf_row_env(&conf_rows[i], env);
        snprintf(cell, sizeof(cell), "| `%s` <br> `%s` | ", conf_rows[i].name, env);
        assert_non_null(strstr(buf_text(&b), cell));
    }
    assert_non_null(strstr(buf_text(&b), "\n## limits\n"));
    assert_non_null(strstr(buf_text(&b), "\n### Keys of each map in policy\n"));
    assert_non_null(strstr(buf_text(&b), "\n| `subjects` | list | must be given | "));
}

static void the_page_in_docs_is_up_to_date(void **state)
{
    AUTO(buf) struct buf want = {0};
    AUTO(buf) struct buf page = {0};
    char path[4096];
    struct err e;

    (void)state;
    snprintf(path, sizeof(path), "%s/docs/configuration.md", getenv("TOP"));
    buf_init(&want, 1 << 20);
    buf_init(&page, 1 << 20);
    conf_reference(&want);
    if (file_read_at(AT_FDCWD, path, &page, &e) != ERR_OK)
        fail_msg("%s", e.detail);
    if (!str_eq(buf_str(&want), buf_str(&page)))
        fail_msg("run: build/registry config reference > docs/configuration.md");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_survive_printing),
        cmocka_unit_test(extremes_survive_printing),
        cmocka_unit_test(odd_texts_survive_printing),
        cmocka_unit_test(lists_of_maps_survive_printing),
        cmocka_unit_test(every_key_is_printed_in_its_section),
        cmocka_unit_test(the_reference_names_every_key),
        cmocka_unit_test(the_page_in_docs_is_up_to_date),
    };

    return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
