#include "api/audit_entry.h"

#include "api/proxy.h"
#include "api/routes.h"
#include "auth/core/audit.h"
#include "auth/core/rate.h"

#include <stdio.h>

#define TARGET_MAX (REPO_NAME_MAX + DIGEST_TEXT_MAX + 2)

/* "name", "name:tag", "name@digest", "user:alice". */
static void target_of(const struct req *q, char dst[static TARGET_MAX])
{
    struct str ref = reference_str(&q->ref);

    if (q->target[0])
        snprintf(dst, TARGET_MAX, "%s", q->target);
    else if (q->name.n == 0)
        dst[0] = '\0';
    else if (q->digest.n)
        snprintf(dst, TARGET_MAX, "%s@%s", q->name.text, q->digest.text);
    else if (ref.n)
        snprintf(dst, TARGET_MAX, "%s%c" STR_FMT, q->name.text, q->ref.is_digest ? '@' : ':',
                 STR_ARG(ref));
    else
        snprintf(dst, TARGET_MAX, "%s", q->name.text);
}

/* Anybody can fail to sign in as often as they like, and engines try for ever to pull what is
 * blocked: what an address so writes into the database is bounded. Lines of JSON tell of all. */
static bool too_many(struct req *q, const struct meta_audit *x)
{
    static const struct rate_limit limit = {.requests = 1, .seconds = 1, .burst = 100};
    bool sign_in = strcmp(x->action, "sign-in") == 0 && strcmp(x->result, "ok") != 0;
    struct rate_state state;

    return (sign_in || strcmp(x->action, "pull") == 0) &&
           !rate_take(q->api->guard.rate, sign_in ? 's' : 'p', str_of(x->address), &limit, &state);
}

static struct meta_audit entry_of(struct req *q, const char *action, const char *target,
                                  const char *result, const char *detail)
{
    return (struct meta_audit){
        .actor = req_actor(q),
        .action = action,
        .target = target,
        .address = client_address(q),
        .result = result,
        .detail = detail,
        .repository = target[0] ? q->name.text : "",
    };
}

static void add(struct req *q, const struct meta_audit *entry)
{
    struct audit *audit = q->api->guard.audit;

    if (!audit)
        return;
    if (too_many(q, entry))
        audit_add_line(audit, entry);
    else
        audit_add(audit, entry);
}

void audit_request(struct req *q, const char *action, const char *result, const char *detail)
{
    char target[TARGET_MAX];
    struct meta_audit entry;

    target_of(q, target);
    entry = entry_of(q, action, target, result, detail);
    add(q, &entry);
}

enum err_code audit_deed_begin(struct req *q, struct err *e)
{
    return q->api->guard.audit ? audit_begin(q->api->guard.audit, e) : ERR_OK;
}

void audit_deed_end(struct req *q, const char *result)
{
    char target[TARGET_MAX];
    struct meta_audit entry;

    if (!q->api->guard.audit)
        return;
    target_of(q, target);
    entry = entry_of(q, q->route->audit, target, result, "");
    audit_end(q->api->guard.audit, &entry);
}

void audit_deed_cancel(struct req *q)
{
    if (q->api->guard.audit)
        audit_cancel(q->api->guard.audit);
}

void audit_sign_in(struct req *q, struct str user, const char *result)
{
    struct meta_audit entry;
    char actor[160];

    if (user.n)
        snprintf(actor, sizeof(actor), "user:%.*s", user.n < 127 ? (int)user.n : 127, user.p);
    else
        snprintf(actor, sizeof(actor), "token");
    entry = entry_of(q, "sign-in", "", result, "");
    entry.actor = actor;
    add(q, &entry);
}
