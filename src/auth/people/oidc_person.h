/*
 * What an OpenID provider said of a person when they signed in last: a record of the collection
 * "oidc-people", by name. It takes the place of what was said before, so a group that is gone is
 * gone for every session; and a name that another person has now ends the sessions of the former.
 */
#pragma once

#include "auth/core/accounts.h"
#include "auth/core/provider.h"
#include "auth/people/user.h"
#include "conf/conf.h"

#define OIDC_PROVIDER "oidc" /* name of the provider */

/* claims are checked, and its name is valid. *ret_identity is the caller's reference. */
ERR_CHECKED enum err_code oidc_person_put(struct accounts *a, const struct conf_oidc *c,
                                          const json_t *claims, struct identity **ret_identity,
                                          struct err *e);

/* As a user without a password; their id is another one when the name is another person's. Errors:
 * NOT_FOUND; those of meta. */
ERR_CHECKED enum err_code oidc_person_get(struct accounts *a, struct str name,
                                          struct user *ret_user, struct err *e);

/* As provider_driver.renew. */
enum verdict oidc_person_renew(struct accounts *a, struct identity **id, struct err *e);
