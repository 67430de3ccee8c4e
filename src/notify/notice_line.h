/* An event in words, for people. */
#pragma once

#include "base/buf.h"
#include "notify/notice.h"

/* One line: what happened, where: "New vulnerabilities: prod/app@sha256:... (critical 2, high 5)".
 */
void notice_line(const struct notice *n, struct buf *ret_line);

/* What happened: "New vulnerabilities"; of one that is not known here, its name. */
const char *notice_title(const struct notice *n);
