/* Runs of a target's job, with a sender of the test's own: what is answered to each event, by a
 * member "answer" of it. */
#include "notify/delivery.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "core/event_log.h"
#include "core/outbox.h"
#include "notify/dead_letter.h"
#include "notify/notify.h"
#include "notify/progress.h"
#include "notify/target_sender.h"
#include "unit/core/support.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define KIND     "test"
#define SENT_MAX 600

static struct world w;
static struct err e;
static struct conf_webhook webhook;
static struct target target;
static const struct format_source source = {.uri = "/r"};
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned runs; /* that ended; under the mutex */
static enum err_code run_code;

static struct {
    struct parcel *way[64]; /* the first goes in first, and comes out last */
    size_t n_way, most;
    size_t room;
    char names[SENT_MAX][32]; /* of all that were sent */
    size_t n;
    uint64_t told;     /* when the last was sent: of its addresses */
    uint64_t tell;     /* of those of one that fails */
    bool mended;       /* everything is delivered */
    const char *mends; /* from the event of that name on */
    const char *halts; /* once this event is on its way the job is not to go on, for that once */
    bool halted;
} fake;

enum err_code __wrap_sender_new(const struct target *t, const struct format_source *s,
                                struct sender **ret, struct err *error);
void __wrap_sender_free(struct sender *s);
bool __wrap_sender_can_tell(const struct sender *s, const struct notice *n);
bool __wrap_sender_has_room(const struct sender *s);
bool __wrap_sender_is_idle(const struct sender *s);
void __wrap_sender_start(struct sender *s, struct parcel *p);
struct parcel *__wrap_sender_next(struct sender *s, int64_t ms);
void __wrap_sender_cut(struct sender *s);
void __wrap_sender_ask(struct sender *s, bool (*go_on)(void *ctx), void *ctx);
bool __real_job_go_on(const struct jobs *j, const struct job *job);
bool __wrap_job_go_on(const struct jobs *j, const struct job *job);

enum err_code __wrap_sender_new(const struct target *t, const struct format_source *s,
                                struct sender **ret, struct err *error)
{
    (void)t, (void)s, (void)error;
    *ret = NULL;
    return ERR_OK;
}

void __wrap_sender_free(struct sender *s)
{
    (void)s;
}

bool __wrap_sender_can_tell(const struct sender *s, const struct notice *n)
{
    (void)s;
    return strcmp(notice_text(n, "answer"), "no words") != 0;
}

bool __wrap_sender_has_room(const struct sender *s)
{
    (void)s;
    return fake.n_way < fake.room;
}

bool __wrap_sender_is_idle(const struct sender *s)
{
    (void)s;
    return fake.n_way == 0;
}

void __wrap_sender_start(struct sender *s, struct parcel *p)
{
    (void)s;
    snprintf(fake.names[fake.n++ % SENT_MAX], sizeof(fake.names[0]), "%s",
             notice_text(&p->notice, "name"));
    fake.way[fake.n_way++] = p;
    if (fake.n_way > fake.most)
        fake.most = fake.n_way;
}

static enum sender_result result_of(int status)
{
    if (status >= 200 && status < 400)
        return SENDER_DELIVERED;
    return status >= 400 && status < 500 && status != 403 ? SENDER_REFUSED : SENDER_DOWN;
}

struct parcel *__wrap_sender_next(struct sender *s, int64_t ms)
{
    struct parcel *p = fake.n_way > 0 ? fake.way[--fake.n_way] : NULL;
    const char *answer = p ? notice_text(&p->notice, "answer") : "";

    (void)s, (void)ms;
    if (!p)
        return NULL;
    if (fake.mends && strcmp(notice_text(&p->notice, "name"), fake.mends) == 0)
        fake.mended = true;
    p->status = fake.mended || !answer[0] ? 200 : atoi(answer);
    p->result = result_of(p->status);
    fake.told = p->told;
    if (p->result == SENDER_DOWN)
        p->told |= fake.tell;
    p->retry_after_s = p->status == 503 ? 100 : 0;
    snprintf(p->why, sizeof(p->why), "status %d", p->status);
    return p;
}

void __wrap_sender_cut(struct sender *s)
{
    (void)s;
    fake.n_way = 0;
}

void __wrap_sender_ask(struct sender *s, bool (*go_on)(void *ctx), void *ctx)
{
    (void)s, (void)go_on, (void)ctx;
}

static bool is_on_its_way(const char *name)
{
    for (size_t i = 0; i < fake.n_way; i++) {
        if (strcmp(notice_text(&fake.way[i]->notice, "name"), name) == 0)
            return true;
    }
    return false;
}

bool __wrap_job_go_on(const struct jobs *j, const struct job *job)
{
    if (fake.halts && !fake.halted && is_on_its_way(fake.halts)) {
        fake.halted = true;
        return false;
    }
    return __real_job_go_on(j, job);
}

static struct progress progress(void)
{
    struct err error;
    struct progress p;

    assert_ok(progress_read(w.meta, target.key, &p, &error));
    return p;
}

static enum err_code run(void *ctx, struct job *job, struct err *error)
{
    const struct delivery d = {.registry = w.r,
                               .target = &target,
                               .source = &source,
                               .job = job,
                               .again = progress().failures > 0};
    enum err_code code = delivery_run(&d, error);

    (void)ctx;
    pthread_mutex_lock(&mutex);
    run_code = code;
    runs++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    return ERR_OK;
}

static int set_up(void **state)
{
    const struct job_kind kind = {.name = KIND, .run = run};

    (void)state;
    world_in_memory(&w);
    world_add_jobs(&w);
    jobs_kind_add(w.r->jobs, &kind);
    assert_ok(jobs_start(w.r->jobs, &e));
    memset(&fake, 0, sizeof(fake));
    fake.room = 4;
    webhook =
        (struct conf_webhook){.name = (char *)"hook", .retry_for_ms = 1000000, .dead_letters = 5};
    target_of_webhook(&webhook, &target);
    assert_ok(progress_begin(w.meta, target.key, 0, &e));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static void event(const char *repository, const char *name, const char *answer)
{
    AUTO(outbox) struct outbox_event ev = {0};
    struct meta_op op;

    outbox_begin(&ev, "manifest.pushed");
    outbox_add_text(&ev, "repository", str_of(repository));
    outbox_add_text(&ev, "name", str_of(name));
    outbox_add_text(&ev, "answer", str_of(answer));
    op = outbox_put(&ev);
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, &e));
    assert_ok(event_log_move(w.r, NULL, &e));
}

static enum err_code deliver_once(void)
{
    unsigned before;

    pthread_mutex_lock(&mutex);
    before = runs;
    pthread_mutex_unlock(&mutex);
    assert_ok(jobs_add(w.r->jobs, KIND, str_of(target.key), &e));
    pthread_mutex_lock(&mutex);
    while (runs == before)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    return run_code;
}

static void deliver(void)
{
    assert_ok(deliver_once());
}

/* As if the time had come. */
static void deliver_again(void)
{
    struct progress p = progress();
    AUTO(mem) char *text = NULL;
    struct meta_op op;

    p.next_ms = 0;
    op = progress_put(target.key, &p, &text);
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, &e));
    deliver();
}

/* In the order in which they were sent: "a1 b1 a2". */
static void assert_sent(const char *names)
{
    AUTO(buf) struct buf b = {0};

    buf_init(&b, 4096);
    for (size_t i = 0; i < fake.n; i++)
        buf_addf(&b, "%s%s", i ? " " : "", fake.names[i]);
    assert_string_equal(buf_text(&b), names);
    fake.n = 0;
}

static size_t letters(void)
{
    AUTO(records) struct meta_record_list l = {0};

    assert_ok(dead_letter_list(w.meta, target.key, 0, 100, &l, &e));
    return l.n;
}

static void events_of_one_repository_go_one_after_the_other(void **state)
{
    (void)state;
    event("a", "a1", "");
    event("a", "a2", "");
    event("b", "b1", "");
    deliver();
    assert_int_equal(fake.most, 2);
    assert_int_equal(progress().cursor, 3);
    assert_int_equal(progress().delivered, 3);
    assert_true(strcmp(fake.names[0], "a1") == 0);
}

static void what_nobody_wants_is_passed(void **state)
{
    (void)state;
    event("a", "a1", "no words");
    deliver();
    assert_sent("");
    assert_int_equal(progress().cursor, 1);
}

static void a_target_that_is_down_is_tried_later_from_where_it_was(void **state)
{
    (void)state;
    event("a", "a1", "");
    event("a", "a2", "503"); /* which wants it to be later than any machine makes it */
    event("a", "a3", "");
    deliver();
    assert_sent("a1 a2");
    assert_int_equal(progress().cursor, 1);
    assert_int_equal(progress().failures, 1);
    deliver(); /* it is too early */
    assert_sent("");
    fake.mended = true;
    deliver_again();
    assert_sent("a2 a3");
    assert_int_equal(progress().failures, 0);
}

static void it_is_not_tried_before_it_wants_to_be(void **state)
{
    int64_t next_ms;

    (void)state;
    event("a", "a1", "503");
    deliver();
    next_ms = progress().next_ms - progress().failing_ms;
    assert_int_equal(next_ms, 100 * 1000);
}

static void what_is_refused_becomes_a_dead_letter(void **state)
{
    (void)state;
    event("a", "a1", "422");
    event("a", "a2", "");
    deliver();
    assert_sent("a1 a2");
    assert_int_equal(letters(), 1);
    assert_int_equal(progress().dead, 1);
    assert_int_equal(progress().failures, 0);
}

static void the_oldest_dead_letters_go(void **state)
{
    AUTO(record) struct meta_record gone = {0};
    char name[8];

    (void)state;
    for (int i = 1; i <= 8; i++) {
        snprintf(name, sizeof(name), "a%d", i);
        event("a", name, "400");
    }
    deliver();
    assert_int_equal(letters(), 5);
    assert_code(ERR_NOT_FOUND, dead_letter_get(w.meta, target.key, 3, &gone, &e));
}

static void what_breaks_it_alone_again_and_again_becomes_a_dead_letter(void **state)
{
    (void)state;
    event("a", "a1", "500");
    event("a", "a2", "");
    deliver();
    for (int i = 0; i < 3; i++)
        deliver_again();
    assert_sent("a1 a1 a1 a1");
    assert_int_equal(letters(), 0);
    deliver_again();
    assert_sent("a1 a2");
    assert_int_equal(letters(), 1);
    assert_int_equal(progress().cursor, 2);
    assert_int_equal(progress().failures, 0);
}

static void what_breaks_with_all_others_waits(void **state)
{
    (void)state;
    event("a", "a1", "500");
    event("a", "a2", "500");
    deliver();
    for (int i = 0; i < 6; i++)
        deliver_again();
    assert_int_equal(letters(), 0);
    assert_int_equal(progress().cursor, 0);
    assert_int_equal(progress().failures, 7);
    fake.mended = true;
    fake.n = 0;
    deliver_again();
    assert_sent("a1 a2");
}

static void one_that_breaks_it_with_nothing_behind_it_waits(void **state)
{
    (void)state;
    event("a", "a1", "500");
    deliver();
    for (int i = 0; i < 6; i++)
        deliver_again();
    assert_int_equal(letters(), 0);
    assert_int_equal(progress().failures, 7);
}

static void one_that_never_passes_holds_up_nobody_for_good(const char *answer)
{
    event("a", "a1", answer);
    event("b", "b1", "");
    event("c", "c1", "");
    deliver();
    for (int i = 0; i < 4; i++)
        deliver_again();
    assert_sent("a1 b1 c1 a1 a1 a1 a1");
    assert_int_equal(progress().failures, 5);
    assert_int_equal(progress().delivered, 2);
    event("d", "d1", "");
    deliver_again();
    assert_sent("a1 d1 a1");
    assert_int_equal(letters(), 1);
    assert_int_equal(progress().cursor, 4);
    assert_int_equal(progress().delivered, 3);
    assert_int_equal(progress().failures, 0);
}

static void an_event_that_is_never_answered_becomes_a_dead_letter(void **state)
{
    (void)state;
    one_that_never_passes_holds_up_nobody_for_good("0");
}

static void an_event_that_alone_is_forbidden_becomes_a_dead_letter(void **state)
{
    (void)state;
    one_that_never_passes_holds_up_nobody_for_good("403");
}

static void an_event_that_passes_once_another_has_is_no_dead_letter(void **state)
{
    (void)state;
    event("a", "a1", "500");
    event("a", "a2", "");
    event("b", "b1", "500");
    deliver();
    for (int i = 0; i < 3; i++)
        deliver_again();
    fake.n = 0;
    fake.mends = "b1";
    deliver_again();
    assert_sent("a1 b1 a1 a2");
    assert_int_equal(letters(), 0);
    assert_int_equal(progress().cursor, 3);
}

static void who_was_told_is_remembered_while_others_are_not(void **state)
{
    (void)state;
    fake.tell = 5;
    event("a", "a1", "500");
    deliver();
    assert_int_equal(fake.told, 0);
    deliver_again();
    assert_int_equal(fake.told, 5);
    fake.mended = true;
    event("a", "a2", "");
    deliver_again();
    assert_int_equal(fake.told, 0);
    assert_int_equal(progress().told, 0);
}

static void what_only_some_take_holds_up_the_rest_for_some_tries(void **state)
{
    (void)state;
    fake.tell = 5;
    event("a", "a1", "500");
    for (int i = 0; i < 4; i++)
        deliver_again();
    assert_int_equal(letters(), 0);
    deliver_again();
    assert_int_equal(letters(), 1);
    assert_int_equal(progress().cursor, 1);
}

static void another_event_is_tried_in_its_place_each_time(void **state)
{
    (void)state;
    event("a", "a1", "500");
    event("b", "b1", "500");
    event("c", "c1", "500");
    deliver();
    for (int i = 0; i < 3; i++)
        deliver_again();
    fake.n = 0;
    deliver_again();
    deliver_again();
    assert_sent("a1 b1 a1 c1");
}

static void no_other_is_tried_before_the_receiver_wants_to_be_asked(void **state)
{
    (void)state;
    event("a", "a1", "503");
    for (int i = 0; i < 6; i++)
        deliver_again();
    event("b", "b1", "");
    deliver_again();
    assert_sent("a1 a1 a1 a1 a1 a1 a1");
}

static void of_two_that_fail_the_first_is_tried_again(void **state)
{
    (void)state;
    event("a", "a1", "500");
    event("b", "b1", "500");
    deliver(); /* the answer to b1 comes first */
    assert_int_equal(progress().stuck, 1);
    deliver_again();
    assert_int_equal(progress().stuck, 1);
    assert_int_equal(progress().stuck_n, 2);
}

/* Not before the first run has ended, however long that takes. */
static void wait_until_old(void)
{
    target.retry_for_ms = 1;
    assert_int_equal(job_rest(w.r->jobs, NULL, 5), true);
}

static void what_fails_alone_for_too_long_is_given_up(void **state)
{
    (void)state;
    event("a", "a1", "500");
    event("b", "b1", "");
    deliver();
    wait_until_old();
    deliver_again();
    assert_sent("a1 b1 a1");
    assert_int_equal(letters(), 1);
    assert_int_equal(progress().cursor, 2);
}

static void all_that_is_too_old_is_given_up_in_one_run(void **state)
{
    (void)state;
    for (int i = 0; i < EVENT_LOG_PAGE + 1; i++)
        event("a", "a", "500");
    deliver();
    wait_until_old();
    deliver_again();
    assert_sent("a a");
    assert_int_equal(progress().dead, EVENT_LOG_PAGE + 1);
    assert_int_equal(progress().cursor, EVENT_LOG_PAGE + 1);
}

static void what_could_not_be_told_for_too_long_is_given_up(void **state)
{
    (void)state;
    event("a", "a1", "500");
    event("a", "a2", "500");
    deliver();
    assert_int_equal(letters(), 0);
    wait_until_old();
    deliver_again();
    assert_int_equal(letters(), 2);
    assert_int_equal(progress().cursor, 2);
}

static void a_run_that_is_not_to_go_on_ends_though_it_might_again(void **state)
{
    (void)state;
    event("a", "a1", "");
    event("b", "b1", "");
    event("a", "a2", "");
    fake.halts = "a1"; /* the answer to b1 comes first */
    assert_code(ERR_LATER, deliver_once());
    assert_int_equal(fake.n_way, 0);
    assert_sent("a1 b1");
    assert_int_equal(progress().cursor, 0);
    deliver();
    assert_sent("a1 a2");
    assert_int_equal(progress().cursor, 3);
}

static uint64_t oldest_in_the_log(void)
{
    uint64_t first, last;

    assert_ok(event_log_tidy(w.r, &e));
    assert_ok(event_log_bounds(w.meta, &first, &last, &e));
    return first;
}

static void what_a_target_was_not_told_stays_in_the_log(void **state)
{
    struct notify *n;

    (void)state;
    w.conf->webhooks = (struct conf_webhooks){.items = &webhook, .n = 1};
    n = notify_new(w.r, w.conf);
    w.conf->webhooks = (struct conf_webhooks){.n = 0};
    atomic_store(&w.conf->registry.outbox_keep, 1);
    for (int i = 0; i < 5; i++)
        event("a", "a", "");
    assert_int_equal(oldest_in_the_log(), 1);
    deliver();
    assert_int_equal(oldest_in_the_log(), 5);
    notify_free(n);
}

static void a_record_that_is_broken_holds_up_no_other_target(void **state)
{
    struct conf_webhook hooks[] = {{.name = (char *)"broken"}, webhook};
    struct meta_op op =
        meta_op_record_put(PROGRESS_TARGETS, STR("webhook.broken"), STR("no JSON"), META_ANY);
    struct notify *n;

    (void)state;
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, &e));
    w.conf->webhooks = (struct conf_webhooks){.items = hooks, .n = 2};
    n = notify_new(w.r, w.conf);
    w.conf->webhooks = (struct conf_webhooks){.n = 0};
    assert_ok(notify_start(n, &e));
    event("a", "a1", "");
    for (int i = 0; i < 6000 && progress().delivered == 0; i++)
        (void)!poll(NULL, 0, 10);
    assert_int_equal(progress().delivered, 1);
    jobs_stop(w.r->jobs);
    notify_free(n);
}

static void events_that_are_gone_are_counted(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        event("a", "a", "");
    assert_ok(event_log_trim(w.r, 2, NULL, &e));
    deliver();
    assert_int_equal(progress().lost, 3);
    assert_int_equal(progress().delivered, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(events_of_one_repository_go_one_after_the_other),
        TEST(what_nobody_wants_is_passed),
        TEST(a_target_that_is_down_is_tried_later_from_where_it_was),
        TEST(it_is_not_tried_before_it_wants_to_be),
        TEST(what_is_refused_becomes_a_dead_letter),
        TEST(the_oldest_dead_letters_go),
        TEST(what_breaks_it_alone_again_and_again_becomes_a_dead_letter),
        TEST(what_breaks_with_all_others_waits),
        TEST(one_that_breaks_it_with_nothing_behind_it_waits),
        TEST(an_event_that_is_never_answered_becomes_a_dead_letter),
        TEST(an_event_that_alone_is_forbidden_becomes_a_dead_letter),
        TEST(an_event_that_passes_once_another_has_is_no_dead_letter),
        TEST(who_was_told_is_remembered_while_others_are_not),
        TEST(what_only_some_take_holds_up_the_rest_for_some_tries),
        TEST(another_event_is_tried_in_its_place_each_time),
        TEST(no_other_is_tried_before_the_receiver_wants_to_be_asked),
        TEST(of_two_that_fail_the_first_is_tried_again),
        TEST(what_fails_alone_for_too_long_is_given_up),
        TEST(all_that_is_too_old_is_given_up_in_one_run),
        TEST(what_could_not_be_told_for_too_long_is_given_up),
        TEST(a_run_that_is_not_to_go_on_ends_though_it_might_again),
        TEST(what_a_target_was_not_told_stays_in_the_log),
        TEST(a_record_that_is_broken_holds_up_no_other_target),
        TEST(events_that_are_gone_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
