/* Texts of others, for a terminal. */
#pragma once

#include "base/buf.h"

/* Appends text, with \xNN for each byte of what is not seen: control characters, those that change
 * the direction of text, and what is no UTF-8. Clients made it, and nothing of it may move the
 * cursor of who reads it. */
void cli_add_visible(struct buf *line, const char *text);
