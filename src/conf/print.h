/* Printing what was given of a configuration. */
#pragma once

#include "conf/source.h"

/* What stands behind the value of a row, beginning with " #"; or nothing. */
typedef void conf_remark_fn(const struct conf_source *s, const struct conf_row *row,
                            struct buf *ret_text);

/* As conf_print(), but only the keys that came from the file or the environment, and "" for a
 * secret: it has to be written there. */
void conf_print_given(const struct conf_source *s, conf_remark_fn *remark, struct buf *ret_yaml);
