#include "scan/adapter_report.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>
#include <yajl/yajl_parse.h>

#define TOKEN_BYTES (1u << 20) /* the parser keeps a text whole before it tells of it */
#define FEED_BYTES  65536      /* how often that is looked at */
#define TEXT_BYTES  (FINDING_DESCRIPTION_MAX + 4) /* a list cuts it, at a character */
#define NUMBER_MAX  64

/* Where in the report the parser is. */
enum place { SKIPPED, OUTSIDE, REPORT, ARTIFACT, PROGRAM, ITEMS, ITEM, LINKS, SCORES };

enum type { TEXT, NUMBER, MAP, LIST };

enum text {
    ID,
    PACKAGE,
    VERSION,
    FIX_VERSION,
    SEVERITY,
    DESCRIPTION,
    VECTOR_2,
    VECTOR_3,
    LINK,
    ITEM_TEXTS, /* cleared with each */
    DIGEST = ITEM_TEXTS,
    PROGRAM_NAME,
    PROGRAM_VERSION,
    ALL_TEXTS,
    SCORE_2, /* numbers */
    SCORE_3,
};

/* One key: of what, and what stands there. `what` is a text or number for a value, else a place. */
static const struct row {
    enum place at;
    const char *key;
    enum type type;
    int what;
} rows[] = {
    {REPORT, "artifact", MAP, ARTIFACT},
    {REPORT, "scanner", MAP, PROGRAM},
    {REPORT, "vulnerabilities", LIST, ITEMS},
    {ARTIFACT, "digest", TEXT, DIGEST},
    {PROGRAM, "name", TEXT, PROGRAM_NAME},
    {PROGRAM, "version", TEXT, PROGRAM_VERSION},
    {ITEM, "id", TEXT, ID},
    {ITEM, "package", TEXT, PACKAGE},
    {ITEM, "version", TEXT, VERSION},
    {ITEM, "fix_version", TEXT, FIX_VERSION},
    {ITEM, "severity", TEXT, SEVERITY},
    {ITEM, "description", TEXT, DESCRIPTION},
    {ITEM, "links", LIST, LINKS},
    {ITEM, "preferred_cvss", MAP, SCORES},
    {SCORES, "score_v2", NUMBER, SCORE_2},
    {SCORES, "score_v3", NUMBER, SCORE_3},
    {SCORES, "vector_v2", TEXT, VECTOR_2},
    {SCORES, "vector_v3", TEXT, VECTOR_3},
};

/* What stands in a list, and alone. */
static const struct row items[] = {
    {OUTSIDE, "the report", MAP, REPORT},
    {ITEMS, "vulnerabilities", MAP, ITEM},
    {LINKS, "links", TEXT, LINK},
};

struct adapter_report {
    yajl_handle parser;
    struct str digest;
    struct finding_list *list;
    struct scan_facts *facts;
    struct err e;
    uint64_t fed_bytes, seen_bytes; /* all, and when the parser last told of something */
    size_t depth;
    enum place places[JSON_DEPTH_MAX + 1];
    const struct row *row; /* of the value that comes; NULL: it is passed over, or a list's */
    bool has_items;
    double score_2, score_3; /* less than 0: there is none */
    struct buf texts[ALL_TEXTS];
};

static int refuse(struct adapter_report *r, const char *what, const char *why)
{
    err_set(&r->e, ERR_INTERNAL, "its report can't be read: '%s' %s", what, why);
    return 0;
}

static enum place here(const struct adapter_report *r)
{
    return r->places[r->depth];
}

static struct str text_of(const struct adapter_report *r, int which)
{
    return buf_str(&r->texts[which]);
}

/* The row of the value that begins; *ret_row NULL: pass it over. 0: it has another type. */
static int take(struct adapter_report *r, enum type type, const struct row **ret_row)
{
    static const char *const names[] = {
        [TEXT] = "text", [NUMBER] = "number", [MAP] = "object", [LIST] = "list"};
    const struct row *row = r->row;

    r->seen_bytes = r->fed_bytes;
    for (size_t i = 0; !row && i < sizeof(items) / sizeof(items[0]); i++) {
        if (items[i].at == here(r))
            row = &items[i];
    }
    r->row = NULL;
    *ret_row = row;
    if (!row || row->type == type)
        return 1;
    err_set(&r->e, ERR_INTERNAL, "its report can't be read: '%s' is no %s", row->key,
            names[row->type]);
    return 0;
}

/* ---- values */

static int on_text(void *ctx, const unsigned char *p, size_t n)
{
    struct adapter_report *r = ctx;
    const struct row *row;

    if (!take(r, TEXT, &row))
        return 0;
    if (!row || (row->what == LINK && r->texts[LINK].n > 0)) /* the first counts */
        return 1;
    buf_clear(&r->texts[row->what]);
    buf_add(&r->texts[row->what], p, n < TEXT_BYTES ? n : TEXT_BYTES);
    return 1;
}

static int on_number(void *ctx, const char *p, size_t n)
{
    struct adapter_report *r = ctx;
    const struct row *row;
    char text[NUMBER_MAX + 1];
    double value;

    if (!take(r, NUMBER, &row))
        return 0;
    if (!row)
        return 1;
    if (!str_copy((struct str){p, n}, text, sizeof(text)))
        return refuse(r, row->key, "is no number of this kind");
    value = strtod(text, NULL);
    if (value >= 0 && value <= 10)
        *(row->what == SCORE_2 ? &r->score_2 : &r->score_3) = value;
    return 1;
}

/* No row is of that type. */
static int on_boolean(void *ctx, int value)
{
    struct adapter_report *r = ctx;
    const struct row *row;

    (void)value;
    if (!take(r, MAP, &row))
        return 0;
    return row ? refuse(r, row->key, "is a truth value") : 1;
}

/* It says nothing of what it stands for, as if it were not there; but a list of no vulnerabilities
 * is written so, and a list has no such items. */
static int on_null(void *ctx)
{
    struct adapter_report *r = ctx;
    const struct row *row = r->row;

    r->seen_bytes = r->fed_bytes;
    r->row = NULL;
    if (row && row->what == ITEMS && row->type == LIST)
        r->has_items = true;
    if (!row && (here(r) == ITEMS || here(r) == OUTSIDE))
        return refuse(r, "null", "stands where an object should");
    return 1;
}

static int on_key(void *ctx, const unsigned char *p, size_t n)
{
    struct adapter_report *r = ctx;
    struct str key = {(const char *)p, n};

    r->seen_bytes = r->fed_bytes;
    r->row = NULL;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].at == here(r) && str_eq(key, str_of(rows[i].key)))
            r->row = &rows[i];
    }
    return 1;
}

/* ---- places */

static void begin(struct adapter_report *r, enum place place)
{
    if (place == ITEMS)
        r->has_items = true;
    if (place != ITEM)
        return;
    for (int i = 0; i < ITEM_TEXTS; i++)
        buf_clear(&r->texts[i]);
    r->score_2 = r->score_3 = -1;
}

static int enter(struct adapter_report *r, enum type type)
{
    const struct row *row;

    if (!take(r, type, &row))
        return 0;
    if (r->depth == JSON_DEPTH_MAX)
        return refuse(r, row ? row->key : "it", "is nested too deeply");
    r->places[++r->depth] = row ? (enum place)row->what : SKIPPED;
    begin(r, here(r));
    return 1;
}

static int on_map(void *ctx)
{
    return enter(ctx, MAP);
}

static int on_list(void *ctx)
{
    return enter(ctx, LIST);
}

static void set_score(const struct adapter_report *r, struct finding *f)
{
    bool newer = r->score_3 >= 0;

    f->score = newer ? r->score_3 : r->score_2;
    if (f->score >= 0)
        f->vector = text_of(r, newer ? VECTOR_3 : VECTOR_2);
}

static int add_finding(struct adapter_report *r)
{
    struct finding f = {.cve = text_of(r, ID),
                        .package = text_of(r, PACKAGE),
                        .installed = text_of(r, VERSION),
                        .fixed = text_of(r, FIX_VERSION),
                        .status = r->texts[FIX_VERSION].n > 0 ? STR("fixed") : STR("affected"),
                        .description = text_of(r, DESCRIPTION),
                        .link = text_of(r, LINK)};

    if (f.cve.n == 0 || f.package.n == 0)
        return refuse(r, "vulnerabilities", "has one without an id or a package");
    /* "Unknown" is also "a priority that the scanner did not recognize"; so is one that we do not
     */
    if (!severity_parse(text_of(r, SEVERITY), &f.severity))
        f.severity = SEVERITY_UNKNOWN;
    set_score(r, &f);
    return finding_list_add(r->list, &f, &r->e) == ERR_OK;
}

static int leave(void *ctx)
{
    struct adapter_report *r = ctx;
    enum place left = here(r);

    r->seen_bytes = r->fed_bytes;
    r->row = NULL;
    r->depth--;
    return left == ITEM ? add_finding(r) : 1;
}

/* ---- all of it */

static const yajl_callbacks callbacks = {.yajl_null = on_null,
                                         .yajl_boolean = on_boolean,
                                         .yajl_number = on_number,
                                         .yajl_string = on_text,
                                         .yajl_start_map = on_map,
                                         .yajl_map_key = on_key,
                                         .yajl_end_map = leave,
                                         .yajl_start_array = on_list,
                                         .yajl_end_array = leave};

struct adapter_report *adapter_report_new(const struct digest *digest, struct finding_list *list,
                                          struct scan_facts *facts)
{
    struct adapter_report *r = NEW(struct adapter_report);

    r->parser = yajl_alloc(&callbacks, NULL, r);
    r->digest = digest_str(digest);
    r->list = list;
    r->facts = facts;
    r->places[0] = OUTSIDE;
    for (int i = 0; i < ALL_TEXTS; i++)
        buf_init(&r->texts[i], TEXT_BYTES);
    return r;
}

void adapter_report_free(struct adapter_report *r)
{
    if (!r)
        return;
    yajl_free(r->parser);
    for (int i = 0; i < ALL_TEXTS; i++)
        buf_done(&r->texts[i]);
    free(r);
}

static enum err_code failed(struct adapter_report *r, yajl_status status, struct err *e)
{
    *e = r->e;
    if (status == yajl_status_client_canceled)
        return e->code;
    return err_set(e, ERR_INTERNAL, "its report can't be read: it is no JSON after %llu bytes",
                   (unsigned long long)r->fed_bytes);
}

enum err_code adapter_report_feed(struct adapter_report *r, struct str bytes, struct err *e)
{
    while (bytes.n > 0) {
        size_t n = bytes.n < FEED_BYTES ? bytes.n : FEED_BYTES;
        yajl_status status;

        r->fed_bytes += n;
        status = yajl_parse(r->parser, (const unsigned char *)bytes.p, n);
        if (status != yajl_status_ok)
            return failed(r, status, e);
        if (r->fed_bytes - r->seen_bytes > TOKEN_BYTES)
            return err_set(e, ERR_INTERNAL,
                           "its report can't be read: a text of more than %u bytes", TOKEN_BYTES);
        bytes = str_sub(bytes, n, bytes.n - n);
    }
    return ERR_OK;
}

/* At a character. */
static void keep_text(struct str s, char *dst, size_t cap)
{
    while (s.n >= cap || (s.n > 0 && memchr(s.p, '\0', s.n)))
        s.n--;
    if (s.n > 0)
        memcpy(dst, s.p, s.n);
    dst[s.n] = '\0';
}

enum err_code adapter_report_end(struct adapter_report *r, struct err *e)
{
    yajl_status status = yajl_complete_parse(r->parser);

    if (status != yajl_status_ok)
        return failed(r, status, e);
    if (!r->has_items)
        return err_set(e, ERR_INTERNAL, "its report has no 'vulnerabilities'");
    if (r->texts[DIGEST].n > 0 && !str_eq(text_of(r, DIGEST), r->digest))
        return err_set(e, ERR_INTERNAL, "its report is about another image");
    if (r->texts[PROGRAM_NAME].n > 0)
        keep_text(text_of(r, PROGRAM_NAME), r->facts->scanner, sizeof(r->facts->scanner));
    if (r->texts[PROGRAM_VERSION].n > 0)
        keep_text(text_of(r, PROGRAM_VERSION), r->facts->version, sizeof(r->facts->version));
    return ERR_OK;
}
