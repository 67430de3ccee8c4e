/*
 * Users of an htpasswd file, `name:hash` a line: bcrypt, yescrypt, SHA-512 and SHA-256 crypt. The
 * file is read again when it changes. A file that can't be read, or has a line that is not
 * understood, is refused at start; a later change for the worse keeps the earlier content in use.
 */
#pragma once

#include "auth/core/provider.h"

/* Error: CONFIG, naming the file and line. */
ERR_CHECKED enum err_code htpasswd_new(const char *path, struct provider **ret_provider,
                                       struct err *e);
