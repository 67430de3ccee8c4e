/* Who asks. For the files access*.c; what handlers may call of it is in access.h. */
#pragma once

#include "api/access.h"

/* Fills q->who, unless it returns something else than ACCESS_GRANTED. */
enum access_verdict access_identify(struct req *q);
