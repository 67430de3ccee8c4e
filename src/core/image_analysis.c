#include "core/image_analysis.h"

#include "analysis/report.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "core/archive_manifest.h"
#include "core/archive_platform.h"
#include "core/layer_lists.h"
#include "jobs/jobs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FORGET          "analyses" /* the kind of job that forgets */
#define FORGET_EVERY_MS (24 * 3600 * 1000)
#define RETRY_MS        5000
#define RETRY_MOST_MS   (10 * 60 * 1000)
#define ATTEMPTS        3
#define PRIORITY        5 /* after all that somebody waits for */
#define AT_ONCE         2 /* each may take analysis.memory_bytes twice, and a processor */

/* What databases take with ease as a record, and a transaction of DynamoDB in all. */
#define PART_BYTES   (128u << 10)
#define PARTS_MAX    24u
#define REPORT_BYTES (PART_BYTES * PARTS_MAX)
#define KEY_MAX      (DIGEST_TEXT_MAX + 8)
#define LIMITS_SIZE  (3 * (STR_DECIMAL_MAX + 1))
#define UNTIL        "until-" /* wall clock, in ms */
#define MISSING_MS   2000

/* ---- records
 *
 * Keys are "DIGEST/00", "DIGEST/01", ...; the first begins with a line "PARTS REPOSITORY CODE":
 * how many there are, where the manifest was, and "OK"; or else the limits, in the bounds of which
 * there is no report, and what follows is why. With other limits it is tried again. Of one whose
 * layer is missing stands there UNTIL and when it is tried again, for the layer may come. */

static struct str key_of(const struct digest *d, unsigned part, char dst[static KEY_MAX + 1])
{
    int n = snprintf(dst, KEY_MAX + 1, "%s/%02u", d->text, part);

    return (struct str){dst, (size_t)n};
}

/* No more bytes than that, and no character cut. */
static size_t part_bytes(struct str text)
{
    size_t n = PART_BYTES;

    if (text.n <= n)
        return text.n;
    while (n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static void limits_text(const struct registry *r, char dst[static LIMITS_SIZE])
{
    const struct conf_analysis *c = &r->options->analysis;

    snprintf(dst, LIMITS_SIZE, "%" PRIu64 "/%" PRIu64 "/%" PRIu64, conf_u64(&c->memory_bytes),
             conf_u64(&c->max_unpacked_bytes), conf_u64(&c->max_ratio));
}

static enum err_code keep(struct registry *r, const struct repo_name *repo, const struct digest *d,
                          const char *code, struct str text, struct err *e)
{
    struct meta_op ops[PARTS_MAX + 2];
    char keys[PARTS_MAX + 2][KEY_MAX + 1];
    AUTO(buf) struct buf first = {0};
    size_t n = 0, head = part_bytes(text), parts = 1;

    for (struct str rest = str_sub(text, head, text.n - head); rest.n > 0; parts++)
        rest = str_sub(rest, part_bytes(rest), rest.n - part_bytes(rest));
    buf_init(&first, PART_BYTES + 1024);
    buf_addf(&first, "%zu %s %s\n", parts, repo->text, code);
    buf_add_str(&first, str_sub(text, 0, head));
    ops[n] =
        meta_op_record_put(STR(IMAGE_ANALYSIS), key_of(d, 0, keys[0]), buf_str(&first), META_ANY);
    text = str_sub(text, head, text.n - head);
    for (n = 1; text.n > 0; n++) {
        size_t bytes = part_bytes(text);

        ops[n] = meta_op_record_put(STR(IMAGE_ANALYSIS), key_of(d, (unsigned)n, keys[n]),
                                    str_sub(text, 0, bytes), META_ANY);
        text = str_sub(text, bytes, text.n - bytes);
    }
    return meta_commit(r->meta, ops, n, 0, NULL, e);
}

struct head {
    uint64_t parts;
    struct repo_name repo;
    struct str verdict; /* "OK", or limits */
    struct str text;
};

static bool parse_head(const char *value, struct head *ret)
{
    struct str text = str_of(value), line, parts, repo;

    str_cut(&text, '\n', &line);
    str_cut(&line, ' ', &parts);
    str_cut(&line, ' ', &repo);
    ret->verdict = line;
    ret->text = text;
    return str_to_u64(parts, PARTS_MAX + 1, &ret->parts) &&
           repo_name_parse(repo, &ret->repo, ERR_IGNORED) == ERR_OK;
}

/* Of a report, or of what is still the reason for none. */
static bool holds(const struct registry *r, const struct head *head)
{
    struct str v = head->verdict;
    char limits[LIMITS_SIZE];
    uint64_t until_ms;

    if (str_starts(v, STR(UNTIL)))
        return str_to_u64(str_sub(v, sizeof(UNTIL) - 1, v.n - (sizeof(UNTIL) - 1)), INT64_MAX,
                          &until_ms) &&
               clock_wall_ms() < (int64_t)until_ms;
    limits_text(r, limits);
    return str_eq(head->verdict, STR("OK")) || str_eq(head->verdict, str_of(limits));
}

static enum err_code get_part(struct registry *r, const struct digest *d, unsigned part,
                              struct meta_record *ret, struct err *e)
{
    char key[KEY_MAX + 1];

    return meta_record_get(r->meta, STR(IMAGE_ANALYSIS), key_of(d, part, key), ret, e);
}

enum err_code image_analysis_get(struct registry *r, const struct digest *d, struct buf *ret_json,
                                 struct err *e)
{
    AUTO(record) struct meta_record first = {0};
    struct head head;

    TRY(get_part(r, d, 0, &first, e));
    if (!parse_head(first.value, &head) || !holds(r, &head))
        return err_set(e, ERR_NOT_FOUND, "there is no report of %s yet", d->text);
    if (!str_eq(head.verdict, STR("OK")))
        return err_tell(e, ERR_NOT_ANALYZABLE, STR_FMT, STR_ARG(head.text));
    buf_add_str(ret_json, head.text);
    for (unsigned i = 1; i < head.parts; i++) {
        AUTO(record) struct meta_record part = {0};

        TRY(get_part(r, d, i, &part, e));
        buf_add_text(ret_json, part.value);
    }
    return ERR_OK;
}

enum err_code image_analysis_refusal(struct registry *r, const struct digest *d, struct err *e)
{
    AUTO(record) struct meta_record first = {0};
    enum err_code code = get_part(r, d, 0, &first, e);
    struct head head;

    if (code == ERR_NOT_FOUND ||
        (code == ERR_OK && (!parse_head(first.value, &head) || !holds(r, &head))))
        return ERR_OK;
    TRY(code);
    return str_eq(head.verdict, STR("OK"))
               ? ERR_OK
               : err_tell(e, ERR_NOT_ANALYZABLE, STR_FMT, STR_ARG(head.text));
}

/* ---- making one */

struct making {
    struct registry *r;
    struct job *job;
    const struct repo_name *repo;
    struct out_manifest manifest;
    size_t n; /* layers */
    const char **digests;
    struct layer_files **own; /* of a layer that stands there several times, with the first */
    const struct layer_files **lists;
    uint64_t memory_bytes, used_bytes;
    enum err_code not_kept; /* a list of a layer: why */
};

static void making_done(struct making *m)
{
    for (size_t i = 0; i < m->n; i++)
        layer_files_free(m->own[i]);
    free(m->digests);
    free(m->own);
    free(m->lists);
    out_manifest_done(&m->manifest);
}

static inline void auto_making_(struct making *m)
{
    making_done(m);
}

static bool goes_on(void *ctx)
{
    struct job *job = ctx;

    return job_go_on(job_jobs(job), job);
}

static bool is_tar(struct str media_type)
{
    return str_contains(media_type, STR(".tar"));
}

static enum err_code read_layer(struct making *m, size_t i, struct err *e)
{
    const struct conf_analysis *c = &m->r->options->analysis;
    const struct manifest_link *link = &m->manifest.parsed.links[i + 1];
    const struct layer_limits limits = {.max_unpacked_bytes = conf_u64(&c->max_unpacked_bytes),
                                        .max_ratio = conf_u64(&c->max_ratio),
                                        .memory_bytes = m->memory_bytes - m->used_bytes};
    const struct layer_wanted wanted = {.repo = m->repo,
                                        .digest = &link->digest,
                                        .limits = limits,
                                        .go_on = goes_on,
                                        .ctx = m->job};
    enum err_code kept;

    if (!is_tar(out_json_text(out_manifest_descriptor(&m->manifest, i + 1), "mediaType")))
        return err_tell(e, ERR_NOT_ANALYZABLE, "layer %zu is no tar: this is no image", i);
    job_note(m->job, "layer %zu of %zu", i + 1, m->n);
    if (layer_lists_get(m->r, &wanted, &m->own[i], &kept, e) != ERR_OK)
        return err_prefix(e, "layer %zu", i);
    if (m->not_kept == ERR_OK)
        m->not_kept = kept;
    m->used_bytes += layer_files_memory(m->own[i]);
    m->lists[i] = m->own[i];
    return ERR_OK;
}

static enum err_code read_layers(struct making *m, struct err *e)
{
    m->n = m->manifest.parsed.n_links > 0 ? m->manifest.parsed.n_links - 1 : 0;
    m->digests = mem_zero((m->n + 1) * sizeof(*m->digests));
    m->own = mem_zero((m->n + 1) * sizeof(*m->own));
    m->lists = mem_zero((m->n + 1) * sizeof(*m->lists));
    if (m->n > IMAGE_LAYERS_MAX)
        return err_tell(e, ERR_NOT_ANALYZABLE, "more than %d layers", IMAGE_LAYERS_MAX);
    for (size_t i = 0; i < m->n; i++) {
        size_t same = 0;

        m->digests[i] = m->manifest.parsed.links[i + 1].digest.text;
        while (strcmp(m->digests[same], m->digests[i]) != 0)
            same++;
        m->lists[i] = m->lists[same];
        if (same == i)
            TRY(read_layer(m, i, e));
    }
    return ERR_OK;
}

static enum err_code make(struct making *m, struct buf *ret_json, struct err *e)
{
    AUTO(json) json_t *config = NULL;
    AUTO(image_tree) struct image_tree *t = NULL;
    struct report_image image;

    if (m->manifest.parsed.shape == MANIFEST_INDEX || m->manifest.parsed.n_links == 0)
        return err_tell(e, ERR_NOT_ANALYZABLE, "this is no image of one platform");
    TRY(out_manifest_config(m->r, m->repo, &m->manifest, &config, e));
    TRY(read_layers(m, e));
    TRY(image_tree_new(m->lists, m->n, m->memory_bytes, &t, e));
    image = (struct report_image){m->digests, config};
    return report_json(t, &image, m->memory_bytes, ret_json, e);
}

/* Is it the image's fault, and will be again? */
static bool for_good(enum err_code code)
{
    return code == ERR_IMAGE_INVALID || code == ERR_IMAGE_TOO_LARGE || code == ERR_NOT_ANALYZABLE ||
           code == ERR_UNSUPPORTED || code == ERR_MANIFEST_INVALID;
}

static enum err_code make_and_keep(struct making *m, const struct digest *d, struct err *e)
{
    AUTO(buf) struct buf report = {0};
    char limits[LIMITS_SIZE];
    enum err_code code;
    struct err why;

    buf_init(&report, REPORT_BYTES);
    code = make(m, &report, &why);
    if (code == ERR_OK)
        return keep(m->r, m->repo, d, "OK", buf_str(&report), e);
    *e = why;
    if (code == ERR_BLOB_UNKNOWN)
        snprintf(limits, sizeof(limits), UNTIL "%" PRId64, clock_wall_ms() + MISSING_MS);
    else if (for_good(code))
        limits_text(m->r, limits);
    else
        return code;
    return keep(m->r, m->repo, d, limits,
                str_of(why.public_detail ? why.detail : err_message(code)), e);
}

/* Report and lists; or there is a reason for none. */
static bool is_made(const struct making *m, const struct digest *d)
{
    AUTO(record) struct meta_record there = {0};
    struct head head;

    if (get_part(m->r, d, 0, &there, ERR_IGNORED) != ERR_OK || !parse_head(there.value, &head) ||
        !holds(m->r, &head))
        return false;
    if (!str_eq(head.verdict, STR("OK")))
        return true;
    for (size_t i = 1; i < m->manifest.parsed.n_links; i++) {
        if (!layer_lists_has(m->r, &m->manifest.parsed.links[i].digest))
            return false;
    }
    return true;
}

/* Its key is "REPOSITORY@DIGEST". */
static enum err_code run(void *ctx, struct job *job, struct err *e)
{
    struct str rest = job_key(job), name;
    struct repo_name repo;
    struct digest d;
    AUTO(making) struct making m = {.r = ctx, .job = job, .repo = &repo};
    enum err_code code;

    str_cut(&rest, '@', &name);
    TRY(repo_name_parse(name, &repo, e));
    TRY(digest_parse(rest, &d, e));
    m.memory_bytes = conf_u64(&m.r->options->analysis.memory_bytes);
    code = out_manifest_by_digest(m.r, &repo, &d, &m.manifest, e);
    if (code == ERR_MANIFEST_UNKNOWN)
        return ERR_OK; /* it was deleted meanwhile */
    TRY(code);
    if (is_made(&m, &d))
        return ERR_OK;
    TRY(make_and_keep(&m, &d, e));
    return m.not_kept == ERR_OK
               ? ERR_OK
               : err_set(e, m.not_kept, "lists of the files of its layers can't be kept");
}

/* It failed so often that a person has to see to it: asking again changes nothing. */
static bool is_stopped(struct registry *r, struct str key)
{
    struct meta_job job;
    bool stopped;

    if (meta_job_get(r->meta, STR(IMAGE_ANALYSIS), key, &job, ERR_IGNORED) != ERR_OK)
        return false;
    stopped = job.state == META_JOB_STOPPED;
    meta_job_done(&job);
    return stopped;
}

enum err_code image_analysis_ask(struct registry *r, const struct repo_name *repo,
                                 const struct digest *d, struct err *e)
{
    char key[REPO_NAME_MAX + 1 + DIGEST_TEXT_MAX + 1];

    if (!r->jobs)
        return err_set(e, ERR_UNAVAILABLE, "nothing is done in the background");
    snprintf(key, sizeof(key), "%s@%s", repo->text, d->text);
    if (is_stopped(r, str_of(key)))
        return err_tell(e, ERR_NOT_ANALYZABLE,
                        "it failed too often; `registry jobs` has the reason, and tries it again");
    TRY(jobs_add(r->jobs, IMAGE_ANALYSIS, str_of(key), e));
    jobs_wake(r->jobs);
    return ERR_OK;
}

enum err_code image_analysis_find(struct registry *r, const struct repo_name *repo,
                                  const struct reference *ref, struct str platform,
                                  struct digest *ret_digest, struct err *e)
{
    AUTO(out_manifest) struct out_manifest m = {0};
    AUTO(json) json_t *unused = NULL;
    struct out_platform wanted;

    if (platform.n > 0)
        TRY(out_platform_parse(platform, &wanted, e));
    TRY(out_manifest_get(r, repo, ref, &m, e));
    TRY(out_platform_choose(r, repo, &m, platform.n > 0 ? &wanted : NULL, &unused, e));
    *ret_digest = m.stored->digest;
    return ERR_OK;
}

/* ---- forgetting */

static enum err_code forget_one(void *ctx, const struct meta_record *record, struct err *e)
{
    struct registry *r = ctx;
    struct str part = str_of(record->key), digest;
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct meta_op ops[PARTS_MAX + 2];
    char keys[PARTS_MAX + 2][KEY_MAX + 1];
    struct digest d;
    struct head head;
    enum err_code code;

    str_cut(&part, '/', &digest);
    if (!str_eq(part, STR("00")) || digest_parse(digest, &d, e) != ERR_OK ||
        !parse_head(record->value, &head))
        return ERR_OK;
    code = meta_manifest_by_digest(r->meta, &head.repo, &d, &m, e);
    if (code != ERR_MANIFEST_UNKNOWN)
        return code;
    for (unsigned i = 0; i < head.parts; i++)
        ops[i] = meta_op_record_delete(STR(IMAGE_ANALYSIS), key_of(&d, i, keys[i]), META_ANY);
    return meta_commit(r->meta, ops, (size_t)head.parts, 0, NULL, e);
}

static enum err_code forget(void *ctx, struct job *job, struct err *e)
{
    struct registry *r = ctx;

    (void)job;
    return meta_records_each(r->meta, STR(IMAGE_ANALYSIS), forget_one, r, e);
}

static int64_t forget_every_ms(void *ctx)
{
    (void)ctx;
    return FORGET_EVERY_MS;
}

void image_analysis_jobs(struct registry *r)
{
    const struct job_kind made = {.name = IMAGE_ANALYSIS,
                                  .run = run,
                                  .ctx = r,
                                  .attempts = ATTEMPTS,
                                  .retry_ms = RETRY_MS,
                                  .retry_most_ms = RETRY_MOST_MS,
                                  .priority = PRIORITY,
                                  .at_once = AT_ONCE};
    const struct job_kind forgotten = {.name = FORGET,
                                       .run = forget,
                                       .ctx = r,
                                       .retry_ms = RETRY_MOST_MS,
                                       .every_ms = forget_every_ms,
                                       .first_ms = forget_every_ms,
                                       .own = true};

    jobs_kind_add(r->jobs, &made);
    jobs_kind_add(r->jobs, &forgotten);
}
