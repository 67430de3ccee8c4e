/* What a process does late with an upload that another one has now: two stores on one bucket. */
#include "fixture.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "temp_dir.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PART S3_PART_MIN_BYTES

/* A process, and what it has of the upload. */
struct side {
    struct fixture *f;
    char dir[TEMP_DIR_MAX];
    struct store *s;
    struct store_upload *u;
    uint64_t at_bytes;
};

static struct uuid id;

static struct side start_looking(struct fixture *f, uint64_t part_bytes, uint64_t look_ms)
{
    struct store_s3_options o = f->options;
    struct side p = {.f = f};

    temp_dir_make(p.dir, TEMP_DIR_DISK);
    o.temp_path = p.dir;
    o.part_bytes = part_bytes;
    o.look_ms = look_ms;
    o.concurrency = 3;
    o.read_ahead_bytes = 8u << 20;
    OK(store_s3_new(&o, &p.s, &f->e));
    return p;
}

static struct side start_with(struct fixture *f, uint64_t part_bytes)
{
    return start_looking(f, part_bytes, 0);
}

static struct side start(struct fixture *f)
{
    return start_with(f, PART);
}

static void end(struct side *p)
{
    if (!p->s)
        return;
    if (p->u)
        store_upload_close(p->s, STEAL(p->u));
    store_free(STEAL(p->s));
    temp_dir_remove(p->dir);
}

static void auto_side_(struct side *p)
{
    end(p);
}

static enum err_code open_e(struct side *p)
{
    struct fixture *f = p->f;

    if (p->u)
        store_upload_close(p->s, STEAL(p->u));
    store_upload_forget(p->s, &id);
    return store_upload_open(p->s, &id, &p->u, &p->at_bytes, &f->e);
}

static void open(struct side *p, uint64_t want_bytes)
{
    struct fixture *f = p->f;

    OK(open_e(p));
    assert_int_equal(p->at_bytes, want_bytes);
}

static void make(struct side *p)
{
    struct fixture *f = p->f;

    uuid_make(&id);
    OK(store_upload_create(p->s, &id, &f->e));
    OK(store_upload_open(p->s, &id, &p->u, &p->at_bytes, &f->e));
}

static void add(struct side *p, struct str bytes)
{
    struct fixture *f = p->f;

    OK(store_upload_write(p->s, p->u, bytes.p, bytes.n, p->at_bytes, &f->e));
    p->at_bytes += bytes.n;
}

static enum err_code sync_e(struct side *p, uint64_t turn)
{
    struct store_note note = {.n = 1, .bytes = {(char)('0' + turn)}, .turn = turn};
    uint64_t durable;

    return store_upload_sync(p->s, p->u, &note, &durable, &p->f->e);
}

static void sync_at(struct side *p, uint64_t turn)
{
    struct fixture *f = p->f;

    OK(sync_e(p, turn));
}

static void assert_turn(struct side *p, uint64_t turn)
{
    struct fixture *f = p->f;
    struct store_note note = {0};

    OK(store_upload_note(p->s, p->u, &note, &f->e));
    assert_int_equal(note.n, 1);
    assert_int_equal(note.bytes[0], '0' + turn);
}

static struct repo_name repo(void)
{
    struct repo_name r;

    assert_int_equal(repo_name_parse(STR("a"), &r, ERR_IGNORED), ERR_OK);
    return r;
}

static struct digest digest_of_all(struct str all)
{
    struct digest d;

    digest_of(DIGEST_SHA256, all.p, all.n, &d);
    return d;
}

/* As the blob of these bytes. */
static enum err_code commit_e(struct side *p, struct str all)
{
    const struct repo_name r = repo();
    struct digest d = digest_of_all(all);
    enum err_code code;

    assert_int_equal(p->at_bytes, all.n);
    code = store_upload_prepare(p->s, p->u, &r, &d, NULL, &p->f->e);
    if (code == ERR_OK)
        code = store_upload_commit(p->s, p->u, &r, &d, NULL, &p->f->e);
    if (code == ERR_OK)
        p->u = NULL;
    return code;
}

static void commit(struct side *p, struct str all)
{
    struct fixture *f = p->f;

    OK(commit_e(p, all));
}

/* What is at the blob's place; false: nothing. */
static bool read_blob(struct side *p, const struct digest *d, struct buf *ret_bytes)
{
    const struct repo_name r = repo();
    AUTO(reader) struct reader *reader = NULL;
    AUTO(mem) char *piece = mem_alloc(PART);
    uint64_t size;
    size_t n = 1;

    if (store_blob_open(p->s, &r, d, UINT64_MAX, &reader, &size, ERR_IGNORED) != ERR_OK)
        return false;
    while (n > 0) {
        assert_int_equal(reader_read_waiting(reader, piece, PART, &n, ERR_IGNORED), ERR_OK);
        buf_add(ret_bytes, piece, n);
    }
    return true;
}

static bool has_blob(struct side *p, struct str all)
{
    struct digest d = digest_of_all(all);
    AUTO(buf) struct buf found = {0};
    bool there;

    buf_init(&found, 64u << 20);
    there = read_blob(p, &d, &found);
    assert_true(!there || str_eq(buf_str(&found), all));
    return there;
}

/* n bytes that differ by seed; behind what is in dst. */
static void grow(struct buf *dst, unsigned seed, size_t n)
{
    char *p = mem_alloc(n);

    for (size_t i = 0; i < n; i++)
        p[i] = (char)(i * (2 * seed + 1) >> (i % 13));
    buf_add(dst, p, n);
    free(p);
}

/* Two that begin alike and have the same length. */
struct two {
    struct buf a, b;
    size_t alike;
};

static struct two two_of(size_t alike, size_t rest)
{
    struct two t = {.alike = alike};

    buf_init(&t.a, 64u << 20);
    buf_init(&t.b, 64u << 20);
    grow(&t.a, 0, alike);
    grow(&t.b, 0, alike);
    grow(&t.a, 1, rest);
    grow(&t.b, 2, rest);
    return t;
}

static void auto_two_(struct two *t)
{
    buf_done(&t->a);
    buf_done(&t->b);
}

static struct str first(const struct two *t)
{
    return str_sub(buf_str(&t->a), 0, t->alike);
}

static struct str rest_of(const struct buf *all, const struct two *t)
{
    return str_sub(buf_str(all), t->alike, all->n - t->alike);
}

/* ---- tails */

static void the_tail_of_an_earlier_turn_counts_no_more(void **state)
{
    AUTO(two) struct two t = two_of(1000, 500);
    AUTO(side) struct side a = start(*state);
    AUTO(side) struct side b = start(*state);

    make(&a);
    add(&a, first(&t));
    sync_at(&a, 1);
    open(&b, t.alike);
    add(&b, rest_of(&t.b, &t));
    sync_at(&b, 2);
    add(&a, rest_of(&t.a, &t));
    add(&a, STR("more"));
    sync_at(&a, 1);
    open(&b, t.b.n);
    assert_turn(&b, 2);
    commit(&b, buf_str(&t.b));
    assert_true(has_blob(&b, buf_str(&t.b)));
}

static void a_late_tail_is_not_the_blob_of_who_has_the_upload(void **state)
{
    AUTO(two) struct two t = two_of(1000, 500);
    AUTO(side) struct side a = start(*state);
    AUTO(side) struct side b = start(*state);

    make(&a);
    add(&a, first(&t));
    sync_at(&a, 1);
    open(&b, t.alike);
    add(&b, rest_of(&t.b, &t));
    sync_at(&b, 2);
    add(&a, rest_of(&t.a, &t));
    sync_at(&a, 1);
    commit(&b, buf_str(&t.b));
    assert_true(has_blob(&b, buf_str(&t.b)));
}

static void a_late_tail_is_not_the_blob_of_who_only_finishes(void **state)
{
    AUTO(two) struct two t = two_of(1000, 500);
    bool committed;
    AUTO(side) struct side a = start(*state);
    AUTO(side) struct side b = start(*state);

    make(&a);
    add(&a, first(&t));
    sync_at(&a, 1);
    open(&b, t.alike);
    add(&a, rest_of(&t.a, &t));
    sync_at(&a, 1);
    committed = commit_e(&b, first(&t)) == ERR_OK;
    assert_int_equal(committed, has_blob(&b, first(&t)));
}

/* Both believe that they are the first. */
static void who_made_it_spoils_nothing_of_who_found_nothing_of_it(void **state)
{
    AUTO(two) struct two t = two_of(0, 2 * PART + 1000);
    AUTO(side) struct side a = start(*state);
    AUTO(side) struct side b = start(*state);

    make(&a);
    add(&a, buf_str(&t.a));
    open(&b, 0);
    add(&b, buf_str(&t.b));
    sync_at(&b, 2);
    sync_at(&a, 1);
    open(&b, t.b.n);
    assert_turn(&b, 2);
    commit(&b, buf_str(&t.b));
    (void)!commit_e(&a, buf_str(&t.a));
    assert_true(has_blob(&b, buf_str(&t.b)));
    has_blob(&a, buf_str(&t.a));
}

/* ---- parts */

/* A part each, and some behind it; a's comes last. */
static void send_both(struct side *a, struct side *b, const struct two *t)
{
    make(a);
    add(a, first(t));
    sync_at(a, 1);
    open(b, t->alike);
    add(b, rest_of(&t->b, t));
    sync_at(b, 2);
    add(a, rest_of(&t->a, t));
    sync_at(a, 1);
}

static void a_late_part_is_in_no_blob_of_who_has_the_upload(void **state)
{
    AUTO(two) struct two t = two_of(PART + 100, PART + 100);
    struct fixture *f = *state;
    AUTO(side) struct side a = start(f);
    AUTO(side) struct side b = start(f);

    send_both(&a, &b, &t);
    FAILS(ERR_CONFLICT, commit_e(&b, buf_str(&t.b)));
    assert_false(has_blob(&b, buf_str(&t.b)));
}

static void a_late_part_is_in_no_blob_of_who_opens_the_upload(void **state)
{
    AUTO(two) struct two t = two_of(PART + 100, PART + 100);
    struct fixture *f = *state;
    AUTO(side) struct side a = start(f);
    AUTO(side) struct side b = start(f);

    send_both(&a, &b, &t);
    FAILS(ERR_BLOB_UPLOAD_UNKNOWN, open_e(&b));
}

static void a_late_part_of_the_same_bytes_does_no_harm(void **state)
{
    AUTO(two) struct two t = two_of(PART + 100, PART + 100);
    AUTO(side) struct side a = start(*state);
    AUTO(side) struct side b = start(*state);

    buf_clear(&t.a);
    buf_add_str(&t.a, buf_str(&t.b));
    send_both(&a, &b, &t);
    open(&b, t.b.n);
    commit(&b, buf_str(&t.b));
    assert_true(has_blob(&b, buf_str(&t.b)));
}

/* ---- objects */

static void a_late_object_is_not_the_blob_of_who_has_the_upload(void **state)
{
    AUTO(two) struct two t = two_of(PART + 100, PART + 100);
    AUTO(side) struct side a = start(*state);
    AUTO(side) struct side b = start(*state);

    send_both(&a, &b, &t);
    commit(&a, buf_str(&t.a));
    assert_int_not_equal(commit_e(&b, buf_str(&t.b)), ERR_OK);
    assert_true(has_blob(&b, buf_str(&t.a)));
    assert_false(has_blob(&b, buf_str(&t.b)));
}

static void who_lost_the_upload_makes_no_wrong_blob_of_what_is_left(void **state)
{
    AUTO(two) struct two t = two_of(PART + 100, PART + 100);
    AUTO(side) struct side a = start(*state);
    AUTO(side) struct side b = start(*state);

    make(&a);
    add(&a, first(&t));
    sync_at(&a, 1);
    open(&b, t.alike);
    add(&a, rest_of(&t.a, &t));
    sync_at(&a, 1);
    add(&b, rest_of(&t.b, &t));
    sync_at(&b, 2);
    commit(&b, buf_str(&t.b));
    assert_int_not_equal(commit_e(&a, buf_str(&t.a)), ERR_OK);
    assert_true(has_blob(&a, buf_str(&t.b)));
    assert_false(has_blob(&a, buf_str(&t.a)));
}

struct found_parts {
    struct s3_name name;
    char id[S3_UPLOAD_ID_MAX];
    size_t n;
};

static enum err_code find_parts(void *ctx, const struct s3_name *name, const char *upload,
                                int64_t begun_ms, struct err *e)
{
    struct found_parts *found = ctx;

    (void)begun_ms, (void)e;
    if (strstr(name->text, id.text)) {
        found->n++;
        found->name = *name;
        snprintf(found->id, sizeof(found->id), "%s", upload);
    }
    return ERR_OK;
}

/* As a finish does that ends just then: the parts and what is behind them become an object. */
static void complete_only(struct fixture *f, struct str last)
{
    AUTO(fd) int fd = memfd_create("part", MFD_CLOEXEC);
    struct client_file body = {.fd = fd, .bytes = last.n};
    struct found_parts found = {0};
    struct s3_parts parts = {0};

    OK(s3_multipart_each(f->c, find_parts, &found, &f->e));
    assert_int_equal(found.n, 1);
    OK(s3_parts_list(f->c, &found.name, found.id, &parts, &f->e));
    parts.items = mem_resize(parts.items, (parts.n + 1) * sizeof(parts.items[0]));
    assert_int_equal(file_pwrite_all(fd, last.p, last.n, 0), 0);
    OK(s3_part_put(f->c, &found.name, found.id, (unsigned)parts.n + 1, &body, &parts.items[parts.n],
                   &f->e));
    parts.n++;
    OK(s3_multipart_complete(f->c, &found.name, found.id, &parts, NULL, &f->e));
    free(parts.items);
}

static void a_finish_goes_on_where_parts_were_made_an_object(void **state)
{
    AUTO(two) struct two t = two_of(PART, 100);
    AUTO(side) struct side a = start(*state);
    AUTO(side) struct side b = start(*state);

    make(&a);
    add(&a, buf_str(&t.a));
    sync_at(&a, 1);
    complete_only(*state, rest_of(&t.a, &t));
    open(&b, t.a.n);
    commit(&b, buf_str(&t.a));
    assert_true(has_blob(&b, buf_str(&t.a)));
}

static void an_object_of_other_parts_is_no_blob(void **state)
{
    AUTO(two) struct two t = two_of(PART, 100);
    struct fixture *f = *state;
    AUTO(side) struct side a = start(f);
    AUTO(side) struct side b = start(f);

    make(&a);
    add(&a, buf_str(&t.a));
    sync_at(&a, 1);
    complete_only(f, rest_of(&t.b, &t));
    open(&b, t.a.n);
    FAILS(ERR_BLOB_UPLOAD_UNKNOWN, commit_e(&b, buf_str(&t.a)));
    assert_false(has_blob(&b, buf_str(&t.a)));
    open(&b, t.a.n);
    FAILS(ERR_BLOB_UPLOAD_UNKNOWN, store_upload_write(b.s, b.u, "x", 1, t.a.n, &f->e));
}

/* ---- what is left */

/* radosgw takes no list but that of all parts. */
static void parts_that_were_not_acknowledged_do_not_keep_larger_ones_from_being_a_blob(void **state)
{
    AUTO(two) struct two t = two_of(PART + 100, 3 * PART);
    AUTO(side) struct side a = start(*state);
    AUTO(side) struct side b = start_with(*state, 3 * PART);

    make(&a);
    add(&a, first(&t));
    sync_at(&a, 1);
    add(&a, rest_of(&t.a, &t));
    end(&a); /* when its parts have been sent */
    open(&b, t.alike);
    add(&b, rest_of(&t.a, &t));
    commit(&b, buf_str(&t.a));
    assert_true(has_blob(&b, buf_str(&t.a)));
}

static void parts_that_were_read_back_can_be_gone_on_with_by_another(void **state)
{
    AUTO(two) struct two t = two_of(2 * PART, 100);
    struct fixture *f = *state;
    char letter;
    size_t n;
    AUTO(side) struct side a = start(f);
    AUTO(side) struct side b = start(f);

    make(&a);
    add(&a, first(&t));
    sync_at(&a, 1);
    open(&b, t.alike);
    OK(store_upload_read(b.s, b.u, &letter, 1, 0, &n, &f->e));
    add(&b, rest_of(&t.b, &t));
    sync_at(&b, 2);
    open(&b, t.b.n);
    commit(&b, buf_str(&t.b));
    assert_true(has_blob(&b, buf_str(&t.b)));
}

static void what_several_left_of_an_upload_is_deleted(void **state)
{
    AUTO(two) struct two t = two_of(0, PART + 1000);
    struct fixture *f = *state;
    struct found_parts found = {0};
    AUTO(side) struct side a = start(f);
    AUTO(side) struct side b = start(f);
    AUTO(side) struct side c = start(f);

    make(&a);
    add(&a, buf_str(&t.a));
    open(&b, 0);
    add(&b, buf_str(&t.b));
    sync_at(&b, 2);
    sync_at(&a, 1);
    OK(store_upload_delete(c.s, &id, &f->e));
    OK(s3_multipart_each(f->c, find_parts, &found, &f->e));
    assert_int_equal(found.n, 0);
    assert_int_equal(count_objects(f, ""), 0);
}

static void a_tail_is_replaced_by_the_next_one(void **state)
{
    struct fixture *f = *state;
    AUTO(side) struct side a = start(f);

    make(&a);
    for (int i = 0; i < 3; i++) {
        add(&a, STR("bytes"));
        sync_at(&a, 1);
    }
    end(&a); /* which deletes what is to be deleted */
    assert_int_equal(count_objects(f, "uploads/"), 1);
}

/* ---- what others began, and left */

#define WAIT_MS 20000

/* Memory that this process had at most since the last time it was asked. */
static size_t peak_bytes(void)
{
    char line[256];
    size_t kib = 0;
    FILE *status = fopen("/proc/self/status", "re"), *clear = fopen("/proc/self/clear_refs", "we");

    assert_true(status && clear);
    while (kib == 0 && fgets(line, sizeof(line), status)) {
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtoul(line + 6, NULL, 10);
    }
    fputs("5", clear);
    fclose(status);
    fclose(clear);
    return kib << 10;
}

static void a_tail_of_another_is_not_in_memory(void **state)
{
    AUTO(two) struct two t = two_of(40u << 20, 0);
    AUTO(side) struct side a = start_with(*state, 64u << 20);
    AUTO(side) struct side b = start_with(*state, 64u << 20);
    size_t before;

    make(&a);
    add(&a, buf_str(&t.a));
    sync_at(&a, 1);
    open(&b, t.a.n);
    (void)peak_bytes();
    before = peak_bytes();
    add(&b, STR("more"));
    assert_true(peak_bytes() < before + (16u << 20));
    buf_add_str(&t.a, STR("more"));
    commit(&b, buf_str(&t.a));
    assert_true(has_blob(&b, buf_str(&t.a)));
}

static struct s3_name at_key(struct fixture *f, const char *before, const struct digest *d,
                             const char *after)
{
    struct str hex = digest_hex(d);
    char text[256];

    snprintf(text, sizeof(text), "%ssha256/" STR_FMT "%s", before, STR_ARG(hex), after);
    return name_in(f, text);
}

static bool is_there(struct fixture *f, const struct s3_name *name)
{
    struct s3_answer a = {0};

    return s3_head(f->c, name, &a, ERR_IGNORED) == ERR_OK;
}

static void wait_until_there(struct fixture *f, const struct s3_name *name, bool there)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    int64_t until_ms = clock_mono_ms() + WAIT_MS;

    while (is_there(f, name) != there) {
        assert_true(clock_mono_ms() < until_ms);
        nanosleep(&pause, NULL);
    }
}

/* As a process leaves it that dies just then: the blob where it came, and a pointer to it. */
static struct digest leave_move(struct fixture *f, struct str bytes)
{
    struct digest d = digest_of_all(bytes);
    char upload[64], after[64];
    struct s3_name pointer;
    struct uuid of;

    uuid_make(&of);
    snprintf(upload, sizeof(upload), "uploads/%s", of.text);
    snprintf(after, sizeof(after), "_%s", of.text);
    put(f, upload, bytes);
    pointer = at_key(f, "moves/", &d, after);
    OK(s3_put(f->c, &pointer, &(struct s3_put){.body = STR("")}, &f->e));
    return d;
}

static void a_blob_whose_pusher_died_is_moved_by_who_runs(void **state)
{
    struct fixture *f = *state;
    struct digest first = leave_move(f, STR("was there at the start")), then;
    AUTO(side) struct side a = start_looking(f, PART, 500);
    struct s3_name key = at_key(f, "blobs/", &first, "");

    wait_until_there(f, &key, true); /* so it has looked */
    then = leave_move(f, STR("came later"));
    key = at_key(f, "blobs/", &then, "");
    wait_until_there(f, &key, true);
    assert_true(has_blob(&a, STR("came later")));
}

/* MinIO cuts off who reads it then. */
static void what_is_at_its_key_is_not_written_again(void **state)
{
    struct fixture *f = *state;
    struct str bytes = STR("the same length"), there = STR("another content");
    struct digest d = digest_of_all(bytes);
    struct s3_name key = at_key(f, "blobs/", &d, "");
    AUTO(side) struct side a = start(f);

    OK(s3_put(f->c, &key, &(struct s3_put){.body = there}, &f->e));
    make(&a);
    add(&a, bytes);
    commit(&a, bytes);
    if (strcmp(f->server, "minio") == 0)
        assert_object(f, key.text + strlen(f->prefix), there);
}

/* As a copy of many minutes would. */
struct held_move {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool waits, go;
};

static enum err_code hold_move(void *ctx, const struct digest *d, int64_t *ret_number,
                               struct err *e)
{
    struct held_move *h = ctx;

    (void)d, (void)e;
    pthread_mutex_lock(&h->mutex);
    h->waits = true;
    pthread_cond_signal(&h->changed);
    while (!h->go)
        pthread_cond_wait(&h->changed, &h->mutex);
    pthread_mutex_unlock(&h->mutex);
    *ret_number = 0;
    return ERR_OK;
}

/* Of the upload. */
static void wait_until_nothing_is_left(struct fixture *f)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    char below[64];

    snprintf(below, sizeof(below), "uploads/%s", id.text);
    while (count_objects(f, below) > 0) {
        assert_true(clock_mono_ms() < until_ms);
        nanosleep(&pause, NULL);
    }
}

static void what_is_used_up_is_deleted_while_a_blob_is_moved(void **state)
{
    AUTO(two) struct two t = two_of(0, 17u << 20);
    struct fixture *f = *state;
    struct held_move h = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false};
    AUTO(side) struct side a = start(f);
    struct s3_name key;
    struct digest d;

    store_set_deletions(a.s, hold_move, &h);
    make(&a);
    add(&a, buf_str(&t.a));
    sync_at(&a, 1);
    commit(&a, buf_str(&t.a));
    pthread_mutex_lock(&h.mutex);
    while (!h.waits)
        pthread_cond_wait(&h.changed, &h.mutex);
    pthread_mutex_unlock(&h.mutex);
    make(&a);
    add(&a, STR("small"));
    sync_at(&a, 1);
    commit(&a, STR("small"));
    wait_until_nothing_is_left(f);
    d = digest_of_all(buf_str(&t.a));
    key = at_key(f, "blobs/", &d, "");
    assert_false(is_there(f, &key));
    pthread_mutex_lock(&h.mutex);
    h.go = true;
    pthread_cond_signal(&h.changed);
    pthread_mutex_unlock(&h.mutex);
    wait_until_there(f, &key, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_tail_of_an_earlier_turn_counts_no_more),
        TEST(a_late_tail_is_not_the_blob_of_who_has_the_upload),
        TEST(a_late_tail_is_not_the_blob_of_who_only_finishes),
        TEST(who_made_it_spoils_nothing_of_who_found_nothing_of_it),
        TEST(a_late_part_is_in_no_blob_of_who_has_the_upload),
        TEST(a_late_part_is_in_no_blob_of_who_opens_the_upload),
        TEST(a_late_part_of_the_same_bytes_does_no_harm),
        TEST(a_late_object_is_not_the_blob_of_who_has_the_upload),
        TEST(who_lost_the_upload_makes_no_wrong_blob_of_what_is_left),
        TEST(a_finish_goes_on_where_parts_were_made_an_object),
        TEST(an_object_of_other_parts_is_no_blob),
        TEST(parts_that_were_not_acknowledged_do_not_keep_larger_ones_from_being_a_blob),
        TEST(parts_that_were_read_back_can_be_gone_on_with_by_another),
        TEST(what_several_left_of_an_upload_is_deleted),
        TEST(a_tail_is_replaced_by_the_next_one),
        TEST(a_tail_of_another_is_not_in_memory),
        TEST(a_blob_whose_pusher_died_is_moved_by_who_runs),
        TEST(what_is_at_its_key_is_not_written_again),
        TEST(what_is_used_up_is_deleted_while_a_blob_is_moved),
    };

    fixture_choose();
    return cmocka_run_group_tests_name("late", tests, NULL, NULL);
}
