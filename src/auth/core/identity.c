#include "auth/core/identity.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/pattern.h"
#include "base/uuid.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    unsigned actions;
} actions[] = {
    {"pull", ACTION_PULL},     {"push", ACTION_PUSH}, {"overwrite", ACTION_OVERWRITE},
    {"delete", ACTION_DELETE}, {"scan", ACTION_SCAN}, {"admin", ACTION_ADMIN},
    {"bypass", ACTION_BYPASS}, {"*", ACTION_ALL},
};

#define ACTIONS (sizeof(actions) / sizeof(actions[0]))

unsigned action_parse(struct str s)
{
    for (size_t i = 0; i < ACTIONS; i++) {
        if (str_eq(s, str_of(actions[i].name)))
            return actions[i].actions;
    }
    return 0;
}

const char *action_name(enum action a)
{
    for (size_t i = 0; i < ACTIONS; i++) {
        if (actions[i].actions == (unsigned)a)
            return actions[i].name;
    }
    return "?";
}

const char *action_next(unsigned *set)
{
    unsigned lowest = *set & (~*set + 1), one = *set == ACTION_ALL ? ACTION_ALL : lowest;

    *set &= ~one;
    return one ? action_name((enum action)one) : NULL;
}

struct identity *identity_new(enum identity_kind kind, struct str name, const char *provider)
{
    struct identity *id = NEW(struct identity);

    atomic_init(&id->refs, 1);
    id->kind = kind;
    id->name = str_dup(name);
    id->provider = mem_strdup(provider);
    id->expires_ms = INT64_MAX;
    return id;
}

void identity_add_group(struct identity *id, struct str group)
{
    if (id->n_groups == IDENTITY_GROUPS_MAX)
        return;
    id->groups = mem_resize(id->groups, (id->n_groups + 1) * sizeof(*id->groups));
    id->groups[id->n_groups++] = str_dup(group);
}

void identity_add_scope(struct identity *id, struct str repository, unsigned scope_actions)
{
    id->scoped = true;
    id->scopes = mem_resize(id->scopes, (id->n_scopes + 1) * sizeof(*id->scopes));
    id->scopes[id->n_scopes++] = (struct scope){str_dup(repository), scope_actions};
}

void identity_clear_scopes(struct identity *id)
{
    for (size_t i = 0; i < id->n_scopes; i++)
        free(id->scopes[i].repository);
    free(STEAL(id->scopes));
    id->n_scopes = 0;
    id->scoped = false;
}

void identity_narrow(struct identity *to, const struct identity *from)
{
    if (from->scoped)
        to->scoped = true;
    for (size_t i = 0; i < from->n_scopes; i++)
        identity_add_scope(to, str_of(from->scopes[i].repository), from->scopes[i].actions);
    if (from->expires_ms < to->expires_ms)
        to->expires_ms = from->expires_ms;
}

unsigned identity_scope_actions(const struct identity *id, struct str repository)
{
    unsigned set = 0;

    if (!id->scoped)
        return ACTION_ALL;
    for (size_t i = 0; i < id->n_scopes; i++) {
        struct str pattern = str_of(id->scopes[i].repository);

        if (repository.n ? pattern_matches(pattern, repository) : pattern.n == 0)
            set |= id->scopes[i].actions;
    }
    return set;
}

int64_t identity_stamp(struct str text)
{
    struct digest d;
    char hex[14] = "";

    digest_of(DIGEST_SHA256, text.p, text.n, &d);
    memcpy(hex, digest_hex(&d).p, sizeof(hex) - 1);
    return (int64_t)strtoull(hex, NULL, 16);
}

int64_t identity_stamp_new(void)
{
    uint32_t bytes[2];

    random_bytes(bytes, sizeof(bytes));
    return (int64_t)(bytes[0] & 0xfffff) << 32 | bytes[1] | 1;
}

struct identity *identity_ref(struct identity *id)
{
    atomic_fetch_add_explicit(&id->refs, 1, memory_order_relaxed);
    return id;
}

void identity_unref(struct identity *id)
{
    if (!id || atomic_fetch_sub_explicit(&id->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < id->n_groups; i++)
        free(id->groups[i]);
    identity_clear_scopes(id);
    free(id->groups);
    free(id->name);
    free(id->provider);
    free(id->token);
    free(id);
}

struct identity *identity_anonymous(void)
{
    static char nobody[] = "";
    /* Starts with a reference of its own that is never given back. */
    static struct identity anonymous = {
        .refs = 1, .name = nobody, .provider = nobody, .expires_ms = INT64_MAX};

    return identity_ref(&anonymous);
}

void identity_subject(const struct identity *id, char *dst, size_t cap)
{
    static const struct str kinds[] = {
        [IDENTITY_ANONYMOUS] = STR("anonymous"),
        [IDENTITY_USER] = STR("user:"),
        [IDENTITY_ROBOT] = STR("robot:"),
    };
    struct str parts[] = {kinds[id->kind], str_of(id->name)};
    size_t n = 0;

    for (size_t i = 0; i < 2; i++) { /* at each request: snprintf() would be most of its cost */
        size_t fits = parts[i].n < cap - 1 - n ? parts[i].n : cap - 1 - n;

        memcpy(dst + n, parts[i].p, fits);
        n += fits;
    }
    dst[n] = '\0';
}

bool identity_name_valid(struct str name)
{
    if (name.n == 0 || name.n > IDENTITY_NAME_MAX || name.p[0] == '-' || name.p[0] == '.')
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c != '\0' && strchr("._@+-", c))))
            return false;
    }
    return true;
}
