/*
 * What is looked for in the index of files, and which table finds it with the fewest steps.
 *
 * A pattern without '/' is about basenames, one with '/' about whole paths. '*' is any run of
 * characters but '/', '**' any run, '?' one character but '/'; everything else stands for itself.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define FILES_PATTERN_MAX 512

enum files_road {
    FILES_BY_NAME, /* basenames that begin with `begin` */
    FILES_BY_END,  /* basenames that end with `end` */
    FILES_BY_PATH, /* paths that begin with `begin` */
    FILES_BY_HASH
};

struct files_plan {
    enum files_road road;
    bool whole; /* BY_NAME: `begin` is all of the basename */
    bool path;  /* the pattern is about paths */
    bool plain; /* BY_NAME, whole: there are no wildcards at all */
    char pattern[FILES_PATTERN_MAX + 2];
    char begin[FILES_PATTERN_MAX + 1], end[FILES_PATTERN_MAX + 1];
    char dir[FILES_PATTERN_MAX + 1]; /* of one that is plain and about paths */
    unsigned char hash[32];
};

/* Error: REQUEST_INVALID, told. */
ERR_CHECKED enum err_code files_plan_path(struct str pattern, struct files_plan *ret_plan,
                                          struct err *e);

/* 64 hexadecimal digits, "sha256:" before them or not. The same error. */
ERR_CHECKED enum err_code files_plan_hash(struct str hash, struct files_plan *ret_plan,
                                          struct err *e);

/* Of a pattern. */
bool files_plan_matches(const struct files_plan *p, struct str base, struct str dir);

/* May a file of that basename match? */
bool files_plan_matches_base(const struct files_plan *p, struct str base);
