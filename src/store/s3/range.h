/*
 * A range of a blob that is asked for: its request, and what was kept of the answer before anybody
 * wanted it. One thread; nothing here waits.
 */
#pragma once

#include "store/s3/s3.h"

struct s3_range {
    struct s3_range *next;
    uint64_t from_bytes, until_bytes; /* of the blob */
    uint64_t at_bytes;                /* where the next byte of the stream belongs */
    uint64_t size_bytes;              /* of the whole blob */

    struct client_stream *stream; /* NULL: none is open */
    struct s3_answer answer;      /* its head; and its body, where that is not the blob */
    int wait_fd;                  /* an epoll set, the reader's, in which the stream is */
    bool whole;                   /* the answer is to be all that was asked for, not a part of it */

    char *kept;             /* room for all of it, or NULL: nothing is kept */
    size_t kept_at, kept_n; /* what is there, and not handed out yet */
};

struct s3_range *s3_range_new(uint64_t from_bytes, uint64_t until_bytes, uint64_t size_bytes,
                              int wait_fd);
void s3_range_free(struct s3_range *r); /* not what it kept */

/* Asks for what is not there yet, at `name`; or, `list`, which keys begin with it. */
ERR_CHECKED enum err_code s3_range_open(struct s3_range *r, struct s3_client *c,
                                        const struct s3_name *name, bool list, struct err *e);
void s3_range_close(struct s3_range *r); /* what was kept stays */

/* The next bytes of the answer, be they the blob's or not. *ret_n is 0 at its end. Errors: LATER;
 * UNAVAILABLE. */
ERR_CHECKED enum err_code s3_range_receive(struct s3_range *r, void *buf, size_t cap, size_t *ret_n,
                                           struct err *e);

/* Whether they are the blob's. */
bool s3_range_has_blob(const struct s3_range *r);

/* What was kept, from the first byte not handed out yet. */
size_t s3_range_take(struct s3_range *r, void *buf, size_t cap);

/* Keeps what has come. What goes wrong closes it. */
void s3_range_keep(struct s3_range *r);
