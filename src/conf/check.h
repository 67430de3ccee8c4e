/*
 * What no row of the table can tell alone: keys that need or exclude one another, and texts that
 * mean something. One file for each concern; check.c holds what they share and the server's own
 * keys.
 */
#pragma once

#include "conf/source.h"

/* Settles what follows from other keys, then looks for what no row alone can tell. */
ERR_CHECKED enum err_code conf_check(const struct conf_source *s, struct err *e);

/* Every file that is read (CONF_READ) is there and may be read. */
ERR_CHECKED enum err_code conf_check_files(const struct conf_source *s, struct err *e);

/* The key, or the key of an item, of that name, which must be in the table. */
struct conf_key conf_key_named(const char *name);
struct conf_key conf_item_key_named(const char *name, size_t item, const char *sub);

/* conf_place() at that key. */
enum err_code conf_place_named(const struct conf_source *s, const char *name, struct err *e);

/* Addresses and networks, of the key. */
ERR_CHECKED enum err_code conf_check_networks(const struct conf_source *s, const char *key,
                                              const struct conf_strings *list, struct err *e);

/* auth.mode as it is written. */
const char *conf_mode_name(const struct conf_auth *a);

/* check_auth.c: the mode that follows from what else is given; whether it fits; auth.order. */
void conf_settle_auth(const struct conf_source *s);
ERR_CHECKED enum err_code conf_check_auth(const struct conf_source *s, struct err *e);

/* check_providers.c: a section below auth each. */
ERR_CHECKED enum err_code conf_check_providers(const struct conf_source *s, struct err *e);

/* check_texts.c: paths, headers, patterns and fields. */
ERR_CHECKED enum err_code conf_check_texts(const struct conf_source *s, struct err *e);

/* check_policy.c: policy and auth.admins. */
ERR_CHECKED enum err_code conf_check_policy(const struct conf_source *s, struct err *e);

/* check_storage.c: the slash of the prefix, and how the bucket is named; the keys below storage. */
void conf_settle_storage(const struct conf_source *s);
ERR_CHECKED enum err_code conf_check_storage(const struct conf_source *s, struct err *e);
