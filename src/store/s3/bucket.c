#include "store/s3/s3.h"

#include "base/cleanup.h"
#include "store/s3/xml.h"

#define RULES_MAX (1u << 20)
#define OURS      "cyberdock-" /* what the names of our lifecycle rules begin with */

enum err_code s3_bucket_look(struct s3_client *c, struct err *e)
{
    struct s3_request r = {.method = "HEAD"};
    struct s3_answer a = {0};
    enum err_code code = s3_do(c, &r, &a, e);

    if (code == ERR_NOT_FOUND)
        return err_set(e, code, "there is no bucket '%s'", s3_client_options(c)->bucket);
    return code;
}

/* ---- properties of a bucket: PUT of a document below it */

/* Servers of others lack some of them, and say so in their ways. */
static bool is_unsupported(const struct s3_answer *a)
{
    return a->status == 501 || a->status == 405 || strcmp(a->code, "NotImplemented") == 0 ||
           strcmp(a->code, "MalformedXML") == 0;
}

static enum err_code put_property(struct s3_client *c, const char *what, struct str document,
                                  struct s3_answer *a, struct err *e)
{
    struct s3_request r = {.method = "PUT", .body = document};
    char md5[S3_MD5_SIZE];

    s3_content_md5(document, md5);
    s3_query(&r, str_of(what), STR_NONE);
    s3_header(&r, STR("content-md5"), str_of(md5));
    return s3_do(c, &r, a, e);
}

static enum err_code need_property(struct s3_client *c, const char *what, struct str document,
                                   const char *key, struct err *e)
{
    struct s3_answer a = {0};
    enum err_code code = put_property(c, what, document, &a, e);

    if (code != ERR_OK && is_unsupported(&a))
        return err_set(e, ERR_CONFIG, "the server can't do what %s asks for (%s)", key,
                       a.code[0] ? a.code : "not implemented");
    return code == ERR_OK ? ERR_OK : err_prefix(e, "%s", key);
}

/* ---- a new one */

static enum err_code create(struct s3_client *c, struct err *e)
{
    const char *region = s3_client_options(c)->region;
    struct s3_request r = {.method = "PUT", .body = STR("")};
    AUTO(buf) struct buf body = {0};
    struct s3_answer a = {0};
    enum err_code code;

    buf_init(&body, 1024);
    if (strcmp(region, "us-east-1") != 0) { /* which is meant where no place is named */
        buf_addf(&body,
                 "<CreateBucketConfiguration><LocationConstraint>%s</LocationConstraint>"
                 "</CreateBucketConfiguration>",
                 region);
        r.body = buf_str(&body);
    }
    code = s3_do(c, &r, &a, e);
    /* Somebody else was faster: another replica. */
    if (code != ERR_OK && strcmp(a.code, "BucketAlreadyOwnedByYou") == 0)
        return ERR_OK;
    return code;
}

/* Nothing in it may ever become public by a policy or a list of grants: grants to everybody are
 * ignored. They are not refused (BlockPublicAcls) as well, for radosgw 16.2 then refuses its owner
 * every PUT of an object, whatever its grants are. Where a server knows of no such block a new
 * bucket is private all the same. */
static enum err_code block_public(struct s3_client *c, struct err *e)
{
    static const char document[] =
        "<PublicAccessBlockConfiguration><BlockPublicAcls>false</BlockPublicAcls>"
        "<IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy>"
        "<RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
    struct s3_answer a = {0};
    enum err_code code = put_property(c, "publicAccessBlock", STR(document), &a, e);

    return a.status / 100 == 4 && a.status != 403 ? ERR_OK : is_unsupported(&a) ? ERR_OK : code;
}

/* ---- what the configuration asks for, at each start */

static enum err_code encrypt(struct s3_client *c, struct err *e)
{
    const struct store_s3_options *o = s3_client_options(c);
    AUTO(buf) struct buf body = {0};
    struct s3_answer a = {0};
    enum err_code code;

    if (o->sse == STORE_S3_SSE_NONE)
        return ERR_OK;
    buf_init(&body, 4096);
    buf_addf(&body,
             "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>"
             "<SSEAlgorithm>%s</SSEAlgorithm>",
             o->sse == STORE_S3_SSE_KMS ? "aws:kms" : "AES256");
    if (o->kms_key_id[0]) {
        buf_add_text(&body, "<KMSMasterKeyID>");
        buf_add_markup(&body, str_of(o->kms_key_id));
        buf_add_text(&body, "</KMSMasterKeyID>");
    }
    buf_add_text(&body, "</ApplyServerSideEncryptionByDefault></Rule>"
                        "</ServerSideEncryptionConfiguration>");
    code = put_property(c, "encryption", buf_str(&body), &a, e);
    return code != ERR_OK && is_unsupported(&a) ? ERR_OK : code; /* each request asks for it, too */
}

static enum err_code turn_versions_on(struct s3_client *c, struct err *e)
{
    if (!s3_client_options(c)->versioning)
        return ERR_OK;
    return need_property(c, "versioning",
                         STR("<VersioningConfiguration><Status>Enabled</Status>"
                             "</VersioningConfiguration>"),
                         "storage.s3.versioning", e);
}

static void add_rule(struct s3_client *c, const char *name, const char *below, const char *action,
                     struct buf *dst)
{
    buf_addf(dst, "<Rule><ID>" OURS "%s</ID><Filter><Prefix>", name);
    buf_add_markup(dst, str_of(s3_client_options(c)->prefix));
    buf_addf(dst, "%s</Prefix></Filter><Status>Enabled</Status>%s</Rule>", below, action);
}

static void add_own_rules(struct s3_client *c, struct buf *dst)
{
    const struct store_s3_lifecycle *l = &s3_client_options(c)->lifecycle;
    AUTO(buf) struct buf transition = {0};

    buf_init(&transition, 1024);
    buf_addf(&transition, "</Days><StorageClass>%s</StorageClass></Transition>",
             l->transition_class);

    const struct {
        uint64_t days;
        const char *name, *below, *before, *after;
    } rules[] = {
        {l->expire_uploads_days, "uploads", S3_UPLOADS, "<Expiration><Days>",
         "</Days></Expiration>"},
        {l->abort_multipart_days, "multipart", "",
         "<AbortIncompleteMultipartUpload><DaysAfterInitiation>",
         "</DaysAfterInitiation></AbortIncompleteMultipartUpload>"},
        {l->expire_versions_days, "versions", "", "<NoncurrentVersionExpiration><NoncurrentDays>",
         "</NoncurrentDays></NoncurrentVersionExpiration>"},
        {l->transition_days, "transition", S3_BLOBS, "<Transition><Days>", buf_text(&transition)},
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        AUTO(buf) struct buf action = {0};

        if (rules[i].days == 0)
            continue;
        buf_init(&action, 4096);
        buf_addf(&action, "%s%llu%s", rules[i].before, (unsigned long long)rules[i].days,
                 rules[i].after);
        add_rule(c, rules[i].name, rules[i].below, buf_text(&action), dst);
    }
}

/* The rules of a document that are not ours, as they are written there. */
static void add_rules_of_others(struct str document, struct buf *dst)
{
    static const struct str begin = STR("<Rule>"), end = STR("</Rule>"), ours = STR("<ID>" OURS);

    for (;;) {
        const char *from = memmem(document.p, document.n, begin.p, begin.n), *to;
        size_t left, n;

        if (!from)
            return;
        left = document.n - (size_t)(from - document.p);
        to = memmem(from, left, end.p, end.n);
        if (!to)
            return;
        n = (size_t)(to - from) + end.n;
        if (!memmem(from, n, ours.p, ours.n))
            buf_add(dst, from, n);
        document = (struct str){from + n, left - n};
    }
}

static void nothing(void *ctx, struct str path, struct str text)
{
    (void)ctx, (void)path, (void)text;
}

/* Appends the rules that others have put there. Their document has to be understood to be kept. */
static enum err_code read_rules(struct s3_client *c, struct buf *dst, struct err *e)
{
    struct s3_request r = {.method = "GET"};
    struct s3_answer a = {0};
    enum err_code code;

    s3_query(&r, STR("lifecycle"), STR_NONE);
    buf_init(&a.body, RULES_MAX);
    code = s3_run(c, &r, &a, e);
    if (code == ERR_OK)
        code = xml_each(buf_str(&a.body), nothing, NULL, e);
    if (code == ERR_OK)
        add_rules_of_others(buf_str(&a.body), dst);
    buf_done(&a.body);
    /* NoSuchLifecycleConfiguration; or there is nothing of the kind, as writing will say. */
    return code == ERR_NOT_FOUND || is_unsupported(&a) ? ERR_OK : code;
}

static enum err_code keep_rules(struct s3_client *c, struct err *e)
{
    AUTO(buf) struct buf own = {0}, body = {0};

    buf_init(&own, RULES_MAX);
    buf_init(&body, 2 * RULES_MAX);
    add_own_rules(c, &own);
    if (own.n == 0)
        return ERR_OK;
    buf_add_text(&body, "<LifecycleConfiguration>");
    TRY(read_rules(c, &body, e));
    buf_add_str(&body, buf_str(&own));
    buf_add_text(&body, "</LifecycleConfiguration>");
    return need_property(c, "lifecycle", buf_str(&body), "storage.s3.lifecycle", e);
}

enum err_code s3_bucket_make(struct s3_client *c, struct err *e)
{
    enum err_code code = s3_bucket_look(c, e);

    if (code == ERR_NOT_FOUND) {
        TRY(create(c, e));
        TRY(block_public(c, e));
    } else {
        TRY(code);
    }
    TRY(encrypt(c, e));
    TRY(turn_versions_on(c, e));
    return keep_rules(c, e);
}
