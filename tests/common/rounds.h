/* How much of what is done many times a test does: less in CI than with scripts/test --long. */
#pragma once

#include <stdbool.h>

/* The environment has CYBERDOCK_TEST_LONG (scripts/test --long). */
bool rounds_are_long(void);

/*
 * A test that lets the n-th call fail for every n adds this to n. It is 1, but in a build with a
 * sanitizer, where each round takes long: what the rounds assert is asserted for every n by the
 * build without, so only every third goes there, unless rounds are long. Begin such loops at
 * different n below this, so that not all leave out the same.
 */
unsigned rounds_step(void);
