/*
 * The system calls with which the file system driver changes things, seen and failed: meson.build
 * wraps them in the linker, so the tested code is what ships. They may be made by several
 * threads; what stands here is for one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct calls_options {
    const char *fail; /* name of the call to fail, "" for any, NULL for none */
    size_t nth;       /* which of them, from 1; 0: all */
    int error;        /* the errno it fails with */
};

/* Starts a new record. */
void calls_start(const struct calls_options *o);
void calls_stop(void);

/* After the start: how often the call was made ("": any), and the record of the i-th of all, as
 * "name path path"; "" past the end. A descriptor is shown as its path. */
size_t calls_count(const char *name);
const char *calls_at(size_t i);

/* Index of the first call from `from` on whose record holds text; -1 when there is none. */
int calls_find(int from, const char *text);
