#include "core/archive_take.h"

#include "base/clock.h"
#include "base/mem.h"
#include "core/held_image.h"
#include "core/image_judge.h"
#include "core/upload.h"
#include "core/upload_record.h"
#include "core/upload_records.h"

#include <stdlib.h>

#define ANSWER_MAX_BYTES (4u << 20)
#define IMAGES_MAX_BYTES (160u << 10) /* of what is wrong with them: it is quoted in a record */

/* A store that is a server is asked for so much at once. */
#define READ_BYTES (4u << 20)

/* While as many archives are received as may be. */
#define WAIT_MS 500

/* After so many the archive is taken without being told of. */
#define RECORD_TRIES 20

#define ATTEMPTS      5
#define RETRY_MS      1000
#define RETRY_MOST_MS 60000

/* One run. */
struct take {
    struct archive_taker *t;
    struct job *job;
    struct archive_session s;
    struct upload *u;      /* where its bytes are, or: */
    struct reader *direct; /* of a direct one */
    struct hasher *hasher; /* when it has to have a digest */
    struct image_upload *image;
    struct upload_record *record; /* what others are told of it; or NULL */
    bool held;                    /* it waits for a verdict from now on */
    size_t n_repos;               /* that may be pushed to, as far as was asked */
    struct repo_name refused;     /* the one that may not; n is 0: none */
};

/* What is to become of one that waits. */
struct outcome {
    bool waiting, blocked;
    struct err waits_for, why;
    struct buf images; /* that are blocked */
};

static inline void auto_outcome_(struct outcome *o)
{
    buf_done(&o->images);
}

static enum err_code stopped(struct err *e)
{
    return err_set(e, ERR_LATER, "stopped");
}

static enum err_code open_image(struct take *x, struct err *e)
{
    struct registry *r = x->t->r;

    for (;;) {
        enum err_code code =
            image_upload_open(r, x->s.repo.n > 0 ? &x->s.repo : NULL, x->s.owner, &x->image, e);

        if (code != ERR_TOO_MANY_REQUESTS)
            return code;
        if (!job_rest(r->jobs, x->job, WAIT_MS))
            return stopped(e);
    }
}

static enum err_code next(struct take *x, char *p, uint64_t at, size_t *ret_n, struct err *e)
{
    TRY(x->direct ? reader_read_waiting(x->direct, p, READ_BYTES, ret_n, e)
                  : upload_read(x->u, p, READ_BYTES, at, ret_n, e));
    if (*ret_n == 0)
        return err_set(e, ERR_CORRUPT, "upload %s is shorter than it was", x->s.id.text);
    if (x->hasher)
        hasher_update(x->hasher, p, *ret_n);
    return ERR_OK;
}

static enum err_code check_digest(const struct take *x, struct err *e)
{
    struct digest actual;

    if (!x->hasher)
        return ERR_OK;
    hasher_digest(x->hasher, &actual);
    return digest_eq(&actual, &x->s.digest)
               ? ERR_OK
               : err_tell(e, ERR_DIGEST_INVALID, "the bytes received have the digest %s",
                          actual.text);
}

static enum err_code feed(struct take *x, struct err *e)
{
    AUTO(mem) char *p = mem_alloc(READ_BYTES);
    size_t n;
    enum err_code code;

    for (uint64_t at = 0; at < x->s.length_bytes; at += n) {
        if (!job_go_on(x->t->r->jobs, x->job))
            return stopped(e);
        job_note(x->job, "%llu of %llu bytes", (unsigned long long)at,
                 (unsigned long long)x->s.length_bytes);
        TRY(next(x, p, at, &n, e));
        code = image_upload_feed(x->image, p, n, e);
        upload_record_set_received(x->record, x->s.length_bytes); /* it had all come before */
        TRY(code);
    }
    return check_digest(x, e);
}

static enum err_code may_push(void *ctx, const struct repo_name *repo, struct err *e)
{
    struct take *x = ctx;
    enum err_code code = x->t->may_push(x->t->ctx, &x->s, repo, e);

    if (code != ERR_OK) {
        x->refused = *repo;
        return code;
    }
    if (x->n_repos > 0) /* the first has begun with the run */
        TRY(x->t->begin(x->t->ctx, e));
    x->n_repos++;
    return ERR_OK;
}

static enum err_code may_tag(void *ctx, const struct repo_name *repo, const struct tag_name *tag,
                             bool *ret_create_only, struct err *e)
{
    struct take *x = ctx;

    return x->t->may_tag(x->t->ctx, &x->s, repo, tag, ret_create_only, e);
}

/* Of the registry, and not of the archive: another time it may go. */
static bool passes(enum err_code code)
{
    return code == ERR_TOO_MANY_REQUESTS || code == ERR_CONFLICT || !registry_refused(code);
}

/* Of those that have begun: once something was stored each has its entry, else there is one. */
static void end_all(struct take *x, const struct image_stored *stored, enum err_code code)
{
    const struct archive_taker *t = x->t;

    for (size_t i = 0; stored && i < stored->plan->n; i++)
        t->end(t->ctx, &x->s, &stored->plan->places[i].repo, code);
    if (stored)
        return;
    t->end(t->ctx, &x->s,
           x->refused.n > 0  ? &x->refused
           : x->s.repo.n > 0 ? &x->s.repo
                             : NULL,
           code != ERR_OK && passes(code) ? ERR_LATER : code);
    for (size_t i = 1; i < x->n_repos; i++)
        t->end(t->ctx, &x->s, NULL, ERR_LATER);
}

static struct image_rights rights_of(struct take *x)
{
    return (struct image_rights){.may_push = may_push, .may_tag = may_tag, .ctx = x};
}

static const char *actor_of(const struct take *x)
{
    return x->s.owner[0] ? x->s.owner : "anonymous";
}

/* It waits from now on. Whether the transaction was done may be unknown: the next run sees. */
static enum err_code hold(struct take *x, struct err *e)
{
    const struct meta_op mine = job_check_op(x->job);
    struct digest plan;
    enum err_code code = image_upload_hold(x->image, x->s.key, &plan, e);

    if (code == ERR_OK) {
        code = archive_session_hold(x->t->r, &x->s, &plan, &mine, e);
        x->held = code == ERR_OK;
    }
    if (registry_refused(code))
        image_upload_unhold(x->image, x->s.key);
    return code;
}

static enum err_code store(struct take *x, struct buf *ret_answer, struct err *e)
{
    struct out_platform platform;
    struct image_wish wish = {.image = x->s.image, .tag = x->s.tag.n > 0 ? &x->s.tag : NULL};
    const struct image_rights rights = rights_of(x);
    struct image_stored stored;

    if (x->s.platform[0]) {
        TRY(out_platform_parse(str_of(x->s.platform), &platform, e));
        wish.platform = &platform;
    }
    TRY(open_image(x, e));
    image_upload_tell(x->image, x->record);
    upload_record_set_phase(x->record, UPLOAD_UNPACKING);
    TRY(feed(x, e));
    TRY(image_upload_check(x->image, &wish, &rights, e));
    if (image_upload_waits(x->image))
        return hold(x, e);
    TRY(image_upload_store(x->image, actor_of(x), &rights, &stored, e));
    x->t->stored(x->t->ctx, &x->s, &stored, ret_answer);
    end_all(x, &stored, ERR_OK);
    return ERR_OK;
}

/* It is to be looked at later: who does writes the trail. */
static void leave_waiting(struct take *x)
{
    upload_record_leave(STEAL(x->record), UPLOAD_SCANNING);
    end_all(x, NULL, ERR_LATER);
}

static enum err_code answer(struct take *x, struct buf *ret_answer, int *ret_status, struct err *e)
{
    static const struct refusal none = {.code = REFUSAL_NONE};
    enum err_code code = store(x, ret_answer, e);

    *ret_status = code == ERR_OK ? 201 : err_status(code);
    if (x->held) {
        leave_waiting(x);
        return ERR_OK;
    }
    if (code == ERR_OK || !passes(code))
        upload_record_end(STEAL(x->record), code, e,
                          x->image ? image_upload_refusal(x->image) : NULL);
    if (code != ERR_OK)
        end_all(x, NULL, code);
    if (code == ERR_OK || code == ERR_LATER)
        return code;
    if (passes(code)) /* what is nobody's fault is tried for ever */
        return err_status(code) < 500 ? err_set(e, ERR_UNAVAILABLE, "%s", err_name(code)) : code;
    x->t->refused(x->t->ctx, &x->s, e, x->image ? image_upload_refusal(x->image) : &none, STR_NONE,
                  ret_answer);
    return ERR_OK;
}

/* They are of no use any more. */
static enum err_code drop_bytes(struct take *x, struct err *e)
{
    return x->direct ? store_upload_delete(x->t->r->store, &x->s.upload, e)
                     : upload_cancel(STEAL(x->u), e);
}

static enum err_code take(struct take *x, struct err *e)
{
    struct registry *r = x->t->r;
    AUTO(buf) struct buf text = {0};
    enum err_code code;
    int status;

    buf_init(&text, ANSWER_MAX_BYTES);
    TRY(x->t->begin(x->t->ctx, e));
    TRY(answer(x, &text, &status, e));
    if (x->held)
        return drop_bytes(x, e);
    code = archive_session_end(r, &x->s, status, buf_str(&text), job_check_op(x->job), e);
    if (code != ERR_OK && code != ERR_UPLOAD_UNKNOWN)
        return code;
    return drop_bytes(x, e);
}

/* Nobody can go on with it: so the client is told. */
static enum err_code tell_lost(struct take *x, struct err *e)
{
    static const struct refusal none = {.code = REFUSAL_NONE};
    AUTO(buf) struct buf text = {0};
    struct err why = {0};
    enum err_code code =
        err_tell(&why, ERR_UPLOAD_UNKNOWN, "the bytes of this upload are gone; send it again");

    buf_init(&text, ANSWER_MAX_BYTES);
    upload_record_end(STEAL(x->record), code, &why, NULL);
    x->t->refused(x->t->ctx, &x->s, &why, &none, STR_NONE, &text);
    code = archive_session_end(x->t->r, &x->s, err_status(code), buf_str(&text),
                               job_check_op(x->job), e);
    return code == ERR_UPLOAD_UNKNOWN ? ERR_OK : code;
}

static enum err_code open_bytes(struct take *x, struct err *e)
{
    struct registry *r = x->t->r;

    if (x->s.digest.n > 0)
        x->hasher = hasher_new(x->s.digest.algorithm);
    if (x->s.is_direct)
        return store_direct_open(r->store, &x->s.direct, &x->direct, e);
    for (;;) {
        enum err_code code = upload_open(r, archive_session_bytes_repo(&x->s), x->s.owner,
                                         &x->s.upload, UPLOAD_MORE, &x->u, e);

        if (code != ERR_BLOB_UPLOAD_BUSY && code != ERR_TOO_MANY_REQUESTS)
            return code;
        if (!job_rest(r->jobs, x->job, WAIT_MS))
            return stopped(e);
    }
}

/* By a run that was killed before its answer was written. What is lost can be gone on with. */
static bool has_ended(struct registry *r, const struct uuid *id)
{
    AUTO(json) json_t *row = NULL;
    enum upload_phase phase;

    if (upload_records_get(r, id, &row, ERR_IGNORED) != ERR_OK)
        return false;
    phase = upload_phase_parse(str_of(json_string_value(json_object_get(row, "phase"))));
    return upload_phase_is_end(phase) && phase != UPLOAD_LOST;
}

/* Whoever held it may be gone, which is known after a while. */
static enum err_code take_record(struct take *x, struct err *e)
{
    struct registry *r = x->t->r;

    for (int i = 0; i < RECORD_TRIES && !x->record; i++) {
        x->record = archive_session_record(r, &x->s, NULL);
        if (!x->record && has_ended(r, &x->s.id))
            break;
        if (!x->record && !job_rest(r->jobs, x->job, WAIT_MS))
            return stopped(e);
    }
    return ERR_OK;
}

/* ---- one that waits for a verdict */

/* Of one repository; adds those that are blocked to images, as far as they fit. */
static enum err_code judge_place(struct take *x, const struct held_image *h,
                                 const struct image_place *place, struct outcome *o, struct err *e)
{
    const struct image_judge *judge = x->t->r->judge;

    for (size_t i = 0; i < h->verdict.n_manifests; i++) {
        const struct archive_manifest *m = &h->verdict.manifests[i];
        const struct image_case c = {.held = &h->repo,
                                     .repo = &place->repo,
                                     .digest = &m->digest,
                                     .since_ms = x->s.started_ms};
        enum image_verdict one;
        struct err why = {0};
        size_t n = o->images.n;

        if (!place->manifests[i] || m->is_index)
            continue;
        buf_add_text(&o->images, n > 0 ? "," : "");
        TRY(judge->judge(judge->ctx, &c, &one, &why, &o->images, e));
        o->waiting |= one == IMAGE_WAITS;
        if (one == IMAGE_WAITS)
            o->waits_for = why;
        else if (one == IMAGE_BLOCKED && !o->blocked)
            o->why = why;
        o->blocked |= one == IMAGE_BLOCKED;
        if (one != IMAGE_BLOCKED || o->images.full)
            o->images.n = n;
        o->images.full = false;
    }
    return ERR_OK;
}

static enum err_code judge_all(struct take *x, const struct held_image *h, struct outcome *o,
                               struct err *e)
{
    if (!x->t->r->judge)
        return err_set(e, ERR_UNAVAILABLE, "nothing scans here any more");
    for (size_t i = 0; i < h->plan.n; i++)
        TRY(judge_place(x, h, &h->plan.places[i], o, e));
    return ERR_OK;
}

static enum err_code end_held(struct take *x, int status, struct str answer, struct err *e)
{
    enum err_code code =
        archive_session_end(x->t->r, &x->s, status, answer, job_check_op(x->job), e);

    if (code != ERR_OK && code != ERR_UPLOAD_UNKNOWN)
        return code;
    return held_image_remove(x->t->r, x->s.key, e);
}

/* Before its session ends, which nobody goes on with then: so its event is told, whoever dies in
 * between. */
static enum err_code end_record(struct take *x, enum err_code code, const struct err *why,
                                struct err *e)
{
    enum err_code told = upload_record_end_now(STEAL(x->record), code, why, NULL, e);

    if (told != ERR_OK)
        end_all(x, NULL, ERR_LATER);
    return told;
}

/* Nothing of it remains. */
static enum err_code refuse_held(struct take *x, const struct err *why, struct str images,
                                 struct err *e)
{
    static const struct refusal none = {.code = REFUSAL_NONE};
    AUTO(buf) struct buf text = {0};

    buf_init(&text, ANSWER_MAX_BYTES);
    held_image_drop_original(x->t->r, x->s.key, &x->s.plan);
    x->t->refused(x->t->ctx, &x->s, why, &none, images, &text);
    TRY(end_record(x, why->code, why, e));
    end_all(x, NULL, why->code);
    return end_held(x, err_status(why->code), buf_str(&text), e);
}

static enum err_code publish_original(void *ctx, struct err *e)
{
    const struct held_image *h = ctx;

    return h->original.record ? original_publish(h->r, &h->original, e) : ERR_OK;
}

static void unpublish_original(void *ctx)
{
    const struct held_image *h = ctx;

    if (h->original.record)
        (void)!original_unpublish(h->r, &h->original, ERR_IGNORED);
}

static enum err_code publish(struct take *x, struct held_image *h, struct image_stored *ret,
                             struct err *e)
{
    const struct image_rights rights = rights_of(x);
    struct image_source source = held_image_source(h);
    struct publishing p = {.r = x->t->r,
                           .verdict = &h->verdict,
                           .plan = &h->plan,
                           .actor = actor_of(x),
                           .rights = &rights,
                           .source = &source,
                           .scan = true}; /* then it is known of these repositories, too */

    source.before_tags = publish_original;
    source.take_back = unpublish_original;
    TRY(image_publish_check(&p, e));
    TRY(image_publish(&p, e));
    *ret = (struct image_stored){.verdict = &h->verdict,
                                 .plan = &h->plan,
                                 .n_blobs = p.n_blobs,
                                 .n_new_blobs = p.n_new_blobs,
                                 .new_bytes = p.new_bytes,
                                 .original = h->original.record ? &h->original.kept : NULL,
                                 .scanned = true};
    return ERR_OK;
}

static enum err_code store_held(struct take *x, struct held_image *h, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    struct image_stored stored;
    enum err_code code;

    code = publish(x, h, &stored, e); /* SCANNING until its end: so nobody takes it for lost */
    if (code != ERR_OK && !passes(code)) {
        struct err why = *e;

        return refuse_held(x, &why, STR_NONE, e);
    }
    if (code != ERR_OK) {
        end_all(x, NULL, ERR_LATER);
        return err_status(code) < 500 ? err_set(e, ERR_UNAVAILABLE, "%s", err_name(code)) : code;
    }
    buf_init(&text, ANSWER_MAX_BYTES);
    x->t->stored(x->t->ctx, &x->s, &stored, &text);
    image_stored_tell(&stored, x->record);
    TRY(end_record(x, ERR_OK, NULL, e));
    end_all(x, &stored, ERR_OK);
    return end_held(x, 201, buf_str(&text), e);
}

static enum err_code tell_late(const struct outcome *o, struct err *why)
{
    return err_tell(why, ERR_UNAVAILABLE,
                    "the archive was not scanned within upload.scan_timeout%s%.200s; nothing of it "
                    "remains",
                    o->waits_for.detail[0] ? ": " : "", o->waits_for.detail);
}

/* *ret_go_on: it may be stored. */
static enum err_code decide(struct take *x, const struct held_image *h, bool *ret_go_on,
                            struct err *e)
{
    AUTO(outcome) struct outcome o = {.waiting = false};
    bool late = clock_wall_ms() >= x->s.until_ms;
    struct err why;
    enum err_code code;

    *ret_go_on = false;
    buf_init(&o.images, IMAGES_MAX_BYTES);
    TRY(judge_all(x, h, &o, e));
    if (o.waiting && !late)
        return ERR_OK; /* whatever it waits for adds the job again */
    TRY(take_record(x, e));
    TRY(x->t->begin(x->t->ctx, e));
    if (o.blocked)
        return refuse_held(x, &o.why, buf_str(&o.images), e);
    if (o.waiting) {
        (void)tell_late(&o, &why);
        return refuse_held(x, &why, STR_NONE, e);
    }
    code = archive_session_decide(x->t->r, &x->s, job_check_op(x->job), e);
    *ret_go_on = code == ERR_OK;
    if (code != ERR_OK)
        end_all(x, NULL, ERR_LATER);
    return code;
}

static enum err_code run_held(struct take *x, struct err *e)
{
    AUTO(held_image) struct held_image h = {.r = x->t->r};
    bool go_on = true;
    enum err_code code = held_image_get(x->t->r, x->s.key, &x->s.plan, &h, e);

    if (code == ERR_BLOB_UNKNOWN || code == ERR_MANIFEST_UNKNOWN) {
        TRY(take_record(x, e));
        return tell_lost(x, e);
    }
    TRY(code);
    if (x->s.state == ARCHIVE_HELD) {
        code = decide(x, &h, &go_on, e);
        if (code != ERR_OK || !go_on)
            return code;
    } else {
        TRY(take_record(x, e));
        TRY(x->t->begin(x->t->ctx, e));
    }
    return store_held(x, &h, e);
}

static enum err_code run_bytes(struct take *x, struct err *e)
{
    enum err_code code;

    TRY(take_record(x, e));
    code = open_bytes(x, e);
    if (code == ERR_OK)
        code = take(x, e);
    return code == ERR_BLOB_UPLOAD_UNKNOWN || code == ERR_BLOB_UNKNOWN ? tell_lost(x, e) : code;
}

static enum err_code run_take(struct take *x, struct err *e)
{
    enum err_code code = archive_session_find_key(x->t->r, job_key(x->job), &x->s, e);

    if (code == ERR_UPLOAD_UNKNOWN)
        return ERR_OK;
    TRY(code);
    switch (x->s.state) {
    case ARCHIVE_RECEIVED:
        return run_bytes(x, e);
    case ARCHIVE_HELD:
    case ARCHIVE_DECIDED:
        return run_held(x, e);
    case ARCHIVE_RECEIVING:
    case ARCHIVE_HOLDING:
    case ARCHIVE_ENDED:
        break;
    }
    return ERR_OK;
}

static enum err_code run(void *ctx, struct job *job, struct err *e)
{
    struct take x = {.t = ctx, .job = job};
    enum err_code code = run_take(&x, e);

    image_upload_close(x.image);
    hasher_free(x.hasher);
    reader_free(x.direct);
    upload_close(x.u);
    if (x.record)
        upload_record_leave(x.record, x.s.state == ARCHIVE_DECIDED || x.s.state == ARCHIVE_HELD
                                          ? UPLOAD_SCANNING
                                          : UPLOAD_WAITING);
    archive_session_done(&x.s);
    return code;
}

struct job_kind archive_take_kind(struct archive_taker *t)
{
    return (struct job_kind){.name = ARCHIVE_SESSION_TAKE,
                             .run = run,
                             .ctx = t,
                             .attempts = ATTEMPTS,
                             .retry_ms = RETRY_MS,
                             .retry_most_ms = RETRY_MOST_MS};
}
