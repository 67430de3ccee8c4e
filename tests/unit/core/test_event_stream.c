#include "core/event_stream.h"

#include "base/buf.h"
#include "base/mem.h"
#include "core/event_log.h"
#include "core/outbox.h"
#include "support.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define WAIT_MS 60000

static struct world w;
static atomic_int freed;

static int set_up(void **state)
{
    (void)state;
    atomic_store(&freed, 0);
    world_in_memory(&w);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static void put_by(const char *name, const char *repository, const char *actor)
{
    AUTO(outbox) struct outbox_event ev = {0};
    struct meta_op op;

    outbox_begin(&ev, name);
    if (repository)
        outbox_add_text(&ev, "repository", str_of(repository));
    if (actor) {
        outbox_add_text(&ev, "actor", str_of(actor));
        outbox_add_text(&ev, "address", STR("192.0.2.1"));
    }
    op = outbox_put(&ev);
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    assert_ok(event_log_move(w.r, NULL, ERR_IGNORED));
}

static void put(const char *name, const char *repository)
{
    put_by(name, repository, NULL);
}

/* Whoever it is does not see what is secret, or of no repository. */
static bool sees(void *ctx, const struct repo_name *repo)
{
    (void)ctx;
    return repo && !str_starts(repo_name_str(repo), STR("secret"));
}

static bool sees_all(void *ctx, const struct repo_name *repo)
{
    (void)ctx;
    (void)repo;
    return true;
}

static void count_freed(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&freed, 1);
}

static struct event_stream_wish wish(uint64_t after)
{
    return (struct event_stream_wish){
        .after = after, .to_end = true, .sees = sees_all, .free_ctx = count_freed};
}

static struct reader *open_stream(const struct event_stream_wish *x)
{
    struct reader *r;

    assert_ok(event_stream_open(w.r->streams, x, &r, ERR_IGNORED));
    return r;
}

/* To its end, or until the text is there. */
static void read_until(struct reader *r, const char *text, struct buf *got)
{
    struct err e;

    for (;;) {
        char piece[4096];
        struct pollfd p = {.fd = reader_wait_fd(r), .events = POLLIN};
        size_t n = 0;
        enum err_code code = reader_read(r, piece, sizeof(piece), &n, &e);

        if (code == ERR_LATER) {
            assert_int_equal(poll(&p, 1, WAIT_MS), 1);
            continue;
        }
        assert_ok(code);
        if (n == 0)
            return;
        buf_add(got, piece, n);
        if (text && strstr(buf_text(got), text))
            return;
    }
}

static void assert_events(struct event_stream_wish x, const char *want)
{
    struct reader *r = open_stream(&x);
    AUTO(buf) struct buf got = {0};
    char found[256] = "";

    buf_init(&got, 1 << 20);
    read_until(r, NULL, &got);
    reader_free(r);
    for (const char *at = buf_text(&got); (at = strstr(at, "event: ")); at++) {
        size_t n = strcspn(at + 7, "\n");

        snprintf(found + strlen(found), sizeof(found) - strlen(found), "%.*s ", (int)n, at + 7);
    }
    assert_string_equal(found, want);
}

static void one_to_the_end_has_all_that_is_there(void **state)
{
    (void)state;
    put("a.one", "team/app");
    put("b.two", NULL);
    assert_events(wish(0), "a.one b.two ");
    assert_events(wish(1), "b.two ");
    assert_events(wish(EVENT_STREAM_NOW), "");
    assert_events(wish(7), ""); /* of another database */
}

static void it_has_what_was_asked_for(void **state)
{
    struct event_stream_wish x = wish(0);

    (void)state;
    put("a.one", "team/app");
    put("a.two", "other/app");
    put("b.one", "team/app");
    put("a.three", NULL);
    snprintf(x.repository, sizeof(x.repository), "team/**");
    assert_events(x, "a.one b.one ");
    snprintf(x.events, sizeof(x.events), "c.*,a.*");
    assert_events(x, "a.one ");
    x.repository[0] = '\0';
    assert_events(x, "a.one a.two a.three ");
}

static void it_has_what_its_reader_may_see(void **state)
{
    struct event_stream_wish x = wish(0);

    (void)state;
    put("a.one", "team/app");
    put("a.two", "secret/app");
    put("a.three", NULL);
    put("a.four", "NO NAME");
    x.sees = sees;
    assert_events(x, "a.one ");
}

static bool knows_alice(void *ctx, const char *who)
{
    (void)ctx;
    return strcmp(who, "user:alice") == 0;
}

/* Of two at one place, one may know all. */
static void it_has_who_did_it_where_its_reader_may_know(void **state)
{
    struct event_stream_wish all = wish(0), x = wish(0);

    (void)state;
    put_by("a.one", "team/app", "user:alice");
    put_by("a.two", "team/app", "user:bob");
    put("a.three", "team/app");
    x.knows = knows_alice;
    for (size_t i = 0; i < 2; i++) {
        struct reader *r = open_stream(i ? &all : &x);
        AUTO(buf) struct buf got = {0};

        buf_init(&got, 1 << 20);
        read_until(r, NULL, &got);
        reader_free(r);
        assert_non_null(
            strstr(buf_text(&got), "\"actor\":\"user:alice\",\"address\":\"192.0.2.1\"}"));
        assert_true(!strstr(buf_text(&got), "user:bob") == !i);
        assert_non_null(strstr(buf_text(&got), "event: a.two\ndata: {\"id\":"));
        assert_non_null(strstr(buf_text(&got), "event: a.three\ndata: {\"id\":"));
    }
}

static void what_is_not_kept_any_more_is_told_as_lost(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        put("a.one", NULL);
    assert_ok(event_log_trim(w.r, 2, NULL, ERR_IGNORED));
    assert_events(wish(3), "events.lost a.one a.one ");
    assert_events(wish(0), "a.one a.one ");
}

static void one_that_goes_on_has_what_comes(void **state)
{
    struct event_stream_wish x = wish(EVENT_STREAM_NOW);
    AUTO(buf) struct buf got = {0};
    struct reader *r;

    (void)state;
    buf_init(&got, 1 << 20);
    x.to_end = false;
    put("a.old", NULL);
    r = open_stream(&x);
    put("a.new", NULL);
    read_until(r, "a.new", &got);
    assert_null(strstr(buf_text(&got), "a.old"));
    assert_non_null(strstr(buf_text(&got), "id: 2\nevent: a.new\ndata: {\"id\":"));
    event_streams_hush(w.r->streams);
    read_until(r, NULL, &got);
    reader_free(r);
    assert_int_equal(event_stream_open(w.r->streams, &x, &r, ERR_IGNORED), ERR_UNAVAILABLE);
}

#define LARGE 60000

/* More than there is room for at once. */
static void a_slow_reader_misses_nothing(void **state)
{
    AUTO(mem) char *text = mem_zero(LARGE + 1);
    AUTO(buf) struct buf got = {0};
    struct event_stream_wish x = wish(0);
    struct reader *r;
    int n = 0;

    (void)state;
    memset(text, 'x', LARGE);
    for (int i = 0; i < 20; i++) {
        AUTO(outbox) struct outbox_event ev = {0};
        struct meta_op op;

        outbox_begin(&ev, "a.large");
        outbox_add_text(&ev, "text", str_of(text));
        op = outbox_put(&ev);
        assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    }
    assert_ok(event_log_move(w.r, NULL, ERR_IGNORED));
    r = open_stream(&x);
    buf_init(&got, 4 << 20);
    read_until(r, NULL, &got);
    reader_free(r);
    for (const char *at = buf_text(&got); (at = strstr(at, "event: a.large")); at++)
        n++;
    assert_int_equal(n, 20);
}

static atomic_int asked, asked_before_other;
static atomic_bool opened;

/* The first time it waits until the other is open. */
static bool sees_and_counts(void *ctx, const struct repo_name *repo)
{
    (void)ctx, (void)repo;
    if (atomic_fetch_add(&asked, 1) == 0) {
        while (!atomic_load(&opened))
            (void)!poll(NULL, 0, 1);
    }
    return true;
}

static bool sees_as_other(void *ctx, const struct repo_name *repo)
{
    int none = 0;

    (void)ctx, (void)repo;
    atomic_compare_exchange_strong(&asked_before_other, &none, atomic_load(&asked));
    return true;
}

static void one_that_has_much_to_catch_up_with_holds_up_no_other(void **state)
{
    struct event_stream_wish x = wish(0), y = wish(0);
    AUTO(buf) struct buf got = {0};
    struct reader *r, *other;

    (void)state;
    for (int i = 0; i < 400; i++)
        put("a.one", NULL);
    x.sees = sees_and_counts;
    y.sees = sees_as_other;
    r = open_stream(&x);
    while (atomic_load(&asked) == 0)
        (void)!poll(NULL, 0, 1);
    other = open_stream(&y);
    atomic_store(&opened, true);
    buf_init(&got, 1 << 20);
    read_until(r, NULL, &got);
    read_until(other, NULL, &got);
    reader_free(r);
    reader_free(other);
    assert_int_equal(atomic_load(&asked), 400);
    assert_in_range(atomic_load(&asked_before_other), 1, 200);
}

static size_t frame_bytes(const struct event *event, const char *name)
{
    return (size_t)snprintf(NULL, 0, "id: %llu\nevent: %s\ndata: %s\n\n",
                            (unsigned long long)event->seq, name, event->json);
}

static void put_text(const char *name, size_t bytes)
{
    AUTO(mem) char *text = mem_zero(bytes + 1);
    AUTO(outbox) struct outbox_event ev = {0};
    struct meta_op op;

    memset(text, 'x', bytes);
    outbox_begin(&ev, name);
    outbox_add_text(&ev, "text", str_of(text));
    op = outbox_put(&ev);
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    assert_ok(event_log_move(w.r, NULL, ERR_IGNORED));
}

#define ROOM ((512u << 10) - sizeof("retry: 2000\n\n") + 1)

/* So that what a reader has not read leaves room for hardly anything. Returns how many they are. */
static int put_what_fills_it(void)
{
    AUTO(events) struct event_list l = {0};
    size_t left = ROOM;

    for (int i = 0; i < 8; i++)
        put_text("a.large", LARGE);
    assert_ok(event_log_read(w.meta, 0, 8, &l, ERR_IGNORED));
    for (size_t i = 0; i < 8; i++)
        left -= frame_bytes(&l.rows[i], "a.large");
    left -= frame_bytes(&l.rows[0], "a.large") - LARGE;
    put_text("a.large", left - 20);
    return 9;
}

static void what_was_lost_is_told_to_a_slow_reader_once_there_is_room(void **state)
{
    AUTO(buf) struct buf got = {0};
    struct event_stream_wish x = wish(0);
    struct reader *r;
    int n = put_what_fills_it();

    (void)state;
    put("a.one", NULL);
    put("a.two", NULL);
    x.sees = sees_and_counts;
    atomic_store(&opened, true);
    atomic_store(&asked, 0);
    r = open_stream(&x);
    while (atomic_load(&asked) <= n)
        (void)!poll(NULL, 0, 1);
    assert_ok(event_log_trim(w.r, 1, NULL, ERR_IGNORED));
    (void)!poll(NULL, 0, 100); /* it looks again and again meanwhile */
    buf_init(&got, 4 << 20);
    read_until(r, NULL, &got);
    reader_free(r);
    assert_non_null(strstr(buf_text(&got), "event: events.lost\ndata: {\"from\":10,\"to\":10}"));
    assert_non_null(strstr(buf_text(&got), "event: a.two"));
}

static void there_are_no_more_than_are_allowed(void **state)
{
    struct event_stream_wish x = wish(0);
    struct reader *r, *other;
    struct err e;

    (void)state;
    atomic_store(&w.conf->registry.events_streams, 1);
    x.to_end = false;
    r = open_stream(&x);
    assert_int_equal(event_stream_open(w.r->streams, &x, &other, &e), ERR_TOO_MANY_REQUESTS);
    assert_int_equal(atomic_load(&freed), 1);
    reader_free(r);
    while (event_stream_open(w.r->streams, &x, &r, &e) == ERR_TOO_MANY_REQUESTS)
        (void)!poll(NULL, 0, 5);
    assert_true(atomic_load(&freed) > 1);
    reader_free(r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_to_the_end_has_all_that_is_there),
        TEST(it_has_what_was_asked_for),
        TEST(it_has_what_its_reader_may_see),
        TEST(it_has_who_did_it_where_its_reader_may_know),
        TEST(what_is_not_kept_any_more_is_told_as_lost),
        TEST(one_that_goes_on_has_what_comes),
        TEST(a_slow_reader_misses_nothing),
        TEST(one_that_has_much_to_catch_up_with_holds_up_no_other),
        TEST(what_was_lost_is_told_to_a_slow_reader_once_there_is_room),
        TEST(there_are_no_more_than_are_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
