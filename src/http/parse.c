/*
 * The request head, RFC 9112 sections 2 to 6. Lines are cut with memchr(), then looked at byte by
 * byte, names through one table of character classes.
 */
#include "http/http.h"

enum {
    C_TOKEN = 1,  /* RFC 9110, 5.6.2: tchar */
    C_TARGET = 2, /* RFC 3986: pchar, '/' and '?' (and '%' of an escape) */
    C_HOST = 4,   /* RFC 3986, 3.2.2: reg-name */
};

#define C_ALNUM (C_TOKEN | C_TARGET | C_HOST)

static const unsigned char classes[256] = {
    ['!'] = C_ALNUM,           ['#'] = C_TOKEN,           ['$'] = C_ALNUM,
    ['%'] = C_ALNUM,           ['&'] = C_ALNUM,           ['\''] = C_ALNUM,
    ['('] = C_TARGET | C_HOST, [')'] = C_TARGET | C_HOST, ['*'] = C_ALNUM,
    ['+'] = C_ALNUM,           [','] = C_TARGET | C_HOST, ['-'] = C_ALNUM,
    ['.'] = C_ALNUM,           ['/'] = C_TARGET,          ['0' ... '9'] = C_ALNUM,
    [':'] = C_TARGET,          [';'] = C_TARGET | C_HOST, ['='] = C_TARGET | C_HOST,
    ['?'] = C_TARGET,          ['@'] = C_TARGET,          ['A' ... 'Z'] = C_ALNUM,
    ['^'] = C_TOKEN,           ['_'] = C_ALNUM,           ['`'] = C_TOKEN,
    ['a' ... 'z'] = C_ALNUM,   ['|'] = C_TOKEN,           ['~'] = C_ALNUM,
};

static bool all_of(struct str s, unsigned char class)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!(classes[(unsigned char)s.p[i]] & class))
            return false;
    }
    return true;
}

/* RFC 9110, 5.5: field-vchar, obs-text, SP and HTAB. Looks at every byte, whatever it finds, so
 * that the compiler can take many at once: tokens of 1 KiB are usual. */
static bool value_valid(struct str s)
{
    unsigned char bad = 0;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        bad |= (unsigned char)((c < ' ') & (c != '\t')) | (unsigned char)(c == 0x7f);
    }
    return !bad;
}

/* Where the parser is, and why it stopped. */
struct cursor {
    const char *at, *end;
    bool cut; /* end is where max_head_bytes cut the input, so more will not help */
    int status;
    const char *why;
};

static enum http_parse bad(struct cursor *c, int status, const char *why)
{
    c->status = status;
    c->why = why;
    return HTTP_PARSE_BAD;
}

/* One line without its CRLF. RFC 9112, 2.2 lets a recipient take a bare LF as the end of a line; we
 * do not, since proxies disagree about it and a disagreement is a smuggled request. */
static enum http_parse next_line(struct cursor *c, struct str *ret_line)
{
    size_t left = (size_t)(c->end - c->at);
    const char *lf = left ? memchr(c->at, '\n', left) : NULL;

    if (!lf) {
        if (c->cut)
            return bad(c, 431, "head is too long");
        return HTTP_PARSE_MORE;
    }
    if (lf == c->at || lf[-1] != '\r')
        return bad(c, 400, "bare LF");
    *ret_line = (struct str){c->at, (size_t)(lf - 1 - c->at)};
    c->at = lf + 1;
    return HTTP_PARSE_DONE;
}

static enum http_method method_of(struct str s)
{
    static const struct {
        struct str text;
        enum http_method method;
    } known[] = {
        {STR("GET"), HTTP_GET},         {STR("HEAD"), HTTP_HEAD},   {STR("PUT"), HTTP_PUT},
        {STR("POST"), HTTP_POST},       {STR("PATCH"), HTTP_PATCH}, {STR("DELETE"), HTTP_DELETE},
        {STR("OPTIONS"), HTTP_OPTIONS},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (str_eq(s, known[i].text))
            return known[i].method;
    }
    return HTTP_OTHER;
}

static bool digits(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    }
    return true;
}

/* What may stand between the brackets of an IP literal: enough of RFC 3986, 3.2.2 that nothing but
 * an address-like text gets through. */
static bool ip_literal_valid(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');

        if (!hex && c != ':' && c != '.')
            return false;
    }
    return s.n >= 2;
}

/* RFC 9110, 7.2: Host = uri-host [ ":" port ]. An empty host is invalid for http URIs (4.2.1). */
static bool host_valid(struct str s)
{
    const char *at;

    if (s.n == 0 || s.n > 270)
        return false;
    if (s.p[0] == '[') {
        at = memchr(s.p, ']', s.n);
        if (!at || !ip_literal_valid((struct str){s.p + 1, (size_t)(at - s.p - 1)}))
            return false;
        at++;
    } else {
        at = memchr(s.p, ':', s.n);
        if (!at)
            at = s.p + s.n;
        if (at == s.p || !all_of((struct str){s.p, (size_t)(at - s.p)}, C_HOST))
            return false;
    }
    s = (struct str){at, s.n - (size_t)(at - s.p)};
    if (s.n == 0)
        return true;
    return s.p[0] == ':' && s.n <= 6 && digits(str_sub(s, 1, s.n - 1));
}

/* Leaves in h->target the origin-form of an absolute-form target (RFC 9112, 3.2.2), and its
 * authority in h->host. */
static bool reduce_absolute(struct http_head *h)
{
    static const struct str schemes[] = {STR("http://"), STR("https://")};
    struct str t = h->target;
    size_t i = 0;

    for (size_t k = 0; k < 2; k++) {
        if (t.n > schemes[k].n && str_ieq(str_sub(t, 0, schemes[k].n), schemes[k]))
            i = schemes[k].n;
    }
    if (i == 0)
        return false;
    t = str_sub(t, i, t.n - i);
    for (i = 0; i < t.n && t.p[i] != '/' && t.p[i] != '?';)
        i++;
    h->host = str_sub(t, 0, i);
    h->target = str_sub(t, i, t.n - i);
    return host_valid(h->host);
}

static enum http_parse split_target(struct cursor *c, struct http_head *h)
{
    struct str rest;

    h->host = STR_NONE;
    if (str_eq(h->target, STR("*"))) {
        if (h->method != HTTP_OPTIONS) /* RFC 9112, 3.2.4 */
            return bad(c, 400, "'*' is for OPTIONS only");
    } else if (h->target.p[0] != '/') {
        if (!reduce_absolute(h))
            return bad(c, 400, "target is neither a path nor an absolute URI");
    }
    if (!all_of(h->target, C_TARGET))
        return bad(c, 400, "forbidden character in the target");
    rest = h->target;
    str_cut(&rest, '?', &h->path);
    h->query = rest;
    if (h->path.n == 0)
        h->path = STR("/");
    if (h->target.n == 0)
        h->target = STR("/");
    return HTTP_PARSE_DONE;
}

/* RFC 9112, 2.3. */
static enum http_parse parse_version(struct cursor *c, struct str v, struct http_head *h)
{
    if (v.n != 8 || memcmp(v.p, "HTTP/", 5) != 0 || v.p[5] < '0' || v.p[5] > '9' || v.p[6] != '.' ||
        v.p[7] < '0' || v.p[7] > '9')
        return bad(c, 400, "malformed version");
    if (v.p[5] != '1')
        return bad(c, 505, "version is not HTTP/1");
    h->minor = (unsigned)(v.p[7] - '0');
    return HTTP_PARSE_DONE;
}

/* RFC 9112, 3: method SP request-target SP HTTP-version, one space each. */
static enum http_parse parse_request_line(struct cursor *c, const struct http_limits *limits,
                                          struct http_head *h)
{
    const char *start = c->at;
    struct str line, version;
    enum http_parse r = next_line(c, &line);

    if (r != HTTP_PARSE_DONE) {
        size_t n = (size_t)(c->end - start);

        if (n > 0 && !(classes[(unsigned char)start[0]] & C_TOKEN) && start[0] != '\r')
            return bad(c, 400, "not HTTP");
        if (r == HTTP_PARSE_MORE ? n > limits->max_url_bytes + 64 : c->status == 431)
            return bad(c, 414, "target is too long");
        return r;
    }
    if (!str_cut(&line, ' ', &h->method_text) || h->method_text.n == 0 || h->method_text.n > 32 ||
        !all_of(h->method_text, C_TOKEN))
        return bad(c, 400, "malformed method");
    h->method = method_of(h->method_text);
    if (!str_cut(&line, ' ', &h->target) || h->target.n == 0)
        return bad(c, 400, "malformed request line");
    version = line;
    if (h->target.n > limits->max_url_bytes)
        return bad(c, 414, "target is too long");
    r = parse_version(c, version, h);
    if (r != HTTP_PARSE_DONE)
        return r;
    if (str_eq(h->method_text, STR("CONNECT")))
        return bad(c, 501, "CONNECT is not supported");
    return split_target(c, h);
}

/* What the head said of framing, to be judged when all of it is known. */
struct framing {
    bool host, origin, length, coding, close, keep_alive;
    struct str host_value, coding_value;
};

static void parse_connection(struct str value, struct framing *f)
{
    struct str option;
    bool more;

    do {
        more = str_cut(&value, ',', &option);
        option = str_trim(option);
        if (str_ieq(option, STR("close")))
            f->close = true;
        else if (str_ieq(option, STR("keep-alive")))
            f->keep_alive = true;
    } while (more);
}

/* RFC 9112, 6.3: one length, digits only; lists and repetitions are refused even when they agree.
 */
static enum http_parse parse_length(struct cursor *c, struct str value, struct http_head *h)
{
    if (h->has_length)
        return bad(c, 400, "more than one Content-Length");
    if (!str_to_u64(value, INT64_MAX, &h->content_length))
        return bad(c, 400, "malformed Content-Length");
    h->has_length = true;
    return HTTP_PARSE_DONE;
}

static enum http_parse note_field(struct cursor *c, const struct http_field *field,
                                  struct http_head *h, struct framing *f)
{
    switch (field->name.n) {
    case 4:
        if (str_ieq(field->name, STR("Host"))) {
            if (f->host)
                return bad(c, 400, "more than one Host");
            f->host = true;
            f->host_value = field->value;
        }
        break;
    case 6:
        if (str_ieq(field->name, STR("Origin"))) {
            if (f->origin) /* Fetch, "`Origin` header": one; who reads another sees another */
                return bad(c, 400, "more than one Origin");
            f->origin = true;
        } else if (str_ieq(field->name, STR("Expect"))) {
            /* RFC 9110, 10.1.1 */
            if (!str_ieq(field->value, STR("100-continue")))
                return bad(c, 417, "unknown expectation");
            h->expect_continue = true;
        }
        break;
    case 10:
        if (str_ieq(field->name, STR("Connection")))
            parse_connection(field->value, f);
        break;
    case 14:
        if (str_ieq(field->name, STR("Content-Length")))
            return parse_length(c, field->value, h);
        break;
    case 17:
        if (str_ieq(field->name, STR("Transfer-Encoding"))) {
            if (f->coding)
                return bad(c, 400, "more than one Transfer-Encoding");
            f->coding = true;
            f->coding_value = field->value;
        }
        break;
    default:
        break;
    }
    return HTTP_PARSE_DONE;
}

/* RFC 9112, 5: field-name ":" OWS field-value OWS; no space before the colon (5.1), no obs-fold
 * (5.2: its line starts with a blank, so it has no name). */
static enum http_parse parse_field(struct cursor *c, struct str line, struct http_field *f)
{
    size_t i = 0;

    while (i < line.n && (classes[(unsigned char)line.p[i]] & C_TOKEN))
        i++;
    if (i == 0 || i == line.n || line.p[i] != ':')
        return bad(c, 400, "malformed field name");
    f->name = str_sub(line, 0, i);
    f->value = str_trim(str_sub(line, i + 1, line.n - i - 1));
    if (!value_valid(f->value))
        return bad(c, 400, "control byte in a field value");
    return HTTP_PARSE_DONE;
}

static enum http_parse parse_fields(struct cursor *c, const struct http_limits *limits,
                                    struct http_head *h, struct framing *f)
{
    size_t max = limits->max_headers < HTTP_MAX_HEADERS ? limits->max_headers : HTTP_MAX_HEADERS;

    for (;;) {
        struct http_field *field = &h->fields[h->n_fields];
        struct str line;
        enum http_parse r = next_line(c, &line);

        if (r != HTTP_PARSE_DONE)
            return r;
        if (line.n == 0)
            return HTTP_PARSE_DONE;
        if (h->n_fields == max)
            return bad(c, 431, "too many header lines");
        r = parse_field(c, line, field);
        if (r == HTTP_PARSE_DONE)
            r = note_field(c, field, h, f);
        if (r != HTTP_PARSE_DONE)
            return r;
        h->n_fields++;
    }
}

/* RFC 9112, 6.1 and 6.3. */
static enum http_parse judge_coding(struct cursor *c, struct http_head *h, const struct framing *f)
{
    if (!f->coding)
        return HTTP_PARSE_DONE;
    if (h->has_length)
        return bad(c, 400, "both Content-Length and Transfer-Encoding");
    if (h->minor == 0)
        return bad(c, 400, "Transfer-Encoding in HTTP/1.0");
    if (!str_ieq(f->coding_value, STR("chunked"))) {
        /* A single unknown coding is not implemented; anything else is malformed for a request. */
        if (f->coding_value.n > 0 && all_of(f->coding_value, C_TOKEN))
            return bad(c, 501, "transfer coding is not supported");
        return bad(c, 400, "transfer coding is not exactly 'chunked'");
    }
    h->chunked = true;
    return HTTP_PARSE_DONE;
}

static enum http_parse judge(struct cursor *c, struct http_head *h, const struct framing *f)
{
    enum http_parse r = judge_coding(c, h, f);

    if (r != HTTP_PARSE_DONE)
        return r;
    if (f->host && !host_valid(f->host_value))
        return bad(c, 400, "invalid Host");
    if (!f->host && h->minor > 0) /* RFC 9112, 3.2 */
        return bad(c, 400, "no Host");
    if (h->host.n == 0) /* an absolute-form target wins (3.2.2) */
        h->host = f->host_value;
    h->keep_alive = !f->close && (h->minor > 0 || f->keep_alive);
    if (h->minor == 0)
        h->expect_continue = false; /* RFC 9110, 10.1.1 */
    return HTTP_PARSE_DONE;
}

/* RFC 9112, 2.2: an empty line before the request line is ignored; old clients add one after a
 * body. We take two. */
static enum http_parse skip_empty_lines(struct cursor *c)
{
    for (int i = 0; i < 2 && c->at < c->end && *c->at == '\r'; i++) {
        if (c->end - c->at < 2)
            return HTTP_PARSE_MORE;
        if (c->at[1] != '\n')
            return bad(c, 400, "bare CR");
        c->at += 2;
    }
    return c->at < c->end ? HTTP_PARSE_DONE : HTTP_PARSE_MORE;
}

static enum http_parse parse_all(struct cursor *c, const struct http_limits *limits,
                                 struct http_head *h)
{
    struct framing f = {0};
    enum http_parse r = skip_empty_lines(c);

    if (r == HTTP_PARSE_DONE)
        r = parse_request_line(c, limits, h);
    if (r == HTTP_PARSE_DONE)
        r = parse_fields(c, limits, h, &f);
    if (r == HTTP_PARSE_DONE)
        r = judge(c, h, &f);
    return r;
}

enum http_parse http_parse_head(const char *p, size_t n, const struct http_limits *limits,
                                struct http_head *ret_head, size_t *ret_used, int *ret_status,
                                const char **ret_why)
{
    bool cut = n >= limits->max_head_bytes;
    struct cursor c = {.at = p, .end = p + (cut ? limits->max_head_bytes : n), .cut = cut};
    enum http_parse r;

    ret_head->n_fields = 0;
    ret_head->content_length = 0;
    ret_head->has_length = ret_head->chunked = false;
    ret_head->expect_continue = ret_head->keep_alive = false;
    r = parse_all(&c, limits, ret_head);
    if (r == HTTP_PARSE_DONE)
        *ret_used = (size_t)(c.at - p);
    if (r == HTTP_PARSE_BAD) {
        *ret_status = c.status;
        *ret_why = c.why;
    }
    return r;
}

struct str http_field_get(const struct http_head *h, struct str name)
{
    for (size_t i = 0; i < h->n_fields; i++) {
        if (h->fields[i].name.n == name.n && str_ieq(h->fields[i].name, name))
            return h->fields[i].value;
    }
    return STR_NONE;
}
