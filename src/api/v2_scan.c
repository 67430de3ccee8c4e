/* Scans of images: docs/scan.md. */
#include "api/access.h"
#include "api/handlers.h"
#include "api/html.h"
#include "api/parameter.h"
#include "api/reply.h"
#include "auth/core/auth.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "core/scan_wish.h"
#include "scan/findings_blob.h"
#include "scan/report_stream.h"
#include "scan/scan_images.h"
#include "scan/scans.h"

#include <stdio.h>

#define PAGE_FINDINGS 100
#define BODY_MAX      (4u << 20)
#define CURSOR_DIGITS 8 /* of the list's digest: which list a place is in */
#define SUMMARY_TAGS  1000

static enum err_code not_configured(struct err *e)
{
    return err_tell(e, ERR_UNSUPPORTED,
                    "this server scans nothing: its configuration says nothing of scanning "
                    "('scan.on_push', 'scan.trivy.db_repository', ...)");
}

/* ---- the images of a manifest, and what is known of each */

struct standing {
    struct scan_image image;
    struct scan_standing scan;
    enum scan_status status;
};

struct standings {
    struct digest digest; /* of what was asked for */
    bool index;
    struct standing *items;
    size_t n;
};

static void auto_standings_(struct standings *s)
{
    free(s->items);
}

static enum err_code load(struct req *q, const struct reference *ref, struct standings *ret,
                          struct err *e)
{
    AUTO(mem) struct scan_image *images = NULL;
    size_t n;

    TRY(scans_images(q->registry, &q->name, ref, &ret->digest, &ret->index, &images, &n, e));
    ret->items = mem_zero((n + 1) * sizeof(*ret->items));
    for (; ret->n < n; ret->n++) {
        struct standing *s = &ret->items[ret->n];

        s->image = images[ret->n];
        TRY(scans_standing(q->registry, &q->name, &s->image.digest, &s->scan, e));
        s->status = scan_standing_status(&s->scan);
    }
    return ERR_OK;
}

/* The worse the earlier: of an index that is shown which is least done. */
static enum scan_status status_of(const struct standings *s)
{
    static const enum scan_status order[] = {SCAN_RUNNING,       SCAN_QUEUED,      SCAN_NOT_SCANNED,
                                             SCAN_FAILED,        SCAN_UNSUPPORTED, SCAN_COMPLETED,
                                             SCAN_NOT_APPLICABLE};

    for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
        for (size_t i = 0; i < s->n; i++) {
            if (s->items[i].status == order[k])
                return order[k];
        }
    }
    return SCAN_NOT_APPLICABLE;
}

/* More of the worst severity; of as many, more of the next. */
static bool is_worse(const struct scan_result *a, const struct scan_result *b)
{
    for (int i = SEVERITIES - 1; i >= 0; i--) {
        if (a->counts[i] != b->counts[i])
            return a->counts[i] > b->counts[i];
    }
    return false;
}

static const struct standing *worst_of(const struct standings *s)
{
    const struct standing *worst = NULL;

    for (size_t i = 0; i < s->n; i++) {
        const struct standing *one = &s->items[i];

        if (!worst || (one->scan.result.status == SCAN_COMPLETED &&
                       (worst->scan.result.status != SCAN_COMPLETED ||
                        is_worse(&one->scan.result, &worst->scan.result))))
            worst = one;
    }
    return worst;
}

static enum err_code choose(struct req *q, const struct standings *s, const struct standing **ret,
                            struct err *e)
{
    char platform[OUT_PLATFORM_MAX + 4];

    *ret = worst_of(s);
    TRY(query_text(q, "platform", platform, sizeof(platform), e));
    for (size_t i = 0; i < s->n && platform[0]; i++) {
        if (strcmp(s->items[i].image.platform, platform) == 0) {
            *ret = &s->items[i];
            return ERR_OK;
        }
    }
    return platform[0] ? err_tell(e, ERR_NOT_FOUND, "it has no image for '%s'", platform) : ERR_OK;
}

/* ---- as JSON */

static void add_text(struct buf *b, const char *key, const char *text)
{
    buf_addf(b, ",\"%s\":", key);
    if (text[0])
        buf_add_json(b, str_of(text));
    else
        buf_add_text(b, "null");
}

static void add_counts(struct buf *b, const char *key, const struct scan_result *r,
                       const uint64_t counts[SEVERITIES])
{
    buf_addf(b, ",\"%s\":", key);
    if (r->status != SCAN_COMPLETED) {
        buf_add_text(b, "null"); /* never "none" of what was not looked at */
        return;
    }
    for (int i = SEVERITIES - 1; i >= 0; i--)
        buf_addf(b, "%s\"%s\":%llu", i == SEVERITIES - 1 ? "{" : ",",
                 severity_name((enum severity)i), (unsigned long long)counts[i]);
    buf_add_char(b, '}');
}

static void add_failure(struct buf *b, const struct scan_standing *s)
{
    buf_add_text(b, ",\"failure\":");
    if (!s->result.failed_ms && !s->note[0]) {
        buf_add_text(b, "null");
        return;
    }
    buf_addf(b, "{\"attempts\":%u", s->result.failures);
    reply_add_time(b, "time", s->result.failed_ms);
    add_text(b, "reason", s->result.failed_ms ? s->result.failure : s->note);
    buf_add_char(b, '}');
}

static void add_facts(struct buf *b, const struct scan_result *r)
{
    const struct scan_facts *f = &r->facts;

    buf_addf(b, ",\"total\":%llu,\"distinct\":%llu", (unsigned long long)scan_result_total(r),
             (unsigned long long)r->distinct);
    buf_addf(b, ",\"packages\":%llu,\"partial\":%s", (unsigned long long)f->packages,
             f->partial ? "true" : "false");
    add_text(b, "note", f->note);
    buf_add_text(b, ",\"os\":");
    if (f->os_family[0]) {
        buf_add_text(b, "{\"family\":");
        buf_add_json(b, str_of(f->os_family));
        add_text(b, "name", f->os_name);
        buf_addf(b, ",\"ended\":%s}", f->os_ended ? "true" : "false");
    } else {
        buf_add_text(b, "null");
    }
    buf_add_text(b, ",\"scanner\":");
    if (f->scanner[0]) {
        buf_add_text(b, "{\"name\":");
        buf_add_json(b, str_of(f->scanner));
        add_text(b, "version", f->version);
        reply_add_time(b, "data", f->data_ms);
        buf_add_char(b, '}');
    } else {
        buf_add_text(b, "null");
    }
}

static void add_platforms(struct buf *b, const struct standings *s)
{
    buf_add_text(b, ",\"platforms\":[");
    for (size_t i = 0; i < s->n; i++) {
        const struct standing *one = &s->items[i];

        buf_addf(b, "%s{\"digest\":\"%s\"", i > 0 ? "," : "", one->image.digest.text);
        add_text(b, "platform", one->image.platform);
        add_text(b, "status", scan_status_name(one->status));
        add_text(b, "reason", one->scan.result.reason);
        add_counts(b, "vulnerabilities", &one->scan.result, one->scan.result.counts);
        buf_add_char(b, '}');
    }
    buf_add_char(b, ']');
}

static void add_head(struct buf *b, const struct standings *s, const struct standing *one)
{
    const struct scan_result *r = &one->scan.result;

    buf_addf(b, "{\"status\":\"%s\"", scan_status_name(status_of(s)));
    reply_add_time(b, "scanned_at", r->scanned_ms);
    add_counts(b, "vulnerabilities", r, r->counts);
    add_counts(b, "fixable", r, r->fixable);
    add_text(b, "reason", r->reason);
    add_text(b, "rescan",
             r->status != SCAN_NOT_SCANNED && one->scan.busy != SCAN_NOT_SCANNED
                 ? scan_status_name(one->scan.busy)
                 : "");
    add_failure(b, &one->scan);
    add_text(b, "digest", s->digest.text);
    add_text(b, "image", one->image.digest.text);
    add_text(b, "platform", one->image.platform);
    add_facts(b, r);
    if (s->index)
        add_platforms(b, s);
}

/* ---- findings, a page of them */

struct asked {
    struct findings_query query;
    char severity[64], fixable[8], platform[OUT_PLATFORM_MAX + 4], last[64];
    size_t n;
};

static enum err_code parse_severities(struct str list, unsigned *ret, struct err *e)
{
    struct str one;

    while (list.n > 0) {
        enum severity s;

        str_cut(&list, ',', &one);
        if (!severity_parse(one, &s))
            return err_tell(e, ERR_REQUEST_INVALID,
                            "'severity' is critical, high, medium, low or unknown, or several of "
                            "them with commas between");
        *ret |= 1u << s;
    }
    return ERR_OK;
}

/* "PLACE.DIGITS": a place in the list whose digest has these. */
static enum err_code parse_last(const struct asked *a, const struct scan_result *r, uint64_t *ret,
                                struct err *e)
{
    struct str digits = str_of(a->last), place;

    if (!a->last[0])
        return ERR_OK;
    if (!str_cut(&digits, '.', &place) || !str_to_u64(place, UINT64_MAX - 1, ret))
        return err_tell(e, ERR_REQUEST_INVALID, "'last' is from a page's Link header");
    if (!r->findings.text[0] || !str_starts(digest_hex(&r->findings), digits))
        return err_tell(e, ERR_CONFLICT, "it was scanned again meanwhile; begin at the first page");
    return ERR_OK;
}

static enum err_code parse_asked(struct req *q, struct asked *a, struct err *e)
{
    TRY(query_page(q, PAGE_FINDINGS, &a->n, e));
    if (a->n > FINDINGS_PAGE_MAX)
        a->n = FINDINGS_PAGE_MAX;
    TRY(query_text(q, "severity", a->severity, sizeof(a->severity), e));
    TRY(query_text(q, "fixable", a->fixable, sizeof(a->fixable), e));
    TRY(query_text(q, "platform", a->platform, sizeof(a->platform), e));
    TRY(query_text(q, "last", a->last, sizeof(a->last), e));
    a->query.limit = a->n;
    if (strcmp(a->fixable, "true") == 0)
        a->query.fix = FINDINGS_FIXABLE;
    else if (strcmp(a->fixable, "false") == 0)
        a->query.fix = FINDINGS_UNFIXABLE;
    else if (a->fixable[0])
        return err_tell(e, ERR_REQUEST_INVALID, "'fixable' is true or false");
    return parse_severities(str_of(a->severity), &a->query.severities, e);
}

struct details {
    struct buf *body;
    size_t n;
};

static enum err_code add_line(void *ctx, struct str line, struct err *e)
{
    struct details *d = ctx;

    (void)e;
    buf_add_text(d->body, d->n++ > 0 ? "," : "");
    buf_add_str(d->body, line);
    return ERR_OK;
}

static void link_next(struct req *q, const struct asked *a, const struct scan_result *r,
                      uint64_t next)
{
    AUTO(buf) struct buf more = {0};
    char last[64];

    buf_init(&more, 1024);
    reply_next_parameter(&more, "severity", a->severity);
    reply_next_parameter(&more, "fixable", a->fixable);
    reply_next_parameter(&more, "platform", a->platform);
    snprintf(last, sizeof(last), "%llu.%.*s", (unsigned long long)next, CURSOR_DIGITS,
             digest_hex(&r->findings).p);
    reply_next(q, a->n, str_of(last), buf_str(&more));
}

static enum err_code add_details(struct req *q, struct asked *a, const struct standing *one,
                                 struct buf *body, struct err *e)
{
    struct details d = {.body = body};
    uint64_t next = UINT64_MAX;

    TRY(parse_last(a, &one->scan.result, &a->query.from, e));
    buf_add_text(body, ",\"details\":[");
    if (a->n > 0)
        TRY(findings_page(q->registry, &one->scan.result, &a->query, add_line, &d, &next, e));
    buf_add_text(body, "]}\n");
    if (next != UINT64_MAX)
        link_next(q, a, &one->scan.result, next);
    return body->full ? err_set(e, ERR_INTERNAL, "a page of findings is too large") : ERR_OK;
}

/* In which format of others it is asked for; our own counts, too, when it stands before. */
static bool wants_report(const struct req *q, enum report_format *ret)
{
    const char *const types[] = {report_media_type(REPORT_SARIF),
                                 report_media_type(REPORT_CYCLONEDX), "application/json", "*/*",
                                 NULL};
    int i = header_accepts(q, types);

    return i >= 0 && report_format_parse(str_of(types[i]), ret);
}

/* All findings that are chosen, without pages. */
static enum err_code send_report(struct req *q, enum report_format format, const struct asked *a,
                                 const struct standing *one, struct err *e)
{
    const struct report_order o = {.format = format,
                                   .repo = &q->name,
                                   .image = &one->image.digest,
                                   .result = &one->scan.result,
                                   .severities = a->query.severities,
                                   .fix = a->query.fix};
    struct reader *r;

    if (one->scan.result.status != SCAN_COMPLETED)
        return err_tell(e, ERR_NOT_FOUND,
                        "there is no report of it, for its scan is '%s'; ask for application/json "
                        "to see more",
                        scan_status_name(one->status));
    TRY(report_open(q->registry, &o, &r, e));
    http_header(q->x, "Content-Type", str_of(report_media_type(format)));
    return http_send_stream(q->x, r, e);
}

enum err_code api_scan_get(struct req *q, struct err *e)
{
    static const struct standing none = {.status = SCAN_NOT_APPLICABLE,
                                         .scan.result.status = SCAN_NOT_APPLICABLE,
                                         .scan.result.reason = "an index without images"};
    AUTO(standings) struct standings s = {0};
    AUTO(buf) struct buf body = {0};
    const struct standing *one;
    enum report_format format;
    struct asked a = {0};

    TRY(parse_asked(q, &a, e));
    TRY(load(q, &q->ref, &s, e));
    TRY(choose(q, &s, &one, e));
    html_vary(q);
    if (wants_report(q, &format))
        return send_report(q, format, &a, one ? one : &none, e);
    buf_init(&body, BODY_MAX);
    add_head(&body, &s, one ? one : &none);
    TRY(add_details(q, &a, one ? one : &none, &body, e));
    reply_digest(q, &s.digest);
    reply_json(q, 200, buf_str(&body));
    return ERR_OK;
}

/* ---- asking for one */

static enum err_code ask_all(struct req *q, const struct scan_image *images, size_t n, bool again,
                             enum scan_status *ret_status, struct err *e)
{
    *ret_status = SCAN_COMPLETED;
    for (size_t i = 0; i < n; i++) {
        enum scan_status one;

        TRY(scans_ask(q->api->scans, &q->name, &images[i].digest, SCAN_ASKED, again, &one, e));
        if (one == SCAN_RUNNING || (one == SCAN_QUEUED && *ret_status != SCAN_RUNNING) || n == 1)
            *ret_status = one;
    }
    return ERR_OK;
}

enum err_code api_scan_post(struct req *q, struct err *e)
{
    AUTO(mem) struct scan_image *images = NULL;
    char body[DIGEST_TEXT_MAX + 128], again[8];
    enum scan_status status;
    struct digest d;
    bool index, busy;
    size_t n;

    if (!q->api->scans)
        return not_configured(e);
    TRY(query_text(q, "force", again, sizeof(again), e));
    TRY(scans_images(q->registry, &q->name, &q->ref, &d, &index, &images, &n, e));
    TRY(ask_all(q, images, n, strcmp(again, "true") == 0, &status, e));
    busy = status == SCAN_QUEUED || status == SCAN_RUNNING;
    snprintf(body, sizeof(body), "{\"status\":\"%s\",\"digest\":\"%s\",\"images\":%zu}\n",
             scan_status_name(status), d.text, n);
    reply_location(q, "/v2/%s/manifests/%s/scan", q->name.text, d.text);
    reply_json(q, busy ? 202 : 200, str_of(body));
    return ERR_OK;
}

/* ---- of a repository */

struct summary {
    struct req *q;
    struct buf body;
    bool has_latest;
    struct meta_repo_tag latest;
    size_t n, by_status[SCAN_STATUSES];
    struct standings of_latest;
};

static bool visible(struct req *q, const struct meta_repo_tag *tag)
{
    return !auth_enabled(q->api->guard.auth) || access_may(q, ACTION_PULL, &q->name, &tag->name);
}

static bool is_later(const struct meta_repo_tag *a, const struct meta_repo_tag *b)
{
    return a->pushed_ms != b->pushed_ms ? a->pushed_ms > b->pushed_ms : a->version > b->version;
}

static void add_tag(struct summary *m, const struct meta_repo_tag *tag, const struct standings *s)
{
    const struct standing *one = worst_of(s);
    static const struct scan_result none;
    const struct scan_result *r = one ? &one->scan.result : &none;

    buf_add_text(&m->body, m->n++ > 0 ? ",{\"tag\":" : "{\"tag\":");
    buf_add_json(&m->body, tag_name_str(&tag->name));
    add_text(&m->body, "digest", tag->digest.text);
    add_text(&m->body, "status", scan_status_name(status_of(s)));
    reply_add_time(&m->body, "scanned_at", r->scanned_ms);
    add_counts(&m->body, "vulnerabilities", r, r->counts);
    buf_add_char(&m->body, '}');
}

static enum err_code sum_tag(struct summary *m, const struct meta_repo_tag *tag, struct err *e)
{
    AUTO(standings) struct standings s = {0};
    const struct reference ref = {.is_digest = true, .digest = tag->digest};
    enum err_code code;

    if (!visible(m->q, tag))
        return ERR_OK;
    code = load(m->q, &ref, &s, e);
    if (code == ERR_MANIFEST_UNKNOWN)
        return ERR_OK; /* it was deleted meanwhile */
    TRY(code);
    add_tag(m, tag, &s);
    m->by_status[status_of(&s)]++;
    return ERR_OK;
}

/* Of all tags, for the one that was pushed last may have any name. */
static enum err_code look_at_tags(struct summary *m, bool *ret_more, struct err *e)
{
    struct tag_name after = {0};
    bool first = true;

    for (bool more = true; more; first = false) {
        AUTO(meta_repo_tags) struct meta_repo_tag_list tags = {0};

        TRY(meta_repo_tags(m->q->registry->meta, &m->q->name, tag_name_str(&after), SUMMARY_TAGS,
                           &tags, e));
        for (size_t i = 0; i < tags.n; i++) {
            const struct meta_repo_tag *tag = &tags.rows[i];

            if (first)
                TRY(sum_tag(m, tag, e));
            if (visible(m->q, tag) && (!m->has_latest || is_later(tag, &m->latest))) {
                m->latest = *tag;
                m->has_latest = true;
            }
        }
        more = tags.more && tags.n > 0;
        if (more)
            after = tags.rows[tags.n - 1].name;
        if (first)
            *ret_more = more;
    }
    return ERR_OK;
}

static enum err_code load_latest(struct summary *m, struct err *e)
{
    const struct reference ref = {.is_digest = true, .digest = m->latest.digest};
    enum err_code code = m->has_latest ? load(m->q, &ref, &m->of_latest, e) : ERR_OK;

    if (code == ERR_MANIFEST_UNKNOWN) {
        m->has_latest = false; /* it was deleted meanwhile */
        return ERR_OK;
    }
    return code;
}

static void add_latest(struct buf *b, const struct summary *m)
{
    const struct standing *one = worst_of(&m->of_latest);
    static const struct scan_result none;
    const struct scan_result *r = one ? &one->scan.result : &none;

    buf_add_text(b, "{\"latest_tag\":");
    if (m->has_latest)
        buf_add_json(b, tag_name_str(&m->latest.name));
    else
        buf_add_text(b, "null");
    add_text(b, "status", m->has_latest ? scan_status_name(status_of(&m->of_latest)) : "");
    reply_add_time(b, "last_scanned", r->scanned_ms);
    if (r->status != SCAN_COMPLETED) {
        buf_add_text(b, ",\"total_vulnerabilities\":null,\"critical_count\":null");
        return;
    }
    buf_addf(b, ",\"total_vulnerabilities\":%llu,\"critical_count\":%llu",
             (unsigned long long)scan_result_total(r),
             (unsigned long long)r->counts[SEVERITY_CRITICAL]);
}

static void add_statuses(struct buf *b, const struct summary *m)
{
    buf_add_text(b, ",\"images\":{");
    for (size_t i = 0; i < SCAN_STATUSES; i++)
        buf_addf(b, "%s\"%s\":%zu", i > 0 ? "," : "", scan_status_name((enum scan_status)i),
                 m->by_status[i]);
    buf_add_char(b, '}');
}

static enum err_code make_summary(struct summary *m, struct err *e)
{
    AUTO(buf) struct buf body = {0};
    bool more = false;

    buf_init(&m->body, BODY_MAX);
    TRY(look_at_tags(m, &more, e));
    TRY(load_latest(m, e));
    buf_init(&body, BODY_MAX);
    add_latest(&body, m);
    add_statuses(&body, m);
    buf_add_text(&body, ",\"tags\":[");
    buf_add_str(&body, buf_str(&m->body));
    buf_addf(&body, "],\"more_tags\":%s}\n", more ? "true" : "false");
    if (body.full || m->body.full)
        return err_set(e, ERR_INTERNAL, "the summary is too large");
    reply_json(m->q, 200, buf_str(&body));
    return ERR_OK;
}

enum err_code api_scan_summary_get(struct req *q, struct err *e)
{
    struct summary m = {.q = q};
    bool there;
    enum err_code code;

    TRY(meta_repo_exists(q->registry->meta, &q->name, &there, e));
    if (!there)
        return err_set(e, ERR_NAME_UNKNOWN, "'%s' is not there", q->name.text);
    code = make_summary(&m, e);
    buf_done(&m.body);
    free(m.of_latest.items);
    return code;
}
