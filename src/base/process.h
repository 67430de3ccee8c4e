/*
 * Other programs: one is started, fed, heard and ended by one call. It gets what it is given and
 * nothing else: no descriptor, no blocked or ignored signal, no variable of this process. It is the
 * leader of a process group, and when the call returns nothing of that group is left.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <sys/types.h>

struct process {
    const char *const
        *argv;              /* to NULL; [0] is the path of the program, which is not searched for */
    const char *const *env; /* "NAME=value", to NULL */
    struct str input;       /* its standard input */
    uint64_t memory_bytes;  /* of address space, for each process of the group; 0: no limit */
    int64_t deadline_ms;    /* by clock_mono_ms() */
    int stop_fd;            /* becomes readable when it is to end sooner; -1: there is none */

    /* What is 0 or NULL bounds and changes nothing. */
    const char *dir;         /* its working directory; else this process's */
    int output_fd;           /* takes its standard output, of which ret_output then gets nothing */
    uint64_t file_bytes;     /* of each file that it writes, output_fd's too; more is SIGXFSZ */
    uint64_t cpu_s;          /* of each process of the group; more is SIGXCPU, then SIGKILL */
    uint64_t resident_bytes; /* of memory that it itself has, by a look now and then: for programs
                                that reserve much more than they use */
    int nice;                /* how much less urgent it is than this process */
    bool offline;            /* has no network; where the kernel refuses that, it has */
    /* Directories, to NULL, by paths from its working directory: the only places where it may make,
     * change and remove files, those that are open apart. Where the kernel can't bound that (Linux
     * 5.13 can), its user's rights do. */
    const char *const *writable;
    uid_t uid; /* whose it is, with the group and no others; 0: as this process */
    gid_t gid;

    /* Called some times a second while it runs; an error ends it, and is that of the call. */
    enum err_code (*look)(void *ctx, struct err *e);
    void *look_ctx;
};

struct process_end {
    int status; /* of its exit; -1 when a signal ended it */
    int signal; /* 0: it exited */
};

/*
 * Runs it to its end. Blocks, at most until the deadline; any thread. What it writes is in the two
 * bufs, which the caller has initialised and whose max bounds them; also after an error, as far as
 * it came. More standard output than fits is an error and ends it; more of standard error is
 * dropped. A status other than 0 is no error. Errors: TIMEOUT at the deadline; UNAVAILABLE when it
 * was stopped or there is no room for a process; INTERNAL when it cannot be started, says too
 * much or has too much.
 */
ERR_CHECKED enum err_code process_run(const struct process *p, struct buf *ret_output,
                                      struct buf *ret_errors, struct process_end *ret_end,
                                      struct err *e);

/* Where the program of that name is: the first that may be run in the directories of path_variable
 * (a value of PATH), but for those that depend on where one stands. A name with a slash is a path,
 * and is not looked for. False: nowhere, or it is too long for dst. */
bool process_find(struct str path_variable, struct str name, char *dst, size_t cap);
