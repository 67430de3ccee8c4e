/* Which URLs a manifest may name: manifest.urls of the configuration. */
#pragma once

#include "conf/conf.h"

struct url_rules;

/* The patterns were checked with the configuration; one that is none allows nothing. */
struct url_rules *url_rules_new(const struct conf_registry *c);
void url_rules_free(struct url_rules *rules); /* accepts NULL */

/* Any thread. */
bool url_rules_allow(const struct url_rules *rules, const char *url);
