/*
 * Pages of other origins (Fetch, "CORS protocol"): those that http.cors.origins lists may read what
 * this registry answers, and change what their user may. A page that is not listed is told nothing,
 * so its browser shows it nothing.
 */
#pragma once

#include "api/req.h"

/* Sets what the answer tells the browser. True: it was a preflight, and is answered. Never blocks;
 * before anything else is settled, for a browser never signs in for a preflight. */
bool cors_begin(struct req *q);

/* The same for an answer to a head that was not read to its end, whose Origin may stand in what
 * was. Never blocks. */
void cors_refuse(struct req *q);

/*
 * May the page that sent this change something here? "*" lets nobody change anything.
 *
 * What the browser adds by itself, a cookie or a client certificate that says who asks, counts only
 * with http.cors.credentials. It adds them where a script says `credentials: "include"` (Fetch,
 * "HTTP-network-or-cache fetch"); a preflight is then answered without
 * Access-Control-Allow-Credentials, but a POST as of a form has none. A password that the browser
 * keeps comes as an Authorization that can't be told from one that the script has set, so it
 * counts; without a preflight it opens uploads and mounts blobs, no more, and the page can't read
 * the answers.
 */
bool cors_trusts(const struct req *q);
