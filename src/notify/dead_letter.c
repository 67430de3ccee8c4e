#include "notify/dead_letter.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>

#define VALUE_MAX (256u << 10)
#define PAGE      256
#define AT_ONCE   64 /* deletions in a transaction */

static void key_of(const char *target, uint64_t seq, char dst[static DEAD_LETTER_KEY])
{
    snprintf(dst, DEAD_LETTER_KEY, "%s/%016llu", target, (unsigned long long)seq);
}

struct meta_op dead_letter_put(const char *target, const struct dead_letter *d,
                               char ret_key[static DEAD_LETTER_KEY], char **ret_text)
{
    AUTO(buf) struct buf b = {0};

    key_of(target, d->seq, ret_key);
    buf_init(&b, VALUE_MAX);
    buf_addf(&b,
             "{\"seq\":%llu,\"at_ms\":%lld,\"status\":%lld,\"why\":", (unsigned long long)d->seq,
             (long long)d->at_ms, (long long)d->status);
    buf_add_json(&b, str_of(d->why));
    buf_addf(&b, ",\"event\":%s}", d->event);
    *ret_text = str_dup(buf_str(&b));
    return meta_op_record_put(DEAD_LETTERS, str_of(ret_key), str_of(*ret_text), META_ANY);
}

enum err_code dead_letter_list(struct meta *m, const char *target, uint64_t after, size_t limit,
                               struct meta_record_list *ret_list, struct err *e)
{
    AUTO(records) struct meta_record_list l = {0};
    char from[DEAD_LETTER_KEY], begin[TARGET_KEY_MAX + 1];
    size_t n = 0;

    key_of(target, after, from);
    snprintf(begin, sizeof(begin), "%s/", target);
    TRY(meta_records(m, DEAD_LETTERS, str_of(from), limit, &l, e));
    while (n < l.n && str_starts(str_of(l.rows[n].key), str_of(begin)))
        n++;
    if (n < l.n)
        l.more = false; /* those of another target follow */
    for (size_t i = n; i < l.n; i++)
        meta_record_done(&l.rows[i]);
    l.n = n;
    *ret_list = l;
    l = (struct meta_record_list){0};
    return ERR_OK;
}

enum err_code dead_letter_get(struct meta *m, const char *target, uint64_t seq,
                              struct meta_record *ret, struct err *e)
{
    char key[DEAD_LETTER_KEY];

    key_of(target, seq, key);
    return meta_record_get(m, DEAD_LETTERS, str_of(key), ret, e);
}

enum err_code dead_letter_remove(struct meta *m, const char *target, uint64_t seq, struct err *e)
{
    char key[DEAD_LETTER_KEY];
    struct meta_op op;

    key_of(target, seq, key);
    op = meta_op_record_delete(DEAD_LETTERS, str_of(key), META_ANY);
    return meta_commit(m, &op, 1, 0, NULL, e);
}

static enum err_code count(struct meta *m, const char *target, uint64_t *ret_n, struct err *e)
{
    uint64_t after = 0;
    bool more = true;

    *ret_n = 0;
    while (more) {
        AUTO(records) struct meta_record_list l = {0};
        const char *slash;

        TRY(dead_letter_list(m, target, after, PAGE, &l, e));
        *ret_n += l.n;
        more = l.more && l.n > 0;
        slash = more ? strrchr(l.rows[l.n - 1].key, '/') : NULL;
        if (slash && !str_to_u64(str_of(slash + 1), UINT64_MAX, &after))
            return err_set(e, ERR_CORRUPT, "a dead letter is called '%.64s'", slash + 1);
    }
    return ERR_OK;
}

enum err_code dead_letter_trim(struct meta *m, const char *target, uint64_t keep, struct err *e)
{
    uint64_t n;

    TRY(count(m, target, &n, e));
    while (n > keep) {
        AUTO(records) struct meta_record_list l = {0};
        struct meta_op ops[AT_ONCE];

        TRY(dead_letter_list(m, target, 0, n - keep < AT_ONCE ? n - keep : AT_ONCE, &l, e));
        if (l.n == 0)
            return ERR_OK;
        for (size_t i = 0; i < l.n; i++)
            ops[i] = meta_op_record_delete(DEAD_LETTERS, str_of(l.rows[i].key), META_ANY);
        TRY(meta_commit(m, ops, l.n, 0, NULL, e));
        n -= l.n;
    }
    return ERR_OK;
}
