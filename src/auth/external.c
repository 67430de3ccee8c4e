#include "auth/external.h"

#include "auth/jwt.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/fetch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define KEEP_MS        3600000
#define AGAIN_MS       30000
#define ANSWER_MAX     (1u << 20)
#define URL_MAX        2048
#define ALGORITHMS_MAX 16

struct issuer {
    const struct conf_external *conf;
    pthread_mutex_t
        mutex; /* guards what follows; held while fetching, so that one fetch serves all */
    struct jwt_keys *keys;        /* NULL: never fetched */
    int64_t tried_ms, fetched_ms; /* monotonic; 0: never */
};

struct external {
    struct provider provider;
    size_t n;
    struct issuer issuers[];
};

static enum err_code get(const struct issuer *i, const char *url, struct buf *ret, struct err *e)
{
    struct fetch f = {.url = url, .ca_file = i->conf->ca_file};
    int status;

    TRY(fetch_run(&f, &status, ret, e));
    if (status != 200)
        return err_set(e, ERR_UNAVAILABLE, "'%.200s' answered %d", url, status);
    return ERR_OK;
}

/* OpenID Connect Discovery 1.0, 4: the document must name the issuer that it was asked of. */
static enum err_code discover(const struct issuer *i, char dst[static URL_MAX], struct err *e)
{
    AUTO(buf) struct buf answer;
    AUTO(json) json_t *root = NULL;
    const char *issuer, *uri, *base = i->conf->issuer;
    size_t n = strlen(base);
    char url[URL_MAX];

    buf_init(&answer, ANSWER_MAX);
    while (n > 0 && base[n - 1] == '/')
        n--;
    if ((size_t)snprintf(url, sizeof(url), "%.*s/.well-known/openid-configuration", (int)n, base) >=
        sizeof(url))
        return err_set(e, ERR_CONFIG, "issuer is too long a URL");
    TRY(get(i, url, &answer, e));
    root = json_loadb(answer.p, answer.n, 0, NULL);
    issuer = json_string_value(json_object_get(root, "issuer"));
    uri = json_string_value(json_object_get(root, "jwks_uri"));
    if (!issuer || strcmp(issuer, base) != 0)
        return err_set(e, ERR_UNAVAILABLE, "'%.200s' is not the document of that issuer", url);
    if (!uri || !str_copy(str_of(uri), dst, URL_MAX))
        return err_set(e, ERR_UNAVAILABLE, "'%.200s' names no jwks_uri", url);
    return ERR_OK;
}

static enum err_code fetch_keys(struct issuer *i, struct err *e)
{
    AUTO(buf) struct buf answer;
    struct jwt_keys *keys;
    char url[URL_MAX];

    buf_init(&answer, ANSWER_MAX);
    if (i->conf->jwks_uri[0])
        snprintf(url, sizeof(url), "%s", i->conf->jwks_uri);
    else
        TRY(discover(i, url, e));
    TRY(get(i, url, &answer, e));
    if (jwt_keys_parse(buf_str(&answer), &keys, e) != ERR_OK) {
        err_prefix(e, "'%.120s'", url);
        return ERR_UNAVAILABLE;
    }
    jwt_keys_free(i->keys);
    i->keys = keys;
    i->fetched_ms = clock_mono_ms();
    return ERR_OK;
}

/* Under the mutex. Old keys serve while new ones can't be had. */
static enum err_code fresh_keys(struct issuer *i, bool missing, struct err *e)
{
    int64_t now = clock_mono_ms();
    bool old = !i->keys || now - i->fetched_ms > KEEP_MS || missing;
    enum err_code code;

    if (!old || (i->tried_ms && now - i->tried_ms < AGAIN_MS))
        return i->keys ? ERR_OK
                       : err_set(e, ERR_UNAVAILABLE, "the keys of '%s' could not be fetched",
                                 i->conf->issuer);
    i->tried_ms = now;
    code = fetch_keys(i, e);
    return i->keys ? ERR_OK : code;
}

static enum err_code verify(struct issuer *i, struct str token, json_t **ret_claims, struct err *e)
{
    const char *algorithms[ALGORITHMS_MAX + 1] = {NULL};
    bool unknown_kid = false;
    enum err_code code;

    for (size_t k = 0; k < i->conf->algorithms.n && k < ALGORITHMS_MAX; k++)
        algorithms[k] = i->conf->algorithms.items[k];
    pthread_mutex_lock(&i->mutex);
    code = fresh_keys(i, false, e);
    if (code == ERR_OK)
        code = jwt_verify(i->keys, token, algorithms, ret_claims, &unknown_kid, e);
    if (code != ERR_OK && unknown_kid && fresh_keys(i, true, e) == ERR_OK)
        code = jwt_verify(i->keys, token, algorithms, ret_claims, NULL, e);
    pthread_mutex_unlock(&i->mutex);
    return code;
}

static enum err_code check_audience(const struct issuer *i, const json_t *claims, struct err *e)
{
    enum err_code code = ERR_UNAUTHORIZED;

    for (size_t k = 0; k < i->conf->audience.n && code != ERR_OK; k++)
        code = jwt_check_claims(claims, i->conf->issuer, i->conf->audience.items[k],
                                clock_wall_ms() / 1000, e);
    return code;
}

/* "name=value": the claim must be exactly that text, or hold it in a list. */
static bool has_claim(const json_t *claims, struct str wanted)
{
    struct str name, value = wanted;
    const json_t *claim;
    char key[256];

    if (!str_cut(&value, '=', &name) || !str_copy(name, key, sizeof(key)))
        return false;
    claim = json_object_get(claims, key);
    if (json_is_string(claim))
        return str_eq(value, str_of(json_string_value(claim)));
    for (size_t k = 0; k < json_array_size(claim); k++) {
        if (str_eq(value, str_of(json_string_value(json_array_get(claim, k)))))
            return true;
    }
    return false;
}

static enum err_code check_required(const struct issuer *i, const json_t *claims, struct err *e)
{
    for (size_t k = 0; k < i->conf->required_claims.n; k++) {
        const char *wanted = i->conf->required_claims.items[k];

        if (!has_claim(claims, str_of(wanted)))
            return err_set(e, ERR_UNAUTHORIZED, "the token lacks the claim %.100s", wanted);
    }
    return ERR_OK;
}

/* Names of machines hold colons and slashes ("repo:a/b:ref:refs/heads/main"); blanks and control
 * bytes they do not. */
static bool printable(const char *text)
{
    size_t n = strlen(text);

    for (size_t k = 0; k < n; k++) {
        if (text[k] <= ' ' || text[k] > '~')
            return false;
    }
    return n > 0 && n <= IDENTITY_NAME_MAX;
}

static void add_group(struct identity *id, const char *prefix, const char *group)
{
    char text[2 * IDENTITY_NAME_MAX];

    if (group && printable(group) &&
        (size_t)snprintf(text, sizeof(text), "%s%s", prefix, group) < sizeof(text))
        identity_add_group(id, str_of(text));
}

static struct identity *identity_of(const struct issuer *i, const json_t *claims)
{
    const char *user = json_string_value(json_object_get(claims, i->conf->username_claim));
    const json_t *groups = json_object_get(claims, i->conf->groups_claim);
    char name[2 * IDENTITY_NAME_MAX];
    struct identity *id;

    if (!user || !printable(user) ||
        (size_t)snprintf(name, sizeof(name), "%s%s", i->conf->username_prefix, user) >
            IDENTITY_NAME_MAX)
        return NULL;
    id = identity_new(IDENTITY_USER, str_of(name), "external");
    if (json_is_string(groups))
        add_group(id, i->conf->groups_prefix, json_string_value(groups));
    for (size_t k = 0; k < json_array_size(groups); k++)
        add_group(id, i->conf->groups_prefix, json_string_value(json_array_get(groups, k)));
    id->expires_ms = (int64_t)json_number_value(json_object_get(claims, "exp")) * 1000;
    return id;
}

static struct issuer *issuer_of(struct external *x, struct str token)
{
    AUTO(json) json_t *peek = jwt_peek(token);
    const char *issuer = json_string_value(json_object_get(peek, "iss"));

    for (size_t i = 0; issuer && i < x->n; i++) {
        if (strcmp(issuer, x->issuers[i].conf->issuer) == 0)
            return &x->issuers[i];
    }
    return NULL;
}

/* As a bearer token, or as the password of a client that knows Basic only. */
static enum verdict external_check(struct provider *p, const struct credential *c,
                                   struct identity **ret_identity, struct err *e)
{
    struct issuer *i = issuer_of((struct external *)p, c->secret);
    AUTO(json) json_t *claims = NULL;
    enum err_code code;

    if (!i)
        return VERDICT_PASS;
    code = verify(i, c->secret, &claims, e);
    if (code == ERR_OK)
        code = check_audience(i, claims, e);
    if (code == ERR_OK)
        code = check_required(i, claims, e);
    if (code != ERR_OK)
        return code == ERR_UNAUTHORIZED ? VERDICT_NO : VERDICT_FAIL;
    *ret_identity = identity_of(i, claims);
    if (*ret_identity)
        return VERDICT_YES;
    err_set(e, ERR_UNAUTHORIZED, "claim '%.64s' of the token is no user name",
            i->conf->username_claim);
    return VERDICT_NO;
}

static void external_free(struct provider *p)
{
    struct external *x = (struct external *)p;

    for (size_t i = 0; i < x->n; i++) {
        jwt_keys_free(x->issuers[i].keys);
        pthread_mutex_destroy(&x->issuers[i].mutex);
    }
    free(x);
}

static const struct provider_driver external_driver = {
    .name = "external",
    .kinds = 1u << CREDENTIAL_BEARER | 1u << CREDENTIAL_BASIC,
    .check = external_check,
    .free = external_free,
};

struct provider *external_new(const struct conf_externals *issuers)
{
    struct external *x = mem_zero(sizeof(*x) + issuers->n * sizeof(x->issuers[0]));

    x->provider.driver = &external_driver;
    x->n = issuers->n;
    for (size_t i = 0; i < issuers->n; i++) {
        x->issuers[i].conf = &issuers->items[i];
        pthread_mutex_init(&x->issuers[i].mutex, NULL);
    }
    return &x->provider;
}
