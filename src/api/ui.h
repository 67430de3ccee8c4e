/*
 * The web page: what `web/` builds, as scripts/embed_ui.py puts it into the program. All of it is
 * read-only and lives as long as the process. Where the program was built without node there is
 * none.
 */
#pragma once

#include "api/req.h"

struct ui_file {
    const char *name;    /* with a hash of its content in it */
    const char *type;    /* its Content-Type */
    const char *etag;    /* with its quotes; further encodings append to what is in them */
    struct str br, gzip; /* the same, packed */
    size_t plain_bytes;  /* how long it is unpacked */
};

struct ui_files {
    struct str head, tail; /* of the page: between them stands http.prefix */
    const struct ui_file *items;
    size_t n; /* 0: there is no page */
};

extern const struct ui_files ui_embedded;

/* Is there a page, and is it wanted (ui.enabled)? */
bool ui_there(const struct req *q);

/* The page, the same for each of its addresses. Does not block. */
void ui_send_page(struct req *q);
