/*
 * auth: who are you (a provider a file), may you (policy), and how often (limits). May include
 * net/, meta/, conf/conf.h and base/. It knows no HTTP and no core: api asks it.
 *
 * struct identity: who a request speaks for. Immutable, shared by reference count, any thread.
 */
#pragma once

#include "base/digest.h"
#include "base/name.h"
#include "base/str.h"

#include <stdatomic.h>

enum identity_kind {
    IDENTITY_ANONYMOUS,
    IDENTITY_USER,
    IDENTITY_ROBOT, /* a robot account; policy subject "robot:NAME" */
};

/* The actions of rights; a set of them is the bitwise or. Only rules give the last one, by its
 * name: no token has it, and no admin for being one. */
enum action {
    ACTION_PULL = 1,
    ACTION_PUSH = 2,      /* create a tag, upload blobs */
    ACTION_OVERWRITE = 4, /* move an existing tag */
    ACTION_DELETE = 8,
    ACTION_SCAN = 16,
    ACTION_ADMIN = 32,
    ACTION_ALL = 63,
    ACTION_BYPASS = 64, /* pull what the pull policy blocks */
};

/* What a token narrows an identity to: these actions on this repository pattern. */
struct scope {
    char *repository; /* a pattern as in a policy; "" is the registry itself */
    unsigned actions; /* and SCOPE_SHOWN() of others */
};

/* In a scope: what may be seen in the catalog by whoever may do these, which the scope does not
 * allow ("registry:catalog:*"). */
#define SCOPE_SHOWN(actions)    ((unsigned)(actions) << 8)
#define SCOPE_IS_SHOWN(actions) (((actions) | (actions) >> 8) & ACTION_ALL)

struct identity {
    atomic_uint refs;
    enum identity_kind kind;
    char *name;     /* without its kind; "" for anonymous */
    char *provider; /* which provider said so: "htpasswd", "local", "ldap", "oidc", ... */
    char **groups;
    size_t n_groups;
    bool admin;
    bool scoped;   /* only what a scope allows, besides the policy */
    bool granted;  /* and what a scope allows needs no rule of the policy, which can only deny */
    bool by_token; /* a token of the token service speaks: one for more can be asked for */
    bool catalog;  /* and it was asked for with the catalog */
    bool scans; /* a scanner, with a token that this registry made for it (tokens_issue_scan()) */
    struct scope *scopes;
    size_t n_scopes;
    int64_t expires_ms; /* wall clock; INT64_MAX: never */
    int64_t stamp;      /* of the account when it was looked at; 0: it has none (provider.h) */
    bool renewed;       /* groups are looked up again for each token that carries the identity */
    char *token;        /* id of the personal or robot token that was shown; NULL: none */
};

#define IDENTITY_NAME_MAX   127
#define IDENTITY_GROUPS_MAX 1024

/* Copies all; groups may be NULL when n_groups is 0. refs is 1. */
struct identity *identity_new(enum identity_kind kind, struct str name, const char *provider);
void identity_add_group(struct identity *id, struct str group); /* before it is shared */
void identity_add_scope(struct identity *id, struct str repository, unsigned actions);
void identity_clear_scopes(struct identity *id); /* before it is shared */

/* Before it is shared; to has no scopes yet: it gets those of from, and lives no longer. */
void identity_narrow(struct identity *to, const struct identity *from);
struct identity *identity_ref(struct identity *id);
void identity_unref(struct identity *id);  /* accepts NULL */
struct identity *identity_anonymous(void); /* a new reference to the one */

#define IDENTITY_SUBJECT_SIZE (IDENTITY_NAME_MAX + 8) /* "robot:", a valid name and NUL */

/* "anonymous", "user:alice", "robot:ci": for policies, logs and the audit trail. */
void identity_subject(const struct identity *id, char *dst, size_t cap);

/* Names of people and robots: 1 to 127 of [A-Za-z0-9._@+-], not starting with '-' or '.'. */
bool identity_name_valid(struct str name);

/* Another number for another text: 52 bits of its hash, which say nothing of it. For
 * identity.stamp, of what changes with a password. */
int64_t identity_stamp(struct str text);

/* A random one, never 0. 52 bits as well: a JSON number holds 53. */
int64_t identity_stamp_new(void);

/* The actions that the scopes of id allow on what matches repository; all when it has none. */
unsigned identity_scope_actions(const struct identity *id, struct str repository);

/* "pull", "push", "overwrite", "delete", "scan", "admin", "bypass", "*"; 0 for any other. */
unsigned action_parse(struct str s);
const char *action_name(enum action a);

/* The name of one of the set, which is taken out of it; "*" for all of them. NULL: none is left. */
const char *action_next(unsigned *set);

static inline void auto_identity_(struct identity **id)
{
    identity_unref(*id);
}
