/* Images as files: docs/archive.md. */
#include "api/handlers.h"
#include "api/parameter.h"
#include "api/pull_gate.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "core/archive_out.h"
#include "core/pulled.h"

#include <stdio.h>
#include <stdlib.h>

#define PLATFORM_MAX  128
#define NAME_MAX_SENT 600
#define FILE_REPO_MAX 100 /* of a file's name: no file system takes more than 255 */

/* What was asked for, out of the query. */
struct wish {
    enum out_format format;
    char platform[PLATFORM_MAX], name[NAME_MAX_SENT];
    struct digest *have;
    size_t n_have;
};

static inline void auto_wish_(struct wish *w)
{
    free(w->have);
}

static enum err_code add_have(struct str list, struct wish *w, struct err *e)
{
    struct str item;
    bool more;

    do {
        more = str_cut(&list, ',', &item);
        w->have = mem_resize(w->have, (w->n_have + 1) * sizeof(*w->have));
        TRY(digest_parse(item, &w->have[w->n_have], e));
        w->n_have++;
    } while (more);
    return ERR_OK;
}

/* As many digests as a request target holds. */
static enum err_code parse_have(struct req *q, struct wish *w, struct err *e)
{
    size_t cap = q->head->query.n + 1;
    AUTO(mem) char *text = mem_alloc(cap);
    int found;

    for (unsigned i = 0; (found = http_query_get(q->head->query, STR("have"), i, text, cap)) != 0;
         i++) {
        if (found < 0)
            return err_tell(e, ERR_REQUEST_INVALID, "query parameter 'have' is malformed");
        TRY(add_have(str_of(text), w, e));
    }
    return ERR_OK;
}

static enum err_code parse_wish(struct req *q, struct wish *w, struct err *e)
{
    char format[16];

    TRY(query_text(q, "format", format, sizeof(format), e));
    TRY(query_text(q, "platform", w->platform, sizeof(w->platform), e));
    TRY(query_text(q, "name", w->name, sizeof(w->name), e));
    if (strcmp(format, "oci") == 0)
        w->format = OUT_OCI;
    else if (format[0] && strcmp(format, "docker") != 0)
        return err_tell(e, ERR_REQUEST_INVALID, "format is 'docker' or 'oci'");
    return parse_have(q, w, e);
}

/* For retention: what was asked for, and the image of the platform as an engine would pull it. */
static void note_pull(struct req *q, const struct digest *manifest)
{
    struct reference image = {.is_digest = true, .digest = *manifest};

    if (q->head->method != HTTP_GET)
        return;
    pulled_note(q->registry->pulled, &q->name, &q->ref, clock_wall_ms());
    pulled_note(q->registry->pulled, &q->name, &image, clock_wall_ms());
}

static enum err_code open_archive(struct req *q, struct reader **ret_reader, uint64_t *ret_n_bytes,
                                  struct err *e)
{
    AUTO(wish) struct wish w = {0};
    AUTO(out_layout) struct out_layout l = {0};
    struct out_request asked = {.repo = &q->name, .ref = &q->ref};
    struct out_planned planned;

    TRY(parse_wish(q, &w, e));
    asked.format = w.format;
    asked.platform = w.platform;
    asked.name = w.name;
    asked.have = w.have;
    asked.n_have = w.n_have;
    TRY(out_plan(q->registry, &asked, &planned, e));
    l = planned.layout;
    TRY(pull_gate_whole(q, &planned.manifest, e));
    if (l.text.cap > HTTP_QUICK_MAX)
        TRY(http_pay_content(q->x, l.text.cap, e));
    note_pull(q, &planned.manifest);
    out_layout_digest(&l, &q->digest);
    *ret_n_bytes = l.n_bytes;
    *ret_reader = out_reader_new(&l, out_blobs_of(q->registry, &q->name));
    return ERR_OK;
}

/* "team_app_v1.tar": letters, digits, '.', '_' and '-' alone, as names, tags and digests are of. */
static void name_file(struct req *q)
{
    size_t skip = q->name.n > FILE_REPO_MAX ? q->name.n - FILE_REPO_MAX : 0;
    char text[REPO_NAME_MAX + DIGEST_TEXT_MAX + 8];
    char *p = text;

    while (q->name.text[skip] && !str_is_alphanumeric(q->name.text[skip]))
        skip++;
    snprintf(text, sizeof(text), "%s_" STR_FMT ".tar", q->name.text + skip,
             STR_ARG(reference_str(&q->ref)));
    while ((p = strpbrk(p, "/:")))
        *p = '_';
    http_headerf(q->x, "Content-Disposition", "attachment; filename=\"%s\"", text);
}

enum err_code api_archive_get(struct req *q, struct err *e)
{
    AUTO(reader) struct reader *r = NULL;
    char etag[DIGEST_TEXT_MAX + 3];
    uint64_t n_bytes = 0;
    int n;

    if (!http_content_waits(q->x))
        TRY(open_archive(q, &r, &n_bytes, e));
    n = snprintf(etag, sizeof(etag), "\"%s\"", q->digest.text);
    http_header(q->x, "Content-Type", STR("application/x-tar"));
    name_file(q);
    return http_send_content(q->x, STEAL(r), n_bytes, (struct str){etag, (size_t)n}, e);
}
