#include "scan/report_stream.h"

#include "base/mem.h"
#include "core/own_repo.h"
#include "scan/report_cyclonedx.h"
#include "scan/report_sarif.h"

#include <stdlib.h>

#define LINE_BYTES (128u << 10) /* as of findings_blob.c */
#define OUT_BYTES  (1u << 20)   /* of one step: a finding has texts of some KB, each byte escaped */
#define SEEN_MIN   64

static const struct report_writer *const writers[] = {
    [REPORT_SARIF] = &report_sarif, [REPORT_CYCLONEDX] = &report_cyclonedx};

const char *report_media_type(enum report_format f)
{
    return writers[f]->media_type;
}

bool report_format_parse(struct str media_type, enum report_format *ret)
{
    for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++) {
        if (str_ieq(media_type, str_of(writers[i]->media_type))) {
            *ret = (enum report_format)i;
            return true;
        }
    }
    return false;
}

/* ---- the reader */

struct report {
    struct reader reader;
    struct reader *blob;
    const struct report_writer *w;
    struct report_about about;
    unsigned severities;
    int fix;
    enum { HEAD, FIRST, SECOND, END } step;
    uint64_t total, at; /* findings; those of this pass that were read */
    bool skipped;       /* the first line of the blob, in this pass */
    uint64_t nth, rules;
    struct buf rule;     /* id and severity of the last one */
    uint64_t *seen;      /* packages, by the start of a digest; 0: free */
    size_t n_seen, room; /* a power of two */
    char *in;            /* what was read of the blob, from in_at to in_n */
    size_t in_at, in_n;
    struct buf out;
    size_t out_at;
};

static void report_free(struct reader *r)
{
    struct report *p = (struct report *)(void *)r;

    if (p->blob)
        reader_free(p->blob);
    buf_done(&p->out);
    buf_done(&p->rule);
    free(p->seen);
    free(p->in);
    free(p);
}

static int report_wait_fd(struct reader *r)
{
    return reader_wait_fd(((struct report *)(void *)r)->blob);
}

/* The next line; error LATER: not all of it is there yet. */
static enum err_code read_line(struct report *p, struct str *ret, struct err *e)
{
    for (;;) {
        char *from = p->in + p->in_at;
        const char *end = memchr(from, '\n', p->in_n - p->in_at);
        size_t n;

        if (end) {
            *ret = (struct str){from, (size_t)(end - from)};
            p->in_at += ret->n + 1;
            return ERR_OK;
        }
        memmove(p->in, from, p->in_n - p->in_at);
        p->in_n -= p->in_at;
        p->in_at = 0;
        if (p->in_n == LINE_BYTES)
            return err_set(e, ERR_CORRUPT, "a line of findings has no end");
        TRY(reader_read(p->blob, p->in + p->in_n, LINE_BYTES - p->in_n, &n, e));
        if (n == 0)
            return err_set(e, ERR_CORRUPT, "a list of findings is cut");
        p->in_n += n;
    }
}

/* Is it in the set? It is from now on. */
static bool seen_add(uint64_t *set, size_t room, uint64_t key)
{
    size_t i = key & (room - 1);

    for (; set[i] != 0; i = (i + 1) & (room - 1)) {
        if (set[i] == key)
            return true;
    }
    set[i] = key;
    return false;
}

static void make_room(struct report *p)
{
    size_t room = p->room ? p->room * 2 : SEEN_MIN;
    uint64_t *larger = mem_zero(room * sizeof(*larger));

    for (size_t i = 0; i < p->room; i++) {
        if (p->seen[i])
            (void)seen_add(larger, room, p->seen[i]);
    }
    free(p->seen);
    p->seen = larger;
    p->room = room;
}

static bool is_new_package(struct report *p, const struct finding *f)
{
    AUTO(buf) struct buf ref = {0};
    struct digest d;
    char digits[17] = "";
    uint64_t key;

    buf_init(&ref, 4096);
    report_add_ref(&ref, f);
    digest_of(DIGEST_SHA256, ref.p, ref.n, &d);
    memcpy(digits, digest_hex(&d).p, sizeof(digits) - 1);
    key = strtoull(digits, NULL, 16) | 1; /* 0 is a place that is free */
    if (p->n_seen * 2 >= p->room)
        make_room(p);
    if (seen_add(p->seen, p->room, key))
        return false;
    p->n_seen++;
    return true;
}

/* Findings of a vulnerability are neighbours, for they are sorted. */
static bool is_new_rule(struct report *p, const struct finding *f)
{
    char severity = (char)('0' + f->severity);

    if (p->rule.n > 0 && p->rule.p[0] == severity &&
        str_eq(str_sub(buf_str(&p->rule), 1, p->rule.n - 1), f->cve))
        return false;
    buf_clear(&p->rule);
    buf_add_char(&p->rule, severity);
    buf_add_str(&p->rule, f->cve);
    p->rules++;
    return true;
}

static bool is_wanted(const struct report *p, const struct finding *f)
{
    return (!p->severities || p->severities & 1u << f->severity) &&
           (p->fix == FINDINGS_ANY || finding_is_fixable(f) == (p->fix == FINDINGS_FIXABLE));
}

static void add_finding(struct report *p, const struct finding *f)
{
    bool is_new = p->w->by_rule ? is_new_rule(p, f) : p->step == FIRST && is_new_package(p, f);

    if (p->step == SECOND)
        p->w->second(&p->out, &p->about, f, p->nth++, p->rules - 1);
    else if (is_new)
        p->w->first(&p->out, &p->about, f, p->nth++);
}

static enum err_code next_finding(struct report *p, struct err *e)
{
    AUTO(json) json_t *j = NULL;
    struct finding f;
    struct str line;

    TRY(read_line(p, &line, e));
    if (!p->skipped) {
        p->skipped = true;
        return ERR_OK;
    }
    p->at++;
    TRY(finding_parse(line, &f, &j, e));
    if (is_wanted(p, &f))
        add_finding(p, &f);
    return ERR_OK;
}

static enum err_code end_pass(struct report *p, struct err *e)
{
    if (p->step == SECOND) {
        p->w->tail(&p->out, &p->about);
        p->step = END;
        return ERR_OK;
    }
    p->w->middle(&p->out, &p->about);
    p->step = SECOND;
    p->at = p->nth = p->rules = 0;
    p->in_at = p->in_n = 0;
    p->skipped = false;
    buf_clear(&p->rule);
    return p->blob ? reader_seek(p->blob, 0, e) : ERR_OK;
}

static enum err_code next(struct report *p, struct err *e)
{
    if (p->step == HEAD) {
        p->w->head(&p->out, &p->about);
        p->step = FIRST;
        return ERR_OK;
    }
    return p->at == p->total ? end_pass(p, e) : next_finding(p, e);
}

static enum err_code report_read(struct reader *r, void *dst, size_t cap, size_t *ret_n,
                                 struct err *e)
{
    struct report *p = (struct report *)(void *)r;
    size_t n = 0;

    while (n < cap && (p->step != END || p->out_at < p->out.n)) {
        size_t some = p->out.n - p->out_at;

        if (some == 0) {
            enum err_code code;

            buf_clear(&p->out);
            p->out_at = 0;
            code = next(p, e);
            if (code == ERR_LATER && n > 0)
                break;
            TRY(code);
            if (p->out.full)
                return err_set(e, ERR_CORRUPT, "a finding is too long for a report");
            continue;
        }
        if (some > cap - n)
            some = cap - n;
        memcpy((char *)dst + n, p->out.p + p->out_at, some);
        p->out_at += some;
        n += some;
    }
    *ret_n = n;
    return ERR_OK;
}

static const struct reader_ops ops = {
    .read = report_read, .wait_fd = report_wait_fd, .free = report_free};

static void free_report(struct report **p)
{
    if (*p)
        report_free(&(*p)->reader);
}

enum err_code report_open(struct registry *r, const struct report_order *o,
                          struct reader **ret_reader, struct err *e)
{
    static const struct repo_name scans_repo = {sizeof(SCANS_REPO) - 1, SCANS_REPO};
    __attribute__((cleanup(free_report))) struct report *p = NEW(struct report);
    uint64_t bytes;

    p->reader.ops = &ops;
    p->w = writers[o->format];
    p->about = (struct report_about){*o->repo, *o->image, *o->result};
    p->severities = o->severities;
    p->fix = o->fix;
    p->total = o->result->findings.text[0] ? scan_result_total(o->result) : 0;
    p->in = mem_alloc(LINE_BYTES);
    buf_init(&p->out, OUT_BYTES);
    buf_init(&p->rule, 4096);
    if (p->total > 0)
        TRY(store_blob_open(r->store, &scans_repo, &o->result->findings, o->result->findings_bytes,
                            &p->blob, &bytes, e));
    *ret_reader = &STEAL(p)->reader;
    return ERR_OK;
}
