#include "api/v1_upload_taken.h"

#include "api/access.h"
#include "api/image_answer.h"
#include "api/policy_in_force.h"
#include "api/reply.h"
#include "auth/core/audit.h"
#include "auth/core/auth.h"
#include "auth/core/identity_json.h"
#include "base/json.h"
#include "core/own_repo.h"
#include "core/upload_records.h"

#include <stdio.h>

/* ---- rights */

/* More than a token has: groups that are looked up anew for each, and rights that need no rule. */
char *upload_rights_of(const struct req *q)
{
    AUTO(json) json_t *who = identity_to_json(q->who);
    AUTO(json) json_t *groups = json_array();

    for (size_t i = 0; i < q->who->n_groups; i++)
        json_array_append_new(groups, json_string(q->who->groups[i]));
    if (q->who->n_groups > 0)
        json_object_set(who, "groups", groups);
    json_object_set_new(who, "granted", json_boolean(q->who->granted));
    return json_dumps(who, JSON_COMPACT);
}

static struct identity *identity_of(const struct archive_session *s)
{
    AUTO(json) json_t *j = s->who ? json_loads(s->who, 0, NULL) : NULL;
    struct identity *id = j ? identity_from_json(j) : NULL;

    if (id)
        id->granted = json_is_true(json_object_get(j, "granted"));
    return id;
}

static enum err_code rights_of(const struct archive_session *s, struct identity **ret_id,
                               struct err *e)
{
    *ret_id = identity_of(s);
    return *ret_id ? ERR_OK
                   : err_set(e, ERR_CORRUPT, "upload %s does not say whose it is", s->id.text);
}

static const char *actor_of(const struct archive_session *s)
{
    return s->owner[0] ? s->owner : "anonymous";
}

/* One that was asked for has been asked about with each request. */
static enum err_code may_push(void *ctx, const struct archive_session *s,
                              const struct repo_name *repo, struct err *e)
{
    struct api *a = ctx;
    AUTO(identity) struct identity *id = NULL;
    struct policy *policy;
    bool may;

    if (own_repo(repo))
        return access_own_name(e);
    if (s->repo.n > 0 || !auth_enabled(a->guard.auth))
        return ERR_OK;
    TRY(rights_of(s, &id, e));
    policy = api_policy(a);
    may = policy_allows(policy, id, ACTION_PUSH, repo, NULL, NULL) ||
          policy_allows(policy, id, ACTION_OVERWRITE, repo, NULL, NULL);
    policy_unref(policy);
    return may ? ERR_OK : err_tell(e, ERR_DENIED, "%s may not push to %s", actor_of(s), repo->text);
}

static enum err_code may_tag(void *ctx, const struct archive_session *s,
                             const struct repo_name *repo, const struct tag_name *tag,
                             bool *ret_create_only, struct err *e)
{
    struct api *a = ctx;
    AUTO(identity) struct identity *id = NULL;
    struct policy *policy;
    bool may_move, may_make;

    *ret_create_only = false;
    if (!auth_enabled(a->guard.auth))
        return ERR_OK;
    TRY(rights_of(s, &id, e));
    policy = api_policy(a);
    may_move = policy_allows(policy, id, ACTION_OVERWRITE, repo, tag, NULL);
    may_make = may_move || policy_allows(policy, id, ACTION_PUSH, repo, tag, NULL);
    policy_unref(policy);
    *ret_create_only = !may_move;
    return may_make ? ERR_OK
                    : err_tell(e, ERR_DENIED, "%s may not push tag '%s' to %s", actor_of(s),
                               tag->text, repo->text);
}

/* ---- answers */

static void stored(void *ctx, const struct archive_session *s, const struct image_stored *what,
                   struct buf *ret_answer)
{
    (void)ctx;
    image_answer(ret_answer, &s->id, what);
}

/* With the request that came last: the archive was whole with it. */
static void log_refusal(struct api *a, const struct archive_session *s, const struct err *why,
                        const struct refusal *f)
{
    AUTO(json) json_t *row = NULL;
    const char *request_id = NULL;

    if (upload_records_get(a->registry, &s->id, &row, ERR_IGNORED) == ERR_OK)
        request_id = json_string_value(json_object_get(row, "request_id"));
    image_refusal_log(&s->id, actor_of(s), request_id ? request_id : "", &s->repo, why, f);
}

static void refused(void *ctx, const struct archive_session *s, const struct err *why,
                    const struct refusal *f, struct str images, struct buf *ret_answer)
{
    log_refusal(ctx, s, why, f);
    image_answer_refused(ret_answer, &s->id, &s->repo, &s->tag, why, f, images);
}

/* Of the one image that was stored. */
static void tell_image(struct req *q, const struct archive_session *s)
{
    AUTO(json) json_t *answer = json_loads(s->answer, 0, NULL);
    const json_t *images = json_object_get(answer, "images"), *image = json_array_get(images, 0);
    const char *text = json_string_value(json_object_get(image, "digest"));
    const char *repo = json_string_value(json_object_get(image, "repository"));
    struct digest d;

    if (json_array_size(images) != 1 || !text || !repo ||
        digest_parse(str_of(text), &d, ERR_IGNORED) != ERR_OK)
        return;
    reply_location(q, "/v2/%s/manifests/%s", repo, d.text);
    reply_digest(q, &d);
}

void upload_taken_reply(struct req *q, const struct archive_session *s)
{
    if (s->status == 201)
        tell_image(q, s);
    if (s->status == 503)
        http_header(q->x, "Retry-After", STR("60"));
    reply_json(q, s->status, str_of(s->answer));
}

/* ---- the trail */

static enum err_code begin(void *ctx, struct err *e)
{
    struct api *a = ctx;

    return a->guard.audit ? audit_begin(a->guard.audit, e) : ERR_OK;
}

static void end(void *ctx, const struct archive_session *s, const struct repo_name *repo,
                enum err_code code)
{
    struct api *a = ctx;
    char target[REPO_NAME_MAX + TAG_NAME_MAX + 2];
    const struct meta_audit entry = {
        .actor = actor_of(s),
        .action = "upload image",
        .target = target,
        .address = s->address,
        .result = code == ERR_OK ? "ok" : err_name(code),
        .detail = "",
        .repository = repo ? repo->text : "",
    };

    if (!a->guard.audit)
        return;
    snprintf(target, sizeof(target), repo && s->tag.n > 0 ? "%s:%s" : "%s", repo ? repo->text : "",
             s->tag.text);
    if (code == ERR_LATER)
        audit_cancel(a->guard.audit);
    else
        audit_end(a->guard.audit, &entry);
}

struct archive_taker upload_taker(struct api *a)
{
    return (struct archive_taker){.r = a->registry,
                                  .begin = begin,
                                  .may_push = may_push,
                                  .may_tag = may_tag,
                                  .stored = stored,
                                  .refused = refused,
                                  .end = end,
                                  .ctx = a};
}
