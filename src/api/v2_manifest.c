
#include "api/access.h"
#include "api/event_origin.h"
#include "api/handlers.h"
#include "api/pull_gate.h"
#include "api/reply.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "core/manifest.h"
#include "core/pull.h"
#include "core/pulled.h"
#include "core/push.h"
#include "core/remove.h"

#include <stdio.h>
#include <stdlib.h>

#define ETAG_SIZE  (DIGEST_TEXT_MAX + 3)
#define STEP_BYTES 16384u /* of a manifest whose length is not told */

/* The answer names every tag in one header, and what is larger no client or proxy takes. */
#define OCI_TAG_MAX 12288

static struct str etag_of(const struct digest *d, char dst[static ETAG_SIZE])
{
    return (struct str){dst, (size_t)snprintf(dst, ETAG_SIZE, "\"%s\"", d->text)};
}

static void send_manifest(struct req *q, const struct meta_manifest *m)
{
    char text[ETAG_SIZE];
    struct str etag = etag_of(&m->digest, text);

    if (!http_if_match(q->x, etag)) { /* RFC 9110, 13.2.2: before If-None-Match */
        struct err e = {0};

        reply_error(q, err_tell(&e, ERR_PRECONDITION, "If-Match names something else"), &e);
        return;
    }
    if (q->head->method == HTTP_GET)
        pulled_note(q->registry->pulled, &q->name, &q->ref, clock_wall_ms());
    reply_digest(q, &m->digest);
    http_header(q->x, "ETag", etag);
    if (http_not_modified(q->x, etag)) {
        reply_empty(q, 304);
        return;
    }
    if (q->head->method == HTTP_GET && events_of_pulls(q->registry, &q->name)) {
        const struct event_origin by = req_origin(q);

        event_pulled(q->registry, &q->name, &q->ref, m, &by);
    }
    http_header(q->x, "Content-Type", m->media_type);
    http_send(q->x, 200, m->bytes);
}

bool api_manifest_quick(struct req *q)
{
    const bool at_once = q->head->method == HTTP_GET || !pull_head_matters(&q->ref);
    AUTO(meta_manifest)
    struct meta_manifest *m = at_once ? pull_manifest_quick(q->registry, &q->name, &q->ref) : NULL;

    if (!m || m->bytes.n > HTTP_QUICK_MAX || !pull_gate_quick(q, m))
        return false;
    send_manifest(q, m);
    return true;
}

enum err_code api_manifest_get(struct req *q, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    TRY((q->head->method == HTTP_GET ? pull_manifest : pull_manifest_head)(q->registry, &q->name,
                                                                           &q->ref, &m, e));
    TRY(pull_gate(q, m, e));
    send_manifest(q, m);
    return ERR_OK;
}

/* Whoever may not delete a tag does not by deleting the manifest that it points to. */
static enum err_code may_untag(void *ctx, const struct tag_name *tag, struct err *e)
{
    const struct req *q = ctx;

    if (access_may(q, ACTION_DELETE, &q->name, tag))
        return ERR_OK;
    return err_tell(e, ERR_DENIED, "%s may not delete tag '%s', which points to it", q->identity,
                    tag->text);
}

enum err_code api_manifest_delete(struct req *q, struct err *e)
{
    const struct event_origin by = req_origin(q);
    struct pull_gate_removal gone;

    pull_gate_before_removal(q, &gone);
    TRY(remove_manifest_if(q->registry, &q->name, &q->ref, &by, may_untag, q, e));
    pull_gate_removed(q, &gone);
    reply_empty(q, 202);
    return ERR_OK;
}

static enum err_code too_large(uint64_t max_bytes, struct err *e)
{
    return err_tell(e, ERR_MANIFEST_TOO_LARGE, "the largest manifest accepted has %llu bytes",
                    (unsigned long long)max_bytes);
}

/* The whole body, which is bounded; refused before it is read when its length says so. */
static enum err_code read_manifest(struct req *q, struct buf *ret_bytes, struct err *e)
{
    uint64_t max_bytes = conf_u64(&q->registry->limits->manifest_bytes);
    struct reader *body = http_body_whole(q->x, (size_t)max_bytes);
    size_t n;

    if (q->head->has_length && q->head->content_length > max_bytes)
        return too_large(max_bytes, e);
    buf_init(ret_bytes, (size_t)max_bytes + 1); /* one more, to see that there is one too many */
    do {
        size_t room = (size_t)max_bytes + 1 - ret_bytes->n;
        size_t step = room < STEP_BYTES ? room : STEP_BYTES;

        if (q->head->has_length)
            step = (size_t)q->head->content_length + 1 - ret_bytes->n;
        TRY(reader_read(body, buf_reserve(ret_bytes, step), step, &n, e));
        ret_bytes->n += n;
        if (ret_bytes->n > max_bytes)
            return too_large(max_bytes, e);
    } while (n > 0);
    return ERR_OK;
}

/* dist-spec end-7b: the tags of a push by digest. */
static enum err_code tags_of_query(struct req *q, struct tag_name **ret_tags, size_t *ret_n,
                                   struct err *e)
{
    uint64_t most = conf_u64(&q->registry->limits->tags_per_push);
    AUTO(mem) struct tag_name *tags = NULL;
    char text[TAG_NAME_MAX + 1];
    size_t bytes = 0;
    unsigned n = 0;
    int found;

    while ((found = http_query_get(q->head->query, STR("tag"), n, text, sizeof(text))) != 0) {
        if (n == most)
            return err_tell(e, ERR_TOO_MANY_TAGS, "at most %llu tags in one push",
                            (unsigned long long)most);
        tags = mem_resize(tags, (n + 1) * sizeof(*tags));
        TRY(tag_name_parse(found > 0 ? str_of(text) : STR_NONE, &tags[n], e));
        bytes += tags[n++].n + strlen(", ");
        if (bytes > OCI_TAG_MAX)
            return err_tell(e, ERR_TOO_MANY_TAGS, "the tags of one push have at most %d bytes",
                            OCI_TAG_MAX);
    }
    *ret_tags = STEAL(tags);
    *ret_n = n;
    return ERR_OK;
}

/* Of the ETags in a list, those that this registry gives for a manifest; the others are of nothing
 * that is here. If-Match compares strongly: a weak one matches nothing (RFC 9110, 13.1.1). */
static enum err_code condition(struct req *q, struct str name, bool weak,
                               struct push_condition *ret, struct digest **ret_digests,
                               struct err *e)
{
    struct http_etags list = {.head = q->head, .name = name};
    AUTO(mem) struct digest *digests = NULL;
    enum http_etag what;
    struct str tag;
    bool is_weak;
    size_t n = 0;

    ret->given = http_field_get(q->head, name).p != NULL;
    while ((what = http_etags_next(&list, &tag, &is_weak)) != HTTP_ETAG_END) {
        if (what == HTTP_ETAG_MALFORMED)
            return err_tell(e, ERR_PRECONDITION, STR_FMT " is not a list of ETags", STR_ARG(name));
        if (what == HTTP_ETAG_ANY) {
            ret->any = true;
        } else if (weak || !is_weak) {
            digests = mem_resize(digests, (n + 1) * sizeof(*digests));
            n += digest_parse(str_sub(tag, 1, tag.n - 2), &digests[n], ERR_IGNORED) == ERR_OK;
        }
    }
    ret->n = n;
    ret->digests = *ret_digests = STEAL(digests);
    return ERR_OK;
}

/* dist-spec "Pushing Manifests": a header "for each accepted tag", which RFC 9110, 5.3, lets be one
 * list. */
static void reply_tags(struct req *q, const struct push *p)
{
    AUTO(buf) struct buf list = {0};

    buf_init(&list, OCI_TAG_MAX);
    for (size_t i = 0; i < p->n_tags; i++) {
        if (i > 0)
            buf_add_text(&list, ", ");
        buf_add_str(&list, tag_name_str(&p->tags[i]));
    }
    if (list.n)
        http_header(q->x, "OCI-Tag", buf_str(&list));
}

static void reply_pushed(struct req *q, const struct push *p, const struct pushed *done,
                         bool tell_tags)
{
    /* The digest, also of a push by tag: what is there under the tag may be another thing soon. */
    reply_location(q, "/v2/%s/manifests/%s", q->name.text, done->digest.text);
    reply_digest(q, &done->digest);
    if (done->has_subject) /* dist-spec "Pushing Manifests with Subject" */
        http_header(q->x, "OCI-Subject", digest_str(&done->subject));
    if (tell_tags)
        reply_tags(q, p);
    reply_empty(q, 201);
}

/* The right to each tag: to move it, or only to make it. All of them, before anything is done. */
static enum err_code tag_rights(struct req *q, const struct push *p, bool **ret_create_only,
                                struct err *e)
{
    AUTO(mem) bool *create_only = mem_zero(p->n_tags * sizeof(bool));

    for (size_t i = 0; i < p->n_tags; i++) {
        create_only[i] = !access_may(q, ACTION_OVERWRITE, &q->name, &p->tags[i]);
        if (create_only[i] && !access_may(q, ACTION_PUSH, &q->name, &p->tags[i]))
            return err_tell(e, ERR_DENIED, "%s may not push tag '%s'", q->identity,
                            p->tags[i].text);
    }
    *ret_create_only = STEAL(create_only);
    return ERR_OK;
}

/* RFC 9110, 5.3: a field that is no list stands once. Of two types one would be wrong. */
static enum err_code content_type(struct req *q, struct str *ret_type, struct err *e)
{
    size_t n = 0;

    for (size_t i = 0; i < q->head->n_fields; i++)
        n += str_ieq(q->head->fields[i].name, STR("Content-Type"));
    if (n > 1)
        return err_tell(e, ERR_MANIFEST_INVALID, "there are %zu Content-Type fields", n);
    *ret_type = http_field_get(q->head, STR("Content-Type"));
    return ERR_OK;
}

enum err_code api_manifest_put(struct req *q, struct err *e)
{
    AUTO(mem) bool *create_only = NULL;
    AUTO(mem) struct tag_name *tags = NULL;
    AUTO(mem) struct digest *match = NULL, *none_match = NULL;
    AUTO(buf) struct buf bytes = {0};
    const struct event_origin by = req_origin(q);
    struct push p = {.repo = &q->name, .actor = req_actor(q), .by = &by};
    struct pushed done;

    if (q->ref.is_digest) {
        p.digest = &q->ref.digest;
        TRY(tags_of_query(q, &tags, &p.n_tags, e));
        p.tags = tags;
    } else {
        p.tags = &q->ref.tag;
        p.n_tags = 1;
    }
    TRY(content_type(q, &p.content_type, e));
    TRY(tag_rights(q, &p, &create_only, e));
    p.create_only = create_only;
    TRY(condition(q, STR("If-Match"), false, &p.match, &match, e));
    TRY(condition(q, STR("If-None-Match"), true, &p.none_match, &none_match, e));
    TRY(read_manifest(q, &bytes, e));
    p.bytes = buf_str(&bytes);
    p.bypass = q->registry->tag_judge && pull_gate_may_bypass(q);
    TRY(push_manifest(q->registry, &p, &done, e));
    pull_gate_pushed(q, &p, &done);
    if (done.bypassed)
        pull_gate_bypassed(q, &done.digest);
    if (done.warning[0])
        reply_warning(q, str_of(done.warning));
    reply_pushed(q, &p, &done, q->ref.is_digest);
    return ERR_OK;
}
