/*
 * Is a file of vulnerability data whole? Only what costs a look at its head: who brings one in may
 * have stopped in the middle, and a scanner that reads half a database finds half.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A bbolt database: one of its two meta pages is right, and all pages that it counts are there. */
bool data_file_is_bolt(int fd, uint64_t bytes);

/* An SQLite database with all pages that its header counts. */
bool data_file_is_sqlite(int fd, uint64_t bytes);
