/* What stands at the root: a word to whoever looks there, with a browser or without one. */
#include "api/handlers.h"
#include "api/html.h"
#include "api/reply.h"
#include "api/ui.h"

static const char page[] = "<p>It runs CyberDock, and keeps images and artifacts for docker, "
                           "podman, skopeo, buildah, helm,\n"
                           "oras and whatever else speaks the OCI distribution specification.</p>\n"
                           "<p>To push an image:</p>\n"
                           "<pre>";
static const char unbuilt[] =
    "<p>The web page is not in this program: it was built where node (20.19 or newer) and npm "
    "were\n"
    "missing. Install them and run <code>scripts/build</code> again.</p>\n";
static const char text[] = "This is a container registry (CyberDock). To push an image:\n\n";

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
            buf_add_markup(body, q->head->host);
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
                 "/v2/</a>.</p>\n",
                 STR_ARG(prefix), STR_ARG(prefix));
    else
        buf_addf(body, "\nThe API begins at " STR_FMT "/v2/.\n", STR_ARG(prefix));
}

bool api_home_quick(struct req *q)
{
    AUTO(buf) struct buf body = {0};
    bool html = html_wanted(q);

    html_vary(q);
    if (html && ui_there(q)) {
        ui_send_page(q);
        return true;
    }
    buf_init(&body, HTML_MAX_BYTES);
    if (html)
        html_begin(&body, STR("This is a container registry"));
    buf_add_text(&body, html ? page : text);
    add_commands(q, html, &body);
    add_end(q, html, &body);
    if (html) {
        if (conf_bool(&q->api->conf->ui.enabled))
            buf_add_text(&body, unbuilt);
        html_end(&body);
        html_send(q, 200, buf_str(&body));
    } else {
        http_header(q->x, "Content-Type", STR("text/plain; charset=utf-8"));
        http_send(q->x, 200, buf_str(&body));
    }
    return true;
}

enum err_code api_home_get(struct req *q, struct err *e)
{
    (void)e;
    api_home_quick(q);
    return ERR_OK;
}
