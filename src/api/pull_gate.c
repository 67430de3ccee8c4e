#include "api/pull_gate.h"

#include "api/access.h"
#include "api/audit_entry.h"
#include "api/reply.h"
#include "auth/core/auth.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/manifest.h"
#include "core/outbox.h"
#include "core/pull.h"
#include "core/push.h"
#include "scan/changed.h"
#include "scan/gate.h"
#include "scan/pull_image.h"
#include "trust/beside.h"
#include "trust/signature_gate.h"

#include <stdio.h>
#include <stdlib.h>

#define DEPTH_MAX  4  /* of indexes in each other */
#define SEEN_FIRST 32 /* room for manifests; a power of two */

static bool is_index(const struct meta_manifest *m)
{
    return str_eq(m->media_type, STR(MEDIA_OCI_INDEX)) ||
           str_eq(m->media_type, STR(MEDIA_DOCKER_LIST));
}

/* Is there anything that might block it? */
static bool asks(const struct req *q, const struct meta_manifest *m)
{
    struct gate *g = q->api->gate;

    return g && gate_asks(g) && (gate_asks_signed(g) || !is_index(m));
}

bool pull_gate_quick(const struct req *q, const struct meta_manifest *m)
{
    return !asks(q, m) || gate_open(q->api->gate, &q->name, &m->digest, clock_wall_ms());
}

/* Somebody may who has the right by a rule; where nobody is asked, nobody. */
bool pull_gate_may_bypass(const struct req *q)
{
    return auth_enabled(q->api->guard.auth) && access_may(q, ACTION_BYPASS, &q->name, NULL);
}

void pull_gate_bypassed(struct req *q, const struct digest *d)
{
    AUTO(buf) struct buf detail = {0};

    buf_init(&detail, 512);
    buf_addf(&detail, "{\"digest\":\"%s\",\"reason\":\"%s\"}", d->text,
             pull_why_name(PULL_UNSIGNED));
    audit_request(q, "push", "bypassed", buf_text(&detail));
}

/* With where to see more, as far as an error holds it. */
static void text_of(const struct req *q, const struct digest *d, const struct pull_verdict *v,
                    struct buf *ret)
{
    size_t n;

    buf_init(ret, sizeof(((struct err *)NULL)->detail) - 1);
    pull_verdict_text(v, ret);
    n = ret->n;
    if (v->why == PULL_UNSIGNED)
        buf_addf(ret, "; see /api/v1/images/%s/%s/signatures", q->name.text, d->text);
    else
        buf_addf(ret, "; see /v2/%s/manifests/%s/scan", q->name.text, d->text);
    if (!ret->full)
        return;
    ret->n = n;
    ret->full = false;
}

/* Of an entry of the trail; to_sign: it is let pass for that. */
static void detail_of(const struct digest *d, const struct pull_verdict *v, bool to_sign,
                      struct buf *ret)
{
    buf_init(ret, 2048);
    buf_addf(ret, "{\"digest\":\"%s\",\"reason\":\"%s\"", d->text, pull_why_name(v->why));
    if (v->why == PULL_VULNERABLE) {
        buf_addf(ret, ",\"critical\":%zu,\"high\":%zu,\"medium\":%zu,\"low\":%zu,\"unknown\":%zu",
                 v->counts[SEVERITY_CRITICAL], v->counts[SEVERITY_HIGH], v->counts[SEVERITY_MEDIUM],
                 v->counts[SEVERITY_LOW], v->counts[SEVERITY_UNKNOWN]);
        buf_add_text(ret, ",\"worst\":");
        buf_add_json(ret, str_of(v->cve));
        buf_add_text(ret, ",\"package\":");
        buf_add_json(ret, str_of(v->package));
    }
    buf_add_text(ret, to_sign ? ",\"to_sign\":true}" : "}");
}

static void fill_event(struct req *q, const struct digest *d, const struct pull_verdict *v,
                       struct outbox_event *ev)
{
    outbox_begin(ev, OUTBOX_PULL_BLOCKED);
    outbox_add_text(ev, "repository", repo_name_str(&q->name));
    outbox_add_text(ev, "reference", reference_str(&q->ref));
    outbox_add_text(ev, "digest", digest_str(d));
    outbox_add_text(ev, "reason", str_of(pull_why_name(v->why)));
    outbox_add_text(ev, "actor", str_of(req_actor(q)));
    if (v->why != PULL_VULNERABLE)
        return;
    for (size_t i = SEVERITIES; i-- > 0;)
        outbox_add_number(ev, severity_name((enum severity)i), (int64_t)v->counts[i]);
    outbox_add_text(ev, "worst", str_of(v->cve));
    outbox_add_text(ev, "package", str_of(v->package));
    outbox_add_text(ev, "fixed", str_of(v->fixed));
}

/* Engines try again for ever: of an image and a reason it is told once an hour. */
static void tell(struct req *q, const struct digest *d, const struct pull_verdict *v)
{
    AUTO(outbox) struct outbox_event ev = {0};
    struct meta_op op;
    struct err e;

    if (!gate_may_tell(q->api->gate, &q->name, d, v->why, clock_wall_ms()))
        return;
    fill_event(q, d, v, &ev);
    op = outbox_put(&ev);
    if (meta_commit(q->registry->meta, &op, 1, META_LAZY, NULL, &e) != ERR_OK)
        log_err(LOG_WARNING, "an event of a blocked pull is lost", &e);
}

/*
 * Who signs looks at the image first, by its digest. So those programs that do nothing else may
 * look, for those who may push there: who runs an image does not ask with one of them, and it is
 * for their sake that it is refused. What a program calls itself is no secret: of those whom nobody
 * knows, it would let everybody pass.
 */
static bool signs(const struct req *q)
{
    static const char *const agents[] = {"cosign/", "notation/", "notation-go/"};
    struct str agent = http_field_get(q->head, STR("User-Agent"));

    for (size_t i = 0; i < sizeof(agents) / sizeof(agents[0]); i++) {
        if (str_istarts(agent, str_of(agents[i])))
            return access_could_push(q);
    }
    return false;
}

static enum err_code deny(struct req *q, const struct digest *d, const struct pull_verdict *v,
                          struct err *e)
{
    AUTO(buf) struct buf text = {0}, detail = {0};
    bool to_sign = v->why == PULL_UNSIGNED && signs(q);

    detail_of(d, v, to_sign, &detail);
    if (to_sign || pull_gate_may_bypass(q)) {
        audit_request(q, "pull", "bypassed", buf_text(&detail));
        return ERR_OK;
    }
    audit_request(q, "pull", "blocked", buf_text(&detail));
    tell(q, d, v);
    text_of(q, d, v, &text);
    return err_tell(e, ERR_DENIED, "%s", buf_text(&text));
}

static void warn(struct req *q, const struct digest *d, const struct pull_verdict *v)
{
    AUTO(buf) struct buf text = {0};

    text_of(q, d, v, &text);
    reply_warning(q, buf_str(&text));
}

/*
 * containerd, and what is built on it, looks with HEAD first, and of its failure, which has no
 * body, shows the status alone. Where it succeeds, the GET behind it fails, and that message is
 * shown.
 */
static bool asks_again(const struct req *q)
{
    static const char *const agents[] = {"containerd/", "docker/", "buildkit/"};
    struct str agent = http_field_get(q->head, STR("User-Agent"));

    for (size_t i = 0; i < sizeof(agents) / sizeof(agents[0]); i++) {
        if (q->head->method == HTTP_HEAD && str_starts(agent, str_of(agents[i])))
            return true;
    }
    return false;
}

static enum err_code answer(struct req *q, const struct digest *d, const struct pull_verdict *v,
                            struct err *e)
{
    if (v->blocked)
        return asks_again(q) ? ERR_OK : deny(q, d, v, e);
    if (v->why != PULL_FINE)
        warn(q, d, v);
    return ERR_OK;
}

static enum err_code ask(struct req *q, const struct digest *d, struct err *e)
{
    struct pull_verdict v;

    TRY(gate_judge(q->api->gate, &q->name, d, clock_wall_ms(), &v, e));
    return answer(q, d, &v, e);
}

enum err_code pull_gate(struct req *q, const struct meta_manifest *m, struct err *e)
{
    return asks(q, m) ? ask(q, &m->digest, e) : ERR_OK;
}

/* ---- indexes */

struct children {
    struct digest *digests;
    size_t n;
};

static void add_child(void *ctx, const struct manifest_child *child)
{
    struct children *c = ctx;

    c->digests = mem_resize(c->digests, (c->n + 1) * sizeof(*c->digests));
    c->digests[c->n++] = child->digest;
}

/* What was asked about already: an index may name the same again and again, and so may each index
 * in it. */
struct seen {
    struct digest *slots; /* text[0] is 0: free */
    size_t n, cap;
};

static inline void auto_seen_(struct seen *s)
{
    free(s->slots);
}

/* Where it is, or has its place. */
static struct digest *slot_of(const struct seen *s, const struct digest *d)
{
    struct str text = digest_str(d);
    uint64_t hash = 0xcbf29ce484222325u;
    size_t at;

    for (size_t i = 0; i < text.n; i++)
        hash = (hash ^ (unsigned char)text.p[i]) * 0x100000001b3u;
    at = (size_t)(hash ^ hash >> 32) & (s->cap - 1);
    while (s->slots[at].text[0] && !digest_eq(&s->slots[at], d))
        at = (at + 1) & (s->cap - 1);
    return &s->slots[at];
}

static void grow(struct seen *s)
{
    struct seen more = {.n = s->n, .cap = s->cap > 0 ? s->cap * 2 : SEEN_FIRST};

    more.slots = mem_zero(more.cap * sizeof(*more.slots));
    for (size_t i = 0; i < s->cap; i++) {
        if (s->slots[i].text[0])
            *slot_of(&more, &s->slots[i]) = s->slots[i];
    }
    free(s->slots);
    *s = more;
}

/* False: it was there already. */
static bool see(struct seen *s, const struct digest *d)
{
    struct digest *slot;

    if (s->n * 2 >= s->cap)
        grow(s);
    slot = slot_of(s, d);
    if (slot->text[0])
        return false;
    *slot = *d;
    s->n++;
    return true;
}

/* Children that are not there do not go either. */
static enum err_code ask_whole(struct req *q, const struct digest *d, unsigned depth,
                               struct seen *seen, struct err *e)
{
    struct reference ref = {.is_digest = true, .digest = *d};
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct children c = {NULL, 0};
    enum err_code code;

    if (!see(seen, d))
        return ERR_OK;
    code = pull_manifest(q->registry, &q->name, &ref, &m, e);
    if (code == ERR_MANIFEST_UNKNOWN && depth > 0)
        return ERR_OK;
    TRY(code);
    if (!is_index(m) || gate_asks_signed(q->api->gate))
        TRY(ask(q, d, e));
    if (!is_index(m))
        return ERR_OK;
    if (depth >= DEPTH_MAX)
        return err_tell(e, ERR_UNSUPPORTED, "indexes stand in each other too deep");
    manifest_children(m->bytes, add_child, &c);
    for (size_t i = 0; i < c.n && code == ERR_OK; i++)
        code = ask_whole(q, &c.digests[i], depth + 1, seen, e);
    free(c.digests);
    return code;
}

enum err_code pull_gate_whole(struct req *q, const struct digest *d, struct err *e)
{
    AUTO(seen) struct seen seen = {0};

    return q->api->gate && gate_asks(q->api->gate) ? ask_whole(q, d, 0, &seen, e) : ERR_OK;
}

enum err_code pull_gate_gone(struct req *q, const struct digest *d, struct err *e)
{
    struct gate *g = q->api->gate;
    struct pull_verdict v;

    if (!g || !gate_asks(g))
        return ERR_OK;
    if (!d)
        return gate_blocks(g) ? err_tell(e, ERR_DENIED,
                                         "which images are in it is not known, and "
                                         "rules of this registry block some")
                              : ERR_OK;
    TRY(gate_judge_gone(g, &q->name, d, clock_wall_ms(), &v, e));
    return answer(q, d, &v, e);
}

/* ---- what changes verdicts */

static void tell_others(struct req *q, struct meta_op ops[static SCAN_CHANGED_OPS])
{
    struct err e;

    if (meta_commit(q->registry->meta, ops, SCAN_CHANGED_OPS, 0, NULL, &e) != ERR_OK)
        log_err(LOG_WARNING, "verdicts do not know of a change for an hour", &e);
}

static void changed(struct req *q, const struct digest *subject)
{
    struct meta_op ops[SCAN_CHANGED_OPS];
    struct scan_changed changed;

    gate_forget(q->api->gate, subject);
    scan_changed_ops(subject, &changed, ops);
    tell_others(q, ops);
}

void pull_gate_repository_changed(struct req *q)
{
    struct meta_op ops[SCAN_CHANGED_OPS];
    struct scan_changed changed;

    if (!q->api->gate || !gate_asks(q->api->gate))
        return;
    gate_forget_repo(q->api->gate, &q->name);
    scan_changed_repo_ops(&q->name, &changed, ops);
    tell_others(q, ops);
}

bool pull_gate_tag_signs(const struct tag_name *tag)
{
    struct digest unused;

    return beside_subject(NULL, tag, &unused);
}

void pull_gate_tag_moved(struct req *q, const struct tag_name *tag)
{
    struct digest subject;

    if (q->api->gate && gate_asks_signed(q->api->gate) && beside_subject(NULL, tag, &subject))
        changed(q, &subject);
}

void pull_gate_pushed(struct req *q, const struct push *p, const struct pushed *done)
{
    struct gate *g = q->api->gate;

    if (!g || !gate_asks(g))
        return;
    if (done->has_subject && (gate_asks_signed(g) || pull_image_says(p->bytes)))
        changed(q, &done->subject);
    for (size_t i = 0; i < p->n_tags; i++)
        pull_gate_tag_moved(q, &p->tags[i]);
}

/* One that has no subject is about an image by the tag that leads to it. */
static bool subject_by_tags(struct req *q, const struct digest *d, struct digest *ret_subject)
{
    AUTO(name_list) struct meta_name_list l = {0};
    struct tag_name tag;

    if (meta_manifest_tags(q->registry->meta, &q->name, d, STR("sha256-"), 1, &l, NULL,
                           ERR_IGNORED) != ERR_OK)
        return false;
    return l.n > 0 && tag_name_parse(str_of(l.names[0]), &tag, ERR_IGNORED) == ERR_OK &&
           beside_subject(NULL, &tag, ret_subject);
}

void pull_gate_before_removal(struct req *q, struct pull_gate_removal *ret)
{
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    AUTO(manifest) struct manifest parsed = {0};

    *ret = (struct pull_gate_removal){.about = false};
    if (!q->api->gate || !gate_asks(q->api->gate))
        return;
    if (pull_manifest(q->registry, &q->name, &q->ref, &m, ERR_IGNORED) != ERR_OK ||
        manifest_parse(m->bytes, m->media_type, SIZE_MAX, &parsed, ERR_IGNORED) != ERR_OK)
        return;
    ret->about = beside_subject(&parsed, q->ref.is_digest ? NULL : &q->ref.tag, &ret->subject) ||
                 subject_by_tags(q, &m->digest, &ret->subject);
    if (ret->about || !is_index(m))
        return;
    ret->about = true; /* of itself: pushed again, it lets its images pass again */
    ret->subject = m->digest;
}

void pull_gate_removed(struct req *q, const struct pull_gate_removal *r)
{
    if (r->about)
        changed(q, &r->subject);
}

enum err_code pull_gate_signed(void *ctx, const struct repo_name *repo, const struct digest *d,
                               int64_t now_ms, struct pull_verdict *ret_verdict, struct err *e)
{
    struct image_trust t;
    bool enforced;
    enum err_code code =
        signature_gate_judge(ctx, TRUST_AT_PULL, repo, d, now_ms, &t, &enforced, e);

    if (code == ERR_MANIFEST_UNKNOWN || code == ERR_NAME_UNKNOWN) {
        t = (struct image_trust){.state = TRUST_UNSIGNED, .until_ms = now_ms};
        snprintf(t.why, sizeof(t.why), "was deleted, with its signatures");
    } else {
        TRY(code);
    }
    if (t.not_noted.code != ERR_OK)
        log_err(LOG_WARNING, "images of a signed index are not known to be signed by it",
                &t.not_noted);
    *ret_verdict = (struct pull_verdict){.until_ms = t.until_ms, .opens = t.noted};
    if (t.state != TRUST_UNSIGNED)
        return ERR_OK;
    ret_verdict->why = PULL_UNSIGNED;
    ret_verdict->blocked = enforced;
    snprintf(ret_verdict->reason, sizeof(ret_verdict->reason), "%s", t.why);
    return ERR_OK;
}
