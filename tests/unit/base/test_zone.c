#include "base/zone.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/cron.h"
#include "base/zone_rule.h"
#include "temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int64_t at(const char *text)
{
    int64_t ms;

    assert_true(clock_parse(str_of(text), &ms));
    return ms / 1000;
}

static int64_t hours_by(const char *rule, const char *time)
{
    struct zone_rule r;

    assert_true(zone_rule_parse(str_of(rule), &r));
    return zone_rule_offset_s(&r, at(time)) / 3600;
}

static void clocks_go_by_the_rule_on_both_halves_of_the_earth(void **state)
{
    static const char berlin[] = "CET-1CEST,M3.5.0,M10.5.0/3";
    static const char sydney[] = "AEST-10AEDT,M10.1.0,M4.1.0/3";

    (void)state;
    assert_int_equal(hours_by(berlin, "2050-03-27T00:59:59Z"), 1);
    assert_int_equal(hours_by(berlin, "2050-03-27T01:00:00Z"), 2);
    assert_int_equal(hours_by(berlin, "2050-10-30T00:59:59Z"), 2);
    assert_int_equal(hours_by(berlin, "2050-10-30T01:00:00Z"), 1);
    assert_int_equal(hours_by(sydney, "2026-01-01T00:00:00Z"), 11);
    assert_int_equal(hours_by(sydney, "2026-04-04T15:59:59Z"), 11);
    assert_int_equal(hours_by(sydney, "2026-04-04T16:00:00Z"), 10);
    assert_int_equal(hours_by(sydney, "2026-10-03T16:00:00Z"), 11);
    assert_int_equal(hours_by("<+03>-3", "2026-07-01T00:00:00Z"), 3);
    assert_int_equal(hours_by("ABC-1DEF,J60,J300", "2024-03-01T01:00:00Z"), 2);
    assert_int_equal(hours_by("ABC-1DEF,59,300", "2024-02-29T01:00:00Z"), 2);
}

static void what_is_no_rule_is_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "CET",
                                        "CET-1CEST",
                                        "CET-1CEST,M3.5.0",
                                        "-1",
                                        "CET-1x",
                                        "CET-1CEST,M13.5.0,M10.5.0",
                                        "CET-1CEST,M3.6.0,M10.5.0",
                                        "<+03-3",
                                        "CET-1CEST,M3.5.0,M10.5.0/3 "};
    struct zone_rule r;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(zone_rule_parse(str_of(texts[i]), &r));
}

/* ---- files */

static void add_number(struct buf *b, uint64_t v, unsigned bytes)
{
    while (bytes-- > 0)
        buf_add_char(b, (char)(v >> 8 * bytes));
}

static void add_header(struct buf *b, unsigned changes, unsigned types, unsigned name_bytes)
{
    buf_add(b, "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    for (int i = 0; i < 3; i++)
        add_number(b, 0, 4);
    add_number(b, changes, 4);
    add_number(b, types, 4);
    add_number(b, name_bytes, 4);
}

/* One hour east until 2000, then two, and Berlin's rule from 2010 on. */
static void add_zone(struct buf *b)
{
    add_header(b, 0, 1, 1);
    buf_add(b, "\0\0\0\0\0\0\0", 7);
    add_header(b, 2, 2, 1);
    add_number(b, (uint64_t)at("2000-01-01T00:00:00Z"), 8);
    add_number(b, (uint64_t)at("2010-01-01T00:00:00Z"), 8);
    buf_add(b, "\1\0", 2);
    for (unsigned hours = 1; hours <= 2; hours++) {
        add_number(b, hours * 3600, 4);
        add_number(b, 0, 2);
    }
    buf_add(b, "\0\nCET-1CEST,M3.5.0,M10.5.0/3\n", 29);
}

static void write_file(const char *directory, const char *name, const void *p, size_t n)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    fclose(f);
}

static int make_zones(void **state)
{
    AUTO(buf) struct buf file = {0};
    static char directory[TEMP_DIR_MAX];

    temp_dir_make(directory, TEMP_DIR_MEMORY);
    buf_init(&file, 4096);
    add_zone(&file);
    write_file(directory, "Somewhere", file.p, file.n);
    for (size_t n = 0; n < file.n; n++) {
        char name[32];

        snprintf(name, sizeof(name), "Cut-%zu", n);
        write_file(directory, name, file.p, n);
    }
    setenv("TZDIR", directory, 1);
    *state = directory;
    return 0;
}

static int remove_zones(void **state)
{
    unsetenv("TZDIR");
    temp_dir_remove(*state);
    return 0;
}

static void a_zone_has_its_changes_and_its_rule(void **state)
{
    AUTO(zone) struct zone *z = NULL;
    struct err e;

    (void)state;
    assert_int_equal(zone_load("Somewhere", &z, &e), ERR_OK);
    assert_int_equal(zone_offset_s(z, at("1999-12-31T23:59:59Z")), 3600);
    assert_int_equal(zone_offset_s(z, at("2000-01-01T00:00:00Z")), 7200);
    assert_int_equal(zone_offset_s(z, at("2009-12-31T23:59:59Z")), 7200);
    assert_int_equal(zone_offset_s(z, at("2026-01-01T00:00:00Z")), 3600);
    assert_int_equal(zone_offset_s(z, at("2026-07-01T00:00:00Z")), 7200);
}

static void a_time_that_comes_again_goes_by_the_clocks_of_a_named_zone(void **state)
{
    struct cron c;
    struct err e;

    (void)state;
    assert_int_equal(cron_parse(STR("30 3 * * * Somewhere"), &c, &e), ERR_OK);
    assert_int_equal(cron_next(&c, at("2026-03-28T12:00:00Z") * 1000),
                     at("2026-03-29T01:30:00Z") * 1000);
    assert_int_equal(cron_next(&c, at("2026-01-10T12:00:00Z") * 1000),
                     at("2026-01-11T02:30:00Z") * 1000);
}

static void what_is_no_file_of_a_zone_is_refused(void **state)
{
    struct zone *z = NULL;
    char name[32];
    struct err e;

    for (size_t n = 0;; n++) {
        char path[512];

        snprintf(name, sizeof(name), "Cut-%zu", n);
        snprintf(path, sizeof(path), "%s/%s", (char *)*state, name);
        if (access(path, F_OK) != 0)
            break;
        assert_int_equal(zone_load(name, &z, &e), ERR_CONFIG);
    }
    assert_int_equal(zone_load("Nowhere", &z, &e), ERR_CONFIG);
    assert_int_equal(zone_load("../Somewhere", &z, &e), ERR_CONFIG);
    assert_int_equal(zone_load("/etc/passwd", &z, &e), ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_go_by_the_rule_on_both_halves_of_the_earth),
        cmocka_unit_test(what_is_no_rule_is_refused),
        cmocka_unit_test(a_zone_has_its_changes_and_its_rule),
        cmocka_unit_test(a_time_that_comes_again_goes_by_the_clocks_of_a_named_zone),
        cmocka_unit_test(what_is_no_file_of_a_zone_is_refused),
    };

    return cmocka_run_group_tests(tests, make_zones, remove_zones);
}
