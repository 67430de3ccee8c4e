/* Content moved between stores of each manner. */
#include "core/copy.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

static struct world w;   /* with the source */
static struct store *to; /* the fault decorator over the other */
static char to_dir[TEMP_DIR_MAX];
static struct copy_counts counts;
static struct buf told; /* problems, a line each */

static struct store *(*make_other)(void);

static int prepare(void (*open)(struct world *w), struct store *(*make)(void))
{
    open(&w);
    make_other = make;
    to = store_fault_new(make());
    buf_init(&told, 1 << 20);
    counts = (struct copy_counts){0};
    return 0;
}

static int set_up_mem_to_mem(void **state)
{
    (void)state;
    return prepare(world_in_memory, store_mem_new);
}

static int set_up_mem_to_remote(void **state)
{
    (void)state;
    return prepare(world_in_memory, store_mem_remote_new);
}

static int set_up_remote_to_mem(void **state)
{
    (void)state;
    return prepare(world_remote, store_mem_new);
}

static int set_up_remote_to_remote(void **state)
{
    (void)state;
    return prepare(world_remote, store_mem_remote_new);
}

static struct store *files(void)
{
    static unsigned made;
    char root[TEMP_PATH_MAX];
    struct store_fs_options o = {.root = root};
    struct store *s;

    if (!to_dir[0])
        temp_dir_make(to_dir, TEMP_DIR_MEMORY);
    snprintf(root, sizeof(root), "%s/root%u", to_dir, ++made);
    assert_ok(store_fs_new(&o, &s, ERR_IGNORED));
    return s;
}

static int set_up_disk_to_disk(void **state)
{
    (void)state;
    return prepare(world_on_disk, files);
}

static int set_up_disk_to_remote(void **state)
{
    (void)state;
    return prepare(world_on_disk, store_mem_remote_new);
}

static int tear_down(void **state)
{
    (void)state;
    buf_done(&told);
    store_free(to);
    world_done(&w);
    if (to_dir[0])
        temp_dir_remove(to_dir);
    to_dir[0] = '\0';
    return 0;
}

static void keep_problem(void *ctx, const char *text)
{
    (void)ctx;
    buf_addf(&told, "%s\n", text);
}

static enum err_code copied(bool move_tags, struct err *e)
{
    struct copy c = {.from = w.store, .to = to, .move_tags = move_tags, .problem = keep_problem};

    buf_clear(&told);
    return copy_run(&c, &counts, e);
}

static void copy_again(void)
{
    struct err e = {0};

    assert_ok(copied(false, &e));
}

static void assert_told(uint64_t problems, const char *text)
{
    assert_int_equal(counts.problems, problems);
    if (!strstr(buf_text(&told), text))
        fail_msg("'%s' is not in: %s", text, buf_text(&told));
}

static void assert_no_problem(void)
{
    assert_string_equal(buf_text(&told), "");
    assert_int_equal(counts.problems, 0);
}

static bool has_blob(const char *repo, struct str bytes)
{
    struct repo_name name = repo_of(repo);
    struct digest d = sha256_of(bytes);
    AUTO(reader) struct reader *r = NULL;
    char found[256];
    uint64_t size;
    size_t n;

    if (store_blob_open(to, &name, &d, UINT64_MAX, &r, &size, ERR_IGNORED) != ERR_OK)
        return false;
    assert_ok(reader_read(r, found, sizeof(found), &n, ERR_IGNORED));
    return str_eq((struct str){found, n}, bytes);
}

static struct digest tag_there(const char *repo, const char *tag)
{
    struct repo_name name = repo_of(repo);
    struct tag_name t = tag_of(tag);
    struct digest d = {.n = 0};

    if (store_tag_get(to, &name, &t, &d, ERR_IGNORED) != ERR_OK)
        return (struct digest){0};
    return d;
}

static bool has_manifest(const char *repo, const struct digest *d)
{
    struct repo_name name = repo_of(repo);
    AUTO(buf) struct buf bytes = {0};
    struct digest found;

    buf_init(&bytes, 1 << 20);
    if (store_manifest_get(to, &name, d, &bytes, ERR_IGNORED) != ERR_OK)
        return false;
    digest_of(d->algorithm, bytes.p, bytes.n, &found);
    return digest_eq(d, &found);
}

static void store_blob(struct store *s, const char *repo, const struct digest *d, struct str bytes)
{
    struct repo_name name = repo_of(repo);
    struct store_upload *u;
    uint64_t size_bytes;
    struct uuid id;

    uuid_make(&id);
    assert_ok(store_upload_create(s, &id, ERR_IGNORED));
    assert_ok(store_upload_open(s, &id, &u, &size_bytes, ERR_IGNORED));
    assert_ok(store_upload_write(s, u, bytes.p, bytes.n, 0, ERR_IGNORED));
    assert_ok(store_upload_commit(s, u, &name, d, NULL, ERR_IGNORED));
    assert_ok(store_upload_delete(s, &id, ERR_IGNORED));
}

static void damage_blob(const char *repo, struct str bytes, struct str with)
{
    struct repo_name name = repo_of(repo);
    struct digest d = sha256_of(bytes);

    assert_ok(store_blob_delete(w.store, &name, &d, false, ERR_IGNORED));
    store_blob(w.store, repo, &d, with);
}

static enum err_code count_upload(void *ctx, const struct store_upload_info *u, struct err *e)
{
    (void)u, (void)e;
    (*(size_t *)ctx)++;
    return ERR_OK;
}

static void everything_is_there_afterwards(void **state)
{
    struct digest one = image_put(&w, "dev/app", "one", "v1");
    struct digest two = image_put(&w, "dev/other", "two", "v2");
    struct digest same = image_put(&w, "dev/other", "one", "same");
    size_t uploads = 0;

    (void)state;
    copy_again();
    assert_no_problem();
    assert_true(has_blob("dev/app", STR("one")));
    assert_true(has_blob("dev/other", STR("two")));
    assert_true(has_blob("dev/other", STR("the layer of all")));
    assert_true(has_manifest("dev/app", &one) && has_manifest("dev/other", &two));
    assert_string_equal(tag_there("dev/app", "v1").text, one.text);
    assert_string_equal(tag_there("dev/other", "v2").text, two.text);
    assert_string_equal(tag_there("dev/other", "same").text, same.text);
    assert_int_equal(counts.new_manifests, 3);
    assert_int_equal(counts.new_tags, 3);
    assert_int_equal(counts.done, counts.listed);
    assert_ok(store_upload_each(to, count_upload, &uploads, ERR_IGNORED));
    assert_int_equal(uploads, 0);
}

static void a_second_run_finds_nothing_to_do(void **state)
{
    (void)state;
    image_put(&w, "dev/app", "one", "v1");
    image_put(&w, "dev/other", "one", "v1");
    copy_again();
    copy_again();
    assert_no_problem();
    assert_int_equal(counts.new_blobs + counts.new_manifests + counts.new_tags, 0);
    assert_int_equal(counts.done, counts.listed);
}

static void a_blob_of_several_repositories_is_read_once(void **state)
{
    (void)state;
    image_put(&w, "a", "one", "v1");
    image_put(&w, "b", "one", "v1");
    image_put(&w, "c", "one", "v1");
    damage_blob("b", STR("one"), STR("eno")); /* would be told if it was looked at */
    damage_blob("c", STR("one"), STR("neo"));
    copy_again();
    assert_no_problem();
    assert_true(has_blob("c", STR("one")));
}

static void a_blob_that_is_damaged_in_one_repository_is_taken_from_another(void **state)
{
    (void)state;
    image_put(&w, "a", "one", "v1");
    image_put(&w, "b", "one", "v1");
    damage_blob("a", STR("one"), STR("eno"));
    copy_again();
    assert_told(1, "a: blob ");
    assert_true(has_blob("b", STR("one")));
    assert_false(has_blob("a", STR("eno")));
}

static void a_damaged_blob_is_told_and_left_out(void **state)
{
    size_t uploads = 0;

    (void)state;
    image_put(&w, "a", "one", "v1");
    damage_blob("a", STR("one"), STR("eno"));
    copy_again();
    assert_told(1, "it is damaged: its 3 bytes have another digest");
    assert_false(has_blob("a", STR("eno")));
    assert_true(has_blob("a", STR("the layer of all")));
    assert_ok(store_upload_each(to, count_upload, &uploads, ERR_IGNORED));
    assert_int_equal(uploads, 0);
}

static void a_damaged_manifest_is_told_and_left_out_with_its_tag(void **state)
{
    struct digest d = image_put(&w, "a", "one", "v1");
    struct repo_name a = repo_of("a");

    (void)state;
    assert_ok(store_manifest_put(w.store, &a, &d, STR("{}"), ERR_IGNORED));
    copy_again();
    assert_told(2, "it is damaged");
    assert_told(2, "tag v1 is left out");
    assert_int_equal(tag_there("a", "v1").n, 0);
    assert_false(has_manifest("a", &d));
}

static void a_blob_of_another_length_there_is_replaced(void **state)
{
    struct digest d = sha256_of(STR("one"));

    (void)state;
    image_put(&w, "a", "one", "v1");
    store_blob(to, "a", &d, STR("half of it"));
    copy_again();
    assert_no_problem();
    assert_true(has_blob("a", STR("one")));
}

static void a_tag_that_is_elsewhere_there_is_left_unless_it_is_to_be_moved(void **state)
{
    struct digest one = image_put(&w, "a", "one", "v1"), two;
    struct repo_name a = repo_of("a");
    struct tag_name v1 = tag_of("v1");

    (void)state;
    two = image_put(&w, "a", "two", "v2");
    assert_ok(store_tag_put(to, &a, &v1, &two, ERR_IGNORED));
    copy_again();
    assert_no_problem();
    assert_int_equal(counts.kept_tags, 1);
    assert_string_equal(tag_there("a", "v1").text, two.text);
    assert_ok(copied(true, ERR_IGNORED));
    assert_int_equal(counts.moved_tags, 1);
    assert_string_equal(tag_there("a", "v1").text, one.text);
}

/* Whatever fails there, the same once more does the rest. */
static void a_store_that_fails_ends_it_and_another_run_does_the_rest(void **state)
{
    enum err_code code;
    uint64_t n = 0;

    (void)state;
    image_put(&w, "a", "one", "v1");
    image_put(&w, "b", "one", "v1");
    do {
        store_free(to);
        to = store_fault_new(make_other());
        store_fault_arm(to, ++n, ERR_STORAGE_FULL);
        code = copied(false, ERR_IGNORED);
        if (code != ERR_OK)
            assert_code(ERR_STORAGE_FULL, code);
        store_fault_arm(to, 0, ERR_OK);
        copy_again();
        assert_no_problem();
        assert_true(has_blob("a", STR("one")) && has_blob("b", STR("the layer of all")));
        assert_int_not_equal(tag_there("b", "v1").n, 0);
    } while (code != ERR_OK || n < 10);
}

int main(void)
{
#define TEST(f, how)                                                                               \
    {                                                                                              \
#f " (" #how ")", f, set_up_##how, tear_down, NULL                                         \
    }
#define TESTS(f)                                                                                   \
    TEST(f, mem_to_mem), TEST(f, mem_to_remote), TEST(f, remote_to_mem),                           \
        TEST(f, remote_to_remote), TEST(f, disk_to_disk), TEST(f, disk_to_remote)
    const struct CMUnitTest tests[] = {
        TESTS(everything_is_there_afterwards),
        TESTS(a_second_run_finds_nothing_to_do),
        TEST(a_blob_of_several_repositories_is_read_once, mem_to_mem),
        TEST(a_blob_of_several_repositories_is_read_once, mem_to_remote),
        TEST(a_blob_of_several_repositories_is_read_once, disk_to_disk),
        TEST(a_blob_that_is_damaged_in_one_repository_is_taken_from_another, mem_to_mem),
        TEST(a_blob_that_is_damaged_in_one_repository_is_taken_from_another, disk_to_disk),
        TESTS(a_damaged_blob_is_told_and_left_out),
        TEST(a_damaged_manifest_is_told_and_left_out_with_its_tag, mem_to_mem),
        TESTS(a_blob_of_another_length_there_is_replaced),
        TESTS(a_tag_that_is_elsewhere_there_is_left_unless_it_is_to_be_moved),
        TESTS(a_store_that_fails_ends_it_and_another_run_does_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
