#include "auth/providers/ldap.h"

#include "auth/providers/ldap_filter.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/directory.h"
#include "net/directory_dn.h"

#include <stdlib.h>
#include <time.h>

#define FILTER_MAX   (64u << 10)
#define LOGIN_MAX    255
#define PASSWORD_MAX 1024

/* Of the user's entry. What follows the first two changes with the password: in OpenLDAP and
 * others with a password policy, Active Directory, FreeIPA, and where accounts are those of Unix.
 */
enum { ATTRIBUTE_NAME, ATTRIBUTE_MEMBEROF, ATTRIBUTES_STAMP, ATTRIBUTES = 6 };

#define STAMP_ATTRIBUTES "pwdChangedTime", "pwdLastSet", "krbLastPwdChange", "shadowLastChange"

struct ldap {
    struct provider provider;
    const struct conf_ldap *conf;
    struct directory *directory;
    atomic_llong check_us; /* what a check of a password takes, smoothed */
};

/* One question, and what came of it. */
struct lookup {
    struct ldap *ldap;
    const char *filter; /* of the user */
    struct str login;   /* the name that was typed; or of the identity that is renewed */
    struct str password;
    enum verdict verdict;
    struct identity *id; /* when the verdict is YES */
    int64_t wait_us;     /* when there is no such user: what a check would take longer */
};

/* The user's entry. */

/* Not found is no error: ret->n is 0. */
static enum err_code find_user(struct directory_conn *c, const struct lookup *q,
                               struct directory_entries *ret, struct err *e)
{
    const struct conf_ldap *conf = q->ldap->conf;
    struct directory_search s = {
        .base = conf->base_dn,
        .filter = q->filter,
        /* "1.1" is no attribute (RFC 4511, 4.5.1.8) */
        .attributes = {conf->user_attribute,
                       conf->memberof_attribute[0] ? conf->memberof_attribute : "1.1",
                       STAMP_ATTRIBUTES},
        .max = 1,
    };

    TRY(directory_search(c, &s, ret, e));
    if (!ret->more)
        return ERR_OK;
    directory_entries_done(ret);
    return err_set(e, ERR_UNAVAILABLE,
                   "auth.ldap.user_filter finds several entries for one user: '%.200s'", q->filter);
}

/* The value that was typed (in whatever case), or the only one. */
static enum err_code name_of(const struct lookup *q, const struct directory_entry *entry,
                             struct str *ret, struct err *e)
{
    const struct directory_values *names = &entry->values[ATTRIBUTE_NAME];
    struct str name = names->n == 1 ? str_of(names->items[0]) : STR_NONE;

    for (size_t i = 0; i < names->n; i++) {
        if (str_ieq(str_of(names->items[i]), q->login))
            name = str_of(names->items[i]);
    }
    if (!identity_name_valid(name))
        return err_set(e, ERR_UNAVAILABLE,
                       "auth.ldap.user_attribute: '%s' of '%.200s' is not one user name (letters, "
                       "digits and ._@+-)",
                       q->ldap->conf->user_attribute, entry->dn);
    *ret = name;
    return ERR_OK;
}

static int64_t stamp_of(const struct directory_entry *entry)
{
    AUTO(buf) struct buf all = {0};

    buf_init(&all, FILTER_MAX);
    for (size_t a = ATTRIBUTES_STAMP; a < ATTRIBUTES; a++) {
        for (size_t i = 0; i < entry->values[a].n; i++)
            buf_addf(&all, "%zu=%s\n", a, entry->values[a].items[i]);
    }
    return all.n ? identity_stamp(buf_str(&all)) : 0;
}

/* Groups. */

/* A name that no rule can mean is left out. */
static void add_group(struct identity *id, const char *name)
{
    struct str group = str_of(name);

    for (size_t i = 0; i < group.n; i++) {
        if ((unsigned char)group.p[i] < ' ' || group.p[i] == 0x7f)
            return;
    }
    for (size_t i = 0; i < id->n_groups; i++) {
        if (strcmp(id->groups[i], name) == 0)
            return;
    }
    if (group.n > 0 && group.n <= IDENTITY_NAME_MAX)
        identity_add_group(id, group);
}

static const char *group_base(const struct conf_ldap *conf)
{
    return conf->group_base_dn[0] ? conf->group_base_dn : conf->base_dn;
}

static void add_memberof(const struct conf_ldap *conf, const struct directory_entry *entry,
                         struct identity *id)
{
    const struct directory_values *groups = &entry->values[ATTRIBUTE_MEMBEROF];
    char name[IDENTITY_NAME_MAX + 1];

    for (size_t i = 0; i < groups->n; i++) {
        if (directory_dn_leaf(groups->items[i], group_base(conf), conf->group_attribute, name,
                              sizeof(name)))
            add_group(id, name);
    }
}

static enum err_code search_groups(struct directory_conn *c, const struct conf_ldap *conf,
                                   const struct directory_entry *entry, struct identity *id,
                                   struct err *e)
{
    struct ldap_filter_values v = {.user = str_of(id->name), .dn = str_of(entry->dn)};
    struct directory_search s = {.base = group_base(conf),
                                 .attributes = {conf->group_attribute},
                                 .max = IDENTITY_GROUPS_MAX};
    AUTO(directory_entries) struct directory_entries found = {0};
    AUTO(buf) struct buf filter = {0};

    buf_init(&filter, FILTER_MAX);
    if (!conf->group_filter[0])
        return ERR_OK;
    ldap_filter_fill(&filter, conf->group_filter, &v);
    s.filter = buf_text(&filter);
    TRY(directory_search(c, &s, &found, e));
    if (found.more) /* a rule may deny what a group left out may not do */
        return err_set(e, ERR_UNAVAILABLE, "'%.200s' has more than %d groups", entry->dn,
                       IDENTITY_GROUPS_MAX);
    for (size_t i = 0; i < found.n; i++) {
        for (size_t k = 0; k < found.items[i].values[0].n; k++)
            add_group(id, found.items[i].values[0].items[k]);
    }
    return ERR_OK;
}

static enum err_code describe(struct directory_conn *c, const struct lookup *q,
                              const struct directory_entry *entry, struct identity **ret_id,
                              struct err *e)
{
    AUTO(identity) struct identity *id = NULL;
    struct str name;

    TRY(name_of(q, entry, &name, e));
    id = identity_new(IDENTITY_USER, name, q->ldap->provider.driver->name);
    id->stamp = stamp_of(entry);
    add_memberof(q->ldap->conf, entry, id);
    TRY(search_groups(c, q->ldap->conf, entry, id, e));
    *ret_id = STEAL(id);
    return ERR_OK;
}

/* Signing in. */

static void learn_time(struct ldap *l, int64_t us)
{
    long long known = atomic_load(&l->check_us);

    atomic_store(&l->check_us, known ? (7 * known + us) / 8 : us);
}

/* Who is not there is checked all the same, and then waited for: the directory itself may answer
 * at once for an entry that it does not have. The password that was typed may be one of another
 * provider, and stays here. */
static enum err_code pretend(struct directory_conn *c, struct lookup *q, struct err *e)
{
    int64_t start_us = clock_mono_us();
    AUTO(buf) struct buf dn = {0};
    enum err_code code;

    buf_init(&dn, FILTER_MAX);
    buf_addf(&dn, "cn=nobody,%s", q->ldap->conf->base_dn);
    code = directory_check(c, buf_text(&dn), STR("nothing"), e);
    if (code != ERR_OK && code != ERR_UNAUTHORIZED)
        return code;
    q->wait_us = atomic_load(&q->ldap->check_us) - (clock_mono_us() - start_us);
    q->verdict = VERDICT_PASS;
    return ERR_OK;
}

/* A directory_fn. The groups come last, and are searched as bind_dn again. */
static enum err_code sign_in(struct directory_conn *c, void *ctx, struct err *e)
{
    AUTO(directory_entries) struct directory_entries found = {0};
    struct lookup *q = ctx;
    enum err_code code;
    int64_t start_us;

    TRY(find_user(c, q, &found, e));
    if (found.n == 0)
        return pretend(c, q, e);
    start_us = clock_mono_us();
    code = directory_check(c, found.items[0].dn, q->password, e);
    if (code != ERR_OK && code != ERR_UNAUTHORIZED)
        return code;
    learn_time(q->ldap, clock_mono_us() - start_us);
    if (code == ERR_UNAUTHORIZED) {
        q->verdict = VERDICT_NO;
        return ERR_OK;
    }
    TRY(describe(c, q, &found.items[0], &q->id, e));
    q->verdict = VERDICT_YES;
    return ERR_OK;
}

static void wait_us(int64_t us)
{
    struct timespec ts = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

    if (us > 0)
        nanosleep(&ts, NULL);
}

/* What no directory takes for the password of a user: an empty one above all, which would be a bind
 * without authentication, and succeed (RFC 4513 section 5.1.2). */
static bool can_be_asked(const struct credential *c)
{
    return c->user.n > 0 && c->user.n <= LOGIN_MAX && c->secret.n > 0 &&
           c->secret.n <= PASSWORD_MAX && !memchr(c->secret.p, '\0', c->secret.n);
}

static enum verdict ldap_check(struct provider *p, const struct credential *c,
                               struct identity **ret_identity, struct err *e)
{
    struct ldap *l = (struct ldap *)p;
    struct ldap_filter_values v = {.user = c->user, .dn = STR("")};
    struct lookup q = {.ldap = l, .login = c->user, .password = c->secret};
    AUTO(buf) struct buf filter = {0};

    buf_init(&filter, FILTER_MAX);
    if (!can_be_asked(c))
        return VERDICT_PASS;
    ldap_filter_fill(&filter, l->conf->user_filter, &v);
    q.filter = buf_text(&filter);
    if (directory_run(l->directory, sign_in, &q, e) != ERR_OK)
        return VERDICT_FAIL;
    wait_us(q.wait_us);
    if (q.verdict == VERDICT_YES)
        *ret_identity = q.id;
    return q.verdict;
}

/* Renewing. */

/* A directory_fn. */
static enum err_code look_again(struct directory_conn *c, void *ctx, struct err *e)
{
    AUTO(directory_entries) struct directory_entries found = {0};
    struct lookup *q = ctx;

    TRY(find_user(c, q, &found, e));
    q->verdict = VERDICT_NO;
    if (found.n == 0)
        return ERR_OK;
    TRY(describe(c, q, &found.items[0], &q->id, e));
    q->verdict = VERDICT_YES;
    return ERR_OK;
}

/* The user by the name they have here, if they still are one that the filter admits. What they
 * typed once is not known any more: any value does in its place. */
static void renewal_filter(const struct conf_ldap *conf, struct str name, struct buf *ret)
{
    buf_addf(ret, "(&(%s=", conf->user_attribute);
    ldap_filter_escape(ret, name);
    buf_add_char(ret, ')');
    ldap_filter_fill(ret, conf->user_filter, &(struct ldap_filter_values){.dn = STR("")});
    buf_add_char(ret, ')');
}

static enum verdict ldap_renew(struct provider *p, struct identity **id, struct err *e)
{
    struct ldap *l = (struct ldap *)p;
    struct lookup q = {.ldap = l, .login = str_of((*id)->name)};
    AUTO(identity) struct identity *fresh = NULL;
    AUTO(buf) struct buf filter = {0};
    enum err_code code;

    buf_init(&filter, FILTER_MAX);
    renewal_filter(l->conf, q.login, &filter);
    q.filter = buf_text(&filter);
    code = directory_run(l->directory, look_again, &q, e);
    fresh = q.id;
    if (code != ERR_OK)
        return VERDICT_FAIL;
    if (q.verdict != VERDICT_YES || strcmp(fresh->name, (*id)->name) != 0 ||
        fresh->stamp != (*id)->stamp)
        return VERDICT_NO;
    identity_narrow(fresh, *id);
    identity_unref(*id);
    *id = STEAL(fresh);
    return VERDICT_YES;
}

static enum err_code ldap_tend(struct provider *p, struct err *e)
{
    (void)e;
    directory_tend(((struct ldap *)p)->directory);
    return ERR_OK;
}

static void ldap_free(struct provider *p)
{
    struct ldap *l = (struct ldap *)p;

    directory_free(l->directory);
    free(l);
}

static const struct provider_driver ldap_driver = {
    .name = "ldap",
    .kinds = 1u << CREDENTIAL_BASIC,
    .check = ldap_check,
    .renew = ldap_renew,
    .tend = ldap_tend,
    .free = ldap_free,
};

struct provider *ldap_new(const struct conf_ldap *conf)
{
    struct ldap *l = NEW(struct ldap);

    l->provider.driver = &ldap_driver;
    l->conf = conf;
    l->directory = directory_new(conf);
    return &l->provider;
}
