#include "http/form.h"

enum state {
    BEGIN,    /* before the first boundary; its line break may be missing */
    BOUNDARY, /* behind one: a line break, or "--" */
    CLOSING,  /* behind "-" */
    PADDING,  /* blanks, then a line break */
    LINE_END, /* behind CR */
    HEAD,     /* of a part */
    DATA,
    END, /* behind the last boundary */
    END_LINE,
    OVER, /* and behind its line break */
    BROKEN,
};

static enum http_form_event bad(struct http_form *f, const char *why)
{
    f->state = BROKEN;
    f->why = why;
    return HTTP_FORM_BAD;
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!str_is_alphanumeric(s.p[i]) && !memchr("!#$%&'*+-.^_`|~", s.p[i], 15))
            return false;
    }
    return s.n > 0;
}

static struct str rest_of(struct str s, size_t from)
{
    return str_sub(s, from, s.n - from);
}

/* What is behind the opening quote, up to the closing one. Only quotes and backslashes are escaped
 * by a backslash: elsewhere it is one, as in paths (RFC 7578, 4.2; curl, --form-escape). */
static bool take_quoted(struct str *s, char *dst, size_t cap)
{
    size_t n = 0, i = 0;

    for (; i < s->n && s->p[i] != '"'; i++) {
        if (s->p[i] == '\\' && i + 1 < s->n && (s->p[i + 1] == '"' || s->p[i + 1] == '\\'))
            i++;
        if (n + 1 >= cap)
            return false;
        dst[n++] = s->p[i];
    }
    dst[n] = '\0';
    if (i == s->n)
        return false;
    *s = rest_of(*s, i + 1);
    return true;
}

static bool take_token(struct str *s, char *dst, size_t cap)
{
    size_t n = 0;

    while (n < s->n && !memchr("; \t", s->p[n], 3))
        n++;
    if (!is_token(str_sub(*s, 0, n)) || !str_copy(str_sub(*s, 0, n), dst, cap))
        return false;
    *s = rest_of(*s, n);
    return true;
}

/* `; name=value` off the front of *s. False: it is none, or its value has no room in dst. */
static bool take_parameter(struct str *s, struct str *ret_name, char *dst, size_t cap)
{
    size_t n = 0;

    *s = str_trim(*s);
    if (!str_starts(*s, STR(";")))
        return false;
    *s = str_trim(rest_of(*s, 1));
    while (n < s->n && s->p[n] != '=')
        n++;
    *ret_name = str_sub(*s, 0, n);
    if (n == s->n || !is_token(*ret_name))
        return false;
    *s = rest_of(*s, n + 1);
    if (!str_starts(*s, STR("\"")))
        return take_token(s, dst, cap);
    *s = rest_of(*s, 1);
    return take_quoted(s, dst, cap);
}

/* Cuts off what stands before the first parameter. */
static struct str take_kind(struct str *s)
{
    struct str kind;
    size_t n = 0;

    while (n < s->n && s->p[n] != ';')
        n++;
    kind = str_trim(str_sub(*s, 0, n));
    *s = rest_of(*s, n);
    return kind;
}

/* bchars of RFC 2046, 5.1.1; a blank may not be the last. */
static bool is_boundary(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!str_is_alphanumeric(s.p[i]) && !memchr("'()+_,-./:=? ", s.p[i], 13))
            return false;
    }
    return s.n > 0 && s.n <= HTTP_FORM_BOUNDARY_MAX && s.p[s.n - 1] != ' ';
}

bool http_form_init(struct http_form *f, struct str content_type)
{
    char value[256] = "", boundary[sizeof(value)] = "";
    struct str name;

    *f = (struct http_form){.state = BEGIN, .why = ""};
    if (!str_ieq(take_kind(&content_type), STR("multipart/form-data")))
        return false;
    while (str_trim(content_type).n > 0) {
        if (!take_parameter(&content_type, &name, value, sizeof(value)))
            return false;
        if (!str_ieq(name, STR("boundary")))
            continue;
        if (boundary[0])
            return false;
        memcpy(boundary, value, sizeof(value));
    }
    if (!is_boundary(str_of(boundary)))
        return false;
    f->delimiter_n = 4 + strlen(boundary);
    memcpy(f->delimiter, "\r\n--", 4);
    memcpy(f->delimiter + 4, boundary, f->delimiter_n - 4);
    f->matched = 2;
    return true;
}

bool http_form_ended(const struct http_form *f)
{
    return f->state == END || f->state == OVER;
}

/* Browsers, and curl since 7.81, write these three so, and a percent sign as it is (HTML,
 * "multipart/form-data encoding algorithm"). */
static void undo_percent(char *text)
{
    static const struct {
        const char *escape;
        char is;
    } escapes[] = {{"%22", '"'}, {"%0D", '\r'}, {"%0A", '\n'}};
    struct str left = str_of(text);
    char *dst = text;

    while (left.n > 0) {
        size_t n = 1;

        *dst = left.p[0];
        for (size_t i = 0; i < 3; i++) {
            if (left.n >= 3 && str_ieq(str_sub(left, 0, 3), str_of(escapes[i].escape))) {
                *dst = escapes[i].is;
                n = 3;
            }
        }
        dst++;
        left = rest_of(left, n);
    }
    *dst = '\0';
}

/* Content-Disposition (RFC 7578, 4.2). */
static const char *take_disposition(struct http_form *f, struct str value)
{
    char text[HTTP_FORM_HEAD_MAX] = "";
    bool has_file_name = false;
    struct str name;

    if (f->name[0])
        return "a part has two Content-Disposition";
    if (!str_ieq(take_kind(&value), STR("form-data")))
        return "a part whose Content-Disposition is not form-data";
    while (str_trim(value).n > 0) {
        if (!take_parameter(&value, &name, text, sizeof(text)))
            return "a part whose Content-Disposition is malformed";
        if (str_ieq(name, STR("name"))) {
            undo_percent(text);
            if (f->name[0] || !text[0] || !str_copy(str_of(text), f->name, sizeof(f->name)))
                return "a part whose name is empty, too long or there twice";
        } else if (str_ieq(name, STR("filename"))) {
            undo_percent(text);
            if (has_file_name)
                return "a part with two file names";
            f->is_file = has_file_name = true;
            memcpy(f->file_name, text, strlen(text) + 1);
        } else if (str_ieq(name, STR("filename*"))) {
            f->is_file = true; /* forms are not to have it, some do */
        }
    }
    return f->name[0] ? NULL : "a part without a name";
}

static const char *take_field(struct http_form *f, struct str line)
{
    struct str name;

    if (!memchr(line.p, ':', line.n) || !str_cut(&line, ':', &name) || !is_token(name))
        return "a part whose head is malformed";
    line = str_trim(line);
    if (str_ieq(name, STR("Content-Disposition")))
        return take_disposition(f, line);
    if (str_ieq(name, STR("Content-Transfer-Encoding")) && !str_ieq(line, STR("binary")) &&
        !str_ieq(line, STR("8bit")) && !str_ieq(line, STR("7bit")))
        return "a part with a Content-Transfer-Encoding";
    return NULL;
}

/* Lines with CRLF each, the last one empty. */
static const char *take_head(struct http_form *f)
{
    struct str left = {f->head, f->head_n - 2}, line;

    f->name[0] = f->file_name[0] = '\0';
    f->is_file = false;
    while (left.n > 0) {
        const char *why;

        str_cut(&left, '\n', &line);
        why = take_field(f, str_sub(line, 0, line.n - 1));
        if (why)
            return why;
    }
    return f->name[0] ? NULL : "a part without Content-Disposition";
}

static bool head_ends(const struct http_form *f)
{
    struct str head = {f->head, f->head_n};

    return str_eq(head, STR("\r\n")) || str_ends(head, STR("\r\n\r\n"));
}

/* Control characters are in no head, CR and LF only together. */
static bool fits_head(const struct http_form *f, char c)
{
    bool behind_cr = f->head_n > 0 && f->head[f->head_n - 1] == '\r';

    return behind_cr == (c == '\n') && c != 0x7f &&
           ((unsigned char)c >= ' ' || c == '\t' || c == '\r' || c == '\n');
}

static enum http_form_event add_to_head(struct http_form *f, char c)
{
    const char *why;

    if (!fits_head(f, c))
        return bad(f, "a part whose head is malformed");
    if (f->head_n == sizeof(f->head))
        return bad(f, "a part whose head is too long");
    f->head[f->head_n++] = c;
    if (!head_ends(f))
        return HTTP_FORM_MORE;
    why = take_head(f);
    if (why)
        return bad(f, why);
    f->state = DATA;
    return HTTP_FORM_PART;
}

static enum http_form_event begin_head(struct http_form *f)
{
    if (++f->n_parts > HTTP_FORM_PARTS_MAX)
        return bad(f, "too many parts");
    f->state = HEAD;
    f->head_n = 0;
    return HTTP_FORM_MORE;
}

/* The first boundary, at the very beginning or behind a line break. */
static enum http_form_event match_first(struct http_form *f, char c)
{
    if (f->matched == 2 && f->head_n == 0 && c == '\r') {
        f->matched = 1;
        f->head_n = 1;
        return HTTP_FORM_MORE;
    }
    if (c != f->delimiter[f->matched])
        return bad(f, "it does not begin with its boundary");
    if (++f->matched < f->delimiter_n)
        return HTTP_FORM_MORE;
    f->matched = f->head_n = 0;
    f->state = BOUNDARY;
    return HTTP_FORM_MORE;
}

/* A boundary is one even when more stands behind it on its line (RFC 2046, 5.1.1): that is never
 * data. */
static enum http_form_event take_byte(struct http_form *f, char c)
{
    enum http_form_event event = HTTP_FORM_MORE;

    switch ((enum state)f->state) {
    case BEGIN:
        return match_first(f, c);
    case BOUNDARY:
    case PADDING:
        if (c == ' ' || c == '\t') {
            if (++f->head_n > HTTP_FORM_HEAD_MAX)
                return bad(f, "too many blanks behind a boundary");
            f->state = PADDING;
            return event;
        }
        if (c != '\r' && !(c == '-' && f->state == BOUNDARY))
            return bad(f, "something stands behind a boundary on its line");
        f->state = c == '-' ? CLOSING : LINE_END;
        return event;
    case CLOSING:
        f->state = END;
        return c == '-' ? HTTP_FORM_END : bad(f, "something stands behind a boundary on its line");
    case LINE_END:
        return c == '\n' ? begin_head(f) : bad(f, "a line that does not end in CRLF");
    case HEAD:
        return add_to_head(f, c);
    case END:
        f->state = END_LINE;
        return c == '\r' ? event : bad(f, "something stands behind the last boundary");
    case END_LINE:
        f->state = OVER;
        return c == '\n' ? event : bad(f, "something stands behind the last boundary");
    case OVER:
        return bad(f, "something stands behind the last boundary");
    case DATA:
    case BROKEN:
        break;
    }
    return HTTP_FORM_BAD;
}

static enum http_form_event end_part(struct http_form *f)
{
    f->state = BOUNDARY;
    f->head_n = 0;
    return HTTP_FORM_PART_END;
}

/* Some of the delimiter came at the end of the last piece. It has one CR, at its beginning, so when
 * it does not go on, all that came of it is data. */
static enum http_form_event match_on(struct http_form *f, struct str *in, struct str *ret_data)
{
    while (in->n > 0 && f->matched < f->delimiter_n && in->p[0] == f->delimiter[f->matched]) {
        f->matched++;
        *in = rest_of(*in, 1);
    }
    if (f->matched == f->delimiter_n) {
        f->matched = 0;
        return end_part(f);
    }
    if (in->n == 0)
        return HTTP_FORM_MORE;
    *ret_data = (struct str){f->delimiter, f->matched};
    f->matched = 0;
    return HTTP_FORM_DATA;
}

/* How many bytes at the end of s could be the beginning of the delimiter. */
static size_t tail_of(const struct http_form *f, struct str s)
{
    size_t most = s.n < f->delimiter_n - 1 ? s.n : f->delimiter_n - 1;
    const char *cr = most ? memrchr(s.p + s.n - most, '\r', most) : NULL;
    size_t n = cr ? (size_t)(s.p + s.n - cr) : 0;

    return cr && memcmp(cr, f->delimiter, n) == 0 ? n : 0;
}

static enum http_form_event take_data(struct http_form *f, struct str *in, struct str *ret_data)
{
    const char *at;
    size_t n;

    if (f->matched > 0)
        return match_on(f, in, ret_data);
    at = memmem(in->p, in->n, f->delimiter, f->delimiter_n);
    if (at == in->p) {
        *in = rest_of(*in, f->delimiter_n);
        return end_part(f);
    }
    if (!at)
        f->matched = tail_of(f, *in);
    n = at ? (size_t)(at - in->p) : in->n - f->matched;
    *ret_data = str_sub(*in, 0, n);
    *in = rest_of(*in, n + f->matched);
    return n > 0 ? HTTP_FORM_DATA : HTTP_FORM_MORE;
}

enum http_form_event http_form_next(struct http_form *f, struct str *in, struct str *ret_data)
{
    enum http_form_event event = f->state == BROKEN ? HTTP_FORM_BAD : HTTP_FORM_MORE;

    while (event == HTTP_FORM_MORE && in->n > 0) {
        if (f->state == DATA) {
            event = take_data(f, in, ret_data);
        } else {
            event = take_byte(f, in->p[0]);
            *in = rest_of(*in, 1);
        }
    }
    return event;
}
