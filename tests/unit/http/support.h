/* What the tests of http/ share: defaults of the configuration, and a reader over a file. */
#pragma once

#include "conf/conf.h"
#include "http/http.h"

/* As the table of conf/ has them; one listener at `where`, which the caller keeps. */
void support_conf(struct conf_http *ret_conf, char **where);

/* A reader over fd, which it closes at the end when `close_it`. Without `show_fd` it hides the fd,
 * so that its bytes are read and copied. */
struct reader *support_reader(int fd, bool show_fd, bool close_it);
