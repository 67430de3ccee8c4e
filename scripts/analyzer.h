/*
 * Included ahead of every file that clang-tidy looks at: tells the analyzer, which sees one file at a
 * time, that these never return ERR_OK. Otherwise it takes TRY() to go on after a failure, and
 * finds variables without a value everywhere.
 */
#include "base/err.h"

#define err_set(...)    (err_set(__VA_ARGS__), ERR_INTERNAL)
#define err_tell(...)   (err_tell(__VA_ARGS__), ERR_INTERNAL)
#define err_errno(...)  (err_errno(__VA_ARGS__), ERR_INTERNAL)
#define err_prefix(...) (err_prefix(__VA_ARGS__), ERR_INTERNAL)
