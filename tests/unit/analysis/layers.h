/* Layers made for tests: tars in memory. */
#pragma once

#include "analysis/layer_reader.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_code(code, call) assert_string_equal(err_name(code), err_name(call))
#define assert_ok(call)         assert_code(ERR_OK, call)

#define PLENTY                                                                                     \
    (&(struct layer_limits){                                                                       \
        .max_unpacked_bytes = 1ull << 30, .max_ratio = 1000, .memory_bytes = 64ull << 20})

/* One member more: type as in ustar ('0' a file, '5' a folder, ...); link may be NULL. */
void layer_member(struct buf *tar, char type, const char *path, const char *link,
                  struct str contents);
void layer_file(struct buf *tar, const char *path, const char *contents);
void layer_folder(struct buf *tar, const char *path);
void layer_end(struct buf *tar);

/* By gzip, as a file of its own; the caller's. */
void layer_gzip(struct str bytes, struct buf *ret_bytes);
void layer_zstd(struct str bytes, struct buf *ret_bytes);

/* Fed in pieces of so many bytes. */
enum err_code layer_take(struct str bytes, size_t piece_bytes, const struct layer_limits *limits,
                         struct layer_files **ret_files, struct err *e);
