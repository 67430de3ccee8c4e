#include "api/html.h"

#include "api/parameter.h"

bool html_wanted(const struct req *q)
{
    static const char *const types[] = {"text/html", NULL};

    return header_accepts(q, types) == 0;
}

void html_vary(struct req *q)
{
    http_header(q->x, "Vary", STR("Accept"));
}

void html_begin(struct buf *html, struct str title)
{
    buf_add_text(html, "<!DOCTYPE html>\n"
                       "<html lang=\"en\">\n"
                       "<meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width\">\n"
                       "<meta name=\"color-scheme\" content=\"light dark\">\n"
                       "<title>Container registry</title>\n"
                       "<h1>");
    buf_add_markup(html, title);
    buf_add_text(html, "</h1>\n");
}

void html_end(struct buf *html)
{
    buf_add_text(html, "</html>\n");
}

void html_send(struct req *q, int status, struct str html)
{
    http_header(q->x, "Content-Type", STR("text/html; charset=utf-8"));
    http_header(q->x, "Content-Security-Policy",
                STR("default-src 'none'; base-uri 'none'; form-action 'none'; "
                    "frame-ancestors 'none'"));
    http_send(q->x, status, html);
}
