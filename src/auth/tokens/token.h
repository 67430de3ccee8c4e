/*
 * The token service (Docker's token authentication; RFC 6749 for its POST form): who has proved who
 * they are gets a short-lived token that says so, and what of the things they asked for they may
 * do.
 *
 * A token narrows: what it allows is what it says and what the policy says when it is used. A
 * refresh token is a random secret, of which only the hash is kept: a record of the collection
 * "refresh-tokens".
 *
 * Any thread; everything below that may fail blocks. Errors: INTERNAL, and those of meta.
 */
#pragma once

#include "auth/core/provider.h"
#include "auth/policy/policy.h"
#include "auth/tokens/signer.h"

struct tokens;

struct token_options {
    const char *issuer;
    const char *service; /* the audience */
    uint64_t lifetime_ms, refresh_lifetime_ms;
};

/* s and m must outlive it. */
struct tokens *tokens_new(struct signer *s, struct meta *m, const struct token_options *o);
void tokens_free(struct tokens *t); /* accepts NULL */

/*
 * Whoever shows a token is looked up again as provider_driver.renew says, so that a token is worth
 * nothing once its owner is disabled, and has the rights that they have now. To be set before the
 * tokens are used; auth_renew() is such a function.
 */
void tokens_renew_by(struct tokens *t, renew_fn renew, void *ctx);

/* The provider that takes these tokens as bearer tokens. t must outlive it. */
struct provider *tokens_provider(struct tokens *t);

#define TOKEN_SCOPES_MAX 64

/* What a client asks for: "repository:NAME:pull,push", "registry:catalog:*"; several, separated by
 * blanks. */
struct token_request {
    struct identity *who;
    const struct policy *policy;
    struct str scopes;
    bool refresh; /* a refresh token too */
};

struct token_answer {
    char *token;
    char *refresh_token; /* NULL when none was asked for, or who is anonymous */
    uint64_t lifetime_s;
    int64_t issued_ms;
};

void token_answer_done(struct token_answer *a);

/* Scopes that are malformed, not allowed or more than TOKEN_SCOPES_MAX are left out, as the
 * protocol has it. Release *ret_answer with token_answer_done(). */
ERR_CHECKED enum err_code tokens_issue(struct tokens *t, const struct token_request *r,
                                       struct token_answer *ret_answer, struct err *e);

/* Whom a refresh token was given to, as they are now; the caller's reference. Errors: UNAUTHORIZED,
 * told; UNAVAILABLE when nobody can say. */
ERR_CHECKED enum err_code tokens_refresh(struct tokens *t, struct str refresh_token,
                                         struct identity **ret_identity, struct err *e);

/* A token for whoever scans what is in that repository: it can be pulled with it, whatever rules of
 * the policy say, and nothing else be done; nobody's password is given away. *ret_token is the
 * caller's (free()). */
ERR_CHECKED enum err_code tokens_issue_scan(struct tokens *t, const struct repo_name *repo,
                                            uint64_t lifetime_ms, char **ret_token, struct err *e);

static inline void auto_token_answer_(struct token_answer *a)
{
    token_answer_done(a);
}
