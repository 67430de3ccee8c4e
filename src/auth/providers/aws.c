#include "auth/providers/aws.h"

#include "auth/providers/aws_request.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/pattern.h"
#include "net/fetch.h"

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX 16384

/* Tokens are made up for nothing, and each costs a question: these many wait for AWS at a time, so
 * that the other workers go on serving. */
#define ASKING_MAX 16

struct aws {
    struct provider provider;
    const struct conf_aws *conf;
    atomic_int asking;
};

/* AWS says that the signature is wrong, too old, or of nobody (403, 400). */
static bool refused(int status)
{
    return status >= 400 && status < 500 && status != 408 && status != 429;
}

static enum err_code ask(const struct conf_aws *c, const char *url, struct aws_caller *ret_caller,
                         struct err *e)
{
    AUTO(buf) struct buf answer = {0};
    char audience[300];
    const char *const headers[] = {"Accept: application/json", audience, NULL};
    struct fetch f = {
        .url = url, .headers = headers, .ca_file = c->ca_file, .timeout_ms = c->timeout_ms};
    int status;

    buf_init(&answer, ANSWER_MAX);
    snprintf(audience, sizeof(audience), AWS_AUDIENCE ": %s", c->audience);
    TRY(fetch_run(&f, &status, &answer, e));
    if (refused(status))
        return err_tell(e, ERR_UNAUTHORIZED,
                        "AWS does not know the token: it was changed, has expired, or was made for "
                        "another registry (%d)",
                        status);
    if (status != 200)
        return err_set(e, ERR_UNAVAILABLE, "the token service of AWS answered %d", status);
    return aws_caller_parse(buf_str(&answer), ret_caller, e);
}

static enum err_code ask_in_turn(struct aws *a, const char *url, struct aws_caller *ret_caller,
                                 struct err *e)
{
    enum err_code code;

    if (atomic_fetch_add(&a->asking, 1) >= ASKING_MAX)
        code = err_set(e, ERR_UNAVAILABLE, "too many sign-ins wait for the token service of AWS");
    else
        code = ask(a->conf, url, ret_caller, e);
    atomic_fetch_sub(&a->asking, 1);
    return code;
}

static bool account_allowed(const struct conf_aws *c, const char *account)
{
    for (size_t i = 0; i < c->accounts.n; i++) {
        if (strcmp(c->accounts.items[i], account) == 0)
            return true;
    }
    return false;
}

/* NULL: they may not sign in. */
static struct identity *identity_of(const struct conf_aws *c, const struct aws_caller *caller)
{
    const struct conf_aws_roles *roles = &c->roles;
    bool known = roles->n == 0;
    const char *name = "";
    struct identity *id;

    for (size_t i = 0; i < roles->n; i++) {
        if (!pattern_matches(str_of(roles->items[i].arn), str_of(caller->arn)))
            continue;
        known = true;
        if (!name[0])
            name = roles->items[i].user;
    }
    if (!name[0])
        name = caller->arn;
    if (!known || strlen(name) > IDENTITY_NAME_MAX || !account_allowed(c, caller->account))
        return NULL;
    id = identity_new(IDENTITY_USER, str_of(name), "aws");
    for (size_t i = 0; i < roles->n; i++) {
        const struct conf_strings *groups = &roles->items[i].groups;

        if (!pattern_matches(str_of(roles->items[i].arn), str_of(caller->arn)))
            continue;
        for (size_t k = 0; k < groups->n; k++)
            identity_add_group(id, str_of(groups->items[k]));
    }
    return id;
}

static enum verdict aws_check(struct provider *p, const struct credential *c,
                              struct identity **ret_identity, struct err *e)
{
    struct aws *a = (struct aws *)p;
    AUTO(buf) struct buf url = {0};
    struct aws_caller caller;
    int64_t until_ms = 0;
    enum err_code code;

    if (!str_starts(c->secret, AWS_TOKEN_PREFIX))
        return VERDICT_PASS;
    buf_init(&url, 2 * AWS_URL_MAX);
    code = aws_request_parse(c->secret, a->conf, clock_wall_ms(), &url, &until_ms, e);
    if (code == ERR_OK)
        code = ask_in_turn(a, buf_text(&url), &caller, e);
    if (code != ERR_OK)
        return code == ERR_UNAUTHORIZED ? VERDICT_NO : VERDICT_FAIL;
    *ret_identity = identity_of(a->conf, &caller);
    if (!*ret_identity) {
        err_tell(e, ERR_UNAUTHORIZED, "%.200s may not sign in here", caller.arn);
        return VERDICT_NO;
    }
    (*ret_identity)->expires_ms = until_ms;
    return VERDICT_YES;
}

static void aws_free(struct provider *p)
{
    free(p);
}

static const struct provider_driver aws_driver = {
    .name = "aws",
    .kinds = 1u << CREDENTIAL_BEARER | 1u << CREDENTIAL_BASIC,
    .check = aws_check,
    .free = aws_free,
};

struct provider *aws_new(const struct conf_aws *c)
{
    struct aws *a = NEW(struct aws);

    a->provider.driver = &aws_driver;
    a->conf = c;
    return &a->provider;
}
