/*
 * Sessions of people who signed in with a browser.
 *
 * A session is a record in meta, under the hash of a random id: so it can be ended, it ends for all
 * replicas at once, and nobody who reads the database can use it. The cookie is that id with its
 * signature; what is not signed is refused without a look into meta. Nothing of a session is
 * cached: who is signed out, disabled or removed is so with the next request.
 */
#pragma once

#include "auth/browser/seal.h"
#include "auth/core/provider.h"

struct sessions;

struct session_options {
    uint64_t lifetime_ms; /* from the sign-in to the end, however much it is used */
    uint64_t idle_ms;     /* unused for so long, it ends */
};

/* m and s must outlive it. */
struct sessions *sessions_new(struct meta *m, const struct seal *s,
                              const struct session_options *o);
void sessions_free(struct sessions *s); /* accepts NULL */

/* As tokens_renew_by(): whoever shows a session is looked up again. */
void sessions_renew_by(struct sessions *s, renew_fn renew, void *ctx);

#define SESSION_COOKIE_TEXT (64 + 1 + SEAL_MAC_TEXT)

struct session_cookie {
    char text[SESSION_COOKIE_TEXT + 1];
    int64_t until_ms; /* wall clock */
};

/* Ends the oldest sessions of the same name when there would be more than `most` (at least 1).
 * Blocks; any thread. */
ERR_CHECKED enum err_code session_start(struct sessions *s, const struct identity *who, size_t most,
                                        struct session_cookie *ret_cookie, struct err *e);

/* Signs out. Not there, or no cookie of ours: success. */
ERR_CHECKED enum err_code session_end(struct sessions *s, struct str cookie, struct err *e);

/* What a page has to send along with what it changes, to show that it can read our answers: made of
 * the session, kept nowhere. */
void session_csrf(const struct sessions *s, struct str cookie,
                  char ret_token[static SEAL_MAC_TEXT + 1]);
bool session_csrf_matches(const struct sessions *s, struct str cookie, struct str token);

/* Removes what has ended. The provider does so when the server starts and from time to time. */
ERR_CHECKED enum err_code sessions_sweep(struct sessions *s, struct err *e);

/* The provider of CREDENTIAL_SESSION. s must outlive it. */
struct provider *sessions_provider(struct sessions *s);
