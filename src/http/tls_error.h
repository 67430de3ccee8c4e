/* What OpenSSL says went wrong. */
#pragma once

#include "base/err.h"

/* "WHAT 'WHICH': " and what OpenSSL found wrong first, as CONFIG; its errors are cleared. */
enum err_code tls_err(struct err *e, const char *what, const char *which);
