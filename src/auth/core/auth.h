/*
 * The chain: from a request's credentials to an identity.
 *
 * A positive answer is cached for a short time under a keyed hash (SHA-256 with a secret of this
 * process) of the whole credential, so that neither bcrypt nor a signature check runs on every
 * request, and no secret is kept. Who begins a session is asked each time. Failures count against
 * the user and the address: each further one is answered later, and after a number of them the pair
 * is locked out for a while. Sessions are looked up each time, and one that has ended is no wrong
 * credential: nobody guesses those.
 */
#pragma once

#include "auth/core/provider.h"
#include "auth/core/room.h"
#include "base/err.h"

struct auth;
struct redis;

enum auth_result {
    AUTH_OK,      /* *ret_identity is the caller's reference; anonymous without a credential */
    AUTH_LATER,   /* auth_quick() only: it takes auth_check() on a worker */
    AUTH_REFUSED, /* credentials were given and are wrong: 401 */
    AUTH_PAST,    /* so is this, but nobody guessed it (VERDICT_PAST): 401 */
    AUTH_CODE,    /* of a person: the code of their second factor is needed as well */
    AUTH_LOCKED,  /* too many wrong ones: 429 with Retry-After *ret_retry_s */
    AUTH_FAILED,  /* a provider could not say, or too many are asked now: 503 */
};

struct auth_options {
    uint64_t cache_ms; /* how long a positive answer holds at most */
    size_t cache_entries;
    uint64_t lock_after; /* failures of a user from an address, or of an address */
    uint64_t lock_ms;
    /* Most checks of passwords, and as many of tokens, that run together; of sessions, its max. */
    struct room_options at_once;
};

/* Takes ownership of the providers, asked in this order. None: everyone is anonymous. */
struct auth *auth_new(const struct auth_options *o, struct provider **providers, size_t n);
void auth_free(struct auth *a);          /* accepts NULL */
bool auth_enabled(const struct auth *a); /* there is a provider */

/* Wrong credentials are counted with others from now on: failures_share(). */
void auth_share_failures(struct auth *a, struct redis *redis, const char *prefix);

/* Is there a provider of that name? */
bool auth_has(const struct auth *a, const char *provider);

/* From memory only; never blocks. I/O threads. c NULL: no credential. */
enum auth_result auth_quick(struct auth *a, const struct credential *c,
                            struct identity **ret_identity);

/* Blocks. */
enum auth_result auth_check(struct auth *a, const struct credential *c,
                            struct identity **ret_identity, unsigned *ret_retry_s, struct err *e);

/* As provider_driver.renew, of the provider that gave the identity; NO when it is asked no more.
 * auth is a struct auth (this is a renew_fn). */
enum verdict auth_renew(void *auth, struct identity **id, struct err *e);

/* What is done with an error that nobody waits for. */
typedef void (*auth_report_fn)(const char *what, const struct err *e);

/* As provider_driver.tend, of all. What is wrong with a file (CONFIG) is reported, each time that
 * the file has changed; of all else *e is the first. To be called about once a second from one
 * thread (tender.h). */
ERR_CHECKED enum err_code auth_tend(struct auth *a, auth_report_fn report, struct err *e);
