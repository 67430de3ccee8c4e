/*
 * Libraries that are loaded when they are first needed, not with the program: they bring many
 * others and megabytes of memory, of which a registry that asks no other server has no use.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct library_function {
    const char *name;
    void *pointer; /* where the pointer to it goes */
};

/* Loads the first of the names (ended by NULL) that is there, for good, and finds all functions in
 * it. False: no library of these names, or one that lacks a function. */
bool library_load(const char *const *names, const struct library_function *functions, size_t n);
