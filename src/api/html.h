/* Pages for people who look with a browser. They load nothing and run nothing. */
#pragma once

#include "api/req.h"

#define HTML_MAX_BYTES 8192

/* Is a page asked for (Accept)? What answers differently then says so with html_vary(). */
bool html_wanted(const struct req *q);
void html_vary(struct req *q);

/* All up to the first heading, which is the title. Text comes in by buf_add_markup(). */
void html_begin(struct buf *html, struct str title);
void html_end(struct buf *html);

/* The answer. */
void html_send(struct req *q, int status, struct str html);
