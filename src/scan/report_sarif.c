/* Source: SARIF 2.1.0 (OASIS), sections 3.19, 3.27, 3.28, 3.49; `security-severity` is what hosts
 * of code go by. */
#include "scan/report_sarif.h"

#include <stdio.h>

static const struct {
    const char *level, *score; /* without one of CVSS */
} of_severity[SEVERITIES] = {[SEVERITY_UNKNOWN] = {"note", "0.0"},
                             [SEVERITY_LOW] = {"note", "2.0"},
                             [SEVERITY_MEDIUM] = {"warning", "5.5"},
                             [SEVERITY_HIGH] = {"error", "8.0"},
                             [SEVERITY_CRITICAL] = {"error", "9.5"}};

static struct str or (struct str s, struct str otherwise)
{
    return s.n > 0 ? s : otherwise;
}

static void head(struct buf *b, const struct report_about *a)
{
    const struct scan_facts *f = &a->result.facts;

    buf_add_text(b, "{\"$schema\":\"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/"
                    "schemas/sarif-schema-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{\"tool\":{"
                    "\"driver\":{\"name\":");
    buf_add_json(b, or (str_of(f->scanner), STR("unknown")));
    report_add_text(b, "version", str_of(f->version));
    buf_add_text(b, ",\"rules\":[");
}

static void add_message(struct buf *b, const char *key, struct str s)
{
    buf_addf(b, ",\"%s\":{\"text\":", key);
    buf_add_json(b, s);
    buf_add_char(b, '}');
}

static void add_rule(struct buf *b, const struct report_about *a, const struct finding *f,
                     uint64_t place)
{
    struct str title = or (f->title, f->cve);

    (void)a;
    buf_add_text(b, place > 0 ? ",{\"id\":" : "{\"id\":");
    buf_add_json(b, f->cve);
    add_message(b, "shortDescription", title);
    add_message(b, "fullDescription", or (f->description, title));
    if (report_is_url(f->link))
        report_add_text(b, "helpUri", f->link);
    buf_addf(b,
             ",\"defaultConfiguration\":{\"level\":\"%s\"},\"properties\":{\"tags\":["
             "\"vulnerability\",\"security\",\"%s\"],\"security-severity\":",
             of_severity[f->severity].level, severity_name(f->severity));
    if (f->score >= 0)
        buf_addf(b, "\"%.1f\"}}", f->score);
    else
        buf_addf(b, "\"%s\"}}", of_severity[f->severity].score);
}

static void middle(struct buf *b, const struct report_about *a)
{
    (void)a;
    buf_add_text(b, "]}},\"originalUriBaseIds\":{\"IMAGE\":{\"uri\":\"file:///\"}},\"results\":[");
}

/* Each segment of a path; what is not of a URL is percent-encoded. */
static void add_path(struct buf *b, struct str path)
{
    struct str one;
    bool more = true;

    while (more) {
        more = str_cut(&path, '/', &one);
        buf_add_percent(b, one);
        if (more)
            buf_add_char(b, '/');
    }
}

/* The file in the image, or of packages of a distribution, which are in none, the image. */
static void add_location(struct buf *b, const struct report_about *a, const struct finding *f)
{
    struct str path = f->path;

    while (path.n > 0 && path.p[0] == '/')
        path = str_sub(path, 1, path.n - 1);
    buf_add_text(b, ",\"locations\":[{\"physicalLocation\":{\"artifactLocation\":{\"uri\":\"");
    add_path(b, or (path, repo_name_str(&a->repo)));
    buf_addf(b, "\"%s},\"region\":{\"startLine\":1}},\"logicalLocations\":[{\"name\":",
             path.n > 0 ? ",\"uriBaseId\":\"IMAGE\"" : "");
    buf_add_json(b, or (f->package, STR("unknown")));
    report_add_text(b, "fullyQualifiedName", f->purl);
    buf_add_text(b, ",\"kind\":\"module\"}]}]");
}

static void add_result(struct buf *b, const struct report_about *a, const struct finding *f,
                       uint64_t nth, uint64_t place)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, 8192);
    buf_addf(&text, "%s: ", severity_name(f->severity));
    buf_add_str(&text, f->cve);
    buf_add_text(&text, " in ");
    report_add_package(&text, f);
    buf_add_text(&text, f->fixed.n > 0 ? ", fixed in " : ", without a fix");
    buf_add_str(&text, f->fixed);
    buf_add_text(b, nth > 0 ? ",{\"ruleId\":" : "{\"ruleId\":");
    buf_add_json(b, f->cve);
    buf_addf(b, ",\"ruleIndex\":%llu,\"level\":\"%s\"", (unsigned long long)place,
             of_severity[f->severity].level);
    add_message(b, "message", buf_str(&text));
    add_location(b, a, f);
    buf_addf(b, ",\"properties\":{\"severity\":\"%s\"", severity_name(f->severity));
    report_add_text(b, "package", f->package);
    report_add_text(b, "installed_version", f->installed);
    report_add_text(b, "fixed_version", f->fixed);
    report_add_text(b, "layer", f->layer);
    buf_add_text(b, "}}");
}

static void tail(struct buf *b, const struct report_about *a)
{
    buf_add_text(b, "],\"properties\":{\"repository\":");
    buf_add_json(b, repo_name_str(&a->repo));
    buf_addf(b, ",\"digest\":\"%s\"", a->image.text);
    report_add_text(b, "note", str_of(a->result.facts.note));
    buf_add_text(b, "}}]}\n");
}

const struct report_writer report_sarif = {.media_type = "application/sarif+json",
                                           .by_rule = true,
                                           .head = head,
                                           .first = add_rule,
                                           .middle = middle,
                                           .second = add_result,
                                           .tail = tail};
