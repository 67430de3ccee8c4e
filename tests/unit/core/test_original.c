/* Originals of uploads: how they are called, which expire, and those without a record. */
#include "core/original.h"

#include "base/json.h"
#include "support.h"

#include <stdlib.h>

#define HOUR_MS (3600 * 1000ll)
#define THEN_MS 1769903999123ll /* 2026-01-31T23:59:59.123Z */

static const struct uuid id = {"74ae9cc2-24a4-4f83-9524-20a234374fe5"};

static struct store_original_name named(const char *owner, enum packing packing)
{
    struct store_original_name name;

    original_name_make(owner, THEN_MS, &id, packing, &name);
    return name;
}

static void assert_folder(const char *owner, const char *folder)
{
    struct store_original_name name = named(owner, PACKED_GZIP);
    char want[STORE_ORIGINAL_NAME_MAX + 1];

    snprintf(want, sizeof(want), "%s/20260131T235959Z/%s.tar.gz", folder, id.text);
    assert_string_equal(name.text, want);
}

static void names_of_users_are_one_folder_each(void **state)
{
    (void)state;
    assert_folder("user:alice", "alice");
    assert_folder("user:a.b_c-d", "a.b_c-d");
    assert_folder("user:a@example.org", "a%40example.org");
    assert_folder("user:../../etc", "%2E.%2F..%2Fetc");
    assert_folder("user:.", "%2E");
    assert_folder("user:J\xc3\xb6rg", "J%C3%B6rg");
    assert_folder("robot:ci", "robot~ci");
    assert_folder("user:robot~ci", "robot%7Eci");
    assert_folder("", "~anonymous");
    assert_folder("user:~anonymous", "%7Eanonymous");
}

static void the_ending_says_how_it_is_packed(void **state)
{
    static const struct {
        enum packing packing;
        const char *ending;
    } all[] = {{PACKED_NOT, ".tar.gz"},
               {PACKED_GZIP, ".tar.gz"},
               {PACKED_ZSTD, ".tar.zst"},
               {PACKED_XZ, ".tar.xz"},
               {PACKED_BZIP2, ".tar.bz2"}};

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct store_original_name name = named("user:a", all[i].packing);

        assert_string_equal(strstr(name.text, ".tar"), all[i].ending);
    }
}

static void long_names_are_cut_and_told_apart(void **state)
{
    char one[200] = "user:", other[200];
    struct store_original_name a, b;

    (void)state;
    memset(one + 5, '@', 120);
    memcpy(other, one, sizeof(one));
    other[100] = '+';
    a = named(one, PACKED_GZIP);
    b = named(other, PACKED_GZIP);
    assert_string_not_equal(a.text, b.text);
    assert_true(strcspn(a.text, "/") <= STORE_ORIGINAL_PART_MAX);
    assert_null(strstr(a.text, "%~"));
    assert_null(strstr(a.text, "%4~"));
}

static void assert_read(const char *owner, const char *want)
{
    struct store_original_name name = named(owner, PACKED_ZSTD);
    char key[ORIGINAL_KEY_SIZE];
    AUTO(buf) struct buf said = {0};

    buf_init(&said, 200);
    assert_true(original_name_read(&name, &said, key));
    assert_string_equal(key, "20260131T235959Z-74ae9cc2-24a4-4f83-9524-20a234374fe5");
    assert_true(str_eq(buf_str(&said), str_of(want)));
}

static void a_name_tells_whose_it_is(void **state)
{
    char cut[140] = "user:";

    (void)state;
    memset(cut + 5, '@', 100);
    assert_read("user:../J\xc3\xb6rg~", "user:../J\xc3\xb6rg~");
    assert_read("robot:ci", "robot:ci");
    assert_read("", "anonymous");
    assert_read(cut, "");
}

static struct store_original_name put(struct world *w, const char *owner, int64_t wall_ms)
{
    struct store_original_name name;
    struct store_upload *u = NULL;
    struct uuid upload, own;
    uint64_t size;

    uuid_make(&upload);
    uuid_make(&own);
    original_name_make(owner, wall_ms, &own, PACKED_GZIP, &name);
    assert_ok(store_upload_create(w->r->store, &upload, ERR_IGNORED));
    assert_ok(store_upload_open(w->r->store, &upload, &u, &size, ERR_IGNORED));
    assert_ok(store_upload_write(w->r->store, u, "bytes", 5, 0, ERR_IGNORED));
    assert_ok(store_original_commit(w->r->store, u, &name, ERR_IGNORED));
    assert_ok(store_upload_delete(w->r->store, &upload, ERR_IGNORED));
    return name;
}

static bool goes_on(void *ctx)
{
    (void)ctx;
    return true;
}

static size_t adopt(struct world *w, int64_t before_ms)
{
    AUTO(records) struct meta_record_list l = {0};

    assert_ok(originals_adopt(w->r, before_ms, goes_on, NULL, ERR_IGNORED));
    assert_ok(meta_records(w->r->meta, STR(ORIGINALS), STR_NONE, 10, &l, ERR_IGNORED));
    return l.n;
}

static void what_has_no_record_gets_one_once_it_is_no_news(void **state)
{
    AUTO(records) struct meta_record_list l = {0};
    AUTO(json) json_t *j = NULL;
    struct store_original_name name, said;
    struct world w;

    (void)state;
    world_in_memory(&w);
    name = put(&w, "user:anna", THEN_MS);
    assert_int_equal(adopt(&w, 1), 0);
    assert_int_equal(adopt(&w, INT64_MAX), 1);
    assert_int_equal(adopt(&w, INT64_MAX), 1);
    assert_ok(meta_records(w.r->meta, STR(ORIGINALS), STR_NONE, 10, &l, ERR_IGNORED));
    j = json_loads(l.rows[0].value, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(j, "user")), "user:anna");
    assert_string_equal(json_string_value(json_object_get(j, "time")), "2026-01-31T23:59:59.000Z");
    assert_int_equal(json_integer_value(json_object_get(j, "size")), 5);
    assert_true(original_record_name(&l.rows[0], &said));
    assert_string_equal(said.text, name.text);
    world_done(&w);
}

static enum err_code note(void *ctx, const struct store_original *o, struct err *e)
{
    (void)e;
    *(struct store_original_name *)ctx = o->name;
    return ERR_OK;
}

static void those_that_are_old_expire(void **state)
{
    struct store_original_name young, left = {0};
    struct world w;

    (void)state;
    world_in_memory(&w);
    put(&w, "user:anna", THEN_MS);
    young = put(&w, "user:anna", THEN_MS + 2 * HOUR_MS);
    assert_int_equal(adopt(&w, INT64_MAX), 2);
    assert_ok(originals_expire(w.r, THEN_MS + 99 * HOUR_MS, goes_on, NULL, ERR_IGNORED));
    assert_int_equal(adopt(&w, 1), 2); /* for ever */
    w.conf->registry.archives.original_keep_ms = HOUR_MS;
    assert_ok(originals_expire(w.r, THEN_MS + 2 * HOUR_MS, goes_on, NULL, ERR_IGNORED));
    assert_int_equal(adopt(&w, 1), 1);
    assert_ok(store_original_each(w.r->store, note, &left, ERR_IGNORED));
    assert_string_equal(left.text, young.text);
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_users_are_one_folder_each),
        cmocka_unit_test(the_ending_says_how_it_is_packed),
        cmocka_unit_test(long_names_are_cut_and_told_apart),
        cmocka_unit_test(a_name_tells_whose_it_is),
        cmocka_unit_test(what_has_no_record_gets_one_once_it_is_no_news),
        cmocka_unit_test(those_that_are_old_expire),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
