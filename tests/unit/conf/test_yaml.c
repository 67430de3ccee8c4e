#include "base/cleanup.h"
#include "base/mem.h"
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void sections_keys_and_lists_are_read(void **state)
{
    AUTO(conf)
    struct conf *c = conf_must("# a comment\n"
                               "http:\n"
                               "  listen:\n"
                               "    - 127.0.0.1:1\n"
                               "    - \"[::1]:2\"\n"
                               "  tls: {min_version: 1.3}\n"
                               "  max_head_size: 32KiB\n"
                               "  idle_timeout: 5m\n"
                               "storage:\n"
                               "  filesystem: {root: '/srv/registry', fsync: false}\n"
                               "log: {level: debug, file: \"/tmp/\\u00e4\"}\n");

    (void)state;
    assert_int_equal(c->http.listen.n, 2);
    assert_string_equal(c->http.listen.items[1], "[::1]:2");
    assert_int_equal(c->http.tls.min_version, CONF_TLS_1_3);
    assert_int_equal(c->http.max_head_bytes, 32768);
    assert_int_equal(c->http.idle_timeout_ms, 300000);
    assert_string_equal(c->storage.root, "/srv/registry");
    assert_false(c->storage.fsync);
    assert_int_equal(c->log.level, 0);
    assert_string_equal(c->log.file, "/tmp/\xc3\xa4");
    assert_int_equal(c->http.workers, 256); /* untouched */
}

static void nothing_at_all_is_a_configuration(void **state)
{
    static const char *const empty[] = {"",
                                        "\n",
                                        "# only a comment\n",
                                        "---\n",
                                        "~\n",
                                        "{}\n",
                                        "http:\nlog:\n",
                                        "http:\n  tls:\n",
                                        "\xef\xbb\xbf"};

    (void)state;
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
        conf_free(conf_must(empty[i]));
}

static void dotted_keys_and_windows_line_ends_are_fine(void **state)
{
    AUTO(conf) struct conf *c = conf_must("http.workers: 7\r\nhttp:\r\n  tls.min_version: 1.3\r\n");

    (void)state;
    assert_int_equal(c->http.workers, 7);
    assert_int_equal(c->http.tls.min_version, CONF_TLS_1_3);
}

static void one_text_is_a_list_too(void **state)
{
    AUTO(conf) struct conf *c = conf_must("http: {listen: 'localhost:1, unix:/tmp/s'}\n");

    (void)state;
    assert_int_equal(c->http.listen.n, 2);
    assert_string_equal(c->http.listen.items[1], "unix:/tmp/s");
}

static void unknown_keys_come_with_a_suggestion(void **state)
{
    (void)state;
    conf_must_fail("http:\n  lisen: x\n",
                   "2: http.lisen: unknown key; did you mean 'http.listen'?");
    conf_must_fail("\nhtpp:\n  listen: x\n", "2: htpp: unknown key; did you mean 'http'?");
    conf_must_fail("workers: 1\n", "1: workers: unknown key; did you mean 'http.workers'?");
    conf_must_fail("http: {tls: {certifcate: x}}\n",
                   "1: http.tls.certifcate: unknown key; did you mean 'http.tls.certificate'?");
    conf_must_fail("zzzzzzzzzzz: 1\n",
                   "1: zzzzzzzzzzz: unknown key; 'registry config print' shows all keys");
    conf_must_fail("log: {level: {x: 1}}\n", "1: log.level: here stand keys, not a value; allowed "
                                             "is 'debug', 'info', 'warning' or 'error'");
}

static void odd_keys_are_refused(void **state)
{
    static const char *const odd[] = {"? [a]\n: b\n",   "? {a: b}\n: c\n",    "\"\": 1\n",
                                      "\"a\\0b\": 1\n", "\"\\x1b[31m\": 1\n", "~: 1\n"};
    struct conf *c;
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        assert_int_equal(conf_load_bytes(str_of(odd[i]), NULL, &c, &e), ERR_CONFIG);
        assert_null(strchr(e.detail, '\x1b'));
    }
}

static void a_key_has_a_bounded_length(void **state)
{
    char yaml[2000];
    struct conf *c;
    struct err e;

    (void)state;
    memset(yaml, 'k', sizeof(yaml));
    strcpy(yaml + 1000, ": 1\n");
    assert_int_equal(conf_load_bytes(str_of(yaml), NULL, &c, &e), ERR_CONFIG);
}

static void wrong_values_say_what_is_allowed(void **state)
{
    (void)state;
    conf_must_fail("http:\n  workers: many\n",
                   "2: http.workers: 'many' is not a whole number; allowed is a whole number from "
                   "1 to 4096");
    conf_must_fail("http:\n  max_head_size: 1MiB\n",
                   "2: http.max_head_size: '1MiB' is out of range; allowed is a size from 1KiB to "
                   "64KiB");
    conf_must_fail("http:\n  idle_timeout: 5\n",
                   "2: http.idle_timeout: '5' is not a duration such as 30s; allowed is a duration "
                   "from 100ms to 1d");
    conf_must_fail("storage:\n  filesystem:\n    fsync: maybe\n",
                   "3: storage.filesystem.fsync: 'maybe' is not known here; allowed is 'false' or "
                   "'true'");
    conf_must_fail("storage: {filesystem: {root: ~/registry}}\n",
                   "1: storage.filesystem.root: '~/registry' starts with '~', which only a shell "
                   "knows; write it out; allowed is a path of 1 to 4095 bytes");
    conf_must_fail("storage: {filesystem: {root: ''}}\n",
                   "1: storage.filesystem.root: '' is too short; allowed is a path of 1 to 4095 "
                   "bytes");
}

static void wrong_shapes_are_refused(void **state)
{
    (void)state;
    conf_must_fail("http:\n  workers: [1]\n",
                   "2: http.workers: here stands a list; allowed is a whole number from 1 to 4096");
    conf_must_fail("http: 5\n", "1: http: keys must follow, indented below it");
    conf_must_fail("http: [a]\n", "1: http: keys must follow, indented below it");
    conf_must_fail("http:\n  workers:\n",
                   "2: http.workers: there is no value (an empty text is \"\"); allowed is a whole "
                   "number from 1 to 4096");
    conf_must_fail("log:\n  file: ~\n", "2: log.file: there is no value (an empty text is \"\"); "
                                        "allowed is a path of 0 to 4095 bytes");
    conf_must_fail("http:\n  listen:\n  - a:1\n  - [b]\n",
                   "4: http.listen: an item of this list must be a text");
    conf_must_fail("http:\n  listen:\n  -\n",
                   "3: http.listen: an item of this list must be a text");
    conf_must_fail("http: {listen: []}\n",
                   "1: http.listen: '[]' has too few items; allowed is a list of 1 to 16 texts");
    conf_must_fail("- a\n", "1: the file must hold keys and values, such as 'log:'");
    conf_must_fail("text\n", "1: the file must hold keys and values, such as 'log:'");
}

static void a_key_stands_once(void **state)
{
    (void)state;
    conf_must_fail("http:\n  workers: 1\n  workers: 1\n",
                   "3: http.workers: stands here a second time; the first is in line 2");
    conf_must_fail("log: {level: info}\nhttp:\n  workers: 1\nlog:\n  access: true\n",
                   "4: log: stands here a second time; the first is in line 1");
    conf_must_fail("http:\n  workers: 1\nhttp.workers: 2\n",
                   "3: http.workers: stands here a second time; the first is in line 2");
}

static void anchors_aliases_tags_and_documents_are_refused(void **state)
{
#define NO_ANCHORS                                                                                 \
    "anchors and aliases (& and *) are not allowed; quote a value that starts with one of these"
#define NO_TAGS "tags (!) are not allowed; quote a value that starts with one"
    (void)state;
    conf_must_fail("http: &a\n  workers: 1\n", "1: " NO_ANCHORS);
    conf_must_fail("log:\n  file: &a x\n", "2: " NO_ANCHORS);
    conf_must_fail("log:\n  file: *a\n", "2: " NO_ANCHORS);
    conf_must_fail("http: {listen: &a [x]}\n", "1: " NO_ANCHORS);
    conf_must_fail("&a [&b [*a,*a],*b]\n", "1: " NO_ANCHORS);
    conf_must_fail("<<: x\n", "1: <<: unknown key; 'registry config print' shows all keys");
    conf_must_fail("log:\n  file: !!str x\n", "2: " NO_TAGS);
    conf_must_fail("--- !x\nlog: {}\n", "1: " NO_TAGS);
    conf_must_fail("log:\n---\nlog:\n", "2: a second document starts here; only one is allowed");
}

static void what_is_not_yaml_is_told_with_its_line(void **state)
{
    (void)state;
    conf_must_fail("log:\n\tlevel: info\n", "2: YAML can't be indented with tabs; use spaces");
    conf_must_fail("log:\n  level: info\n \taccess: true\n",
                   "3: YAML can't be indented with tabs; use spaces");
    conf_must_fail("log: {level: info]\n", "1: this is not YAML: did not find expected ',' or '}'");
    conf_must_fail("log: \"abc\n", "2: this is not YAML: found unexpected end of stream");
    conf_must_fail("log:\n  file: \xff\n", "2: this is not YAML: invalid leading UTF-8 octet");
    conf_must_fail("%YAML 3.0\n---\na: b\n",
                   "1: this is not YAML: found incompatible YAML document");
}

static void deep_nesting_is_refused_at_once(void **state)
{
    char *yaml = mem_alloc(500001);
    struct conf *c;
    struct err e;

    (void)state;
    memset(yaml, '[', 500000);
    yaml[500000] = '\0';
    assert_int_equal(conf_load_bytes(str_of(yaml), NULL, &c, &e), ERR_CONFIG);
    memset(yaml, '{', 500000);
    assert_int_equal(conf_load_bytes(str_of(yaml), NULL, &c, &e), ERR_CONFIG);
    free(yaml);
}

static void a_file_has_at_most_a_mebibyte(void **state)
{
    size_t n = 1024 * 1024;
    char *yaml = mem_alloc(n + 1);
    struct conf *c = NULL;
    char want[200];
    struct err e;

    (void)state;
    memset(yaml, '#', n + 1);
    assert_int_equal(conf_load_bytes((struct str){yaml, n}, NULL, &c, &e), ERR_OK);
    conf_free(c);
    assert_int_equal(conf_load_bytes((struct str){yaml, n + 1}, NULL, &c, &e), ERR_CONFIG);
    snprintf(want, sizeof(want), "%s: a configuration file has at most 1 MiB", conf_path);
    assert_string_equal(e.detail, want);
    free(yaml);
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
    struct conf *c;
    struct err e;

    (void)state;
    assert_int_equal(conf_load("/nonexistent/registry.yaml", NULL, &c, &e), ERR_CONFIG);
    assert_string_equal(e.detail, "configuration file: open '/nonexistent/registry.yaml': No such "
                                  "file or directory");
    assert_int_equal(conf_load("/tmp", NULL, &c, &e), ERR_CONFIG);
    assert_int_equal(conf_load("/nonexistent", NULL, &c, ERR_IGNORED), ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_keys_and_lists_are_read),
        cmocka_unit_test(nothing_at_all_is_a_configuration),
        cmocka_unit_test(dotted_keys_and_windows_line_ends_are_fine),
        cmocka_unit_test(one_text_is_a_list_too),
        cmocka_unit_test(unknown_keys_come_with_a_suggestion),
        cmocka_unit_test(odd_keys_are_refused),
        cmocka_unit_test(a_key_has_a_bounded_length),
        cmocka_unit_test(wrong_values_say_what_is_allowed),
        cmocka_unit_test(wrong_shapes_are_refused),
        cmocka_unit_test(a_key_stands_once),
        cmocka_unit_test(anchors_aliases_tags_and_documents_are_refused),
        cmocka_unit_test(what_is_not_yaml_is_told_with_its_line),
        cmocka_unit_test(deep_nesting_is_refused_at_once),
        cmocka_unit_test(a_file_has_at_most_a_mebibyte),
        cmocka_unit_test(a_file_that_cannot_be_read_is_an_error),
    };

    return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
