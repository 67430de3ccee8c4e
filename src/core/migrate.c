#include "core/migrate.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

/* Records of our own, which are not moved: who `from` is, and how far `to` has come. */
#define COLLECTION STR("migration")
#define IDENTITY   STR("identity") /* a UUID */
#define PLACE      STR("place")    /* UUID KIND PLACE: of `from`, and where its rows go on */

/* A page and where it ended go together: with two items a row, what DynamoDB takes in one
 * transaction. */
#define PAGE 48

#define PLACE_MAX (128 << 10)

struct state {
    const struct migrate *m;
    struct uuid from;
    enum meta_row_kind kind; /* where to go on */
    char *after;             /* of that kind */
};

static inline void auto_state_(struct state *s)
{
    free(s->after);
}

static bool is_ours(const struct meta_row *row)
{
    return row->kind == META_ROW_RECORD && str_eq(row->texts[0], COLLECTION);
}

static void tell(const struct migrate *m, enum migrate_step step, enum meta_row_kind kind,
                 uint64_t done)
{
    if (m->progress)
        m->progress(m->ctx, step, kind, done);
}

/* NULL in *ret_value: there is none. */
static enum err_code get(struct meta *m, struct str key, char **ret_value, struct err *e)
{
    AUTO(record) struct meta_record r = {0};
    enum err_code code = meta_record_get(m, COLLECTION, key, &r, e);

    *ret_value = NULL;
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    if (code == ERR_OK)
        *ret_value = STEAL(r.value);
    return code;
}

/* The one it has, or a new one. */
static enum err_code identify(struct meta *from, struct uuid *ret_id, struct err *e)
{
    AUTO(mem) char *known = NULL;
    struct meta_op op;

    TRY(get(from, IDENTITY, &known, e));
    if (known)
        return uuid_parse(str_of(known), ret_id)
                   ? ERR_OK
                   : err_set(e, ERR_CORRUPT, "the name of the database is damaged");
    uuid_make(ret_id);
    op = meta_op_record_put(COLLECTION, IDENTITY, str_of(ret_id->text), META_ABSENT);
    return meta_commit(from, &op, 1, 0, NULL, e);
}

enum err_code migrate_name(struct meta *from, struct err *e)
{
    struct uuid id;

    return identify(from, &id, e);
}

/* Rows of ours do not count. */
static enum err_code check_empty(struct meta *m, struct err *e)
{
    for (int kind = 0; kind < META_ROW_KINDS; kind++) {
        AUTO(row_list) struct meta_row_list l = {0};

        TRY(meta_rows(m, (enum meta_row_kind)kind, STR(""), 3, &l, e));
        for (size_t i = 0; i < l.n; i++) {
            if (!is_ours(&l.rows[i]))
                return err_set(e, ERR_CONFIG,
                               "the database to migrate to is not empty, it has %s: it must be a "
                               "new one, which no server and no other command has used",
                               meta_row_kind_name((enum meta_row_kind)kind));
        }
    }
    return ERR_OK;
}

static struct meta_op op_place(struct buf *text, const struct state *s)
{
    buf_init(text, PLACE_MAX);
    buf_addf(text, "%s %d ", s->from.text, (int)s->kind);
    buf_add_text(text, s->after);
    return meta_op_record_put(COLLECTION, PLACE, buf_str(text), META_ANY);
}

static enum err_code begin(struct state *s, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    struct meta_op op;

    TRY(check_empty(s->m->to, e));
    s->kind = META_ROW_REPO;
    s->after = mem_strdup("");
    op = op_place(&text, s);
    return meta_commit(s->m->to, &op, 1, 0, NULL, e);
}

static enum err_code go_on(struct state *s, const char *place, struct err *e)
{
    struct str rest = str_of(place), from, kind;
    uint64_t number;

    if (!str_cut(&rest, ' ', &from) || !str_cut(&rest, ' ', &kind) ||
        !str_to_u64(kind, META_ROW_KINDS, &number))
        return err_set(e, ERR_CORRUPT, "where the migration stopped is damaged");
    if (!str_eq(from, str_of(s->from.text)))
        return err_set(e, ERR_CONFIG,
                       "the database to migrate to has a half of a migration from another "
                       "database: make it anew, or finish that one");
    s->kind = (enum meta_row_kind)number;
    s->after = str_dup(rest);
    return ERR_OK;
}

static enum err_code find_place(struct state *s, bool *ret_resumed, struct err *e)
{
    AUTO(mem) char *identity = NULL;
    AUTO(mem) char *place = NULL;

    TRY(identify(s->m->from, &s->from, e));
    TRY(get(s->m->to, IDENTITY, &identity, e));
    if (identity && strcmp(identity, s->from.text) == 0)
        return err_set(e, ERR_CONFIG, "both configurations name the same database");
    TRY(get(s->m->to, PLACE, &place, e));
    *ret_resumed = place != NULL;
    return place ? go_on(s, place, e) : begin(s, e);
}

/* Not durable alone: the power may fail, and then the place is that of what is there. */
static enum err_code write_page(const struct state *s, const struct meta_row_list *l, struct err *e)
{
    AUTO(buf) struct buf place = {0};
    struct meta_op ops[PAGE + 1];
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++) {
        if (!is_ours(&l->rows[i]))
            ops[n++] = meta_op_row_add(&l->rows[i]);
    }
    ops[n++] = op_place(&place, s);
    if (place.full)
        return err_set(e, ERR_INTERNAL, "the place of a row is too long to be kept");
    return meta_commit(s->m->to, ops, n, META_LAZY, NULL, e);
}

static enum err_code copy_kind(struct state *s, struct err *e)
{
    enum meta_row_kind kind = s->kind;
    uint64_t done = 0;

    while (s->kind == kind) {
        AUTO(row_list) struct meta_row_list l = {0};

        TRY(meta_rows(s->m->from, kind, str_of(s->after), PAGE, &l, e));
        free(s->after);
        s->after = l.more ? STEAL(l.next) : mem_strdup("");
        if (!l.more)
            s->kind++;
        TRY(write_page(s, &l, e));
        done += l.n;
        tell(s->m, MIGRATE_COPY, kind, done);
    }
    return ERR_OK;
}

/* Sums of hashes do not depend on the order, in which drivers differ; and other than those that
 * are XORed they tell two equal rows from none. */
#define SUM_WORDS 8

struct sum {
    uint64_t words[SUM_WORDS];
};

static void add_field(struct buf *b, struct str s)
{
    buf_addf(b, "%zu:", s.n);
    buf_add_str(b, s);
}

static enum err_code add_row(struct sum *sum, const struct meta_row *row, struct err *e)
{
    AUTO(buf) struct buf b = {0};
    struct digest d;
    char word[16 + 1] = "";

    buf_init(&b, SIZE_MAX / 2);
    for (size_t i = 0; i < META_ROW_TEXTS; i++)
        add_field(&b, row->texts[i]);
    for (size_t i = 0; i < META_ROW_INTS; i++)
        buf_addf(&b, "%lld,", (long long)row->ints[i]);
    if (b.full)
        return err_set(e, ERR_INTERNAL, "a row is too long to be hashed");
    digest_of(DIGEST_SHA512, b.p, b.n, &d);
    for (size_t i = 0; i < SUM_WORDS; i++) {
        memcpy(word, digest_hex(&d).p + 16 * i, 16);
        sum->words[i] += strtoull(word, NULL, 16);
    }
    return ERR_OK;
}

static enum err_code count_kind(const struct migrate *m, enum migrate_step step,
                                enum meta_row_kind kind, struct migrate_count *ret_count,
                                struct err *e)
{
    struct meta *of = step == MIGRATE_VERIFY_FROM ? m->from : m->to;
    AUTO(mem) char *after = mem_strdup("");
    struct sum sum = {{0}};
    bool more = true;

    *ret_count = (struct migrate_count){0};
    while (more) {
        AUTO(row_list) struct meta_row_list l = {0};

        TRY(meta_rows(of, kind, str_of(after), PAGE, &l, e));
        for (size_t i = 0; i < l.n; i++) {
            if (is_ours(&l.rows[i]))
                continue;
            TRY(add_row(&sum, &l.rows[i], e));
            ret_count->rows++;
        }
        tell(m, step, kind, ret_count->rows);
        more = l.more;
        if (more) {
            free(after);
            after = STEAL(l.next);
        }
    }
    digest_of(DIGEST_SHA256, &sum, sizeof(sum), &ret_count->digest);
    return ERR_OK;
}

static enum err_code verify(const struct migrate *m, struct migrate_count *ret_counts,
                            struct err *e)
{
    for (int i = 0; i < META_ROW_KINDS; i++) {
        enum meta_row_kind kind = (enum meta_row_kind)i;
        struct migrate_count to;

        TRY(count_kind(m, MIGRATE_VERIFY_FROM, kind, &ret_counts[i], e));
        TRY(count_kind(m, MIGRATE_VERIFY_TO, kind, &to, e));
        if (ret_counts[i].rows != to.rows || !digest_eq(&ret_counts[i].digest, &to.digest))
            return err_set(e, ERR_CORRUPT,
                           "%s differ: %llu to migrate and %llu migrated, or their content; if "
                           "the one was changed since, make the other anew and begin again",
                           meta_row_kind_name(kind), (unsigned long long)ret_counts[i].rows,
                           (unsigned long long)to.rows);
    }
    return ERR_OK;
}

enum err_code migrate_begin(const struct migrate *m, struct err *e)
{
    AUTO(state) struct state s = {.m = m};
    bool resumed;

    return find_place(&s, &resumed, e);
}

enum err_code migrate_run(const struct migrate *m, bool *ret_resumed,
                          struct migrate_count *ret_counts, struct err *e)
{
    AUTO(state) struct state s = {.m = m};
    struct meta_op op = meta_op_record_delete(COLLECTION, PLACE, META_ANY);

    TRY(find_place(&s, ret_resumed, e));
    while (s.kind < META_ROW_KINDS)
        TRY(copy_kind(&s, e));
    TRY(verify(m, ret_counts, e));
    return meta_commit(m->to, &op, 1, 0, NULL, e); /* and all of before is durable with it */
}

enum err_code migrate_check_whole(struct meta *m, struct err *e)
{
    AUTO(mem) char *place = NULL;

    TRY(get(m, PLACE, &place, e));
    if (place)
        return err_set(e, ERR_CONFIG,
                       "the metadata was not migrated to its end: run the same `registry migrate` "
                       "or `registry restore` again");
    return ERR_OK;
}
