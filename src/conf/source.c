#include "conf/source.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY_NAME_MAX 128 /* "pull_policy[7].allow[12].repositories" */

void conf_source_done(struct conf_source *s)
{
    free(STEAL(s->items));
    s->n_items = 0;
}

void conf_note_item(struct conf_source *s, struct conf_key key, unsigned line)
{
    s->items = mem_resize(s->items, (s->n_items + 1) * sizeof(s->items[0]));
    s->items[s->n_items++] = (struct conf_item_line){key, line};
}

bool conf_given(const struct conf_source *s, const struct conf_row *row)
{
    size_t i = (size_t)(row - conf_rows);

    return s->of[i].environment || s->of[i].line;
}

bool conf_key_eq(const struct conf_key *a, const struct conf_key *b)
{
    return a->row == b->row && a->item == b->item && a->sub == b->sub &&
           a->inner.in == b->inner.in && a->inner.item == b->inner.item &&
           a->inner.sub == b->inner.sub;
}

/* What stands around the key: its item, the list of that. */
static struct conf_key around(struct conf_key key)
{
    static const struct conf_inner_key none = {false, 0, NULL};

    if (key.inner.in && key.inner.sub)
        key.inner.sub = NULL;
    else if (key.inner.in)
        key.inner = none;
    else
        key.sub = NULL;
    return key;
}

static unsigned item_line(const struct conf_source *s, struct conf_key key)
{
    for (size_t i = 0; i < s->n_items; i++) {
        if (conf_key_eq(&s->items[i].key, &key))
            return s->items[i].line;
    }
    return 0;
}

/* The key's own line; else the one of its item, then of the list. */
static unsigned line_of(const struct conf_source *s, struct conf_key key)
{
    unsigned line = 0;

    while (key.item != CONF_NO_ITEM && line == 0) {
        line = item_line(s, key);
        if (!key.sub)
            key.item = CONF_NO_ITEM;
        key = around(key);
    }
    return line ? line : s->of[key.row - conf_rows].line;
}

static void name_of(const struct conf_source *s, struct conf_key key, char dst[static KEY_NAME_MAX])
{
    const char *as = s->of[key.row - conf_rows].as;

    size_t n;

    as = as ? as : key.row->name;
    if (key.item == CONF_NO_ITEM)
        snprintf(dst, KEY_NAME_MAX, "%s", as);
    else
        snprintf(dst, KEY_NAME_MAX, "%s[%zu]%s%s", as, key.item, key.sub ? "." : "",
                 key.sub ? key.sub->name : "");
    n = strlen(dst);
    if (key.inner.in)
        snprintf(dst + n, KEY_NAME_MAX - n, "[%zu]%s%s", key.inner.item, key.inner.sub ? "." : "",
                 key.inner.sub ? key.inner.sub->name : "");
}

enum err_code conf_place(const struct conf_source *s, struct conf_key key, struct err *e)
{
    size_t i = (size_t)(key.row - conf_rows);
    char name[KEY_NAME_MAX], env[CONF_ENV_MAX];

    name_of(s, key, name);
    if (s->of[i].environment) {
        conf_env(s->of[i].as, env);
        if (key.item != CONF_NO_ITEM)
            err_prefix(e, "%s", name);
        return err_prefix(e, "environment variable %s", env);
    }
    if (s->of[i].line)
        return err_prefix(e, "%s:%u: %s", s->path, line_of(s, key), name);
    return err_prefix(e, "%s", name);
}

struct nearest {
    size_t distance;
    char *text; /* CONF_ENV_MAX */
};

/* One with nothing in common is no help, however short it is. */
static void offer(struct nearest *n, struct str candidate, size_t distance)
{
    if (distance < n->distance && distance < candidate.n &&
        str_copy(candidate, n->text, CONF_ENV_MAX))
        n->distance = distance;
}

static struct str leaf(struct str name)
{
    const char *dot = name.n ? memrchr(name.p, '.', name.n) : NULL;
    size_t before = dot ? (size_t)(dot + 1 - name.p) : 0;

    return str_sub(name, before, name.n - before);
}

/* A key, its sections, and a key that is right but for its section. */
static void offer_key(struct nearest *n, struct str word, struct str key)
{
    size_t distance = str_distance(leaf(word), leaf(key));

    offer(n, key, str_distance(word, key));
    for (size_t i = 0; i < key.n; i++) {
        if (key.p[i] == '.')
            offer(n, str_sub(key, 0, i), str_distance(word, str_sub(key, 0, i)));
    }
    if (distance < SIZE_MAX)
        offer(n, key, distance + 2);
}

bool conf_suggest(struct str word, enum conf_spelling as, char ret_text[static CONF_ENV_MAX])
{
    size_t farthest = word.n < 9 ? 3 : word.n / 3; /* farther is no help */
    struct nearest n = {.distance = farthest < 5 ? farthest : 5, .text = ret_text};
    char env[CONF_ENV_MAX];

    ret_text[0] = '\0';
    for (size_t i = 0; i < conf_rows_n; i++) {
        conf_row_env(&conf_rows[i], env);
        if (as == CONF_SPELL_ENVIRONMENT)
            offer(&n, str_of(env), str_distance(word, str_of(env)));
        else
            offer_key(&n, word, str_of(conf_rows[i].name));
        if (as != CONF_SPELL_ENVIRONMENT || !conf_rows[i].alias)
            continue;
        conf_env(conf_rows[i].alias, env);
        offer(&n, str_of(env), str_distance(word, str_of(env)));
    }
    return ret_text[0] != '\0';
}
