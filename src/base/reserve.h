/*
 * Space on a file system that is kept for the time when it is full: a file with blocks of its own.
 * Given up, it lets the database go on, so that deleting works and frees more; taken back when
 * there is room again. While it is given up, whoever would add content must not: reserve_held().
 *
 * Any thread, but for new and free. NULL stands for no reserve: it is always held.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>

struct reserve;

/*
 * Takes the space. A file system without room is no error: the reserve is then as good as given
 * up. 0 bytes removes the file; *ret_reserve is NULL then, and also where a file system cannot
 * keep space. Error: that of a file that can't be made.
 */
ERR_CHECKED enum err_code reserve_new(const char *path, uint64_t bytes,
                                      struct reserve **ret_reserve, struct err *e);
void reserve_free(struct reserve *r); /* the file stays; accepts NULL */

/* Gives the space back to the file system. False when that frees nothing. */
bool reserve_give_up(struct reserve *r);

/* Is there the space that was kept? Takes it back when there is room again. */
bool reserve_held(struct reserve *r);

/* The same without a look at the file system. */
bool reserve_was_held(const struct reserve *r);
