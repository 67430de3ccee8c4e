/*
 * A provider: one way to find out who someone is, as a table of callbacks. One file a provider.
 * The chain (auth.h) asks them in the configured order, and caches what they say.
 */
#pragma once

#include "auth/core/identity.h"
#include "base/err.h"

enum credential_kind {
    CREDENTIAL_BASIC,       /* user and secret (RFC 7617) */
    CREDENTIAL_BEARER,      /* secret is the token (RFC 6750) */
    CREDENTIAL_CERTIFICATE, /* the client's verified certificate */
    CREDENTIAL_SESSION,     /* secret is the session cookie */
};

struct credential {
    enum credential_kind kind;
    struct str user;
    struct str secret;
    struct str certificate; /* DER; verified, and not revoked */
    const char *address;    /* of the client, or of its network: by which failures count */
    bool person;            /* who can be asked for a code: they begin a session */
    struct str code;        /* of their second factor, or a recovery code; "": not asked for yet */
};

enum verdict {
    VERDICT_PASS, /* nothing to do with this provider: the next one is asked */
    VERDICT_YES,  /* *ret_identity is the caller's reference */
    VERDICT_NO,   /* known here, and wrong: nobody else is asked. What e tells (err_tell) the client
                     reads; else it reads only that the credentials are wrong. ERR_TOTP_REQUIRED: they
                     are right, and the code is missing */
    VERDICT_PAST, /* as NO, of something that was truly given to someone but is good no more, or not
                     here: it was not guessed, and does not count as a wrong one */
    VERDICT_FAIL, /* can't say now (a server is away); e says why. Answered 503 */
};

struct provider;

struct provider_driver {
    const char *name;
    unsigned kinds; /* bit set of 1 << credential_kind it may know */
    /* Blocks (a password hash takes tens of ms, a server more). Any thread, several at once. Takes
     * as long for a user that is not there as for one whose password is wrong. */
    enum verdict (*check)(struct provider *p, const struct credential *c,
                          struct identity **ret_identity, struct err *e);
    /* A number that changes when earlier answers may be wrong now (a file was replaced, a user
     * disabled); never blocks. NULL: answers hold for their cache time. */
    uint64_t (*generation)(struct provider *p);
    /*
     * An identity that this provider gave earlier, and that a token has kept since: YES puts in its
     * place what the account is now (groups, rights; narrowed as it was), NO when the account is
     * gone, disabled or was given another password (stamp). Blocks; any thread. NULL: it holds as
     * long as the token.
     */
    enum verdict (*renew)(struct provider *p, struct identity **id, struct err *e);
    /* Called about once a second, from one thread: to look for changes that others made, ...
     * Blocks. CONFIG: a file has changed and is no good; what it said before holds on. NULL:
     * nothing to do. */
    enum err_code (*tend)(struct provider *p, struct err *e);
    void (*free)(struct provider *p);
};

/* provider_driver.renew of whichever provider gave the identity; auth_renew() is one. */
typedef enum verdict (*renew_fn)(void *ctx, struct identity **id, struct err *e);

/* First member of the provider's own struct. */
struct provider {
    const struct provider_driver *driver;
};
