#include "guarded.h"

/* Local users over HTTP. */

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

#define USERS "/api/v1/users"
#define BOB   "{\"name\":\"bob\",\"password\":\"" PASSWORD "\""

static void only_an_admin_reaches_users(void **state)
{
    static const char *const lines[] = {"GET " USERS, "POST " USERS, "GET " USERS "/alice",
                                        "PATCH " USERS "/alice", "DELETE " USERS "/alice"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        const struct step steps[] = {
            {lines[i], lines[i], NOBODY, "{}", 401, "UNAUTHORIZED"},
            {lines[i], lines[i], ALICE, "{}", 403, "DENIED"},
        };

        TELL(&s, steps);
    }
}

static void a_user_is_made_shown_changed_and_removed(void **state)
{
    static const struct step steps[] = {
        {"made", "POST " USERS, ROOT, BOB ",\"groups\":[\"qa\"]}", 201,
         "{\"name\":\"bob\",\"admin\":false,\"disabled\":false,\"second_factor\":false,"
         "\"groups\":[\"qa\"],\"created\":\""},
        {"made again", "POST " USERS, ROOT, BOB "}", 409, "UNSUPPORTED"},
        {"shown", "GET " USERS "/bob", ROOT, NULL, 200, "\"groups\":[\"qa\"]"},
        {"never signed in", "GET " USERS "/bob", ROOT, NULL, 200, "\"signed_in\":null"},
        {"disabled", "PATCH " USERS "/bob", ROOT, "{\"disabled\":true}", 200, "\"disabled\":true"},
        {"the rest stays", "GET " USERS "/bob", ROOT, NULL, 200, "\"groups\":[\"qa\"]"},
        {"no groups", "PATCH " USERS "/bob", ROOT, "{\"groups\":[]}", 200, "\"groups\":[]"},
        {"an admin", "PATCH " USERS "/bob", ROOT, "{\"admin\":true}", 200, "\"admin\":true"},
        {"removed", "DELETE " USERS "/bob", ROOT, NULL, 204, NULL},
        {"gone", "GET " USERS "/bob", ROOT, NULL, 404, "UNSUPPORTED"},
        {"removed again", "DELETE " USERS "/bob", ROOT, NULL, 404, "UNSUPPORTED"},
        {"changed when gone", "PATCH " USERS "/bob", ROOT, "{\"admin\":true}", 404, "UNSUPPORTED"},
    };

    (void)state;
    TELL(&s, steps);
}

static void what_makes_no_user_is_refused(void **state)
{
    static const struct step steps[] = {
        {"no name", "POST " USERS, ROOT, "{\"password\":\"" PASSWORD "\"}", 400, "UNSUPPORTED"},
        {"no password", "POST " USERS, ROOT, "{\"name\":\"bob\"}", 400, "UNSUPPORTED"},
        {"a bad name", "POST " USERS, ROOT, "{\"name\":\"a b\",\"password\":\"" PASSWORD "\"}", 400,
         "UNSUPPORTED"},
        {"a weak password", "POST " USERS, ROOT, "{\"name\":\"bob\",\"password\":\"bob\"}", 400,
         "UNSUPPORTED"},
        {"an unknown field", "POST " USERS, ROOT, BOB ",\"root\":true}", 400, "UNSUPPORTED"},
        {"a wrong type", "POST " USERS, ROOT, BOB ",\"admin\":1}", 400, "UNSUPPORTED"},
        {"no JSON", "POST " USERS, ROOT, "name=bob", 400, "UNSUPPORTED"},
        {"none was made", "GET " USERS "/bob", ROOT, NULL, 404, "UNSUPPORTED"},
    };

    (void)state;
    TELL(&s, steps);
}

static void the_last_admin_stays(void **state)
{
    static const struct step steps[] = {
        {"removed", "DELETE " USERS "/root", ROOT, NULL, 403, "DENIED"},
        {"made usual", "PATCH " USERS "/root", ROOT, "{\"admin\":false}", 403, "DENIED"},
        {"disabled", "PATCH " USERS "/root", ROOT, "{\"disabled\":true}", 403, "DENIED"},
        {"is an admin", "GET " USERS "/root", ROOT, NULL, 200, "\"admin\":true"},
    };

    (void)state;
    TELL(&s, steps);
}

static void no_secret_is_in_an_answer(void **state)
{
    struct answer a = serve(&s, &(struct request){.line = "GET " USERS "/alice", .headers = ROOT});

    (void)state;
    assert_int_equal(a.status, 200);
    assert_null(strstr(buf_text(&a.body), "password"));
    assert_null(strstr(buf_text(&a.body), "hash"));
    assert_null(strstr(buf_text(&a.body), "$"));
    answer_done(&a);
}

static void a_list_comes_in_pages(void **state)
{
    static const struct {
        const char *line, *link;
        bool alice, root;
    } rows[] = {
        {"GET " USERS, "", true, true},
        {"GET " USERS "?n=1", "<" USERS "?n=1&last=alice>; rel=\"next\"", true, false},
        {"GET " USERS "?n=1&last=alice", "", false, true},
        {"GET " USERS "?n=0", "", false, false},
        {"GET " USERS "?last=root", "", false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = serve(&s, &(struct request){.line = rows[i].line, .headers = ROOT});

        tell_status(rows[i].line, &a, 200);
        tell_header(rows[i].line, &a, "Link", rows[i].link);
        assert_int_equal(strstr(buf_text(&a.body), "\"alice\"") != NULL, rows[i].alice);
        assert_int_equal(strstr(buf_text(&a.body), "\"root\"") != NULL, rows[i].root);
        answer_done(&a);
    }
}

#define OWN "PUT " USERS "/alice/password"
#define NEW "\"new\":\"Quite-An0ther-11-swans\""

static void people_change_their_own_password(void **state)
{
    static const struct step steps[] = {
        {"nobody", OWN, NOBODY, "{\"old\":\"" PASSWORD "\"," NEW "}", 401, "UNAUTHORIZED"},
        {"somebody else", OWN, ROOT, "{\"old\":\"" PASSWORD "\"," NEW "}", 403, "DENIED"},
        {"the old is wrong", OWN, ALICE, "{\"old\":\"wrong\"," NEW "}", 403, "DENIED"},
        {"the old is missing", OWN, ALICE, "{" NEW "}", 400, "UNSUPPORTED"},
        {"the new is weak", OWN, ALICE, "{\"old\":\"" PASSWORD "\",\"new\":\"alice\"}", 400,
         "UNSUPPORTED"},
        {"the old still holds", "GET /v2/", ALICE, NULL, 200, NULL},
        {"changed", OWN, ALICE, "{\"old\":\"" PASSWORD "\"," NEW "}", 204, NULL},
        {"the old is over", "GET /v2/", ALICE, NULL, 401, "UNAUTHORIZED"},
    };

    (void)state;
    TELL(&s, steps);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(only_an_admin_reaches_users),      T(a_user_is_made_shown_changed_and_removed),
        T(what_makes_no_user_is_refused),    T(the_last_admin_stays),
        T(no_secret_is_in_an_answer),        T(a_list_comes_in_pages),
        T(people_change_their_own_password),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
