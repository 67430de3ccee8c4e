#include "net/sigv4.h"

#include "base/digest.h"
#include "base/hex.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <time.h>

#define ALGORITHM   "AWS4-HMAC-SHA256"
#define TEXT_MAX    65536
#define MAC_BYTES   32
#define SECRET_MAX  256
#define SEPARATOR   '\x01' /* sorts before every byte of a name, as the end of one does */
#define FIELD(n, v) ((struct sigv4_field){STR(n), (v)})

void sigv4_date(int64_t time_ms, char dst[static SIGV4_DATE_SIZE])
{
    time_t t = (time_t)(time_ms / 1000);
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(dst, SIGV4_DATE_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

static void mac(const void *key, size_t key_n, struct str text, unsigned char dst[static MAC_BYTES])
{
    unsigned char made[MAC_BYTES];

    if (!HMAC(EVP_sha256(), key, (int)key_n, (const unsigned char *)text.p, text.n, made, NULL))
        abort(); /* fails only without memory */
    memcpy(dst, made, MAC_BYTES);
    OPENSSL_cleanse(made, sizeof(made));
}

/* The key of a day, a region and a service: a chain that begins with the secret. */
static void signing_key(const struct sigv4_key *key, const char *date,
                        unsigned char dst[static MAC_BYTES])
{
    char first[SECRET_MAX + 8];
    int n = snprintf(first, sizeof(first), "AWS4%.*s", SECRET_MAX, key->secret_key);

    mac(first, (size_t)n, (struct str){date, 8}, dst);
    mac(dst, MAC_BYTES, str_of(key->region), dst);
    mac(dst, MAC_BYTES, str_of(key->service), dst);
    mac(dst, MAC_BYTES, STR("aws4_request"), dst);
    OPENSSL_cleanse(first, sizeof(first));
}

static void add_scope(const struct sigv4_key *key, const char *date, struct buf *dst)
{
    buf_addf(dst, "%.8s/%s/%s/aws4_request", date, key->region, key->service);
}

static void add_names(const struct sigv4_request *r, struct buf *dst)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        if (i > 0)
            buf_add_char(dst, ';');
        buf_add_str(dst, r->headers[i].name);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted by name, then by value, each as it is encoded. */
static void add_query(const struct sigv4_field *query, size_t n, struct buf *dst)
{
    char *pairs[SIGV4_QUERY_MAX];

    if (n > SIGV4_QUERY_MAX)
        abort(); /* a mistake of the caller's */
    for (size_t i = 0; i < n; i++) {
        AUTO(buf) struct buf pair = {0};

        buf_init(&pair, TEXT_MAX);
        buf_add_percent(&pair, query[i].name);
        buf_add_char(&pair, SEPARATOR);
        buf_add_percent(&pair, query[i].value);
        pairs[i] = str_dup(buf_str(&pair));
    }
    qsort(pairs, n, sizeof(pairs[0]), by_name);
    for (size_t i = 0; i < n; i++) {
        *strchr(pairs[i], SEPARATOR) = '=';
        if (i > 0)
            buf_add_char(dst, '&');
        buf_add_text(dst, pairs[i]);
        free(pairs[i]);
    }
}

/* "Step 1: Create a canonical request"; its hash in hex. */
static void hash_request(const struct sigv4_request *r, struct str query, struct digest *ret)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, TEXT_MAX);
    buf_addf(&text, "%s\n" STR_FMT "\n" STR_FMT "\n", r->method, STR_ARG(r->path), STR_ARG(query));
    for (size_t i = 0; i < r->n_headers; i++)
        buf_addf(&text, STR_FMT ":" STR_FMT "\n", STR_ARG(r->headers[i].name),
                 STR_ARG(r->headers[i].value));
    buf_add_char(&text, '\n');
    add_names(r, &text);
    buf_addf(&text, "\n%s", r->payload);
    digest_of(DIGEST_SHA256, text.p, text.n, ret);
}

static void add_signature(const struct sigv4_key *key, const struct sigv4_request *r,
                          struct str query, struct buf *dst)
{
    unsigned char k[MAC_BYTES], signature[MAC_BYTES];
    char date[SIGV4_DATE_SIZE], hex[2 * MAC_BYTES + 1];
    AUTO(buf) struct buf to_sign = {0};
    struct digest hash;

    sigv4_date(r->time_ms, date);
    hash_request(r, query, &hash);
    buf_init(&to_sign, 1024);
    buf_addf(&to_sign, ALGORITHM "\n%s\n", date);
    add_scope(key, date, &to_sign);
    buf_add_char(&to_sign, '\n');
    buf_add_str(&to_sign, digest_hex(&hash));
    signing_key(key, date, k);
    mac(k, sizeof(k), buf_str(&to_sign), signature);
    hex_encode(signature, sizeof(signature), hex);
    buf_add_text(dst, hex);
    OPENSSL_cleanse(k, sizeof(k));
}

void sigv4_authorization(const struct sigv4_key *key, const struct sigv4_request *r,
                         struct buf *ret_value)
{
    AUTO(buf) struct buf query = {0};
    char date[SIGV4_DATE_SIZE];

    buf_init(&query, TEXT_MAX);
    add_query(r->query, r->n_query, &query);
    sigv4_date(r->time_ms, date);
    buf_addf(ret_value, ALGORITHM " Credential=%s/", key->access_key);
    add_scope(key, date, ret_value);
    buf_add_text(ret_value, ", SignedHeaders=");
    add_names(r, ret_value);
    buf_add_text(ret_value, ", Signature=");
    add_signature(key, r, buf_str(&query), ret_value);
}

void sigv4_presign(const struct sigv4_key *key, const struct sigv4_request *r, unsigned expires_s,
                   struct buf *ret_query)
{
    struct sigv4_field all[SIGV4_QUERY_MAX];
    char date[SIGV4_DATE_SIZE], expires[16];
    AUTO(buf) struct buf credential = {0}, names = {0}, query = {0};
    size_t n = r->n_query;

    if (n + 6 > SIGV4_QUERY_MAX)
        abort(); /* a mistake of the caller's */
    buf_init(&credential, 512);
    buf_init(&names, 4096);
    buf_init(&query, TEXT_MAX);
    sigv4_date(r->time_ms, date);
    snprintf(expires, sizeof(expires), "%u", expires_s);
    buf_addf(&credential, "%s/", key->access_key);
    add_scope(key, date, &credential);
    add_names(r, &names);
    if (n > 0)
        memcpy(all, r->query, n * sizeof(all[0]));
    all[n++] = FIELD("X-Amz-Algorithm", STR(ALGORITHM));
    all[n++] = FIELD("X-Amz-Credential", buf_str(&credential));
    all[n++] = FIELD("X-Amz-Date", str_of(date));
    all[n++] = FIELD("X-Amz-Expires", str_of(expires));
    all[n++] = FIELD("X-Amz-SignedHeaders", buf_str(&names));
    if (key->session_token)
        all[n++] = FIELD("X-Amz-Security-Token", str_of(key->session_token));
    add_query(all, n, &query);
    buf_add_str(ret_query, buf_str(&query));
    buf_add_text(ret_query, "&X-Amz-Signature=");
    add_signature(key, r, buf_str(&query), ret_query);
}
