/*
 * The functions of hiredis for the files of net/ that speak with Redis: its grammar, both ways.
 * What is sent and read is moved by net/redis_line.c: hiredis before 1.0 knows no TLS, and no time
 * limit of a whole command. The library is loaded at the first use (library.h).
 */
#pragma once

#include <hiredis/hiredis.h>

#define LIBHIREDIS_FUNCTIONS(X)                                                                    \
    X(redisReaderCreate)                                                                           \
    X(redisReaderFree)                                                                             \
    X(redisReaderFeed)                                                                             \
    X(redisReaderGetReply)                                                                         \
    X(redisFormatCommandArgv)                                                                      \
    X(redisFreeCommand)                                                                            \
    X(freeReplyObject)

struct libhiredis {
#define LIBHIREDIS_POINTER(name) __typeof__(name) *name;
    LIBHIREDIS_FUNCTIONS(LIBHIREDIS_POINTER)
#undef LIBHIREDIS_POINTER
};

/* NULL: it can't be loaded. Any thread. */
const struct libhiredis *libhiredis(void);
