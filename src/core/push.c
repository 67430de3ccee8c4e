#include "core/push.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "core/event_log.h"
#include "core/image_analysis.h"
#include "core/index_wish.h"
#include "core/manifest.h"
#include "core/own_repo.h"
#include "core/project.h"
#include "core/quota.h"
#include "core/scan_wish.h"
#include "core/url_rules.h"

#include <stdlib.h>

struct work {
    struct registry *r;
    const struct push *p;
    struct manifest manifest;
    struct digest digest;
    struct meta_edge *edges;
    struct meta_manifest *stored;
    struct digest *before; /* where each tag points before the push; n is 0: nowhere */
    struct outbox_event *events;
    size_t n_events;
};

static void auto_work_(struct work *w)
{
    for (size_t i = 0; i < w->n_events; i++)
        outbox_done(&w->events[i]);
    free(w->events);
    free(w->before);
    manifest_done(&w->manifest);
    meta_manifest_unref(w->stored);
    free(w->edges);
}

static enum err_code check_digest(struct work *w, struct err *e)
{
    const struct digest *claimed = w->p->digest;

    digest_of(claimed ? claimed->algorithm : DIGEST_SHA256, w->p->bytes.p, w->p->bytes.n,
              &w->digest);
    if (claimed && !digest_eq(claimed, &w->digest))
        return err_tell(e, ERR_DIGEST_INVALID, "the manifest received has the digest %s",
                        w->digest.text);
    return ERR_OK;
}

static enum err_code check_urls(struct work *w, struct err *e)
{
    for (size_t i = 0; i < w->manifest.n_urls; i++) {
        if (!url_rules_allow(w->r->url_rules, w->manifest.urls[i]))
            return err_tell(e, ERR_MANIFEST_INVALID,
                            "the URL '%.200s' is not one that manifest.urls of this registry's "
                            "configuration allows",
                            w->manifest.urls[i]);
    }
    return ERR_OK;
}

static bool may_be_sparse(const struct work *w)
{
    return w->manifest.shape == MANIFEST_INDEX ? conf_bool(&w->r->options->sparse_indexes)
                                               : conf_bool(&w->r->options->sparse_images);
}

/* there: what the repository has of it. */
static enum err_code resolve(struct work *w, const struct manifest_link *link,
                             const struct meta_link *there, struct meta_edge *ret_edge,
                             struct err *e)
{
    bool loose = link->kind == LINK_FOREIGN_BLOB || may_be_sparse(w);

    if (!there->found && !loose)
        return err_tell(e, ERR_MANIFEST_BLOB_UNKNOWN, "%s is not in this repository",
                        link->digest.text);
    if (there->found && there->size_bytes != link->size_bytes)
        return err_tell(e, ERR_MANIFEST_INVALID, "%s has %llu bytes, the manifest says %llu",
                        link->digest.text, (unsigned long long)there->size_bytes,
                        (unsigned long long)link->size_bytes);
    ret_edge->digest = link->digest;
    if (there->found)
        ret_edge->kind = there->is_manifest ? META_EDGE_MANIFEST : META_EDGE_BLOB;
    else
        ret_edge->kind =
            w->manifest.shape == MANIFEST_INDEX ? META_EDGE_LOOSE_MANIFEST : META_EDGE_LOOSE_BLOB;
    return ERR_OK;
}

static enum err_code resolve_links(struct work *w, struct err *e)
{
    const struct manifest *m = &w->manifest;
    AUTO(mem) struct meta_link *there = mem_zero((m->n_links + 1) * sizeof(*there));

    for (size_t i = 0; i < m->n_links; i++)
        there[i] = (struct meta_link){
            .digest = &m->links[i].digest,
            .may_be_blob = m->links[i].kind != LINK_MANIFEST,
            .may_be_manifest =
                m->links[i].kind == LINK_MANIFEST || m->links[i].kind == LINK_UNKNOWN,
        };
    TRY(meta_find_links(w->r->meta, w->p->repo, there, m->n_links, e));
    w->edges = mem_zero((m->n_links + 1) * sizeof(*w->edges));
    for (size_t i = 0; i < m->n_links; i++)
        TRY(resolve(w, &m->links[i], &there[i], &w->edges[i], e));
    return ERR_OK;
}

static enum err_code may_not_move(const struct tag_name *tag, struct err *e)
{
    return err_tell(e, ERR_DENIED, "tag '%s' exists, and you may not move it", tag->text);
}

static bool conditional(const struct push *p)
{
    return p->match.given || p->none_match.given;
}

/* m is what is there; NULL: nothing. */
static bool finds(const struct push_condition *c, const struct meta_manifest *m)
{
    for (size_t i = 0; m && i < c->n; i++) {
        if (digest_eq(&c->digests[i], &m->digest))
            return true;
    }
    return m && c->any;
}

static enum err_code check_conditions(const struct push *p, const char *what,
                                      const struct meta_manifest *m, struct err *e)
{
    if (p->match.given && !finds(&p->match, m))
        return err_tell(
            e, ERR_PRECONDITION,
            m ? "'%s' is not what If-Match names" : "there is no '%s', as If-Match asks", what);
    if (p->none_match.given && finds(&p->none_match, m))
        return err_tell(e, ERR_PRECONDITION, "'%s' is what If-None-Match excludes", what);
    return ERR_OK;
}

/* Moving a tag to what is there adds nothing to speak of. */
static enum err_code need_room(struct work *w, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    if (reserve_was_held(w->r->reserve) ||
        meta_manifest_by_digest(w->r->meta, w->p->repo, &w->digest, &m, ERR_IGNORED) == ERR_OK)
        return ERR_OK;
    return registry_has_room(w->r, e);
}

static enum err_code unless_unknown(enum err_code code)
{
    return code == ERR_MANIFEST_UNKNOWN ? ERR_OK : code;
}

/* Under the lock on the digest: no other push makes it meanwhile. */
static enum err_code manifest_condition(struct work *w, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    enum err_code code;

    if (!conditional(w->p) || w->p->n_tags > 0)
        return ERR_OK;
    code = meta_manifest_by_digest(w->r->meta, w->p->repo, &w->digest, &m, e);
    TRY(unless_unknown(code));
    return check_conditions(w->p, w->digest.text, m, e);
}

/* The version that tag i must have when the push commits, from the conditions of the client and
 * from their rights. Checked again by the transaction, so that nobody slips in between. Where only
 * an event is to tell what it pointed to, a push mends what is damaged there. */
static enum err_code tag_condition(struct work *w, size_t i, int64_t *ret_version, struct err *e)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    const struct tag_name *tag = &w->p->tags[i];
    bool create_only = w->p->create_only && w->p->create_only[i];
    enum err_code code;

    *ret_version = META_ANY;
    if (!conditional(w->p) && !create_only && !w->before)
        return ERR_OK;
    code = meta_manifest_by_tag(w->r->meta, w->p->repo, tag, &m, ret_version, e);
    if (w->before && m)
        w->before[i] = m->digest;
    if (!conditional(w->p) && !create_only) {
        *ret_version = META_ANY;
        return code == ERR_CORRUPT ? ERR_OK : unless_unknown(code);
    }
    TRY(unless_unknown(code));
    if (code == ERR_MANIFEST_UNKNOWN)
        *ret_version = META_ABSENT;
    TRY(check_conditions(w->p, tag->text, m, e));
    if (create_only && m && !digest_eq(&m->digest, &w->digest))
        return may_not_move(tag, e);
    return ERR_OK;
}

/* That it was pushed, and which tags it has taken from another. Returns how many there are. */
static size_t tell(struct work *w, struct meta_op *ops)
{
    const struct push *p = w->p;
    const struct event_origin actor = {.actor = p->actor}, *by = p->by ? p->by : &actor;
    const struct event_push pushed = {
        .repo = p->repo,
        .manifest = w->stored,
        .artifact_type = str_of(w->manifest.artifact_type),
        .subject = w->manifest.has_subject ? &w->manifest.subject : NULL,
        .tags = p->tags,
        .n_tags = p->n_tags,
        .by = by,
    };

    if (!w->before)
        return 0;
    w->events = mem_zero((p->n_tags + 1) * sizeof(*w->events));
    ops[w->n_events] = event_pushed(&w->events[0], &pushed);
    w->n_events++;
    for (size_t i = 0; i < p->n_tags; i++) {
        if (w->before[i].n == 0 || digest_eq(&w->before[i], &w->digest))
            continue;
        ops[w->n_events] = event_tag_moved(&w->events[w->n_events], p->repo, &p->tags[i],
                                           &w->before[i], &w->digest, by);
        w->n_events++;
    }
    return w->n_events;
}

static enum err_code commit(struct work *w, struct err *e)
{
    const struct push *p = w->p;
    size_t n = p->n_tags + 1, failed = 0;
    struct uuid holder;
    AUTO(mem)
    struct meta_op *ops =
        mem_alloc((2 * n + QUOTAS_MAX + 1 + SCAN_WISH_OPS + p->n_more) * sizeof(*ops));
    char wish[INDEX_KEY_MAX + 1];
    struct scan_wish scan;
    enum err_code code;
    int64_t version;

    if (!p->own && events_of_pushes(w->r, p->repo))
        w->before = mem_zero((p->n_tags + 1) * sizeof(*w->before));
    ops[0] = meta_op_manifest_put((struct meta_manifest_put){
        .repo = p->repo,
        .manifest = w->stored,
        .edges = w->edges,
        .n_edges = w->manifest.n_links,
        .subject = w->manifest.has_subject ? &w->manifest.subject : NULL,
        .artifact_type = str_of(w->manifest.artifact_type),
        .annotations_json = str_of(w->manifest.annotations_json),
    });
    for (size_t i = 0; i < p->n_tags; i++) {
        TRY(tag_condition(w, i, &version, e));
        ops[i + 1] = meta_op_tag_set(p->repo, &p->tags[i], &w->digest, version);
        ops[i + 1].actor = p->actor;
        project_hold(w->r, &ops[i + 1], &holder);
    }
    n += quota_checks(w->r, p->repo, ops + n);
    if (!p->own) {
        n += index_wish(w->r, p->repo, &w->digest, wish, ops + n);
        n += scan_wish(w->r, p->repo, &w->digest, &w->manifest, p->scan, &scan, ops + n);
    }
    for (size_t i = 0; i < p->n_more; i++)
        ops[n++] = p->more[i];
    n += tell(w, ops + n); /* the last: what it is stamped with is of after the locks */
    code = meta_commit(w->r->meta, ops, n, 0, &failed, e);
    if (code == ERR_CONFLICT && p->create_only && failed > 0 && failed <= p->n_tags &&
        p->create_only[failed - 1])
        return may_not_move(&p->tags[failed - 1], e);
    if (code == ERR_CONFLICT && conditional(p))
        return err_tell(e, ERR_PRECONDITION, "tag '%s' exists or was moved meanwhile",
                        failed > 0 && failed <= p->n_tags ? p->tags[failed - 1].text : "");
    return code;
}

/* A push that was refused leaves no file behind, unless an earlier one made it. */
static void discard(struct work *w)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;

    if (meta_manifest_by_digest(w->r->meta, w->p->repo, &w->digest, &m, ERR_IGNORED) ==
        ERR_MANIFEST_UNKNOWN)
        (void)!store_manifest_delete(w->r->store, w->p->repo, &w->digest, ERR_IGNORED);
}

/* Store first, then meta: a reader never sees a tag whose manifest it cannot read. */
static enum err_code store_and_commit(struct work *w, struct err *e)
{
    const struct repo_name *repo = w->p->repo;
    AUTO(held)
    pthread_mutex_t *held = locks_hold(&w->r->manifest_locks, STR_NONE, digest_str(&w->digest));

    enum err_code code;

    TRY(manifest_condition(w, e));
    TRY(store_manifest_put(w->r->store, repo, &w->digest, w->p->bytes, e));
    code = commit(w, e);
    if (registry_refused(code))
        discard(w);
    return code;
}

/* Of several tags one warning is enough, for it is about the manifest. */
static enum err_code may_tag(const struct work *w, struct pushed *ret, struct err *e)
{
    const struct tag_judge *judge = w->r->tag_judge;

    ret->warning[0] = '\0';
    ret->bypassed = false;
    for (size_t i = 0; judge && !w->p->own && i < w->p->n_tags; i++)
        TRY(tag_judge_ask(judge, w->p->bypass, w->p->repo, &w->p->tags[i], w->stored, ret->warning,
                          &ret->bypassed, e));
    return ERR_OK;
}

enum err_code push_manifest(struct registry *r, const struct push *p, struct pushed *ret_pushed,
                            struct err *e)
{
    AUTO(work) struct work w = {.r = r, .p = p};

    if (own_repo(p->repo) && !p->own)
        return err_tell(e, ERR_DENIED, "'%s' is the registry's own", p->repo->text);
    TRY(check_digest(&w, e));
    TRY(manifest_parse(p->bytes, p->content_type, conf_u64(&r->limits->manifest_references),
                       &w.manifest, e));
    TRY(check_urls(&w, e));
    TRY(need_room(&w, e));
    TRY(resolve_links(&w, e));
    w.stored = meta_manifest_new(&w.digest, str_of(w.manifest.media_type), p->bytes);
    TRY(may_tag(&w, ret_pushed, e));
    TRY(store_and_commit(&w, e));
    for (size_t i = 0; i < p->n_tags; i++)
        project_tag(r, p->repo, &p->tags[i]);
    if (conf_bool(&r->options->analysis.on_push) && !p->own && w.manifest.shape == MANIFEST_IMAGE)
        (void)!image_analysis_ask(r, p->repo, &w.digest,
                                  ERR_IGNORED); /* it may be asked for later */
    if (w.n_events > 0)
        event_log_wake(r);
    index_wished(r);
    if (w.manifest.shape == MANIFEST_IMAGE)
        scan_wished(r, p->scan);
    ret_pushed->digest = w.digest;
    ret_pushed->has_subject = w.manifest.has_subject;
    ret_pushed->subject = w.manifest.subject;
    return ERR_OK;
}
