#include "store/s3/object.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define LIST_BODY_MAX                                                                              \
    (4u << 20) /* 1,000 keys of 1,024 bytes, escaped, with what is around them                     \
                */
#define COPY_BODY_MAX   65536
#define DELETE_BODY_MAX (4u << 20)

static bool is_below(const struct store_s3_options *o, const struct s3_name *name,
                     struct str folder)
{
    size_t n = strlen(o->prefix);

    return strncmp(name->text, o->prefix, n) == 0 && str_starts(str_of(name->text + n), folder);
}

/* All else is small, or soon gone: what classes for rare reading are dear for. */
static bool is_blob(const struct store_s3_options *o, const struct s3_name *name)
{
    return is_below(o, name, STR(S3_BLOBS));
}

bool s3_is_original(const struct s3_client *c, const struct s3_name *name)
{
    return name && is_below(s3_client_options(c), name, STR(STORE_ORIGINALS));
}

void s3_make_headers(const struct s3_client *c, struct s3_request *r)
{
    const struct store_s3_options *o = s3_client_options(c);

    if (o->sse == STORE_S3_SSE_S3)
        s3_header(r, STR("x-amz-server-side-encryption"), STR("AES256"));
    if (o->sse == STORE_S3_SSE_KMS) {
        s3_header(r, STR("x-amz-server-side-encryption"), STR("aws:kms"));
        s3_header(r, STR("x-amz-server-side-encryption-aws-kms-key-id"), str_of(o->kms_key_id));
    }
    if (is_blob(o, r->name))
        s3_header(r, STR("x-amz-storage-class"), str_of(o->storage_class));
}

enum err_code s3_put(struct s3_client *c, const struct s3_name *name, const struct s3_put *p,
                     struct err *e)
{
    struct s3_request r = {.method = "PUT",
                           .name = name,
                           .body = p->body,
                           .file = p->file,
                           .sums = s3_is_original(c, name)};
    char note[2 * STORE_NOTE_MAX + 1], bytes[24];
    struct s3_answer a = {0};

    if (!r.body.p && !r.file)
        r.body.p = "";
    s3_make_headers(c, &r);
    if (p->as_blob && !is_blob(s3_client_options(c), name))
        s3_header(&r, STR("x-amz-storage-class"), str_of(s3_client_options(c)->storage_class));
    if (p->if_none)
        s3_header(&r, STR("if-none-match"), STR("*"));
    if (p->note) {
        hex_encode(p->note->bytes, p->note->n, note);
        snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)p->bytes);
        s3_header(&r, STR("x-amz-meta-bytes"), str_of(bytes));
        s3_header(&r, STR("x-amz-meta-note"), (struct str){note, 2 * p->note->n});
        s3_header(&r, STR("x-amz-meta-upload"), str_of(p->upload));
        s3_header(&r, STR("x-amz-meta-parts"), str_of(p->parts));
    }
    return s3_do(c, &r, &a, e);
}

enum err_code s3_head(struct s3_client *c, const struct s3_name *name, struct s3_answer *ret_answer,
                      struct err *e)
{
    struct s3_request r = {.method = "HEAD", .name = name};

    return s3_do(c, &r, ret_answer, e);
}

enum err_code s3_get(struct s3_client *c, const struct s3_name *name, struct s3_answer *ret_answer,
                     struct err *e)
{
    struct s3_request r = {.method = "GET", .name = name};

    return s3_run(c, &r, ret_answer, e);
}

enum err_code s3_get_into(struct s3_client *c, const struct s3_name *name, struct buf *ret_bytes,
                          struct err *e)
{
    struct s3_answer a = {0};
    enum err_code code;

    buf_init(&a.body, ret_bytes->max - ret_bytes->n);
    code = s3_get(c, name, &a, e);
    if (code == ERR_OK)
        buf_add_str(ret_bytes, buf_str(&a.body));
    if (a.status == 200 && a.total_bytes != UINT64_MAX && a.total_bytes > a.body.max)
        code = err_set(e, ERR_CORRUPT, "'%s' is larger than it may be", name->text);
    buf_done(&a.body);
    return code;
}

enum err_code s3_delete(struct s3_client *c, const struct s3_name *name, struct err *e)
{
    struct s3_request r = {.method = "DELETE", .name = name};
    struct s3_answer a = {0};
    enum err_code code = s3_do(c, &r, &a, e);

    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

static void add_prefix(const struct s3_client *c, const char *prefix, struct buf *dst)
{
    buf_add_text(dst, s3_client_options(c)->prefix);
    buf_add_text(dst, prefix);
}

/* RFC 1864; the servers want it here, though the body's hash is signed. */
void s3_content_md5(struct str body, char dst[static S3_MD5_SIZE])
{
    unsigned char md5[EVP_MAX_MD_SIZE];

    if (EVP_Digest(body.p, body.n, md5, NULL, EVP_md5(), NULL) != 1)
        abort(); /* fails only without memory */
    EVP_EncodeBlock((unsigned char *)dst, md5, 16);
}

static void take_undeleted(void *ctx, struct str path, struct str text)
{
    struct buf *first = ctx;

    if (first->n == 0 && str_eq(path, STR("DeleteResult/Error/Code")))
        buf_add_str(first, text);
}

enum err_code s3_delete_many(struct s3_client *c, const struct s3_name *names, size_t n,
                             struct err *e)
{
    AUTO(buf) struct buf body = {0}, undeleted = {0};
    struct s3_request r = {.method = "POST"};
    char md5[S3_MD5_SIZE];

    if (n == 0)
        return ERR_OK;
    buf_init(&body, DELETE_BODY_MAX);
    buf_init(&undeleted, 64);
    buf_add_text(&body, "<Delete><Quiet>true</Quiet>");
    for (size_t i = 0; i < n; i++) {
        buf_add_text(&body, "<Object><Key>");
        buf_add_markup(&body, (struct str){names[i].text, names[i].n});
        buf_add_text(&body, "</Key></Object>");
    }
    buf_add_text(&body, "</Delete>");
    r.body = buf_str(&body);
    s3_content_md5(r.body, md5);
    s3_query(&r, STR("delete"), STR_NONE);
    s3_header(&r, STR("content-md5"), str_of(md5));
    TRY(s3_ask(c, &r, LIST_BODY_MAX, take_undeleted, &undeleted, e));
    if (undeleted.n > 0)
        return err_set(e, ERR_INTERNAL, "the server did not delete all objects: " STR_FMT,
                       STR_ARG(buf_str(&undeleted)));
    return ERR_OK;
}

/* A copy may fail after its head said 200: the error is then the body. */
static void take_copied(void *ctx, struct str path, struct str text)
{
    (void)text;
    if (str_eq(path, STR("CopyObjectResult/ETag")))
        *(bool *)ctx = true;
}

void s3_copy_source(const struct s3_client *c, const char *bucket, const struct s3_name *from,
                    struct buf *dst)
{
    buf_addf(dst, "/%s", bucket ? bucket : s3_client_options(c)->bucket);
    s3_add_key(dst, from);
}

enum err_code s3_copy(struct s3_client *c, const char *bucket, const struct s3_name *from,
                      const struct s3_name *to, struct err *e)
{
    struct s3_request r = {.method = "PUT", .name = to, .body = STR("")};
    AUTO(buf) struct buf source = {0};
    bool copied = false;

    buf_init(&source, 4 * S3_KEY_MAX);
    s3_copy_source(c, bucket, from, &source);
    s3_header(&r, STR("x-amz-copy-source"), buf_str(&source));
    s3_header(&r, STR("x-amz-metadata-directive"), STR("REPLACE"));
    s3_make_headers(c, &r);
    TRY(s3_ask(c, &r, COPY_BODY_MAX, take_copied, &copied, e));
    if (!copied)
        return err_set(e, ERR_UNAVAILABLE, "the server did not copy '%s'", from->text);
    return ERR_OK;
}

/* ---- lists: ListObjectsV2 */

struct page {
    struct s3_client *c;
    struct s3_listed *objects;
    size_t n;
    struct s3_listed next; /* what is being read */
    struct buf token;
    bool more;
};

static void take_listed(void *ctx, struct str path, struct str text)
{
    struct page *p = ctx;

    if (str_eq(path, STR("ListBucketResult/Contents/Key")) && text.n <= S3_KEY_MAX) {
        str_copy(text, p->next.name.text, sizeof(p->next.name.text));
        p->next.name.n = text.n;
    } else if (str_eq(path, STR("ListBucketResult/Contents/Size"))) {
        str_to_u64_up_to(text, INT64_MAX, &p->next.size_bytes);
    } else if (str_eq(path, STR("ListBucketResult/Contents/LastModified"))) {
        clock_parse(text, &p->next.modified_ms);
    } else if (str_eq(path, STR("ListBucketResult/Contents"))) {
        p->objects = mem_resize(p->objects, (p->n + 1) * sizeof(p->objects[0]));
        p->objects[p->n++] = p->next;
        p->next = (struct s3_listed){0};
    } else if (str_eq(path, STR("ListBucketResult/NextContinuationToken"))) {
        buf_clear(&p->token);
        buf_add_str(&p->token, text);
    } else if (str_eq(path, STR("ListBucketResult/IsTruncated"))) {
        p->more = str_eq(text, STR("true"));
    }
}

void s3_list_query(struct s3_request *r, struct str prefix)
{
    s3_query(r, STR("list-type"), STR("2"));
    s3_query(r, STR("prefix"), prefix);
}

static void take_first(void *ctx, struct str path, struct str text)
{
    struct s3_name *first = ctx;

    if (first->n == 0 && str_eq(path, STR("ListBucketResult/Contents/Key")) &&
        str_copy(text, first->text, sizeof(first->text)))
        first->n = text.n;
}

bool s3_list_first(struct str body, struct s3_name *ret_name)
{
    *ret_name = (struct s3_name){0};
    return xml_each(body, take_first, ret_name, ERR_IGNORED) == ERR_OK && ret_name->n > 0;
}

static enum err_code read_page(struct page *p, struct str prefix, struct err *e)
{
    struct s3_request r = {.method = "GET"};
    AUTO(buf) struct buf token = {0};

    buf_init(&token, 4096);
    buf_add_str(&token, buf_str(&p->token));
    s3_list_query(&r, prefix);
    if (token.n > 0)
        s3_query(&r, STR("continuation-token"), buf_str(&token));
    p->n = 0;
    p->more = false;
    return s3_ask(p->c, &r, LIST_BODY_MAX, take_listed, p, e);
}

enum err_code s3_list(struct s3_client *c, const char *prefix, s3_listed_fn fn, void *ctx,
                      struct err *e)
{
    struct page p = {.c = c, .more = true};
    AUTO(buf) struct buf full = {0};
    enum err_code code = ERR_OK;

    buf_init(&full, S3_KEY_MAX);
    add_prefix(c, prefix, &full);
    buf_init(&p.token, 4096);
    while (code == ERR_OK && p.more) {
        code = read_page(&p, buf_str(&full), e);
        for (size_t i = 0; i < p.n && code == ERR_OK; i++)
            code = fn(ctx, &p.objects[i], e);
    }
    free(p.objects);
    buf_done(&p.token);
    return code;
}
