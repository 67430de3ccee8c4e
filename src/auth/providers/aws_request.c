#include "auth/providers/aws_request.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/percent.h"

#include <jansson.h>
#include <time.h>

#define EXPIRES_MAX_S (7 * 86400) /* the longest that AWS signs for */
#define AHEAD_MS      300000      /* clocks differ; AWS allows as much */
#define VALUE_MAX     4096
#define TEXT_MAX      (AWS_URL_MAX / 3 * 4) /* of the URL in base64url */

enum parameter {
    ACTION,
    VERSION,
    ALGORITHM,
    CREDENTIAL,
    DATE,
    EXPIRES,
    SIGNED_HEADERS,
    SIGNATURE,
    SECURITY_TOKEN, /* of temporary credentials only */
    PARAMETERS,
};

/* All that a request may have; with one value, where only that is meant. The service's own
 * parameters and those of "Authenticating Requests: Using Query Parameters (AWS Signature Version
 * 4)". */
static const struct {
    const char *name, *value;
} parameters[PARAMETERS] = {
    [ACTION] = {"Action", "GetCallerIdentity"},
    [VERSION] = {"Version", "2011-06-15"},
    [ALGORITHM] = {"X-Amz-Algorithm", "AWS4-HMAC-SHA256"},
    [CREDENTIAL] = {"X-Amz-Credential", NULL},
    [DATE] = {"X-Amz-Date", NULL},
    [EXPIRES] = {"X-Amz-Expires", NULL},
    [SIGNED_HEADERS] = {"X-Amz-SignedHeaders", "host;" AWS_AUDIENCE},
    [SIGNATURE] = {"X-Amz-Signature", NULL},
    [SECURITY_TOKEN] = {"X-Amz-Security-Token", NULL},
};

struct request {
    struct str values[PARAMETERS]; /* decoded; .p NULL: not there */
    char memory[AWS_URL_MAX];
    size_t used;
};

static enum err_code wrong(struct err *e, const char *what)
{
    return err_tell(e, ERR_UNAUTHORIZED, "the AWS token is no good: %s", what);
}

/* The padding of what some encoders write may stay. */
static bool decode(struct str text, char dst[static BASE64_ROOM(TEXT_MAX)], struct str *ret)
{
    for (size_t i = 0; i < 2 && text.n > 0 && text.p[text.n - 1] == '='; i++)
        text.n--;
    ret->p = dst;
    return text.n <= TEXT_MAX && base64url_decode(text, (unsigned char *)dst, &ret->n);
}

/* The endpoint that the URL begins with; *url becomes what follows "/?". */
static const char *endpoint_of(const struct conf_strings *endpoints, struct str *url)
{
    for (size_t i = 0; i < endpoints->n; i++) {
        struct str endpoint = str_of(endpoints->items[i]);
        struct str rest;

        if (!str_starts(*url, endpoint))
            continue;
        rest = str_sub(*url, endpoint.n, url->n - endpoint.n);
        if (!str_starts(rest, STR("/?"))) /* else it is a longer name, or another path */
            continue;
        *url = str_sub(rest, 2, rest.n - 2);
        return endpoint.p;
    }
    return NULL;
}

static enum err_code take_parameter(struct request *r, struct str pair, struct err *e)
{
    struct str name, value = pair;
    size_t n;

    if (!str_cut(&value, '=', &name))
        return wrong(e, "a parameter has no value");
    for (size_t i = 0; i < PARAMETERS; i++) {
        if (!str_eq(name, str_of(parameters[i].name)))
            continue;
        if (r->values[i].p)
            return wrong(e, "a parameter stands there twice");
        if (!percent_decode(value, r->memory + r->used, sizeof(r->memory) - r->used, &n) ||
            n == 0 || n > VALUE_MAX)
            return wrong(e, "a parameter is malformed");
        r->values[i] = (struct str){r->memory + r->used, n};
        r->used += n;
        if (parameters[i].value && !str_eq(r->values[i], str_of(parameters[i].value)))
            return err_tell(e, ERR_UNAUTHORIZED,
                            "the AWS token is no good: parameter %s must be '%s'",
                            parameters[i].name, parameters[i].value);
        return ERR_OK;
    }
    return wrong(e, "it has a parameter that does not belong there");
}

static bool is_signature(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (!strchr("0123456789abcdef", text.p[i]))
            return false;
    }
    return text.n == 64;
}

static enum err_code take_parameters(struct request *r, struct str query, struct err *e)
{
    struct str pair;
    bool more = true;

    while (more) {
        more = str_cut(&query, '&', &pair);
        TRY(take_parameter(r, pair, e));
    }
    for (size_t i = 0; i < PARAMETERS; i++) {
        if (!r->values[i].p && i != SECURITY_TOKEN)
            return err_tell(e, ERR_UNAUTHORIZED, "the AWS token is no good: it lacks %s",
                            parameters[i].name);
    }
    return is_signature(r->values[SIGNATURE]) ? ERR_OK : wrong(e, "X-Amz-Signature is none");
}

/* 20260131T235959Z */
static bool parse_date(struct str text, int64_t *ret_ms)
{
    struct tm tm = {0};
    char copy[17];
    const char *end;
    time_t t;

    if (!str_copy(text, copy, sizeof(copy)) || text.n != 16)
        return false;
    for (size_t i = 0; i < 15; i++) {
        if (i != 8 && (copy[i] < '0' || copy[i] > '9'))
            return false;
    }
    end = strptime(copy, "%Y%m%dT%H%M%SZ", &tm);
    t = end && *end == '\0' ? timegm(&tm) : -1;
    *ret_ms = (int64_t)t * 1000;
    return t > 0;
}

static enum err_code check_time(const struct request *r, const struct conf_aws *c, int64_t now_ms,
                                int64_t *ret_until_ms, struct err *e)
{
    int64_t signed_ms, life_ms;
    uint64_t expires_s;

    if (!parse_date(r->values[DATE], &signed_ms))
        return wrong(e, "X-Amz-Date is no time");
    if (!str_to_u64(r->values[EXPIRES], EXPIRES_MAX_S, &expires_s))
        return wrong(e, "X-Amz-Expires is no number of seconds");
    life_ms = (int64_t)expires_s * 1000;
    if (life_ms > (int64_t)c->max_age_ms)
        life_ms = (int64_t)c->max_age_ms;
    if (signed_ms > now_ms + AHEAD_MS)
        return wrong(e, "it was signed in the future");
    if (signed_ms + life_ms <= now_ms)
        return wrong(e, "it has expired");
    *ret_until_ms = signed_ms + life_ms;
    return ERR_OK;
}

static void write_url(const struct request *r, const char *endpoint, struct buf *ret_url)
{
    buf_add_text(ret_url, endpoint);
    for (size_t i = 0; i < PARAMETERS; i++) {
        if (!r->values[i].p)
            continue;
        buf_addf(ret_url, "%s%s=", i == 0 ? "/?" : "&", parameters[i].name);
        buf_add_percent(ret_url, r->values[i]);
    }
}

enum err_code aws_request_parse(struct str token, const struct conf_aws *c, int64_t now_ms,
                                struct buf *ret_url, int64_t *ret_until_ms, struct err *e)
{
    char text[BASE64_ROOM(TEXT_MAX)];
    struct str url, encoded = token;
    struct request r = {0};
    const char *endpoint;

    if (!token.p || !str_starts(token, AWS_TOKEN_PREFIX))
        return wrong(e, "it begins otherwise");
    encoded.p += AWS_TOKEN_PREFIX.n;
    encoded.n -= AWS_TOKEN_PREFIX.n;
    if (!decode(encoded, text, &url))
        return wrong(e, "it is no base64url, or too long");
    endpoint = endpoint_of(&c->sts_endpoints, &url);
    if (!endpoint)
        return wrong(e, "it was made for a server that is not in auth.aws.sts_endpoints");
    TRY(take_parameters(&r, url, e));
    TRY(check_time(&r, c, now_ms, ret_until_ms, e));
    write_url(&r, endpoint, ret_url);
    return ret_url->full ? wrong(e, "it is too long") : ERR_OK;
}

/* The answer. */

/* arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE */
struct arn {
    struct str partition, service, region, account, resource;
};

static bool parse_arn(struct str text, struct arn *ret)
{
    struct str scheme;

    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] <= ' ' || text.p[i] > '~')
            return false;
    }
    return str_cut(&text, ':', &scheme) && str_eq(scheme, STR("arn")) &&
           str_cut(&text, ':', &ret->partition) && str_cut(&text, ':', &ret->service) &&
           str_cut(&text, ':', &ret->region) && str_cut(&text, ':', &ret->account) &&
           (ret->resource = text, text.n > 0);
}

/* A session is its role: assumed-role/ROLE/SESSION of sts is role/ROLE of iam. The role's path is
 * not in a session's ARN, so it is in no role's ARN here. */
static bool write_arn(const struct arn *arn, char dst[static AWS_ARN_MAX])
{
    struct str rest = arn->resource, kind, role;
    int n;

    str_cut(&rest, '/', &kind);
    if (str_eq(arn->service, STR("sts")) && str_eq(kind, STR("assumed-role"))) {
        if (!str_cut(&rest, '/', &role) || role.n == 0 || rest.n == 0)
            return false;
        n = snprintf(dst, AWS_ARN_MAX, "arn:" STR_FMT ":iam::" STR_FMT ":role/" STR_FMT,
                     STR_ARG(arn->partition), STR_ARG(arn->account), STR_ARG(role));
    } else {
        n = snprintf(dst, AWS_ARN_MAX,
                     "arn:" STR_FMT ":" STR_FMT ":" STR_FMT ":" STR_FMT ":" STR_FMT,
                     STR_ARG(arn->partition), STR_ARG(arn->service), STR_ARG(arn->region),
                     STR_ARG(arn->account), STR_ARG(arn->resource));
    }
    return n > 0 && n < AWS_ARN_MAX;
}

enum err_code aws_caller_parse(struct str json, struct aws_caller *ret_caller, struct err *e)
{
    json_t *root = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, NULL);
    const json_t *response = json_object_get(root, "GetCallerIdentityResponse");
    const json_t *result = json_object_get(response, "GetCallerIdentityResult");
    const char *account = json_string_value(json_object_get(result, "Account"));
    const char *text = json_string_value(json_object_get(result, "Arn"));
    struct aws_caller caller;
    struct arn arn;
    bool good = account && text && parse_arn(str_of(text), &arn) &&
                str_eq(arn.account, str_of(account)) &&
                str_copy(str_of(account), caller.account, sizeof(caller.account)) &&
                write_arn(&arn, caller.arn);

    json_decref(root);
    if (!good)
        return err_set(e, ERR_UNAVAILABLE, "what the token service of AWS says is no identity");
    *ret_caller = caller;
    return ERR_OK;
}
