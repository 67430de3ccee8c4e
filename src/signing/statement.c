#include "signing/statement.h"

#include "base/pattern.h"

/* sigstore/cosign, "attest --type" */
static const struct {
    const char *word, *type;
} words[] = {
    {"slsaprovenance", "https://slsa.dev/provenance/v0.2"},
    {"slsaprovenance02", "https://slsa.dev/provenance/v0.2"},
    {"slsaprovenance1", "https://slsa.dev/provenance/v1"},
    {"spdx", "https://spdx.dev/Document"},
    {"spdxjson", "https://spdx.dev/Document"},
    {"cyclonedx", "https://cyclonedx.org/bom"},
    {"link", "https://in-toto.io/Link/v1"},
    {"vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"},
    {"openvex", "https://openvex.dev/ns"},
};

static const char *type_of(const char *word)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i].word, word) == 0)
            return words[i].type;
    }
    return word;
}

enum err_code statement_demand_check(const struct statement_demand *d, struct err *e)
{
    if (!d->predicate_type || !strchr(type_of(d->predicate_type), ':'))
        return err_set(e, ERR_CONFIG,
                       "'%.200s' is no predicate type; write a URI, or slsaprovenance, "
                       "slsaprovenance1, spdx, cyclonedx, link, vuln or openvex",
                       d->predicate_type ? d->predicate_type : "");
    return !d->builder || d->builder[0]
               ? ERR_OK
               : err_set(e, ERR_CONFIG, "the builder is empty; leave it out for any");
}

bool statement_meets(const struct signature *s, const struct statement_demand *d)
{
    return s->predicate && strcmp(s->predicate, type_of(d->predicate_type)) == 0 &&
           (!d->builder || (s->builder && pattern_matches(str_of(d->builder), str_of(s->builder))));
}
