#include "store/s3/s3.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/uuid.h"
#include "net/xml.h"

#define RULES_MAX     (1u << 20)
#define RULE_TEXT_MAX (S3_KEY_MAX + 64)
#define ID_PREFIX_MAX 200          /* a rule's name has 255 bytes at most */
#define OURS          "cyberdock-" /* what the names of our lifecycle rules begin with */

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

    if (a.status == 301 || a.status == 400 || a.status == 403)
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

static enum err_code put_block(struct s3_client *c, bool refuses_grants, struct err *e)
{
    AUTO(buf) struct buf document = {0};
    struct s3_answer a = {0};
    enum err_code code;

    buf_init(&document, 1024);
    buf_addf(&document,
             "<PublicAccessBlockConfiguration><BlockPublicAcls>%s</BlockPublicAcls>"
             "<IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy>"
             "<RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>",
             refuses_grants ? "true" : "false");
    code = put_property(c, "publicAccessBlock", buf_str(&document), &a, e);
    if (code != ERR_OK && a.status / 100 == 4 && a.status != 403)
        e->code = code = ERR_UNSUPPORTED;
    return code;
}

static bool refuses_objects(struct s3_client *c)
{
    const struct s3_put put = {.body = STR("x")};
    struct s3_name name;
    struct uuid id;
    enum err_code code;

    uuid_make(&id);
    s3_probe_name(c, &id, "", &name);
    code = s3_put(c, &name, &put, ERR_IGNORED);
    if (code == ERR_OK)
        (void)!s3_delete(c, &name, ERR_IGNORED);
    return code == ERR_DENIED || code == ERR_STORAGE_READONLY;
}

/* Nothing in it may ever become public by a policy or a list of grants: grants to everybody are
 * refused, and ignored. But radosgw 16.2 then refuses its owner every PUT of an object, whatever
 * its grants are; there they are ignored alone. The key of a bucket that takes no objects either
 * way lacks the right to write them, which is no reason for less. Where a server knows of no such
 * block a new bucket is private all the same. */
static enum err_code block_public(struct s3_client *c, struct err *e)
{
    TRY(put_block(c, true, e));
    if (!refuses_objects(c))
        return ERR_OK;
    TRY(put_block(c, false, e));
    return refuses_objects(c) ? put_block(c, true, e) : ERR_OK;
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
           l->transition_days || l->expire_originals_days;
}

/* The kinds of rules of ours: a name, and what of the bucket they are for. */
enum rule_kind {
    RULE_UPLOADS,
    RULE_MULTIPART,
    RULE_VERSIONS,
    RULE_TRANSITION,
    RULE_ORIGINALS,
    RULES_N
};

static const struct {
    const char *name, *below;
} rule_kinds[RULES_N] = {
    [RULE_UPLOADS] = {"uploads", S3_UPLOADS},
    [RULE_MULTIPART] = {"multipart", ""},
    [RULE_VERSIONS] = {"versions", ""},
    [RULE_TRANSITION] = {"transition", S3_BLOBS},
    [RULE_ORIGINALS] = {"originals", STORE_ORIGINALS},
};

/* "cyberdock-uploads:team/": several registries may have one bucket, each below its prefix. */
static void add_id(const struct s3_client *c, enum rule_kind kind, struct buf *dst)
{
    struct str prefix = str_of(s3_client_options(c)->prefix);
    struct digest d;

    if (prefix.n > ID_PREFIX_MAX) {
        digest_of(DIGEST_SHA256, prefix.p, prefix.n, &d);
        prefix = digest_hex(&d);
    }
    buf_addf(dst, OURS "%s:" STR_FMT, rule_kinds[kind].name, STR_ARG(prefix));
}

static void add_below(const struct s3_client *c, enum rule_kind kind, struct buf *dst)
{
    buf_addf(dst, "%s%s", s3_client_options(c)->prefix, rule_kinds[kind].below);
}

static void add_rule(const struct s3_client *c, enum rule_kind kind, const char *action,
                     struct buf *dst)
{
    AUTO(buf) struct buf id = {0}, below = {0};

    buf_init(&id, RULE_TEXT_MAX);
    buf_init(&below, RULE_TEXT_MAX);
    add_id(c, kind, &id);
    add_below(c, kind, &below);
    buf_add_text(dst, "<Rule><ID>");
    buf_add_markup(dst, buf_str(&id));
    buf_add_text(dst, "</ID><Filter><Prefix>");
    buf_add_markup(dst, buf_str(&below));
    buf_addf(dst, "</Prefix></Filter><Status>Enabled</Status>%s</Rule>", action);
}

/* But for originals no rule deletes what is no old version: below S3_UPLOADS there are blobs that
 * were acknowledged and wait for their move, and nothing that a rule can look at tells them from
 * what was abandoned.
 */
static void add_own_rules(const struct s3_client *c, struct buf *dst)
{
    const struct store_s3_lifecycle *l = &s3_client_options(c)->lifecycle;
    AUTO(buf) struct buf transition = {0};

    buf_init(&transition, 1024);
    buf_addf(&transition, "</Days><StorageClass>%s</StorageClass></Transition>",
             l->transition_class);

    const struct {
        uint64_t days;
        const char *before, *after;
    } actions[RULES_N] = {
        [RULE_UPLOADS] = {l->expire_uploads_days, MARKERS BEFORE_ABORT, AFTER_ABORT},
        [RULE_MULTIPART] = {l->abort_multipart_days, MARKERS BEFORE_ABORT, AFTER_ABORT},
        [RULE_VERSIONS] = {l->expire_versions_days,
                           MARKERS "<NoncurrentVersionExpiration><NoncurrentDays>",
                           "</NoncurrentDays></NoncurrentVersionExpiration>"},
        [RULE_TRANSITION] = {l->transition_days, "<Transition><Days>", buf_text(&transition)},
        [RULE_ORIGINALS] = {l->expire_originals_days, "<Expiration><Days>", "</Days></Expiration>"},
    };

    for (enum rule_kind kind = 0; kind < RULES_N; kind++) {
        AUTO(buf) struct buf action = {0};

        if (actions[kind].days == 0)
            continue;
        buf_init(&action, 4096);
        buf_addf(&action, "%s%llu%s", actions[kind].before, (unsigned long long)actions[kind].days,
                 actions[kind].after);
        add_rule(c, kind, buf_text(&action), dst);
    }
}

/* What tells whose a rule is. */
struct rule {
    struct buf id, below;
};

static void take_rule(void *ctx, struct str path, struct str text)
{
    struct rule *r = ctx;

    if (str_eq(path, STR("Rule/ID")))
        buf_add_str(&r->id, text);
    if (str_eq(path, STR("Rule/Filter/Prefix")) || str_eq(path, STR("Rule/Prefix")))
        buf_add_str(&r->below, text);
}

/* By its name; older ones had the prefix in their filter alone. */
static bool is_of_kind(const struct s3_client *c, enum rule_kind kind, const struct rule *r)
{
    AUTO(buf) struct buf id = {0}, below = {0}, old = {0};

    buf_init(&id, RULE_TEXT_MAX);
    buf_init(&below, RULE_TEXT_MAX);
    buf_init(&old, RULE_TEXT_MAX);
    add_id(c, kind, &id);
    add_below(c, kind, &below);
    buf_addf(&old, OURS "%s", rule_kinds[kind].name);
    return str_eq(buf_str(&r->id), buf_str(&id)) ||
           (str_eq(buf_str(&r->id), buf_str(&old)) && str_eq(buf_str(&r->below), buf_str(&below)));
}

static bool is_ours(const struct s3_client *c, struct str rule)
{
    struct rule r = {0};
    bool ours = false;

    buf_init(&r.id, RULES_MAX);
    buf_init(&r.below, RULES_MAX);
    (void)!xml_each(rule, take_rule, &r, ERR_IGNORED); /* it is part of a document that is XML */
    for (enum rule_kind kind = 0; kind < RULES_N && !ours; kind++)
        ours = is_of_kind(c, kind, &r);
    buf_done(&r.id);
    buf_done(&r.below);
    return ours;
}

/* The rules of a document that are not ours, as they are written there. True: some were ours. */
static bool add_rules_of_others(const struct s3_client *c, struct str document, struct buf *dst)
{
    static const struct str begin = STR("<Rule>"), end = STR("</Rule>");
    bool some = false;

    for (;;) {
        const char *from = document.n > 0 ? memmem(document.p, document.n, begin.p, begin.n) : NULL;
        const char *to;
        size_t left, n;

        if (!from)
            return some;
        left = document.n - (size_t)(from - document.p);
        to = memmem(from, left, end.p, end.n);
        if (!to)
            return some;
        n = (size_t)(to - from) + end.n;
        if (is_ours(c, (struct str){from, n}))
            some = true;
        else
            buf_add(dst, from, n);
        document = (struct str){from + n, left - n};
    }
}

static void nothing(void *ctx, struct str path, struct str text)
{
    (void)ctx, (void)path, (void)text;
}

/* Appends the rules that others have put there. Their document has to be understood to be kept. */
static enum err_code read_rules(struct s3_client *c, bool once, struct buf *dst,
                                bool *ret_some_ours, struct err *e)
{
    struct s3_request r = {.method = "GET", .is_final = once};
    struct s3_answer a = {0};
    enum err_code code;

    *ret_some_ours = false;
    s3_query(&r, STR("lifecycle"), STR_NONE);
    buf_init(&a.body, RULES_MAX);
    code = s3_run(c, &r, &a, e);
    if (code == ERR_OK)
        code = xml_each(buf_str(&a.body), nothing, NULL, e);
    if (code == ERR_OK)
        *ret_some_ours = add_rules_of_others(c, buf_str(&a.body), dst);
    buf_done(&a.body);
    /* NoSuchLifecycleConfiguration; or there is nothing of the kind, as writing will say. */
    return code == ERR_NOT_FOUND || is_unsupported(&a) ? ERR_OK : code;
}

static enum err_code look_at_rules(struct s3_client *c, struct err *e)
{
    AUTO(buf) struct buf rules = {0};
    bool some_ours;

    buf_init(&rules, RULES_MAX);
    return read_rules(c, false, &rules, &some_ours, e);
}

static enum err_code put_rules(struct s3_client *c, const struct buf *rules, struct err *e)
{
    AUTO(buf) struct buf body = {0};
    struct s3_answer a = {0};

    buf_init(&body, 2 * RULES_MAX);
    buf_add_text(&body, "<LifecycleConfiguration>");
    buf_add_str(&body, buf_str(rules));
    buf_add_text(&body, "</LifecycleConfiguration>");
    return put_property(c, "lifecycle", buf_str(&body), &a, e);
}

static enum err_code keep_rules(struct s3_client *c, struct err *e)
{
    AUTO(buf) struct buf rules = {0};
    bool some_ours;

    buf_init(&rules, 2 * RULES_MAX);
    TRY(read_rules(c, false, &rules, &some_ours, e));
    add_own_rules(c, &rules);
    return put_rules(c, &rules, e);
}

/* A document without a rule is none. */
static enum err_code delete_rules(struct s3_client *c, struct err *e)
{
    struct s3_request r = {.method = "DELETE"};
    struct s3_answer a = {0};

    s3_query(&r, STR("lifecycle"), STR_NONE);
    return s3_do(c, &r, &a, e);
}

/* Ours that an earlier configuration asked for. A key that may not read them has made none. */
static void drop_rules(struct s3_client *c)
{
    AUTO(buf) struct buf rules = {0};
    enum err_code code;
    bool some_ours;
    struct err e;

    buf_init(&rules, RULES_MAX);
    if (read_rules(c, true, &rules, &some_ours, &e) != ERR_OK || !some_ours)
        return;
    code = rules.n > 0 ? put_rules(c, &rules, &e) : delete_rules(c, &e);
    if (code != ERR_OK)
        log_event(LOG_WARNING,
                  "the bucket keeps lifecycle rules that the configuration no longer asks for",
                  LOG_TEXT("bucket", s3_client_options(c)->bucket), LOG_TEXT("detail", e.detail));
}

static void take_status(void *ctx, struct str path, struct str text)
{
    if (str_eq(path, STR("VersioningConfiguration/Status")))
        *(bool *)ctx = str_eq(text, STR("Enabled"));
}

enum err_code s3_bucket_versions(struct s3_client *c, bool once, bool *ret_keeps, struct err *e)
{
    struct s3_request r = {.method = "GET", .is_final = once};

    *ret_keeps = false;
    s3_query(&r, STR("versioning"), STR_NONE);
    return s3_ask(c, &r, RULES_MAX, take_status, ret_keeps, e);
}

/* Whoever turned it on. A key that may not look, or a server without versions: no. */
static bool keeps_versions(struct s3_client *c)
{
    bool keeps;

    return s3_bucket_versions(c, true, &keeps, ERR_IGNORED) == ERR_OK && keeps;
}

/* Uploads leave old versions of their tails, and marks, with every push. */
static void warn_of_versions(struct s3_client *c)
{
    AUTO(buf) struct buf rules = {0};
    bool some_ours;

    if (s3_client_options(c)->lifecycle.expire_versions_days || !keeps_versions(c))
        return;
    buf_init(&rules, RULES_MAX);
    (void)!read_rules(c, true, &rules, &some_ours, ERR_IGNORED);
    if (!strstr(buf_text(&rules), "<NoncurrentVersionExpiration>"))
        log_event(LOG_WARNING,
                  "the bucket keeps every old version for good, also of what uploads leave: set "
                  "storage.s3.lifecycle.expire_versions_days",
                  LOG_TEXT("bucket", s3_client_options(c)->bucket));
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
    if (code == ERR_OK && !has_rules(s3_client_options(c)))
        drop_rules(c);
    warn_of_versions(c);
    return ERR_OK;
}
