#include "store/s3/s3.h"

#include "base/cleanup.h"
#include "base/uuid.h"
#include "net/xml.h"

#define RULES_MAX (1u << 20)
#define OURS      "cyberdock-" /* what the names of our lifecycle rules begin with */

/* What deleting left in a bucket with versions, when those have gone. MinIO takes no rule that only
 * aborts. */
#define MARKERS                                                                                    \
    "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
#define BEFORE_ABORT "<AbortIncompleteMultipartUpload><DaysAfterInitiation>"
#define AFTER_ABORT  "</DaysAfterInitiation></AbortIncompleteMultipartUpload>"

/* An answer to HEAD has no words. Those to a GET tell a wrong key from a wrong region. */
static enum err_code ask_why(struct s3_client *c, bool once, struct err *e)
{
    struct s3_request r = {.method = "GET", .is_final = once};
    struct s3_answer a = {0};

    s3_query(&r, STR("list-type"), STR("2"));
    s3_query(&r, STR("max-keys"), STR("1"));
    return s3_do(c, &r, &a, e);
}

enum err_code s3_bucket_look(struct s3_client *c, bool once, struct err *e)
{
    struct s3_request r = {.method = "HEAD", .is_final = once};
    struct s3_answer a = {0};
    enum err_code code = s3_do(c, &r, &a, e);

    if (a.status == 400 || a.status == 403)
        code = ask_why(c, once, e);
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
    enum err_code code;

    s3_content_md5(document, md5);
    s3_query(&r, str_of(what), STR_NONE);
    s3_header(&r, STR("content-md5"), str_of(md5));
    code = s3_do(c, &r, a, e);
    if (code != ERR_OK && is_unsupported(a))
        e->code = code = ERR_UNSUPPORTED;
    return code;
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

    if (code != ERR_OK && a.status / 100 == 4 && a.status != 403)
        e->code = code = ERR_UNSUPPORTED;
    return code;
}

/* ---- what the configuration asks for, at each start */

static bool encrypts(const struct store_s3_options *o)
{
    return o->sse != STORE_S3_SSE_NONE;
}

/* Whether an object that was written as all are is encrypted. Servers ignore what they don't know.
 */
static enum err_code look_at_object(struct s3_client *c, struct err *e)
{
    const struct s3_put put = {.body = STR("x")};
    struct s3_answer a = {0};
    struct s3_name name;
    struct uuid id;
    enum err_code code;

    uuid_make(&id);
    s3_probe_name(c, &id, "", &name);
    TRY(s3_put(c, &name, &put, e));
    code = s3_head(c, &name, &a, e);
    TRY(s3_delete(c, &name, e));
    TRY(code);
    return a.encrypted ? ERR_OK
                       : err_set(e, ERR_CONFIG, "the server does not encrypt what it stores");
}

static enum err_code encrypt(struct s3_client *c, struct err *e)
{
    const struct store_s3_options *o = s3_client_options(c);
    AUTO(buf) struct buf body = {0};
    struct s3_answer a = {0};
    enum err_code code;

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
    if (code == ERR_UNSUPPORTED || strcmp(a.code, "InvalidArgument") == 0) { /* radosgw 16.2 */
        TRY(look_at_object(c, e));
        return err_set(e, ERR_UNSUPPORTED, "a bucket has no default; each request asks for it");
    }
    return code;
}

static bool has_versions(const struct store_s3_options *o)
{
    return o->versioning;
}

static enum err_code turn_versions_on(struct s3_client *c, struct err *e)
{
    struct s3_answer a = {0};

    return put_property(c, "versioning",
                        STR("<VersioningConfiguration><Status>Enabled</Status>"
                            "</VersioningConfiguration>"),
                        &a, e);
}

static bool has_rules(const struct store_s3_options *o)
{
    const struct store_s3_lifecycle *l = &o->lifecycle;

    return l->expire_uploads_days || l->abort_multipart_days || l->expire_versions_days ||
           l->transition_days;
}

static void add_rule(struct s3_client *c, const char *name, const char *below, const char *action,
                     struct buf *dst)
{
    buf_addf(dst, "<Rule><ID>" OURS "%s</ID><Filter><Prefix>", name);
    buf_add_markup(dst, str_of(s3_client_options(c)->prefix));
    buf_addf(dst, "%s</Prefix></Filter><Status>Enabled</Status>%s</Rule>", below, action);
}

/* No rule deletes what is no old version: below S3_UPLOADS there are blobs that were acknowledged
 * and wait for their move, and nothing that a rule can look at tells them from what was abandoned.
 */
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
        {l->expire_uploads_days, "uploads", S3_UPLOADS, MARKERS BEFORE_ABORT, AFTER_ABORT},
        {l->abort_multipart_days, "multipart", "", BEFORE_ABORT, AFTER_ABORT},
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

static enum err_code look_at_rules(struct s3_client *c, struct err *e)
{
    AUTO(buf) struct buf rules = {0};

    buf_init(&rules, RULES_MAX);
    return read_rules(c, &rules, e);
}

static enum err_code keep_rules(struct s3_client *c, struct err *e)
{
    AUTO(buf) struct buf body = {0};
    struct s3_answer a = {0};

    buf_init(&body, 2 * RULES_MAX);
    buf_add_text(&body, "<LifecycleConfiguration>");
    TRY(read_rules(c, &body, e));
    add_own_rules(c, &body);
    buf_add_text(&body, "</LifecycleConfiguration>");
    return put_property(c, "lifecycle", buf_str(&body), &a, e);
}

/* ---- all of it, in order */

const struct s3_step s3_steps[] = {
    {.right = "s3:CreateBucket", .does = "make the bucket", .on_new = true, .run = create},
    {.right = "s3:PutBucketPublicAccessBlock",
     .does = "keep all of it from becoming public",
     .on_new = true,
     .may_lack = true,
     .run = block_public},
    {.right = "s3:PutEncryptionConfiguration", /* each request asks for it, too */
     .does = "storage.s3.sse",
     .may_lack = true,
     .asked = encrypts,
     .run = encrypt},
    {.right = "s3:PutBucketVersioning",
     .does = "storage.s3.versioning",
     .asked = has_versions,
     .run = turn_versions_on},
    {.right = "s3:GetLifecycleConfiguration",
     .does = "read the rules of others",
     .of_next = true,
     .asked = has_rules,
     .run = look_at_rules},
    {.right = "s3:PutLifecycleConfiguration",
     .does = "storage.s3.lifecycle",
     .asked = has_rules,
     .run = keep_rules},
};
const size_t s3_steps_n = sizeof(s3_steps) / sizeof(s3_steps[0]);

bool s3_step_applies(const struct s3_step *step, const struct s3_client *c, bool is_new)
{
    return step->on_new ? is_new : step->asked(s3_client_options(c));
}

static enum err_code take(const struct s3_step *step, struct s3_client *c, struct err *e)
{
    enum err_code code = step->run(c, e);

    if (code == ERR_OK || (code == ERR_UNSUPPORTED && step->may_lack))
        return ERR_OK;
    if (code != ERR_UNSUPPORTED)
        return err_prefix(e, "%s", step->does);
    e->code = ERR_CONFIG;
    return err_prefix(e, "%s: the server can't do that", step->does);
}

enum err_code s3_bucket_make(struct s3_client *c, struct err *e)
{
    enum err_code code = s3_bucket_look(c, false, e);

    if (code != ERR_NOT_FOUND)
        TRY(code);
    for (const struct s3_step *step = s3_steps; step < s3_steps + s3_steps_n; step++) {
        if (s3_step_applies(step, c, code == ERR_NOT_FOUND) && !step->of_next)
            TRY(take(step, c, e));
    }
    return ERR_OK;
}
