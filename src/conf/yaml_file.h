/* The YAML of a configuration. */
#pragma once

#include "conf/source.h"

/* The file's bytes over what is there; and a list of maps in a variable. */
ERR_CHECKED enum err_code conf_read_yaml(struct conf_source *s, struct str text, struct err *e);
ERR_CHECKED enum err_code conf_read_items(struct conf_source *s, const struct conf_row *row,
                                          struct str text, struct err *e);
