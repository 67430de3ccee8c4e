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

/* May the page that sent this change something here? A cookie that came along counts only with
 * http.cors.credentials, and "*" lets nobody change anything. */
bool cors_trusts(const struct req *q);
