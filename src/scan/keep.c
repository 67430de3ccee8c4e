#include "scan/keep.h"

#include "base/clock.h"
#include "base/mem.h"
#include "core/outbox.h"
#include "core/own_repo.h"
#include "core/scan_wish.h"
#include "scan/changed.h"
#include "scan/findings_blob.h"
#include "scan/publish.h"

#include <stdio.h>
#include <stdlib.h>

#define OPS_MAX    24
#define NEW_LISTED 20 /* in an event */
#define END_BYTES  16 /* of an event, behind that list */

/* ---- since when findings are known
 *
 * Of the last result only numbers for each finding are in memory: of what makes it the same. */

struct known {
    uint64_t hash;
    int64_t since_ms;
};

struct knowledge {
    struct known *items;
    size_t n, cap;
};

static uint64_t hash_more(uint64_t h, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3;
    return (h ^ 0x100) * 0x100000001b3;
}

/* As finding_same() has it: by their addresses where both have one, else by their places. */
enum way { BY_PURL, BY_PLACE, BY_PLACE_WITHOUT_PURL };

static uint64_t hash_of(const struct finding *f, enum way way)
{
    uint64_t h = hash_more(0xcbf29ce484222325 + (uint64_t)way, f->cve);

    if (way == BY_PURL)
        return hash_more(h, f->purl);
    return hash_more(hash_more(h, f->package), f->path);
}

static void remember(struct knowledge *k, const struct finding *f, enum way way)
{
    if (k->n == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 256;
        k->items = mem_resize(k->items, k->cap * sizeof(*k->items));
    }
    k->items[k->n++] = (struct known){hash_of(f, way), f->since_ms};
}

static enum err_code learn(void *ctx, struct str line, struct err *e)
{
    struct knowledge *k = ctx;
    AUTO(json) json_t *j = NULL;
    struct finding f;

    TRY(finding_parse(line, &f, &j, e));
    remember(k, &f, f.purl.n > 0 ? BY_PURL : BY_PLACE_WITHOUT_PURL);
    remember(k, &f, BY_PLACE);
    return ERR_OK;
}

static int cmp_known(const void *a, const void *b)
{
    const struct known *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->since_ms < y->since_ms ? -1 : x->since_ms > y->since_ms;
}

/* The one that is known for longest; NULL: none is. */
static const struct known *find_way(const struct knowledge *k, const struct finding *f,
                                    enum way way)
{
    uint64_t hash = hash_of(f, way);
    size_t from = 0, to = k->n;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (k->items[middle].hash < hash)
            from = middle + 1;
        else
            to = middle;
    }
    return from < k->n && k->items[from].hash == hash ? &k->items[from] : NULL;
}

static const struct known *find(const struct knowledge *k, const struct finding *f)
{
    const struct known *found;

    if (f->purl.n == 0)
        return find_way(k, f, BY_PLACE);
    found = find_way(k, f, BY_PURL);
    return found ? found : find_way(k, f, BY_PLACE_WITHOUT_PURL);
}

/* *ret_whole: nothing of it is lost. */
static enum err_code know(const struct scan_keep *k, struct knowledge *ret, bool *ret_whole,
                          struct err *e)
{
    struct findings_query q = {.limit = FINDINGS_PAGE_MAX};
    enum err_code code = ERR_OK;

    while (k->before && q.from != UINT64_MAX && code == ERR_OK)
        code = findings_page(k->r, k->before, &q, learn, ret, &q.from, e);
    *ret_whole = code == ERR_OK;
    if (ret->n > 0)
        qsort(ret->items, ret->n, sizeof(*ret->items), cmp_known);
    return code == ERR_UNAVAILABLE || code == ERR_TIMEOUT ? code : ERR_OK;
}

/* What may stand in a list that is lost is taken for known as long as the first of it, so that its
 * time of grace does not begin anew. */
static int64_t since_when(const struct scan_keep *k, bool whole, int64_t now_ms)
{
    if (whole)
        return now_ms;
    return k->before->oldest_ms > 0 ? k->before->oldest_ms : k->before->scanned_ms;
}

static bool was_completed(const struct scan_keep *k)
{
    return k->before && k->before->status == SCAN_COMPLETED;
}

static inline void auto_knowledge_(struct knowledge *k)
{
    free(k->items);
}

/* Sets since_ms of each; the new ones have now_ms. */
static enum err_code set_since(const struct scan_keep *k, struct finding_list *l, int64_t now_ms,
                               size_t *ret_new, struct err *e)
{
    AUTO(knowledge) struct knowledge known = {0};
    int64_t since_ms;
    bool whole;

    *ret_new = 0;
    TRY(know(k, &known, &whole, e));
    since_ms = since_when(k, whole, now_ms);
    for (size_t i = 0; i < l->n; i++) {
        const struct known *found = find(&known, &l->items[i]);

        l->items[i].since_ms = found ? found->since_ms : since_ms;
        *ret_new += !found && whole;
    }
    return ERR_OK;
}

/* ---- counts */

static int cmp_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static uint64_t count_distinct(const struct finding_list *l)
{
    AUTO(mem) struct str *ids = mem_alloc((l->n + 1) * sizeof(*ids));
    uint64_t n = 0;

    for (size_t i = 0; i < l->n; i++)
        ids[i] = l->items[i].cve;
    qsort(ids, l->n, sizeof(*ids), cmp_text);
    for (size_t i = 0; i < l->n; i++)
        n += i == 0 || !str_eq(ids[i], ids[i - 1]);
    return n;
}

static void count(const struct finding_list *l, struct scan_result *s)
{
    memset(s->counts, 0, sizeof(s->counts));
    memset(s->fixable, 0, sizeof(s->fixable));
    s->oldest_ms = 0;
    for (size_t i = 0; i < l->n; i++) {
        s->counts[l->items[i].severity]++;
        s->fixable[l->items[i].severity] += finding_is_fixable(&l->items[i]);
        if (i == 0 || l->items[i].since_ms < s->oldest_ms)
            s->oldest_ms = l->items[i].since_ms;
    }
    s->distinct = count_distinct(l);
}

/* ---- events */

static void add_image(struct outbox_event *ev, const struct scan_keep *k)
{
    outbox_add_text(ev, "repository", repo_name_str(k->repo));
    outbox_add_text(ev, "digest", digest_str(k->digest));
}

static void add_counts(struct outbox_event *ev, const uint64_t counts[SEVERITIES])
{
    buf_add_text(&ev->json, ",\"vulnerabilities\":{");
    for (int i = SEVERITIES - 1; i >= 0; i--)
        buf_addf(&ev->json, "%s\"%s\":%llu", i < SEVERITIES - 1 ? "," : "",
                 severity_name((enum severity)i), (unsigned long long)counts[i]);
    buf_add_char(&ev->json, '}');
}

/* counts NULL: it found nothing out. */
static void tell_ended(struct outbox_event *ev, const struct scan_keep *k, enum scan_status attempt,
                       const char *reason, const uint64_t *counts)
{
    outbox_begin(ev, OUTBOX_SCAN_COMPLETED);
    add_image(ev, k);
    outbox_add_text(ev, "status", str_of(scan_status_name(attempt)));
    if (reason[0])
        outbox_add_text(ev, "reason", str_of(reason));
    if (counts)
        add_counts(ev, counts);
    else
        buf_add_text(&ev->json, ",\"vulnerabilities\":null");
}

static void add_finding(struct outbox_event *ev, const struct finding *f, bool first)
{
    buf_addf(&ev->json, "%s{\"cve\":", first ? "" : ",");
    buf_add_json(&ev->json, f->cve);
    outbox_add_text(ev, "severity", str_of(severity_name(f->severity)));
    outbox_add_text(ev, "package", f->package);
    outbox_add_text(ev, "installed_version", f->installed);
    outbox_add_text(ev, "fixed_version", f->fixed);
    buf_add_char(&ev->json, '}');
}

/* The worst of those that are new, for they are sorted. */
static void tell_new(struct outbox_event *ev, const struct scan_keep *k,
                     const struct finding_list *l, int64_t now_ms)
{
    uint64_t counts[SEVERITIES] = {0};
    size_t listed = 0;

    outbox_begin(ev, OUTBOX_NEW_VULNERABILITIES);
    add_image(ev, k);
    for (size_t i = 0; i < l->n; i++)
        counts[l->items[i].severity] += l->items[i].since_ms == now_ms;
    add_counts(ev, counts);
    buf_add_text(&ev->json, ",\"worst\":[");
    for (size_t i = 0; i < l->n && listed < NEW_LISTED; i++) {
        size_t n = ev->json.n;

        if (l->items[i].since_ms != now_ms)
            continue;
        add_finding(ev, &l->items[i], listed++ == 0);
        if (ev->json.n <= OUTBOX_EVENT_MAX - END_BYTES && !ev->json.full)
            continue;
        ev->json.n = n; /* their texts may be long */
        ev->json.full = false;
        break;
    }
    buf_add_char(&ev->json, ']');
}

/* ---- the transaction */

struct writing {
    const struct scan_keep *k;
    struct meta_op ops[OPS_MAX];
    size_t n;
    struct scan_changed changed;
    char now[STR_DECIMAL_MAX], key[SCAN_KEY_MAX + 1];
    char published[SCAN_REPOS_MAX][SCAN_KEY_MAX + 1]; /* keys of jobs */
    struct buf json;
};

static void add(struct writing *w, struct meta_op op)
{
    w->ops[w->n++] = op;
}

/* A blob that is named by the result from now on; who deletes those that nobody names has not been
 * there before. One that was made anew and is the same as before is loose no more, either. */
static void settle_blob(struct writing *w, const struct digest *new, const struct digest *old)
{
    if (old && old->text[0] && (!new->text[0] || !digest_eq(new, old)))
        add(w, meta_op_record_put(SCAN_LOOSE, digest_str(old),
                                  str_decimal((uint64_t)clock_wall_ms(), w->now), META_ANY));
    if (new->text[0] && (!old || !old->text[0] || !digest_eq(new, old)))
        add(w, meta_op_record_check(SCAN_LOOSE, digest_str(new)));
    if (new->text[0])
        add(w, meta_op_record_delete(SCAN_LOOSE, digest_str(new), META_ANY));
}

/* Once, when all is there. */
static void publish(struct writing *w, const struct scan_result *s)
{
    const struct scan_keep *k = w->k;

    if (!k->publish || !k->r->jobs || s->status != SCAN_COMPLETED || s->lists_due)
        return;
    for (size_t i = 0; i < s->n_repos; i++) {
        scan_key(&s->repos[i], k->digest, w->published[i]);
        add(w, jobs_add_op(k->r->jobs, PUBLISH_JOB, str_of(w->published[i])));
    }
}

static void begin(struct writing *w, const struct scan_keep *k, const struct scan_result *s)
{
    *w = (struct writing){.k = k};
    buf_init(&w->json, 64u << 10);
    scan_result_print(s, &w->json);
    if (k->job)
        add(w, job_check_op(k->job));
    add(w, meta_op_record_put(SCAN_RESULTS, digest_str(k->digest), buf_str(&w->json), k->version));
    scan_changed_ops(k->digest, &w->changed, w->ops + w->n);
    w->n += SCAN_CHANGED_OPS;
    if (scan_result_is_whole(s)) {
        scan_key(k->repo, k->digest, w->key);
        add(w, meta_op_record_delete(SCAN_AWAITED, str_of(w->key), META_ANY));
    }
    settle_blob(w, &s->findings, k->before ? &k->before->findings : NULL);
    for (enum sbom_format i = 0; i < SBOM_FORMATS; i++)
        settle_blob(w, &s->sboms[i], k->before ? &k->before->sboms[i] : NULL);
    publish(w, s);
}

static enum err_code commit(struct writing *w, struct err *e)
{
    enum err_code code = meta_commit(w->k->r->meta, w->ops, w->n, 0, NULL, e);

    buf_done(&w->json);
    if (code == ERR_NOT_FOUND) /* of the check of a blob */
        return err_set(e, ERR_CONFLICT, "what was written was taken for left over");
    if (w->k->publish)
        jobs_wake(w->k->r->jobs);
    return code;
}

/* Nobody may see the registry's own repositories: of an archive that waits its upload is told. */
static void add_event(struct writing *w, struct outbox_event *ev)
{
    if (!own_repo(w->k->repo))
        add(w, outbox_put(ev));
}

enum err_code scan_keep_result(const struct scan_keep *k, const struct scan_result *s,
                               enum scan_status attempt, const char *reason, struct err *e)
{
    AUTO(outbox) struct outbox_event ended = {0};
    struct writing w;

    tell_ended(&ended, k, attempt, reason, NULL);
    begin(&w, k, s);
    add_event(&w, &ended);
    return commit(&w, e);
}

enum err_code scan_keep_lists(const struct scan_keep *k, const struct scan_result *s, struct err *e)
{
    struct writing w;

    begin(&w, k, s);
    return commit(&w, e);
}

enum err_code scan_keep_findings(const struct scan_keep *k, struct finding_list *l,
                                 struct scan_result *s, struct err *e)
{
    AUTO(outbox) struct outbox_event ended = {0};
    AUTO(outbox) struct outbox_event fresh = {0};
    int64_t now_ms = clock_wall_ms();
    struct writing w;
    size_t n_new;

    TRY(set_since(k, l, now_ms, &n_new, e));
    count(l, s);
    TRY(findings_write(k->r, k->digest, l, &s->findings, &s->findings_bytes, e));
    tell_ended(&ended, k, SCAN_COMPLETED, "", s->counts);
    begin(&w, k, s);
    add_event(&w, &ended);
    if (n_new > 0 && was_completed(k)) {
        tell_new(&fresh, k, l, now_ms);
        add_event(&w, &fresh);
    }
    return commit(&w, e);
}
