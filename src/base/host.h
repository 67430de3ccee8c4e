/* Hosts as they stand in URLs and in lists of addresses. */
#pragma once

#include "base/str.h"

/* 127.0.0.0/8, ::1 (without brackets) or localhost: only this machine answers for it. Whatever else
 * may mean an address, as 127.1 does for some, is none. */
bool host_is_loopback(struct str host);
