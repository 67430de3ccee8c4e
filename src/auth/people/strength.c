#include "auth/people/strength.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <pwquality.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define PASSWORD_MAX       512
#define DEFAULT_DICTIONARY "/var/cache/cracklib/cracklib_dict"

static pwquality_settings_t *settings_new(void)
{
    pwquality_settings_t *s = pwquality_default_settings();
    void *ignored = NULL;

    if (!s)
        abort(); /* fails only without memory */
    /* A file that is missing or wrong leaves the defaults. */
    (void)!pwquality_read_config(s, NULL, &ignored);
    return s;
}

static bool dictionary_of(pwquality_settings_t *s)
{
    const char *path = NULL;
    char file[4096];

    if (pwquality_get_str_value(s, PWQ_SETTING_DICT_PATH, &path) != 0 || !path || !*path)
        path = DEFAULT_DICTIONARY;
    snprintf(file, sizeof(file), "%s.pwi", path);
    return access(file, R_OK) == 0;
}

bool strength_has_dictionary(void)
{
    pwquality_settings_t *s = settings_new();
    bool has = dictionary_of(s);

    pwquality_free_settings(s);
    return has;
}

static void raise_to_ours(pwquality_settings_t *s)
{
    int min = 0;

    if (pwquality_get_int_value(s, PWQ_SETTING_MIN_LENGTH, &min) != 0 || min < PASSWORD_MIN)
        pwquality_set_int_value(s, PWQ_SETTING_MIN_LENGTH, PASSWORD_MIN);
    pwquality_set_int_value(s, PWQ_SETTING_USER_CHECK, 1);
    /* Without its files cracklib would refuse every password. */
    if (!dictionary_of(s))
        pwquality_set_int_value(s, PWQ_SETTING_DICT_CHECK, 0);
}

/* libpwquality's libcrack keeps what it works on in static memory. */
static int ask(const char *password, const char *user, char *ret_why, size_t cap)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pwquality_settings_t *s;
    void *detail = NULL;
    const char *why;
    int score;

    pthread_mutex_lock(&mutex);
    s = settings_new();
    raise_to_ours(s);
    score = pwquality_check(s, password, NULL, user, &detail);
    if (score < 0) {
        why = pwquality_strerror(ret_why, cap, score, detail); /* frees detail */
        if (why && why != ret_why)
            snprintf(ret_why, cap, "%s", why);
    }
    pwquality_free_settings(s);
    pthread_mutex_unlock(&mutex);
    return score;
}

enum err_code strength_check(struct str user, struct str password, struct err *e)
{
    char text[PASSWORD_MAX + 1], why[PWQ_MAX_ERROR_MESSAGE_LEN] = "";
    AUTO(mem) char *name = str_dup(user);
    int score;

    if (password.n > PASSWORD_MAX)
        return err_tell(e, ERR_REQUEST_INVALID, "the password is longer than %d bytes",
                        PASSWORD_MAX);
    /* what can be typed again, and sent (RFC 7617 section 2) */
    if (!str_is_text(password) || !str_copy(password, text, sizeof(text)))
        return err_tell(e, ERR_REQUEST_INVALID,
                        "the password is not text: UTF-8 without control characters");
    if (password.n < PASSWORD_MIN) { /* before libpwquality, whose message names no number */
        OPENSSL_cleanse(text, sizeof(text));
        return err_tell(e, ERR_REQUEST_INVALID, "the password is shorter than %d characters",
                        PASSWORD_MIN);
    }
    score = ask(text, name, why, sizeof(why));
    OPENSSL_cleanse(text, sizeof(text));
    if (score >= 0)
        return ERR_OK;
    return err_tell(e, ERR_REQUEST_INVALID, "the password is too weak: %s",
                    why[0] ? why : "libpwquality refuses it");
}
