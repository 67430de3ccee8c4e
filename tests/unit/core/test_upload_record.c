#include "core/upload_record.h"

#include "core/outbox.h"
#include "core/upload_ledger.h"
#include "core/upload_records.h"
#include "support.h"

#include <unistd.h>

/* Records of uploads of archives. */

#define REPO "team/app"

static struct world w;
static struct repo_name repo;

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    repo = repo_of(REPO);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static struct upload_record *opened(const char *user)
{
    const struct upload_start s = {.user = user,
                                   .address = "192.0.2.1",
                                   .request_id = "r1",
                                   .way = "body",
                                   .repo = &repo,
                                   .expected_bytes = 1000};

    return upload_record_open(w.r, &s);
}

static struct uuid ended(const char *user, enum err_code code)
{
    struct upload_record *u = opened(user);
    struct uuid id = *upload_record_id(u);

    upload_record_end(u, code, NULL, NULL);
    return id;
}

static json_t *row_of(const struct uuid *id)
{
    json_t *row = NULL;

    assert_ok(upload_records_get(w.r, id, &row, ERR_IGNORED));
    return row;
}

static void assert_says(const json_t *row, const char *key, const char *text)
{
    assert_string_equal(json_string_value(json_object_get(row, key)), text);
}

static void assert_phase(const struct uuid *id, const char *phase)
{
    AUTO(json) json_t *row = row_of(id);

    assert_says(row, "phase", phase);
}

/* As the database has it, for other processes. */
static bool is_written(const struct uuid *id, struct meta_record *ret)
{
    char key[UPLOAD_KEY_SIZE];

    upload_key(id, key);
    return meta_record_get(w.meta, UPLOAD_RECORDS, str_of(key), ret, ERR_IGNORED) == ERR_OK;
}

/* It is another process's from here on. */
static void put_holder(const struct uuid *id, const struct uuid *holder)
{
    AUTO(record) struct meta_record record = {0};
    struct upload_state s = {.phase = UPLOAD_WAITING};
    AUTO(mem) char *text = NULL;
    char key[UPLOAD_KEY_SIZE];
    struct meta_op op;

    assert_true(is_written(id, &record));
    assert_ok(upload_state_parse(record.value, &s, ERR_IGNORED));
    s.holder = *holder;
    s.phase = UPLOAD_STORING;
    text = upload_state_text(&s);
    upload_state_done(&s);
    upload_key(id, key);
    op = meta_op_record_put(UPLOAD_RECORDS, str_of(key), str_of(text), META_ANY);
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
}

static void an_upload_that_goes_on_says_how_far_it_is(void **state)
{
    struct upload_record *u = opened("user:a");
    AUTO(json) json_t *row = NULL;

    (void)state;
    upload_record_add_received(u, 300);
    upload_record_add_received(u, 100);
    row = row_of(upload_record_id(u));
    assert_says(row, "phase", "receiving");
    assert_says(row, "user", "user:a");
    assert_says(row, "repository", REPO);
    assert_int_equal(json_integer_value(json_object_get(row, "received")), 400);
    assert_int_equal(json_integer_value(json_object_get(row, "expected")), 1000);
    assert_null(json_object_get(row, "holder"));
    upload_record_end(u, ERR_OK, NULL, NULL);
}

/* The thread that writes comes within a second or a few. */
static void wait_until(bool (*there)(void *ctx), void *ctx)
{
    for (int i = 0; i < 6000 && !there(ctx); i++)
        usleep(10000);
    assert_true(there(ctx));
}

static bool others_read_400(void *ctx)
{
    AUTO(record) struct meta_record record = {0};

    return is_written(ctx, &record) && strstr(record.value, "\"received\":400");
}

static void others_read_how_far_it_is(void **state)
{
    struct upload_record *u = opened("user:a");
    struct uuid id = *upload_record_id(u);

    (void)state;
    upload_record_add_received(u, 400);
    wait_until(others_read_400, &id);
    upload_record_end(u, ERR_OK, NULL, NULL);
}

static void an_end_can_be_read_when_it_returns(void **state)
{
    struct uuid id = ended("user:a", ERR_OK);
    AUTO(record) struct meta_record record = {0};

    (void)state;
    assert_true(is_written(&id, &record));
    assert_phase(&id, "done");
}

static void a_refusal_says_why(void **state)
{
    struct upload_record *u = opened("user:a");
    struct uuid id = *upload_record_id(u);
    struct refusal f = {.code = REFUSAL_NONE};
    struct err e = {.code = ERR_OK};
    AUTO(json) json_t *row = NULL;
    const json_t *error;

    (void)state;
    refuse(&f, REFUSAL_CUT, STR("layer.tar"), &e, "it ends at byte %d", 7);
    upload_record_set_phase(u, UPLOAD_VERIFYING);
    upload_record_end(u, e.code, &e, &f);
    row = row_of(&id);
    error = json_object_get(row, "error");
    assert_says(row, "phase", "failed");
    assert_says(row, "failed_in", "verifying");
    assert_says(error, "code", "IMAGE_INVALID");
    assert_says(error, "reason", "CUT");
    assert_says(error, "member", "layer.tar");
    assert_says(error, "wrong", "it ends at byte 7");
    assert_says(error, "expected", refusal_expected(REFUSAL_CUT));
}

static void what_only_the_log_may_say_is_not_recorded(void **state)
{
    struct upload_record *u = opened("user:a");
    struct uuid id = *upload_record_id(u);
    struct err e = {.code = ERR_OK};
    AUTO(json) json_t *row = NULL;

    (void)state;
    err_set(&e, ERR_INTERNAL, "open /var/lib/secret: no");
    upload_record_end(u, e.code, &e, NULL);
    row = row_of(&id);
    assert_says(json_object_get(row, "error"), "message", "internal error");
}

static void a_client_that_goes_cancels_its_upload(void **state)
{
    struct uuid id = ended("user:a", ERR_CLIENT_GONE);

    (void)state;
    assert_phase(&id, "cancelled");
}

static void layers_are_listed_as_they_come(void **state)
{
    struct upload_record *u = opened("user:a");
    struct digest d;
    AUTO(json) json_t *row = NULL;
    const json_t *list;
    size_t layer;

    (void)state;
    digest_of(DIGEST_SHA256, "x", 1, &d);
    layer = upload_record_add_layer(u, NULL, 50);
    upload_record_layer_received(u, layer, 20);
    upload_record_layer_is(u, layer, &d);
    for (size_t i = 1; i < UPLOAD_LAYERS_MAX + 3; i++)
        upload_record_layer_received(u, upload_record_add_layer(u, NULL, 1), 1);
    row = row_of(upload_record_id(u));
    list = json_object_get(row, "layers");
    assert_int_equal(json_array_size(list), UPLOAD_LAYERS_MAX);
    assert_says(json_array_get(list, 0), "digest", d.text);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "received")), 20);
    assert_int_equal(json_integer_value(json_object_get(row, "more_layers")), 3);
    upload_record_end(u, ERR_OK, NULL, NULL);
}

static void what_a_process_that_is_gone_held_is_lost(void **state)
{
    struct uuid id = ended("user:a", ERR_OK), other;
    AUTO(json) json_t *row = NULL;

    (void)state;
    uuid_make(&other);
    put_holder(&id, &other);
    row = row_of(&id);
    assert_says(row, "phase", "lost");
    assert_says(row, "failed_in", "storing");
    assert_true(upload_row_ended(row));
}

static void an_upload_that_was_left_goes_on(void **state)
{
    struct upload_record *u = opened("user:a");
    struct uuid id = *upload_record_id(u);
    AUTO(json) json_t *row = NULL;

    (void)state;
    upload_record_add_received(u, 400);
    upload_record_add_layer(u, NULL, 50);
    upload_record_leave(u, UPLOAD_WAITING);
    assert_phase(&id, "waiting");
    assert_ok(upload_record_resume(w.r, &id, "r2", &u, ERR_IGNORED));
    upload_record_add_received(u, 100);
    row = row_of(&id);
    assert_says(row, "phase", "receiving");
    assert_says(row, "request_id", "r2");
    assert_says(row, "user", "user:a");
    assert_int_equal(json_integer_value(json_object_get(row, "received")), 500);
    assert_int_equal(json_array_size(json_object_get(row, "layers")), 1);
    upload_record_end(u, ERR_OK, NULL, NULL);
}

static void nobody_goes_on_with_what_another_request_is_at(void **state)
{
    struct upload_record *u = opened("user:a"), *again = NULL;
    struct uuid id = *upload_record_id(u);

    (void)state;
    assert_code(ERR_CONFLICT, upload_record_resume(w.r, &id, "r2", &again, ERR_IGNORED));
    upload_record_end(u, ERR_OK, NULL, NULL);
    assert_code(ERR_CONFLICT, upload_record_resume(w.r, &id, "r2", &again, ERR_IGNORED));
}

static void what_a_process_that_is_gone_received_can_go_on(void **state)
{
    struct upload_record *u = opened("user:a");
    struct uuid id = *upload_record_id(u), other;

    (void)state;
    upload_record_leave(u, UPLOAD_WAITING);
    uuid_make(&other);
    put_holder(&id, &other);
    assert_ok(upload_record_resume(w.r, &id, "r2", &u, ERR_IGNORED));
    upload_record_cancel(u, "it is not wanted any more");
    assert_phase(&id, "cancelled");
}

static void a_record_that_is_dropped_is_not_there(void **state)
{
    struct upload_record *u = opened("user:a");
    struct uuid id = *upload_record_id(u);
    json_t *row;

    (void)state;
    assert_ok(upload_record_write(u, ERR_IGNORED));
    upload_record_drop(u);
    assert_code(ERR_NOT_FOUND, upload_records_get(w.r, &id, &row, ERR_IGNORED));
}

static bool is_done(void *ctx)
{
    AUTO(record) struct meta_record record = {0};

    return is_written(ctx, &record) && strstr(record.value, "\"phase\":\"done\"");
}

static void an_end_that_could_not_be_written_is_written_later(void **state)
{
    struct upload_record *u = opened("user:a");
    struct uuid id = *upload_record_id(u);

    (void)state;
    assert_ok(upload_record_write(u, ERR_IGNORED));
    world_fail_meta(&w, 1, ERR_UNAVAILABLE);
    upload_record_end(u, ERR_OK, NULL, NULL);
    assert_phase(&id, "done");
    world_fail_meta(&w, 0, ERR_OK);
    wait_until(is_done, &id);
}

/* ---- what the outbox tells */

static size_t events(struct meta_record_list *ret)
{
    meta_record_list_done(ret);
    assert_ok(meta_records(w.meta, OUTBOX, STR(""), 10, ret, ERR_IGNORED));
    return ret->n;
}

/* There is no other. */
static json_t *only_event(void)
{
    AUTO(records) struct meta_record_list l = {0};
    json_t *j;

    assert_int_equal(events(&l), 1);
    j = json_loads(l.rows[0].value, 0, NULL);
    assert_non_null(j);
    assert_says(j, "event", "upload.ended");
    return j;
}

static void the_outbox_tells_what_was_stored(void **state)
{
    struct upload_record *u = opened("user:a");
    struct uuid id = *upload_record_id(u);
    struct tag_name tag;
    struct digest d;
    AUTO(json) json_t *event = NULL;
    const json_t *image;

    (void)state;
    digest_of(DIGEST_SHA256, "x", 1, &d);
    assert_ok(tag_name_parse(STR("v1"), &tag, ERR_IGNORED));
    upload_record_add_image(u, &repo, &d, &tag, 1);
    upload_record_end(u, ERR_OK, NULL, NULL);
    event = only_event();
    image = json_array_get(json_object_get(event, "images"), 0);
    assert_says(event, "upload", id.text);
    assert_says(event, "result", "done");
    assert_says(event, "user", "user:a");
    assert_says(event, "request_id", "r1");
    assert_says(event, "repository", REPO);
    assert_says(image, "repository", REPO);
    assert_says(image, "digest", d.text);
    assert_string_equal(json_string_value(json_array_get(json_object_get(image, "tags"), 0)), "v1");
    assert_null(json_object_get(event, "error"));
}

static void the_outbox_tells_why_one_was_refused(void **state)
{
    struct upload_record *u = opened("user:a");
    struct refusal f = {.code = REFUSAL_NONE};
    struct err e = {.code = ERR_OK};
    AUTO(json) json_t *event = NULL;

    (void)state;
    refuse(&f, REFUSAL_CUT, STR("layer.tar"), &e, "it ends at byte %d", 7);
    upload_record_end(u, e.code, &e, &f);
    event = only_event();
    assert_says(event, "result", "failed");
    assert_says(event, "failed_in", "receiving");
    assert_says(json_object_get(event, "error"), "member", "layer.tar");
    assert_null(json_object_get(event, "images"));
}

static void an_event_of_very_many_images_says_how_many_more_there_are(void **state)
{
    struct upload_record *u = opened("user:a");
    struct tag_name tags[40];
    struct digest d;
    AUTO(json) json_t *event = NULL;

    (void)state;
    digest_of(DIGEST_SHA256, "x", 1, &d);
    for (size_t i = 0; i < 40; i++)
        assert_ok(
            tag_name_parse(STR("a-tag-of-an-image-that-has-many-of-them"), &tags[i], ERR_IGNORED));
    for (size_t i = 0; i < 200; i++)
        upload_record_add_image(u, &repo, &d, tags, 40);
    upload_record_end(u, ERR_OK, NULL, NULL);
    event = only_event();
    assert_int_equal(json_array_size(json_object_get(event, "images")) +
                         (size_t)json_integer_value(json_object_get(event, "more_images")),
                     200);
}

static void nothing_is_told_of_an_upload_that_goes_on(void **state)
{
    AUTO(records) struct meta_record_list l = {0};
    struct upload_record *u = opened("user:a");

    (void)state;
    upload_record_leave(u, UPLOAD_WAITING);
    u = opened("user:a");
    assert_ok(upload_record_write(u, ERR_IGNORED));
    assert_int_equal(events(&l), 0);
    upload_record_drop(u);
    assert_int_equal(events(&l), 0);
}

static bool an_event_is_there(void *ctx)
{
    return events(ctx) == 1;
}

static void an_end_that_is_written_later_is_told_with_it(void **state)
{
    AUTO(records) struct meta_record_list l = {0};
    struct upload_record *u = opened("user:a");

    (void)state;
    assert_ok(upload_record_write(u, ERR_IGNORED));
    world_fail_meta(&w, 1, ERR_UNAVAILABLE);
    upload_record_end(u, ERR_OK, NULL, NULL);
    world_fail_meta(&w, 0, ERR_OK);
    wait_until(an_event_is_there, &l);
}

static const char *_Atomic ending; /* the identifier of an upload, until its end is known */

static bool is_ending(void *ctx)
{
    AUTO(mem) char *text = NULL;
    struct uuid id;

    (void)ctx;
    assert_true(uuid_parse(str_of(ending), &id));
    text = ledger_text(w.r->ledger, &id);
    return text && strstr(text, "\"done\"");
}

/* The thread that writes what has changed is held until the upload has ended. */
static enum err_code commit(struct meta *m, const struct meta_op *ops, size_t n_ops, unsigned flags,
                            size_t *ret_failed, struct err *e)
{
    if (ending) {
        wait_until(is_ending, NULL);
        ending = NULL;
    }
    return meta_commit(m->inner, ops, n_ops, flags, ret_failed, e);
}

static bool is_held(void *ctx)
{
    struct upload_record *u = ctx;
    bool writing;

    ledger_lock(w.r->ledger);
    writing = u->writing;
    ledger_unlock(w.r->ledger);
    return writing;
}

static void an_end_while_it_is_written_is_told(void **state)
{
    AUTO(json) json_t *event = NULL;
    struct upload_record *u = opened("user:a");

    (void)state;
    ending = upload_record_id(u)->text;
    world_patch_meta(&w)->commit = commit;
    upload_record_add_received(u, 1);
    wait_until(is_held, u);
    upload_record_end(u, ERR_OK, NULL, NULL);
    event = only_event();
    assert_says(event, "result", "done");
}

/* One that another process received, which is gone. */
static struct uuid held_elsewhere(const char *way)
{
    struct upload_start s = {.user = "user:a", .way = way, .expected_bytes = 1000};
    struct upload_record *u = upload_record_open(w.r, &s);
    struct uuid id = *upload_record_id(u), other;

    upload_record_leave(u, UPLOAD_WAITING);
    uuid_make(&other);
    put_holder(&id, &other);
    return id;
}

static void what_is_lost_is_told_once(void **state)
{
    struct uuid id = held_elsewhere("body");
    AUTO(json) json_t *event = NULL, *row = NULL;

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_ok(upload_records_end_lost(w.r, NULL, NULL, ERR_IGNORED));
    event = only_event();
    assert_says(event, "upload", id.text);
    assert_says(event, "result", "lost");
    assert_says(event, "failed_in", "storing");
    row = row_of(&id);
    assert_says(row, "phase", "lost");
    assert_says(row, "failed_in", "storing");
}

static void a_session_that_somebody_may_go_on_with_is_not_told_of_as_lost(void **state)
{
    AUTO(records) struct meta_record_list l = {0};
    struct uuid id = held_elsewhere("session");
    struct upload_record *u;

    (void)state;
    assert_ok(upload_records_end_lost(w.r, NULL, NULL, ERR_IGNORED));
    assert_int_equal(events(&l), 0);
    assert_ok(upload_record_resume(w.r, &id, "r2", &u, ERR_IGNORED));
    upload_record_end(u, ERR_OK, NULL, NULL);
    assert_int_equal(events(&l), 1);
}

static void assert_list(const struct upload_filter *f, size_t n)
{
    AUTO(upload_page) struct upload_page p = {.n = 0};

    assert_ok(upload_records_list(w.r, f, NULL, 100, &p, ERR_IGNORED));
    assert_int_equal(p.n, n);
    assert_false(p.more);
}

static void uploads_are_listed_by_what_is_asked_for(void **state)
{
    struct upload_record *u;

    (void)state;
    ended("user:a", ERR_OK);
    ended("user:a", ERR_IMAGE_INVALID);
    ended("user:b", ERR_OK);
    u = opened("user:b");
    assert_ok(upload_record_write(u, ERR_IGNORED));
    assert_list(&(struct upload_filter){.user = NULL}, 4);
    assert_list(&(struct upload_filter){.user = "user:a"}, 2);
    assert_list(&(struct upload_filter){.result = "failed"}, 1);
    assert_list(&(struct upload_filter){.result = "running"}, 1);
    assert_list(&(struct upload_filter){.repository = REPO, .result = "done"}, 2);
    assert_list(&(struct upload_filter){.repository = "team/other"}, 0);
    upload_record_end(u, ERR_OK, NULL, NULL);
}

static void pages_go_from_the_newest_to_the_oldest(void **state)
{
    struct uuid ids[3];
    AUTO(upload_page) struct upload_page p = {.n = 0}, next = {.n = 0};
    const struct upload_filter all = {.user = NULL};
    int64_t times[] = {1000, 2000, 3000};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char key[UPLOAD_KEY_SIZE];
        AUTO(buf) struct buf text = {0};
        struct meta_op op;

        buf_init(&text, 256);
        uuid_make_timed(times[i], &ids[i]);
        upload_key(&ids[i], key);
        buf_addf(&text, "{\"id\":\"%s\",\"phase\":\"done\"}", ids[i].text);
        op = meta_op_record_put(UPLOAD_RECORDS, str_of(key), buf_str(&text), META_ANY);
        assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    }
    assert_ok(upload_records_list(w.r, &all, NULL, 2, &p, ERR_IGNORED));
    assert_true(p.more);
    assert_says(p.rows[0], "id", ids[2].text);
    assert_says(p.rows[1], "id", ids[1].text);
    assert_ok(upload_records_list(w.r, &all, &p.last, 2, &next, ERR_IGNORED));
    assert_int_equal(next.n, 1);
    assert_false(next.more);
    assert_says(next.rows[0], "id", ids[0].text);
}

static void what_has_not_changed_for_long_is_forgotten(void **state)
{
    struct uuid old = ended("user:a", ERR_OK), other;
    struct upload_record *u = opened("user:a");
    json_t *row = NULL;

    (void)state;
    assert_ok(upload_record_write(u, ERR_IGNORED));
    assert_ok(upload_records_prune(w.r, INT64_C(1) << 45, NULL, NULL, ERR_IGNORED));
    assert_code(ERR_NOT_FOUND, upload_records_get(w.r, &old, &row, ERR_IGNORED));
    assert_phase(upload_record_id(u), "receiving");
    other = ended("user:a", ERR_OK);
    assert_ok(upload_records_prune(w.r, 1000, NULL, NULL, ERR_IGNORED));
    assert_phase(&other, "done");
    upload_record_end(u, ERR_OK, NULL, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_upload_that_goes_on_says_how_far_it_is),
        TEST(others_read_how_far_it_is),
        TEST(an_end_can_be_read_when_it_returns),
        TEST(a_refusal_says_why),
        TEST(what_only_the_log_may_say_is_not_recorded),
        TEST(a_client_that_goes_cancels_its_upload),
        TEST(layers_are_listed_as_they_come),
        TEST(what_a_process_that_is_gone_held_is_lost),
        TEST(an_upload_that_was_left_goes_on),
        TEST(nobody_goes_on_with_what_another_request_is_at),
        TEST(what_a_process_that_is_gone_received_can_go_on),
        TEST(a_record_that_is_dropped_is_not_there),
        TEST(an_end_that_could_not_be_written_is_written_later),
        TEST(the_outbox_tells_what_was_stored),
        TEST(the_outbox_tells_why_one_was_refused),
        TEST(an_event_of_very_many_images_says_how_many_more_there_are),
        TEST(nothing_is_told_of_an_upload_that_goes_on),
        TEST(an_end_that_is_written_later_is_told_with_it),
        TEST(an_end_while_it_is_written_is_told),
        TEST(what_is_lost_is_told_once),
        TEST(a_session_that_somebody_may_go_on_with_is_not_told_of_as_lost),
        TEST(uploads_are_listed_by_what_is_asked_for),
        TEST(pages_go_from_the_newest_to_the_oldest),
        TEST(what_has_not_changed_for_long_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
