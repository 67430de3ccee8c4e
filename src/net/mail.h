/* Mail, by SMTP through libcurl. */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "conf/conf.h"

/* One message (headers and text, lines ended by CRLF) to n addresses. Blocks; any thread. Errors:
 * UNAVAILABLE, when the server can't be reached or takes nothing now; REQUEST_INVALID, when it
 * refuses this message, or all of its addresses, for good (5xx). */
ERR_CHECKED enum err_code mail_send(const struct conf_mail *conf, const char *const *to, size_t n,
                                    struct str message, struct err *e);
