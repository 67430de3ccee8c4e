#include "store/s3/client.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "store/s3/count.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define URL_MAX        8192
#define HEADER_MAX     4096
#define ERROR_BODY_MAX 65536
#define TIMEOUT_MS     60000
#define STALL_MS       30000 /* or half of the time there is, so that there is a second try */
#define HASH_BYTES     (128u << 10)
#define WAIT_FIRST_MS  50
#define WAIT_MOST_MS   10000

struct s3_client {
    struct store_s3_options options;
    struct client *client;
    char *strings[9]; /* what options points to */
    size_t n_strings;
    char *server;        /* its URL */
    char *scheme, *host; /* host with its port, as the Host field has it */
    char *base;          /* of the path: "" or "/bucket" */
    bool frank;
    _Atomic int refused; /* s3_write_refused() */
    struct s3_counts counts;
};

static const char *keep(struct s3_client *c, const char *text)
{
    char *copy = mem_strdup(text ? text : "");

    c->strings[c->n_strings++] = copy;
    return copy;
}

/* ---- where the bucket is */

/* The scheme and what follows it of "https://host:port/". */
static enum err_code split_endpoint(const char *endpoint, struct str *ret_scheme,
                                    struct str *ret_host, struct err *e)
{
    struct str rest = str_of(endpoint);

    *ret_scheme = str_starts(rest, STR("http://")) ? STR("http") : STR("https");
    if (str_starts(rest, STR("http://")) || str_starts(rest, STR("https://")))
        rest = str_sub(rest, ret_scheme->n + 3, rest.n - ret_scheme->n - 3);
    str_cut(&rest, '/', ret_host);
    if (ret_host->n == 0 || rest.n > 0)
        return err_set(e, ERR_CONFIG, "'%s' is not the URL of a server, without a path", endpoint);
    return ERR_OK;
}

static enum err_code place_bucket(struct s3_client *c, struct err *e)
{
    const struct store_s3_options *o = &c->options;
    AUTO(buf) struct buf host = {0}, endpoint = {0};
    struct str scheme, server;

    buf_init(&host, 1024);
    buf_init(&endpoint, 1024);
    if (o->endpoint[0])
        buf_add_text(&endpoint, o->endpoint);
    else
        buf_addf(&endpoint, "https://s3.%s.%s", o->region,
                 str_starts(str_of(o->region), STR("cn-")) ? "amazonaws.com.cn" : "amazonaws.com");
    TRY(split_endpoint(buf_text(&endpoint), &scheme, &server, e));
    if (!o->path_style)
        buf_addf(&host, "%s.", o->bucket);
    buf_add_str(&host, server);
    c->scheme = str_dup(scheme);
    buf_clear(&endpoint); /* server lies in it, and is used no more */
    buf_addf(&endpoint, STR_FMT "://" STR_FMT, STR_ARG(str_of(c->scheme)), STR_ARG(server));
    c->server = str_dup(buf_str(&endpoint));
    c->host = str_dup(buf_str(&host));
    buf_clear(&host);
    if (o->path_style)
        buf_addf(&host, "/%s", o->bucket);
    c->base = str_dup(buf_str(&host));
    return ERR_OK;
}

enum err_code s3_client_new(const struct store_s3_options *o, struct s3_client **ret_client,
                            struct err *e)
{
    struct client_options lines = {.ca_file = o->ca_file, .idle = 32};
    struct s3_client *c = NEW(struct s3_client);
    enum err_code code;

    c->options = *o;
    c->options.bucket = keep(c, o->bucket);
    c->options.region = keep(c, o->region);
    c->options.prefix = keep(c, o->prefix);
    c->options.endpoint = keep(c, o->endpoint);
    c->options.ca_file = keep(c, o->ca_file);
    c->options.kms_key_id = keep(c, o->kms_key_id);
    c->options.storage_class = keep(c, o->storage_class);
    c->options.temp_path = keep(c, o->temp_path);
    c->options.lifecycle.transition_class = keep(c, o->lifecycle.transition_class);
    if (c->options.timeout_ms == 0)
        c->options.timeout_ms = TIMEOUT_MS;
    lines.stall_ms = c->options.timeout_ms / 2 < STALL_MS ? c->options.timeout_ms / 2 : STALL_MS;
    atomic_init(&c->refused, ERR_OK);
    code = place_bucket(c, e);
    if (code == ERR_OK)
        code = client_new(&lines, &c->client, e);
    if (code != ERR_OK) {
        s3_client_free(c);
        return code;
    }
    *ret_client = c;
    return ERR_OK;
}

void s3_client_free(struct s3_client *c)
{
    if (!c)
        return;
    client_free(c->client);
    for (size_t i = 0; i < c->n_strings; i++)
        free(c->strings[i]);
    free(c->server);
    free(c->scheme);
    free(c->host);
    free(c->base);
    free(c);
}

void s3_client_hurry(struct s3_client *c, uint64_t ms)
{
    client_hurry(c->client, ms);
}

bool s3_client_ends(struct s3_client *c)
{
    return !client_pause(c->client, 0);
}

void s3_client_be_frank(struct s3_client *c)
{
    c->frank = true;
}

const char *s3_client_server(const struct s3_client *c)
{
    return c->server;
}

const struct store_s3_options *s3_client_options(const struct s3_client *c)
{
    return &c->options;
}

void s3_client_counts(const struct s3_client *c, store_count_fn fn, void *ctx)
{
    s3_counts_tell(&c->counts, fn, ctx);
}

void s3_client_note_again(struct s3_client *c)
{
    atomic_fetch_add(&c->counts.again, 1);
}

static void count(struct s3_client *c, const struct s3_request *r)
{
    bool copies = false;

    for (size_t i = 0; i < r->n_headers; i++)
        copies |= str_eq(r->headers[i].name, STR("x-amz-copy-source"));
    atomic_fetch_add(
        &c->counts.of[s3_kind_of(r->method, r->name != NULL, copies, r->query, r->n_query)], 1);
}

enum err_code s3_write_refused(const struct s3_client *c)
{
    return (enum err_code)atomic_load(&c->refused);
}

/* ---- a request on its way out */

/* "/" and names in a path stay; all else that is not unreserved is encoded. */
void s3_add_key(struct buf *dst, const struct s3_name *name)
{
    struct str rest = {name->text, name->n}, part;
    bool more = true;

    while (more) {
        more = str_cut(&rest, '/', &part);
        buf_add_char(dst, '/');
        buf_add_percent(dst, part);
    }
}

static void add_path(const struct s3_client *c, const struct s3_name *name, struct buf *dst)
{
    buf_add_text(dst, c->base);
    if (name)
        s3_add_key(dst, name);
    else if (!c->base[0])
        buf_add_char(dst, '/');
}

static void add_query(const struct s3_request *r, struct buf *dst)
{
    for (size_t i = 0; i < r->n_query; i++) {
        buf_add_char(dst, i ? '&' : '?');
        buf_add_percent(dst, r->query[i].name);
        buf_add_char(dst, '=');
        buf_add_percent(dst, r->query[i].value);
    }
}

/* What a signed request is made of; all of it lives as long as the struct. */
struct signed_request {
    struct buf url, path, lines;
    struct sigv4_field headers[S3_HEADERS_MAX + 5];
    size_t n_headers;
    const char *pointers[S3_HEADERS_MAX + 7];
    char date[SIGV4_DATE_SIZE], payload[65], sum[S3_SUM_SIZE];
};

static void signed_done(struct signed_request *s)
{
    buf_done(&s->url);
    buf_done(&s->path);
    buf_done(&s->lines);
}

static enum err_code hash_file(const struct client_file *f, struct digest *ret, struct err *e)
{
    AUTO(hasher) struct hasher *h = hasher_new(DIGEST_SHA256);
    AUTO(mem) char *piece = mem_alloc(HASH_BYTES);

    for (uint64_t at = 0; at < f->bytes; at += HASH_BYTES) {
        size_t n = f->bytes - at < HASH_BYTES ? (size_t)(f->bytes - at) : HASH_BYTES;

        if (file_pread_all(f->fd, piece, n, f->at_bytes + at) != (ssize_t)n)
            return err_errno(e, "read what is to be sent");
        hasher_update(h, piece, n);
    }
    hasher_digest(h, ret);
    return ERR_OK;
}

static enum err_code hash_body(const struct s3_request *r, char payload[static 65], struct err *e)
{
    struct digest d;

    if (r->file)
        TRY(hash_file(r->file, &d, e));
    else
        digest_of(DIGEST_SHA256, r->body.p ? r->body.p : "", r->body.n, &d);
    snprintf(payload, 65, STR_FMT, STR_ARG(digest_hex(&d)));
    return ERR_OK;
}

static int by_name(const void *a, const void *b)
{
    const struct sigv4_field *x = a, *y = b;
    size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
    int order = memcmp(x->name.p, y->name.p, n);

    return order ? order : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

static void add_header(struct signed_request *s, struct str name, struct str value)
{
    s->headers[s->n_headers++] = (struct sigv4_field){name, value};
}

/* Lines for libcurl, one behind the other, each ended by a NUL. */
static void write_lines(struct signed_request *s, struct str authorization)
{
    size_t at[S3_HEADERS_MAX + 5], n = 0;

    for (size_t i = 0; i < s->n_headers; i++) {
        at[n++] = s->lines.n;
        buf_addf(&s->lines, STR_FMT ": " STR_FMT, STR_ARG(s->headers[i].name),
                 STR_ARG(s->headers[i].value));
        buf_add_char(&s->lines, '\0');
    }
    at[n++] = s->lines.n;
    buf_addf(&s->lines, "authorization: " STR_FMT, STR_ARG(authorization));
    buf_add_char(&s->lines, '\0');
    for (size_t i = 0; i < n; i++)
        s->pointers[i] = s->lines.p + at[i];
    s->pointers[n] = NULL;
}

/* "Checking object integrity": what was hashed to be signed anyway. */
static void add_sum(struct signed_request *s)
{
    unsigned char hash[32];

    if (!hex_decode(str_of(s->payload), hash, sizeof(hash)))
        abort(); /* it is a digest's */
    EVP_EncodeBlock((unsigned char *)s->sum, hash, sizeof(hash));
    add_header(s, STR("x-amz-checksum-sha256"), str_of(s->sum));
}

static struct sigv4_key signing_key(const struct s3_client *c, struct store_s3_key *key)
{
    return (struct sigv4_key){
        .access_key = key->access,
        .secret_key = key->secret,
        .session_token = key->token.n > 0 ? buf_text(&key->token) : NULL,
        .region = c->options.region,
        .service = "s3",
    };
}

static void sign(const struct s3_client *c, const struct s3_request *r, struct store_s3_key *key,
                 const char *payload, struct signed_request *s)
{
    struct sigv4_key k = signing_key(c, key);
    struct sigv4_request signing = {.method = r->method,
                                    .query = r->query,
                                    .n_query = r->n_query,
                                    .headers = s->headers,
                                    .payload = s->payload,
                                    .time_ms = clock_wall_ms()};
    AUTO(buf) struct buf authorization = {0};

    *s = (struct signed_request){0};
    buf_init(&s->url, URL_MAX);
    buf_init(&s->path, URL_MAX);
    buf_init(&s->lines, 16 * HEADER_MAX);
    buf_init(&authorization, HEADER_MAX);
    sigv4_date(signing.time_ms, s->date);
    memcpy(s->payload, payload, sizeof(s->payload));
    add_path(c, r->name, &s->path);
    buf_addf(&s->url, "%s://%s" STR_FMT, c->scheme, c->host, STR_ARG(buf_str(&s->path)));
    add_query(r, &s->url);
    for (size_t i = 0; i < r->n_headers; i++)
        add_header(s, r->headers[i].name, r->headers[i].value);
    if (r->sums)
        add_sum(s);
    add_header(s, STR("host"), str_of(c->host));
    add_header(s, STR("x-amz-content-sha256"), str_of(s->payload));
    add_header(s, STR("x-amz-date"), str_of(s->date));
    if (k.session_token)
        add_header(s, STR("x-amz-security-token"), str_of(k.session_token));
    qsort(s->headers, s->n_headers, sizeof(s->headers[0]), by_name);
    signing.path = buf_str(&s->path);
    signing.headers = s->headers;
    signing.n_headers = s->n_headers;
    sigv4_authorization(&k, &signing, &authorization);
    write_lines(s, buf_str(&authorization));
}

/* ---- what comes back */

static void copy_text(struct str value, char *dst, size_t cap)
{
    if (!str_copy(value, dst, cap))
        dst[0] = '\0';
}

static void take_range(struct str value, struct s3_answer *a)
{
    struct str first;

    if (str_cut(&value, '/', &first))
        str_to_u64_up_to(value, INT64_MAX, &a->total_bytes);
}

/* RFC 9110, 5.6.7; of the three forms servers send the first. */
static int64_t http_date_ms(struct str value)
{
    char text[64];
    struct tm tm = {0};

    if (!str_copy(value, text, sizeof(text)) || !strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
        return 0;
    return (int64_t)timegm(&tm) * 1000;
}

static void take_note(struct str value, struct store_note *note)
{
    if (value.n / 2 <= sizeof(note->bytes) && hex_decode(value, note->bytes, value.n / 2))
        note->n = value.n / 2;
}

static void take_header(void *ctx, struct str name, struct str value)
{
    struct s3_answer *a = ctx;
    uint64_t seconds;

    if (str_ieq(name, STR("ETag")))
        copy_text(value, a->etag, sizeof(a->etag));
    else if (str_ieq(name, STR("Content-Range")))
        take_range(value, a);
    else if (str_ieq(name, STR("Content-Length")) && a->total_bytes == UINT64_MAX)
        str_to_u64_up_to(value, INT64_MAX, &a->total_bytes);
    else if (str_ieq(name, STR("Last-Modified")))
        a->modified_ms = http_date_ms(value);
    else if (str_ieq(name, STR("x-amz-server-side-encryption")))
        a->encrypted = true;
    else if (str_ieq(name, STR("x-amz-checksum-sha256")))
        copy_text(value, a->sha256, sizeof(a->sha256));
    else if (str_ieq(name, STR("Retry-After")) && str_to_u64_up_to(value, 3600, &seconds))
        a->retry_ms = seconds * 1000;
    else if (str_ieq(name, STR("x-amz-bucket-region")))
        copy_text(value, a->region, sizeof(a->region));
    else if (str_ieq(name, STR("x-amz-meta-note")))
        take_note(value, &a->note);
    else if (str_ieq(name, STR("x-amz-meta-upload")))
        copy_text(value, a->meta_id, sizeof(a->meta_id));
    else if (str_ieq(name, STR("x-amz-meta-parts")))
        copy_text(value, a->meta_parts, sizeof(a->meta_parts));
    else if (str_ieq(name, STR("x-amz-meta-bytes")))
        str_to_u64_up_to(value, INT64_MAX, &a->meta_bytes);
}

static void reset(struct s3_answer *a)
{
    struct buf body = a->body;

    buf_clear(&body);
    *a = (struct s3_answer){
        .body = body, .total_bytes = UINT64_MAX, .again = S3_AS_LONG_AS}; /* if none comes */
}

static void take_code(void *ctx, struct str path, struct str text)
{
    struct s3_answer *a = ctx;

    if (str_eq(path, STR("Error/Code")))
        copy_text(text, a->code, sizeof(a->code));
    if (str_eq(path, STR("Error/Region")))
        copy_text(text, a->region, sizeof(a->region));
}

static const char other_region[] = "storage.s3.region is not that of the bucket, it seems";

static const char damaged[] = "what was sent did not arrive as it was";

struct refusal {
    int status; /* 0: any */
    enum err_code means;
    enum s3_again again;
    const char *code; /* NULL: any */
    const char *text; /* NULL: the server's word */
};

/* The first row that fits. "Error responses" of the API reference, and what other servers say. */
static const struct refusal refusals[] = {
    {0, ERR_UNAVAILABLE, S3_AS_LONG_AS, "SlowDown", NULL},
    {0, ERR_UNAVAILABLE, S3_AS_LONG_AS, "RequestTimeout", NULL},
    {0, ERR_UNAVAILABLE, S3_ONCE, "RequestTimeTooSkewed", /* or it was long on its way */
     "the clocks of this machine and of the server are too far apart; set this one's"},
    {0, ERR_DENIED, S3_ONCE, "ExpiredToken", "the credentials have expired"},
    {0, ERR_DENIED, S3_ONCE, "ExpiredTokenException", "the credentials have expired"},
    {0, ERR_DENIED, S3_ONCE, "InvalidToken", "the session token is not accepted"},
    {0, ERR_DENIED, S3_NEVER, "InvalidAccessKeyId", "the access key is not known to the server"},
    {0, ERR_DENIED, S3_NEVER, "SignatureDoesNotMatch",
     "the secret key is not that of the access key"},
    {0, ERR_DENIED, S3_NEVER, "XAdminUserNotFound", "the access key is not known to the server"},
    {0, ERR_DENIED, S3_NEVER, "AuthorizationHeaderMalformed", other_region},
    {301, ERR_DENIED, S3_NEVER, NULL, other_region}, /* "PermanentRedirect"; of HEAD without it */
    {0, ERR_UNAVAILABLE, S3_NEVER, "NoSuchBucket", "there is no such bucket"},
    {0, ERR_BLOB_UPLOAD_UNKNOWN, S3_NEVER, "NoSuchUpload", NULL},
    {0, ERR_CONFLICT, S3_NEVER, "InvalidPart", "a part is not what it was"},
    {0, ERR_STORAGE_FULL, S3_NEVER, "QuotaExceeded", "the quota is used up"},
    {0, ERR_STORAGE_FULL, S3_NEVER, "XMinioAdminBucketQuotaExceeded", "the quota is used up"},
    {0, ERR_STORAGE_FULL, S3_NEVER, "XMinioStorageFull", "the server's disks are full"},
    {0, ERR_UNAVAILABLE, S3_AS_LONG_AS, "OperationAborted", NULL},
    {0, ERR_UNAVAILABLE, S3_AS_LONG_AS, "ConditionalRequestConflict", NULL},
    {0, ERR_UNAVAILABLE, S3_AS_LONG_AS, "InternalError", NULL},
    {0, ERR_UNAVAILABLE, S3_AS_LONG_AS, "BadDigest", damaged},
    {0, ERR_UNAVAILABLE, S3_AS_LONG_AS, "XAmzContentSHA256Mismatch", damaged},
    {0, ERR_UNAVAILABLE, S3_AS_LONG_AS, "IncompleteBody", damaged},
    {0, ERR_UNSUPPORTED, S3_NEVER, "NotImplemented", NULL},
    {400, ERR_DENIED, S3_ONCE, "", NULL}, /* of HEAD, and so perhaps of expired credentials */
    {403, ERR_DENIED, S3_ONCE, "", NULL},
    {403, ERR_DENIED, S3_NEVER, NULL, NULL},
    {401, ERR_DENIED, S3_NEVER, NULL, NULL},
    {404, ERR_NOT_FOUND, S3_NEVER, NULL, NULL},
    {408, ERR_UNAVAILABLE, S3_AS_LONG_AS, NULL, NULL},
    {412, ERR_PRECONDITION, S3_NEVER, NULL, NULL},
    {416, ERR_RANGE_UNSATISFIABLE, S3_NEVER, NULL, NULL},
    {429, ERR_UNAVAILABLE, S3_AS_LONG_AS, NULL, NULL},
    {507, ERR_STORAGE_FULL, S3_NEVER, NULL, NULL},
    {500, ERR_UNAVAILABLE, S3_AS_LONG_AS, NULL, NULL},
    {501, ERR_UNSUPPORTED, S3_NEVER, NULL, NULL},
    {502, ERR_UNAVAILABLE, S3_AS_LONG_AS, NULL, NULL},
    {503, ERR_UNAVAILABLE, S3_AS_LONG_AS, NULL, NULL},
    {504, ERR_UNAVAILABLE, S3_AS_LONG_AS, NULL, NULL},
    {0, ERR_INTERNAL, S3_NEVER, NULL, NULL},
};

enum err_code s3_refused(struct s3_answer *a, const struct s3_request *r, struct err *e)
{
    const struct refusal *row = refusals;
    bool named;

    (void)!xml_each(buf_str(&a->body), take_code, a, ERR_IGNORED); /* HEAD has no word */
    while ((row->status && row->status != a->status) ||
           (row->code && strcmp(row->code, a->code) != 0))
        row++;
    a->again = row->again;
    named = row->text == other_region && a->region[0];
    return err_set(e, row->means, "%s of '%s': %s%s%s (status %d%s%s)", r->method,
                   r->name ? r->name->text : "the bucket", row->text ? row->text : "refused",
                   named ? ": it is in " : "", named ? a->region : "", a->status,
                   a->code[0] ? ", " : "", a->code);
}

bool s3_may_help(enum err_code code, const struct s3_answer *a, bool *renewed)
{
    bool first = !*renewed;

    if (code != ERR_UNAVAILABLE && code != ERR_DENIED)
        return false;
    if (a->again == S3_ONCE)
        *renewed = true;
    return a->again == S3_AS_LONG_AS || (a->again == S3_ONCE && first);
}

/* "Exponential Backoff And Jitter": the full one. What the server asks for comes on top. */
uint64_t s3_wait_ms(unsigned n, uint64_t retry_after_ms, uint64_t random)
{
    uint64_t most = n < 16 ? (uint64_t)WAIT_FIRST_MS << n : WAIT_MOST_MS;

    if (most > WAIT_MOST_MS)
        most = WAIT_MOST_MS;
    return retry_after_ms + random % (most + 1);
}

/* ---- requests */

static enum err_code with_key(struct s3_client *c, struct store_s3_key *ret_key, struct err *e)
{
    *ret_key = (struct store_s3_key){0};
    buf_init(&ret_key->token, HEADER_MAX);
    return c->options.key(c->options.ctx, ret_key, e);
}

/* Readers, and who sends for many clients, can't wait. */
static enum err_code with_key_now(struct s3_client *c, struct store_s3_key *ret_key, struct err *e)
{
    if (!c->options.key_now)
        return with_key(c, ret_key, e);
    *ret_key = (struct store_s3_key){0};
    buf_init(&ret_key->token, HEADER_MAX);
    return c->options.key_now(c->options.ctx, ret_key, e);
}

static void forget(struct store_s3_key *key)
{
    buf_done(&key->token);
    OPENSSL_cleanse(key, sizeof(*key));
}

static void refuse_key(struct s3_client *c, const struct store_s3_key *key)
{
    if (c->options.key_refused)
        c->options.key_refused(c->options.ctx, key);
}

void s3_renew_key(struct s3_client *c)
{
    struct store_s3_key key;

    if (with_key_now(c, &key, ERR_IGNORED) == ERR_OK)
        refuse_key(c, &key);
    forget(&key);
}

static enum err_code try_once(struct s3_client *c, const struct s3_request *r, const char *payload,
                              struct store_s3_key *key, struct s3_answer *a, struct err *e)
{
    struct signed_request s;
    struct client_request request = {.method = r->method, .body = r->body, .file = r->file};
    size_t max = a->body.max;
    enum err_code code;

    sign(c, r, key, payload, &s);
    request.url = buf_text(&s.url);
    request.headers = s.pointers;
    reset(a);
    if (max < ERROR_BODY_MAX) /* that may come instead */
        a->body.max = ERROR_BODY_MAX;
    count(c, r);
    code = client_run(c->client, &request, take_header, a, &a->status, &a->body, e);
    a->body.max = max;
    signed_done(&s);
    if (code != ERR_OK)
        return err_prefix(e, "%s of '%s'", r->method, r->name ? r->name->text : "the bucket");
    if (a->status / 100 == 2)
        return ERR_OK;
    return s3_refused(a, r, e);
}

/* What a key of the registry's own may not do is no matter of a client's rights; nor is what a
 * server can't do one of what they asked for. */
enum err_code s3_told(enum err_code code, struct err *e)
{
    if (code == ERR_DENIED)
        e->code = code = ERR_STORAGE_READONLY;
    if (code == ERR_UNSUPPORTED)
        e->code = code = ERR_INTERNAL;
    return code;
}

static void note_write(struct s3_client *c, const struct s3_request *r, enum err_code code)
{
    if (!r->name || r->method[0] != 'P')
        return;
    if (code == ERR_DENIED)
        code = ERR_STORAGE_READONLY;
    if (code == ERR_OK || code == ERR_STORAGE_FULL || code == ERR_STORAGE_READONLY)
        atomic_store(&c->refused, (int)code);
}

enum err_code s3_run(struct s3_client *c, const struct s3_request *r, struct s3_answer *a,
                     struct err *e)
{
    int64_t end_ms = clock_mono_ms() + (int64_t)c->options.timeout_ms;
    bool renewed = false;
    char payload[65];

    TRY(hash_body(r, payload, e));
    for (unsigned n = 0;; n++) {
        struct store_s3_key key;
        uint64_t random, wait_ms;
        enum err_code code;

        a->again = S3_AS_LONG_AS;
        code = with_key(c, &key, e);
        if (code == ERR_OK)
            code = try_once(c, r, payload, &key, a, e);
        if (code == ERR_DENIED && a->again == S3_ONCE)
            refuse_key(c, &key);
        forget(&key);
        note_write(c, r, code);
        if (code == ERR_OK || r->is_final || !s3_may_help(code, a, &renewed))
            return c->frank ? code : s3_told(code, e);
        random_bytes(&random, sizeof(random));
        wait_ms = s3_wait_ms(n, a->retry_ms, random);
        if (clock_mono_ms() + (int64_t)wait_ms >= end_ms || !client_pause(c->client, wait_ms))
            return c->frank ? code : s3_told(code, e);
        if (r->before_again)
            TRY(r->before_again(r->ctx, e));
        s3_client_note_again(c);
    }
}

enum err_code s3_do(struct s3_client *c, const struct s3_request *r, struct s3_answer *a,
                    struct err *e)
{
    enum err_code code;

    buf_init(&a->body, ERROR_BODY_MAX);
    code = s3_run(c, r, a, e);
    buf_done(&a->body);
    return code;
}

enum err_code s3_ask(struct s3_client *c, const struct s3_request *r, size_t max_bytes, xml_fn fn,
                     void *ctx, struct err *e)
{
    struct s3_answer a = {0};
    enum err_code code;

    buf_init(&a.body, max_bytes);
    code = s3_run(c, r, &a, e);
    if (code == ERR_OK)
        code = xml_each(buf_str(&a.body), fn, ctx, e);
    buf_done(&a.body);
    return code;
}

enum err_code s3_stream(struct s3_client *c, const struct s3_request *r, struct s3_answer *a,
                        struct client_stream **ret_stream, struct err *e)
{
    struct client_request request = {.method = r->method, .body = r->body, .file = r->file};
    struct signed_request s;
    struct store_s3_key key;
    enum err_code code;
    char payload[65];

    reset(a); /* whatever fails: another try may help */
    TRY(hash_body(r, payload, e));
    TRY(with_key_now(c, &key, e));
    sign(c, r, &key, payload, &s);
    forget(&key);
    request.url = buf_text(&s.url);
    request.headers = s.pointers;
    count(c, r);
    code = client_stream_new(c->client, &request, take_header, a, ret_stream, e);
    signed_done(&s);
    return code;
}

/* ---- URLs for others */

/* What the URL is for. */
struct presigned {
    const char *method;
    const struct s3_name *name;
    struct sigv4_field query[2];
    size_t n_query;
    int64_t time_ms;
    unsigned expires_s;
};

static void presign(struct s3_client *c, const struct presigned *p, const struct sigv4_key *key,
                    struct buf *ret_url)
{
    const struct sigv4_field host = {STR("host"), str_of(c->host)};
    struct sigv4_request r = {.method = p->method,
                              .query = p->query,
                              .n_query = p->n_query,
                              .headers = &host,
                              .n_headers = 1,
                              .payload = "UNSIGNED-PAYLOAD",
                              .time_ms = p->time_ms};
    AUTO(buf) struct buf path = {0};

    buf_init(&path, URL_MAX);
    add_path(c, p->name, &path);
    r.path = buf_str(&path);
    buf_addf(ret_url, "%s://%s" STR_FMT "?", c->scheme, c->host, STR_ARG(r.path));
    sigv4_presign(key, &r, p->expires_s, ret_url);
}

void s3_presign(struct s3_client *c, const struct s3_name *name, const struct sigv4_key *key,
                int64_t time_ms, unsigned expires_s, struct buf *ret_url)
{
    const struct presigned p = {
        .method = "GET", .name = name, .time_ms = time_ms, .expires_s = expires_s};

    presign(c, &p, key, ret_url);
}

#define REFUSAL_MAX (64u << 10)

static void ignore_header(void *ctx, struct str name, struct str value)
{
    (void)ctx, (void)name, (void)value;
}

enum err_code s3_delete_once(struct s3_client *c, const struct s3_name *name, unsigned valid_s,
                             bool (*still)(void *ctx), void *ctx, struct err *e)
{
    static const char *const none[] = {NULL};
    const struct s3_request counted = {.method = "DELETE", .name = name};
    AUTO(buf) struct buf url = {0}, answer = {0};
    struct client_request request = {.method = "DELETE", .headers = none};
    struct presigned p = {.method = "DELETE", .name = name, .expires_s = valid_s};
    struct store_s3_key key;
    struct sigv4_key k;
    int status = 0;

    buf_init(&url, URL_MAX);
    buf_init(&answer, REFUSAL_MAX);
    if (with_key(c, &key, e) != ERR_OK)
        return e->code = ERR_LATER;
    k = signing_key(c, &key);
    p.time_ms = clock_wall_ms();
    presign(c, &p, &k, &url);
    forget(&key);
    request.url = buf_text(&url);
    if (!still(ctx))
        return err_set(e, ERR_LATER, "'%s' may not be deleted any more", name->text);
    count(c, &counted);
    TRY(client_run(c->client, &request, ignore_header, NULL, &status, &answer, e));
    if ((status >= 200 && status < 300) || status == 404)
        return ERR_OK;
    return err_set(e, status >= 400 && status < 500 ? ERR_LATER : ERR_UNAVAILABLE,
                   "deleting '%s' was answered %d", name->text, status);
}

enum err_code s3_presigned_put(struct s3_client *c, const struct s3_name *name, const char *upload,
                               unsigned number, unsigned expires_s, struct buf *ret_url,
                               struct err *e)
{
    struct presigned p = {.method = "PUT",
                          .name = name,
                          .n_query = upload[0] ? 2 : 0,
                          .time_ms = clock_wall_ms(),
                          .expires_s = expires_s};
    struct store_s3_key key;
    struct sigv4_key k;
    char text[16];

    snprintf(text, sizeof(text), "%u", number);
    p.query[0] = (struct sigv4_field){STR("partNumber"), str_of(text)};
    p.query[1] = (struct sigv4_field){STR("uploadId"), str_of(upload)};
    TRY(with_key(c, &key, e));
    k = signing_key(c, &key);
    presign(c, &p, &k, ret_url);
    forget(&key);
    return ERR_OK;
}

enum err_code s3_presigned(struct s3_client *c, const struct s3_name *name, int64_t now_ms,
                           unsigned expires_s, struct buf *ret_url, struct err *e)
{
    /* Rounded, so that the URL is the same for a while, and caches can keep what is behind it. */
    int64_t step_ms = (int64_t)expires_s * 1000 / 2;
    struct store_s3_key key;
    struct sigv4_key k;

    TRY(with_key(c, &key, e));
    k = signing_key(c, &key);
    s3_presign(c, name, &k, step_ms ? now_ms - now_ms % step_ms : now_ms, expires_s, ret_url);
    forget(&key);
    return ERR_OK;
}
