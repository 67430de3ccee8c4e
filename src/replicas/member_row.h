/* What a member says of itself in its row: a JSON object, for other members and for people. */
#pragma once

#include "base/buf.h"
#include "base/uuid.h"

/* That a member will ask another, since it announced itself for the n-th time. */
struct member_known {
    struct uuid id;
    int64_t announced;
};

struct member_row {
    const char *name;   /* of the process: for people */
    int64_t started_ms; /* wall clock: for people */
    bool reachable;     /* messages come to it, and from it to others */
    bool answers;       /* it may be answering from memory: writers have to ask it */
    int64_t announced;  /* how often `answers` has become true */
    const struct member_known *knows;
    size_t n_knows;
};

/* Appends the row as text. */
void member_row_print(const struct member_row *row, struct buf *ret_text);

/* What another needs of a row. */
struct member_seen {
    bool reachable, answers;
    int64_t announced;
    int64_t knows_me; /* the announcement of the reader that the member knows; 0: none */
};

/* What is no row, as one of a later version may not be, is a member that can't be reached and may
 * be answering: so nobody relies on it. */
struct member_seen member_row_parse(struct str text, const struct uuid *me);
