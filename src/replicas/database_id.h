/* Which database it is, for those who share something else than that as well. */
#pragma once

#include "meta/meta.h"

/* An identifier of its own, which it is given when it is first asked for. A database that was
 * copied has that of the first, as has one that metadata was migrated to. Errors: those of meta. */
ERR_CHECKED enum err_code database_id(struct meta *m, struct uuid *ret_id, struct err *e);

/* The same without giving it one. Error: NOT_FOUND. */
ERR_CHECKED enum err_code database_id_known(struct meta *m, struct uuid *ret_id, struct err *e);
