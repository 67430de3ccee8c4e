#include "net/aws_sts.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "net/aws_source.h"
#include "net/fetch.h"
#include "net/sigv4.h"

#define ANSWER_MAX (1 << 16)
#define FORM_MAX   (1 << 17)
#define TIMEOUT_MS 5000
#define VERSION    "Version=2011-06-15"

struct service {
    const char *region, *ca_file; /* ca_file may be NULL, or "" */
    struct buf url;               /* ends in "/" */
};

static void auto_service_(struct service *s)
{
    buf_done(&s->url);
}

static const char *region_of(const struct aws_credentials_options *o)
{
    const char *region = aws_variable(o, "AWS_REGION");

    region = region ? region : aws_variable(o, "AWS_DEFAULT_REGION");
    region = region ? region : o->region;
    return region && *region ? region : "us-east-1";
}

/* "Service-specific endpoints": of the environment, then of the profile. NULL: AWS's own. */
static const char *endpoint_of(const struct aws_credentials_options *o, const struct aws_role *role)
{
    const char *ignored = aws_variable(o, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    const char *url = aws_variable(o, "AWS_ENDPOINT_URL_STS");

    if (ignored && strcasecmp(ignored, "true") == 0)
        return NULL;
    if (!url)
        url = aws_variable(o, "AWS_ENDPOINT_URL");
    return url ? url : role->endpoint_url;
}

/* "AWS STS Regional endpoints". AWS's own are known by authorities that everybody has. */
static void find_service(const struct aws_credentials_options *o, const struct aws_role *role,
                         struct service *ret_service)
{
    const char *given = endpoint_of(o, role);
    struct buf *url = &ret_service->url;

    buf_init(url, 2048);
    ret_service->region = region_of(o);
    ret_service->ca_file = aws_variable(o, "AWS_CA_BUNDLE");
    if (given && !ret_service->ca_file)
        ret_service->ca_file = o->ca_file;
    if (given)
        buf_add_text(url, given);
    else
        buf_addf(url, "https://sts.%s.amazonaws.com%s", ret_service->region,
                 str_starts(str_of(ret_service->region), STR("cn-")) ? ".cn" : "");
    while (url->n > 0 && url->p[url->n - 1] == '/')
        url->n--;
    buf_add_char(url, '/');
}

static void field(struct buf *form, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    buf_addf(form, "&%s=", name);
    buf_add_percent(form, str_of(value));
}

static void begin(struct buf *form, const char *action, const struct aws_role *role)
{
    buf_init(form, FORM_MAX);
    buf_addf(form, VERSION "&Action=%s", action);
    field(form, "RoleArn", role->arn);
    field(form, "RoleSessionName", role->session ? role->session : "registry");
    field(form, "ExternalId", role->external_id);
    field(form, "DurationSeconds", role->duration_s);
}

static enum err_code refused(int status, struct str body, struct err *e)
{
    struct aws_refusal r;

    aws_answer_refusal(body, &r);
    return err_set(e, status >= 500 ? ERR_UNAVAILABLE : ERR_DENIED,
                   "the token service answers %d %s: %s", status, r.code, r.message);
}

static enum err_code ask(struct service *s, const char *const *headers, struct str form,
                         struct aws_key *ret_key, struct err *e)
{
    AUTO(buf) struct buf body = {0};
    struct fetch f = {
        .url = buf_text(&s->url),
        .headers = headers,
        .post = form,
        .ca_file = s->ca_file,
        .timeout_ms = TIMEOUT_MS,
    };
    int status;

    buf_init(&body, ANSWER_MAX);
    TRY(fetch_run(&f, &status, &body, e));
    if (status != 200)
        return refused(status, buf_str(&body), e);
    return aws_answer_read(buf_str(&body), ret_key, e);
}

/* "HOST[:PORT]" of a URL. */
static struct str authority_of(struct str url)
{
    struct str scheme, host;

    str_cut(&url, '/', &scheme);
    str_cut(&url, '/', &host); /* what is between the two slashes */
    str_cut(&url, '/', &host);
    return host;
}

#define HEADERS_MAX 6

/* The header lines of a request; the first n are there. */
struct lines {
    struct buf text[HEADERS_MAX];
    const char *pointers[HEADERS_MAX + 1];
    size_t n;
};

static void add_line(struct lines *l, const char *name, struct str value)
{
    struct buf *line = &l->text[l->n];

    buf_init(line, ANSWER_MAX + 1024);
    buf_addf(line, "%s: ", name);
    buf_add_str(line, value);
    l->pointers[l->n++] = buf_text(line);
}

static void auto_lines_(struct lines *l)
{
    for (size_t i = 0; i < l->n; i++)
        buf_done(&l->text[i]);
}

/* Signed are its host, its time, the session and the body. */
static void sign(struct service *s, const struct aws_key *with, struct str form, struct lines *l)
{
    AUTO(buf) struct buf value = {0};
    struct digest hash;
    int64_t now_ms = clock_wall_ms();
    struct sigv4_field headers[3] = {{STR("host"), authority_of(buf_str(&s->url))}};
    struct sigv4_key key = {with->access, with->secret, NULL, s->region, "sts"};
    struct sigv4_request r = {
        .method = "POST", .path = STR("/"), .headers = headers, .time_ms = now_ms};
    char date[SIGV4_DATE_SIZE];

    sigv4_date(now_ms, date);
    digest_of(DIGEST_SHA256, form.p, form.n, &hash);
    r.payload = digest_hex(&hash).p;
    headers[1] = (struct sigv4_field){STR("x-amz-date"), str_of(date)};
    r.n_headers = 2;
    add_line(l, "x-amz-date", str_of(date));
    if (with->token.n > 0) {
        headers[2] = (struct sigv4_field){STR("x-amz-security-token"), buf_str(&with->token)};
        r.n_headers = 3;
        add_line(l, "x-amz-security-token", buf_str(&with->token));
    }
    buf_init(&value, 4096);
    sigv4_authorization(&key, &r, &value);
    add_line(l, "Authorization", buf_str(&value));
}

enum err_code aws_sts_assume(const struct aws_credentials_options *o, const struct aws_role *role,
                             const struct aws_key *with, struct aws_key *ret_key, struct err *e)
{
    AUTO(service) struct service s = {0};
    AUTO(buf) struct buf form = {0};
    AUTO(lines) struct lines l = {0};

    find_service(o, role, &s);
    begin(&form, "AssumeRole", role);
    add_line(&l, "Accept", STR("application/json"));
    sign(&s, with, buf_str(&form), &l);
    return ask(&s, l.pointers, buf_str(&form), ret_key, e);
}

enum err_code aws_sts_assume_with_token(const struct aws_credentials_options *o,
                                        const struct aws_role *role, const char *token_file,
                                        struct aws_key *ret_key, struct err *e)
{
    static const char *const headers[] = {"Accept: application/json", NULL};
    AUTO(service) struct service s = {0};
    AUTO(buf) struct buf form = {0}, token = {0};

    find_service(o, role, &s);
    TRY(aws_file_read(token_file, &token, e));
    begin(&form, "AssumeRoleWithWebIdentity", role);
    field(&form, "WebIdentityToken", buf_text(&token));
    if (form.full)
        return err_set(e, ERR_CONFIG, "'%.200s' is too large for a token", token_file);
    return ask(&s, headers, buf_str(&form), ret_key, e);
}
