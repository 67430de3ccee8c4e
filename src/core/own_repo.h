/*
 * Repositories of the registry's own, where it keeps what it has made of images. Nobody may pull
 * from them or push to them, and no manifest names what is in there: who keeps it there removes it.
 */
#pragma once

#include "base/name.h"

#define OWN_REPO_PREFIX "cyberdock.internal/"
#define SCANS_REPO      OWN_REPO_PREFIX "scans" /* what scans found: scan/ */

static inline bool own_repo(const struct repo_name *repo)
{
    return str_starts(repo_name_str(repo), STR(OWN_REPO_PREFIX));
}
