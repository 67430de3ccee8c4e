#include "archive/member.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdlib.h>

/* Of all steps together that one name may take. */
#define STEPS_MAX 64

static void member_done(struct member *m)
{
    free(m->name);
    free(m->link);
    free(m->bytes);
}

void members_done(struct members *m)
{
    for (size_t i = 0; i < m->n; i++)
        member_done(&m->all[i]);
    free(m->all);
    *m = (struct members){0};
}

struct member *members_add(struct members *m, const char *name)
{
    if (m->n == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 32;
        m->all = mem_resize(m->all, m->cap * sizeof(*m->all));
    }
    m->all[m->n] = (struct member){.name = mem_strdup(name)};
    m->sorted = false;
    return &m->all[m->n++];
}

/* Adds the components of a path; false when it leads outside. */
static bool add_path(struct buf *b, struct str path)
{
    struct str part;
    bool more;

    do {
        more = str_cut(&path, '/', &part);
        if (str_eq(part, STR("..")))
            return false;
        if (part.n == 0 || str_eq(part, STR(".")))
            continue;
        if (b->n > 0)
            buf_add_char(b, '/');
        buf_add_str(b, part);
    } while (more);
    return true;
}

/* Leading ".." of a link go up from its folder. */
static bool go_up(struct str *folder, struct str *path)
{
    while (str_eq(*path, STR("..")) || str_starts(*path, STR("../"))) {
        if (folder->n == 0)
            return false;
        *folder = member_folder(*folder);
        *path = path->n > 3 ? str_sub(*path, 3, path->n - 3) : STR_NONE;
    }
    return true;
}

char *member_name(struct str folder, struct str name)
{
    AUTO(buf) struct buf b = {0};

    buf_init(&b, (size_t)2 * TAR_NAME_MAX + 2);
    if (str_starts(name, STR("/")))
        return NULL;
    while (str_starts(name, STR("./")))
        name = str_sub(name, 2, name.n - 2);
    if (folder.p && !go_up(&folder, &name))
        return NULL;
    if (folder.n > 0)
        buf_add_str(&b, folder);
    if (!add_path(&b, name))
        return NULL;
    return str_dup(buf_str(&b));
}

struct str member_folder(struct str name)
{
    while (name.n > 0 && name.p[name.n - 1] != '/')
        name.n--;
    if (name.n > 0)
        name.n--;
    return name;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->name, ((const struct member *)b)->name);
}

/* The first of that name; NULL when there is none. */
static struct member *first_of(struct members *m, const char *name)
{
    size_t low = 0, high = m->n;

    if (!m->sorted && m->n > 0)
        qsort(m->all, m->n, sizeof(*m->all), by_name);
    m->sorted = true;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(m->all[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < m->n && strcmp(m->all[low].name, name) == 0 ? &m->all[low] : NULL;
}

struct search {
    struct members *members;
    const char *what;
    struct refusal *refusal;
    unsigned steps;
    struct member *found;
};

static enum err_code found_file(struct search *s, struct member *m, struct err *e)
{
    if (m->kind == TAR_SPARSE)
        return refuse(s->refusal, REFUSAL_SPARSE, str_of(m->name), e, "%s is a sparse file",
                      s->what);
    if (m->kind != TAR_FILE)
        return refuse(s->refusal, REFUSAL_NOT_A_FILE, str_of(m->name), e,
                      "%s is a folder or a device", s->what);
    if (m->misnamed)
        return refuse(s->refusal, REFUSAL_DIGEST, str_of(m->name), e, "%s has the digest %s",
                      s->what, m->digest.text);
    if (s->found && !digest_eq(&s->found->digest, &m->digest))
        return refuse(s->refusal, REFUSAL_TWICE, str_of(m->name), e,
                      "%s is there twice, with different contents", s->what);
    if (!s->found)
        s->found = m;
    return ERR_OK;
}

/* All members of the name have to mean one content: programs disagree which of them counts. */
static enum err_code search(struct search *s, const char *name, bool may_miss, struct err *e)
{
    struct member *m = first_of(s->members, name), *end;

    if (!m && may_miss)
        return ERR_OK;
    if (!m)
        return refuse(s->refusal, REFUSAL_MISSING, str_of(name), e, "%s is not in the archive",
                      s->what);
    end = s->members->all + s->members->n;
    for (const char *same = m->name; m < end && strcmp(m->name, same) == 0; m++) {
        if (++s->steps > STEPS_MAX)
            return refuse(s->refusal, REFUSAL_LINKS, str_of(name), e,
                          "%s: links in a circle, or too many", s->what);
        if (m->kind != TAR_HARD_LINK && m->kind != TAR_SYMBOLIC_LINK)
            TRY(found_file(s, m, e));
        else if (!m->link)
            return refuse(s->refusal, REFUSAL_OUTSIDE, str_of(name), e,
                          "%s: a link out of the archive", s->what);
        else
            TRY(search(s, m->link, false, e));
    }
    return ERR_OK;
}

enum err_code members_find(struct members *m, struct str name, const char *what, bool may_miss,
                           struct member **ret, struct refusal *f, struct err *e)
{
    AUTO(mem) char *clean = member_name(STR_NONE, name);
    struct search s = {.members = m, .what = what, .refusal = f};

    if (!clean)
        return refuse(f, REFUSAL_OUTSIDE, name, e, "%s: a name that is absolute or leads outside",
                      what);
    TRY(search(&s, clean, may_miss, e));
    *ret = s.found;
    return ERR_OK;
}
