/*
 * A snapshot: the reads of sql_read.c and others over one connection, in a transaction that began
 * with it and ends when it is freed.
 */
#include "base/mem.h"
#include "meta/sql.h"

#include <pthread.h>
#include <stdlib.h>

/* A database of one connection, which stays the property of the other one's adapter. */
struct pinned {
    struct sql base;
    struct sql_adapter adapter; /* that of the database but for connections */
    struct sql *of;
    struct sql_conn *conn;
    pthread_mutex_t lock; /* who reads */
};

static struct pinned *pinned_of(const struct sql_conn *c)
{
    return (struct pinned *)((char *)c->adapter - offsetof(struct pinned, adapter));
}

static enum err_code read_begin(struct sql *base, struct sql_conn **ret_conn, struct err *e)
{
    struct pinned *p = (struct pinned *)base;

    (void)e;
    pthread_mutex_lock(&p->lock);
    *ret_conn = p->conn;
    return ERR_OK;
}

static void read_end(struct sql_conn *c)
{
    pthread_mutex_unlock(&pinned_of(c)->lock);
}

static enum err_code transact(struct sql *base, unsigned flags, sql_body body, void *ctx,
                              struct err *e)
{
    (void)base;
    (void)flags;
    (void)body;
    (void)ctx;
    return err_set(e, ERR_INTERNAL, "a snapshot of the database is for reading");
}

static const char *where(struct sql *base)
{
    const struct pinned *p = (struct pinned *)base;

    return p->of->adapter->where(p->of);
}

static void pinned_free(struct sql *base)
{
    struct pinned *p = (struct pinned *)base;

    p->conn->adapter = p->of->adapter;
    p->of->adapter->unpin(p->conn);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

enum err_code sql_snapshot(struct meta *m, struct meta **ret_snapshot, struct err *e)
{
    struct sql *db = ((struct sql_meta *)m)->db;
    struct sql_conn *conn;
    struct pinned *p;

    TRY(db->adapter->pin(db, &conn, e));
    p = NEW(struct pinned);
    p->adapter = *db->adapter;
    p->adapter.read_begin = read_begin;
    p->adapter.read_end = read_end;
    p->adapter.transact = transact;
    p->adapter.where = where;
    p->adapter.free = pinned_free;
    p->base.adapter = &p->adapter;
    p->of = db;
    p->conn = conn;
    conn->adapter = &p->adapter;
    pthread_mutex_init(&p->lock, NULL);
    *ret_snapshot = sql_meta_over(&p->base);
    return ERR_OK;
}
