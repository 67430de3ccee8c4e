/* A trust store of the Notary Project: the certificates that are trusted under a name, in a folder
 * as notation has it: FOLDER/x509/TYPE/NAME/. notaryproject/specifications, "Trust Store". */
#pragma once

#include "signing/certificates.h"
#include "signing/notation_policy.h"

/* Or of a file, which is every store. Errors: CONFIG, as people are to read it, with the path. */
ERR_CHECKED enum err_code trust_store_read(const char *path, const struct notation_store_name *name,
                                           STACK_OF(X509) * *ret_all, struct err *e);
