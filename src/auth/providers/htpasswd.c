#include "auth/providers/htpasswd.h"

#include "auth/people/password.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/watch.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#define FILE_MAX_BYTES (16u << 20)

struct entry {
    char *user, *hash;
};

struct htpasswd {
    struct provider provider;
    char *path;
    pthread_mutex_t mutex; /* guards entries and n */
    struct entry *entries;
    size_t n;
    struct watch watch;
    atomic_ullong generation;
};

static void entries_free(struct entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(entries[i].user);
        free(entries[i].hash);
    }
    free(entries);
}

static enum err_code parse_line(struct str line, struct entry *ret_entry, struct err *e)
{
    struct str hash = line, user;
    char *text;

    if (!str_cut(&hash, ':', &user) || !identity_name_valid(user))
        return err_set(e, ERR_CONFIG, "is not NAME:HASH");
    text = str_dup(hash);
    if (!password_hash_known(text)) {
        free(text);
        return err_set(e, ERR_CONFIG,
                       "has a hash that is not bcrypt, yescrypt, SHA-512 or SHA-256 "
                       "crypt (htpasswd -B makes bcrypt)");
    }
    *ret_entry = (struct entry){str_dup(user), text};
    return ERR_OK;
}

static enum err_code parse(struct str text, struct entry **ret_entries, size_t *ret_n,
                           struct err *e)
{
    struct entry *entries = NULL;
    size_t n = 0, number = 0;
    bool more = true;

    while (more) {
        struct str line;

        more = str_cut(&text, '\n', &line);
        number++;
        if (str_ends(line, STR("\r")))
            line.n--;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        entries = mem_resize(entries, (n + 1) * sizeof(*entries));
        if (parse_line(line, &entries[n], e) != ERR_OK) {
            entries_free(entries, n);
            return err_prefix(e, "line %zu", number);
        }
        n++;
    }
    *ret_entries = entries;
    *ret_n = n;
    return ERR_OK;
}

static enum err_code load(struct htpasswd *h, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    struct entry *entries = NULL, *old;
    size_t n = 0, old_n;

    buf_init(&text, FILE_MAX_BYTES);
    if (file_read_at(AT_FDCWD, h->path, &text, e) != ERR_OK ||
        parse(buf_str(&text), &entries, &n, e) != ERR_OK) {
        err_prefix(e, "htpasswd file '%s'", h->path);
        return e->code = ERR_CONFIG;
    }
    pthread_mutex_lock(&h->mutex);
    old = h->entries;
    old_n = h->n;
    h->entries = entries;
    h->n = n;
    pthread_mutex_unlock(&h->mutex);
    entries_free(old, old_n);
    atomic_fetch_add(&h->generation, 1);
    return ERR_OK;
}

/* On an error the earlier content stays in use. */
static enum err_code htpasswd_tend(struct provider *p, struct err *e)
{
    struct htpasswd *h = (struct htpasswd *)p;

    return watch_changed(&h->watch) ? load(h, e) : ERR_OK;
}

static uint64_t htpasswd_generation(struct provider *p)
{
    return atomic_load(&((struct htpasswd *)p)->generation);
}

/* The hash to compare with: the user's, or for a user that is not there anyone's, so that the
 * answer takes as long. */
static bool hash_of(struct htpasswd *h, struct str user, char dst[static PASSWORD_HASH_MAX])
{
    const struct entry *found = NULL, *any = NULL;

    pthread_mutex_lock(&h->mutex);
    for (size_t i = 0; i < h->n; i++) {
        any = &h->entries[i];
        if (str_eq(user, str_of(any->user)))
            found = any;
    }
    dst[0] = '\0';
    if (any)
        (void)!str_copy(str_of(found ? found->hash : any->hash), dst, PASSWORD_HASH_MAX);
    pthread_mutex_unlock(&h->mutex);
    return found != NULL;
}

static enum verdict htpasswd_check(struct provider *p, const struct credential *c,
                                   struct identity **ret_identity, struct err *e)
{
    struct htpasswd *h = (struct htpasswd *)p;
    char hash[PASSWORD_HASH_MAX];
    bool known = hash_of(h, c->user, hash);
    bool same = hash[0] && password_matches(c->secret, hash);

    (void)e;
    if (!known)
        return VERDICT_PASS;
    if (!same)
        return VERDICT_NO;
    *ret_identity = identity_new(IDENTITY_USER, c->user, p->driver->name);
    (*ret_identity)->stamp = identity_stamp(str_of(hash));
    return VERDICT_YES;
}

/* The user is still in the file, with the password that they signed in with. */
static enum verdict htpasswd_renew(struct provider *p, struct identity **id, struct err *e)
{
    char hash[PASSWORD_HASH_MAX];

    (void)e;
    return hash_of((struct htpasswd *)p, str_of((*id)->name), hash) &&
                   (*id)->stamp == identity_stamp(str_of(hash))
               ? VERDICT_YES
               : VERDICT_NO;
}

static void htpasswd_free(struct provider *p)
{
    struct htpasswd *h = (struct htpasswd *)p;

    entries_free(h->entries, h->n);
    pthread_mutex_destroy(&h->mutex);
    free(h->path);
    free(h);
}

static const struct provider_driver htpasswd_driver = {
    .name = "htpasswd",
    .kinds = 1u << CREDENTIAL_BASIC,
    .check = htpasswd_check,
    .generation = htpasswd_generation,
    .renew = htpasswd_renew,
    .tend = htpasswd_tend,
    .free = htpasswd_free,
};

enum err_code htpasswd_new(const char *path, struct provider **ret_provider, struct err *e)
{
    struct htpasswd *h = NEW(struct htpasswd);
    enum err_code code;

    h->provider.driver = &htpasswd_driver;
    h->path = mem_strdup(path);
    pthread_mutex_init(&h->mutex, NULL);
    watch_init(&h->watch, h->path);
    code = load(h, e);
    if (code != ERR_OK) {
        htpasswd_free(&h->provider);
        return code;
    }
    *ret_provider = &h->provider;
    return ERR_OK;
}
