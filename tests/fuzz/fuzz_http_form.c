/* A form: a line with its Content-Type, a byte that says how large pieces are, the body. However it
 * is cut, the parts, their data and the verdict are the same. */
#include "base/buf.h"
#include "http/form.h"

#include <stdlib.h>

/* What comes of it, as bytes. */
static enum http_form_event parse(const char *type_p, size_t type_n, struct str in, size_t step,
                                  struct buf *ret_told)
{
    enum http_form_event event = HTTP_FORM_MORE;
    struct http_form f;

    if (!http_form_init(&f, (struct str){type_p, type_n}))
        return HTTP_FORM_BAD;
    while (in.n > 0 && event != HTTP_FORM_BAD) {
        struct str piece = str_sub(in, 0, in.n < step ? in.n : step), data;

        in = str_sub(in, piece.n, in.n - piece.n);
        while ((event = http_form_next(&f, &piece, &data)) != HTTP_FORM_MORE &&
               event != HTTP_FORM_BAD) {
            if (event == HTTP_FORM_DATA && data.n == 0)
                abort();
            if (event == HTTP_FORM_DATA)
                buf_add_str(ret_told, data);
            else
                buf_addf(ret_told, "[%d %s %d %s]", event, f.name, f.is_file, f.file_name);
        }
        if (event == HTTP_FORM_MORE && piece.n > 0)
            abort();
    }
    buf_addf(ret_told, "%s", event == HTTP_FORM_BAD ? f.why : http_form_ended(&f) ? "." : "");
    return event;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data, *end = size ? memchr(p, '\n', size) : NULL;
    AUTO(buf) struct buf whole = {0}, cut = {0};
    enum http_form_event a, b;
    struct str body;

    if (!end || end + 1 == p + size)
        return 0;
    body = (struct str){end + 2, (size_t)(p + size - end - 2)};
    buf_init(&whole, 1 << 22);
    buf_init(&cut, 1 << 22);
    a = parse(p, (size_t)(end - p), body, size, &whole);
    b = parse(p, (size_t)(end - p), body, (unsigned char)end[1] + 1u, &cut);
    if (a != b || !str_eq(buf_str(&whole), buf_str(&cut)))
        abort();
    return 0;
}
