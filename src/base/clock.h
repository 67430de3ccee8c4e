/*
 * Time. Deadlines are in monotonic milliseconds; what is stored or shown is in wall milliseconds
 * since the epoch.
 */
#pragma once

#include "base/str.h"

#include <time.h>

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_boot_ms(void); /* monotonic, and goes on while the machine is suspended */
int64_t clock_wall_ms(void);

/* Microseconds, of which each call gets its own: later than those before, whatever the clock does.
 */
int64_t clock_stamp_us(void);

/* The monotonic time in so many milliseconds, for timed waits (thread_cond_init()). */
struct timespec clock_mono_in(int64_t ms);

#define CLOCK_RFC3339_SIZE 25 /* "2026-01-31T23:59:59.123Z" and NUL */
#define CLOCK_HTTP_SIZE    30 /* "Sat, 31 Jan 2026 23:59:59 GMT" and NUL (RFC 9110, 5.6.7) */

/* A time of RFC 3339, or the beginning of one: a date, or a date with hours and minutes. What has
 * no offset is UTC. */
bool clock_parse(struct str text, int64_t *ret_wall_ms);
void clock_rfc3339(int64_t wall_ms, char dst[static CLOCK_RFC3339_SIZE]);
void clock_http(int64_t wall_ms, char dst[static CLOCK_HTTP_SIZE]);
