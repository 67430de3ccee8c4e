/* What stands at the root: a word to whoever looks there, with a browser or without one. */
#include "api/handlers.h"
#include "api/reply.h"

#define HOME_MAX_BYTES 8192

static const char page[] = "<!DOCTYPE html>\n"
                           "<html lang=\"en\">\n"
                           "<meta charset=\"utf-8\">\n"
                           "<meta name=\"viewport\" content=\"width=device-width\">\n"
                           "<meta name=\"color-scheme\" content=\"light dark\">\n"
                           "<title>Container registry</title>\n"
                           "<h1>This is a container registry</h1>\n"
                           "<p>It runs CyberDock, and keeps images and artifacts for docker, "
                           "podman, skopeo, buildah, helm,\n"
                           "oras and whatever else speaks the OCI distribution specification.</p>\n"
                           "<p>To push an image:</p>\n"
                           "<pre>";
static const char text[] = "This is a container registry (CyberDock). To push an image:\n\n";

static void add_escaped(struct buf *html, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '<':
            buf_add_text(html, "&lt;");
            break;
        case '>':
            buf_add_text(html, "&gt;");
            break;
        case '&':
            buf_add_text(html, "&amp;");
            break;
        case '"':
            buf_add_text(html, "&quot;");
            break;
        default:
            buf_add_char(html, s.p[i]);
        }
    }
}

/* The commands, for the host that was asked. */
static void add_commands(struct req *q, bool html, struct buf *body)
{
    static const char *const commands[] = {
        "docker login ",
        "\ndocker tag IMAGE ",
        "/PROJECT/IMAGE:TAG\ndocker push ",
        "/PROJECT/IMAGE:TAG\n",
    };

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        buf_add_text(body, commands[i]);
        if (i + 1 == sizeof(commands) / sizeof(commands[0]))
            break;
        if (html)
            add_escaped(body, q->head->host);
        else
            buf_add_str(body, q->head->host);
    }
}

/* Where the API begins. The prefix was checked: it needs no escapes. */
static void add_end(struct req *q, bool html, struct buf *body)
{
    struct str prefix = reply_prefix(q);

    if (html)
        buf_addf(body,
                 "</pre>\n<p>The API begins at <a href=\"" STR_FMT "/v2/\">" STR_FMT
                 "/v2/</a>.</p>\n</html>\n",
                 STR_ARG(prefix), STR_ARG(prefix));
    else
        buf_addf(body, "\nThe API begins at " STR_FMT "/v2/.\n", STR_ARG(prefix));
}

static bool wants_html(struct req *q)
{
    struct str left = http_field_get(q->head, STR("Accept")), one, type;
    bool more = left.n > 0;

    while (more) {
        more = str_cut(&left, ',', &one);
        str_cut(&one, ';', &type);
        if (str_ieq(str_trim(type), STR("text/html")))
            return true;
    }
    return false;
}

bool api_home_quick(struct req *q)
{
    AUTO(buf) struct buf body = {0};
    bool html = wants_html(q);

    buf_init(&body, HOME_MAX_BYTES);
    buf_add_text(&body, html ? page : text);
    add_commands(q, html, &body);
    add_end(q, html, &body);
    http_header(q->x, "Content-Type",
                html ? STR("text/html; charset=utf-8") : STR("text/plain; charset=utf-8"));
    http_header(q->x, "Vary", STR("Accept"));
    http_header(q->x, "Content-Security-Policy",
                STR("default-src 'none'; base-uri 'none'; form-action 'none'; "
                    "frame-ancestors 'none'"));
    http_send(q->x, 200, buf_str(&body));
    return true;
}

enum err_code api_home_get(struct req *q, struct err *e)
{
    (void)e;
    api_home_quick(q);
    return ERR_OK;
}
