/* Lists of the packages of images: docs/scan.md. */
#include "api/handlers.h"
#include "api/html.h"
#include "api/parameter.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "core/archive_platform.h"
#include "scan/sbom.h"
#include "scan/scan_images.h"
#include "scan/scans.h"

#include <stdlib.h>

static enum err_code parse_format(struct req *q, enum sbom_format *ret, struct err *e)
{
    const char *const types[] = {sbom_format_media_type(SBOM_CYCLONEDX),
                                 sbom_format_media_type(SBOM_SPDX), NULL};
    char name[32];
    int i;

    TRY(query_text(q, "format", name, sizeof(name), e));
    if (name[0])
        return sbom_format_parse(str_of(name), ret)
                   ? ERR_OK
                   : err_tell(e, ERR_REQUEST_INVALID, "'format' is cyclonedx or spdx");
    i = header_accepts(q, types);
    *ret = i > 0 ? (enum sbom_format)i : SBOM_CYCLONEDX;
    return ERR_OK;
}

/* The image; of an index the one for `platform`, which may be left out where there is one alone. */
static enum err_code find_image(struct req *q, struct digest *ret, struct err *e)
{
    AUTO(mem) struct scan_image *images = NULL;
    char platform[OUT_PLATFORM_MAX + 4];
    struct digest unused;
    bool index;
    size_t n;

    TRY(query_text(q, "platform", platform, sizeof(platform), e));
    TRY(scans_images(q->registry, &q->name, &q->ref, &unused, &index, &images, &n, e));
    if (index && n != 1 && !platform[0])
        return err_tell(e, ERR_REQUEST_INVALID,
                        "it is an index of %zu images: name one by 'platform'", n);
    for (size_t i = 0; i < n; i++) {
        if (!index || !platform[0] || strcmp(images[i].platform, platform) == 0) {
            *ret = images[i].digest;
            return ERR_OK;
        }
    }
    return err_tell(e, ERR_NOT_FOUND, "it has no image for '%s'", platform);
}

static enum err_code why_not(const struct scan_standing *s, enum sbom_format f, struct err *e)
{
    if (s->result.status != SCAN_COMPLETED)
        return err_tell(e, ERR_NOT_FOUND, "there is no list of its packages, for its scan is '%s'",
                        scan_status_name(scan_standing_status(s)));
    if (s->result.lists_due)
        return err_tell(e, ERR_UNAVAILABLE, "the list of its packages is being made");
    if (s->result.facts.partial)
        return err_tell(e, ERR_NOT_FOUND,
                        "there is no list of its packages, for not all of it could be read: %s",
                        s->result.facts.note);
    return err_tell(e, ERR_NOT_FOUND,
                    "no list of its packages is kept as %s; a scan makes one where the "
                    "configuration ('%s') and the scanner do",
                    sbom_format_name(f), f == SBOM_SPDX ? "scan.spdx" : "scan.sbom");
}

static enum err_code find_list(struct req *q, enum sbom_format f, struct digest *ret, struct err *e)
{
    struct scan_standing s;
    struct digest image;

    TRY(find_image(q, &image, e));
    TRY(scans_standing(q->registry, &q->name, &image, &s, e));
    *ret = s.result.sboms[f];
    return ret->text[0] ? ERR_OK : why_not(&s, f, e);
}

enum err_code api_sbom_get(struct req *q, struct err *e)
{
    AUTO(reader) struct reader *r = NULL;
    char etag[DIGEST_TEXT_MAX + 3];
    enum sbom_format format;
    uint64_t bytes = 0;
    struct digest list;
    int n;

    TRY(parse_format(q, &format, e));
    TRY(find_list(q, format, &list, e));
    if (!http_content_waits(q->x))
        TRY(sbom_open(q->registry, &list, &r, &bytes, e));
    html_vary(q);
    http_header(q->x, "Content-Type", str_of(sbom_format_media_type(format)));
    n = snprintf(etag, sizeof(etag), "\"%s\"", list.text);
    return http_send_content(q->x, STEAL(r), bytes, (struct str){etag, (size_t)n}, e);
}
