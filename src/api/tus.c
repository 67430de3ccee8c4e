#include "api/tus.h"

#include "api/match.h"
#include "base/base64.h"
#include "base/cleanup.h"
#include "base/mem.h"

#include <openssl/evp.h>
#include <stdlib.h>

enum http_method tus_method(const struct http_head *head)
{
    static const enum http_method others[] = {HTTP_PATCH, HTTP_DELETE, HTTP_HEAD};
    struct str wanted = http_field_get(head, STR("X-HTTP-Method-Override"));

    for (size_t i = 0; head->method == HTTP_POST && i < sizeof(others) / sizeof(others[0]); i++) {
        if (str_eq(wanted, str_of(match_method_name(others[i]))))
            return others[i];
    }
    return head->method;
}

enum err_code tus_check_version(struct req *q, struct err *e)
{
    if (str_eq(http_field_get(q->head, STR("Tus-Resumable")), STR(TUS_VERSION)))
        return ERR_OK;
    http_header(q->x, "Tus-Version", STR(TUS_VERSION));
    return err_tell(e, ERR_PRECONDITION, "Tus-Resumable has to be " TUS_VERSION);
}

enum err_code tus_bytes(const struct req *q, const char *header, uint64_t *ret_bytes,
                        bool *ret_found, struct err *e)
{
    struct str text = http_field_get(q->head, str_of(header));

    *ret_found = text.p != NULL;
    if (*ret_found && !str_to_u64(text, INT64_MAX, ret_bytes))
        return err_tell(e, ERR_REQUEST_INVALID, "%s is not a number of bytes", header);
    return ERR_OK;
}

enum err_code tus_length(const struct req *q, uint64_t *ret_bytes, struct err *e)
{
    struct str later = http_field_get(q->head, STR("Upload-Defer-Length"));
    uint64_t most = conf_u64(&q->registry->options->archives.bytes), length = UINT64_MAX;
    bool found;

    TRY(tus_bytes(q, "Upload-Length", &length, &found, e));
    if (later.p && !str_eq(later, STR("1")))
        return err_tell(e, ERR_REQUEST_INVALID, "Upload-Defer-Length has to be 1");
    if (found == (later.p != NULL))
        return err_tell(e, ERR_REQUEST_INVALID,
                        "either Upload-Length or Upload-Defer-Length has to be there");
    if (found && length > most)
        return err_tell(e, ERR_IMAGE_TOO_LARGE, "the largest archive accepted has %llu bytes",
                        (unsigned long long)most);
    *ret_bytes = length;
    return ERR_OK;
}

/* ---- Upload-Metadata */

static enum err_code malformed(struct err *e)
{
    return err_tell(e, ERR_REQUEST_INVALID,
                    "Upload-Metadata has to be 'key base64,key base64,...', each key once");
}

/* "key value", "key ", "key" */
static bool cut_pair(struct str *rest, struct str *ret_key, struct str *ret_value)
{
    struct str pair;

    str_cut(rest, ',', &pair);
    pair = str_trim(pair);
    str_cut(&pair, ' ', ret_key);
    *ret_value = pair;
    return ret_key->n > 0;
}

static bool is_twice(struct str rest, struct str key)
{
    struct str other, value;

    while (rest.n > 0 && cut_pair(&rest, &other, &value)) {
        if (str_eq(other, key))
            return true;
    }
    return false;
}

static bool decode(struct str value, char *dst, size_t cap)
{
    AUTO(mem) unsigned char *plain = mem_alloc(BASE64_ROOM(value.n));
    size_t n;

    return base64_decode(value, plain, &n) && str_copy((struct str){(char *)plain, n}, dst, cap);
}

enum err_code tus_metadata(struct str field, const char *key, char *dst, size_t cap, struct err *e)
{
    struct str name, value;

    dst[0] = '\0';
    while (field.n > 0) {
        if (!cut_pair(&field, &name, &value) || is_twice(field, name))
            return malformed(e);
        if (str_eq(name, str_of(key)) && !decode(value, dst, cap))
            return err_tell(e, ERR_REQUEST_INVALID,
                            "Upload-Metadata: '%s' has to be base64 of at most %zu bytes", key,
                            cap - 1);
    }
    return ERR_OK;
}

/* ---- Upload-Checksum */

struct checked {
    struct reader reader;
    struct reader *from;
    EVP_MD_CTX *sum;
    unsigned char wanted[EVP_MAX_MD_SIZE];
};

static enum err_code compare(const struct checked *c, struct err *e)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned n;

    if (EVP_DigestFinal_ex(c->sum, sum, &n) != 1)
        return err_set(e, ERR_INTERNAL, "a checksum can't be computed");
    if (memcmp(sum, c->wanted, n) != 0)
        return err_tell(e, ERR_CHECKSUM, "Upload-Checksum is not that of the bytes received");
    return ERR_OK;
}

static enum err_code read_checked(struct reader *r, void *buf, size_t cap, size_t *ret_n,
                                  struct err *e)
{
    struct checked *c = (struct checked *)r;

    TRY(reader_read(c->from, buf, cap, ret_n, e));
    if (*ret_n == 0 && cap > 0)
        return compare(c, e);
    if (EVP_DigestUpdate(c->sum, buf, *ret_n) != 1)
        return err_set(e, ERR_INTERNAL, "a checksum can't be computed");
    return ERR_OK;
}

static void free_checked(struct reader *r)
{
    struct checked *c = (struct checked *)r;

    EVP_MD_CTX_free(c->sum);
    free(c);
}

static const struct reader_ops checked_ops = {.read = read_checked, .free = free_checked};

/* One of those that are told: EVP knows more. */
static const EVP_MD *algorithm(struct str name)
{
    struct str rest = STR(TUS_CHECKSUMS), one;
    char text[16];

    while (str_cut(&rest, ',', &one) || one.n > 0) {
        if (str_eq(one, name) && str_copy(one, text, sizeof(text)))
            return EVP_get_digestbyname(text);
    }
    return NULL;
}

enum err_code tus_checksum(const struct req *q, struct reader *from, struct reader **ret_reader,
                           struct err *e)
{
    struct str value = http_field_get(q->head, STR("Upload-Checksum")), name;
    unsigned char wanted[BASE64_ROOM(2 * EVP_MAX_MD_SIZE)];
    const EVP_MD *md;
    struct checked *c;
    size_t n;

    *ret_reader = NULL;
    if (!value.p)
        return ERR_OK;
    str_cut(&value, ' ', &name);
    md = algorithm(name);
    if (!md)
        return err_tell(e, ERR_REQUEST_INVALID, "Upload-Checksum: algorithms are " TUS_CHECKSUMS);
    if (value.n > 2 * EVP_MAX_MD_SIZE || !base64_decode(value, wanted, &n) ||
        n != (size_t)EVP_MD_size(md))
        return err_tell(e, ERR_REQUEST_INVALID, "Upload-Checksum is no such checksum in base64");
    c = NEW(struct checked);
    *c = (struct checked){.reader = {.ops = &checked_ops}, .from = from, .sum = EVP_MD_CTX_new()};
    memcpy(c->wanted, wanted, n);
    *ret_reader = &c->reader;
    if (!c->sum || EVP_DigestInit_ex(c->sum, md, NULL) != 1)
        return err_set(e, ERR_INTERNAL, "a checksum can't be computed");
    return ERR_OK;
}
