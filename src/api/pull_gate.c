#include "api/pull_gate.h"

#include "api/access.h"
#include "api/audit_entry.h"
#include "auth/core/auth.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/manifest.h"
#include "core/outbox.h"
#include "core/pull.h"
#include "scan/changed.h"
#include "scan/gate.h"
#include "scan/pull_image.h"

#include <stdlib.h>

#define DEPTH_MAX 4 /* of indexes in each other */

static bool is_index(const struct meta_manifest *m)
{
    return str_eq(m->media_type, STR(MEDIA_OCI_INDEX)) ||
           str_eq(m->media_type, STR(MEDIA_DOCKER_LIST));
}

bool pull_gate_quick(const struct req *q, const struct meta_manifest *m)
{
    struct gate *g = q->api->gate;

    return !g || !gate_asks(g) || is_index(m) ||
           gate_open(g, &q->name, &m->digest, clock_wall_ms());
}

/* Somebody may who has the right by a rule; where nobody is asked, nobody. */
static bool may_bypass(const struct req *q)
{
    return auth_enabled(q->api->guard.auth) && access_may(q, ACTION_BYPASS, &q->name, NULL);
}

/* With where to see more, as far as an error holds it. */
static void text_of(const struct req *q, const struct digest *d, const struct pull_verdict *v,
                    struct buf *ret)
{
    size_t n;

    buf_init(ret, sizeof(((struct err *)NULL)->detail) - 1);
    pull_verdict_text(v, ret);
    n = ret->n;
    buf_addf(ret, "; see /v2/%s/manifests/%s/scan", q->name.text, d->text);
    if (!ret->full)
        return;
    ret->n = n;
    ret->full = false;
}

/* Of an entry of the trail, and of an event. */
static void detail_of(const struct digest *d, const struct pull_verdict *v, struct buf *ret)
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
    buf_add_char(ret, '}');
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

static enum err_code deny(struct req *q, const struct digest *d, const struct pull_verdict *v,
                          struct err *e)
{
    AUTO(buf) struct buf text = {0}, detail = {0};

    detail_of(d, v, &detail);
    if (may_bypass(q)) {
        audit_request(q, "pull", "bypassed", buf_text(&detail));
        return ERR_OK;
    }
    audit_request(q, "pull", "blocked", buf_text(&detail));
    tell(q, d, v);
    text_of(q, d, v, &text);
    return err_tell(e, ERR_DENIED, "%s", buf_text(&text));
}

/* RFC 7234, 5.5, as dist-spec "Warnings" has it. */
static void warn(struct req *q, const struct digest *d, const struct pull_verdict *v)
{
    AUTO(buf) struct buf text = {0}, header = {0};

    text_of(q, d, v, &text);
    buf_init(&header, 1024);
    buf_add_text(&header, "299 - ");
    buf_add_json(&header, buf_str(&text));
    http_header(q->x, "Warning", buf_str(&header));
    http_set_note(q->x, buf_text(&text));
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

static enum err_code ask(struct req *q, const struct digest *d, struct err *e)
{
    struct pull_verdict v;

    TRY(gate_judge(q->api->gate, &q->name, d, clock_wall_ms(), &v, e));
    if (v.blocked)
        return asks_again(q) ? ERR_OK : deny(q, d, &v, e);
    if (v.why != PULL_FINE)
        warn(q, d, &v);
    return ERR_OK;
}

enum err_code pull_gate(struct req *q, const struct meta_manifest *m, struct err *e)
{
    if (!q->api->gate || !gate_asks(q->api->gate) || is_index(m))
        return ERR_OK;
    return ask(q, &m->digest, e);
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

/* Children that are not there do not go either. */
static enum err_code ask_whole(struct req *q, const struct digest *d, unsigned depth, struct err *e)
{
    struct reference ref = {.is_digest = true, .digest = *d};
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct children c = {NULL, 0};
    enum err_code code = pull_manifest(q->registry, &q->name, &ref, &m, e);

    if (code == ERR_MANIFEST_UNKNOWN && depth > 0)
        return ERR_OK;
    TRY(code);
    if (!is_index(m))
        return ask(q, d, e);
    if (depth >= DEPTH_MAX)
        return err_tell(e, ERR_UNSUPPORTED, "indexes stand in each other too deep");
    manifest_children(m->bytes, add_child, &c);
    for (size_t i = 0; i < c.n && code == ERR_OK; i++)
        code = ask_whole(q, &c.digests[i], depth + 1, e);
    free(c.digests);
    return code;
}

enum err_code pull_gate_whole(struct req *q, const struct digest *d, struct err *e)
{
    return q->api->gate && gate_asks(q->api->gate) ? ask_whole(q, d, 0, e) : ERR_OK;
}

void pull_gate_pushed(struct req *q, const struct digest *subject, struct str manifest)
{
    struct meta_op ops[SCAN_CHANGED_OPS];
    struct scan_changed changed;
    struct err e;

    if (!q->api->gate || !gate_asks(q->api->gate) || !pull_image_says(manifest))
        return;
    scan_changed_ops(subject, &changed, ops);
    if (meta_commit(q->registry->meta, ops, SCAN_CHANGED_OPS, 0, NULL, &e) != ERR_OK)
        log_err(LOG_WARNING, "verdicts do not know of a document for an hour", &e);
}
