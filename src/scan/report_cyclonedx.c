/* Source: CycloneDX 1.5, "metadata", "components", "vulnerabilities". */
#include "scan/report_cyclonedx.h"

#include "base/clock.h"

#include <stdio.h>

/* Of the list of findings, so that two reports of a scan are one; a UUID by its form (RFC 9562,
 * version 8). */
static void add_serial(struct buf *b, const struct report_about *a)
{
    const char *x = digest_hex(a->result.findings.text[0] ? &a->result.findings : &a->image).p;

    buf_addf(b, "\"urn:uuid:%.8s-%.4s-8%.3s-a%.3s-%.12s\"", x, x + 8, x + 12, x + 15, x + 18);
}

static void head(struct buf *b, const struct report_about *a)
{
    const struct scan_facts *f = &a->result.facts;
    char time[CLOCK_RFC3339_SIZE];

    clock_rfc3339(a->result.scanned_ms, time);
    buf_add_text(b, "{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.5\",\"serialNumber\":");
    add_serial(b, a);
    buf_addf(b,
             ",\"version\":1,\"metadata\":{\"timestamp\":\"%s\",\"tools\":{\"components\":[{"
             "\"type\":\"application\",\"name\":",
             time);
    buf_add_json(b, f->scanner[0] ? str_of(f->scanner) : STR("unknown"));
    report_add_text(b, "version", str_of(f->version));
    buf_addf(b, "}]},\"component\":{\"type\":\"container\",\"bom-ref\":\"image:%s\",\"name\":",
             a->image.text);
    buf_add_json(b, repo_name_str(&a->repo));
    buf_addf(b, ",\"version\":\"%s\"}},\"components\":[", a->image.text);
}

static void add_ref(struct buf *b, const struct finding *f)
{
    AUTO(buf) struct buf ref = {0};

    buf_init(&ref, 4096);
    report_add_ref(&ref, f);
    buf_add_json(b, buf_str(&ref));
}

static void add_component(struct buf *b, const struct report_about *a, const struct finding *f,
                          uint64_t place)
{
    (void)a;
    buf_addf(b, "%s{\"type\":\"library\",\"bom-ref\":", place > 0 ? "," : "");
    add_ref(b, f);
    buf_add_text(b, ",\"name\":");
    buf_add_json(b, f->package);
    report_add_text(b, "version", f->installed);
    report_add_text(b, "purl", f->purl);
    buf_add_char(b, '}');
}

static void middle(struct buf *b, const struct report_about *a)
{
    (void)a;
    buf_add_text(b, "],\"vulnerabilities\":[");
}

static const char *method_of(struct str vector)
{
    static const struct {
        const char *start, *method;
    } methods[] = {
        {"CVSS:4.", "CVSSv4"}, {"CVSS:3.1/", "CVSSv31"}, {"CVSS:3.", "CVSSv3"}, {"AV:", "CVSSv2"}};

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (str_starts(vector, str_of(methods[i].start)))
            return methods[i].method;
    }
    return "other";
}

static void add_rating(struct buf *b, const struct finding *f)
{
    buf_addf(b, ",\"ratings\":[{\"severity\":\"%s\"", severity_name(f->severity));
    if (f->score >= 0) {
        buf_addf(b, ",\"score\":%.1f,\"method\":\"%s\"", f->score, method_of(f->vector));
        report_add_text(b, "vector", f->vector);
    }
    if (f->score_source.n > 0) {
        buf_add_text(b, ",\"source\":{\"name\":");
        buf_add_json(b, f->score_source);
        buf_add_char(b, '}');
    }
    buf_add_text(b, "}]");
}

/* What is known of whether it matters here: nothing. */
static void add_analysis(struct buf *b, const struct finding *f)
{
    char since[CLOCK_RFC3339_SIZE];
    const char *response = "";

    clock_rfc3339(f->since_ms, since);
    if (finding_is_fixable(f))
        response = ",\"response\":[\"update\"]";
    else if (str_eq(f->status, STR("will_not_fix")))
        response = ",\"response\":[\"will_not_fix\"]";
    buf_addf(b, ",\"analysis\":{\"state\":\"in_triage\"%s,\"firstIssued\":\"%s\"}", response,
             since);
}

static void add_recommendation(struct buf *b, const struct finding *f)
{
    AUTO(buf) struct buf text = {0};

    if (!finding_is_fixable(f))
        return;
    buf_init(&text, 4096);
    buf_add_text(&text, "Upgrade ");
    buf_add_str(&text, f->package);
    buf_add_text(&text, " to ");
    buf_add_str(&text, f->fixed);
    report_add_text(b, "recommendation", buf_str(&text));
}

static void add_vulnerability(struct buf *b, const struct report_about *a, const struct finding *f,
                              uint64_t nth, uint64_t place)
{
    (void)a;
    (void)place;
    buf_add_text(b, nth > 0 ? ",{\"id\":" : "{\"id\":");
    buf_add_json(b, f->cve);
    if (f->source.n > 0) {
        buf_add_text(b, ",\"source\":{\"name\":");
        buf_add_json(b, f->source);
        buf_add_char(b, '}');
    }
    add_rating(b, f);
    report_add_text(b, "description", f->description.n > 0 ? f->description : f->title);
    add_recommendation(b, f);
    if (report_is_url(f->link)) {
        buf_add_text(b, ",\"advisories\":[{\"url\":");
        buf_add_json(b, f->link);
        buf_add_text(b, "}]");
    }
    add_analysis(b, f);
    buf_add_text(b, ",\"affects\":[{\"ref\":");
    add_ref(b, f);
    if (f->installed.n > 0) {
        buf_add_text(b, ",\"versions\":[{\"version\":");
        buf_add_json(b, f->installed);
        buf_add_text(b, ",\"status\":\"affected\"}]");
    }
    buf_add_text(b, "}]}");
}

static void tail(struct buf *b, const struct report_about *a)
{
    (void)a;
    buf_add_text(b, "]}\n");
}

const struct report_writer report_cyclonedx = {.media_type = "application/vnd.cyclonedx+json",
                                               .head = head,
                                               .first = add_component,
                                               .middle = middle,
                                               .second = add_vulnerability,
                                               .tail = tail};
