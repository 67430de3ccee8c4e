#include "scan/report_writer.h"

#include <string.h>

void report_add_text(struct buf *b, const char *key, struct str s)
{
    if (s.n == 0)
        return;
    buf_addf(b, ",\"%s\":", key);
    buf_add_json(b, s);
}

bool report_is_url(struct str s)
{
    bool fine = str_starts(s, STR("https://")) || str_starts(s, STR("http://"));

    for (size_t i = 0; i < s.n && fine; i++)
        fine = s.p[i] > ' ' && s.p[i] < 0x7f && !strchr("<>\"{}|\\^`", s.p[i]);
    return fine;
}

void report_add_package(struct buf *b, const struct finding *f)
{
    buf_add_str(b, f->package);
    if (f->installed.n > 0) {
        buf_add_char(b, ' ');
        buf_add_str(b, f->installed);
    }
    if (f->path.n > 0) {
        buf_add_text(b, " in ");
        buf_add_str(b, f->path);
    }
}

void report_add_ref(struct buf *b, const struct finding *f)
{
    if (f->purl.n > 0)
        buf_add_str(b, f->purl);
    else
        report_add_package(b, f);
    if (f->purl.n > 0 && f->path.n > 0) {
        buf_add_char(b, '#');
        buf_add_str(b, f->path);
    }
}
