#include "scan/publish.h"

#include "base/json.h"
#include "base/media.h"
#include "base/mem.h"
#include "core/mount.h"
#include "core/outbox.h"
#include "core/own_repo.h"
#include "core/push.h"
#include "core/referrers.h"
#include "core/remove.h"
#include "core/scan_wish.h"
#include "core/upload.h"
#include "jobs/jobs.h"
#include "scan/report_stream.h"
#include "scan/sbom.h"

#include <stdio.h>

#define EMPTY_TYPE     "application/vnd.oci.empty.v1+json" /* image-spec "Empty descriptor" */
#define EMPTY_JSON     "{}"
#define PIECE_BYTES    (64u << 10)
#define MANIFEST_BYTES (16u << 10)
#define REFERRERS_MAX  1000 /* of a type, that are looked at */
#define OLD_MAX        16   /* of earlier scans, that go at a time */
#define ATTEMPTS       5
#define RETRY_MS       10000
#define RETRY_MOST_MS  (10 * 60 * 1000)
#define PRIORITY       8

struct publishing {
    struct registry *r;
    const struct repo_name *repo;
    struct meta_manifest *image;
    struct scan_result result;
};

static void auto_publishing_(struct publishing *x)
{
    meta_manifest_unref(x->image);
}

/* The layer of an artifact, when it is a blob of the repository. */
struct layer {
    struct digest digest; /* text[0] is 0: there is nothing to be published */
    uint64_t bytes;
};

struct kind {
    const char *name; /* in scan.publish */
    const char *type; /* of artifact and layer */
    const char *file; /* as which it is fetched */
    enum err_code (*put)(struct publishing *x, struct layer *ret, struct err *e);
};

/* ---- layers */

static enum err_code mount_list(struct publishing *x, enum sbom_format f, struct layer *ret,
                                struct err *e)
{
    static const struct repo_name scans_repo = {sizeof(SCANS_REPO) - 1, SCANS_REPO};
    const struct digest *list = &x->result.sboms[f];

    ret->digest = *list;
    if (!list->text[0])
        return ERR_OK;
    TRY(mount_blob(x->r, x->repo, &scans_repo, list, e));
    return meta_blob_stat(x->r->meta, x->repo, list, &ret->bytes, e);
}

static enum err_code put_cyclonedx(struct publishing *x, struct layer *ret, struct err *e)
{
    return mount_list(x, SBOM_CYCLONEDX, ret, e);
}

static enum err_code put_spdx(struct publishing *x, struct layer *ret, struct err *e)
{
    return mount_list(x, SBOM_SPDX, ret, e);
}

/* All that the reader has; one that has nothing yet is waited for. */
static enum err_code put_blob(struct publishing *x, struct reader *in, struct layer *ret,
                              struct err *e)
{
    AUTO(upload) struct upload *u = NULL;
    AUTO(mem) char *bytes = mem_alloc(PIECE_BYTES);
    size_t n;

    TRY(upload_open_alone(x->r, x->repo, "", DIGEST_SHA256, &u, e));
    for (ret->bytes = 0;; ret->bytes += n) {
        TRY(reader_read_waiting(in, bytes, PIECE_BYTES, &n, e));
        if (n == 0)
            break;
        TRY(upload_write(u, bytes, n, e));
    }
    upload_written(u, &ret->digest);
    return upload_finish(STEAL(u), &ret->digest, NULL, e);
}

static enum err_code put_sarif(struct publishing *x, struct layer *ret, struct err *e)
{
    const struct report_order o = {.format = REPORT_SARIF,
                                   .repo = x->repo,
                                   .image = &x->image->digest,
                                   .result = &x->result,
                                   .fix = FINDINGS_ANY};
    AUTO(reader) struct reader *in = NULL;

    TRY(report_open(x->r, &o, &in, e));
    return put_blob(x, in, ret, e);
}

static const struct kind kinds[] = {
    {"cyclonedx", "application/vnd.cyclonedx+json", "sbom.cdx.json", put_cyclonedx},
    {"spdx", "application/spdx+json", "sbom.spdx.json", put_spdx},
    {"sarif", "application/sarif+json", "report.sarif.json", put_sarif},
};

/* ---- the artifact */

static enum err_code put_config(struct publishing *x, struct digest *ret, struct err *e)
{
    AUTO(upload) struct upload *u = NULL;
    uint64_t bytes;

    digest_of(DIGEST_SHA256, EMPTY_JSON, sizeof(EMPTY_JSON) - 1, ret);
    if (meta_blob_stat(x->r->meta, x->repo, ret, &bytes, ERR_IGNORED) == ERR_OK)
        return ERR_OK;
    TRY(upload_open_alone(x->r, x->repo, "", DIGEST_SHA256, &u, e));
    TRY(upload_write(u, EMPTY_JSON, sizeof(EMPTY_JSON) - 1, e));
    upload_written(u, ret);
    return upload_finish(STEAL(u), ret, NULL, e);
}

/* Source: image-spec "Guidelines for Artifact Usage". */
static void print_manifest(const struct publishing *x, const struct kind *k,
                           const struct layer *layer, const struct digest *config, struct buf *b)
{
    buf_init(b, MANIFEST_BYTES);
    buf_addf(b,
             "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST
             "\",\"artifactType\":\"%s\",\"config\":{\"mediaType\":\"" EMPTY_TYPE
             "\",\"digest\":\"%s\",\"size\":2,\"data\":\"e30=\"},",
             k->type, config->text);
    buf_addf(b,
             "\"layers\":[{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%llu,\"annotations\":{"
             "\"org.opencontainers.image.title\":\"%s\"}}],",
             k->type, layer->digest.text, (unsigned long long)layer->bytes, k->file);
    buf_add_text(b, "\"subject\":{\"mediaType\":");
    buf_add_json(b, x->image->media_type);
    buf_addf(
        b, ",\"digest\":\"%s\",\"size\":%zu},\"annotations\":{\"" PUBLISH_ANNOTATION "\":\"%s\"}}",
        x->image->digest.text, x->image->bytes.n, k->name);
}

static void tell(struct outbox_event *ev, const struct publishing *x, const struct kind *k,
                 const struct digest *artifact)
{
    outbox_begin(ev, OUTBOX_SCAN_PUBLISHED);
    outbox_add_text(ev, "repository", repo_name_str(x->repo));
    outbox_add_text(ev, "digest", digest_str(&x->image->digest));
    outbox_add_text(ev, "artifact", digest_str(artifact));
    outbox_add_text(ev, "artifact_type", str_of(k->type));
}

static enum err_code find(struct publishing *x, const struct digest *d)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    return meta_manifest_by_digest(x->r->meta, x->repo, d, &m, ERR_IGNORED);
}

/* Whatever is in the way of that, another scan will try again. */
static void take_away(struct publishing *x, const struct digest *d)
{
    (void)!remove_untagged(x->r, x->repo, d, NULL, ERR_IGNORED);
}

static enum err_code push(struct publishing *x, const struct kind *k, const struct layer *layer,
                          struct digest *ret, struct err *e)
{
    AUTO(outbox) struct outbox_event event = {0};
    AUTO(buf) struct buf bytes = {0};
    struct digest config;
    struct meta_op op;
    struct pushed done;
    struct push p = {
        .repo = x->repo, .content_type = STR(MEDIA_OCI_MANIFEST), .more = &op, .n_more = 1};

    TRY(put_config(x, &config, e));
    print_manifest(x, k, layer, &config, &bytes);
    digest_of(DIGEST_SHA256, bytes.p, bytes.n, ret);
    if (find(x, ret) == ERR_OK)
        return ERR_OK;
    tell(&event, x, k, ret);
    op = outbox_put(&event);
    p.bytes = buf_str(&bytes);
    TRY(push_manifest(x->r, &p, &done, e));
    if (find(x, &x->image->digest) == ERR_MANIFEST_UNKNOWN) /* it was deleted meanwhile */
        take_away(x, ret);
    return ERR_OK;
}

/* ---- what earlier scans have published */

struct old {
    const struct kind *kind;
    const struct digest *now;
    struct digest items[OLD_MAX];
    size_t n;
};

static bool is_ours(const struct meta_referrer *row, const struct kind *k)
{
    AUTO(json) json_t *annotations = json_loads(row->annotations_json, 0, NULL);
    const char *value = json_string_value(json_object_get(annotations, PUBLISH_ANNOTATION));

    return value && strcmp(value, k->name) == 0;
}

static bool note_old(void *ctx, const struct meta_referrer *row)
{
    struct old *old = ctx;

    if (old->n < OLD_MAX && !digest_eq(&row->digest, old->now) && is_ours(row, old->kind))
        old->items[old->n++] = row->digest;
    return true;
}

static enum err_code remove_old(struct publishing *x, const struct kind *k,
                                const struct digest *now, struct err *e)
{
    const struct referrers_query q = {.repo = x->repo,
                                      .subject = &x->image->digest,
                                      .artifact_type = str_of(k->type),
                                      .limit = REFERRERS_MAX};
    AUTO(mem) struct old *old = NEW(struct old);
    bool more;

    old->kind = k;
    old->now = now;
    TRY(referrers_each(x->r, &q, note_old, old, &more, e));
    for (size_t i = 0; i < old->n; i++)
        take_away(x, &old->items[i]);
    return ERR_OK;
}

/* ---- an image */

static bool wants(const struct conf_scan *c, const struct kind *k)
{
    for (size_t i = 0; i < c->publish.n; i++) {
        if (strcmp(c->publish.items[i], k->name) == 0)
            return true;
    }
    return false;
}

static enum err_code publish_kind(struct publishing *x, const struct kind *k, struct err *e)
{
    struct layer layer = {0};
    struct digest now;

    TRY(k->put(x, &layer, e));
    if (!layer.digest.text[0])
        return ERR_OK;
    TRY(push(x, k, &layer, &now, e));
    return remove_old(x, k, &now, e);
}

/* *ret_has: there is something to be published. */
static enum err_code look(struct publishing *x, const struct digest *image, bool *ret_has,
                          struct err *e)
{
    enum err_code code = scan_result_get(x->r, image, &x->result, NULL, e);

    *ret_has = false;
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(code);
    code = meta_manifest_by_digest(x->r->meta, x->repo, image, &x->image, e);
    *ret_has = code == ERR_OK && x->result.status == SCAN_COMPLETED && !own_repo(x->repo);
    return code == ERR_MANIFEST_UNKNOWN ? ERR_OK : code;
}

enum err_code publish_image(struct publisher *p, const struct repo_name *repo,
                            const struct digest *image, struct err *e)
{
    AUTO(publishing) struct publishing x = {.r = p->registry, .repo = repo};
    bool has_some;

    TRY(look(&x, image, &has_some, e));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && has_some; i++) {
        if (wants(p->conf, &kinds[i]) && publish_kind(&x, &kinds[i], e) != ERR_OK)
            return err_prefix(e, "publish what is known of %s@%s", repo->text, image->text);
    }
    return ERR_OK;
}

static enum err_code run(void *ctx, struct job *job, struct err *e)
{
    struct str key = job_key(job), name;
    struct repo_name repo;
    struct digest image;

    str_cut(&key, '@', &name);
    TRY(repo_name_parse(name, &repo, e));
    TRY(digest_parse(key, &image, e));
    return publish_image(ctx, &repo, &image, e);
}

void publish_jobs(struct publisher *p)
{
    const struct job_kind kind = {.name = PUBLISH_JOB,
                                  .run = run,
                                  .ctx = p,
                                  .attempts = ATTEMPTS,
                                  .retry_ms = RETRY_MS,
                                  .retry_most_ms = RETRY_MOST_MS,
                                  .priority = PRIORITY,
                                  .at_once = 1};

    jobs_kind_add(p->registry->jobs, &kind);
}
