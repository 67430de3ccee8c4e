#include "core/layer_lists.h"

#include "core/own_repo.h"
#include "core/remove.h"
#include "support.h"
#include "unit/analysis/layers.h"

static struct world w;
static unsigned layers_opened;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    layers_opened = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static enum err_code count_open(struct store *s, const struct repo_name *repo,
                                const struct digest *d, uint64_t known_bytes,
                                struct reader **ret_reader, uint64_t *ret_size_bytes, struct err *e)
{
    layers_opened += !own_repo(repo);
    return store_blob_open(s->inner, repo, d, known_bytes, ret_reader, ret_size_bytes, e);
}

static enum err_code fail_open(struct store *s, const struct repo_name *repo,
                               const struct digest *d, uint64_t known_bytes,
                               struct reader **ret_reader, uint64_t *ret_size_bytes, struct err *e)
{
    if (own_repo(repo))
        return err_set(e, ERR_BLOB_UNKNOWN, "gone");
    return count_open(s, repo, d, known_bytes, ret_reader, ret_size_bytes, e);
}

static enum err_code fail_stat(struct store *s, const struct repo_name *repo,
                               const struct digest *d, uint64_t *ret_size_bytes, struct err *e)
{
    if (own_repo(repo))
        return err_set(e, ERR_BLOB_UNKNOWN, "gone");
    return store_blob_stat(s->inner, repo, d, ret_size_bytes, e);
}

static struct digest put_layer(const char *repo, const char *contents)
{
    AUTO(buf) struct buf tar = {0};

    buf_init(&tar, 1u << 20);
    layer_file(&tar, "etc/motd", contents);
    layer_end(&tar);
    return blob_put(&w, repo, buf_str(&tar));
}

static enum err_code get(const struct digest *d, uint64_t max_unpacked_bytes,
                         enum err_code *ret_kept)
{
    const struct repo_name repo = repo_of("team/app");
    AUTO(layer_files) struct layer_files *files = NULL;
    struct layer_wanted wanted = {.repo = &repo, .digest = d, .limits = *PLENTY};

    wanted.limits.max_unpacked_bytes = max_unpacked_bytes;
    TRY(layer_lists_get(w.r, &wanted, &files, ret_kept, ERR_IGNORED));
    assert_int_equal(layer_files_count(files), 1);
    return ERR_OK;
}

static void get_well(const struct digest *d)
{
    enum err_code kept;

    assert_ok(get(d, 1u << 20, &kept));
    assert_ok(kept);
}

static void a_layer_is_read_once(void **state)
{
    struct digest d = put_layer("team/app", "hello");

    (void)state;
    world_patch_store(&w)->blob_open = count_open;
    get_well(&d);
    get_well(&d);
    assert_int_equal(layers_opened, 1);
    assert_true(layer_lists_has(w.r, &d));
}

static void a_list_that_is_not_there_any_more_is_made_again(void **state)
{
    struct digest d = put_layer("team/app", "hello");

    struct store_driver *driver = world_patch_store(&w);

    (void)state;
    driver->blob_open = fail_open;
    driver->blob_stat = fail_stat;
    get_well(&d);
    get_well(&d);
    assert_int_equal(layers_opened, 2);
    assert_false(layer_lists_has(w.r, &d));
}

static void bounds_hold_for_a_kept_list(void **state)
{
    struct digest d = put_layer("team/app", "hello");
    enum err_code kept;

    (void)state;
    get_well(&d);
    assert_code(ERR_IMAGE_TOO_LARGE, get(&d, 100, &kept));
}

static void what_cannot_be_kept_is_an_answer_all_the_same(void **state)
{
    struct digest d = put_layer("team/app", "hello");
    enum err_code kept;

    (void)state;
    world_fail_store(&w, 2, ERR_STORAGE_FULL); /* behind the opening of the layer */
    assert_ok(get(&d, 1u << 20, &kept));
    assert_code(ERR_STORAGE_FULL, kept);
}

static void a_list_is_forgotten_when_its_layer_is_gone(void **state)
{
    const struct repo_name repo = repo_of("team/app");
    struct digest gone = put_layer("team/app", "hello"), stays = put_layer("team/app", "more");

    (void)state;
    get_well(&gone);
    get_well(&stays);
    assert_ok(remove_link(w.r, &repo, &gone, ERR_IGNORED));
    assert_ok(layer_lists_forget(w.r, ERR_IGNORED));
    assert_false(layer_lists_has(w.r, &gone));
    assert_true(layer_lists_has(w.r, &stays));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_layer_is_read_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_list_that_is_not_there_any_more_is_made_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(bounds_hold_for_a_kept_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_kept_is_an_answer_all_the_same, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_list_is_forgotten_when_its_layer_is_gone, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
