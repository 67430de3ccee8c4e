/*
 * Repositories of the registry's own, where it keeps what it has made of images, and archives that
 * wait for their scan. Nobody may see them, pull from them (but for scanners) or push to them, and
 * collection passes them over: who keeps something there removes it.
 */
#pragma once

#include "base/name.h"

#define OWN_REPO_PREFIX "cyberdock.internal/"
#define SCANS_REPO      OWN_REPO_PREFIX "scans" /* what scans found: scan/ */
#define HELD_REPO       OWN_REPO_PREFIX "held/" /* KEY: an archive that waits: core/held_image.h */

static inline bool own_repo(const struct repo_name *repo)
{
    return str_starts(repo_name_str(repo), STR(OWN_REPO_PREFIX));
}

static inline bool held_repo(const struct repo_name *repo)
{
    return str_starts(repo_name_str(repo), STR(HELD_REPO));
}
