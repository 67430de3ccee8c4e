#include "meta/dynamodb/request.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "net/aws_credentials.h"
#include "net/client.h"
#include "net/sigv4.h"

#include <stdio.h>
#include <stdlib.h>

#define API           "DynamoDB_20120810"
#define CONTENT_TYPE  "application/x-amz-json-1.0"
#define TIMEOUT_MS    15000
#define STALL_MS      3000
#define ANSWER_MAX    (32u << 20) /* a batch is 16 MB, and its bytes are base64 */
#define HEADER_MAX    (80 << 10)  /* with a session token */
#define WAIT_FIRST_MS 25
#define WAIT_MOST_MS  5000

struct dynamo_link {
    struct client *client;
    struct aws_credentials *credentials; /* the caller's */
    char *table, *region, *url, *host, *where;
    uint64_t timeout_ms;
    atomic_uint_fast64_t requests;
};

const char *dynamo_link_table(const struct dynamo_link *l)
{
    return l->table;
}

const char *dynamo_link_where(const struct dynamo_link *l)
{
    return l->where;
}

uint64_t dynamo_link_requests(const struct dynamo_link *l)
{
    return atomic_load(&l->requests);
}

int64_t dynamo_link_end(const struct dynamo_link *l)
{
    return clock_mono_ms() + (int64_t)l->timeout_ms;
}

/* The URL of the service, and the host as its header has it. */
static enum err_code place(struct dynamo_link *l, const char *endpoint, struct err *e)
{
    AUTO(buf) struct buf url = {0};
    struct str rest, scheme, host;

    buf_init(&url, 1024);
    if (endpoint && endpoint[0])
        buf_add_text(&url, endpoint);
    else
        buf_addf(&url, "https://dynamodb.%s.%s", l->region,
                 str_starts(str_of(l->region), STR("cn-")) ? "amazonaws.com.cn" : "amazonaws.com");
    while (url.n > 0 && url.p[url.n - 1] == '/')
        url.n--;
    rest = buf_str(&url);
    if (!str_starts(rest, STR("http://")) && !str_starts(rest, STR("https://")))
        return err_set(e, ERR_CONFIG, "'%s' is not the URL of a server", endpoint);
    str_cut(&rest, ':', &scheme);
    host = str_sub(rest, 2, rest.n - 2);
    if (host.n == 0 || memchr(host.p, '/', host.n))
        return err_set(e, ERR_CONFIG, "'%s' is not the URL of a server, without a path", endpoint);
    l->host = str_dup(host);
    buf_add_char(&url, '/');
    l->url = str_dup(buf_str(&url));
    return ERR_OK;
}

enum err_code dynamo_link_new(const struct meta_dynamodb_options *o, struct dynamo_link **ret_link,
                              struct err *e)
{
    struct dynamo_link *l = NEW(struct dynamo_link);
    struct client_options lines = {.ca_file = o->ca_file, .connect_ms = 2000, .idle = 64};
    AUTO(buf) struct buf where = {0};
    enum err_code code;

    l->table = mem_strdup(o->table);
    l->region = mem_strdup(o->region);
    l->credentials = o->credentials;
    l->timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_MS;
    lines.stall_ms = l->timeout_ms / 3 < STALL_MS ? l->timeout_ms / 3 : STALL_MS;
    code = place(l, o->endpoint, e);
    if (code == ERR_OK)
        code = client_new(&lines, &l->client, e);
    if (code != ERR_OK) {
        dynamo_link_free(l);
        return code;
    }
    buf_init(&where, 2048);
    buf_addf(&where, "%s at %s", l->table, l->host);
    l->where = str_dup(buf_str(&where));
    *ret_link = l;
    return ERR_OK;
}

void dynamo_link_free(struct dynamo_link *l)
{
    if (!l)
        return;
    client_free(l->client);
    free(l->table);
    free(l->region);
    free(l->url);
    free(l->host);
    free(l->where);
    free(l);
}

/* ---- one try */

enum again { NEVER, ONCE, AS_LONG_AS };

struct answer {
    int status;
    char type[64]; /* of an error */
    enum again again;
    json_t *body;
};

static void add_line(struct buf *lines, size_t *at, const char *name, const char *value)
{
    *at = lines->n;
    buf_addf(lines, "%s: %s", name, value);
    buf_add_char(lines, '\0');
}

static enum err_code send_signed(struct dynamo_link *l, const char *operation, struct str body,
                                 const struct aws_key *key, int *ret_status, struct buf *ret_body,
                                 struct err *e)
{
    const char *token = key->token.n > 0 ? key->token.p : NULL;
    AUTO(buf) struct buf authorization = {0}, lines = {0}, session = {0};
    char date[SIGV4_DATE_SIZE], target[64], payload[65];
    struct digest d;
    struct sigv4_key k = {.access_key = key->access,
                          .secret_key = key->secret,
                          .region = l->region,
                          .service = "dynamodb"};
    struct sigv4_request signing = {
        .method = "POST", .path = STR("/"), .payload = payload, .time_ms = clock_wall_ms()};
    struct client_request request = {
        .method = "POST", .url = l->url, .body = body, .content_type = CONTENT_TYPE};
    struct sigv4_field headers[5] = {{STR("content-type"), STR(CONTENT_TYPE)},
                                     {STR("host"), str_of(l->host)}};
    const char *pointers[5] = {NULL};
    size_t at[4], n = 3;

    buf_init(&authorization, HEADER_MAX);
    buf_init(&lines, 2 * HEADER_MAX);
    buf_init(&session, AWS_TOKEN_MAX);
    buf_add_str(&session, buf_str(&key->token));
    k.session_token = token ? buf_text(&session) : NULL;
    digest_of(DIGEST_SHA256, body.p, body.n, &d);
    snprintf(payload, sizeof(payload), STR_FMT, STR_ARG(digest_hex(&d)));
    sigv4_date(signing.time_ms, date);
    snprintf(target, sizeof(target), "%s.%s", API, operation);
    signing.headers = headers;
    signing.n_headers = 2;
    headers[signing.n_headers++] = (struct sigv4_field){STR("x-amz-date"), str_of(date)};
    if (token)
        headers[signing.n_headers++] =
            (struct sigv4_field){STR("x-amz-security-token"), buf_str(&session)};
    headers[signing.n_headers++] = (struct sigv4_field){STR("x-amz-target"), str_of(target)};
    sigv4_authorization(&k, &signing, &authorization);
    add_line(&lines, &at[0], "authorization", buf_text(&authorization));
    add_line(&lines, &at[1], "x-amz-date", date);
    add_line(&lines, &at[2], "x-amz-target", target);
    if (token)
        add_line(&lines, &at[n++], "x-amz-security-token", buf_text(&session));
    for (size_t i = 0; i < n; i++)
        pointers[i] = lines.p + at[i];
    request.headers = pointers;
    atomic_fetch_add(&l->requests, 1);
    return client_run(l->client, &request, NULL, NULL, ret_status, ret_body, e);
}

/* ---- what an answer means */

static const struct refusal {
    int status;       /* 0: any */
    const char *type; /* NULL: any */
    enum err_code means;
    enum again again;
} refusals[] = {
    /* The first row that fits: "Error handling with DynamoDB", and common errors. */
    {0, "ConditionalCheckFailedException", ERR_PRECONDITION, NEVER},
    {0, "TransactionCanceledException", ERR_CONFLICT, NEVER},
    {0, "TransactionInProgressException", ERR_UNAVAILABLE, AS_LONG_AS},
    {0, "TransactionConflictException", ERR_UNAVAILABLE, AS_LONG_AS},
    {0, "ProvisionedThroughputExceededException", ERR_UNAVAILABLE, AS_LONG_AS},
    {0, "ThrottlingException", ERR_UNAVAILABLE, AS_LONG_AS},
    {0, "ThrottledException", ERR_UNAVAILABLE, AS_LONG_AS},
    {0, "RequestLimitExceeded", ERR_UNAVAILABLE, AS_LONG_AS},
    {0, "ReplicatedWriteConflictException", ERR_UNAVAILABLE, AS_LONG_AS},
    {0, "InternalServerError", ERR_UNAVAILABLE, AS_LONG_AS},
    {0, "InternalFailure", ERR_UNAVAILABLE, AS_LONG_AS},
    {0, "ServiceUnavailable", ERR_UNAVAILABLE, AS_LONG_AS},
    {0, "ResourceNotFoundException", ERR_NOT_FOUND, NEVER},
    {0, "ResourceInUseException", ERR_LATER, NEVER},
    {0, "LimitExceededException", ERR_LATER, NEVER}, /* too many tables are being changed */
    {0, "ExpiredTokenException", ERR_DENIED, ONCE},
    {0, "ExpiredToken", ERR_DENIED, ONCE},
    {0, "UnrecognizedClientException", ERR_DENIED, ONCE},
    {0, "InvalidSignatureException", ERR_DENIED, ONCE}, /* of clocks, too */
    {0, "RequestExpired", ERR_DENIED, ONCE},
    {0, "AccessDeniedException", ERR_DENIED, NEVER},
    {0, "IncompleteSignatureException", ERR_DENIED, NEVER},
    {0, "MissingAuthenticationTokenException", ERR_DENIED, NEVER},
    {0, "ItemCollectionSizeLimitExceededException", ERR_STORAGE_FULL, NEVER},
    {401, NULL, ERR_DENIED, NEVER},
    {403, NULL, ERR_DENIED, NEVER},
    {408, NULL, ERR_UNAVAILABLE, AS_LONG_AS},
    {429, NULL, ERR_UNAVAILABLE, AS_LONG_AS},
    {500, NULL, ERR_UNAVAILABLE, AS_LONG_AS},
    {502, NULL, ERR_UNAVAILABLE, AS_LONG_AS},
    {503, NULL, ERR_UNAVAILABLE, AS_LONG_AS},
    {504, NULL, ERR_UNAVAILABLE, AS_LONG_AS},
    {0, NULL, ERR_INTERNAL, NEVER},
};

/* "com.amazonaws.dynamodb.v20120810#ThrottlingException": what follows the last '#'. */
static void take_type(struct answer *a)
{
    const char *type = json_string_value(json_object_get(a->body, "__type"));
    const char *mark = type ? strrchr(type, '#') : NULL;

    snprintf(a->type, sizeof(a->type), "%s", mark ? mark + 1 : (type ? type : ""));
}

static const char *message_of(const json_t *body)
{
    const char *small = json_string_value(json_object_get(body, "message"));
    const char *large = json_string_value(json_object_get(body, "Message"));

    return small ? small : (large ? large : "");
}

static enum err_code refused(struct dynamo_link *l, const char *operation, struct answer *a,
                             struct err *e)
{
    const struct refusal *r = refusals;

    take_type(a);
    while ((r->status && r->status != a->status) || (r->type && strcmp(r->type, a->type) != 0))
        r++;
    a->again = r->again;
    return err_set(e, r->means, "%s of %s: %s (status %d%s%s)", operation, l->where,
                   message_of(a->body), a->status, a->type[0] ? ", " : "", a->type);
}

static enum err_code try_once(struct dynamo_link *l, const char *operation, struct str body,
                              const struct aws_key *key, struct answer *a, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, ANSWER_MAX);
    *a = (struct answer){.again = AS_LONG_AS}; /* if none comes */
    TRY(send_signed(l, operation, body, key, &a->status, &text, e));
    if (json_shallow(buf_str(&text)))
        a->body = json_loadb(text.n > 0 ? text.p : "", text.n, 0, NULL);
    if (a->status != 200)
        return refused(l, operation, a, e);
    if (!json_is_object(a->body))
        return err_set(e, ERR_UNAVAILABLE, "%s of %s: an answer that is no JSON", operation,
                       l->where);
    return ERR_OK;
}

/* ---- trying again */

bool dynamo_pause(struct dynamo_link *l, unsigned n, uint64_t first_ms, uint64_t most_ms,
                  int64_t end_ms)
{
    uint64_t most = n < 16 ? first_ms << n : most_ms, random, ms;

    random_bytes(&random, sizeof(random));
    ms = random % ((most < most_ms ? most : most_ms) + 1);
    return clock_mono_ms() + (int64_t)ms < end_ms && client_pause(l->client, ms);
}

/* What the registry's own key may not do is no matter of a client's rights. */
static enum err_code told(enum err_code code, struct err *e)
{
    if (code == ERR_DENIED)
        e->code = code = ERR_STORAGE_READONLY;
    return code;
}

/* One try with the key that holds now; *renewed: the other one that expired keys get was made. */
static enum err_code with_key(struct dynamo_link *l, const char *operation, struct str body,
                              bool *renewed, struct answer *a, struct err *e)
{
    AUTO(aws_key) struct aws_key key = {0};
    enum err_code code;

    *a = (struct answer){.again = AS_LONG_AS};
    TRY(aws_credentials_get(l->credentials, &key, e));
    code = try_once(l, operation, body, &key, a, e);
    if (code == ERR_DENIED && a->again == ONCE) {
        aws_credentials_refused(l->credentials, &key);
        a->again = *renewed ? NEVER : AS_LONG_AS;
        *renewed = true;
    }
    return code;
}

static bool may_help(enum err_code code, const struct answer *a)
{
    return (code == ERR_UNAVAILABLE || code == ERR_DENIED) && a->again == AS_LONG_AS;
}

enum err_code dynamo_ask(struct dynamo_link *l, const char *operation, const json_t *body,
                         int64_t end_ms, json_t **ret_answer, struct err *e)
{
    AUTO(mem) char *text = json_dumps(body, JSON_COMPACT);
    bool renewed = false;

    if (!text)
        return err_set(e, ERR_INTERNAL, "%s of %s: a body that can't be written", operation,
                       l->where);
    for (unsigned n = 0;; n++) {
        struct answer a;
        enum err_code code = with_key(l, operation, str_of(text), &renewed, &a, e);

        if (!may_help(code, &a) || !dynamo_pause(l, n, WAIT_FIRST_MS, WAIT_MOST_MS, end_ms)) {
            if (code == ERR_OK || code == ERR_CONFLICT || code == ERR_PRECONDITION)
                *ret_answer = STEAL(a.body);
            json_decref(a.body);
            return told(code, e);
        }
        json_decref(a.body);
    }
}
