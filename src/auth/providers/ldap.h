/*
 * Users of an LDAP directory: found by a search, known by a bind with their password, with the
 * groups that a second search or an attribute of theirs names. Tokens ask anew: who is gone, or
 * whose password was changed where the directory says when, has none any more.
 */
#pragma once

#include "auth/core/provider.h"
#include "conf/conf.h"

/* conf must outlive it. The directory is not asked yet. */
struct provider *ldap_new(const struct conf_ldap *conf);
