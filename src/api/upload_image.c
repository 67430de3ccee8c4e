/* Images as archives: /upload-image, as the body or in a form. */
#include "api/access.h"
#include "api/audit_entry.h"
#include "api/handlers.h"
#include "api/image_answer.h"
#include "api/parameter.h"
#include "api/proxy.h"
#include "api/reply.h"
#include "api/route.h"
#include "api/upload_image_form.h"
#include "api/v1_upload_taken.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

/* One that was asked for was asked about before. Each has its entry of the trail: the first that of
 * the request. */
static enum err_code may_push(void *ctx, const struct repo_name *repo, struct err *e)
{
    struct req *q = ctx;

    if (q->name.n == 0)
        TRY(access_need_push_to(q, repo, e));
    if (q->receiving.n_repos > 0)
        TRY(audit_deed_begin(q, e));
    q->receiving.n_repos++;
    return ERR_OK;
}

/* The right to a tag, as that of a manifest's push. */
static enum err_code may_tag(void *ctx, const struct repo_name *repo, const struct tag_name *tag,
                             bool *ret_create_only, struct err *e)
{
    struct req *q = ctx;

    *ret_create_only = !access_may(q, ACTION_OVERWRITE, repo, tag);
    if (!*ret_create_only || access_may(q, ACTION_PUSH, repo, tag))
        return ERR_OK;
    q->name = *repo; /* for the trail and the answer */
    return err_tell(e, ERR_DENIED, "%s may not push tag '%s' to %s", req_actor(q), tag->text,
                    repo->text);
}

/* The entry of the first is written when the request ends. */
static void end_deeds(struct req *q, const struct image_stored *s)
{
    for (size_t i = s->plan->n; i-- > 0;) {
        q->name = s->plan->places[i].repo;
        if (i > 0)
            audit_deed_end(q, "ok");
    }
}

static void cancel_deeds(struct req *q)
{
    for (size_t i = 1; i < q->receiving.n_repos; i++)
        audit_deed_cancel(q);
}

/* An archive or form that is refused says why also to machines. */
static enum err_code told(struct req *q, enum err_code code)
{
    const struct receiving *r = &q->receiving;
    const struct refusal *f = image_upload_refusal(r->image);

    if (r->form && image_form_refusal(r->form)->code != REFUSAL_NONE)
        f = image_form_refusal(r->form);
    if (code != ERR_OK && f->code != REFUSAL_NONE && !q->refused) {
        q->refused = NEW(struct refusal);
        *q->refused = *f;
    }
    return code;
}

static void log_refusal(const struct req *q, const struct err *e)
{
    static const struct refusal none = {.code = REFUSAL_NONE};

    image_refusal_log(&q->upload, req_actor(q), http_request_id(q->x), &q->name, e,
                      q->refused ? q->refused : &none);
}

/* Of a server's own failure reply_error() tells the log. */
static bool is_refusal(enum err_code code)
{
    return code != ERR_OK && code != ERR_CLIENT_GONE && err_status(code) < 500;
}

/* Before the answer, which names it. */
static void end_record(struct req *q, enum err_code code, const struct err *e)
{
    struct upload_record *u = STEAL(q->receiving.record);

    if (!u)
        return;
    q->upload = *upload_record_id(u);
    http_header(q->x, "Upload-Id", str_of(q->upload.text));
    if (is_refusal(code))
        log_refusal(q, e);
    upload_record_end(u, code, e, q->refused);
}

static void reply_stored(struct req *q, const struct image_stored *s)
{
    const struct repo_name *repo;
    const struct digest *d = image_answer_one(s, &repo);
    AUTO(buf) struct buf b = {0};

    buf_init(&b, IMAGE_ANSWER_MAX_BYTES);
    image_answer(&b, upload_record_id(q->receiving.record), s);
    if (d) {
        reply_location(q, "/v2/%s/manifests/%s", repo->text, d->text);
        reply_digest(q, d);
    }
    end_deeds(q, s);
    image_upload_close(STEAL(q->receiving.image)); /* its place is free when they read this */
    end_record(q, ERR_OK, NULL);
    reply_json(q, 201, buf_str(&b));
}

/* NULL: those of the archive. */
static const struct tag_name *asked_tag(const struct req *q)
{
    return q->ref.tag.n > 0 ? &q->ref.tag : NULL;
}

struct asked {
    struct image_wish wish;
    char image[512], platform_text[OUT_PLATFORM_MAX];
    struct out_platform platform;
};

/* The query, and the fields of a form, which have all come. */
static enum err_code wished(struct req *q, struct asked *a, struct err *e)
{
    const struct receiving *r = &q->receiving;

    TRY(query_text(q, "image", a->image, sizeof(a->image), e));
    TRY(query_text(q, "platform", a->platform_text, sizeof(a->platform_text), e));
    if (r->form) {
        TRY(told(q, image_form_end(r->form, e)));
        upload_record_set_target(r->record, q->name.n > 0 ? &q->name : NULL, asked_tag(q));
        if (image_form_image(r->form)[0])
            snprintf(a->image, sizeof(a->image), "%s", image_form_image(r->form));
        if (image_form_platform(r->form)[0])
            snprintf(a->platform_text, sizeof(a->platform_text), "%s",
                     image_form_platform(r->form));
    }
    a->wish = (struct image_wish){.image = a->image, .tag = asked_tag(q)};
    if (!a->platform_text[0])
        return ERR_OK;
    a->wish.platform = &a->platform;
    return out_platform_parse(str_of(a->platform_text), &a->platform, e);
}

/* ---- one that waits for a verdict: from then on it is a job's (core/archive_take.h) */

#define LATE_MS 60000 /* what was decided in time may take a little to be stored */

static enum err_code still_stored(struct err *e)
{
    return err_tell(e, ERR_UNAVAILABLE,
                    "the archive is still being stored; ask for its upload what came of it");
}

/* Asks once a second, and has neither a worker nor a thread meanwhile. A client that goes away
 * cancels nothing. */
static enum err_code wait_for_verdict(struct req *q, struct err *e)
{
    AUTO(archive_session) struct archive_session s = {0};

    TRY(archive_session_find(q->registry, q->identity, &q->upload, &s, e));
    http_header(q->x, "Upload-Id", str_of(q->upload.text));
    if (s.state == ARCHIVE_ENDED) {
        upload_taken_reply(q, &s);
        return ERR_OK;
    }
    if (clock_wall_ms() > s.until_ms + LATE_MS)
        return still_stored(e);
    TRY(archive_session_look(q->registry, &s, e));
    return http_pause(q->x, e);
}

static void say_session(struct req *q, const struct asked *a, struct archive_session *s)
{
    s->id = *upload_record_id(q->receiving.record);
    s->repo = q->name;
    if (asked_tag(q))
        s->tag = *asked_tag(q);
    snprintf(s->owner, sizeof(s->owner), "%s", q->identity);
    snprintf(s->address, sizeof(s->address), "%s", client_address(q));
    snprintf(s->image, sizeof(s->image), "%s", a->image);
    snprintf(s->platform, sizeof(s->platform), "%s", a->platform_text);
    s->length_bytes = upload_record_received(q->receiving.record);
    s->who = upload_rights_of(q);
}

/* The record of the session comes first, so that nothing lies there that nobody knows of. Of a
 * transaction of which it is not known whether it was done the sweep finds out. */
static enum err_code put_aside(struct req *q, struct archive_session *s, struct err *e)
{
    struct registry *r = q->registry;
    struct digest plan;
    enum err_code code;

    TRY(archive_session_begin_held(r, s, e));
    code = image_upload_hold(q->receiving.image, s->key, &plan, e);
    if (code == ERR_OK)
        code = archive_session_hold(r, s, &plan, NULL, e);
    if (code == ERR_OK || (s->state != ARCHIVE_HOLDING && !registry_refused(code)))
        return code;
    image_upload_unhold(q->receiving.image, s->key);
    s->state = ARCHIVE_HOLDING;
    (void)!archive_session_remove(r, s, ERR_IGNORED);
    return code;
}

static enum err_code hold(struct req *q, const struct asked *a, struct err *e)
{
    AUTO(archive_session) struct archive_session s = {0};

    say_session(q, a, &s);
    TRY(put_aside(q, &s, e));
    cancel_deeds(q);
    image_upload_close(STEAL(q->receiving.image)); /* its place is for others */
    upload_record_leave(STEAL(q->receiving.record), UPLOAD_SCANNING);
    q->upload = s.id;
    q->receiving.held = true;
    q->receiving.go_on = wait_for_verdict;
    return wait_for_verdict(q, e);
}

/* ---- its end */

static enum err_code store(struct req *q, const struct asked *a, bool *ret_waits, struct err *e)
{
    const struct image_rights rights = {.may_push = may_push, .may_tag = may_tag, .ctx = q};
    struct image_upload *image = q->receiving.image;
    struct image_stored stored;

    TRY(image_upload_check(image, &a->wish, &rights, e));
    *ret_waits = image_upload_waits(image);
    if (*ret_waits)
        return ERR_OK;
    TRY(image_upload_store(image, req_actor(q), &rights, &stored, e));
    reply_stored(q, &stored);
    return ERR_OK;
}

static enum err_code finish(struct req *q, struct err *e)
{
    struct asked a = {.wish = {.image = ""}};
    bool waits = false;
    enum err_code code;

    TRY(wished(q, &a, e));
    code = store(q, &a, &waits, e);
    if (code == ERR_OK && waits)
        code = hold(q, &a, e);
    if (code != ERR_OK && !q->receiving.held)
        cancel_deeds(q);
    return code == ERR_OK || q->receiving.held ? code : told(q, code);
}

static enum err_code take(struct req *q, struct str bytes, struct err *e)
{
    const struct receiving *r = &q->receiving;

    if (r->form)
        return image_form_feed(r->form, q, bytes, e);
    return image_upload_feed(r->image, bytes.p, bytes.n, e);
}

/* Takes what has come of the body; when that is all, stores the image. */
static enum err_code receive(struct req *q, struct err *e)
{
    struct reader *body = http_body_later(q->x);
    size_t cap = (size_t)q->registry->buffer_bytes, n;
    AUTO(mem) char *p = mem_alloc(cap);

    for (;;) {
        TRY(reader_read(body, p, cap, &n, e));
        if (n == 0)
            return finish(q, e);
        TRY(told(q, take(q, (struct str){p, n}, e)));
    }
}

static enum err_code check_head(struct req *q, struct err *e)
{
    struct str type = http_field_get(q->head, STR("Content-Type"));
    uint64_t most = conf_u64(&q->registry->options->archives.bytes);

    if (str_istarts(type, STR("multipart/")) && !route_has_form(q))
        return err_tell(e, ERR_MEDIA_TYPE,
                        "the body has to be the archive itself, or by POST multipart/form-data");
    if (route_has_form(q))
        most += IMAGE_FORM_EXTRA_BYTES;
    if (q->head->has_length && q->head->content_length > most)
        return err_tell(e, ERR_IMAGE_TOO_LARGE, "the largest archive accepted has %llu bytes",
                        (unsigned long long)conf_u64(&q->registry->options->archives.bytes));
    return ERR_OK;
}

static enum err_code go_on(struct req *q, struct err *e)
{
    enum err_code code = receive(q, e);

    if (code != ERR_OK && code != ERR_LATER)
        end_record(q, code, e);
    return code;
}

static enum err_code check_platform(struct req *q, struct err *e)
{
    char text[OUT_PLATFORM_MAX];

    TRY(query_text(q, "platform", text, sizeof(text), e));
    return text[0] ? out_platform_parse(str_of(text), &(struct out_platform){0}, e) : ERR_OK;
}

static enum err_code begin(struct req *q, struct err *e)
{
    struct receiving *r = &q->receiving;

    TRY(check_head(q, e));
    TRY(check_platform(q, e));
    if (route_has_form(q))
        TRY(image_form_new(q, &r->form, e));
    TRY(image_upload_open(q->registry, q->name.n > 0 ? &q->name : NULL, q->identity, &r->image, e));
    image_upload_tell(r->image, r->record);
    return ERR_OK;
}

static struct upload_record *new_record(struct req *q)
{
    const struct upload_start s = {
        .user = req_actor(q),
        .address = client_address(q),
        .request_id = http_request_id(q->x),
        .way = route_has_form(q) ? "form" : "body",
        .repo = q->name.n > 0 ? &q->name : NULL,
        .tag = asked_tag(q),
        .expected_bytes = q->head->has_length ? q->head->content_length : UPLOAD_SIZE_UNKNOWN,
    };

    return upload_record_open(q->registry, &s);
}

/* One that comes when there is no place for it has no record: it is to come again. */
enum err_code api_image_put(struct req *q, struct err *e)
{
    struct receiving *r = &q->receiving;
    enum err_code code;

    r->record = new_record(q);
    code = begin(q, e);
    if (code == ERR_TOO_MANY_REQUESTS)
        upload_record_drop(STEAL(r->record));
    if (code != ERR_OK) {
        end_record(q, code, e);
        return code;
    }
    r->go_on = go_on;
    return go_on(q, e);
}
