#include "scan/trivy_report.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <yajl/yajl_parse.h>

#define SCHEMA      2
#define TOKEN_BYTES (1u << 20) /* the parser keeps a text whole before it tells of it */
#define PIECE_BYTES 65536
#define TEXT_BYTES  (FINDING_DESCRIPTION_MAX + 4) /* a list cuts it, at a character */
#define SCORES_MAX  16
#define NUMBER_MAX  64

/* Where in the report the parser is: what stands there is known by the keys of THE table. */
enum place {
    SKIPPED,
    OUTSIDE,
    REPORT,
    PROGRAM,
    METADATA,
    SYSTEM,
    RESULTS,
    RESULT,
    PACKAGES,
    PACKAGE,
    VULNERABILITIES,
    VULNERABILITY,
    IDENTIFIER,
    LAYER,
    ADVISORY,
    SCORES,
    SCORE,
};

enum type { TEXT, NUMBER, BOOLEAN, MAP, LIST, NONE };

/* Texts of one vulnerability, and of the result that it stands in. */
enum text {
    CVE,
    NAME,
    PATH,
    PURL,
    INSTALLED,
    FIXED,
    STATUS,
    TITLE,
    DESCRIPTION,
    LINK,
    SOURCE,
    LAYER_DIGEST,
    SEVERITY,
    SEVERITY_SOURCE,
    TEXTS,
    TARGET = TEXTS,
    CLASS,
    VERSION,
    OS_FAMILY,
    OS_NAME,
    ALL_TEXTS,
    SCHEMA_VERSION,
    OS_ENDED,
    SCORE_2,
    SCORE_3,
    SCORE_4,
    VECTOR_2,
    VECTOR_3,
    VECTOR_4,
};

/* One key: of what, and what stands there. `what` is a text for a value, a place for the rest. */
static const struct row {
    enum place at;
    const char *key;
    enum type type;
    int what;
} rows[] = {
    {REPORT, "SchemaVersion", NUMBER, SCHEMA_VERSION},
    {REPORT, "Trivy", MAP, PROGRAM},
    {REPORT, "Metadata", MAP, METADATA},
    {REPORT, "Results", LIST, RESULTS},
    {PROGRAM, "Version", TEXT, VERSION},
    {METADATA, "OS", MAP, SYSTEM},
    {SYSTEM, "Family", TEXT, OS_FAMILY},
    {SYSTEM, "Name", TEXT, OS_NAME},
    {SYSTEM, "EOSL", BOOLEAN, OS_ENDED},
    {RESULT, "Target", TEXT, TARGET},
    {RESULT, "Class", TEXT, CLASS},
    {RESULT, "Packages", LIST, PACKAGES},
    {RESULT, "Vulnerabilities", LIST, VULNERABILITIES},
    {VULNERABILITY, "VulnerabilityID", TEXT, CVE},
    {VULNERABILITY, "PkgName", TEXT, NAME},
    {VULNERABILITY, "PkgPath", TEXT, PATH},
    {VULNERABILITY, "PkgIdentifier", MAP, IDENTIFIER},
    {VULNERABILITY, "InstalledVersion", TEXT, INSTALLED},
    {VULNERABILITY, "FixedVersion", TEXT, FIXED},
    {VULNERABILITY, "Status", TEXT, STATUS},
    {VULNERABILITY, "Layer", MAP, LAYER},
    {VULNERABILITY, "SeveritySource", TEXT, SEVERITY_SOURCE},
    {VULNERABILITY, "PrimaryURL", TEXT, LINK},
    {VULNERABILITY, "DataSource", MAP, ADVISORY},
    {VULNERABILITY, "Title", TEXT, TITLE},
    {VULNERABILITY, "Description", TEXT, DESCRIPTION},
    {VULNERABILITY, "Severity", TEXT, SEVERITY},
    {VULNERABILITY, "CVSS", MAP, SCORES},
    {IDENTIFIER, "PURL", TEXT, PURL},
    {LAYER, "Digest", TEXT, LAYER_DIGEST},
    {ADVISORY, "ID", TEXT, SOURCE},
    {SCORE, "V2Score", NUMBER, SCORE_2},
    {SCORE, "V3Score", NUMBER, SCORE_3},
    {SCORE, "V40Score", NUMBER, SCORE_4},
    {SCORE, "V2Vector", TEXT, VECTOR_2},
    {SCORE, "V3Vector", TEXT, VECTOR_3},
    {SCORE, "V40Vector", TEXT, VECTOR_4},
};

/* Of whatever key, and of what stands in a list. */
static const struct row any_score = {SCORES, "", MAP, SCORE};
static const struct row items[] = {
    {OUTSIDE, "the report", MAP, REPORT},
    {RESULTS, "Results", MAP, RESULT},
    {PACKAGES, "Packages", MAP, PACKAGE},
    {VULNERABILITIES, "Vulnerabilities", MAP, VULNERABILITY},
};

static const char *const type_names[] = {[TEXT] = "text",
                                         [NUMBER] = "number",
                                         [BOOLEAN] = "truth value",
                                         [MAP] = "object",
                                         [LIST] = "list"};

/* CVSS as one source has it, in its three versions; the newest counts. */
#define CVSS_VERSIONS 3
struct score {
    char source[32];
    double score[CVSS_VERSIONS]; /* less than 0: it has none */
    char vector[CVSS_VERSIONS][160];
};

/* What of the bytes the parser may have to keep. */
struct token {
    size_t n;
    bool in_text, escaped;
};

struct trivy_report {
    yajl_handle parser;
    struct finding_list *list;
    struct scan_facts *facts;
    struct err e;
    uint64_t bytes;
    struct token token;
    size_t depth; /* of places */
    enum place places[JSON_DEPTH_MAX + 1];
    const struct row *row; /* of the value that comes; NULL: it is passed over */
    bool has_schema;
    uint64_t n_packages, n_os_packages; /* of the result at hand, and of the distribution */
    size_t n_scores;
    struct score scores[SCORES_MAX];
    struct buf texts[ALL_TEXTS];
};

static int refuse(struct trivy_report *r, const char *what, const char *why)
{
    err_set(&r->e, ERR_INTERNAL, "its report can't be read: '%s' %s", what, why);
    return 0;
}

/* ---- values */

static enum place here(const struct trivy_report *r)
{
    return r->places[r->depth];
}

/* The row of the value that begins, whose type has to be that; *ret_row NULL: pass it over. 0: it
 * has another type. */
static int take(struct trivy_report *r, enum type type, const struct row **ret_row)
{
    const struct row *row = r->row;

    for (size_t i = 0; !row && i < sizeof(items) / sizeof(items[0]); i++) {
        if (items[i].at == here(r))
            row = &items[i];
    }
    r->row = NULL;
    *ret_row = row;
    if (row && row->type != type) {
        err_set(&r->e, ERR_INTERNAL, "its report can't be read: '%s' is no %s", row->key,
                type_names[row->type]);
        return 0;
    }
    return 1;
}

static void keep_text(char *dst, size_t cap, struct str s)
{
    size_t n = s.n < cap - 1 ? s.n : cap - 1;

    while (n < s.n && n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    if (n > 0)
        memcpy(dst, s.p, n);
    dst[n] = '\0';
}

static int on_text(void *ctx, const unsigned char *p, size_t n)
{
    struct trivy_report *r = ctx;
    const struct row *row;
    struct str s = {(const char *)p, n};

    if (!take(r, TEXT, &row))
        return 0;
    if (!row)
        return 1;
    if (row->what < ALL_TEXTS) {
        buf_clear(&r->texts[row->what]);
        buf_add(&r->texts[row->what], s.p, s.n < TEXT_BYTES ? s.n : TEXT_BYTES);
    } else if (r->n_scores > 0) {
        struct score *score = &r->scores[r->n_scores - 1];

        keep_text(score->vector[row->what - VECTOR_2], sizeof(score->vector[0]), s);
    }
    return 1;
}

static int on_number(void *ctx, const char *p, size_t n)
{
    struct trivy_report *r = ctx;
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
    if (row->what == SCHEMA_VERSION) {
        r->has_schema = value == SCHEMA;
        return r->has_schema ? 1 : refuse(r, row->key, "is not 2");
    }
    if (r->n_scores > 0 && value >= 0 && value <= 10)
        r->scores[r->n_scores - 1].score[row->what - SCORE_2] = value;
    return 1;
}

static int on_boolean(void *ctx, int value)
{
    struct trivy_report *r = ctx;
    const struct row *row;

    if (!take(r, BOOLEAN, &row))
        return 0;
    if (row)
        r->facts->os_ended = value;
    return 1;
}

/* It says nothing of what it stands for, as if it were not there; but a list has no such items. */
static int on_null(void *ctx)
{
    struct trivy_report *r = ctx;
    const struct row *unused;

    return r->row ? (r->row = NULL, 1) : take(r, NONE, &unused);
}

static int on_key(void *ctx, const unsigned char *p, size_t n)
{
    struct trivy_report *r = ctx;
    struct str key = {(const char *)p, n};

    r->row = NULL;
    if (here(r) == SCORES && r->n_scores < SCORES_MAX) {
        struct score *score = &r->scores[r->n_scores++];

        *score = (struct score){.score = {-1, -1, -1}};
        keep_text(score->source, sizeof(score->source), key);
        r->row = &any_score;
    }
    for (size_t i = 0; !r->row && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].at == here(r) && str_eq(key, str_of(rows[i].key)))
            r->row = &rows[i];
    }
    return 1;
}

/* ---- places */

static void begin(struct trivy_report *r, enum place place)
{
    if (place == RESULT) {
        buf_clear(&r->texts[TARGET]);
        buf_clear(&r->texts[CLASS]);
        r->n_packages = 0;
    }
    if (place == VULNERABILITY) {
        for (int i = 0; i < TEXTS; i++)
            buf_clear(&r->texts[i]);
        r->n_scores = 0;
    }
    if (place == PACKAGE)
        r->n_packages++;
}

static int enter(struct trivy_report *r, enum type type)
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

static struct str text_of(const struct trivy_report *r, int which)
{
    return buf_str(&r->texts[which]);
}

/* Whose score counts: that of who said how severe it is, then those that are known best, then the
 * first by name. Smaller is better. */
static unsigned rank_of(const struct trivy_report *r, const struct score *s)
{
    static const char *const known[] = {"nvd", "ghsa", "redhat"};
    size_t i = 0;

    if (str_eq(text_of(r, SEVERITY_SOURCE), str_of(s->source)))
        return 0;
    while (i < sizeof(known) / sizeof(known[0]) && strcmp(known[i], s->source) != 0)
        i++;
    return (unsigned)i + 1;
}

static bool has_score(const struct score *s)
{
    return s->score[0] >= 0 || s->score[1] >= 0 || s->score[2] >= 0;
}

static void choose_score(const struct trivy_report *r, struct finding *f)
{
    const struct score *best = NULL;
    size_t version = CVSS_VERSIONS - 1;

    f->score = -1;
    for (size_t i = 0; i < r->n_scores; i++) {
        const struct score *s = &r->scores[i];
        unsigned rank = rank_of(r, s), least = best ? rank_of(r, best) : UINT32_MAX;

        if (has_score(s) &&
            (rank < least || (rank == least && strcmp(s->source, best->source) < 0)))
            best = s;
    }
    if (!best)
        return;
    while (best->score[version] < 0)
        version--;
    f->score = best->score[version];
    f->vector = str_of(best->vector[version]);
    f->score_source = str_of(best->source);
}

static int add_finding(struct trivy_report *r)
{
    struct finding f = {.cve = text_of(r, CVE),
                        .package = text_of(r, NAME),
                        .path = text_of(r, PATH),
                        .purl = text_of(r, PURL),
                        .installed = text_of(r, INSTALLED),
                        .fixed = text_of(r, FIXED),
                        .status = text_of(r, STATUS),
                        .title = text_of(r, TITLE),
                        .description = text_of(r, DESCRIPTION),
                        .link = text_of(r, LINK),
                        .source = text_of(r, SOURCE),
                        .layer = text_of(r, LAYER_DIGEST)};

    if (f.cve.n == 0 || f.package.n == 0)
        return refuse(r, "Vulnerabilities", "has one without an id or a package");
    if (!severity_parse(text_of(r, SEVERITY), &f.severity))
        return refuse(r, "Severity", "is none that is known");
    if (f.path.n == 0 && str_eq(text_of(r, CLASS), STR("lang-pkgs")))
        f.path = text_of(r, TARGET); /* a program whose modules are listed in it */
    choose_score(r, &f);
    return finding_list_add(r->list, &f, &r->e) == ERR_OK;
}

static void add_packages(struct trivy_report *r)
{
    r->facts->packages += r->n_packages;
    if (str_eq(text_of(r, CLASS), STR("os-pkgs")))
        r->n_os_packages += r->n_packages;
}

static int leave(void *ctx)
{
    struct trivy_report *r = ctx;
    enum place was = here(r);

    r->row = NULL;
    r->depth--;
    if (was == RESULT)
        add_packages(r);
    return was == VULNERABILITY ? add_finding(r) : 1;
}

/* ---- bytes */

static const yajl_callbacks callbacks = {.yajl_null = on_null,
                                         .yajl_boolean = on_boolean,
                                         .yajl_number = on_number,
                                         .yajl_string = on_text,
                                         .yajl_start_map = on_map,
                                         .yajl_map_key = on_key,
                                         .yajl_end_map = leave,
                                         .yajl_start_array = on_list,
                                         .yajl_end_array = leave};

struct trivy_report *trivy_report_new(struct finding_list *list, struct scan_facts *facts)
{
    struct trivy_report *r = NEW(struct trivy_report);

    r->list = list;
    r->facts = facts;
    r->places[0] = OUTSIDE;
    for (int i = 0; i < ALL_TEXTS; i++)
        buf_init(&r->texts[i], TEXT_BYTES);
    r->parser = yajl_alloc(&callbacks, NULL, r);
    yajl_config(r->parser, yajl_dont_validate_strings, 1); /* a finding need not be UTF-8 */
    return r;
}

void trivy_report_free(struct trivy_report *r)
{
    if (!r)
        return;
    yajl_free(r->parser);
    for (int i = 0; i < ALL_TEXTS; i++)
        buf_done(&r->texts[i]);
    free(r);
}

/* Is each text, number and word short enough to be kept? */
static bool tokens_are_short(struct token *t, struct str bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        char c = bytes.p[i];

        if (t->in_text && (t->escaped || c == '\\')) {
            t->escaped = !t->escaped;
        } else if (c == '"') {
            t->in_text = !t->in_text;
            t->n = 0;
        } else if (!t->in_text && strchr(" \t\r\n,:[]{}", c)) {
            t->n = 0;
        }
        if (++t->n > TOKEN_BYTES)
            return false;
    }
    return true;
}

static enum err_code outcome(struct trivy_report *r, yajl_status status, struct str bytes,
                             struct err *e)
{
    unsigned char *text;

    if (status == yajl_status_ok)
        return ERR_OK;
    if (status == yajl_status_client_canceled) {
        *e = r->e;
        return e->code;
    }
    text = yajl_get_error(r->parser, 0, (const unsigned char *)bytes.p, bytes.n);
    err_set(e, ERR_INTERNAL, "its report is no JSON within %llu bytes: %.*s",
            (unsigned long long)r->bytes, (int)strcspn((const char *)text, "\n"), text);
    yajl_free_error(r->parser, text);
    return e->code;
}

enum err_code trivy_report_feed(struct trivy_report *r, struct str bytes, struct err *e)
{
    r->bytes += bytes.n;
    if (!tokens_are_short(&r->token, bytes))
        return err_set(e, ERR_INTERNAL, "its report has a text of more than %u bytes", TOKEN_BYTES);
    return outcome(r, yajl_parse(r->parser, (const unsigned char *)bytes.p, bytes.n), bytes, e);
}

enum err_code trivy_report_end(struct trivy_report *r, struct err *e)
{
    struct scan_facts *f = r->facts;

    if (r->bytes == 0)
        return err_set(e, ERR_INTERNAL, "its report is empty");
    TRY(outcome(r, yajl_complete_parse(r->parser), STR_NONE, e));
    if (!r->has_schema)
        return err_set(e, ERR_INTERNAL, "its report can't be read: it has no 'SchemaVersion'");
    keep_text(f->scanner, sizeof(f->scanner), STR("trivy"));
    keep_text(f->version, sizeof(f->version), text_of(r, VERSION));
    keep_text(f->os_family, sizeof(f->os_family), text_of(r, OS_FAMILY));
    keep_text(f->os_name, sizeof(f->os_name), text_of(r, OS_NAME));
    f->os_unread = f->os_family[0] && r->n_os_packages == 0;
    return ERR_OK;
}

enum err_code trivy_report_read(int fd, struct finding_list *list, struct scan_facts *facts,
                                struct err *e)
{
    AUTO(trivy_report) struct trivy_report *r = trivy_report_new(list, facts);
    AUTO(mem) char *piece = mem_alloc(PIECE_BYTES);
    uint64_t at = 0;
    ssize_t n;

    while ((n = file_pread_all(fd, piece, PIECE_BYTES, at)) > 0) {
        TRY(trivy_report_feed(r, (struct str){piece, (size_t)n}, e));
        at += (uint64_t)n;
    }
    return n < 0 ? err_errno(e, "read a report") : trivy_report_end(r, e);
}
