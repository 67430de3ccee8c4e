/* Files of the reference registry ("version: 0.1"), read into our configuration. */
#pragma once

#include "conf/distribution/flat.h"
#include "conf/source.h"

/* Is the file one of the reference registry? Ours have no version. */
bool conf_is_distribution(const struct flat *f);

/*
 * flat holds what stands in the file, and must outlive s. Its keys, and those of the environment
 * that are the reference registry's, are taken over, warned of in s->conf->warnings, or refused;
 * then come variables of ours for what it has no key for. Error: CONFIG, with file and line or the
 * variable.
 */
ERR_CHECKED enum err_code conf_read_distribution(struct conf_source *s, struct flat *flat,
                                                 char *const *environment, struct err *e);

/* Without such a file its variables can't be meant: error CONFIG, which says so. */
ERR_CHECKED enum err_code conf_refuse_distribution(char *const *environment, struct err *e);
