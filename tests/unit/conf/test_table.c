#include "base/cleanup.h"
#include "conf/table.h"
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static size_t field_size(const struct conf_row *row)
{
    if (row->type == CONF_BOOL)
        return sizeof(bool);
    if (row->type == CONF_TEXTS)
        return sizeof(struct conf_strings);
    if (row->type == CONF_ITEMS)
        return sizeof(struct conf_items);
    return conf_row_is_text(row) ? sizeof(char *) : sizeof(uint64_t);
}

/* Calls fn for every row, and for every row of the items of lists. */
static void each_row(void (*fn)(const struct conf_row *row))
{
    for (size_t i = 0; i < conf_rows_n; i++) {
        fn(&conf_rows[i]);
        for (size_t k = 0; conf_rows[i].type == CONF_ITEMS && k < conf_rows[i].item->n; k++)
            fn(&conf_rows[i].item->rows[k]);
    }
}

static void assert_size(const struct conf_row *row)
{
    if (row->size != field_size(row))
        fail_msg("%s", row->name);
}

static void every_field_has_the_size_of_its_type(void **state)
{
    (void)state;
    each_row(assert_size);
}

/* Name and alias of each row; an alias is a name too. */
static size_t all_names(const char **names)
{
    size_t n = 0;

    for (size_t i = 0; i < conf_rows_n; i++) {
        names[n++] = conf_rows[i].name;
        if (conf_rows[i].alias)
            names[n++] = conf_rows[i].alias;
    }
    return n;
}

static void no_two_rows_share_name_or_variable(void **state)
{
    const char *names[2 * CONF_ROWS_MAX];
    char a[CONF_ENV_MAX], b[CONF_ENV_MAX];
    size_t n = all_names(names);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        conf_env(names[i], a);
        assert_true(strlen(a) < CONF_ENV_MAX - 1); /* not cut */
        assert_string_not_equal(a, "REGISTRY_CONFIG");
        for (size_t j = 0; j < i; j++) {
            conf_env(names[j], b);
            assert_string_not_equal(a, b);
            assert_string_not_equal(names[i], names[j]);
        }
    }
}

static void no_two_rows_share_a_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < conf_rows_n; i++) {
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(conf_rows[i].offset, conf_rows[j].offset);
    }
}

/* Lists of items of lists are as deep as it goes: struct conf_key names no more. */
static void check_item(const struct conf_item *item, bool inner)
{
    assert_true(item->n <= CONF_KEYS_MAX);
    for (size_t k = 0; k < item->n; k++) {
        assert_ptr_equal(conf_item_find(item, str_of(item->rows[k].name)), &item->rows[k]);
        for (size_t j = 0; j < k; j++)
            assert_int_not_equal(item->rows[k].offset, item->rows[j].offset);
        if (item->rows[k].type != CONF_ITEMS)
            continue;
        assert_false(inner);
        check_item(item->rows[k].item, true);
    }
}

static void the_keys_of_an_item_differ(void **state)
{
    (void)state;
    for (size_t i = 0; i < conf_rows_n; i++) {
        if (conf_rows[i].type == CONF_ITEMS)
            check_item(conf_rows[i].item, false);
    }
}

/* Every byte of struct conf belongs to a row or is padding: no field was forgotten. */
static void the_rows_cover_the_struct(void **state)
{
    size_t covered = 0;

    (void)state;
    for (size_t i = 0; i < conf_rows_n; i++)
        covered += conf_rows[i].size < 8 ? 8 : conf_rows[i].size;
    assert_true(covered >= sizeof(struct conf));
}

static void assert_default_in_range(const struct conf_row *row)
{
    bool number = row->type == CONF_COUNT || row->type == CONF_SIZE || row->type == CONF_DURATION;

    if (number && (row->def < row->min || row->def > row->max))
        fail_msg("%s", row->name);
    if (conf_row_is_text(row) && !(row->flags & CONF_REQUIRED))
        assert_in_range(strlen(row->def_text), row->min, row->max);
}

static void defaults_are_within_their_ranges(void **state)
{
    (void)state;
    each_row(assert_default_in_range);
}

static void only_whole_words_are_reloaded(void **state)
{
    (void)state;
    for (size_t i = 0; i < conf_rows_n; i++) {
        if (conf_rows[i].reloaded)
            assert_true(conf_rows[i].size == 8 || conf_rows[i].type == CONF_BOOL);
    }
}

static void assert_help(const struct conf_row *row)
{
    const char *help = row->help;

    assert_true(strlen(help) > 10);
    assert_non_null(strchr(".?", help[strlen(help) - 1]));
    assert_null(strchr(help, '|')); /* would end a cell of the reference page */
    assert_null(strchr(help, '\n'));
}

static void every_row_has_help_that_is_a_sentence(void **state)
{
    (void)state;
    each_row(assert_help);
}

static void keys_and_sections_are_found(void **state)
{
    (void)state;
    assert_string_equal(conf_row_find(STR("http.tls.key"))->name, "http.tls.key");
    assert_string_equal(conf_row_find(STR("auth.htpasswd.path"))->name, "auth.htpasswd.file");
    assert_string_equal(conf_row_find(STR("auth"))->name, "auth.mode");
    assert_null(conf_row_find(STR("http.tls")));
    assert_null(conf_row_find(STR("")));
    assert_true(conf_section_exists(STR("http")));
    assert_true(conf_section_exists(STR("http.tls")));
    assert_false(conf_section_exists(STR("http.tls.key")));
    assert_false(conf_section_exists(STR("ht")));
}

static void variables_are_named_after_keys(void **state)
{
    char env[CONF_ENV_MAX];

    (void)state;
    conf_row_env(conf_row_find(STR("http.tls.client_ca")), env);
    assert_string_equal(env, "REGISTRY_HTTP_TLS_CLIENT_CA");
}

static void nothing_given_is_the_defaults(void **state)
{
    AUTO(conf) struct conf *c = NULL;
    struct err e;

    (void)state;
    assert_int_equal(conf_load(NULL, NULL, &c, &e), ERR_OK);
    assert_int_equal(c->http.listen.n, 1);
    assert_string_equal(c->http.listen.items[0], "127.0.0.1:5000");
    assert_string_equal(c->storage.root, "./data/registry");
    assert_true(c->storage.fsync);
    assert_int_equal(c->auth.mode, CONF_AUTH_LOOPBACK);
    assert_int_equal(c->http.workers, 256);
    assert_int_equal(c->limits.blob_bytes, 10ull << 30);
    assert_int_equal(c->limits.manifest_bytes, 4 << 20);
    assert_int_equal(c->registry.upload_timeout_ms, 3600000);
    assert_string_equal(c->http.tls.certificate, "");
    conf_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_has_the_size_of_its_type),
        cmocka_unit_test(no_two_rows_share_name_or_variable),
        cmocka_unit_test(no_two_rows_share_a_field),
        cmocka_unit_test(the_keys_of_an_item_differ),
        cmocka_unit_test(the_rows_cover_the_struct),
        cmocka_unit_test(defaults_are_within_their_ranges),
        cmocka_unit_test(only_whole_words_are_reloaded),
        cmocka_unit_test(every_row_has_help_that_is_a_sentence),
        cmocka_unit_test(keys_and_sections_are_found),
        cmocka_unit_test(variables_are_named_after_keys),
        cmocka_unit_test(nothing_given_is_the_defaults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
