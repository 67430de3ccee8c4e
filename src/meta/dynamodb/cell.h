/*
 * Items as a transaction sees them: what the table had, what the transaction made of it, and what
 * it relied on. An operation looks and changes; what it looked at becomes a condition. So each item
 * is in a transaction once, however many operations speak of it: the service refuses it twice.
 *
 * What was not read may be guessed (that a blob is not there yet): the condition says whether that
 * was right, and a failed one brings the item as it is. One thread.
 */
#pragma once

#include "meta/dynamodb/access.h"

#define DYNAMO_CELL_ADDS 4
#define DYNAMO_CELL_SEEN 8

enum dynamo_cell_how { DYNAMO_CELL_UPDATE, DYNAMO_CELL_PUT, DYNAMO_CELL_DELETE };

struct dynamo_cell {
    struct dynamo_cell *next;   /* in the order of their first use */
    struct dynamo_cell *beside; /* of the same hash */
    char *pk, *sk;
    json_t *was; /* NULL: not there */
    bool known;  /* was is what the table had, once */
    bool guessed;
    bool ever_guessed; /* in some try */
    bool wanted;

    /* What becomes of it. */
    enum dynamo_cell_how how;
    json_t *put;  /* with PUT: all of it */
    json_t *sets; /* with UPDATE: attributes; null: taken away */
    json_t *once; /* likewise, unless they are there */
    struct {
        const char *name;
        int64_t more;
    } adds[DYNAMO_CELL_ADDS];
    size_t n_adds;

    struct {
        const char *name;
        bool same; /* else: whether it is there */
    } seen[DYNAMO_CELL_SEEN];
    size_t n_seen;
};

#define DYNAMO_CELL_BUCKETS 512

struct dynamo_cells {
    struct dynamo_link *link;
    int64_t end_ms;
    struct dynamo_cell *first, **last, *buckets[DYNAMO_CELL_BUCKETS];
    bool sure;     /* nothing is guessed: it is read */
    bool guessed;  /* something was */
    bool bad_text; /* something was to be written that is no UTF-8, or a key that is too long */
};

void dynamo_cells_init(struct dynamo_cells *t, struct dynamo_link *l, int64_t end_ms);
void dynamo_cells_done(struct dynamo_cells *t);

/* Forgets what became of all, and guesses; what is known stays known. */
void dynamo_cells_rewind(struct dynamo_cells *t);

/* All that was ever touched is to be read again. */
void dynamo_cells_doubt(struct dynamo_cells *t);

/* What was ever guessed is to be read, and nothing is guessed from now on. */
void dynamo_cells_be_sure(struct dynamo_cells *t);

struct dynamo_cell *dynamo_cell_at(struct dynamo_cells *t, const struct dynamo_key *key);

/* Reads those that are wanted and not known, together. */
ERR_CHECKED enum err_code dynamo_cells_fetch(struct dynamo_cells *t, struct err *e);

/* It will be known after the next fetch. */
void dynamo_cell_want(struct dynamo_cell *c);
ERR_CHECKED enum err_code dynamo_cell_read(struct dynamo_cells *t, struct dynamo_cell *c,
                                           struct err *e);

/* Takes it for that item (whose ownership goes over; NULL: not there) unless it is known. */
ERR_CHECKED enum err_code dynamo_cell_guess(struct dynamo_cells *t, struct dynamo_cell *c,
                                            json_t *item, struct err *e);

/* As the transaction has made it. */
bool dynamo_cell_is(const struct dynamo_cell *c);
bool dynamo_cell_has(const struct dynamo_cell *c, const char *name);
int64_t dynamo_cell_number(const struct dynamo_cell *c, const char *name);
struct str dynamo_cell_text(const struct dynamo_cell *c, const char *name);

/* The transaction depends on that attribute of what was: that it is there or not, or its value. */
void dynamo_cell_saw(struct dynamo_cell *c, const char *name, bool same);

void dynamo_cell_set(struct dynamo_cells *t, struct dynamo_cell *c, const char *name,
                     struct str value);
void dynamo_cell_set_number(struct dynamo_cell *c, const char *name, int64_t value);
void dynamo_cell_set_json(struct dynamo_cell *c, const char *name, json_t *value); /* owned */
void dynamo_cell_set_once(struct dynamo_cells *t, struct dynamo_cell *c, const char *name,
                          struct str value);
void dynamo_cell_unset(struct dynamo_cell *c, const char *name);
void dynamo_cell_add(struct dynamo_cell *c, const char *name, int64_t more);

/* It is written anew, with its key alone until something is set. */
void dynamo_cell_put(struct dynamo_cell *c);
void dynamo_cell_delete(struct dynamo_cell *c);

/* What it is in TransactWriteItems: the caller's; NULL: nothing. */
json_t *dynamo_cell_action(const struct dynamo_cell *c, const char *table);

/* A failed condition brought the item as it is (NULL: not there). */
void dynamo_cell_learn(struct dynamo_cell *c, const json_t *item);

/* The transaction was done: what is known now. */
void dynamo_cell_settle(struct dynamo_cell *c);
