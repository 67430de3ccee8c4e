#include "core/owner.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "replicas/database_id.h"

#include <stdio.h>
#include <unistd.h>

static void print(const struct owner *o, struct buf *ret_mark)
{
    buf_addf(ret_mark, "{\"database\":\"%s\",\"host\":", o->database.text);
    buf_add_json(ret_mark, str_of(o->host));
    buf_addf(ret_mark, ",\"since\":\"%s\"}\n", o->since);
}

/* Cut where it is too long; "" when it is none. */
static void take_text(const json_t *value, char *dst, size_t size)
{
    snprintf(dst, size, "%s", json_is_string(value) ? json_string_value(value) : "");
}

enum err_code owner_parse(struct str mark, struct owner *ret_owner, struct err *e)
{
    AUTO(json) json_t *root = json_shallow(mark) ? json_loadb(mark.p, mark.n, 0, NULL) : NULL;
    const char *database = json_string_value(json_object_get(root, "database"));
    struct owner o = {0};

    if (!database || !uuid_parse(str_of(database), &o.database))
        return err_set(e, ERR_CORRUPT,
                       "'registry.json' of the store does not say which database it belongs to: "
                       "`registry take-over` writes it anew");
    take_text(json_object_get(root, "host"), o.host, sizeof(o.host));
    take_text(json_object_get(root, "since"), o.since, sizeof(o.since));
    *ret_owner = o;
    return ERR_OK;
}

/* Error: NOT_FOUND. */
static enum err_code read_mark(struct store *s, struct owner *ret_owner, struct err *e)
{
    AUTO(buf) struct buf mark = {0};

    buf_init(&mark, STORE_MARK_MAX);
    TRY(store_mark_get(s, &mark, e));
    return owner_parse(buf_str(&mark), ret_owner, e);
}

static enum err_code write_mark(struct store *s, const struct owner *o, bool first, struct err *e)
{
    AUTO(buf) struct buf mark = {0};

    buf_init(&mark, STORE_MARK_MAX);
    print(o, &mark);
    return store_mark_put(s, buf_str(&mark), first, e);
}

/* `of` as an owner from now on, on this machine. */
static struct owner owner_now(const struct uuid *of)
{
    struct owner o = {.database = *of};

    if (gethostname(o.host, OWNER_HOST_MAX) != 0)
        o.host[0] = '\0';
    clock_rfc3339(clock_wall_ms(), o.since);
    return o;
}

static enum err_code compare(const struct owner *o, const char *ours, struct err *e)
{
    if (strcmp(o->database.text, ours) == 0)
        return ERR_OK;
    return err_set(e, ERR_CONFIG,
                   "the store belongs to database %s (since %s, host %s), and the configured one "
                   "is %s: each removes what the other needs. Configure that one, or another "
                   "place; if it is lost, `registry reindex` or `registry take-over` hands the "
                   "store over",
                   o->database.text, o->since, o->host, ours);
}

enum err_code owner_check(const struct owner *o, struct meta *m, struct err *e)
{
    struct uuid ours;
    enum err_code code = m ? database_id_known(m, &ours, e) : ERR_NOT_FOUND;

    if (code == ERR_NOT_FOUND)
        return compare(o, "a new one", e);
    TRY(code);
    return compare(o, ours.text, e);
}

enum err_code owner_match(struct store *s, struct meta *m, struct err *e)
{
    struct owner o;
    enum err_code code = read_mark(s, &o, e);

    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(code);
    return owner_check(&o, m, e);
}

static bool is_unwritable(enum err_code code)
{
    return code == ERR_STORAGE_FULL || code == ERR_STORAGE_READONLY;
}

/* Whoever was quicker, and a PUT of ours whose answer was lost, are found by reading again. */
static enum err_code mark_first(struct store *s, const struct uuid *ours, struct err *e)
{
    struct owner o = owner_now(ours);
    enum err_code code = write_mark(s, &o, true, e);

    return code == ERR_PRECONDITION ? ERR_OK : code;
}

static enum err_code claim_free(struct store *s, struct meta *m, bool *ret_unwritable,
                                struct err *e)
{
    struct uuid ours;
    struct owner now;
    enum err_code code = database_id(m, &ours, e);

    if (code == ERR_OK)
        code = mark_first(s, &ours, e);
    *ret_unwritable = is_unwritable(code);
    TRY(code);
    TRY(read_mark(s, &now, e));
    return compare(&now, ours.text, e);
}

enum err_code owner_claim(struct store *s, struct meta *m, struct err *ret_unmarked, struct err *e)
{
    struct owner o;
    enum err_code code = read_mark(s, &o, e);
    bool unwritable;

    ret_unmarked->code = ERR_OK;
    if (code == ERR_OK)
        return owner_check(&o, m, e);
    if (code != ERR_NOT_FOUND)
        return err_prefix(e, "which database the store belongs to");
    code = claim_free(s, m, &unwritable, e);
    if (!unwritable)
        return code;
    *ret_unmarked = *e;
    return ERR_OK;
}

enum err_code owner_take(struct store *s, struct meta *m, struct owner *ret_before,
                         struct owner *ret_now, struct err *e)
{
    enum err_code code = read_mark(s, ret_before, e);
    struct uuid ours;

    if (code != ERR_OK)
        *ret_before = (struct owner){0};
    if (code != ERR_OK && code != ERR_NOT_FOUND && code != ERR_CORRUPT)
        return code;
    TRY(database_id(m, &ours, e));
    *ret_now = *ret_before;
    if (strcmp(ret_before->database.text, ours.text) == 0)
        return ERR_OK;
    *ret_now = owner_now(&ours);
    return write_mark(s, ret_now, false, e);
}
