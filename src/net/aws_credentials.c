#include "net/aws_credentials.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "net/aws_source.h"

#include <pthread.h>

#define EARLY_MS   (10 * 60 * 1000) /* before it expires; half of its life, when that is shorter */
#define RETRY_MS   (30 * 1000)      /* while the old key still holds */
#define FAILED_MS  1000             /* so long an error is the answer to whoever asks */
#define REFUSED_MS (60 * 1000)

/* In the order in which they are asked. */
static const struct aws_source sources[] = {
    {"configuration", aws_source_configured}, {"environment", aws_source_environment},
    {"profile", aws_source_profile},          {"web identity", aws_source_web_identity},
    {"container", aws_source_container},      {"instance", aws_source_instance},
};

struct aws_credentials {
    struct aws_credentials_options options;
    pthread_mutex_t lock;
    pthread_cond_t asked, answered;
    struct aws_key key; /* all below the lock */
    bool has_key;
    bool wanted; /* somebody waits for a key */
    bool stop;
    bool runs;
    uint64_t answers;   /* of the sources, so far */
    int64_t renew_ms;   /* monotonic: when to ask anew; INT64_MAX: never */
    int64_t failed_ms;  /* monotonic: when asking failed; 0: it did not */
    struct err failure; /* then */
    int64_t refused_ms; /* monotonic: when a key was refused; 0: none was */
    pthread_t thread;
};

static enum err_code ask_all(const struct aws_credentials_options *o, struct aws_key *ret_key,
                             struct err *e)
{
    AUTO(buf) struct buf said = {0};

    buf_init(&said, sizeof(e->detail));
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        enum err_code code = sources[i].ask(o, ret_key, e);

        if (code == ERR_OK)
            return ERR_OK;
        if (code != ERR_NOT_FOUND) {
            e->code = ERR_UNAVAILABLE;
            return err_prefix(e, "no key of AWS: %s", sources[i].name);
        }
        buf_addf(&said, "%s%s: %s", i > 0 ? "; " : "", sources[i].name, e->detail);
    }
    return err_set(e, ERR_UNAVAILABLE, "no key of AWS: %s", buf_text(&said));
}

/* When a key that has just come is to be renewed, by the monotonic clock. */
static int64_t renewal(const struct aws_key *key)
{
    int64_t life_ms = key->expires_ms - clock_wall_ms();
    int64_t early_ms = life_ms / 2 < EARLY_MS ? life_ms / 2 : EARLY_MS;

    if (key->expires_ms == 0)
        return INT64_MAX;
    return clock_mono_ms() + (life_ms > 2000 ? life_ms - early_ms : 1000);
}

static bool expired(const struct aws_key *key)
{
    return key->expires_ms != 0 && key->expires_ms <= clock_wall_ms();
}

static bool holds(const struct aws_credentials *c)
{
    return c->has_key && !expired(&c->key);
}

/* Below the lock: what the sources said. A key that still holds stays when they fail. */
static void take_answer(struct aws_credentials *c, enum err_code code, struct aws_key *key,
                        const struct err *e)
{
    c->answers++;
    c->wanted = false;
    if (code == ERR_OK) {
        aws_key_done(&c->key);
        c->key = *key;
        c->has_key = true;
        c->failed_ms = 0;
        c->renew_ms = renewal(&c->key);
    } else {
        c->failure = *e;
        c->failed_ms = clock_mono_ms();
        c->renew_ms = holds(c) ? c->failed_ms + RETRY_MS : INT64_MAX;
    }
    pthread_cond_broadcast(&c->answered);
}

static void wait_for_work(struct aws_credentials *c)
{
    while (!c->stop && !c->wanted) {
        int64_t left_ms = c->renew_ms == INT64_MAX ? INT64_MAX : c->renew_ms - clock_mono_ms();
        struct timespec until;

        if (left_ms <= 0)
            return;
        if (left_ms == INT64_MAX) {
            pthread_cond_wait(&c->asked, &c->lock);
        } else {
            until = clock_mono_in(left_ms);
            pthread_cond_timedwait(&c->asked, &c->lock, &until);
        }
    }
}

/* Asks, whenever somebody waits or the key is about to expire. */
static void *renew(void *ctx)
{
    struct aws_credentials *c = ctx;

    pthread_mutex_lock(&c->lock);
    for (wait_for_work(c); !c->stop; wait_for_work(c)) {
        struct aws_key key = {0};
        enum err_code code;
        struct err e;

        pthread_mutex_unlock(&c->lock);
        code = ask_all(&c->options, &key, &e);
        pthread_mutex_lock(&c->lock);
        take_answer(c, code, &key, &e);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

#define TEXTS 7

/* The texts of the options. */
static void texts_of(struct aws_credentials_options *o, const char **ret_texts[static TEXTS])
{
    const char **texts[TEXTS] = {&o->access_key,      &o->access_key_file, &o->secret_key,
                                 &o->secret_key_file, &o->session_token,   &o->region,
                                 &o->ca_file};

    memcpy(ret_texts, texts, sizeof(texts));
}

struct aws_credentials *aws_credentials_new(const struct aws_credentials_options *o)
{
    struct aws_credentials *c = NEW(struct aws_credentials);
    const char **texts[TEXTS];

    c->options = *o;
    texts_of(&c->options, texts);
    for (size_t i = 0; i < TEXTS; i++)
        *texts[i] = *texts[i] ? mem_strdup(*texts[i]) : NULL;
    c->renew_ms = INT64_MAX;
    pthread_mutex_init(&c->lock, NULL);
    thread_cond_init(&c->asked);
    thread_cond_init(&c->answered);
    return c;
}

void aws_credentials_free(struct aws_credentials *c)
{
    const char **texts[TEXTS];

    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_signal(&c->asked);
    pthread_mutex_unlock(&c->lock);
    if (c->runs)
        pthread_join(c->thread, NULL);
    aws_key_done(&c->key);
    texts_of(&c->options, texts);
    for (size_t i = 0; i < TEXTS; i++)
        free((char *)*texts[i]);
    pthread_cond_destroy(&c->asked);
    pthread_cond_destroy(&c->answered);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* Below the lock: has the thread ask. */
static enum err_code ask(struct aws_credentials *c, struct err *e)
{
    if (!c->runs && thread_start(&c->thread, "aws-key", THREAD_STACK_USUAL, renew, c) != 0)
        return err_set(e, ERR_UNAVAILABLE, "no thread to find a key of AWS with");
    c->runs = true;
    c->wanted = true;
    pthread_cond_signal(&c->asked);
    return ERR_OK;
}

static enum err_code get(struct aws_credentials *c, bool wait, struct aws_key *ret_key,
                         struct err *e)
{
    bool just_failed = c->failed_ms && clock_mono_ms() - c->failed_ms < FAILED_MS;
    uint64_t before = c->answers;

    if (!holds(c) && !just_failed) {
        TRY(ask(c, e));
        if (!wait)
            return err_set(e, ERR_UNAVAILABLE, "a key of AWS is being asked for");
        while (c->answers == before)
            pthread_cond_wait(&c->answered, &c->lock);
    }
    if (!holds(c) && c->failed_ms) {
        *e = c->failure;
        return e->code;
    }
    if (!holds(c))
        return err_set(e, ERR_UNAVAILABLE, "no key of AWS: the one that was given has expired");
    aws_key_copy(&c->key, ret_key);
    return ERR_OK;
}

enum err_code aws_credentials_get(struct aws_credentials *c, struct aws_key *ret_key, struct err *e)
{
    enum err_code code;

    pthread_mutex_lock(&c->lock);
    code = get(c, true, ret_key, e);
    pthread_mutex_unlock(&c->lock);
    return code;
}

enum err_code aws_credentials_get_now(struct aws_credentials *c, struct aws_key *ret_key,
                                      struct err *e)
{
    enum err_code code;

    pthread_mutex_lock(&c->lock);
    code = get(c, false, ret_key, e);
    pthread_mutex_unlock(&c->lock);
    return code;
}

static bool same(const struct aws_key *a, const struct aws_key *b)
{
    return strcmp(a->access, b->access) == 0 && strcmp(a->secret, b->secret) == 0 &&
           str_eq(buf_str(&a->token), buf_str(&b->token));
}

void aws_credentials_refused(struct aws_credentials *c, const struct aws_key *key)
{
    int64_t now_ms = clock_mono_ms();

    pthread_mutex_lock(&c->lock);
    if (c->has_key && same(&c->key, key) &&
        (c->refused_ms == 0 || now_ms - c->refused_ms >= REFUSED_MS)) {
        c->refused_ms = now_ms;
        c->has_key = false;
        c->failed_ms = 0;
    }
    pthread_mutex_unlock(&c->lock);
}
