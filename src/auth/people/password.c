#include "auth/people/password.h"

#include "base/mem.h"
#include "base/thread.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#define PASSWORD_MAX 512

static sem_t turns;
static pthread_once_t turns_once = PTHREAD_ONCE_INIT;

static void turns_init(void)
{
    sem_init(&turns, 0, (unsigned)thread_processors());
}

/* crypt_r(3), when it is this thread's turn. */
static const char *hash_in_turn(const char *text, const char *setting, struct crypt_data *data)
{
    const char *made;

    pthread_once(&turns_once, turns_init);
    while (sem_wait(&turns) != 0) /* EINTR */
        continue;
    made = crypt_r(text, setting, data);
    sem_post(&turns);
    return made;
}

bool password_hash_known(const char *hash)
{
    static const char *const prefixes[] = {"$2a$", "$2b$", "$2y$", "$y$", "$6$", "$5$"};

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (strncmp(hash, prefixes[i], strlen(prefixes[i])) == 0)
            return strlen(hash) < PASSWORD_HASH_MAX;
    }
    return false;
}

bool password_matches(struct str password, const char *hash)
{
    struct crypt_data *data = NEW(struct crypt_data);
    char text[PASSWORD_MAX + 1];
    bool same = false;
    const char *made;

    if (str_copy(password, text, sizeof(text))) {
        made = hash_in_turn(text, hash, data);
        same = made && made[0] != '*' && strlen(made) == strlen(hash) &&
               CRYPTO_memcmp(made, hash, strlen(hash)) == 0;
    }
    OPENSSL_cleanse(text, sizeof(text));
    OPENSSL_cleanse(data, sizeof(*data));
    free(data);
    return same;
}

enum err_code password_hash(struct str password, char dst[static PASSWORD_HASH_MAX], struct err *e)
{
    struct crypt_data *data = NEW(struct crypt_data);
    char setting[CRYPT_GENSALT_OUTPUT_SIZE], text[PASSWORD_MAX + 1];
    enum err_code code = ERR_INTERNAL;
    const char *made = NULL;

    if (str_copy(password, text, sizeof(text)) &&
        crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)))
        made = hash_in_turn(text, setting, data);
    if (made && made[0] != '*') {
        snprintf(dst, PASSWORD_HASH_MAX, "%s", made);
        code = ERR_OK;
    }
    OPENSSL_cleanse(text, sizeof(text));
    OPENSSL_cleanse(data, sizeof(*data));
    free(data);
    return code == ERR_OK ? ERR_OK : err_set(e, code, "password can't be hashed");
}
