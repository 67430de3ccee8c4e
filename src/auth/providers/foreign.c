#include "auth/providers/foreign.h"

#include "auth/core/claims.h"
#include "auth/tokens/trust.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/watch.h"

#include <pthread.h>
#include <stdlib.h>

#define ACCESS_MAX 256 /* entries of a token */

/* Of keys that only the signer has. */
static const char *const safe[] = {"ES256", "ES384", "ES512", "RS256", "RS384",
                                   "RS512", "PS256", "PS384", "PS512"};

#define ALGORITHMS_MAX (sizeof(safe) / sizeof(safe[0]))

struct foreign {
    struct provider provider;
    const struct conf_token *conf;
    struct watch bundle, jwks;
    pthread_rwlock_t lock; /* over trust */
    struct trust *trust;
    atomic_ullong generation;
    const char *algorithms[ALGORITHMS_MAX + 1]; /* that are believed; ends with NULL */
};

static enum err_code load(struct foreign *f, struct err *e)
{
    struct trust *fresh, *old;

    TRY(trust_load(f->conf->rootcertbundle, f->conf->jwks, &fresh, e));
    pthread_rwlock_wrlock(&f->lock);
    old = f->trust;
    f->trust = fresh;
    atomic_fetch_add(&f->generation, 1);
    pthread_rwlock_unlock(&f->lock);
    trust_free(old);
    return ERR_OK;
}

/* Those of the configuration, or all that are safe. */
static void choose_algorithms(struct foreign *f)
{
    const struct conf_strings *wanted = &f->conf->algorithms;
    size_t n = 0;

    for (size_t i = 0; i < ALGORITHMS_MAX; i++) {
        if (wanted->n == 0 || conf_strings_have(wanted, str_of(safe[i])))
            f->algorithms[n++] = safe[i];
    }
}

static unsigned actions_of(const json_t *names)
{
    static const struct {
        const char *name;
        unsigned actions;
    } known[] = {
        {"pull", ACTION_PULL},
        {"push", ACTION_PUSH | ACTION_OVERWRITE},
        {"delete", ACTION_DELETE},
        {"*", ACTION_PULL | ACTION_PUSH | ACTION_OVERWRITE | ACTION_DELETE},
    };
    unsigned set = 0;

    for (size_t i = 0; i < json_array_size(names); i++) {
        struct str name = str_of(json_string_value(json_array_get(names, i)));

        for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
            set |= str_eq(name, str_of(known[k].name)) ? known[k].actions : 0;
    }
    return set;
}

/* An entry of `access`. Names are names, not patterns; what is not known gives nothing. */
static void add_entry(struct identity *id, const json_t *entry)
{
    struct str type = str_of(json_string_value(json_object_get(entry, "type")));
    struct str name = str_of(json_string_value(json_object_get(entry, "name")));
    unsigned actions = actions_of(json_object_get(entry, "actions"));
    struct repo_name repo;

    if (actions == 0)
        return;
    if (str_eq(type, STR("repository")) && repo_name_parse(name, &repo, ERR_IGNORED) == ERR_OK)
        identity_add_scope(id, repo_name_str(&repo), actions);
    else if (str_eq(type, STR("registry")) && str_eq(name, STR("catalog")) &&
             actions & ~(unsigned)ACTION_PULL)
        identity_add_scope(id, STR(""), ACTION_PULL);
}

/* Someone, or (without `sub`) whoever was given the token. NULL: the name is none. */
static struct identity *identity_of(const json_t *claims)
{
    const json_t *access = json_object_get(claims, "access");
    struct str user = str_of(json_string_value(json_object_get(claims, "sub")));
    struct identity *id;

    if (user.n && !claims_name_valid(user))
        return NULL;
    id = identity_new(user.n ? IDENTITY_USER : IDENTITY_ANONYMOUS, user, "token");
    id->scoped = true;
    id->granted = true;
    id->expires_ms = claims_expiry_ms(claims);
    for (size_t i = 0; i < json_array_size(access) && i < ACCESS_MAX; i++)
        add_entry(id, json_array_get(access, i));
    return id;
}

static enum verdict foreign_check(struct provider *p, const struct credential *c,
                                  struct identity **ret_identity, struct err *e)
{
    struct foreign *f = (struct foreign *)p;
    AUTO(json) json_t *peek = jwt_peek(c->secret);
    AUTO(json) json_t *claims = NULL;
    const char *issuer = json_string_value(json_object_get(peek, "iss"));
    enum err_code code;

    if (!issuer || strcmp(issuer, f->conf->issuer) != 0)
        return VERDICT_PASS;
    pthread_rwlock_rdlock(&f->lock);
    code = trust_verify(f->trust, c->secret, f->algorithms, &claims, e);
    pthread_rwlock_unlock(&f->lock);
    if (code != ERR_OK)
        return code == ERR_UNAUTHORIZED ? VERDICT_NO : VERDICT_FAIL;
    if (jwt_check_claims(claims, f->conf->issuer, f->conf->service, clock_wall_ms() / 1000, e) !=
        ERR_OK)
        return VERDICT_PAST;
    *ret_identity = identity_of(claims);
    if (*ret_identity)
        return VERDICT_YES;
    err_set(e, ERR_UNAUTHORIZED, "claim 'sub' of the token is no user name");
    return VERDICT_PAST;
}

static uint64_t foreign_generation(struct provider *p)
{
    return atomic_load(&((struct foreign *)p)->generation);
}

/* On an error the keys stay that there are. */
static enum err_code foreign_tend(struct provider *p, struct err *e)
{
    struct foreign *f = (struct foreign *)p;
    bool bundle = watch_changed(&f->bundle), jwks = watch_changed(&f->jwks);

    return bundle || jwks ? load(f, e) : ERR_OK;
}

static void foreign_free(struct provider *p)
{
    struct foreign *f = (struct foreign *)p;

    trust_free(f->trust);
    pthread_rwlock_destroy(&f->lock);
    free(f);
}

static const struct provider_driver foreign_driver = {
    .name = "token",
    .kinds = 1u << CREDENTIAL_BEARER,
    .check = foreign_check,
    .generation = foreign_generation,
    .tend = foreign_tend,
    .free = foreign_free,
};

enum err_code foreign_new(const struct conf_token *conf, struct provider **ret_provider,
                          struct err *e)
{
    struct foreign *f = NEW(struct foreign);

    f->provider.driver = &foreign_driver;
    f->conf = conf;
    choose_algorithms(f);
    pthread_rwlock_init(&f->lock, NULL);
    watch_init(&f->bundle, conf->rootcertbundle);
    watch_init(&f->jwks, conf->jwks);
    if (load(f, e) != ERR_OK) {
        foreign_free(&f->provider);
        return e->code;
    }
    *ret_provider = &f->provider;
    return ERR_OK;
}
