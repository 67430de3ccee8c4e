#include "scan/findings_blob.h"

#include "base/clock.h"
#include "base/mem.h"
#include "core/own_repo.h"
#include "core/pull.h"
#include "core/upload.h"

#include <stdlib.h>

#define NUMBER_BYTES 8
#define PIECE_BYTES  (64u << 10)
#define LINE_BYTES   (128u << 10) /* all texts at their longest, each byte escaped */
#define NUMBERS_READ 512
#define SKIP_BYTES   (256u << 10) /* of a gap that is read over rather than asked around */

static const struct repo_name scans_repo = {sizeof(SCANS_REPO) - 1, SCANS_REPO};

/* ---- a line */

static void add_text(struct buf *b, const char *key, struct str s)
{
    buf_addf(b, ",\"%s\":", key);
    if (s.n > 0)
        buf_add_json(b, s);
    else
        buf_add_text(b, "null");
}

static void add_score(struct buf *b, const struct finding *f)
{
    if (f->score < 0) {
        buf_add_text(b, ",\"cvss\":null");
        return;
    }
    buf_addf(b, ",\"cvss\":{\"score\":%.1f", f->score);
    add_text(b, "vector", f->vector);
    add_text(b, "source", f->score_source);
    buf_add_char(b, '}');
}

void finding_print(const struct finding *f, struct buf *b)
{
    char since[CLOCK_RFC3339_SIZE];

    clock_rfc3339(f->since_ms, since);
    buf_add_text(b, "{\"cve\":");
    buf_add_json(b, f->cve);
    buf_addf(b, ",\"severity\":\"%s\",\"package\":", severity_name(f->severity));
    buf_add_json(b, f->package);
    buf_add_text(b, ",\"installed_version\":");
    buf_add_json(b, f->installed);
    add_text(b, "fixed_version", f->fixed);
    add_text(b, "title", f->title);
    buf_add_text(b, ",\"description\":");
    buf_add_json(b, f->description.n > 0 ? f->description : f->title);
    add_score(b, f);
    add_text(b, "link", f->link);
    add_text(b, "status", f->status);
    add_text(b, "source", f->source);
    add_text(b, "path", f->path);
    add_text(b, "purl", f->purl);
    add_text(b, "layer", f->layer);
    buf_addf(b, ",\"since\":\"%s\"}", since);
}

static struct str text_of(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);

    return json_is_string(v) ? (struct str){json_string_value(v), json_string_length(v)} : STR("");
}

enum err_code finding_parse(struct str line, struct finding *ret, json_t **ret_json, struct err *e)
{
    AUTO(json) json_t *j = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
    const json_t *cvss = json_object_get(j, "cvss");
    struct finding f = {.cve = text_of(j, "cve"),
                        .package = text_of(j, "package"),
                        .path = text_of(j, "path"),
                        .purl = text_of(j, "purl"),
                        .installed = text_of(j, "installed_version"),
                        .fixed = text_of(j, "fixed_version"),
                        .status = text_of(j, "status"),
                        .title = text_of(j, "title"),
                        .description = text_of(j, "description"),
                        .link = text_of(j, "link"),
                        .source = text_of(j, "source"),
                        .layer = text_of(j, "layer"),
                        .vector = text_of(cvss, "vector"),
                        .score_source = text_of(cvss, "source"),
                        .score = cvss && json_is_object(cvss)
                                     ? json_number_value(json_object_get(cvss, "score"))
                                     : -1};

    if (!severity_parse(text_of(j, "severity"), &f.severity) ||
        !clock_parse(text_of(j, "since"), &f.since_ms))
        return err_set(e, ERR_CORRUPT, "a line of findings is damaged");
    *ret = f;
    *ret_json = STEAL(j);
    return ERR_OK;
}

/* ---- writing */

struct out {
    struct upload *u;
    struct buf piece;
    uint64_t at;
};

static enum err_code flush(struct out *o, struct err *e)
{
    TRY(upload_write(o->u, o->piece.p, o->piece.n, e));
    o->at += o->piece.n;
    buf_clear(&o->piece);
    return ERR_OK;
}

static enum err_code write_lines(struct out *o, const struct finding_list *l, uint64_t *numbers,
                                 struct err *e)
{
    for (size_t i = 0; i < l->n; i++) {
        numbers[i] = (o->at + o->piece.n) << 1 | (finding_is_fixable(&l->items[i]) ? 1 : 0);
        finding_print(&l->items[i], &o->piece);
        buf_add_char(&o->piece, '\n');
        if (o->piece.full)
            return err_set(e, ERR_INTERNAL, "a finding is too long");
        if (o->piece.n >= PIECE_BYTES)
            TRY(flush(o, e));
    }
    return ERR_OK;
}

static enum err_code write_numbers(struct out *o, const uint64_t *numbers, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < NUMBER_BYTES; k++)
            buf_add_char(&o->piece, (char)(numbers[i] >> 8 * k));
        if (o->piece.n >= PIECE_BYTES)
            TRY(flush(o, e));
    }
    return flush(o, e);
}

static enum err_code write_all(struct out *o, const struct digest *image,
                               const struct finding_list *l, struct err *e)
{
    AUTO(mem) uint64_t *numbers = mem_alloc((l->n + 1) * sizeof(*numbers));

    buf_addf(&o->piece, "{\"image\":\"%s\",\"written\":%lld}\n", image->text,
             (long long)clock_wall_ms());
    TRY(write_lines(o, l, numbers, e));
    return write_numbers(o, numbers, l->n, e);
}

enum err_code scan_blob_finish(struct registry *r, struct upload *given, struct digest *ret_digest,
                               struct err *e)
{
    AUTO(upload) struct upload *u = given;
    char now[STR_DECIMAL_MAX];
    struct meta_op op;
    struct digest d;

    upload_written(u, &d);
    op = meta_op_record_put(SCAN_LOOSE, digest_str(&d), str_decimal((uint64_t)clock_wall_ms(), now),
                            META_ANY);
    TRY(meta_commit(r->meta, &op, 1, 0, NULL, e));
    TRY(upload_finish(STEAL(u), &d, NULL, e));
    *ret_digest = d;
    return ERR_OK;
}

enum err_code findings_write(struct registry *r, const struct digest *image,
                             const struct finding_list *l, struct digest *ret_digest,
                             uint64_t *ret_bytes, struct err *e)
{
    AUTO(upload) struct upload *u = NULL;
    struct out o = {0};
    enum err_code code;

    TRY(registry_has_room(r, e));
    TRY(upload_open_alone(r, &scans_repo, "", DIGEST_SHA256, &u, e));
    o.u = u;
    buf_init(&o.piece, PIECE_BYTES + LINE_BYTES);
    code = write_all(&o, image, l, e);
    buf_done(&o.piece);
    TRY(code);
    TRY(scan_blob_finish(r, STEAL(u), ret_digest, e));
    *ret_bytes = o.at;
    return ERR_OK;
}

/* ---- reading */

struct in {
    struct reader *reader;
    uint64_t at;    /* of the reader */
    uint64_t total; /* findings */
    uint64_t numbers_at;
    char *line;
};

static void in_done(struct in *in)
{
    if (in->reader)
        reader_free(in->reader);
    free(in->line);
}

static enum err_code read_all(struct in *in, void *dst, size_t n, struct err *e)
{
    size_t got;

    for (size_t done = 0; done < n; done += got) {
        TRY(reader_read_waiting(in->reader, (char *)dst + done, n - done, &got, e));
        if (got == 0)
            return err_set(e, ERR_CORRUPT, "a list of findings is cut");
        in->at += got;
    }
    return ERR_OK;
}

static enum err_code go_to(struct in *in, uint64_t at, struct err *e)
{
    while (in->at < at && at - in->at <= SKIP_BYTES) {
        size_t n = at - in->at < LINE_BYTES ? (size_t)(at - in->at) : LINE_BYTES;

        TRY(read_all(in, in->line, n, e));
    }
    if (in->at != at)
        TRY(reader_seek(in->reader, at, e));
    in->at = at;
    return ERR_OK;
}

static enum err_code open_blob(struct registry *r, const struct scan_result *s, struct in *in,
                               struct err *e)
{
    uint64_t bytes;

    in->total = scan_result_total(s);
    TRY(store_blob_open(r->store, &scans_repo, &s->findings, s->findings_bytes, &in->reader, &bytes,
                        e));
    if (bytes != s->findings_bytes || in->total > bytes / NUMBER_BYTES)
        return err_set(e, ERR_CORRUPT, "a list of findings is cut");
    in->numbers_at = bytes - in->total * NUMBER_BYTES;
    in->line = mem_alloc(LINE_BYTES);
    return ERR_OK;
}

/* Of findings from..from+n-1, and of what is behind them. */
static enum err_code read_numbers(struct in *in, uint64_t from, size_t n, uint64_t *dst,
                                  struct err *e)
{
    unsigned char bytes[(NUMBERS_READ + 1) * NUMBER_BYTES];
    size_t there = from + n < in->total ? n + 1 : (size_t)(in->total - from);

    TRY(go_to(in, in->numbers_at + from * NUMBER_BYTES, e));
    TRY(read_all(in, bytes, there * NUMBER_BYTES, e));
    for (size_t i = 0; i < there; i++) {
        dst[i] = 0;
        for (int k = 0; k < NUMBER_BYTES; k++)
            dst[i] |= (uint64_t)bytes[i * NUMBER_BYTES + k] << 8 * k;
        if (dst[i] >> 1 > in->numbers_at || (i > 0 && dst[i] >> 1 <= dst[i - 1] >> 1))
            return err_set(e, ERR_CORRUPT, "a list of findings is damaged");
    }
    if (there == n)
        dst[n] = in->numbers_at << 1;
    return ERR_OK;
}

/* The severity of a place, as they are sorted; *ret_end is behind the last of it. */
static enum severity severity_at(const struct scan_result *s, uint64_t at, uint64_t *ret_end)
{
    *ret_end = 0;
    for (int i = SEVERITIES - 1; i >= 0; i--) {
        *ret_end += s->counts[i];
        if (at < *ret_end)
            return (enum severity)i;
    }
    return SEVERITY_UNKNOWN;
}

static bool is_wanted(const struct findings_query *q, uint64_t number)
{
    return q->fix == FINDINGS_ANY || (number & 1) == (q->fix == FINDINGS_FIXABLE);
}

struct paging {
    struct in in;
    const struct findings_query *q;
    findings_fn fn;
    void *ctx;
    uint64_t numbers[NUMBERS_READ + 1];
    size_t n, bytes; /* that were given so far */
    uint64_t next;
};

static enum err_code give(struct paging *p, size_t i, struct err *e)
{
    uint64_t at = p->numbers[i] >> 1, end = p->numbers[i + 1] >> 1;
    size_t n = (size_t)(end - at);

    if (n == 0 || n > LINE_BYTES)
        return err_set(e, ERR_CORRUPT, "a list of findings is damaged");
    TRY(go_to(&p->in, at, e));
    TRY(read_all(&p->in, p->in.line, n, e));
    p->n++;
    p->bytes += n;
    return p->fn(p->ctx, (struct str){p->in.line, n - 1}, e);
}

/* Those of one stretch of numbers; *at goes on. */
static enum err_code give_some(struct paging *p, uint64_t *at, uint64_t end, bool *ret_full,
                               struct err *e)
{
    size_t n = end - *at < NUMBERS_READ ? (size_t)(end - *at) : NUMBERS_READ;

    *ret_full = false;
    TRY(read_numbers(&p->in, *at, n, p->numbers, e));
    for (size_t i = 0; i < n; i++, (*at)++) {
        if (!is_wanted(p->q, p->numbers[i]))
            continue;
        if (p->n >= p->q->limit || p->bytes >= FINDINGS_PAGE_BYTES) {
            *ret_full = true;
            return ERR_OK;
        }
        TRY(give(p, i, e));
    }
    return ERR_OK;
}

static enum err_code page(struct paging *p, const struct scan_result *s, struct err *e)
{
    uint64_t at = p->q->from, end;
    bool full = false;

    while (at < p->in.total) {
        enum severity severity = severity_at(s, at, &end);

        if (p->q->severities && !(p->q->severities & 1u << severity))
            at = end;
        while (at < end) {
            TRY(give_some(p, &at, end, &full, e));
            if (full) {
                p->next = at;
                return ERR_OK;
            }
        }
    }
    return ERR_OK;
}

enum err_code findings_page(struct registry *r, const struct scan_result *s,
                            const struct findings_query *q, findings_fn fn, void *ctx,
                            uint64_t *ret_next, struct err *e)
{
    AUTO(mem) struct paging *p = mem_zero(sizeof(*p));
    enum err_code code = ERR_OK;

    *p = (struct paging){.q = q, .fn = fn, .ctx = ctx, .next = UINT64_MAX};
    if (s->findings.text[0] && scan_result_total(s) > 0) {
        code = open_blob(r, s, &p->in, e);
        if (code == ERR_OK)
            code = page(p, s, e);
        in_done(&p->in);
    }
    if (code == ERR_OK)
        *ret_next = p->next;
    return code;
}

static enum err_code keep(void *ctx, struct str line, struct err *e)
{
    AUTO(json) json_t *j = NULL;
    struct finding f;

    TRY(finding_parse(line, &f, &j, e));
    return finding_list_add(ctx, &f, e);
}

enum err_code findings_read(struct registry *r, const struct scan_result *s, enum severity least,
                            struct finding_list *ret, struct err *e)
{
    struct findings_query q = {.limit = FINDINGS_PAGE_MAX};

    for (int i = (int)least; i < SEVERITIES; i++)
        q.severities |= 1u << i;
    while (q.from != UINT64_MAX)
        TRY(findings_page(r, s, &q, keep, ret, &q.from, e));
    return ERR_OK;
}
