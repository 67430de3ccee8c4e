/*
 * Freeing at the end of a scope. AUTO(type) runs auto_<type>_() on the variable:
 *
 *     AUTO(fd) int fd = -1;
 *     *ret_fd = STEAL_FD(fd);   hands it over instead
 */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define AUTO(type) __attribute__((cleanup(auto_##type##_)))

/* Declares AUTO(type) for pointers to struct `type`, freed with free_fn (which accepts NULL). */
#define AUTO_POINTER(type, free_fn)                                                                \
    static inline void auto_##type##_(struct type **p)                                             \
    {                                                                                              \
        free_fn(*p);                                                                               \
    }                                                                                              \
    struct auto_##type##_semicolon_

#define STEAL(p)                                                                                   \
    ({                                                                                             \
        __typeof__(p) stolen_ = (p);                                                               \
        (p) = NULL;                                                                                \
        stolen_;                                                                                   \
    })

#define STEAL_FD(fd)                                                                               \
    ({                                                                                             \
        int stolen_ = (fd);                                                                        \
        (fd) = -1;                                                                                 \
        stolen_;                                                                                   \
    })

static inline void auto_fd_(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void auto_mem_(void *p)
{
    free(*(void **)p);
}

static inline void auto_dir_(DIR **d)
{
    if (*d)
        closedir(*d);
}

static inline void auto_file_(FILE **f)
{
    if (*f)
        fclose(*f);
}
