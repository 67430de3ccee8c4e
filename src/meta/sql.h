/*
 * The SQL behind meta, written once, and the thin adapter that runs it on a database.
 *
 * Statements (sql_statements.h), schema (sql_schema.c), writes (sql_commit.c) and reads
 * (sql_read.c) know no database. An adapter opens connections, runs a statement of the table with
 * bound parameters, hands out rows, and puts a transaction around a function. Private to src/meta/.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "meta/meta.h"
#include "meta/sql_statements.h"

struct sql;      /* a database; any thread */
struct sql_conn; /* a connection; one thread at a time */
struct sql_rows; /* the rows of a statement that runs; at most one per statement and connection */

enum sql_kind { SQL_KIND_INT, SQL_KIND_TEXT, SQL_KIND_BYTES };

/* A parameter. What str points to must outlive the rows. */
struct sql_value {
    enum sql_kind kind;
    int64_t i;
    struct str str;
};

#define SQL_INT(v)   ((struct sql_value){.kind = SQL_KIND_INT, .i = (v)})
#define SQL_TEXT(s)  ((struct sql_value){.kind = SQL_KIND_TEXT, .str = (s)})
#define SQL_BYTES(s) ((struct sql_value){.kind = SQL_KIND_BYTES, .str = (s)})

/* Parameters $1, $2, ... of a statement: the two arguments `args, n` of the calls below. */
#define SQL_ARGS(...)                                                                              \
    (const struct sql_value[]){__VA_ARGS__},                                                       \
        sizeof((const struct sql_value[]){__VA_ARGS__}) / sizeof(struct sql_value)

/* What differs in the text. Statements write parameters as $1 and the words as @id@ and so on. */
struct sql_dialect {
    char placeholder;      /* '$' or '?' */
    const char *id;        /* type of a primary key that numbers itself */
    const char *text;      /* type of text that is compared and sorted bytewise */
    const char *bytes;     /* type of any bytes */
    const char *clustered; /* closes a table that is kept in the order of its primary key */
    const char *lock;      /* ends a SELECT whose row is locked until the transaction ends */
    const char *change;    /* the same, but for those that hold the row */
    const char *hold;      /* the same, against being deleted only */
    const char *must;      /* begins a SELECT that fails with NOT_FOUND when the one behind it */
    const char *must_end;  /* gives no row; and ends it */
    const char *list;      /* before a parameter that is a JSON array of texts: its rows, */
    const char *list_end;  /* (value, position from 0 on), to be given a name; and behind it */
    const char *find; /* a function: where in a text another one begins, from 1 on; 0: nowhere */
    const char *must_not; /* as must, the other way: fails with GONE when it gives a row */
    const char *must_not_end;
    const char
        *stamp; /* META_STAMP digits of the server's time, given those of this process, ... */
    const char *stamp_end; /* ... which stand between this */
};

/* Runs inside a transaction; an error rolls it back. May run in another thread while the caller
 * waits, and more than once when the database asks for a retry. */
typedef enum err_code (*sql_body)(struct sql_conn *c, void *ctx, struct err *e);

struct sql_adapter {
    const char *name;
    bool shared; /* several processes may use a database at once */
    struct sql_dialect dialect;

    /* flags: META_LAZY. When it returns ERR_OK the transaction is as durable as the flags say. */
    enum err_code (*transact)(struct sql *db, unsigned flags, sql_body body, void *ctx,
                              struct err *e);

    /* A connection for reading, back with read_end(). Waits while all are in use. */
    enum err_code (*read_begin)(struct sql *db, struct sql_conn **ret_conn, struct err *e);
    void (*read_end)(struct sql_conn *c);

    /* A connection of its own whose reads all see the same moment, until unpin() ends it. Error:
     * UNSUPPORTED. */
    enum err_code (*pin)(struct sql *db, struct sql_conn **ret_conn, struct err *e);
    void (*unpin)(struct sql_conn *c);

    /* Several statements without parameters or rows: the schema. */
    enum err_code (*script)(struct sql_conn *c, const char *text, struct err *e);

    enum err_code (*query)(struct sql_conn *c, enum sql_id id, const struct sql_value *args,
                           size_t n, struct sql_rows **ret_rows, struct err *e);
    enum err_code (*next)(struct sql_rows *r, bool *ret_row, struct err *e);
    int64_t (*column_int)(struct sql_rows *r, int column);
    struct str (*column_str)(struct sql_rows *r, int column); /* valid until next() or done() */
    void (*done)(struct sql_rows *r);

    /* Optional: runs a statement whose rows nobody reads. In a transaction it may be put off until
     * an answer is needed, or the end, and its error comes then. */
    enum err_code (*run)(struct sql_conn *c, enum sql_id id, const struct sql_value *args, size_t n,
                         struct err *e);

    /* Optional: what is asked next is the last of this transaction, and goes with its end. Nothing
     * may be rolled back for what it answers. */
    void (*ends)(struct sql_conn *c);

    /* Optional: holds the lock of that name from here to the end of the transaction. NULL where
     * there is one writer at a time anyway. */
    enum err_code (*lock)(struct sql_conn *c, struct str name, struct err *e);

    enum err_code (*health)(struct sql *db, struct err *e); /* beyond being able to read */
    const char *(*where)(struct sql *db);                   /* names the database in errors */
    void (*free)(struct sql *db);
};

/* First members of the adapter's own structs. */
struct sql {
    const struct sql_adapter *adapter;
};

struct sql_conn {
    const struct sql_adapter *adapter;
};

struct sql_rows {
    const struct sql_adapter *adapter;
};

static inline void auto_sql_conn_(struct sql_conn **c)
{
    if (*c)
        (*c)->adapter->read_end(*c);
}

static inline void auto_sql_rows_(struct sql_rows **r)
{
    if (*r)
        (*r)->adapter->done(*r);
}

static inline void auto_sql_(struct sql **db)
{
    if (*db)
        (*db)->adapter->free(*db);
}

/* The text of a statement or script in a dialect. */
void sql_expand(const struct sql_dialect *d, const char *text, struct buf *ret);
const char *sql_statement(enum sql_id id);

/* Starts a statement that gives rows. */
ERR_CHECKED enum err_code sql_query(struct sql_conn *c, enum sql_id id,
                                    const struct sql_value *args, size_t n,
                                    struct sql_rows **ret_rows, struct err *e);
ERR_CHECKED enum err_code sql_next(struct sql_rows *r, bool *ret_row, struct err *e);

/* Runs a statement to its end and drops its rows. */
ERR_CHECKED enum err_code sql_run(struct sql_conn *c, enum sql_id id, const struct sql_value *args,
                                  size_t n, struct err *e);

/* Inside a transaction: others that want the lock of that name wait until its end. */
ERR_CHECKED enum err_code sql_lock(struct sql_conn *c, struct str name, struct err *e);

/* Likewise: see sql_adapter.ends. */
void sql_ends(struct sql_conn *c);

/* Like sql_run(), and the first column of its first row. *ret_found false: no row, *ret_value as it
 * was. */
ERR_CHECKED enum err_code sql_run_int(struct sql_conn *c, enum sql_id id,
                                      const struct sql_value *args, size_t n, bool *ret_found,
                                      int64_t *ret_value, struct err *e);

/* Migration i brings a schema of version i to version i + 1; each is one transaction. */
struct sql_migration {
    const char *script;
};

/* Error: CONFIG when the database has a later version than n. */
ERR_CHECKED enum err_code sql_migrate(struct sql *db, const struct sql_migration *list, size_t n,
                                      struct err *e);

extern const struct sql_migration sql_schema[];
extern const size_t sql_schema_n;

/* meta_driver.commit and the reads, over a database. */
struct sql_meta {
    struct meta meta;
    struct meta_driver driver; /* its name is the adapter's */
    struct sql *db;
};

enum err_code sql_commit(struct meta *m, const struct meta_op *ops, size_t n_ops, unsigned flags,
                         size_t *ret_failed, struct err *e);

/* Who moves tags, as databases take it; in *dst. */
struct str sql_actor(const struct meta_op *op, struct buf *dst);

/* sql_quick.c: the same operations for a database where each answer takes its time. No answer is
 * needed for the next statement, so all go there together with the end of the transaction. What
 * must be true, and is not, makes it fail with NOT_FOUND, as does what would need a closer look:
 * whoever wants to know does all again with answers. */
enum err_code sql_record_append(struct sql_conn *c, const struct meta_op *op, struct err *e);

bool sql_is_quick(const struct meta_op *ops, size_t n_ops);

struct sql_quick {
    const struct meta_op *ops;
    size_t n_ops;
};

/* A sql_body; ctx: struct sql_quick. Only where statements can be put off (sql_adapter.run). */
enum err_code sql_quick_apply(struct sql_conn *c, void *ctx, struct err *e);

void sql_read_fill(struct meta_driver *d);   /* sets the callbacks that read */
void sql_record_fill(struct meta_driver *d); /* those of records, audit and usage */

void sql_repo_fill(struct meta_driver *d); /* what a repository holds, and histories of tags */

void sql_shown_fill(struct meta_driver *d); /* lists for people */

void sql_row_fill(struct meta_driver *d); /* that of rows */

ERR_CHECKED enum err_code sql_row_add(struct sql_conn *c, const struct meta_row *row,
                                      struct err *e);

/* sql_job.c: an operation of jobs, and the callbacks that read them. */
ERR_CHECKED enum err_code sql_job_apply(struct sql_conn *c, const struct meta_op *op,
                                        struct err *e);
/* One statement, which has no answer. */
ERR_CHECKED enum err_code sql_job_add(struct sql_conn *c, const struct meta_job_add *j,
                                      struct err *e);
void sql_job_fill(struct meta_driver *d);

/* All below a namespace is what sorts between "name/" and "name0": '0' follows '/'. */
struct sql_space {
    char first[REPO_NAME_MAX + 2], past[REPO_NAME_MAX + 2];
};

ERR_CHECKED enum err_code sql_space_of(struct str space, struct sql_space *ret, struct err *e);
/* sql_condemned.c: an operation of collection in a repository (0: there is none), what others do to
 * what is condemned, and the callbacks that read it. leave: before the edges of a manifest go. */
ERR_CHECKED enum err_code sql_condemned_apply(struct sql_conn *c, int64_t repo_id,
                                              const struct meta_op *op, struct err *e);
ERR_CHECKED enum err_code sql_condemned_revive(struct sql_conn *c, const struct repo_name *repo,
                                               enum meta_item_kind kind, const struct digest *d,
                                               struct err *e);
ERR_CHECKED enum err_code sql_condemned_revive_named(struct sql_conn *c,
                                                     const struct repo_name *repo,
                                                     const struct digest *d, struct err *e);
ERR_CHECKED enum err_code sql_condemned_leave(struct sql_conn *c, const struct repo_name *repo,
                                              int64_t repo_id, int64_t manifest_id,
                                              const struct digest *d, struct err *e);
void sql_condemned_fill(struct meta_driver *d);

/* sql_snapshot.c: meta_driver.snapshot. */
enum err_code sql_snapshot(struct meta *m, struct meta **ret_snapshot, struct err *e);

/* sql_removed.c: an operation of content, what links do to it, and the callbacks that read it. */
ERR_CHECKED enum err_code sql_removed_apply(struct sql_conn *c, const struct meta_op *op,
                                            struct err *e);
ERR_CHECKED enum err_code sql_removed_link(struct sql_conn *c, const struct meta_op *op,
                                           struct err *e);
ERR_CHECKED enum err_code sql_removed_condemn(struct sql_conn *c, struct meta_content what,
                                              const struct meta_removal *removal, struct err *e);
void sql_removed_fill(struct meta_driver *d);

/* For reads: the database of what is asked, a connection for reading (released with
 * auto_sql_conn_()), a column of the row, and how many rows to ask for so that a list of up to
 * limit knows whether there are others. */
static inline struct sql *sql_db_of(struct meta *m)
{
    return ((struct sql_meta *)m)->db;
}

ERR_CHECKED static inline enum err_code sql_begin(struct meta *m, struct sql_conn **ret_conn,
                                                  struct err *e)
{
    return sql_db_of(m)->adapter->read_begin(sql_db_of(m), ret_conn, e);
}

static inline struct str sql_text_at(struct sql_rows *r, int column)
{
    return r->adapter->column_str(r, column);
}

static inline int64_t sql_int_at(struct sql_rows *r, int column)
{
    return r->adapter->column_int(r, column);
}

static inline int64_t sql_one_more(size_t limit)
{
    return limit < INT64_MAX ? (int64_t)limit + 1 : INT64_MAX;
}

/* CORRUPT: what the database holds was written by us, and anything else is damage. */
enum err_code sql_damaged(struct meta *m, const char *what, struct err *e);

/* What a namespace holds, inside a transaction or not. */
ERR_CHECKED enum err_code sql_usage(struct sql_conn *c, struct str space,
                                    struct meta_usage *ret_usage, struct err *e);

/* Over a database whose schema is as it should be, which it takes ownership of. */
struct meta *sql_meta_over(struct sql *db);

/* Brings the schema up to date. Takes ownership of db when it succeeds. */
ERR_CHECKED enum err_code sql_meta_new(struct sql *db, struct meta **ret_meta, struct err *e);
