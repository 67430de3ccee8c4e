/*
 * Names of originals: USER/TIME/ID.tar.gz. USER is the name of a user, with each byte that is no
 * letter, digit, '.', '_' or '-' as %XX, and '.' at its beginning; "robot~NAME" of a robot account,
 * and "~anonymous": no user's has a '~'. What is too long is cut, and told apart by its hash behind
 * a '~'. TIME is 20260131T235959Z.
 */
#pragma once

#include "archive/unpack.h"
#include "store/store.h"

#define ORIGINAL_TIME_SIZE 17
void original_time(int64_t wall_ms, char dst[static ORIGINAL_TIME_SIZE]);

/* The key of its record, which is its id for people: TIME-ID; sorted by time. */
#define ORIGINAL_KEY_SIZE (ORIGINAL_TIME_SIZE + UUID_TEXT + 1)

/* owner: "user:alice", "robot:ci", "" for nobody. packing is that of the bytes. */
void original_name_make(const char *owner, int64_t wall_ms, const struct uuid *id,
                        enum packing packing, struct store_original_name *ret_name);

/* What a name says. False: it is none that was made here. owner is "anonymous" when it is nobody's,
 * "" when it was cut; its max bounds it. */
bool original_name_read(const struct store_original_name *name, struct buf *ret_owner,
                        char ret_key[static ORIGINAL_KEY_SIZE]);
