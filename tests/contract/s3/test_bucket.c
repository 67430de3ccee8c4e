/* store/s3/bucket.c, before a real server. */
#include "fixture.h"

#include "base/cleanup.h"
#include "base/uuid.h"
#include "store/s3/s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A client of another bucket, which is not there yet. */
struct other {
    struct s3_client *c;
    char bucket[64];
};

static struct other other_bucket(struct fixture *f, struct store_s3_options options)
{
    struct other o = {0};
    struct uuid id;

    uuid_make(&id);
    snprintf(o.bucket, sizeof(o.bucket), "made-%s", id.text);
    options.bucket = o.bucket;
    OK(s3_client_new(&options, &o.c, &f->e));
    return o;
}

static void remove_bucket(struct fixture *f, struct other *o)
{
    struct s3_request r = {.method = "DELETE"};
    struct s3_answer a = {0};

    OK(s3_do(o->c, &r, &a, &f->e));
    s3_client_free(o->c);
}

/* The document that a property of the bucket is. */
static void read_property(struct fixture *f, struct s3_client *c, const char *what,
                          struct buf *ret_document)
{
    struct s3_request r = {.method = "GET"};
    struct s3_answer a = {0};

    s3_query(&r, str_of(what), STR_NONE);
    buf_init(&a.body, 1 << 20);
    OK(s3_run(c, &r, &a, &f->e));
    buf_init(ret_document, 1 << 20);
    buf_add_str(ret_document, buf_str(&a.body));
    buf_done(&a.body);
}

static void assert_property(struct fixture *f, struct s3_client *c, const char *what,
                            const char *text)
{
    AUTO(buf) struct buf document = {0};

    read_property(f, c, what, &document);
    if (!strstr(buf_text(&document), text))
        fail_msg("'%s' is not in %s", text, buf_text(&document));
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;

    while ((text = strstr(text, what)) != NULL) {
        text += strlen(what);
        n++;
    }
    return n;
}

static void a_bucket_that_is_missing_is_made_and_one_that_is_there_is_taken(void **state)
{
    struct fixture *f = *state;
    struct other o = other_bucket(f, f->options);

    FAILS(ERR_NOT_FOUND, s3_bucket_look(o.c, false, &f->e));
    OK(s3_bucket_make(o.c, &f->e));
    OK(s3_bucket_look(o.c, false, &f->e));
    OK(s3_bucket_make(o.c, &f->e));
    remove_bucket(f, &o);
}

/* MinIO and versitygw have no such block; radosgw takes no objects where it refuses grants. */
static void a_new_bucket_takes_objects_and_can_never_become_public(void **state)
{
    struct fixture *f = *state;
    struct other o = other_bucket(f, f->options);
    struct s3_put put = {.body = STR("x")};
    struct s3_name name = name_in(f, "blobs/x");

    OK(s3_bucket_make(o.c, &f->e));
    OK(s3_put(o.c, &name, &put, &f->e));
    OK(s3_delete(o.c, &name, &f->e));
    if (strcmp(f->server, "ceph") == 0) {
        assert_property(f, o.c, "publicAccessBlock", "<BlockPublicAcls>false");
        assert_property(f, o.c, "publicAccessBlock", "<IgnorePublicAcls>true");
        assert_property(f, o.c, "publicAccessBlock", "<BlockPublicPolicy>true");
        assert_property(f, o.c, "publicAccessBlock", "<RestrictPublicBuckets>true");
    }
    remove_bucket(f, &o);
}

static void versions_are_turned_on_when_they_are_asked_for(void **state)
{
    struct fixture *f = *state;
    struct store_s3_options options = f->options;
    struct other o;

    options.versioning = true;
    o = other_bucket(f, options);
    if (strcmp(f->server, "versitygw") == 0) { /* not without an option of its own */
        FAILS(ERR_CONFIG, s3_bucket_make(o.c, &f->e));
        assert_non_null(strstr(f->e.detail, "storage.s3.versioning"));
    } else {
        OK(s3_bucket_make(o.c, &f->e));
        assert_property(f, o.c, "versioning", "<Status>Enabled</Status>");
    }
    remove_bucket(f, &o);
}

#define RULE(id, below)                                                                            \
    "<Rule><ID>" id "</ID><Filter><Prefix>" below "</Prefix></Filter><Status>Enabled</Status>"     \
    "<Expiration><Days>7</Days></Expiration></Rule>"
#define THEIRS RULE("theirs &amp; own", "logs/")

static void put_rules(struct fixture *f, struct s3_client *c, const char *rules)
{
    struct s3_request r = {.method = "PUT"};
    AUTO(buf) struct buf document = {0};
    struct s3_answer a = {0};
    char md5[S3_MD5_SIZE];

    buf_init(&document, 1 << 16);
    buf_addf(&document, "<LifecycleConfiguration>%s</LifecycleConfiguration>", rules);
    r.body = buf_str(&document);
    s3_content_md5(r.body, md5);
    s3_query(&r, STR("lifecycle"), STR_NONE);
    s3_header(&r, STR("content-md5"), str_of(md5));
    OK(s3_do(c, &r, &a, &f->e));
}

/* A start of a registry that has the bucket below that prefix. */
static void start(struct fixture *f, const struct other *o, const char *prefix,
                  struct store_s3_lifecycle lifecycle)
{
    struct store_s3_options options = f->options;
    struct s3_client *c;

    options.bucket = o->bucket;
    options.prefix = prefix;
    options.lifecycle = lifecycle;
    OK(s3_client_new(&options, &c, &f->e));
    OK(s3_bucket_make(c, &f->e));
    s3_client_free(c);
}

static void assert_rules(struct fixture *f, const struct other *o, const char *const *ids, size_t n)
{
    AUTO(buf) struct buf document = {0};

    read_property(f, o->c, "lifecycle", &document);
    for (size_t i = 0; i < n; i++) {
        char id[128];

        snprintf(id, sizeof(id), "<ID>%s</ID>", ids[i]);
        if (count(buf_text(&document), id) != 1)
            fail_msg("'%s' is not once in %s", id, buf_text(&document));
    }
    assert_int_equal(count(buf_text(&document), "<ID>"), n);
}

static bool lacks_rules(const struct fixture *f)
{
    return strcmp(f->server, "versitygw") == 0;
}

static void rules_that_a_server_lacks_are_refused(void **state)
{
    struct fixture *f = *state;
    struct store_s3_options options = f->options;
    struct other o;

    if (!lacks_rules(f))
        return;
    options.lifecycle.expire_uploads_days = 3;
    o = other_bucket(f, options);
    FAILS(ERR_CONFIG, s3_bucket_make(o.c, &f->e));
    assert_non_null(strstr(f->e.detail, "storage.s3.lifecycle"));
    remove_bucket(f, &o);
}

static void rules_of_others_stay_beside_ours(void **state)
{
    static const char *const ids[] = {"cyberdock-uploads:a/", "cyberdock-versions:a/",
                                      "theirs &amp; own"};
    const struct store_s3_lifecycle asked = {.expire_uploads_days = 3, .expire_versions_days = 30};
    struct fixture *f = *state;
    struct other o;

    if (lacks_rules(f))
        return;
    o = other_bucket(f, f->options);
    OK(s3_bucket_make(o.c, &f->e));
    put_rules(f, o.c, THEIRS);
    start(f, &o, "a/", asked);
    start(f, &o, "a/", asked); /* not twice */
    assert_rules(f, &o, ids, sizeof(ids) / sizeof(ids[0]));
    assert_property(f, o.c, "lifecycle", "<Days>7</Days>");
    assert_property(f, o.c, "lifecycle", "<Prefix>a/uploads/</Prefix>");
    assert_property(f, o.c, "lifecycle", "<ExpiredObjectDeleteMarker>true<");
    remove_bucket(f, &o);
}

static void registries_in_one_bucket_leave_each_other_their_rules(void **state)
{
    static const char *const ids[] = {"cyberdock-uploads:a/", "cyberdock-uploads:a/b/",
                                      "cyberdock-uploads:"};
    struct fixture *f = *state;
    struct other o;

    if (lacks_rules(f))
        return;
    o = other_bucket(f, f->options);
    OK(s3_bucket_make(o.c, &f->e));
    start(f, &o, "a/", (struct store_s3_lifecycle){.expire_uploads_days = 3});
    start(f, &o, "a/b/", (struct store_s3_lifecycle){.expire_uploads_days = 4});
    start(f, &o, "", (struct store_s3_lifecycle){.expire_uploads_days = 5});
    start(f, &o, "a/", (struct store_s3_lifecycle){.expire_uploads_days = 3});
    assert_rules(f, &o, ids, sizeof(ids) / sizeof(ids[0]));
    assert_property(f, o.c, "lifecycle", "<Prefix>a/b/uploads/</Prefix>");
    start(f, &o, "a/", (struct store_s3_lifecycle){0});
    assert_rules(f, &o, ids + 1, 2);
    remove_bucket(f, &o);
}

static void rules_of_old_names_are_taken_over_below_their_prefix(void **state)
{
    static const char *const ids[] = {"cyberdock-multipart", "cyberdock-uploads:a/"};
    struct fixture *f = *state;
    struct other o;

    if (lacks_rules(f))
        return;
    o = other_bucket(f, f->options);
    OK(s3_bucket_make(o.c, &f->e));
    put_rules(f, o.c, RULE("cyberdock-uploads", "a/uploads/") RULE("cyberdock-multipart", "b/"));
    start(f, &o, "a/", (struct store_s3_lifecycle){.expire_uploads_days = 3});
    assert_rules(f, &o, ids, sizeof(ids) / sizeof(ids[0]));
    remove_bucket(f, &o);
}

/* A blob that was acknowledged may lie below uploads/ for long: until it can be moved. */
static void no_rule_of_ours_deletes_what_has_an_age_and_an_older_one_that_did_goes(void **state)
{
    const struct store_s3_lifecycle asked = {.expire_uploads_days = 3, .expire_versions_days = 30};
    static const char *const ids[] = {"cyberdock-uploads:a/", "cyberdock-versions:a/"};
    struct fixture *f = *state;
    AUTO(buf) struct buf document = {0};
    struct other o;

    if (lacks_rules(f))
        return;
    o = other_bucket(f, f->options);
    OK(s3_bucket_make(o.c, &f->e));
    put_rules(f, o.c, RULE("cyberdock-uploads", "a/uploads/"));
    assert_property(f, o.c, "lifecycle", "<Expiration><Days>7</Days>");
    start(f, &o, "a/", asked);
    read_property(f, o.c, "lifecycle", &document);
    assert_null(strstr(buf_text(&document), "<Days>"));
    assert_rules(f, &o, ids, sizeof(ids) / sizeof(ids[0]));
    remove_bucket(f, &o);
}

static void rules_that_are_asked_for_no_more_go(void **state)
{
    static const char *const ids[] = {"theirs &amp; own"};
    struct s3_request r = {.method = "GET"};
    struct fixture *f = *state;
    struct s3_answer a = {0};
    struct other o;

    if (lacks_rules(f))
        return;
    o = other_bucket(f, f->options);
    OK(s3_bucket_make(o.c, &f->e));
    put_rules(f, o.c, THEIRS);
    start(f, &o, "a/", (struct store_s3_lifecycle){.expire_uploads_days = 3});
    start(f, &o, "a/", (struct store_s3_lifecycle){0});
    assert_rules(f, &o, ids, 1);
    put_rules(f, o.c, RULE("cyberdock-uploads:a/", "a/uploads/"));
    start(f, &o, "a/", (struct store_s3_lifecycle){0});
    s3_query(&r, STR("lifecycle"), STR_NONE);
    FAILS(ERR_NOT_FOUND, s3_do(o.c, &r, &a, &f->e));
    remove_bucket(f, &o);
}

static void each_rule_may_be_asked_for_alone(void **state)
{
    static const struct {
        const char *id;
        struct store_s3_lifecycle asked;
    } rows[] = {
        {"cyberdock-uploads:a/", {.expire_uploads_days = 3}},
        {"cyberdock-multipart:a/", {.abort_multipart_days = 3}},
        {"cyberdock-versions:a/", {.expire_versions_days = 3}},
    };
    struct fixture *f = *state;
    struct other o;

    if (lacks_rules(f))
        return;
    o = other_bucket(f, f->options);
    OK(s3_bucket_make(o.c, &f->e));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start(f, &o, "a/", rows[i].asked);
        assert_rules(f, &o, &rows[i].id, 1);
    }
    remove_bucket(f, &o);
}

static void what_is_asked_to_be_encrypted_is(void **state)
{
    struct fixture *f = *state;
    struct store_s3_options options = f->options;
    struct s3_put put = {.body = STR("secret")};
    struct s3_name name = name_in(f, "blobs/x");
    struct s3_client *c;

    if (strcmp(f->server, "versitygw") == 0)
        return; /* it has no encryption */
    options.sse = STORE_S3_SSE_S3;
    OK(s3_client_new(&options, &c, &f->e));
    OK(s3_put(c, &name, &put, &f->e));
    assert_object(f, "blobs/x", STR("secret"));
    s3_client_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_bucket_that_is_missing_is_made_and_one_that_is_there_is_taken),
        TEST(a_new_bucket_takes_objects_and_can_never_become_public),
        TEST(versions_are_turned_on_when_they_are_asked_for),
        TEST(rules_that_a_server_lacks_are_refused),
        TEST(rules_of_others_stay_beside_ours),
        TEST(registries_in_one_bucket_leave_each_other_their_rules),
        TEST(rules_of_old_names_are_taken_over_below_their_prefix),
        TEST(no_rule_of_ours_deletes_what_has_an_age_and_an_older_one_that_did_goes),
        TEST(rules_that_are_asked_for_no_more_go),
        TEST(each_rule_may_be_asked_for_alone),
        TEST(what_is_asked_to_be_encrypted_is),
    };

    fixture_choose();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
