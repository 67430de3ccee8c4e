#include "core/upload_id.h"

#include "support.h"

#define NOW_MS 1800000000000 /* in 2027 */
#define OWNER  "user:anna"

static struct world w;
static struct upload_ids *ids;
static struct repo_name repo;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    ids = upload_ids_new();
    repo = repo_of("library/busybox");
    return upload_ids_load(ids, w.meta, ERR_IGNORED) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    upload_ids_free(ids);
    world_done(&w);
    return 0;
}

static struct uuid made_at(int64_t started_ms, enum digest_algorithm algorithm)
{
    struct uuid id;

    upload_id_make(
        ids,
        &(struct upload_claim){
            .repo = &repo, .owner = OWNER, .algorithm = algorithm, .started_ms = started_ms},
        &id);
    return id;
}

static bool read_by(const struct upload_ids *by, const struct uuid *id, const char *in,
                    const char *owner)
{
    struct repo_name name = repo_of(in);
    struct upload_claim claim = {.repo = &name, .owner = owner};

    return upload_id_read(by, id, NOW_MS, &claim);
}

static void an_id_says_when_and_how_its_session_was_begun(void **state)
{
    const int64_t times[] = {NOW_MS, NOW_MS - 1, NOW_MS - 86400000, NOW_MS + 5000};

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        enum digest_algorithm algorithm = i % 2 ? DIGEST_SHA512 : DIGEST_SHA256;
        struct uuid id = made_at(times[i], algorithm);
        struct upload_claim claim = {.repo = &repo, .owner = OWNER};

        assert_true(upload_id_read(ids, &id, NOW_MS, &claim));
        assert_int_equal(claim.started_ms, times[i]);
        assert_int_equal(claim.algorithm, algorithm);
    }
}

static void an_id_is_a_uuid_of_version_8(void **state)
{
    struct uuid id = made_at(NOW_MS, DIGEST_SHA256), parsed;

    (void)state;
    assert_true(uuid_parse(str_of(id.text), &parsed));
    assert_int_equal(id.text[14], '8');
    assert_non_null(strchr("89ab", id.text[19]));
}

static void no_two_ids_are_the_same(void **state)
{
    struct uuid a = made_at(NOW_MS, DIGEST_SHA256), b = made_at(NOW_MS, DIGEST_SHA256);

    (void)state;
    assert_string_not_equal(a.text, b.text);
}

static void an_id_is_of_one_repository_and_owner(void **state)
{
    struct uuid id = made_at(NOW_MS, DIGEST_SHA256);

    (void)state;
    assert_true(read_by(ids, &id, "library/busybox", OWNER));
    assert_false(read_by(ids, &id, "library/busybo", OWNER));
    assert_false(read_by(ids, &id, "library/busybox", "user:ann"));
    assert_false(read_by(ids, &id, "library/busybox", ""));
}

static void an_id_with_any_digit_changed_is_none(void **state)
{
    struct uuid id = made_at(NOW_MS, DIGEST_SHA256);

    (void)state;
    for (size_t i = 0; i < UUID_TEXT; i++) {
        struct uuid other = id;

        if (id.text[i] == '-')
            continue;
        other.text[i] = id.text[i] == '0' ? '1' : '0';
        assert_false(read_by(ids, &other, "library/busybox", OWNER));
    }
}

static void an_id_of_another_registry_is_none(void **state)
{
    struct uuid id = made_at(NOW_MS, DIGEST_SHA256), random;
    struct upload_ids *others = upload_ids_new();
    struct world elsewhere;

    (void)state;
    uuid_make(&random);
    assert_false(read_by(ids, &random, "library/busybox", OWNER));
    world_in_memory(&elsewhere);
    assert_false(read_by(others, &id, "library/busybox", OWNER)); /* no key yet */
    assert_ok(upload_ids_load(others, elsewhere.meta, ERR_IGNORED));
    assert_false(read_by(others, &id, "library/busybox", OWNER));
    upload_ids_free(others);
    world_done(&elsewhere);
}

static void processes_on_one_database_read_each_others_ids(void **state)
{
    struct uuid id = made_at(NOW_MS, DIGEST_SHA256);
    struct upload_ids *others = upload_ids_new();

    (void)state;
    assert_ok(upload_ids_load(others, w.meta, ERR_IGNORED));
    assert_true(read_by(others, &id, "library/busybox", OWNER));
    upload_ids_free(others);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_id_says_when_and_how_its_session_was_begun),
        TEST(an_id_is_a_uuid_of_version_8),
        TEST(no_two_ids_are_the_same),
        TEST(an_id_is_of_one_repository_and_owner),
        TEST(an_id_with_any_digit_changed_is_none),
        TEST(an_id_of_another_registry_is_none),
        TEST(processes_on_one_database_read_each_others_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
