/*
 * The modules that a program of Go was built of, which stand in it between two marks, and the
 * version of Go: found in its bytes as they come. Source: Go's debug/buildinfo.Read, and cmd/go's
 * modload.ModInfoData.
 */
#pragma once

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

struct go_modules; /* one thread */

struct go_modules *go_modules_new(void);
void go_modules_free(struct go_modules *g); /* accepts NULL */

/* A file begins; its next bytes, of any file. */
void go_modules_begin(struct go_modules *g);
void go_modules_feed(struct go_modules *g, const void *p, size_t n);

typedef enum err_code (*go_module_fn)(void *ctx, struct str name, struct str version,
                                      struct err *e);

/* All has come: each module, with what replaced it, and Go's own library as "stdlib". The version
 * of one that was built where it lies is empty. Errors: those of found. */
ERR_CHECKED enum err_code go_modules_end(struct go_modules *g, go_module_fn found, void *ctx,
                                         struct err *e);

AUTO_POINTER(go_modules, go_modules_free);
