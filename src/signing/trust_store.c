#include "signing/trust_store.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

/* "Certificates in a trust store are root certificates": an authority's, or a signer's own. */
static enum err_code check(STACK_OF(X509) * all, struct err *e)
{
    for (int i = 0; i < sk_X509_num(all); i++) {
        X509 *c = sk_X509_value(all, i);

        if (X509_check_ca(c) == 0 && X509_self_signed(c, 1) != 1)
            return err_set(e, ERR_CONFIG,
                           "certificate %d of it is neither of an authority nor signed by itself",
                           i + 1);
    }
    return ERR_OK;
}

static enum err_code read_file(const char *path, STACK_OF(X509) * *ret_all, struct err *e)
{
    AUTO(certificates) STACK_OF(X509) *all = NULL;

    if (certificates_read(path, &all, e) != ERR_OK || check(all, e) != ERR_OK)
        return err_prefix(e, "%s", path);
    *ret_all = STEAL(all);
    return ERR_OK;
}

static enum err_code add_file(const char *path, STACK_OF(X509) * all, struct err *e)
{
    AUTO(certificates) STACK_OF(X509) *more = NULL;
    struct stat st;
    X509 *c;

    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return err_set(e, ERR_CONFIG, "%s is no file, which is all that a trust store may have",
                       path);
    TRY(read_file(path, &more, e));
    while ((c = sk_X509_shift(more)))
        sk_X509_push(all, c);
    return sk_X509_num(all) <= CERTIFICATES_MAX
               ? ERR_OK
               : err_set(e, ERR_CONFIG, "%s: the store has more than %d certificates", path,
                         CERTIFICATES_MAX);
}

static enum err_code read_folder(const char *path, STACK_OF(X509) * *ret_all, struct err *e)
{
    AUTO(certificates) STACK_OF(X509) *all = sk_X509_new_null();
    AUTO(dir) DIR *dir = opendir(path);
    const struct dirent *entry;
    char file[PATH_MAX];

    if (!dir)
        return err_set(e, ERR_CONFIG, "trust store %s: %m", path);
    while ((entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (snprintf(file, sizeof(file), "%s/%s", path, entry->d_name) >= (int)sizeof(file))
            return err_set(e, ERR_CONFIG, "trust store %s: a path is too long", path);
        TRY(add_file(file, all, e));
    }
    if (sk_X509_num(all) == 0)
        return err_set(e, ERR_CONFIG, "trust store %s has no certificate", path);
    *ret_all = STEAL(all);
    return ERR_OK;
}

enum err_code trust_store_read(const char *path, const struct notation_store_name *name,
                               STACK_OF(X509) * *ret_all, struct err *e)
{
    struct stat st;
    char folder[PATH_MAX];

    if (stat(path, &st) != 0)
        return err_set(e, ERR_CONFIG, "%s: %m", path);
    if (!S_ISDIR(st.st_mode))
        return read_file(path, ret_all, e);
    if (snprintf(folder, sizeof(folder), "%s/x509/%s/%s", path,
                 notation_store_type_name(name->type), name->name) >= (int)sizeof(folder))
        return err_set(e, ERR_CONFIG, "%s: the path is too long", path);
    return read_folder(folder, ret_all, e);
}
