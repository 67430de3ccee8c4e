/* The table itself: made when it is missing, and known again when it is there. */
#pragma once

#include "meta/dynamodb/access.h"

/* A table that can be used; waits while one is being made, by whomever. Of several processes that
 * start at once, one makes it. Errors besides: CONFIG: it is another's, or of a later layout. */
ERR_CHECKED enum err_code dynamo_table_open(struct dynamo_link *l, struct err *e);
