/* The file system driver: what is on the disk, and the disk's own troubles. */
#include "store_fixture.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SHA_X                                                                                      \
    "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" /* of "x"            \
                                                                               */

static int setup(void **state)
{
    variant_under_test = variant_find("fs");
    return fixture_setup(state);
}

/* "<root>/<path>"; good until the next call. */
static const char *at(const struct fixture *f, const char *path)
{
    static char text[700];

    snprintf(text, sizeof(text), "%s/%s", f->dir, path);
    return text;
}

static struct stat lstat_in(const struct fixture *f, const char *path)
{
    struct stat st = {0};

    if (lstat(at(f, path), &st) < 0)
        st.st_nlink = 0; /* is not there */
    return st;
}

/* Also takes away what mount_small() put on the root. */
static int teardown(void **state)
{
    struct fixture *f = *state;

    store_free(f->s);
    f->s = NULL;
    umount2(f->dir, MNT_DETACH);
    return fixture_teardown(state);
}

static bool there(const struct fixture *f, const char *path)
{
    return lstat_in(f, path).st_nlink > 0;
}

static void write_file(const char *path, const char *text)
{
    AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
}

static void layout_is_as_documented(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("library/busybox");
    struct tag_name t = tag_of("latest");
    struct digest d = push(f->s, "library/busybox", STR("x"));
    struct uuid id = new_uuid();
    char target[200], path[200];

    OK(store_manifest_put(f->s, &r, &d, STR("x"), E));
    OK(store_tag_put(f->s, &r, &t, &d, E));
    OK(store_upload_create(f->s, &id, E));
    assert_true(S_ISREG(lstat_in(f, "repositories/library/busybox/blobs/" SHA_X).st_mode));
    assert_true(S_ISREG(lstat_in(f, "repositories/library/busybox/manifests/" SHA_X).st_mode));
    assert_int_equal(
        readlink(at(f, "repositories/library/busybox/manifests/latest"), target, sizeof(target)),
        strlen(SHA_X));
    assert_memory_equal(target, SHA_X, strlen(SHA_X));
    snprintf(path, sizeof(path), "temp/uploads/%s/data", id.text);
    assert_true(S_ISREG(lstat_in(f, path).st_mode));
}

static void component_named_like_a_directory_gets_a_percent_sign(void **state)
{
    struct fixture *f = *state;

    push(f->s, "a/manifests/blobs", STR("x"));
    push(f->s, "blobs", STR("x"));
    assert_true(there(f, "repositories/a/%manifests/%blobs/blobs/" SHA_X));
    assert_true(there(f, "repositories/%blobs/blobs/" SHA_X));
    assert_false(there(f, "repositories/a/manifests"));
}

static void blob_has_one_link_for_each_repository(void **state)
{
    struct fixture *f = *state;
    struct repo_name a = repo_of("a"), b = repo_of("b"), c = repo_of("c");
    struct digest d = push(f->s, "a", STR("x"));

    assert_int_equal(lstat_in(f, "repositories/a/blobs/" SHA_X).st_nlink, 1);
    OK(store_blob_link(f->s, &a, &b, &d, E));
    OK(push_e(f->s, &c, STR("x"), &d, &a, E)); /* its own bytes are not kept */
    assert_int_equal(lstat_in(f, "repositories/a/blobs/" SHA_X).st_nlink, 3);
    assert_int_equal(lstat_in(f, "repositories/a/blobs/" SHA_X).st_ino,
                     lstat_in(f, "repositories/c/blobs/" SHA_X).st_ino);
    OK(push_e(f->s, &b, STR("x"), &d, NULL, E)); /* exists: stays the shared one */
    OK(store_blob_delete(f->s, &a, &d, false, E));
    assert_int_equal(lstat_in(f, "repositories/b/blobs/" SHA_X).st_nlink, 2);
}

static void file_that_is_taken_gets_one_more_link(void **state)
{
    struct fixture *f = *state;
    struct repo_name a = repo_of("a");
    struct digest d = sha256_of(STR("x"));
    AUTO(fd) int fd = -1;

    write_file(at(f, "elsewhere"), "x");
    fd = open(at(f, "elsewhere"), O_RDONLY | O_CLOEXEC);
    OK(store_blob_take(f->s, &a, &d, fd, E));
    assert_int_equal(lstat_in(f, "repositories/a/blobs/" SHA_X).st_ino,
                     lstat_in(f, "elsewhere").st_ino);
    assert_int_equal(unlink(at(f, "elsewhere")), 0);
    assert_blob(f->s, "a", &d, STR("x"));
}

static void blob_of_the_wrong_size_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct repo_name b = repo_of("b"), a = repo_of("a");
    struct digest d = push(f->s, "a", STR("x"));

    write_file(at(f, "repositories/a/blobs/" SHA_X), "torn bytes");
    OK(push_e(f->s, &b, STR("x"), &d, &a, E)); /* not linked to the damaged twin */
    assert_blob(f->s, "b", &d, STR("x"));
    push(f->s, "a", STR("x"));
    assert_blob(f->s, "a", &d, STR("x"));
    write_file(at(f, "repositories/a/blobs/" SHA_X), "");
    OK(push_e(f->s, &a, STR("x"), &d, &b, E));
    assert_blob(f->s, "a", &d, STR("x"));
    assert_int_equal(count_uploads(f->s), 0);
}

static void blob_with_damaged_bytes_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct repo_name a = repo_of("a"), b = repo_of("b");
    struct digest d = push(f->s, "a", STR("x"));

    write_file(at(f, "repositories/a/blobs/" SHA_X), "y"); /* as large as it should be */
    OK(push_e(f->s, &b, STR("x"), &d, &a, E));
    assert_blob(f->s, "b", &d, STR("x"));
    push(f->s, "a", STR("x"));
    assert_blob(f->s, "a", &d, STR("x"));
    assert_int_equal(count_uploads(f->s), 0);
}

/* The last byte of many decides. */
static void damage_at_the_end_of_a_large_blob_is_seen(void **state)
{
    struct fixture *f = *state;
    struct str bytes = make_bytes(1, 1000001);
    struct digest d = push(f->s, "a", bytes);
    char path[200];

    snprintf(path, sizeof(path), "repositories/a/blobs/%s", d.text);

    AUTO(fd) int fd = open(at(f, path), O_WRONLY | O_CLOEXEC);

    assert_int_equal(pwrite(fd, &(char){(char)(bytes.p[bytes.n - 1] ^ 1)}, 1, 1000000), 1);
    push(f->s, "a", bytes);
    assert_blob(f->s, "a", &d, bytes);
    free((char *)bytes.p);
}

static void damaged_manifest_is_replaced(void **state)
{
    static const char *const damages[] = {"", "y", "longer"};
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = sha256_of(STR("x"));

    OK(store_manifest_put(f->s, &r, &d, STR("x"), E));
    for (size_t i = 0; i < 3; i++) {
        AUTO(buf) struct buf found = {0};

        write_file(at(f, "repositories/a/manifests/" SHA_X), damages[i]);
        OK(store_manifest_put(f->s, &r, &d, STR("x"), E));
        buf_init(&found, 100);
        OK(store_manifest_get(f->s, &r, &d, &found, E));
        assert_true(str_eq(buf_str(&found), STR("x")));
    }
}

static void symbolic_link_is_not_followed_to_content(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = push(f->s, "a", STR("x"));
    AUTO(buf) struct buf found = {0};

    buf_init(&found, 1000);
    OK(store_manifest_put(f->s, &r, &d, STR("x"), E));
    assert_int_equal(unlink(at(f, "repositories/a/blobs/" SHA_X)), 0);
    assert_int_equal(symlink("/etc/hostname", at(f, "repositories/a/blobs/" SHA_X)), 0);
    assert_int_equal(unlink(at(f, "repositories/a/manifests/" SHA_X)), 0);
    assert_int_equal(symlink("/etc/hostname", at(f, "repositories/a/manifests/" SHA_X)), 0);
    assert_no_blob(f->s, "a", &d);
    FAILS(ERR_MANIFEST_UNKNOWN, store_manifest_get(f->s, &r, &d, &found, E));
    push(f->s, "a", STR("x")); /* replaces it */
    assert_blob(f->s, "a", &d, STR("x"));
}

static void tag_that_is_no_link_to_a_digest_is_corrupt(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct tag_name t = tag_of("latest");
    struct digest d = sha256_of(STR("x")), found;

    OK(store_tag_put(f->s, &r, &t, &d, E));
    assert_int_equal(unlink(at(f, "repositories/a/manifests/latest")), 0);
    write_file(at(f, "repositories/a/manifests/latest"), "text");
    FAILS(ERR_CORRUPT, store_tag_get(f->s, &r, &t, &found, E));
    OK(store_tag_put(f->s, &r, &t, &d, E));
    OK(store_tag_get(f->s, &r, &t, &found, E));
    assert_int_equal(unlink(at(f, "repositories/a/manifests/latest")), 0);
    assert_int_equal(symlink("sha256:short", at(f, "repositories/a/manifests/latest")), 0);
    FAILS(ERR_CORRUPT, store_tag_get(f->s, &r, &t, &found, E));
}

static void unfinished_files_are_removed_at_open_and_uploads_kept(void **state)
{
    struct fixture *f = *state;
    struct uuid id = new_uuid(), empty = new_uuid();
    char path[200];

    OK(store_upload_create(f->s, &id, E));
    write_file(at(f, "temp/new/0"), "half a manifest");
    assert_int_equal(symlink("sha256:x", at(f, "temp/new/1")), 0);
    snprintf(path, sizeof(path), "temp/uploads/%s", empty.text);
    assert_int_equal(mkdir(at(f, path), 0755), 0);
    write_file(at(f, "temp/uploads/notes.txt"), "not an upload");
    fixture_reopen(f);
    assert_false(there(f, "temp/new/0"));
    assert_false(there(f, "temp/new/1"));
    assert_int_equal(count_uploads(f->s), 2); /* also what no open accepts */
    OK(store_upload_delete(f->s, &empty, E));
    assert_false(there(f, path));
    assert_int_equal(count_uploads(f->s), 1);
}

static void second_store_on_one_root_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store_fs_options o = {.root = f->dir};
    struct store *second;
    char pid[32];

    FAILS(ERR_UNAVAILABLE, store_fs_new(&o, &second, E));
    snprintf(pid, sizeof(pid), "(pid %ld)", (long)getpid());
    assert_non_null(strstr(last_err.detail, pid));
    assert_non_null(strstr(last_err.detail, f->dir));
    fixture_reopen(f); /* free releases it */
}

static void repository_removed_by_hand_can_be_pushed_again(void **state)
{
    struct fixture *f = *state;
    struct digest d = push(f->s, "a", STR("x"));

    temp_dir_remove(at(f, "repositories"));
    push(f->s, "a", STR("x"));
    assert_blob(f->s, "a", &d, STR("x"));
}

static void root_is_made_with_its_parents(void **state)
{
    struct fixture *f = *state;
    char root[200];
    struct store_fs_options o = {.root = root, .fsync = true};
    struct store *s;
    struct digest d;

    snprintf(root, sizeof(root), "%s/data/registry/", f->dir);
    OK(store_fs_new(&o, &s, E));
    d = push(s, "a", STR("x"));
    assert_blob(s, "a", &d, STR("x"));
    store_free(s);
    assert_true(there(f, "data/registry/repositories/a/blobs/" SHA_X));
}

static void root_that_is_a_file_is_an_error_naming_it(void **state)
{
    struct fixture *f = *state;
    char root[200];
    struct store_fs_options o = {.root = root};
    struct store *s;

    snprintf(root, sizeof(root), "%s/file", f->dir);
    write_file(root, "");
    FAILS(ERR_INTERNAL, store_fs_new(&o, &s, E));
    assert_non_null(strstr(last_err.detail, root));
}

/* In a child, as an unprivileged user: does opening root fail as it should, and say why? */
static int open_as_nobody(const char *root, const char *want)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        struct store_fs_options o = {.root = root, .fsync = true};
        struct store *s;
        struct err e;

        if (setgid(65534) < 0 || setuid(65534) < 0)
            _exit(2);
        if (store_fs_new(&o, &s, &e) != ERR_STORAGE_READONLY || !strstr(e.detail, root) ||
            !strstr(e.detail, "65534") || !strstr(e.detail, want)) {
            fprintf(stderr, "unexpected: %s\n", e.detail);
            _exit(1);
        }
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void missing_permission_is_an_error_that_says_what_to_do(void **state)
{
    struct fixture *f = *state;

    if (geteuid() != 0)
        skip();
    store_free(f->s);
    assert_int_equal(chmod(f->dir, 0755), 0);
    assert_int_equal(open_as_nobody(f->dir, "registry.lock"), 0);
    assert_int_equal(chmod(at(f, "registry.lock"), 0666), 0);
    assert_int_equal(open_as_nobody(f->dir, "use 'repositories'"), 0);
    assert_int_equal(chmod(f->dir, 0700), 0);
    assert_int_equal(open_as_nobody(f->dir, "Permission denied"), 0);
    f->s = f->variant->make(f->dir);
}

/* A small file system of our own on the root, unseen by the rest of the machine. */
static bool mount_small(const struct fixture *f)
{
    return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("registry-test", f->dir, "tmpfs", 0, "size=1m") == 0;
}

static void fill(const struct fixture *f)
{
    static const char block[4096];
    AUTO(fd) int fd = open(at(f, "filler"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    while (write(fd, block, sizeof(block)) > 0)
        ;
    assert_int_equal(errno, ENOSPC);
}

static void full_disk_is_reported_and_reading_goes_on(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct str large = make_bytes(1, 2u << 20);
    struct digest d, big = sha256_of(large);
    struct store_health h;

    store_free(f->s);
    f->s = NULL;
    if (!mount_small(f))
        skip();
    f->s = f->variant->make(f->dir);
    d = push(f->s, "a", STR("x"));
    FAILS(ERR_STORAGE_FULL, push_e(f->s, &r, large, &big, NULL, E));
    assert_no_blob(f->s, "a", &big);
    fill(f);
    FAILS(ERR_STORAGE_FULL, store_manifest_put(f->s, &r, &big, large, E));
    FAILS(ERR_STORAGE_FULL, store_health(f->s, &h, E));
    fixture_reopen(f);
    assert_blob(f->s, "a", &d, STR("x"));
    assert_int_equal(unlink(at(f, "filler")), 0);
    delete_uploads(f->s);
    OK(store_health(f->s, &h, E));
    assert_int_equal(h.total_bytes, 1u << 20);
    push(f->s, "b", STR("y")); /* room again: goes on without a restart */
    free((char *)large.p);
}

static void read_only_disk_is_reported_and_reading_goes_on(void **state)
{
    struct fixture *f = *state;
    struct store_fs_options o = {.root = f->dir, .fsync = true};
    struct repo_name r = repo_of("a");
    struct tag_name t = tag_of("latest");
    struct uuid id = new_uuid();
    struct store_health h;
    struct store *s;
    struct digest d;

    store_free(f->s);
    f->s = NULL;
    if (!mount_small(f))
        skip();
    f->s = f->variant->make(f->dir);
    d = push(f->s, "a", STR("x"));
    assert_int_equal(mount(NULL, f->dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
    assert_blob(f->s, "a", &d, STR("x"));
    FAILS(ERR_STORAGE_READONLY, store_upload_create(f->s, &id, E));
    FAILS(ERR_STORAGE_READONLY, store_manifest_put(f->s, &r, &d, STR("x"), E));
    FAILS(ERR_STORAGE_READONLY, store_tag_put(f->s, &r, &t, &d, E));
    FAILS(ERR_STORAGE_READONLY, store_blob_delete(f->s, &r, &d, false, E));
    FAILS(ERR_STORAGE_READONLY, store_health(f->s, &h, E));
    store_free(f->s);
    f->s = NULL;
    FAILS(ERR_STORAGE_READONLY, store_fs_new(&o, &s, E));
    assert_non_null(strstr(last_err.detail, f->dir));
    assert_non_null(strstr(last_err.detail, "Read-only file system"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(layout_is_as_documented),
        TEST(component_named_like_a_directory_gets_a_percent_sign),
        TEST(blob_has_one_link_for_each_repository),
        TEST(file_that_is_taken_gets_one_more_link),
        TEST(blob_of_the_wrong_size_is_replaced),
        TEST(blob_with_damaged_bytes_is_replaced),
        TEST(damage_at_the_end_of_a_large_blob_is_seen),
        TEST(damaged_manifest_is_replaced),
        TEST(symbolic_link_is_not_followed_to_content),
        TEST(tag_that_is_no_link_to_a_digest_is_corrupt),
        TEST(unfinished_files_are_removed_at_open_and_uploads_kept),
        TEST(second_store_on_one_root_is_refused),
        TEST(repository_removed_by_hand_can_be_pushed_again),
        TEST(root_is_made_with_its_parents),
        TEST(root_that_is_a_file_is_an_error_naming_it),
        TEST(missing_permission_is_an_error_that_says_what_to_do),
        TEST(full_disk_is_reported_and_reading_goes_on),
        TEST(read_only_disk_is_reported_and_reading_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
