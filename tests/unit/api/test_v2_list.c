#include "api/policy_in_force.h"
#include "auth/core/auth.h"
#include "auth/policy/policy.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "exchange.h"

/* Pages of tags and of repositories, for everyone and for who sees only some. */

static struct server s;
static struct auth *chain;

#define ALICE "Authorization: Basic YWxpY2U6eA==\r\n"

static enum verdict stub_check(struct provider *p, const struct credential *c,
                               struct identity **ret_identity, struct err *e)
{
    (void)p, (void)e;
    *ret_identity = identity_new(IDENTITY_USER, c->user, "stub");
    return VERDICT_YES;
}

static void stub_free(struct provider *p)
{
    free(p);
}

static const struct provider_driver stub = {
    .name = "stub", .kinds = 1 << CREDENTIAL_BASIC, .check = stub_check, .free = stub_free};

static int set_up(void **state)
{
    static const char *const tags[] = {"a", "b", "c", "v1", "v2"};

    (void)state;
    server_init(&s);
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
        image_put(&s.w, "app", "one", tags[i]);
    image_put(&s.w, "lib/x", "one", "v1");
    image_put(&s.w, "lib/y", "one", "v1");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    auth_free(chain);
    chain = NULL;
    server_done(&s);
    return 0;
}

/* Everyone may pull: of this repository, with these tags (NULL: all). */
static struct policy_rule rule(const char *repository, const char *tag)
{
    struct policy_rule r = {.n_subjects = 1, .actions = ACTION_PULL, .n_repositories = 1};

    r.subjects = mem_zero(sizeof(char *));
    r.subjects[0] = mem_strdup("*");
    r.repositories = mem_zero(sizeof(char *));
    r.repositories[0] = mem_strdup(repository);
    if (tag) {
        r.tags = mem_zero(sizeof(char *));
        r.tags[0] = mem_strdup(tag);
        r.n_tags = 1;
    }
    return r;
}

static void see_only(const char *repository, const char *tag)
{
    static const _Atomic uint64_t at_once = 8;
    static const struct auth_options options = {60000, 64, 3, 60000, {&at_once, 8}};
    struct provider *p = mem_zero(sizeof(*p));
    struct policy_rule *r = mem_zero(sizeof(*r));

    p->driver = &stub;
    chain = auth_new(&options, &p, 1);
    s.w.conf->auth.mode = CONF_AUTH_ON;
    s.api.guard.auth = chain;
    r[0] = rule(repository, tag);
    api_set_policy(&s.api, policy_new(r, 1, false));
}

struct row {
    const char *query, *names; /* the list, as JSON */
    const char *link;          /* the query of the next page; NULL: none */
};

#define APP "{\"name\":\"app\",\"tags\":"
#define ALL "{\"repositories\":"

static void check(const char *path, const char *before, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char line[128], body[256], link[256] = "";
        struct answer a;

        snprintf(line, sizeof(line), "GET %s%s", path, rows[i].query);
        snprintf(body, sizeof(body), "%s%s}\n", before, rows[i].names);
        if (rows[i].link)
            snprintf(link, sizeof(link), "<%s?%s>; rel=\"next\"", path, rows[i].link);
        a = serve(&s, &(struct request){.line = line, .headers = ALICE});
        tell_status(line, &a, 200);
        if (strcmp(buf_text(&a.body), body) != 0)
            fail_msg("%s: %s", line, buf_text(&a.body));
        tell_header(line, &a, "Link", link);
        answer_done(&a);
    }
}

#define CHECK(path, before, rows) check(path, before, rows, sizeof(rows) / sizeof((rows)[0]))

static void tags_come_in_pages(void **state)
{
    static const struct row rows[] = {
        {"", "[\"a\",\"b\",\"c\",\"v1\",\"v2\"]", NULL},
        {"?n=0", "[]", NULL},
        {"?n=2", "[\"a\",\"b\"]", "n=2&last=b"},
        {"?n=2&last=b", "[\"c\",\"v1\"]", "n=2&last=v1"},
        {"?n=2&last=v1", "[\"v2\"]", NULL},
        {"?n=5", "[\"a\",\"b\",\"c\",\"v1\",\"v2\"]", NULL},
        {"?n=3&last=a", "[\"b\",\"c\",\"v1\"]", "n=3&last=v1"},
        {"?n=4&last=a", "[\"b\",\"c\",\"v1\",\"v2\"]", NULL},
        {"?last=bb", "[\"c\",\"v1\",\"v2\"]", NULL}, /* no tag needs to have that name */
        {"?last=zzz", "[]", NULL},
        {"?last=", "[\"a\",\"b\",\"c\",\"v1\",\"v2\"]", NULL},
    };

    (void)state;
    CHECK("/v2/app/tags/list", APP, rows);
}

static void repositories_come_in_pages(void **state)
{
    static const struct row rows[] = {
        {"", "[\"app\",\"lib/x\",\"lib/y\"]", NULL},
        {"?n=2", "[\"app\",\"lib/x\"]", "n=2&last=lib%2Fx"},
        {"?n=2&last=lib%2Fx", "[\"lib/y\"]", NULL},
        {"?n=2&last=lib/x", "[\"lib/y\"]", NULL},
        {"?n=3", "[\"app\",\"lib/x\",\"lib/y\"]", NULL},
        {"?n=0", "[]", NULL},
        {"?last=lib", "[\"lib/x\",\"lib/y\"]", NULL},
    };

    (void)state;
    CHECK("/v2/_catalog", ALL, rows);
}

static void a_link_tells_nothing_of_repositories_that_are_hidden(void **state)
{
    static const struct row rows[] = {
        {"", "[\"lib/x\",\"lib/y\"]", NULL},
        {"?n=1", "[\"lib/x\"]", "n=1&last=lib%2Fx"},
        {"?n=1&last=lib/x", "[\"lib/y\"]", NULL},
        {"?n=2", "[\"lib/x\",\"lib/y\"]", NULL},
        {"?n=1&last=app", "[\"lib/x\"]", "n=1&last=lib%2Fx"},
        {"?last=lib/y", "[]", NULL}, /* zoo is behind it */
        {"?n=0", "[]", NULL},
    };

    (void)state;
    image_put(&s.w, "zoo", "one", "v1");
    see_only("lib/**", NULL);
    CHECK("/v2/_catalog", ALL, rows);
}

static void a_link_tells_nothing_of_tags_that_are_hidden(void **state)
{
    static const struct row rows[] = {
        {"", "[\"v1\",\"v2\"]", NULL},      {"?n=1", "[\"v1\"]", "n=1&last=v1"},
        {"?n=1&last=v1", "[\"v2\"]", NULL}, {"?n=2&last=a", "[\"v1\",\"v2\"]", NULL},
        {"?last=v2", "[]", NULL},
    };

    (void)state;
    see_only("app", "v*");
    CHECK("/v2/app/tags/list", APP, rows);
}

static void one_in_a_thousand_is_found(void **state)
{
    static const struct row rows[] = {
        {"?n=1", "[\"zzz\"]", NULL},
        {"?n=2", "[\"zzz\"]", NULL},
        {"", "[\"zzz\"]", NULL},
    };

    (void)state;
    for (int i = 0; i < 1000; i++) {
        char tag[16];

        snprintf(tag, sizeof(tag), "t%d", i);
        image_put(&s.w, "app", "one", tag);
    }
    image_put(&s.w, "app", "one", "zzz");
    see_only("app", "zzz");
    CHECK("/v2/app/tags/list", APP, rows);
}

static void who_may_see_more_by_signing_in_is_asked_to(void **state)
{
    static const struct {
        const char *line;
        int status;
    } rows[] = {
        {"GET /v2/_catalog", 401},
        {"GET /v2/app/tags/list", 401},
        {"GET /v2/app/manifests/v1", 200},
        {"GET /v2/app/manifests/a", 401},
    };

    (void)state;
    see_only("app", "v*");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a = get(&s, rows[i].line);

        tell_status(rows[i].line, &a, rows[i].status);
        assert_int_equal(headers_of(&a, "WWW-Authenticate"), rows[i].status == 401);
        answer_done(&a);
    }
}

static void a_repository_that_is_not_there_has_no_list(void **state)
{
    static const char *const lines[] = {"GET /v2/none/tags/list", "GET /v2/none/tags/list?n=0",
                                        "GET /v2/lib/tags/list"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct answer a = get(&s, lines[i]);

        assert_error(&a, 404, "NAME_UNKNOWN");
        answer_done(&a);
    }
}

static void a_parameter_that_is_wrong_is_refused(void **state)
{
    static const char *const lines[] = {"GET /v2/app/tags/list?n=x", "GET /v2/app/tags/list?n=-1",
                                        "GET /v2/_catalog?last=%zz", "GET /v2/_catalog?n="};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct answer a = get(&s, lines[i]);

        assert_error(&a, 400, "UNSUPPORTED");
        answer_done(&a);
    }
}

#define MANY 1500

/* So many tags of 100 letters, of one image. */
static void tag_often(const char *repository)
{
    struct digest d = image_put(&s.w, repository, "one", "v1");
    struct repo_name repo = repo_of(repository);

    for (int i = 0; i < MANY; i++) {
        char name[128];
        struct tag_name tag;
        struct meta_op op;

        snprintf(name, sizeof(name), "t%099d", i);
        tag = tag_of(name);
        op = meta_op_tag_set(&repo, &tag, &d, META_ANY);
        assert_ok(meta_commit(s.w.meta, &op, 1, META_LAZY, NULL, ERR_IGNORED));
    }
}

/* A list of the repository is answered so, and holds nothing afterwards. */
static void answers(const char *line, int status, size_t tags)
{
    struct answer a = get(&s, line);
    size_t commas = 0;

    tell_status(line, &a, status);
    for (size_t i = 0; i < a.body.n; i++)
        commas += a.body.p[i] == ',';
    if (status == 200)
        assert_int_equal(commas, tags);
    else
        assert_string_not_equal(header_of(&a, "Retry-After"), "");
    assert_int_equal(atomic_load(&s.api.list_bytes), 0);
    answer_done(&a);
}

static void long_lists_share_a_bound_of_memory(void **state)
{
    (void)state;
    tag_often("many");
    answers("GET /v2/many/tags/list", 200, MANY + 1);
    s.w.conf->http.body_memory_bytes = 1;
    answers("GET /v2/many/tags/list", 503, 0);
    answers("GET /v2/many/tags/list?n=1000", 200, 1000);
    answers("GET /v2/app/tags/list", 200, 5);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tags_come_in_pages),
        TEST(repositories_come_in_pages),
        TEST(a_link_tells_nothing_of_repositories_that_are_hidden),
        TEST(a_link_tells_nothing_of_tags_that_are_hidden),
        TEST(one_in_a_thousand_is_found),
        TEST(long_lists_share_a_bound_of_memory),
        TEST(who_may_see_more_by_signing_in_is_asked_to),
        TEST(a_repository_that_is_not_there_has_no_list),
        TEST(a_parameter_that_is_wrong_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
