#include "auth/core/auth.h"

#include "auth/core/answers.h"
#include "auth/core/credential.h"
#include "auth/core/failures.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <time.h>

struct auth {
    struct auth_options options;
    struct provider **providers;
    size_t n;
    struct answers *answers;
    struct failures *failures;
    struct room checking[CREDENTIAL_SESSION + 1]; /* of each kind */
};

struct auth *auth_new(const struct auth_options *o, struct provider **providers, size_t n)
{
    struct auth *a = NEW(struct auth);

    a->options = *o;
    a->n = n;
    a->providers = mem_alloc(n * sizeof(struct provider *));
    for (size_t i = 0; i < n; i++)
        a->providers[i] = providers[i];
    a->answers = answers_new(o->cache_entries);
    for (size_t i = 0; i <= CREDENTIAL_SESSION; i++)
        a->checking[i].options = o->at_once;
    /* Who has a session is no guess; but they may be of a directory that hangs. */
    a->checking[CREDENTIAL_SESSION].options.most = NULL;
    a->failures = failures_new(o->lock_after, o->lock_ms);
    return a;
}

void auth_free(struct auth *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->n; i++)
        a->providers[i]->driver->free(a->providers[i]);
    answers_free(a->answers);
    failures_free(a->failures);
    free(a->providers);
    free(a);
}

void auth_share_failures(struct auth *a, struct redis *redis, const char *prefix)
{
    failures_share(a->failures, redis, prefix);
}

bool auth_enabled(const struct auth *a)
{
    return a->n > 0;
}

static struct provider *provider_named(const struct auth *a, const char *name)
{
    for (size_t i = 0; i < a->n; i++) {
        if (strcmp(a->providers[i]->driver->name, name) == 0)
            return a->providers[i];
    }
    return NULL;
}

bool auth_has(const struct auth *a, const char *provider)
{
    return provider_named(a, provider) != NULL;
}

/* Changes whenever any provider's earlier answers may be wrong now. */
static uint64_t generation(const struct auth *a)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < a->n; i++) {
        struct provider *p = a->providers[i];

        if (p->driver->generation)
            sum = sum * 1000003 + p->driver->generation(p);
    }
    return sum;
}

enum auth_result auth_quick(struct auth *a, const struct credential *c,
                            struct identity **ret_identity)
{
    unsigned char key[ANSWER_KEY_BYTES];
    struct identity *known;

    if (!c || !auth_enabled(a)) {
        *ret_identity = identity_anonymous();
        return AUTH_OK;
    }
    if (c->person)
        return AUTH_LATER;
    answers_key(a->answers, c, key);
    known = answers_get(a->answers, key, generation(a));
    if (!known)
        return AUTH_LATER;
    *ret_identity = known;
    return AUTH_OK;
}

/* One provider knows the user, and the password is wrong. The others take the time that an unknown
 * user would have cost, for a name that nobody can have: else the time would tell who is known. */
static void ask_for_nobody(struct auth *a, const struct credential *c, size_t from)
{
    struct credential nobody = {
        .kind = c->kind, .user = STR("-"), .secret = STR("-"), .address = c->address};

    for (size_t i = from; c->kind == CREDENTIAL_BASIC && i < a->n; i++) {
        AUTO(identity) struct identity *ignored = NULL;
        struct err e = {0};

        if (a->providers[i]->driver->kinds & (1u << c->kind))
            a->providers[i]->driver->check(a->providers[i], &nobody, &ignored, &e);
    }
}

/* Nobody knows it: as wrong as a wrong password, and as slow to be told. */
static enum verdict ask(struct auth *a, const struct credential *c, struct identity **ret_identity,
                        struct err *e)
{
    struct err failure = {0};

    for (size_t i = 0; i < a->n; i++) {
        struct provider *p = a->providers[i];
        enum verdict v;

        if (!(p->driver->kinds & (1u << c->kind)))
            continue;
        *e = (struct err){0}; /* what another one told is not for the client */
        v = p->driver->check(p, c, ret_identity, e);
        if (v == VERDICT_NO)
            ask_for_nobody(a, c, i + 1);
        if (v == VERDICT_YES && strcmp((*ret_identity)->provider, p->driver->name) == 0)
            (*ret_identity)->renewed = p->driver->renew != NULL;
        if (v != VERDICT_PASS && v != VERDICT_FAIL)
            return v;
        if (v == VERDICT_FAIL)
            failure = *e;
    }
    *e = failure;
    return failure.code ? VERDICT_FAIL : VERDICT_NO;
}

static void wait_ms(int64_t ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&ts, NULL);
}

static void remember(struct auth *a, const struct credential *c, uint64_t gen, struct identity *id)
{
    unsigned char key[ANSWER_KEY_BYTES];
    int64_t left_ms = id->expires_ms == INT64_MAX ? INT64_MAX : id->expires_ms - clock_wall_ms();
    int64_t cache_ms = (int64_t)a->options.cache_ms;

    /* With a person's password remembered, others would need no code. */
    if (c->kind == CREDENTIAL_SESSION || c->person)
        return;
    answers_key(a->answers, c, key);
    answers_put(a->answers, key, gen, id,
                clock_mono_ms() + (left_ms < cache_ms ? left_ms : cache_ms));
}

static bool locked(struct auth *a, const struct credential *c, unsigned *ret_retry_s, struct err *e)
{
    int64_t left_ms =
        credential_guessed(c) ? failures_locked_ms(a->failures, c->user, c->address) : 0;

    if (left_ms <= 0)
        return false;
    *ret_retry_s = (unsigned)(left_ms / 1000 + 1);
    err_tell(e, ERR_TOO_MANY_REQUESTS, "too many wrong credentials; try again in %u s",
             *ret_retry_s);
    return true;
}

static enum auth_result refuse(struct auth *a, const struct credential *c, enum verdict v,
                               struct err *e)
{
    if (e->code == ERR_TOTP_REQUIRED)
        return AUTH_CODE;
    if (credential_guessed(c) && v == VERDICT_NO)
        wait_ms(failures_count(a->failures, c->user, c->address));
    if (!e->public_detail)
        err_tell(e, ERR_UNAUTHORIZED, "the credentials are wrong or have expired");
    return v == VERDICT_PAST ? AUTH_PAST : AUTH_REFUSED;
}

static enum auth_result check(struct auth *a, const struct credential *c,
                              struct identity **ret_identity, unsigned *ret_retry_s, struct err *e)
{
    uint64_t gen = generation(a); /* before the check: a change meanwhile voids its answer */
    AUTO(identity) struct identity *id = NULL;
    enum verdict v = ask(a, c, &id, e);

    if (v == VERDICT_FAIL)
        return AUTH_FAILED;
    /* Guesses may come all at once: those behind the one that locked are told nothing. */
    if (locked(a, c, ret_retry_s, e))
        return AUTH_LOCKED;
    if (v != VERDICT_YES)
        return refuse(a, c, v, e);
    if (credential_guessed(c))
        failures_clear(a->failures, c->user, c->address);
    remember(a, c, gen, id);
    *ret_identity = STEAL(id);
    return AUTH_OK;
}

/* check(), but for so many at once that all workers would wait for them. */
static enum auth_result check_with_others(struct auth *a, const struct credential *c,
                                          struct identity **ret_identity, unsigned *ret_retry_s,
                                          struct err *e)
{
    enum auth_result r;

    if (!room_enter(&a->checking[c->kind])) {
        err_tell(e, ERR_UNAVAILABLE, "too many sign-ins at once; try again in a moment");
        return AUTH_FAILED;
    }
    r = check(a, c, ret_identity, ret_retry_s, e);
    room_leave(&a->checking[c->kind]);
    return r;
}

enum auth_result auth_check(struct auth *a, const struct credential *c,
                            struct identity **ret_identity, unsigned *ret_retry_s, struct err *e)
{
    if (auth_quick(a, c, ret_identity) == AUTH_OK)
        return AUTH_OK;
    if (locked(a, c, ret_retry_s, e))
        return AUTH_LOCKED;
    if (c->kind == CREDENTIAL_CERTIFICATE) /* takes no time */
        return check(a, c, ret_identity, ret_retry_s, e);
    return check_with_others(a, c, ret_identity, ret_retry_s, e);
}

enum verdict auth_renew(void *auth, struct identity **id, struct err *e)
{
    struct provider *p = provider_named(auth, (*id)->provider);
    enum verdict v;

    if ((*id)->kind == IDENTITY_ANONYMOUS)
        return VERDICT_YES;
    if (!p || !p->driver->renew)
        return p ? VERDICT_YES : VERDICT_NO;
    v = p->driver->renew(p, id, e);
    if (v == VERDICT_YES)
        (*id)->renewed = true;
    return v;
}

enum err_code auth_tend(struct auth *a, auth_report_fn report, struct err *e)
{
    struct err_first all = {0};

    for (size_t i = 0; i < a->n; i++) {
        struct provider *p = a->providers[i];
        enum err_code code = p->driver->tend ? p->driver->tend(p, &all.step) : ERR_OK;

        if (code == ERR_CONFIG)
            report("file not reloaded; its earlier content stays in use", &all.step);
        else
            err_first_add(&all, code);
    }
    return err_first_of(&all, e);
}
