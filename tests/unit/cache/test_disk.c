/* The disk cache over a store that counts what it is asked for, gives what it is allowed to, and
 * breaks off where it is told to. */
#include "cache/disk/disk.h"

#include "base/log.h"
#include "base/mem.h"
#include "names.h"
#include "temp_dir.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define CACHE_BYTES (1000 * 1000)
#define LARGE       (400 * 1000)

/* The store behind it. */

struct far {
    struct store store;
    atomic_uint opens; /* readers that were read from */
    atomic_uint_fast64_t bytes, released_bytes;
    atomic_uint_fast64_t break_at; /* 0: nowhere */
    atomic_uint breaks;            /* so often */
    _Atomic(enum err_code) error;
    atomic_bool flip; /* the last byte */
};

static struct far *far;

struct far_reader {
    struct reader reader;
    struct reader *inner;
    uint64_t at_bytes, size_bytes;
    bool counted;
    int timer_fd;
};

static enum err_code far_later(struct err *e)
{
    return err_set(e, ERR_LATER, "not yet");
}

static enum err_code far_read(struct reader *base, void *buf, size_t cap, size_t *ret_n,
                              struct err *e)
{
    struct far_reader *r = (struct far_reader *)base;
    uint64_t end = atomic_load(&far->released_bytes), break_at = atomic_load(&far->break_at);

    if (!r->counted)
        atomic_fetch_add(&far->opens, 1);
    r->counted = true;
    if (break_at > 0 && r->at_bytes >= break_at - 1 && atomic_load(&far->breaks) > 0) {
        atomic_fetch_sub(&far->breaks, 1);
        return err_set(e, atomic_load(&far->error), "it broke off");
    }
    if (break_at > r->at_bytes + 1 && end > break_at - 1 && atomic_load(&far->breaks) > 0)
        end = break_at - 1;
    if (r->at_bytes >= end && r->at_bytes < r->size_bytes) {
        poll(NULL, 0, 1); /* its wait_fd is always readable: the reader looks again and again */
        return far_later(e);
    }
    if (end - r->at_bytes < cap)
        cap = (size_t)(end - r->at_bytes);
    while (reader_read(r->inner, buf, cap, ret_n, e) == ERR_LATER)
        ;
    r->at_bytes += *ret_n;
    atomic_fetch_add(&far->bytes, *ret_n);
    if (*ret_n > 0 && r->at_bytes == r->size_bytes && atomic_load(&far->flip))
        ((char *)buf)[*ret_n - 1] ^= 1;
    return ERR_OK;
}

static enum err_code far_seek(struct reader *base, uint64_t offset_bytes, struct err *e)
{
    struct far_reader *r = (struct far_reader *)base;

    r->at_bytes = offset_bytes;
    return reader_seek(r->inner, offset_bytes, e);
}

static int far_wait_fd(struct reader *base)
{
    return ((struct far_reader *)base)->timer_fd;
}

static void far_reader_free(struct reader *base)
{
    struct far_reader *r = (struct far_reader *)base;

    reader_free(r->inner);
    close(r->timer_fd);
    free(r);
}

static const struct reader_ops far_ops = {
    .read = far_read, .seek = far_seek, .wait_fd = far_wait_fd, .free = far_reader_free};

static enum err_code far_open(struct store *s, const struct repo_name *repo, const struct digest *d,
                              uint64_t known_bytes, struct reader **ret_reader,
                              uint64_t *ret_size_bytes, struct err *e)
{
    struct far_reader *r;
    struct reader *inner;

    TRY(store_blob_open(s->inner, repo, d, known_bytes, &inner, ret_size_bytes, e));
    r = NEW(struct far_reader);
    r->reader.ops = &far_ops;
    r->inner = inner;
    r->size_bytes = *ret_size_bytes;
    r->timer_fd = eventfd(1, EFD_CLOEXEC);
    *ret_reader = &r->reader;
    return ERR_OK;
}

static void far_free(struct store *s)
{
    free(s);
}

static const struct store_driver far_driver = {
    .name = "far", .blob_open = far_open, .free = far_free};

/* The tests. */

static struct store *cache;
static char dir[TEMP_DIR_MAX];
static struct repo_name repo;

static struct cache_disk_options options(void)
{
    return (struct cache_disk_options){.path = dir, .max_bytes = CACHE_BYTES};
}

static int setup(void **state)
{
    struct cache_disk_options o;
    struct err e = {0};

    (void)state;
    temp_dir_make(dir, TEMP_DIR_DISK);
    repo = repo_of("a/b");
    far = NEW(struct far);
    far->store = (struct store){&far_driver, store_mem_remote_new()};
    far->released_bytes = UINT64_MAX / 2;
    far->error = ERR_UNAVAILABLE;
    o = options();
    assert_int_equal(cache_disk_new(&far->store, &o, &cache, &e), ERR_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_free(cache);
    temp_dir_remove(dir);
    return 0;
}

static char byte_of(unsigned seed, size_t at)
{
    return (char)(seed * 31 + at % 251);
}

static struct digest push(unsigned seed, size_t n)
{
    AUTO(mem) char *p = mem_alloc(n);
    struct store_upload *u;
    struct err e = {0};
    struct digest d;
    struct uuid id;
    uint64_t size;

    for (size_t i = 0; i < n; i++)
        p[i] = byte_of(seed, i);
    digest_of(DIGEST_SHA256, p, n, &d);
    uuid_make(&id);
    assert_int_equal(store_upload_create(cache, &id, &e), ERR_OK);
    assert_int_equal(store_upload_open(cache, &id, &u, &size, &e), ERR_OK);
    assert_int_equal(store_upload_write(cache, u, p, n, 0, &e), ERR_OK);
    assert_int_equal(store_upload_commit(cache, u, &repo, &d, NULL, &e), ERR_OK);
    return d;
}

static struct reader *open_blob(const struct digest *d, size_t n)
{
    struct reader *r = NULL;
    struct err e = {0};
    uint64_t size;

    assert_int_equal(store_blob_open(cache, &repo, d, n, &r, &size, &e), ERR_OK);
    assert_int_equal(size, n);
    return r;
}

static enum err_code read_waiting(struct reader *r, char *buf, size_t cap, size_t *ret_n,
                                  struct err *e)
{
    enum err_code code;

    while ((code = reader_read(r, buf, cap, ret_n, e)) == ERR_LATER) {
        struct pollfd p = {.fd = reader_wait_fd(r), .events = POLLIN};

        if (poll(&p, 1, 10000) != 1)
            return err_set(e, ERR_TIMEOUT, "nothing came");
    }
    return code;
}

/* Reads from `from` to the end, the bytes of seed; the code of the read that failed. */
static enum err_code read_rest(struct reader *r, unsigned seed, size_t from, size_t n,
                               size_t *ret_read)
{
    char buf[20000];
    struct err e = {0};
    size_t got;

    *ret_read = 0;
    for (;;) {
        TRY(read_waiting(r, buf, sizeof(buf), &got, &e));
        for (size_t i = 0; i < got; i++) {
            if (buf[i] != byte_of(seed, from + *ret_read + i))
                return ERR_CORRUPT;
        }
        *ret_read += got;
        if (got == 0)
            return from + *ret_read == n ? ERR_OK : ERR_INTERNAL;
    }
}

static void pull(const struct digest *d, unsigned seed, size_t n, enum reader_cache want)
{
    struct reader *r = open_blob(d, n);
    size_t got;

    assert_int_equal(r->cache, want);
    assert_int_equal(reader_fd(r) >= 0, want == READER_HIT);
    assert_int_equal(read_rest(r, seed, 0, n, &got), ERR_OK);
    reader_free(r);
    cache_disk_settle(cache);
}

static void what_was_pulled_is_there_the_second_time(void **state)
{
    struct digest d = push(1, LARGE);

    (void)state;
    pull(&d, 1, LARGE, READER_MISS);
    pull(&d, 1, LARGE, READER_HIT);
    assert_int_equal(far->opens, 1);
    assert_int_equal(far->bytes, LARGE);
    assert_int_equal(cache_disk_settle(cache), LARGE);
}

static void opening_alone_fetches_nothing(void **state)
{
    struct digest d = push(1, LARGE);

    (void)state;
    reader_free(open_blob(&d, LARGE));
    assert_int_equal(cache_disk_settle(cache), 0);
    assert_int_equal(far->opens, 0);
}

static void it_lasts_until_the_next_start(void **state)
{
    struct digest d = push(1, LARGE), e = push(2, LARGE);
    struct cache_disk_options o = options();
    struct store *inner = cache->inner, *second;
    struct err err = {0};

    (void)state;
    pull(&d, 1, LARGE, READER_MISS);
    assert_int_equal(cache_disk_new(inner, &o, &second, &err), ERR_UNAVAILABLE); /* it is taken */
    cache->driver->free(cache);
    assert_int_equal(cache_disk_new(inner, &o, &cache, &err), ERR_OK);
    assert_int_equal(cache_disk_settle(cache), LARGE);
    pull(&d, 1, LARGE, READER_HIT);
    pull(&e, 2, LARGE, READER_MISS);
}

static void a_file_of_the_wrong_size_is_not_taken_for_the_blob(void **state)
{
    struct digest d = push(1, LARGE);
    char path[TEMP_DIR_MAX + DIGEST_TEXT_MAX + 16];

    (void)state;
    pull(&d, 1, LARGE, READER_MISS);
    snprintf(path, sizeof(path), "%s/once/%s", dir, d.text);
    assert_int_equal(truncate(path, 5), 0);
    pull(&d, 1, LARGE, READER_MISS);
    pull(&d, 1, LARGE, READER_HIT);
}

static void cut_file(const struct digest *d, off_t size_bytes)
{
    char path[TEMP_DIR_MAX + DIGEST_TEXT_MAX + 8];

    snprintf(path, sizeof(path), "%s/once/%s", dir, d->text);
    if (access(path, F_OK) != 0)
        snprintf(path, sizeof(path), "%s/again/%s", dir, d->text);
    assert_int_equal(truncate(path, size_bytes), 0);
}

static void what_its_file_does_not_give_comes_from_the_store(void **state)
{
    struct digest d = push(1, LARGE);
    struct err e = {0};
    struct reader *r;
    size_t got;

    (void)state;
    pull(&d, 1, LARGE, READER_MISS);
    r = open_blob(&d, LARGE);
    assert_int_equal(r->cache, READER_HIT);
    cut_file(&d, 100);
    assert_int_equal(read_rest(r, 1, 0, LARGE, &got), ERR_OK);
    assert_int_equal(reader_fd(r), -1);
    assert_int_equal(reader_seek(r, 1000, &e), ERR_OK);
    assert_int_equal(read_rest(r, 1, 1000, LARGE, &got), ERR_OK);
    reader_free(r);
    pull(&d, 1, LARGE, READER_MISS);
    pull(&d, 1, LARGE, READER_HIT);
}

/* Opened before it came to the shelf, read after. */
static void the_same_holds_for_who_came_before_it_was_kept(void **state)
{
    struct digest d = push(1, LARGE);
    struct reader *r = open_blob(&d, LARGE);
    struct err e = {0};
    char c;
    size_t got;

    (void)state;
    pull(&d, 1, LARGE, READER_MISS);
    assert_int_equal(read_waiting(r, &c, 1, &got, &e), ERR_OK);
    cut_file(&d, 1);
    far->released_bytes = LARGE / 2; /* the store lets it wait */
    assert_int_equal(read_waiting(r, &c, 1, &got, &e), ERR_OK);
    assert_int_equal(c, byte_of(1, 1));
    far->released_bytes = LARGE;
    assert_int_equal(read_rest(r, 1, 2, LARGE, &got), ERR_OK);
    reader_free(r);
}

static void who_does_not_trust_it_leaves_it_to_the_store(void **state)
{
    struct digest d = push(1, LARGE);
    struct reader *r;

    (void)state;
    pull(&d, 1, LARGE, READER_MISS);
    r = open_blob(&d, LARGE);
    assert_int_equal(r->cache, READER_HIT);
    reader_distrust(r);
    reader_free(r);
    assert_int_equal(cache_disk_settle(cache), 0);
    pull(&d, 1, LARGE, READER_MISS);
}

static void the_least_recently_used_goes_first(void **state)
{
    struct digest d[5];

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        d[i] = push(i, 300000);
        pull(&d[i], i, 300000, READER_MISS);
        assert_true(cache_disk_settle(cache) <= CACHE_BYTES);
    }
    pull(&d[4], 4, 300000, READER_HIT);
    pull(&d[2], 2, 300000, READER_HIT);
    pull(&d[1], 1, 300000, READER_MISS);
}

static void a_scan_leaves_what_is_used_again(void **state)
{
    struct digest hot[4], one;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        hot[i] = push(i, 150000);
        pull(&hot[i], i, 150000, READER_MISS);
        pull(&hot[i], i, 150000, READER_HIT);
    }
    for (unsigned i = 10; i < 40; i++) {
        one = push(i, 150000);
        pull(&one, i, 150000, READER_MISS);
    }
    for (unsigned i = 0; i < 4; i++)
        pull(&hot[i], i, 150000, READER_HIT);
}

static void more_than_half_of_the_room_is_not_kept(void **state)
{
    struct digest d = push(1, CACHE_BYTES / 2 + 1);

    (void)state;
    pull(&d, 1, CACHE_BYTES / 2 + 1, READER_MISS);
    assert_int_equal(cache_disk_settle(cache), 0);
}

struct puller {
    pthread_t thread;
    const struct digest *d;
    enum err_code code;
};

static void *pull_main(void *arg)
{
    struct puller *p = arg;
    struct reader *r = NULL;
    struct err e = {0};
    uint64_t size;
    size_t got;

    p->code = store_blob_open(cache, &repo, p->d, LARGE, &r, &size, &e);
    if (p->code == ERR_OK)
        p->code = read_rest(r, 1, 0, LARGE, &got);
    reader_free(r);
    return NULL;
}

static void a_hundred_readers_make_one_fetch(void **state)
{
    struct digest d = push(1, LARGE);
    struct puller pullers[100];

    (void)state;
    far->released_bytes = 1000;
    for (size_t i = 0; i < 100; i++) {
        pullers[i] = (struct puller){.d = &d};
        assert_int_equal(pthread_create(&pullers[i].thread, NULL, pull_main, &pullers[i]), 0);
    }
    far->released_bytes = LARGE;
    for (size_t i = 0; i < 100; i++) {
        pthread_join(pullers[i].thread, NULL);
        assert_int_equal(pullers[i].code, ERR_OK);
    }
    assert_int_equal(far->opens, 1);
    assert_int_equal(far->bytes, LARGE);
}

static void readers_get_what_has_come_before_the_rest_is_there(void **state)
{
    struct digest d = push(1, LARGE);
    struct reader *r = open_blob(&d, LARGE);
    char buf[2000];
    struct err e = {0};
    size_t got;

    (void)state;
    far->released_bytes = 1000;
    assert_int_equal(read_waiting(r, buf, sizeof(buf), &got, &e), ERR_OK);
    assert_int_equal(got, 1000);
    assert_int_equal(reader_read(r, buf, sizeof(buf), &got, &e), ERR_LATER);
    far->released_bytes = LARGE;
    assert_int_equal(read_rest(r, 1, 1000, LARGE, &got), ERR_OK);
    reader_free(r);
}

static void a_fetch_that_broke_off_goes_on_where_it_was(void **state)
{
    struct digest d = push(1, LARGE);

    (void)state;
    far->break_at = 200001;
    far->breaks = 2;
    pull(&d, 1, LARGE, READER_MISS);
    assert_int_equal(far->bytes, LARGE);
    pull(&d, 1, LARGE, READER_HIT);
}

static void a_fetch_that_fails_fails_for_its_readers(void **state)
{
    struct digest d = push(1, LARGE);
    struct reader *r = open_blob(&d, LARGE);
    size_t got;

    (void)state;
    far->break_at = 200001;
    far->breaks = 100;
    assert_int_equal(read_rest(r, 1, 0, LARGE, &got), ERR_UNAVAILABLE);
    assert_int_equal(got, 200000);
    reader_free(r);
    assert_int_equal(cache_disk_settle(cache), 0);
    far->breaks = 0;
    pull(&d, 1, LARGE, READER_MISS);
}

static void what_fails_before_the_first_byte_fails_at_once(void **state)
{
    struct digest d = push(1, LARGE);
    struct reader *r = open_blob(&d, LARGE);
    size_t got;

    (void)state;
    far->break_at = 1;
    far->breaks = 1;
    far->error = ERR_BLOB_UNKNOWN;
    assert_int_equal(read_rest(r, 1, 0, LARGE, &got), ERR_BLOB_UNKNOWN);
    reader_free(r);
}

static void damaged_content_is_neither_kept_nor_handed_out_to_its_end(void **state)
{
    struct digest d = push(1, LARGE);
    struct reader *r = open_blob(&d, LARGE);
    size_t got;

    (void)state;
    far->flip = true;
    assert_int_equal(read_rest(r, 1, 0, LARGE, &got), ERR_CORRUPT);
    assert_true(got < LARGE);
    reader_free(r);
    assert_int_equal(cache_disk_settle(cache), 0);
    far->flip = false;
    pull(&d, 1, LARGE, READER_MISS);
}

static void what_is_deleted_is_not_kept(void **state)
{
    struct digest d = push(1, LARGE);
    struct reader *r;
    struct err e = {0};
    enum err_code code;
    size_t got;

    (void)state;
    pull(&d, 1, LARGE, READER_MISS);
    assert_int_equal(store_blob_delete(cache, &repo, &d, true, &e), ERR_OK);
    assert_int_equal(cache_disk_settle(cache), LARGE); /* another repository has it */
    assert_int_equal(store_blob_delete(cache, &repo, &d, false, &e), ERR_OK);
    assert_int_equal(cache_disk_settle(cache), 0);
    d = push(1, LARGE);
    far->released_bytes = 1000;
    r = open_blob(&d, LARGE);
    assert_int_equal(read_waiting(r, (char[1]){0}, 1, &got, &e), ERR_OK);
    /* While it is fetched. */
    assert_int_equal(store_blob_delete(cache, &repo, &d, false, &e), ERR_OK);
    far->released_bytes = LARGE;
    code = read_rest(r, 1, 1, LARGE, &got);
    assert_true(code == ERR_OK || code == ERR_BLOB_UNKNOWN); /* it may fail now: store.h */
    reader_free(r);
    assert_int_equal(cache_disk_settle(cache), 0);
}

static bool as_told(void *ctx)
{
    return *(bool *)ctx;
}

static void what_is_purged_is_not_kept(void **state)
{
    struct digest d = push(1, LARGE);
    struct err e = {0};
    bool may = false;

    (void)state;
    pull(&d, 1, LARGE, READER_MISS);
    assert_int_equal(store_blob_purge(cache, &d, as_told, &may, &e), ERR_LATER);
    assert_int_equal(cache_disk_settle(cache), LARGE);
    may = true;
    assert_int_equal(store_blob_purge(cache, &d, as_told, &may, &e), ERR_OK);
    assert_int_equal(cache_disk_settle(cache), 0);
}

static void a_fetch_that_nobody_waits_for_ends(void **state)
{
    struct digest d = push(1, LARGE);
    struct reader *r = open_blob(&d, LARGE);
    struct err e = {0};
    size_t got;

    (void)state;
    far->released_bytes = 1000;
    assert_int_equal(read_waiting(r, (char[1]){0}, 1, &got, &e), ERR_OK);
    reader_free(r);
    far->released_bytes = 2000;
    assert_int_equal(cache_disk_settle(cache), 0);
    far->released_bytes = LARGE;
    pull(&d, 1, LARGE, READER_MISS);
}

static void a_reader_that_leaves_does_not_stop_the_others(void **state)
{
    struct digest d = push(1, LARGE);
    struct reader *r = open_blob(&d, LARGE), *other = open_blob(&d, LARGE);
    struct err e = {0};
    size_t got;

    (void)state;
    far->released_bytes = 1000;
    assert_int_equal(read_waiting(r, (char[1]){0}, 1, &got, &e), ERR_OK);
    assert_int_equal(read_waiting(other, (char[1]){0}, 1, &got, &e), ERR_OK);
    reader_free(r);
    far->released_bytes = LARGE;
    assert_int_equal(read_rest(other, 1, 1, LARGE, &got), ERR_OK);
    reader_free(other);
    assert_int_equal(far->opens, 1);
}

static void who_begins_in_the_middle_of_a_cold_blob_has_the_store(void **state)
{
    struct digest d = push(1, LARGE);
    struct reader *r = open_blob(&d, LARGE);
    struct err e = {0};
    size_t got;

    (void)state;
    assert_int_equal(reader_seek(r, LARGE - 10, &e), ERR_OK);
    assert_int_equal(read_rest(r, 1, LARGE - 10, LARGE, &got), ERR_OK);
    assert_int_equal(reader_seek(r, 5, &e), ERR_OK);
    assert_int_equal(read_rest(r, 1, 5, LARGE, &got), ERR_OK);
    reader_free(r);
    assert_int_equal(cache_disk_settle(cache), 0);
}

static void a_reader_may_go_back(void **state)
{
    struct digest d = push(1, LARGE);
    struct reader *r = open_blob(&d, LARGE);
    struct err e = {0};
    size_t got;

    (void)state;
    assert_int_equal(read_rest(r, 1, 0, LARGE, &got), ERR_OK);
    assert_int_equal(reader_seek(r, 1000, &e), ERR_OK);
    assert_int_equal(read_rest(r, 1, 1000, LARGE, &got), ERR_OK);
    reader_free(r);
    assert_int_equal(far->opens, 1);
}

/* A limit on files is as good as a disk that is full: writing fails in the middle. */
static void a_full_disk_costs_nothing_but_time(void **state)
{
    struct digest d = push(1, LARGE);
    struct rlimit before, small;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){300000, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    pull(&d, 1, LARGE, READER_MISS);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(cache_disk_settle(cache), 0);
    pull(&d, 1, LARGE, READER_MISS);
    pull(&d, 1, LARGE, READER_HIT);
}

static void a_directory_that_is_gone_costs_nothing_but_time(void **state)
{
    struct digest d = push(1, LARGE), other = push(2, LARGE);

    (void)state;
    pull(&d, 1, LARGE, READER_MISS);
    temp_dir_remove(dir);
    pull(&d, 1, LARGE, READER_MISS);
    pull(&other, 2, LARGE, READER_MISS);
    assert_int_equal(mkdir(dir, 0755), 0);
}

static void threads_pull_and_delete_side_by_side(void **state)
{
    struct digest d = push(1, LARGE);
    struct puller pullers[8];
    struct err e = {0};

    (void)state;
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 8; i++) {
            pullers[i] = (struct puller){.d = &d};
            assert_int_equal(pthread_create(&pullers[i].thread, NULL, pull_main, &pullers[i]), 0);
        }
        if (round % 2) /* of the cache alone: others still have it */
            assert_int_equal(store_blob_delete(cache, &repo, &d, true, &e), ERR_OK);
        for (size_t i = 0; i < 8; i++) {
            pthread_join(pullers[i].thread, NULL);
            assert_int_equal(pullers[i].code, ERR_OK);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_pulled_is_there_the_second_time),
        TEST(opening_alone_fetches_nothing),
        TEST(it_lasts_until_the_next_start),
        TEST(a_file_of_the_wrong_size_is_not_taken_for_the_blob),
        TEST(what_its_file_does_not_give_comes_from_the_store),
        TEST(the_same_holds_for_who_came_before_it_was_kept),
        TEST(who_does_not_trust_it_leaves_it_to_the_store),
        TEST(the_least_recently_used_goes_first),
        TEST(a_scan_leaves_what_is_used_again),
        TEST(more_than_half_of_the_room_is_not_kept),
        TEST(a_hundred_readers_make_one_fetch),
        TEST(readers_get_what_has_come_before_the_rest_is_there),
        TEST(a_fetch_that_broke_off_goes_on_where_it_was),
        TEST(a_fetch_that_fails_fails_for_its_readers),
        TEST(what_fails_before_the_first_byte_fails_at_once),
        TEST(damaged_content_is_neither_kept_nor_handed_out_to_its_end),
        TEST(what_is_deleted_is_not_kept),
        TEST(what_is_purged_is_not_kept),
        TEST(a_fetch_that_nobody_waits_for_ends),
        TEST(a_reader_that_leaves_does_not_stop_the_others),
        TEST(who_begins_in_the_middle_of_a_cold_blob_has_the_store),
        TEST(a_reader_may_go_back),
        TEST(a_full_disk_costs_nothing_but_time),
        TEST(a_directory_that_is_gone_costs_nothing_but_time),
        TEST(threads_pull_and_delete_side_by_side),
    };

    signal(SIGXFSZ, SIG_IGN);
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests_name("cache/disk", tests, NULL, NULL);
}
