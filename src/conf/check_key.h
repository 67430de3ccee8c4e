/* What the checks share: keys by their names, and where they were given. */
#pragma once

#include "conf/source.h"

/* The key, or the key of an item, of that name, which must be in the table. */
struct conf_key conf_key_named(const char *name);
struct conf_key conf_item_key_named(const char *name, size_t item, const char *sub);

/* The same of a list in an item: "pull_policy[0].allow[1].cve". */
struct conf_key conf_inner_key_named(const char *name, size_t item, const char *list, size_t inner,
                                     const char *sub);

/* conf_place() at that key. */
enum err_code conf_place_named(const struct conf_source *s, const char *name, struct err *e);

/* Addresses and networks, of the key. */
ERR_CHECKED enum err_code conf_check_networks(const struct conf_source *s, const char *key,
                                              const struct conf_strings *list, struct err *e);

/* auth.mode as it is written. */
const char *conf_mode_name(const struct conf_auth *a);

/* Not empty; letters, digits and these others. */
bool conf_all_of(struct str s, const char *others);
