/*
 * Keys from each source. fetch_run() is the test's own: what is asked is compared with what is
 * expected, and answered.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "net/aws_credentials.h"
#include "net/fetch.h"
#include "temp_dir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define IMDS  "http://169.254.169.254/latest/"
#define ROLES IMDS "meta-data/iam/security-credentials/"
#define JSON_KEY(access, expiration)                                                               \
    "{\"AccessKeyId\":\"" access "\",\"SecretAccessKey\":\"s3cr3t\",\"Token\":\"t0ken\","          \
    "\"Expiration\":" expiration "}"
#define STS_KEY(access, expiration)                                                                \
    "{\"AssumeRoleResponse\":{\"AssumeRoleResult\":{\"AssumedRoleUser\":{\"Arn\":\"x\"},"          \
    "\"Credentials\":{\"AccessKeyId\":\"" access "\",\"SecretAccessKey\":\"s3cr3t\","              \
    "\"SessionToken\":\"t0ken\",\"Expiration\":" expiration "}}}}"
#define FAR "\"2100-01-01T00:00:00Z\""

/* A request that must come next, and its answer. */
struct expected {
    const char *url;
    const char *part; /* of "METHOD\nHeader: value\n...\n\nBODY"; NULL: anything */
    int status;       /* 0: nobody answers */
    const char *body;
    const char *ca_file; /* by which the server is known; NULL: the system's */
};

static const struct expected *script;
static size_t script_n, script_at;
static atomic_bool held; /* nobody answers before it is false */

enum err_code __wrap_fetch_run(const struct fetch *f, int *ret_status, struct buf *ret_body,
                               struct err *e);

enum err_code __wrap_fetch_run(const struct fetch *f, int *ret_status, struct buf *ret_body,
                               struct err *e)
{
    const struct expected *x = &script[script_at];
    AUTO(buf) struct buf text = {0};

    while (held)
        usleep(1000);
    if (script_at >= script_n)
        fail_msg("nobody should be asked: %s", f->url);
    script_at++;
    buf_init(&text, 1 << 17);
    buf_addf(&text, "%s\n", f->put ? "PUT" : f->post.p ? "POST" : "GET");
    for (const char *const *h = f->headers; h && *h; h++)
        buf_addf(&text, "%s\n", *h);
    buf_addf(&text, "\n" STR_FMT, STR_ARG(f->post));
    assert_string_equal(f->url, x->url);
    assert_string_equal(f->ca_file ? f->ca_file : "", x->ca_file ? x->ca_file : "");
    if (x->part && !strstr(buf_text(&text), x->part))
        fail_msg("'%s' is not in '%s'", x->part, buf_text(&text));
    assert_true(f->link_local == str_starts(str_of(f->url), STR("http://169.254.")));
    if (x->status == 0)
        return err_set(e, ERR_UNAVAILABLE, "nobody there");
    *ret_status = x->status;
    buf_add_text(ret_body, x->body);
    return ERR_OK;
}

static char dir[TEMP_DIR_MAX];

static int setup(void **state)
{
    (void)state;
    temp_dir_make(dir, TEMP_DIR_MEMORY);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    return 0;
}

/* The text with "DIR" in it as the directory; for one use at a time each. */
static char *placed(const char *text, char dst[static 256])
{
    const char *at = strstr(text, "DIR");

    if (at)
        snprintf(dst, 256, "%.*s%s%s", (int)(at - text), text, dir, at + 3);
    else
        snprintf(dst, 256, "%s", text);
    return dst;
}

static void write_file(const char *name, const char *text)
{
    AUTO(fd) int fd = -1;
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
}

#define VARIABLES_MAX 8

/* What is asked for in this environment, with these answers. */
struct run {
    const char *environment[VARIABLES_MAX]; /* ends with NULL */
    struct expected answers[8];             /* ends with an url of NULL */
};

struct setting {
    char texts[VARIABLES_MAX][256];
    char *pointers[VARIABLES_MAX + 1];
    struct aws_credentials_options options;
};

static void set(struct setting *s, const struct run *r)
{
    size_t n = 0;

    *s = (struct setting){.options = {.region = "eu-west-1", .ca_file = "own.pem"}};
    for (; n < VARIABLES_MAX && r->environment[n]; n++)
        s->pointers[n] = placed(r->environment[n], s->texts[n]);
    s->options.environment = s->pointers;
    script = r->answers;
    script_at = 0;
    for (script_n = 0; script_n < 8 && r->answers[script_n].url; script_n++)
        ;
}

static void ask(const struct run *r, struct aws_key *ret_key, enum err_code *ret_code,
                struct err *e)
{
    struct setting s;
    struct aws_credentials *c;

    set(&s, r);
    c = aws_credentials_new(&s.options);
    *ret_code = aws_credentials_get(c, ret_key, e);
    aws_credentials_free(c);
    assert_int_equal(script_at, script_n);
}

static void must(struct run r, const char *access, const char *token)
{
    AUTO(aws_key) struct aws_key key = {0};
    enum err_code code;
    struct err e;

    ask(&r, &key, &code, &e);
    if (code != ERR_OK)
        fail_msg("%s", e.detail);
    assert_string_equal(key.access, access);
    assert_true(str_eq(buf_str(&key.token), str_of(token)));
}

static void must_fail(struct run r, const char *detail)
{
    struct aws_key key = {0};
    enum err_code code;
    struct err e;

    ask(&r, &key, &code, &e);
    assert_int_equal(code, ERR_UNAVAILABLE);
    assert_string_equal(e.detail, detail);
}

#define RUN(...) ((struct run){__VA_ARGS__})
#define IN(...)  .environment = {__VA_ARGS__}

static void nothing_configured_says_who_was_asked(void **state)
{
    (void)state;
    must_fail(RUN(IN(NULL), .answers = {{IMDS "api/token", "PUT", 0, NULL}}),
              "no key of AWS: configuration: no access key; environment: no AWS_ACCESS_KEY_ID; "
              "profile: no AWS_PROFILE, no [default]; web identity: no "
              "AWS_WEB_IDENTITY_TOKEN_FILE; container: no AWS_CONTAINER_CREDENTIALS_FULL_URI; "
              "instance: nobody answers at http://169.254.169.254");
}

static void the_configuration_comes_first(void **state)
{
    AUTO(aws_key) struct aws_key key = {0};
    struct run r = {IN("AWS_ACCESS_KEY_ID=env", "AWS_SECRET_ACCESS_KEY=s")};
    struct setting s;
    struct aws_credentials *c;
    char path[256];
    struct err e;

    (void)state;
    write_file("secret", "  from-file\n");
    set(&s, &r);
    s.options.access_key = "conf";
    s.options.secret_key_file = placed("DIR/secret", path);
    s.options.session_token = "tok";
    c = aws_credentials_new(&s.options);
    assert_int_equal(aws_credentials_get(c, &key, &e), ERR_OK);
    aws_credentials_free(c);
    assert_string_equal(key.access, "conf");
    assert_string_equal(key.secret, "from-file");
    assert_true(str_eq(buf_str(&key.token), STR("tok")));
}

static void the_environment_holds_a_key(void **state)
{
    (void)state;
    must(RUN(IN("AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=s")), "a", "");
    must(RUN(IN("AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=s", "AWS_SESSION_TOKEN=t")), "a",
         "t");
    must_fail(RUN(IN("AWS_ACCESS_KEY_ID=a")),
              "no key of AWS: environment: AWS_SECRET_ACCESS_KEY is not set, which goes with "
              "AWS_ACCESS_KEY_ID");
    must_fail(RUN(IN("AWS_ACCESS_KEY_ID=a b", "AWS_SECRET_ACCESS_KEY=s")),
              "no key of AWS: environment: the access key is none");
}

#define FILES "AWS_SHARED_CREDENTIALS_FILE=DIR/credentials", "AWS_CONFIG_FILE=DIR/config"

static void files(const char *credentials, const char *config)
{
    write_file("credentials", credentials);
    write_file("config", config);
}

static void a_profile_holds_a_key(void **state)
{
    (void)state;
    files("[default]\naws_access_key_id = a\naws_secret_access_key = s\n",
          "[profile dev]\naws_access_key_id=b\naws_secret_access_key=s\naws_session_token=t\n");
    must(RUN(IN(FILES)), "a", "");
    must(RUN(IN(FILES, "AWS_PROFILE=dev")), "b", "t");
    must_fail(RUN(IN(FILES, "AWS_PROFILE=none")),
              "no key of AWS: profile: there is no profile 'none'");
    files("[dev]\naws_access_key_id = c\naws_secret_access_key = s\n",
          "[profile dev]\naws_access_key_id=b\naws_secret_access_key=s\n");
    must(RUN(IN(FILES, "AWS_DEFAULT_PROFILE=dev")), "c", "");
}

static void what_no_profile_can_do_here_is_named(void **state)
{
    (void)state;
    files("[x]", "[profile dev]\nsso_session = s\n[profile p]\ncredential_process = /bin/x\n"
                 "[profile m]\nrole_arn = r\nmfa_serial = 1\nsource_profile = x\n");
    must_fail(RUN(IN(FILES, "AWS_PROFILE=dev")),
              "no key of AWS: profile: [dev] sso_session is not supported; use a role or a key");
    must_fail(
        RUN(IN(FILES, "AWS_PROFILE=p")),
        "no key of AWS: profile: [p] credential_process is not supported; use a role or a key");
    must_fail(RUN(IN(FILES, "AWS_PROFILE=m")), "no key of AWS: profile: [m] mfa_serial: nobody is "
                                               "there to type a code");
}

#define STS "https://sts.eu-west-1.amazonaws.com/"

static void a_profile_assumes_a_role_with_the_key_of_another(void **state)
{
    (void)state;
    files("[base]\naws_access_key_id = base\naws_secret_access_key = s\n",
          "[profile dev]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n"
          "external_id = e/1\nrole_session_name = me\nduration_seconds = 900\n");
    must(RUN(IN(FILES, "AWS_PROFILE=dev"),
             .answers = {{STS,
                          "\n\nVersion=2011-06-15&Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam"
                          "%3A%3A1%3Arole%2Fr&RoleSessionName=me&ExternalId=e%2F1&"
                          "DurationSeconds=900",
                          200, STS_KEY("role", "4102444800")}}),
         "role", "t0ken");
    must(RUN(IN(FILES, "AWS_PROFILE=dev", "AWS_REGION=cn-north-1"),
             .answers = {{"https://sts.cn-north-1.amazonaws.com.cn/",
                          "Authorization: AWS4-HMAC-SHA256 Credential=base/", 200,
                          STS_KEY("role", FAR)}}),
         "role", "t0ken");
    must(RUN(IN(FILES, "AWS_PROFILE=dev", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:1"),
             .answers = {{"http://127.0.0.1:1/", "Accept: application/json", 200,
                          STS_KEY("role", FAR), "own.pem"}}),
         "role", "t0ken");
}

#define ROLE                                                                                       \
    "[x]\naws_access_key_id = a\naws_secret_access_key = s\nrole_arn = r\nsource_profile = x\n"

static void another_token_service_may_be_named(void **state)
{
    static const struct {
        const char *variables[3];
        const char *url, *ca_file;
    } cases[] = {
        {{NULL}, "https://profile/", "own.pem"},
        {{"AWS_ENDPOINT_URL=https://all"}, "https://all/", "own.pem"},
        {{"AWS_ENDPOINT_URL=https://all", "AWS_ENDPOINT_URL_STS=https://sts"},
         "https://sts/",
         "own.pem"},
        {{"AWS_CA_BUNDLE=bundle"}, "https://profile/", "bundle"},
        {{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", "AWS_ENDPOINT_URL_STS=https://sts"},
         STS,
         NULL},
        {{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", "AWS_CA_BUNDLE=bundle"}, STS, "bundle"},
    };

    (void)state;
    files(ROLE, "[profile x]\nendpoint_url = https://profile/\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        must(RUN(IN(FILES, "AWS_PROFILE=x", cases[i].variables[0], cases[i].variables[1]),
                 .answers = {{cases[i].url, NULL, 200, STS_KEY("role", FAR), cases[i].ca_file}}),
             "role", "t0ken");
}

#define XML_KEY(access, expiration)                                                                \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<AssumeRoleResponse xmlns=\"https://sts."         \
    "amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials><AccessKeyId>" access          \
    "</AccessKeyId><SecretAccessKey>s3cr3t</SecretAccessKey><SessionToken>t0ken</SessionToken>"    \
    "<Expiration>" expiration                                                                      \
    "</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"

static void a_token_service_may_answer_in_xml(void **state)
{
    (void)state;
    files(ROLE, "[y]");
    must(RUN(IN(FILES, "AWS_PROFILE=x"),
             .answers = {{STS, NULL, 200, XML_KEY("role", "2100-01-01T00:00:00Z")}}),
         "role", "t0ken");
    must_fail(
        RUN(IN(FILES, "AWS_PROFILE=x"), .answers = {{STS, NULL, 200, XML_KEY("role", "soon")}}),
        "no key of AWS: profile: [x] r: the answer holds no key");
    must_fail(RUN(IN(FILES, "AWS_PROFILE=x"), .answers = {{STS, NULL, 200, "<html></html>"}}),
              "no key of AWS: profile: [x] r: the answer holds no key");
    must_fail(RUN(IN(FILES, "AWS_PROFILE=x"),
                  .answers = {{STS, NULL, 403,
                               "<ErrorResponse><Error><Type/><Code>AccessDenied</Code><Message>no"
                               "</Message></Error></ErrorResponse>"}}),
              "no key of AWS: profile: [x] r: the token service answers 403 AccessDenied: no");
}

static void roles_lead_to_roles_but_not_for_ever(void **state)
{
    (void)state;
    files("[base]\naws_access_key_id = base\naws_secret_access_key = s\n",
          "[profile one]\nrole_arn = 1\nsource_profile = two\n"
          "[profile two]\nrole_arn = 2\nsource_profile = base\n"
          "[profile a]\nrole_arn = a\nsource_profile = b\n"
          "[profile b]\nrole_arn = b\nsource_profile = a\n");
    must(RUN(IN(FILES, "AWS_PROFILE=one"),
             .answers = {{STS, "RoleArn=2", 200, STS_KEY("second", FAR)},
                         {STS, "x-amz-security-token: t0ken", 200, STS_KEY("first", FAR)}}),
         "first", "t0ken");
    must_fail(RUN(IN(FILES, "AWS_PROFILE=a")),
              "no key of AWS: profile: [b] source_profile leads on for too long");
}

static void a_role_may_have_the_key_of_another_source(void **state)
{
    (void)state;
    files("[x]", "[profile dev]\nrole_arn = r\ncredential_source = Ec2InstanceMetadata\n"
                 "[profile bad]\nrole_arn = r\ncredential_source = Moon\n");
    must(RUN(IN(FILES, "AWS_PROFILE=dev"),
             .answers = {{IMDS "api/token", NULL, 200, "tt"},
                         {ROLES, NULL, 200, "node"},
                         {ROLES "node", NULL, 200, JSON_KEY("node", FAR)},
                         {STS, "Credential=node/", 200, STS_KEY("role", FAR)}}),
         "role", "t0ken");
    must_fail(RUN(IN(FILES, "AWS_PROFILE=bad")),
              "no key of AWS: profile: [bad] credential_source is none of Environment, "
              "EcsContainer and Ec2InstanceMetadata");
}

static void a_refused_role_is_told(void **state)
{
    (void)state;
    files("[dev]\naws_access_key_id = a\naws_secret_access_key = s\nrole_arn = r\n"
          "source_profile = dev\n",
          "[x]");
    must_fail(RUN(IN(FILES, "AWS_PROFILE=dev"),
                  .answers = {{STS, NULL, 403,
                               "{\"Error\":{\"Code\":\"AccessDenied\",\"Message\":\"no\"}}"}}),
              "no key of AWS: profile: [dev] r: the token service answers 403 AccessDenied: no");
}

static void a_token_of_kubernetes_is_an_identity(void **state)
{
    (void)state;
    write_file("token", "ey.J.w\n");
    must(RUN(IN("AWS_WEB_IDENTITY_TOKEN_FILE=DIR/token", "AWS_ROLE_ARN=r"),
             .answers = {{STS,
                          "POST\nAccept: application/json\n\nVersion=2011-06-15&Action="
                          "AssumeRoleWithWebIdentity&RoleArn=r&RoleSessionName=registry&"
                          "WebIdentityToken=ey.J.w",
                          200, STS_KEY("web", "4102444800.5")}}),
         "web", "t0ken");
    must_fail(RUN(IN("AWS_WEB_IDENTITY_TOKEN_FILE=DIR/token")),
              "no key of AWS: web identity: AWS_ROLE_ARN is not set, which goes with "
              "AWS_WEB_IDENTITY_TOKEN_FILE");
}

static void a_container_is_asked_by_its_endpoint(void **state)
{
    (void)state;
    write_file("token", "ey.J.w\n");
    must(RUN(IN("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/c?id=1"),
             .answers = {{"http://169.254.170.2/v2/c?id=1", "GET\n\n", 200, JSON_KEY("ecs", FAR)}}),
         "ecs", "t0ken");
    must(RUN(IN("AWS_CONTAINER_CREDENTIALS_FULL_URI=http://169.254.170.23/v1/c",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=DIR/token"),
             .answers = {{"http://169.254.170.23/v1/c", "GET\nAuthorization: ey.J.w\n\n", 200,
                          JSON_KEY("eks", FAR)}}),
         "eks", "t0ken");
    must(RUN(IN("AWS_CONTAINER_CREDENTIALS_FULL_URI=http://localhost:9/c",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN=Basic x"),
             .answers = {{"http://localhost:9/c", "Authorization: Basic x\n", 200,
                          JSON_KEY("local", FAR)}}),
         "local", "t0ken");
}

static void a_container_s_token_goes_to_nobody_else(void **state)
{
    static const char *const urls[] = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://example.com/c",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://169.254.170.2.example.com/c",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://169.254.170.23@example.com/c",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI=ftp://localhost/c",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
        must_fail(RUN(IN(urls[i])),
                  "no key of AWS: container: AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https "
                  "nor an address of this machine, of ECS or of EKS");
    must_fail(RUN(IN("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=.example.com/")),
              "no key of AWS: container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is no path");
}

static void an_instance_is_asked_with_a_token(void **state)
{
    (void)state;
    must(RUN(IN(NULL), .answers = {{IMDS "api/token",
                                    "PUT\nX-aws-ec2-metadata-token-ttl-seconds: 300\n", 200, "tt"},
                                   {ROLES, "GET\nX-aws-ec2-metadata-token: tt\n", 200, "node\n"},
                                   {ROLES "node", "X-aws-ec2-metadata-token: tt", 200,
                                    JSON_KEY("node", FAR)}}),
         "node", "t0ken");
    must(RUN(IN("AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:9/"),
             .answers = {{"http://127.0.0.1:9/latest/api/token", "PUT", 200, "tt"},
                         {"http://127.0.0.1:9/latest/meta-data/iam/security-credentials/", NULL,
                          200, "node"},
                         {"http://127.0.0.1:9/latest/meta-data/iam/security-credentials/node", NULL,
                          200, JSON_KEY("node", FAR)}}),
         "node", "t0ken");
}

static void an_instance_without_a_role_has_nothing(void **state)
{
    (void)state;
    must_fail(RUN(IN("HOME=/nowhere"),
                  .answers = {{IMDS "api/token", NULL, 200, "tt"}, {ROLES, NULL, 404, ""}}),
              "no key of AWS: configuration: no access key; environment: no AWS_ACCESS_KEY_ID; "
              "profile: no AWS_PROFILE, no [default]; web identity: no "
              "AWS_WEB_IDENTITY_TOKEN_FILE; container: no AWS_CONTAINER_CREDENTIALS_FULL_URI; "
              "instance: the instance has no role");
}

static void answers_that_hold_no_key_are_told(void **state)
{
    static const struct {
        const char *body, *detail;
    } rows[] = {
        {"<html>", "no key of AWS: container: the answer is not XML"},
        {"[]", "no key of AWS: container: the answer is neither JSON nor XML"},
        {"{\"Code\":\"Failed\"}", "no key of AWS: container: the answer is 'Failed'"},
        {"{}", "no key of AWS: container: the answer holds no key"},
        {JSON_KEY("a", "\"soon\""), "no key of AWS: container: the answer holds no key"},
        {JSON_KEY("a", "-1"), "no key of AWS: container: the answer holds no key"},
        {JSON_KEY("a\\nb", FAR), "no key of AWS: container: in the answer: the access key is none"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        must_fail(RUN(IN("AWS_CONTAINER_CREDENTIALS_FULL_URI=https://a/"),
                      .answers = {{"https://a/", NULL, 200, rows[i].body}}),
                  rows[i].detail);
}

/* How a key is kept. */

static void assert_get(struct aws_credentials *c, const char *access, struct aws_key *ret_key)
{
    struct err e;

    if (aws_credentials_get(c, ret_key, &e) != ERR_OK)
        fail_msg("%s", e.detail);
    assert_string_equal(ret_key->access, access);
}

#define CONTAINER IN("AWS_CONTAINER_CREDENTIALS_FULL_URI=https://a/")

static void a_key_that_holds_is_kept(void **state)
{
    struct run r = {CONTAINER, .answers = {{"https://a/", NULL, 200, JSON_KEY("one", FAR)}}};
    struct setting s;
    struct aws_credentials *c;

    (void)state;
    set(&s, &r);
    c = aws_credentials_new(&s.options);
    for (int i = 0; i < 3; i++) {
        AUTO(aws_key) struct aws_key key = {0};

        assert_get(c, "one", &key);
    }
    aws_credentials_free(c);
    assert_int_equal(script_at, 1);
}

static void who_cannot_wait_is_told_that_a_key_is_asked_for(void **state)
{
    struct run r = {CONTAINER, .answers = {{"https://a/", NULL, 200, JSON_KEY("one", FAR)}}};
    AUTO(aws_key) struct aws_key key = {0}, same = {0};
    struct setting s;
    struct aws_credentials *c;
    struct err e;

    (void)state;
    set(&s, &r);
    held = true;
    c = aws_credentials_new(&s.options);
    assert_int_equal(aws_credentials_get_now(c, &key, &e), ERR_UNAVAILABLE);
    assert_int_equal(aws_credentials_get_now(c, &key, &e), ERR_UNAVAILABLE);
    held = false;
    assert_get(c, "one", &key); /* of that answer, for nobody is asked twice */
    assert_int_equal(aws_credentials_get_now(c, &same, &e), ERR_OK);
    assert_string_equal(same.access, "one");
    aws_credentials_free(c);
    assert_int_equal(script_at, 1);
}

static void a_refused_key_is_asked_for_once_more(void **state)
{
    struct run r = {CONTAINER, .answers = {{"https://a/", NULL, 200, JSON_KEY("one", FAR)},
                                           {"https://a/", NULL, 200, JSON_KEY("two", FAR)}}};
    AUTO(aws_key) struct aws_key one = {0}, two = {0}, again = {0}, last = {0};
    struct setting s;
    struct aws_credentials *c;

    (void)state;
    set(&s, &r);
    c = aws_credentials_new(&s.options);
    assert_get(c, "one", &one);
    aws_credentials_refused(c, &one);
    assert_get(c, "two", &two);
    aws_credentials_refused(c, &one); /* by a request that was on its way */
    assert_get(c, "two", &again);
    aws_credentials_refused(c, &two); /* nothing better a moment ago */
    assert_get(c, "two", &last);
    aws_credentials_free(c);
    assert_int_equal(script_at, 2);
}

/* RFC 3339, so long after now. */
static const char *answer_expiring_in(int64_t ms, const char *access, char dst[static 512])
{
    char when[CLOCK_RFC3339_SIZE];

    clock_rfc3339(clock_wall_ms() + ms, when);
    snprintf(dst, 512, "{\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s\",\"Expiration\":\"%s\"}",
             access, when);
    return dst;
}

static void a_key_is_renewed_before_it_expires(void **state)
{
    char first[512];
    struct run r = {CONTAINER,
                    .answers = {{"https://a/", NULL, 200, answer_expiring_in(5000, "one", first)},
                                {"https://a/", NULL, 200, JSON_KEY("two", FAR)}}};
    int64_t began_ms = clock_mono_ms();
    struct setting s;
    struct aws_credentials *c;
    bool renewed = false;

    (void)state;
    set(&s, &r);
    c = aws_credentials_new(&s.options);
    while (!renewed) {
        AUTO(aws_key) struct aws_key key = {0};
        struct err e;

        assert_int_equal(aws_credentials_get(c, &key, &e), ERR_OK);
        renewed = strcmp(key.access, "two") == 0;
        assert_true(clock_mono_ms() - began_ms < 4900); /* nobody has waited for it */
        usleep(10000);
    }
    aws_credentials_free(c);
}

static void an_error_is_not_asked_for_over_and_over(void **state)
{
    struct run r = {CONTAINER, .answers = {{"https://a/", NULL, 500, ""}}};
    struct setting s;
    struct aws_credentials *c;
    struct aws_key key;
    struct err e;

    (void)state;
    set(&s, &r);
    c = aws_credentials_new(&s.options);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(aws_credentials_get(c, &key, &e), ERR_UNAVAILABLE);
        assert_string_equal(e.detail, "no key of AWS: container: the endpoint answers 500");
    }
    aws_credentials_free(c);
    assert_int_equal(script_at, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_configured_says_who_was_asked),
        cmocka_unit_test(the_configuration_comes_first),
        cmocka_unit_test(the_environment_holds_a_key),
        cmocka_unit_test(a_profile_holds_a_key),
        cmocka_unit_test(what_no_profile_can_do_here_is_named),
        cmocka_unit_test(a_profile_assumes_a_role_with_the_key_of_another),
        cmocka_unit_test(another_token_service_may_be_named),
        cmocka_unit_test(a_token_service_may_answer_in_xml),
        cmocka_unit_test(roles_lead_to_roles_but_not_for_ever),
        cmocka_unit_test(a_role_may_have_the_key_of_another_source),
        cmocka_unit_test(a_refused_role_is_told),
        cmocka_unit_test(a_token_of_kubernetes_is_an_identity),
        cmocka_unit_test(a_container_is_asked_by_its_endpoint),
        cmocka_unit_test(a_container_s_token_goes_to_nobody_else),
        cmocka_unit_test(an_instance_is_asked_with_a_token),
        cmocka_unit_test(an_instance_without_a_role_has_nothing),
        cmocka_unit_test(answers_that_hold_no_key_are_told),
        cmocka_unit_test(a_key_that_holds_is_kept),
        cmocka_unit_test(who_cannot_wait_is_told_that_a_key_is_asked_for),
        cmocka_unit_test(a_refused_key_is_asked_for_once_more),
        cmocka_unit_test(a_key_is_renewed_before_it_expires),
        cmocka_unit_test(an_error_is_not_asked_for_over_and_over),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
