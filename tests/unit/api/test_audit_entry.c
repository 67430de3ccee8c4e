#include "api/audit_entry.h"

#include "api/route.h"
#include "guarded.h"

#include <stdio.h>

/* Requests as entries of the audit trail. */

#define D "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct server s;

static int set_up(void **state)
{
    (void)state;
    guarded_init(&s);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    guarded_done(&s);
    return 0;
}

/* The trail from now on: "actor action target address result repository", a line each, newest
 * first. */
static const char *trail(void)
{
    static char text[65536];
    struct meta_audit_list l = {0};
    size_t n = 0;

    guarded_end_audit(&s);
    assert_ok(meta_audit(s.w.meta, &(struct meta_audit_filter){.actor = STR_NONE}, 1000, &l,
                         ERR_IGNORED));
    text[0] = '\0';
    for (size_t i = 0; i < l.n; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %s %s %s %s %s\n", l.rows[i].actor,
                              l.rows[i].action, l.rows[i].target, l.rows[i].address,
                              l.rows[i].result, l.rows[i].repository);
    meta_audit_list_done(&l);
    return text;
}

static void a_target_is_what_the_path_names(void **state)
{
    static const struct {
        const char *line, *target, *repository;
    } rows[] = {
        {"PUT /v2/dev/app/manifests/v1", "dev/app:v1", "dev/app"},
        {"PUT /v2/dev/app/manifests/" D, "dev/app@" D, "dev/app"},
        {"DELETE /v2/dev/app/blobs/" D, "dev/app@" D, "dev/app"},
        {"GET /v2/dev/app/tags/list", "dev/app", "dev/app"},
        {"GET /v2/", "", ""},
    };
    char wanted[4096] = "";

    (void)state;
    for (size_t i = sizeof(rows) / sizeof(rows[0]); i-- > 0;)
        snprintf(wanted + strlen(wanted), sizeof(wanted) - strlen(wanted),
                 "anonymous push %s 10.1.2.3 ok %s\n", rows[i].target, rows[i].repository);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct call c;

        call_init(&c, &s, &(struct request){.line = rows[i].line, .peer = "10.1.2.3"});
        assert_ok(route_request(&c.q, ERR_IGNORED));
        audit_request(&c.q, "push", "ok", "");
        call_done(&c);
    }
    assert_string_equal(trail(), wanted);
}

static void a_handler_may_name_the_target(void **state)
{
    struct call c;

    (void)state;
    call_init(&c, &s, &(struct request){.line = "POST /api/v1/users"});
    assert_ok(route_request(&c.q, ERR_IGNORED));
    snprintf(c.q.target, sizeof(c.q.target), "user:bob");
    snprintf(c.q.identity, sizeof(c.q.identity), "user:root");
    assert_ok(audit_deed_begin(&c.q, ERR_IGNORED));
    audit_deed_end(&c.q, "ok");
    call_done(&c);
    assert_string_equal(trail(), "user:root user add user:bob 127.0.0.1 ok \n");
}

static void what_was_not_done_leaves_no_entry(void **state)
{
    struct call c;

    (void)state;
    call_init(&c, &s, &(struct request){.line = "POST /api/v1/users"});
    assert_ok(route_request(&c.q, ERR_IGNORED));
    assert_ok(audit_deed_begin(&c.q, ERR_IGNORED));
    audit_deed_cancel(&c.q);
    call_done(&c);
    assert_string_equal(trail(), "");
}

static void who_tried_to_sign_in_is_told_by_name(void **state)
{
    char name[300];
    struct call c;

    (void)state;
    memset(name, 'n', sizeof(name));
    call_init(&c, &s, &(struct request){.line = "GET /v2/"});
    assert_ok(route_request(&c.q, ERR_IGNORED));
    audit_sign_in(&c.q, STR("bob"), "ok");
    audit_sign_in(&c.q, STR_NONE, "failed");
    audit_sign_in(&c.q, (struct str){name, sizeof(name)}, "failed");
    call_done(&c);
    name[127] = '\0';
    {
        char wanted[1024];

        snprintf(wanted, sizeof(wanted),
                 "user:%s sign-in  127.0.0.1 failed \n"
                 "token sign-in  127.0.0.1 failed \n"
                 "user:bob sign-in  127.0.0.1 ok \n",
                 name);
        assert_string_equal(trail(), wanted);
    }
}

/* The bucket has a hundred; a second of it may come back meanwhile. */
static void failed_sign_ins_of_one_address_do_not_fill_the_trail(void **state)
{
    size_t lines = 0;
    struct call c;

    (void)state;
    call_init(&c, &s, &(struct request){.line = "GET /v2/"});
    assert_ok(route_request(&c.q, ERR_IGNORED));
    for (int i = 0; i < 300; i++)
        audit_sign_in(&c.q, STR("mallory"), "failed");
    audit_sign_in(&c.q, STR("alice"), "ok");
    call_done(&c);
    for (const char *at = trail(); *at; at++)
        lines += *at == '\n';
    assert_in_range(lines, 101, 200);
}

/* A request that is served tells of itself, whatever came of it. */
static void a_route_that_is_recorded_tells_what_came_of_it(void **state)
{
    static const struct step steps[] = {
        {"refused", "DELETE /api/v1/users/alice", ALICE, NULL, 403, "DENIED"},
        {"failed", "DELETE /api/v1/users/bob", ROOT, NULL, 404, "UNSUPPORTED"},
        {"done", "DELETE /api/v1/users/alice", ROOT, NULL, 204, NULL},
    };
    const char *told;

    (void)state;
    TELL(&s, steps);
    told = trail();
    assert_non_null(strstr(told, "user:alice user rm user:alice 127.0.0.1 denied \n"));
    assert_non_null(strstr(told, "user:root user rm user:alice 127.0.0.1 ok \n"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_target_is_what_the_path_names),
        T(a_handler_may_name_the_target),
        T(what_was_not_done_leaves_no_entry),
        T(who_tried_to_sign_in_is_told_by_name),
        T(failed_sign_ins_of_one_address_do_not_fill_the_trail),
        T(a_route_that_is_recorded_tells_what_came_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
