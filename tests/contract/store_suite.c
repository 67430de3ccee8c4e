/* Blobs, manifests and tags: what store.h promises of every driver. */
#include "store_fixture.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct store *store_in(void **state)
{
    return ((struct fixture *)*state)->s;
}

/* What deleting says of that which is not there, if the store looks. */
static enum err_code missing(enum err_code code)
{
    return variant_under_test->looks ? code : ERR_OK;
}

static void blob_reads_back_exactly(void **state)
{
    static const size_t sizes[] = {0, 1, 4095, 4096, 65537, (20u << 20) + 7};
    struct store *s = store_in(state);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct str bytes = make_bytes((unsigned)i, sizes[i]);
        struct digest d = push(s, "library/busybox", bytes);

        assert_blob(s, "library/busybox", &d, bytes);
        free((char *)bytes.p);
    }
    assert_int_equal(count_uploads(s), 0);
}

static void sha512_blob_and_manifest_read_back(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct tag_name t = tag_of("latest");
    struct digest d, found;

    digest_of(DIGEST_SHA512, "x", 1, &d);
    OK(push_e(s, &r, STR("x"), &d, NULL, E));
    assert_blob(s, "a", &d, STR("x"));
    OK(store_manifest_put(s, &r, &d, STR("x"), E));
    OK(store_tag_put(s, &r, &t, &d, E));
    OK(store_tag_get(s, &r, &t, &found, E));
    assert_string_equal(found.text, d.text);
}

static void unknown_blob_is_reported_by_every_call(void **state)
{
    struct store *s = store_in(state);
    struct repo_name a = repo_of("a"), b = repo_of("b");
    struct digest d = sha256_of(STR("never pushed"));

    assert_no_blob(s, "a", &d);
    FAILS(missing(ERR_BLOB_UNKNOWN), store_blob_delete(s, &a, &d, false, E));
    FAILS(ERR_BLOB_UNKNOWN, store_blob_link(s, &a, &b, &d, E));
    FAILS(ERR_BLOB_UNKNOWN, store_blob_link(s, &a, &a, &d, E));
    push(s, "a", STR("another")); /* now the repository exists */
    assert_no_blob(s, "a", &d);
    FAILS(missing(ERR_BLOB_UNKNOWN), store_blob_delete(s, &a, &d, false, E));
}

static void blob_belongs_to_its_repository_alone(void **state)
{
    struct store *s = store_in(state);
    struct digest d = push(s, "a", STR("x"));

    assert_no_blob(s, "b", &d);
    assert_no_blob(s, "a/a", &d);
}

static void reader_seeks_and_ends(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct digest d = push(s, "a", STR("0123456789"));
    AUTO(reader) struct reader *reader = NULL;
    char got[16];
    uint64_t size;
    size_t n;

    OK(store_blob_open(s, &r, &d, UINT64_MAX, &reader, &size, E));
    OK(reader_seek(reader, 7, E));
    OK(reader_read_waiting(reader, got, 2, &n, E));
    assert_int_equal(n, 2);
    assert_memory_equal(got, "78", 2);
    OK(reader_read_waiting(reader, got, sizeof(got), &n, E));
    assert_int_equal(n, 1);
    OK(reader_read_waiting(reader, got, sizeof(got), &n, E));
    assert_int_equal(n, 0);
    OK(reader_seek(reader, 1000, E));
    OK(reader_read_waiting(reader, got, sizeof(got), &n, E));
    assert_int_equal(n, 0);
    OK(reader_seek(reader, 0, E));
    OK(reader_read_waiting(reader, got, sizeof(got), &n, E));
    assert_int_equal(n, 10);
}

static void reader_of_files_has_their_descriptor(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a");
    struct digest d = push(f->s, "a", STR("0123456789"));
    AUTO(reader) struct reader *reader = NULL;
    char got[16];
    uint64_t size;

    OK(store_blob_open(f->s, &r, &d, UINT64_MAX, &reader, &size, E));
    if (f->variant->files)
        assert_int_equal(pread(reader_fd(reader), got, sizeof(got), 0), 10);
    else
        assert_int_equal(reader_fd(reader), -1);
}

static void linked_blob_lives_without_its_source(void **state)
{
    struct store *s = store_in(state);
    struct repo_name a = repo_of("a"), b = repo_of("b/c");
    struct digest d = push(s, "a", STR("shared"));

    OK(store_blob_link(s, &a, &b, &d, E));
    OK(store_blob_link(s, &a, &b, &d, E)); /* exists already: success */
    OK(store_blob_link(s, &a, &a, &d, E));
    OK(store_blob_delete(s, &a, &d, false, E));
    assert_no_blob(s, "a", &d);
    assert_blob(s, "b/c", &d, STR("shared"));
}

static void deleted_blob_stays_readable_to_who_reads_it(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct str bytes = make_bytes(3, 100000);
    struct digest d = push(s, "a", bytes);
    AUTO(reader) struct reader *reader = NULL;
    AUTO(mem) char *got = malloc(bytes.n);
    uint64_t size;
    size_t n;

    OK(store_blob_open(s, &r, &d, UINT64_MAX, &reader, &size, E));
    OK(reader_read_waiting(reader, got, 10, &n, E));
    OK(store_blob_delete(s, &r, &d, false, E));
    assert_no_blob(s, "a", &d);
    OK(reader_read_waiting(reader, got + 10, bytes.n - 10, &n, E));
    assert_int_equal(n, bytes.n - 10);
    assert_memory_equal(got, bytes.p, bytes.n);
    free((char *)bytes.p);
}

static void deleted_blob_can_be_pushed_again(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct digest d = push(s, "a", STR("x"));

    OK(store_blob_delete(s, &r, &d, false, E));
    push(s, "a", STR("x"));
    assert_blob(s, "a", &d, STR("x"));
}

static void what_is_dropped_is_gone_and_the_rest_stays(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct digest d = push(s, "a", STR("x")), other = push(s, "a", STR("y"));
    AUTO(buf) struct buf bytes = {0};

    OK(store_manifest_put(s, &r, &d, STR("x"), E));
    OK(store_drop(s, STORE_BLOB, &r, &d, E));
    OK(store_dropped(s, STORE_BLOB, &r, E));
    assert_no_blob(s, "a", &d);
    assert_blob(s, "a", &other, STR("y"));
    buf_init(&bytes, 100);
    OK(store_manifest_get(s, &r, &d, &bytes, E));
    OK(store_drop(s, STORE_MANIFEST, &r, &d, E));
    OK(store_dropped(s, STORE_MANIFEST, &r, E));
    FAILS(ERR_MANIFEST_UNKNOWN, store_manifest_get(s, &r, &d, &bytes, E));
    FAILS(missing(ERR_BLOB_UNKNOWN), store_drop(s, STORE_BLOB, &r, &d, E));
    FAILS(missing(ERR_MANIFEST_UNKNOWN), store_drop(s, STORE_MANIFEST, &r, &d, E));
}

static enum err_code count_blob(void *ctx, const struct store_item *item, struct err *e)
{
    (void)item, (void)e;
    ++*(size_t *)ctx;
    return ERR_OK;
}

static void blob_in_quarantine_is_not_there_and_can_be_pushed_again(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct digest d = push(s, "a", STR("x"));
    size_t n = 0;

    for (int i = 0; i < 2; i++) {
        OK(store_blob_quarantine(s, &r, &d, E));
        assert_no_blob(s, "a", &d);
        FAILS(ERR_BLOB_UNKNOWN, store_blob_quarantine(s, &r, &d, E));
        OK(store_each(s, STORE_BLOB, count_blob, &n, E));
        assert_int_equal(n, 0);
        push(s, "a", STR("x"));
        assert_blob(s, "a", &d, STR("x"));
    }
}

static void linked_blob_goes_to_quarantine_from_each_repository(void **state)
{
    struct store *s = store_in(state);
    struct repo_name a = repo_of("a"), b = repo_of("b");
    struct digest d = push(s, "a", STR("x"));

    OK(store_blob_link(s, &a, &b, &d, E));
    OK(store_blob_quarantine(s, &a, &d, E));
    assert_no_blob(s, "a", &d);
    OK(store_blob_quarantine(s, &b, &d, E));
    assert_no_blob(s, "b", &d);
}

static void manifests_that_are_put_together_read_back(void **state)
{
    static const char *const texts[] = {"{}", "[]", "{}", ""};
    struct store *s = store_in(state);
    struct repo_name repos[] = {repo_of("a"), repo_of("a"), repo_of("b/c"), repo_of("d")};
    struct digest digests[4];
    struct store_manifest items[4];

    for (size_t i = 0; i < 4; i++) {
        digests[i] = sha256_of(str_of(texts[i]));
        items[i] = (struct store_manifest){&repos[i], &digests[i], str_of(texts[i])};
    }
    OK(store_manifests_put(s, items, 0, E));
    OK(store_manifests_put(s, items, 4, E));
    OK(store_manifests_put(s, items + 1, 2, E)); /* exist already: success */
    OK(store_sync(s, E));
    for (size_t i = 0; i < 4; i++) {
        AUTO(buf) struct buf found = {0};

        buf_init(&found, 100);
        OK(store_manifest_get(s, &repos[i], &digests[i], &found, E));
        assert_string_equal(buf_text(&found), texts[i]);
    }
}

static void stores_without_a_server_copy_nothing(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct digest d = sha256_of(STR("x"));

    if (!store_near(s, s))
        FAILS(ERR_UNSUPPORTED, store_blob_copy(s, s, &r, &d, 1, E));
}

static void manifest_reads_back_exactly_and_is_appended(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct str bytes = make_bytes(5, 70001);
    struct digest d = sha256_of(bytes);
    AUTO(buf) struct buf found = {0};

    OK(store_manifest_put(s, &r, &d, bytes, E));
    OK(store_manifest_put(s, &r, &d, bytes, E)); /* exists already: success */
    buf_init(&found, 1 << 20);
    buf_add_text(&found, "before");
    OK(store_manifest_get(s, &r, &d, &found, E));
    assert_int_equal(found.n, 6 + bytes.n);
    assert_memory_equal(found.p, "before", 6);
    assert_memory_equal(found.p + 6, bytes.p, bytes.n);
    free((char *)bytes.p);
}

static void empty_manifest_reads_back(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct digest d = sha256_of(STR_NONE);
    AUTO(buf) struct buf found = {0};

    OK(store_manifest_put(s, &r, &d, STR_NONE, E));
    buf_init(&found, 100);
    OK(store_manifest_get(s, &r, &d, &found, E));
    assert_int_equal(found.n, 0);
}

static void manifest_larger_than_the_buffer_is_refused(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct digest d = sha256_of(STR("0123456789"));
    AUTO(buf) struct buf found = {0};

    OK(store_manifest_put(s, &r, &d, STR("0123456789"), E));
    buf_init(&found, 9);
    FAILS(ERR_CORRUPT, store_manifest_get(s, &r, &d, &found, E));
    assert_int_equal(found.n, 0);
}

static void unknown_manifest_is_reported_by_every_call(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct digest d = sha256_of(STR("{}"));
    AUTO(buf) struct buf found = {0};

    buf_init(&found, 100);
    FAILS(ERR_MANIFEST_UNKNOWN, store_manifest_get(s, &r, &d, &found, E));
    FAILS(missing(ERR_MANIFEST_UNKNOWN), store_manifest_delete(s, &r, &d, E));
    OK(store_manifest_put(s, &r, &d, STR("{}"), E));
    OK(store_manifest_delete(s, &r, &d, E));
    FAILS(ERR_MANIFEST_UNKNOWN, store_manifest_get(s, &r, &d, &found, E));
    FAILS(missing(ERR_MANIFEST_UNKNOWN), store_manifest_delete(s, &r, &d, E));
}

/* The same digest as a blob and as a manifest are two things. */
static void manifest_and_blob_do_not_mix(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct digest d = push(s, "a", STR("{}"));
    AUTO(buf) struct buf found = {0};

    buf_init(&found, 100);
    FAILS(ERR_MANIFEST_UNKNOWN, store_manifest_get(s, &r, &d, &found, E));
    OK(store_manifest_put(s, &r, &d, STR("{}"), E));
    OK(store_blob_delete(s, &r, &d, false, E));
    OK(store_manifest_get(s, &r, &d, &found, E));
}

static void tag_is_replaced_and_deleted(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("a");
    struct tag_name t = tag_of("v1.0");
    struct digest one = sha256_of(STR("1")), two = sha256_of(STR("2")), found;

    FAILS(ERR_MANIFEST_UNKNOWN, store_tag_get(s, &r, &t, &found, E));
    OK(store_tag_put(s, &r, &t, &one, E));
    OK(store_tag_get(s, &r, &t, &found, E));
    assert_true(digest_eq(&found, &one));
    OK(store_tag_put(s, &r, &t, &two, E));
    OK(store_tag_put(s, &r, &t, &two, E));
    OK(store_tag_get(s, &r, &t, &found, E));
    assert_true(digest_eq(&found, &two));
    OK(store_tag_sync(s, &r, E));
    OK(store_tag_delete(s, &r, &t, E));
    FAILS(ERR_MANIFEST_UNKNOWN, store_tag_get(s, &r, &t, &found, E));
    OK(store_tag_delete(s, &r, &t, E)); /* not there: success */
    OK(store_tag_sync(s, &r, E));
}

static void tags_of_an_unknown_repository_can_be_deleted_and_synced(void **state)
{
    struct store *s = store_in(state);
    struct repo_name r = repo_of("nobody/pushed/this");
    struct tag_name t = tag_of("latest");

    OK(store_tag_delete(s, &r, &t, E));
    OK(store_tag_sync(s, &r, E));
}

/* Repository names and tags that are also names of a repository's own directories. */
static void names_do_not_collide_with_directories(void **state)
{
    static const char *const names[] = {"a",
                                        "a/manifests",
                                        "a/blobs",
                                        "a/manifests/blobs",
                                        "a/blobs/manifests/x",
                                        "a/manifests/latest",
                                        "manifests",
                                        "blobs",
                                        "manifests/manifests",
                                        "a/blobsx",
                                        "temp/uploads",
                                        "repositories"};
    static const char *const tags[] = {"latest", "blobs", "manifests", "_", "sha256"};
    enum { NAMES = sizeof(names) / sizeof(names[0]), TAGS = sizeof(tags) / sizeof(tags[0]) };
    struct store *s = store_in(state);
    struct digest d[NAMES], found;

    for (size_t i = 0; i < NAMES; i++) {
        struct repo_name r = repo_of(names[i]);

        d[i] = push(s, names[i], str_of(names[i]));
        OK(store_manifest_put(s, &r, &d[i], str_of(names[i]), E));
        for (size_t k = 0; k < TAGS; k++) {
            struct tag_name t = tag_of(tags[k]);

            OK(store_tag_put(s, &r, &t, &d[i], E));
        }
    }
    for (size_t i = 0; i < NAMES; i++) {
        struct repo_name r = repo_of(names[i]);

        for (size_t k = 0; k < NAMES; k++) {
            if (k == i)
                assert_blob(s, names[i], &d[i], str_of(names[i]));
            else
                assert_no_blob(s, names[i], &d[k]);
        }
        for (size_t k = 0; k < TAGS; k++) {
            struct tag_name t = tag_of(tags[k]);

            OK(store_tag_get(s, &r, &t, &found, E));
            assert_true(digest_eq(&found, &d[i]));
        }
    }
}

static void longest_names_work(void **state)
{
    char text[REPO_NAME_MAX + 1];
    struct store *s = store_in(state);
    struct digest d, found;
    struct repo_name r;
    struct tag_name t;

    for (size_t i = 0; i < REPO_NAME_MAX; i++)
        text[i] = i % 2 ? '/' : 'a';
    text[REPO_NAME_MAX] = '\0';
    d = push(s, text, STR("deep"));
    assert_blob(s, text, &d, STR("deep"));
    for (size_t i = 0; i + 6 <= REPO_NAME_MAX; i += 6)
        memcpy(text + i, "blobs/", 6);
    text[REPO_NAME_MAX - 4] = '\0';
    d = push(s, text, STR("escaped"));
    assert_blob(s, text, &d, STR("escaped"));
    memset(text, 'b', REPO_NAME_MAX);
    text[REPO_NAME_MAX] = '\0';
    d = push(s, text, STR("wide"));
    assert_blob(s, text, &d, STR("wide"));
    r = repo_of(text);
    text[TAG_NAME_MAX] = '\0';
    t = tag_of(text);
    OK(store_tag_put(s, &r, &t, &d, E));
    OK(store_tag_put(s, &r, &t, &d, E));
    OK(store_tag_get(s, &r, &t, &found, E));
}

struct found {
    size_t n[STORE_TAG + 1];
    struct repo_name repo;
    struct digest digest;
};

static enum err_code count_item(void *ctx, const struct store_item *item, struct err *e)
{
    struct found *f = ctx;
    bool no_repo = item->kind == STORE_BLOB && item->repo.n == 0;

    f->n[item->kind]++;
    if (!digest_eq(&item->digest, &f->digest) ||
        (!no_repo && !str_eq(repo_name_str(&item->repo), repo_name_str(&f->repo))) ||
        (item->kind == STORE_TAG && !str_eq(tag_name_str(&item->tag), STR("latest"))) ||
        (item->kind != STORE_TAG && item->size_bytes != 5) || item->modified_ms <= 0)
        return err_set(e, ERR_INTERNAL, "item %d of %s", (int)item->kind, item->repo.text);
    return ERR_OK;
}

static void all_that_is_there_is_found(void **state)
{
    static const char *const names[] = {"a", "a/manifests/blobs", "b/blobs", "c/d/e"};
    struct store *s = store_in(state);

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct found f = {.repo = repo_of(names[i]), .digest = push(s, names[i], STR("hello"))};
        struct tag_name t = tag_of("latest");

        OK(store_manifest_put(s, &f.repo, &f.digest, STR("hello"), E));
        OK(store_tag_put(s, &f.repo, &t, &f.digest, E));
        OK(store_each(s, STORE_BLOB | STORE_MANIFEST | STORE_TAG, count_item, &f, E));
        assert_int_equal(f.n[STORE_BLOB], 1);
        assert_int_equal(f.n[STORE_MANIFEST], 1);
        assert_int_equal(f.n[STORE_TAG], 1);
        OK(store_each(s, STORE_TAG, count_item, &f, E));
        assert_int_equal(f.n[STORE_BLOB], 1);
        assert_int_equal(f.n[STORE_TAG], 2);
        OK(store_tag_delete(s, &f.repo, &t, E));
        OK(store_manifest_delete(s, &f.repo, &f.digest, E));
        OK(store_blob_delete(s, &f.repo, &f.digest, false, E));
    }
}

static void nothing_is_found_where_there_is_nothing(void **state)
{
    struct found f = {0};

    OK(store_each(store_in(state), STORE_BLOB | STORE_MANIFEST | STORE_TAG, count_item, &f, E));
    assert_int_equal(f.n[STORE_BLOB] + f.n[STORE_MANIFEST] + f.n[STORE_TAG], 0);
}

static enum err_code stop_there(void *ctx, const struct store_item *item, struct err *e)
{
    (void)item;
    ++*(size_t *)ctx;
    return err_set(e, ERR_CONFLICT, "enough");
}

static void the_search_stops_at_the_first_error(void **state)
{
    struct store *s = store_in(state);
    size_t n = 0;

    push(s, "a", STR("1"));
    push(s, "b", STR("2"));
    FAILS(ERR_CONFLICT, store_each(s, STORE_BLOB, stop_there, &n, E));
    assert_int_equal(n, 1);
}

static void health_tells_room(void **state)
{
    struct store_health h = {0};

    OK(store_health(store_in(state), &h, E));
    assert_true(h.total_bytes > 0);
    assert_true(h.free_bytes <= h.total_bytes);
}

static void content_is_there_after_reopening(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a/b");
    struct tag_name t = tag_of("latest");
    struct digest d = push(f->s, "a/b", STR("kept")), found;
    AUTO(buf) struct buf bytes = {0};

    buf_init(&bytes, 100);
    OK(store_manifest_put(f->s, &r, &d, STR("kept"), E));
    OK(store_tag_put(f->s, &r, &t, &d, E));
    if (!f->variant->lasts)
        return; /* nothing was promised */
    fixture_reopen(f);
    assert_blob(f->s, "a/b", &d, STR("kept"));
    OK(store_manifest_get(f->s, &r, &d, &bytes, E));
    assert_true(str_eq(buf_str(&bytes), STR("kept")));
    OK(store_tag_get(f->s, &r, &t, &found, E));
    assert_true(digest_eq(&found, &d));
    push(f->s, "a/b", STR("more"));
}

/* A file without a name, with those bytes. */
static int file_of(const char *dir, struct str bytes)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, bytes.p, bytes.n), 0);
    return fd;
}

static void file_is_taken_as_a_blob_by_who_has_files(void **state)
{
    struct fixture *f = *state;
    struct repo_name r = repo_of("a/b");
    struct digest d = sha256_of(STR("in a file"));
    AUTO(fd) int fd = file_of(f->dir, STR("in a file"));

    assert_int_equal(store_takes_files(f->s), f->variant->takes);
    if (!f->variant->takes) {
        FAILS(ERR_UNSUPPORTED, store_blob_take(f->s, &r, &d, fd, E));
        return;
    }
    OK(store_blob_take(f->s, &r, &d, fd, E));
    assert_blob(f->s, "a/b", &d, STR("in a file"));
    OK(store_blob_take(f->s, &r, &d, fd, E)); /* exists already: success */
}

static void assert_mark(struct store *s, const char *text)
{
    AUTO(buf) struct buf found = {0};

    buf_init(&found, STORE_MARK_MAX);
    OK(store_mark_get(s, &found, E));
    assert_string_equal(buf_text(&found), text);
}

static void mark_is_put_once_as_the_first_and_replaced_else(void **state)
{
    struct store *s = store_in(state);
    AUTO(buf) struct buf found = {0};

    buf_init(&found, STORE_MARK_MAX);
    FAILS(ERR_NOT_FOUND, store_mark_get(s, &found, E));
    OK(store_mark_put(s, STR("one"), true, E));
    FAILS(ERR_PRECONDITION, store_mark_put(s, STR("other"), true, E));
    assert_mark(s, "one");
    OK(store_mark_put(s, STR("other"), false, E));
    assert_mark(s, "other");
}

static void mark_is_no_content(void **state)
{
    struct store *s = store_in(state);
    struct found f = {0};

    OK(store_mark_put(s, STR("a mark"), true, E));
    OK(store_each(s, STORE_BLOB | STORE_MANIFEST | STORE_TAG, count_item, &f, E));
    assert_int_equal(f.n[STORE_BLOB] + f.n[STORE_MANIFEST] + f.n[STORE_TAG], 0);
    assert_int_equal(count_uploads(s), 0);
}

static void mark_is_there_after_reopening(void **state)
{
    struct fixture *f = *state;

    if (!f->variant->lasts)
        return;
    OK(store_mark_put(f->s, STR("a mark"), true, E));
    fixture_reopen(f);
    assert_mark(f->s, "a mark");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int run_suite(void)
{
    const struct CMUnitTest tests[] = {
        TEST(blob_reads_back_exactly),
        TEST(sha512_blob_and_manifest_read_back),
        TEST(unknown_blob_is_reported_by_every_call),
        TEST(reader_seeks_and_ends),
        TEST(reader_of_files_has_their_descriptor),
        TEST(deleted_blob_stays_readable_to_who_reads_it),
        TEST(deleted_blob_can_be_pushed_again),
        TEST(what_is_dropped_is_gone_and_the_rest_stays),
        TEST(blob_in_quarantine_is_not_there_and_can_be_pushed_again),
        TEST(manifest_reads_back_exactly_and_is_appended),
        TEST(empty_manifest_reads_back),
        TEST(manifests_that_are_put_together_read_back),
        TEST(stores_without_a_server_copy_nothing),
        TEST(manifest_larger_than_the_buffer_is_refused),
        TEST(unknown_manifest_is_reported_by_every_call),
        TEST(manifest_and_blob_do_not_mix),
        TEST(tag_is_replaced_and_deleted),
        TEST(tags_of_an_unknown_repository_can_be_deleted_and_synced),
        TEST(longest_names_work),
        TEST(all_that_is_there_is_found),
        TEST(nothing_is_found_where_there_is_nothing),
        TEST(the_search_stops_at_the_first_error),
        TEST(health_tells_room),
        TEST(content_is_there_after_reopening),
        TEST(file_is_taken_as_a_blob_by_who_has_files),
        TEST(mark_is_put_once_as_the_first_and_replaced_else),
        TEST(mark_is_no_content),
        TEST(mark_is_there_after_reopening),
    };

    const struct CMUnitTest own[] = {
        TEST(blob_belongs_to_its_repository_alone),
        TEST(linked_blob_lives_without_its_source),
        TEST(linked_blob_goes_to_quarantine_from_each_repository),
        TEST(names_do_not_collide_with_directories),
    };
    int failures = cmocka_run_group_tests_name("content", tests, NULL, NULL);

    if (!variant_under_test->shared)
        failures += cmocka_run_group_tests_name("content, of each repository", own, NULL, NULL);
    return failures;
}
