/*
 * A trust policy of the Notary Project (trustpolicy.json): which repositories' signatures have to
 * be by whom, and what of a signature that is wrong counts. notaryproject/specifications, "Trust
 * Store and Trust Policy Specification", "OCI Trust Policy", version 1.0. Never changes; any
 * thread.
 */
#pragma once

#include "base/err.h"
#include "signing/distinguished_name.h"

#define NOTATION_POLICY_MAX     (256u << 10) /* bytes */
#define NOTATION_STATEMENTS_MAX 128
#define NOTATION_ROWS_MAX       64 /* scopes, stores, identities of a statement */

enum notation_check {
    NOTATION_AUTHENTICITY,
    NOTATION_TIMESTAMP,
    NOTATION_EXPIRY,
    NOTATION_REVOCATION,
    NOTATION_CHECKS
};

enum notation_action { NOTATION_ENFORCE, NOTATION_LOG, NOTATION_SKIP };

enum notation_store_type { NOTATION_CA, NOTATION_SIGNING_AUTHORITY, NOTATION_TSA, NOTATION_STORES };

const char *notation_store_type_name(enum notation_store_type t); /* "ca" */

struct notation_store_name {
    enum notation_store_type type;
    char *name; /* one part of a path */
};

struct notation_statement {
    char *name;
    bool skip; /* nothing is looked at */
    enum notation_action actions[NOTATION_CHECKS];
    bool stamp_when_expired; /* timestamps count only then */
    char **scopes;           /* HOST/REPOSITORY; none: all that others don't name */
    size_t n_scopes;
    struct notation_store_name *stores;
    size_t n_stores;
    struct distinguished_name **identities; /* none: whoever the stores vouch for */
    size_t n_identities;
};

struct notation_policy {
    struct notation_statement *statements;
    size_t n;
};

/* Errors: CONFIG, as people are to read it, and those of file_read_at(). */
ERR_CHECKED enum err_code notation_policy_read(const char *path, struct notation_policy **ret,
                                               struct err *e);
ERR_CHECKED enum err_code notation_policy_parse(struct str text, struct notation_policy **ret,
                                                struct err *e);
void notation_policy_free(struct notation_policy *p); /* accepts NULL */

/*
 * What holds for a repository, HOST/REPOSITORY; /REPOSITORY where nobody knows under which host it
 * is asked for: then the host that a scope names is passed over. NULL: nothing, or it can't be told
 * which of several.
 */
const struct notation_statement *notation_policy_for(const struct notation_policy *p,
                                                     struct str name);

static inline void auto_notation_policy_(struct notation_policy **p)
{
    notation_policy_free(*p);
}
