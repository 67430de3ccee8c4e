#include "auth/tokens/issuer.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "net/fetch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define KEEP_MS    3600000
#define MISSING_MS 10000 /* between two fetches for the sake of an unknown key */
#define RETRY_MS   1000  /* after a failure */
#define ANSWER_MAX (1u << 20)

/* Something that is fetched, and kept. */
struct fetched {
    int64_t tried_ms, fetched_ms; /* monotonic; 0: never */
    bool busy;                    /* somebody is fetching it */
};

struct issuer {
    struct issuer_options options;
    pthread_mutex_t mutex; /* guards what follows; not held while fetching */
    pthread_cond_t changed;
    struct fetched keys_state, endpoints_state;
    int64_t missing_ms;    /* fetched for an unknown key; monotonic, 0: never */
    struct jwt_keys *keys; /* NULL: never fetched */
    struct issuer_endpoints endpoints;
    char jwks_uri[ISSUER_URL_MAX]; /* goes with endpoints */
};

struct issuer *issuer_new(const struct issuer_options *o)
{
    struct issuer *i = NEW(struct issuer);

    i->options = *o;
    pthread_mutex_init(&i->mutex, NULL);
    pthread_cond_init(&i->changed, NULL);
    return i;
}

void issuer_free(struct issuer *i)
{
    if (!i)
        return;
    jwt_keys_free(i->keys);
    pthread_cond_destroy(&i->changed);
    pthread_mutex_destroy(&i->mutex);
    free(i);
}

static enum err_code get(const struct issuer *i, const char *url, struct buf *ret, struct err *e)
{
    struct fetch f = {.url = url, .ca_file = i->options.ca_file};
    int status;

    TRY(fetch_run(&f, &status, ret, e));
    if (status != 200)
        return err_set(e, ERR_UNAVAILABLE, "'%.200s' answered %d", url, status);
    return ERR_OK;
}

/* An issuer that speaks TLS is not followed to where nobody does. */
static bool endpoint_of(const struct issuer *i, const json_t *root, const char *key,
                        char dst[static ISSUER_URL_MAX])
{
    struct str url = str_of(json_string_value(json_object_get(root, key)));
    bool tls = str_starts(str_of(i->options.url), STR("https:"));

    dst[0] = '\0';
    if (!url.p)
        return true;
    return (!tls || str_starts(url, STR("https:"))) && str_copy(url, dst, ISSUER_URL_MAX);
}

static bool in_list(const json_t *list, const char *text)
{
    for (size_t k = 0; k < json_array_size(list); k++) {
        const char *one = json_string_value(json_array_get(list, k));

        if (one && strcmp(one, text) == 0)
            return true;
    }
    return false;
}

static bool read_document(const struct issuer *i, const json_t *root, struct issuer_endpoints *ep,
                          char jwks_uri[static ISSUER_URL_MAX])
{
    const json_t *methods = json_object_get(root, "token_endpoint_auth_methods_supported");

    /* Without the list it is the former (Discovery, 3). */
    ep->secret_in_header = !methods || in_list(methods, "client_secret_basic");
    ep->secret_in_form = in_list(methods, "client_secret_post");
    ep->names_itself =
        json_is_true(json_object_get(root, "authorization_response_iss_parameter_supported"));
    return endpoint_of(i, root, "authorization_endpoint", ep->authorization) &&
           endpoint_of(i, root, "token_endpoint", ep->token) &&
           endpoint_of(i, root, "userinfo_endpoint", ep->userinfo) &&
           endpoint_of(i, root, "jwks_uri", jwks_uri);
}

/* OpenID Connect Discovery 1.0, 4: the document must name the issuer that it was asked of. */
static enum err_code discover(const struct issuer *i, struct issuer_endpoints *ep,
                              char jwks_uri[static ISSUER_URL_MAX], struct err *e)
{
    AUTO(buf) struct buf answer = {0};
    AUTO(json) json_t *root = NULL;
    const char *issuer, *base = i->options.url;
    size_t n = strlen(base);
    char url[ISSUER_URL_MAX];

    buf_init(&answer, ANSWER_MAX);
    while (n > 0 && base[n - 1] == '/')
        n--;
    if ((size_t)snprintf(url, sizeof(url), "%.*s/.well-known/openid-configuration", (int)n, base) >=
        sizeof(url))
        return err_set(e, ERR_CONFIG, "issuer is too long a URL");
    TRY(get(i, url, &answer, e));
    if (json_shallow(buf_str(&answer)))
        root = json_loadb(answer.p, answer.n, 0, NULL);
    issuer = json_string_value(json_object_get(root, "issuer"));
    if (!issuer || strcmp(issuer, base) != 0)
        return err_set(e, ERR_UNAVAILABLE, "'%.200s' is not the document of that issuer", url);
    if (!read_document(i, root, ep, jwks_uri))
        return err_set(e, ERR_UNAVAILABLE, "'%.200s' names an endpoint that is not https", url);
    return ERR_OK;
}

/* Is it to be fetched now? Under the mutex; then busy is set. Waits while another thread fetches
 * what there is none of yet. */
static bool begin(struct issuer *i, struct fetched *f, bool again)
{
    while (f->busy && (!f->fetched_ms || again))
        pthread_cond_wait(&i->changed, &i->mutex);
    if (f->busy)
        return false;
    if (f->fetched_ms && !again && clock_mono_ms() - f->fetched_ms <= KEEP_MS)
        return false;
    if (f->tried_ms > f->fetched_ms && clock_mono_ms() - f->tried_ms < RETRY_MS)
        return false;
    f->busy = true;
    return true;
}

static void end(struct issuer *i, struct fetched *f, bool done)
{
    f->busy = false;
    f->tried_ms = clock_mono_ms();
    if (done)
        f->fetched_ms = f->tried_ms;
    pthread_cond_broadcast(&i->changed);
}

static enum err_code none_yet(const struct issuer *i, const struct fetched *f, enum err_code code,
                              struct err *e)
{
    if (f->fetched_ms)
        return ERR_OK; /* what was fetched earlier serves on */
    return code != ERR_OK ? code
                          : err_set(e, ERR_UNAVAILABLE, "issuer '%.200s' could not be reached",
                                    i->options.url);
}

/* Under the mutex, which is let go meanwhile. */
static enum err_code fresh_endpoints(struct issuer *i, bool again, struct err *e)
{
    struct issuer_endpoints ep = {0};
    char jwks_uri[ISSUER_URL_MAX];
    enum err_code code = ERR_OK;

    if (begin(i, &i->endpoints_state, again)) {
        pthread_mutex_unlock(&i->mutex);
        code = discover(i, &ep, jwks_uri, e);
        pthread_mutex_lock(&i->mutex);
        if (code == ERR_OK) {
            i->endpoints = ep;
            memcpy(i->jwks_uri, jwks_uri, sizeof(i->jwks_uri));
        }
        end(i, &i->endpoints_state, code == ERR_OK);
    }
    return none_yet(i, &i->endpoints_state, code, e);
}

static enum err_code fetch_keys(const struct issuer *i, const char *url, struct jwt_keys **ret_keys,
                                struct err *e)
{
    AUTO(buf) struct buf answer = {0};

    buf_init(&answer, ANSWER_MAX);
    TRY(get(i, url, &answer, e));
    if (jwt_keys_parse(buf_str(&answer), ret_keys, e) == ERR_OK)
        return ERR_OK;
    err_prefix(e, "'%.120s'", url);
    return e->code = ERR_UNAVAILABLE;
}

/* Where the keys are; under the mutex. */
static enum err_code jwks_place(struct issuer *i, char dst[static ISSUER_URL_MAX], struct err *e)
{
    if (i->options.jwks_uri[0]) {
        snprintf(dst, ISSUER_URL_MAX, "%s", i->options.jwks_uri);
        return ERR_OK;
    }
    TRY(fresh_endpoints(i, false, e));
    if (!i->jwks_uri[0])
        return err_set(e, ERR_UNAVAILABLE, "issuer '%.200s' names no jwks_uri", i->options.url);
    memcpy(dst, i->jwks_uri, ISSUER_URL_MAX);
    return ERR_OK;
}

/* Under the mutex, which is let go meanwhile. */
static enum err_code fresh_keys(struct issuer *i, bool again, struct err *e)
{
    struct jwt_keys *keys = NULL;
    char url[ISSUER_URL_MAX];
    enum err_code code;

    if (!begin(i, &i->keys_state, again))
        return none_yet(i, &i->keys_state, ERR_OK, e);
    code = jwks_place(i, url, e);
    if (code == ERR_OK) {
        pthread_mutex_unlock(&i->mutex);
        code = fetch_keys(i, url, &keys, e);
        pthread_mutex_lock(&i->mutex);
    }
    if (code == ERR_OK) {
        jwt_keys_free(i->keys);
        i->keys = keys;
    }
    end(i, &i->keys_state, code == ERR_OK);
    return none_yet(i, &i->keys_state, code, e);
}

/* A key that nobody knows of is looked for at once, but a flood of them is not. True: the keys may
 * be others than before. Under the mutex, which is let go meanwhile. */
static bool look_again(struct issuer *i)
{
    int64_t now = clock_mono_ms();

    if (i->keys_state.busy) { /* on behalf of another token */
        while (i->keys_state.busy)
            pthread_cond_wait(&i->changed, &i->mutex);
        return true;
    }
    if (i->missing_ms && now - i->missing_ms < MISSING_MS)
        return false;
    i->missing_ms = now;
    return fresh_keys(i, true, ERR_IGNORED) == ERR_OK;
}

enum err_code issuer_verify(struct issuer *i, struct str token, const char *const *algorithms,
                            json_t **ret_claims, struct err *e)
{
    bool unknown_kid = false;
    enum err_code code;

    pthread_mutex_lock(&i->mutex);
    code = fresh_keys(i, false, e);
    if (code == ERR_OK)
        code = jwt_verify(i->keys, token, algorithms, ret_claims, &unknown_kid, e);
    if (code != ERR_OK && unknown_kid && look_again(i))
        code = jwt_verify(i->keys, token, algorithms, ret_claims, NULL, e);
    pthread_mutex_unlock(&i->mutex);
    return code;
}

enum err_code issuer_endpoints(struct issuer *i, struct issuer_endpoints *ret, struct err *e)
{
    enum err_code code;

    pthread_mutex_lock(&i->mutex);
    code = fresh_endpoints(i, false, e);
    if (code == ERR_OK)
        *ret = i->endpoints;
    pthread_mutex_unlock(&i->mutex);
    return code;
}
