/*
 * Tokens of other issuers (OpenID Connect Core, RFC 8414): GitLab CI, GitHub Actions, Kubernetes
 * service accounts. The issuer's keys come from its JWKS, found by discovery unless configured;
 * they are kept for an hour, fetched again when a token names a key that is not among them (but not
 * more often than every ten seconds), and stay in use while the issuer can't be reached.
 */
#pragma once

#include "auth/core/provider.h"
#include "conf/conf.h"

/* One provider for all issuers of the list, which must outlive it. Nothing is fetched yet. */
struct provider *external_new(const struct conf_externals *issuers);
