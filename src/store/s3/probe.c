/*
 * The rights that the registry needs, each tried by what the driver does with it, under keys that
 * nothing else has. Taking away is tried first, on what is not there: what could not be taken away
 * again is not made.
 */
#include "store/s3/s3.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/uuid.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define TIMEOUT_MS 10000 /* of one request with all its tries: somebody is waiting */
#define BODY       "cyberdock"
#define BODY_MAX   4096
#define REMEDY_MAX 4096
#define UNTRIED    ERR_PRECONDITION /* for what another right was needed, as the detail says */

struct probe {
    struct s3_client *c;
    store_right_fn *fn;
    void *ctx;
    struct uuid id;
    struct s3_name object, whole, copy, parts;
    char upload[S3_UPLOAD_ID_MAX]; /* at the key `parts`, with one part; "": none */
    int body_fd;                   /* what a part is sent from */
    bool has_object;
    bool may_list, may_delete, may_abort;
};

/* ---- what a right is needed for */

static enum err_code pass(void *ctx, const struct s3_listed *object, struct err *e)
{
    (void)ctx, (void)object, (void)e;
    return ERR_OK;
}

static enum err_code try_list(struct probe *p, struct err *e)
{
    char below[128];

    snprintf(below, sizeof(below), S3_PROBES "%s", p->id.text);
    TRY(s3_list(p->c, below, pass, NULL, e));
    TRY(s3_bucket_look(p->c, false, e));
    p->may_list = true;
    return ERR_OK;
}

static enum err_code try_delete(struct probe *p, struct err *e)
{
    TRY(s3_delete(p->c, &p->object, e));
    TRY(s3_delete_many(p->c, &p->object, 1, e));
    p->may_delete = true;
    return ERR_OK;
}

static enum err_code try_abort(struct probe *p, struct err *e)
{
    TRY(s3_multipart_abort(p->c, &p->parts, p->id.text, e)); /* which is no upload's */
    p->may_abort = true;
    return ERR_OK;
}

static enum err_code try_list_uploads(struct probe *p, struct err *e)
{
    return s3_multipart_abort_all(p->c, &p->parts, e); /* there is none */
}

/* An upload of one part. */
static enum err_code begin(struct probe *p, const struct s3_name *name,
                           char ret_id[static S3_UPLOAD_ID_MAX], struct s3_part *ret_part,
                           struct err *e)
{
    const struct client_file body = {.fd = p->body_fd, .bytes = sizeof(BODY) - 1};

    TRY(s3_multipart_create(p->c, name, ret_id, e));
    return s3_part_put(p->c, name, ret_id, 1, &body, ret_part, e);
}

static enum err_code complete(struct probe *p, struct err *e)
{
    char id[S3_UPLOAD_ID_MAX] = "";
    struct s3_part part;
    const struct s3_parts parts = {&part, 1};
    enum err_code code = begin(p, &p->whole, id, &part, e);

    if (code == ERR_OK)
        code = s3_multipart_complete(p->c, &p->whole, id, &parts, NULL, e);
    if (code != ERR_OK && id[0])
        (void)!s3_multipart_abort(p->c, &p->whole, id, ERR_IGNORED);
    return code;
}

static enum err_code try_put(struct probe *p, struct err *e)
{
    const struct s3_put put = {.body = STR(BODY)};
    struct s3_part part;

    if (!p->may_delete && !p->may_abort)
        return err_set(e, UNTRIED,
                       "without s3:DeleteObject and s3:AbortMultipartUpload what is made stays");
    if (p->may_abort)
        TRY(begin(p, &p->parts, p->upload, &part, e));
    if (p->may_delete) {
        TRY(s3_put(p->c, &p->object, &put, e));
        p->has_object = true;
    }
    return p->may_delete && p->may_abort ? complete(p, e) : ERR_OK;
}

static enum err_code try_list_parts(struct probe *p, struct err *e)
{
    const char *id = p->upload[0] ? p->upload : p->id.text;
    struct s3_parts parts = {0};
    enum err_code code = s3_parts_list(p->c, &p->parts, id, &parts, e);

    free(parts.items);
    return !p->upload[0] && code == ERR_BLOB_UPLOAD_UNKNOWN ? ERR_OK : code;
}

static enum err_code get(struct probe *p, struct err *e)
{
    struct s3_answer a = {0};
    enum err_code code;

    buf_init(&a.body, BODY_MAX);
    code = s3_get(p->c, &p->object, &a, e);
    buf_done(&a.body);
    return code;
}

static enum err_code try_get(struct probe *p, struct err *e)
{
    struct s3_answer a = {0};
    struct s3_part part;
    enum err_code code;

    /* Who may not list is told nothing of what is not there. */
    if (!p->has_object && !p->may_list)
        return err_set(e, UNTRIED, "there is nothing to read");
    code = get(p, e);
    if (!p->has_object && code == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(code);
    TRY(s3_head(p->c, &p->object, &a, e));
    TRY(s3_copy(p->c, NULL, &p->object, &p->copy, e));
    return p->upload[0]
               ? s3_part_copy(p->c, &p->parts, p->upload, 2, NULL, &p->object, 0, 0, &part, e)
               : ERR_OK;
}

static enum err_code try_versions(struct probe *p, struct err *e)
{
    bool keeps;

    return s3_bucket_versions(p->c, false, &keeps, e);
}

static bool has_class(const struct store_s3_options *o)
{
    return o->storage_class[0];
}

/* In the place of the object that is there. */
static enum err_code try_class(struct probe *p, struct err *e)
{
    const struct s3_put put = {.body = STR(BODY), .as_blob = true};

    if (!p->has_object)
        return err_set(e, UNTRIED, "nothing can be written and taken away again");
    return s3_put(p->c, &p->object, &put, e);
}

static const struct right {
    const char *name, *kms; /* kms: needed as well with a key of it; NULL: none */
    const char *tried;
    bool of_objects;     /* else of the bucket */
    const char *without; /* what is done without it; NULL: nothing is */
    const char *key;     /* of the configuration, that the server may not take; NULL: none asks */
    bool (*asked)(const struct store_s3_options *o); /* NULL: always */
    enum err_code (*try)(struct probe *p, struct err *e);
} rights[] = {
    {"s3:ListBucket", NULL, "look at the bucket, list", .try = try_list},
    {"s3:DeleteObject", NULL, "delete one and many", true, .try = try_delete},
    {"s3:AbortMultipartUpload", NULL, "abort an upload", true, .try = try_abort},
    {"s3:ListBucketMultipartUploads", NULL, "list uploads", .try = try_list_uploads},
    {"s3:PutObject", "kms:GenerateDataKey", "put, upload in parts", true, .try = try_put},
    {"s3:ListMultipartUploadParts", NULL, "list parts", true, .try = try_list_parts},
    {"s3:GetObject", "kms:Decrypt", "get, head, copy, copy a part", true, .try = try_get},
    {"s3:PutObject", NULL, "put in storage.s3.storage_class", true,
     .key = "storage.s3.storage_class", .asked = has_class, .try = try_class},
    {"s3:GetBucketVersioning", NULL, "look whether old versions stay",
     .without = "no start can warn of versions that no rule removes", .try = try_versions},
};

/* ---- what came of it */

static const char *partition(const char *region)
{
    struct str r = str_of(region);

    return str_starts(r, STR("cn-"))       ? "aws-cn"
           : str_starts(r, STR("us-gov-")) ? "aws-us-gov"
                                           : "aws";
}

static void add_needs(const struct probe *p, const char *name, const char *kms, bool of_objects,
                      struct buf *dst)
{
    const struct store_s3_options *o = s3_client_options(p->c);

    buf_addf(dst, "needs %s on arn:%s:s3:::%s", name, partition(o->region), o->bucket);
    if (of_objects)
        buf_addf(dst, "/%s*", o->prefix);
    if (kms && o->sse == STORE_S3_SSE_KMS)
        buf_addf(dst, ", and %s of the key", kms);
}

/* Tells what came of trying a right. Error: UNAVAILABLE, for then nothing else can be tried. */
static enum err_code tell(struct probe *p, struct store_right *r, enum err_code code, bool may_lack,
                          const char *remedy, struct err *e)
{
    static const struct {
        enum err_code code;
        enum store_right_state state;
    } states[] = {{ERR_OK, STORE_RIGHT_OK},
                  {UNTRIED, STORE_RIGHT_UNTRIED},
                  {ERR_UNSUPPORTED, STORE_RIGHT_UNSUPPORTED},
                  {ERR_CONFIG, STORE_RIGHT_UNSUPPORTED}};

    if (code == ERR_UNAVAILABLE)
        return code;
    r->is_missing = code != ERR_OK && !may_lack;
    r->state = STORE_RIGHT_REFUSED;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (states[i].code == code)
            r->state = states[i].state;
    }
    r->why = code == ERR_OK ? "" : e->detail;
    r->remedy = remedy;
    p->fn(p->ctx, r);
    return ERR_OK;
}

static enum err_code probe_right(struct probe *p, const struct right *right, struct err *e)
{
    struct store_right r = {.name = right->name, .tried = right->tried};
    AUTO(buf) struct buf remedy = {0};
    enum err_code code = right->try(p, e);

    buf_init(&remedy, REMEDY_MAX);
    if (code == ERR_DENIED)
        add_needs(p, right->name, right->kms, right->of_objects, &remedy);
    else if (code != ERR_OK && code != UNTRIED && right->key)
        buf_addf(&remedy, "leave %s out, or say one that the server has", right->key);
    if (code != ERR_OK && right->without)
        buf_addf(&remedy, "%sdone without: %s", remedy.n ? "; " : "", right->without);
    return tell(p, &r, code, right->without != NULL, buf_text(&remedy), e);
}

/* lacking: the right whose lack ends this already; NULL: none. */
static enum err_code probe_step(struct probe *p, const struct s3_step *step, const char *lacking,
                                enum err_code *ret_code, struct err *e)
{
    struct store_right r = {.name = step->right, .tried = step->does};
    AUTO(buf) struct buf remedy = {0};
    enum err_code code = lacking ? err_set(e, UNTRIED, "without %s", lacking) : step->run(p->c, e);

    buf_init(&remedy, REMEDY_MAX);
    if (code == ERR_UNSUPPORTED && step->may_lack)
        buf_add_text(&remedy, "done without");
    else if (code == ERR_UNSUPPORTED || code == ERR_CONFIG)
        buf_addf(&remedy, "leave %s out", step->does);
    else if (code == ERR_DENIED)
        add_needs(p, step->right, NULL, false, &remedy);
    *ret_code = code;
    return tell(p, &r, code, code == ERR_UNSUPPORTED && step->may_lack, buf_text(&remedy), e);
}

static enum err_code probe_steps(struct probe *p, bool on_new, struct err *e)
{
    const char *lacking = NULL;

    for (const struct s3_step *step = s3_steps; step < s3_steps + s3_steps_n; step++) {
        enum err_code code = ERR_OK;

        if (step->on_new != on_new || !s3_step_applies(step, p->c, true))
            continue;
        TRY(probe_step(p, step, lacking, &code, e));
        lacking = step->of_next && code != ERR_OK ? step->right : NULL;
    }
    return ERR_OK;
}

/* ---- all of it */

/* Is there a bucket? An error that no right would mend ends it all: a wrong key, say. */
static enum err_code look(struct probe *p, bool *ret_is_there, struct err *e)
{
    struct s3_request r = {.method = "GET"};
    struct s3_answer a = {0};
    enum err_code code;

    s3_query(&r, STR("list-type"), STR("2"));
    s3_query(&r, STR("max-keys"), STR("1"));
    code = s3_do(p->c, &r, &a, e);
    *ret_is_there = strcmp(a.code, "NoSuchBucket") != 0;
    return !*ret_is_there || strcmp(a.code, "AccessDenied") == 0 ? ERR_OK : code;
}

static enum err_code make_bucket(struct probe *p, struct err *e)
{
    bool is_there;

    TRY(probe_steps(p, true, e));
    TRY(look(p, &is_there, e));
    return is_there ? ERR_OK
                    : err_set(e, ERR_CONFIG, "there is no bucket; no other right was tried");
}

static enum err_code clean(struct probe *p, struct err *e)
{
    const struct s3_name objects[] = {p->object, p->whole, p->copy};
    struct err_first all = {0};

    if (p->upload[0])
        err_first_add(&all, s3_multipart_abort(p->c, &p->parts, p->upload, &all.step));
    if (p->has_object)
        err_first_add(
            &all, s3_delete_many(p->c, objects, sizeof(objects) / sizeof(objects[0]), &all.step));
    if (err_first_of(&all, e) == ERR_OK)
        return ERR_OK;
    return err_prefix(e, "something stays below '%s" S3_PROBES "'",
                      s3_client_options(p->c)->prefix);
}

static enum err_code probe_all(struct probe *p, struct err *e)
{
    bool is_there;

    TRY(look(p, &is_there, e));
    if (!is_there)
        TRY(make_bucket(p, e));
    for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
        if (!rights[i].asked || rights[i].asked(s3_client_options(p->c)))
            TRY(probe_right(p, &rights[i], e));
    }
    /* Before versions are turned on, for old ones would stay. */
    TRY(clean(p, e));
    p->upload[0] = '\0';
    p->has_object = false;
    return probe_steps(p, false, e);
}

static enum err_code open_body(struct probe *p, struct err *e)
{
    p->body_fd = memfd_create("probe", MFD_CLOEXEC);
    if (p->body_fd < 0 || file_pwrite_all(p->body_fd, BODY, sizeof(BODY) - 1, 0) < 0)
        return err_errno(e, "make a file in memory");
    return ERR_OK;
}

enum err_code store_s3_prove(const struct store_s3_options *options, store_right_fn *fn, void *ctx,
                             struct err *e)
{
    struct probe p = {.fn = fn, .ctx = ctx, .body_fd = -1};
    struct store_s3_options o = *options;
    enum err_code code;

    if (o.timeout_ms > TIMEOUT_MS)
        o.timeout_ms = TIMEOUT_MS;
    TRY(s3_client_new(&o, &p.c, e));
    s3_client_be_frank(p.c);
    uuid_make(&p.id);
    s3_probe_name(p.c, &p.id, "", &p.object);
    s3_probe_name(p.c, &p.id, "_whole", &p.whole);
    s3_probe_name(p.c, &p.id, "_copy", &p.copy);
    s3_probe_name(p.c, &p.id, "_parts", &p.parts);
    code = open_body(&p, e);
    if (code == ERR_OK)
        code = probe_all(&p, e);
    if (code != ERR_OK)
        (void)!clean(&p, ERR_IGNORED);
    if (p.body_fd >= 0)
        close(p.body_fd);
    s3_client_free(p.c);
    return code == ERR_OK ? ERR_OK : err_prefix(e, "bucket '%s'", o.bucket);
}
