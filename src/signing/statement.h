/* What an attestation is demanded to state. Pure. */
#pragma once

#include "base/err.h"
#include "signing/signature_trust.h"

struct statement_demand {
    const char *predicate_type; /* a URI, or cosign's word for one: "slsaprovenance1" */
    const char *builder;        /* NULL: any; a name, or a pattern of them (base/pattern.h) */
};

/* Error: CONFIG, as people are to read it. */
ERR_CHECKED enum err_code statement_demand_check(const struct statement_demand *d, struct err *e);

/* Does the attestation state that? Its verdict is another matter. */
bool statement_meets(const struct signature *s, const struct statement_demand *d);
