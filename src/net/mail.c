#include "net/mail.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "net/libcurl.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>

#define PASSWORD_BYTES 4096
#define ADDRESS_BYTES  264

struct reading {
    struct str rest;
};

static size_t give(char *p, size_t size, size_t n, void *ctx)
{
    struct reading *r = ctx;
    size_t bytes = size * n < r->rest.n ? size * n : r->rest.n;

    memcpy(p, r->rest.p, bytes);
    r->rest = str_sub(r->rest, bytes, r->rest.n - bytes);
    return bytes;
}

static struct curl_slist *recipients(const struct libcurl *lib, const char *const *to, size_t n)
{
    struct curl_slist *list = NULL;

    for (size_t i = 0; i < n; i++) {
        char address[ADDRESS_BYTES];

        snprintf(address, sizeof(address), "<%s>", to[i]);
        list = lib->curl_slist_append(list, address);
    }
    return list;
}

static enum err_code read_password(const struct conf_mail *conf, struct buf *ret, struct err *e)
{
    if (conf->password_file[0])
        TRY(file_read_at(AT_FDCWD, conf->password_file, ret, e));
    while (ret->n > 0 && (ret->p[ret->n - 1] == '\n' || ret->p[ret->n - 1] == '\r'))
        ret->n--;
    return ERR_OK;
}

static void prepare(const struct libcurl *lib, CURL *c, const struct conf_mail *conf,
                    struct buf *password)
{
    static const long use_ssl[] = {[CONF_STARTTLS_REQUIRED] = CURLUSESSL_ALL,
                                   [CONF_STARTTLS_OFFERED] = CURLUSESSL_TRY,
                                   [CONF_STARTTLS_NEVER] = CURLUSESSL_NONE};

    lib->curl_easy_setopt(c, CURLOPT_URL, conf->server);
    lib->curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    lib->curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    lib->curl_easy_setopt(c, CURLOPT_PROXY, "");
    lib->curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)conf->timeout_ms);
    lib->curl_easy_setopt(c, CURLOPT_USE_SSL, use_ssl[conf->starttls]);
    lib->curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
    lib->curl_easy_setopt(c, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L); /* one of them is enough */
    if (conf->ca_file[0])
        lib->curl_easy_setopt(c, CURLOPT_CAINFO, conf->ca_file);
    if (conf->username[0]) {
        lib->curl_easy_setopt(c, CURLOPT_USERNAME, conf->username);
        lib->curl_easy_setopt(c, CURLOPT_PASSWORD, buf_text(password));
    }
}

static enum err_code perform(const struct libcurl *lib, CURL *c, struct err *e)
{
    char why[CURL_ERROR_SIZE] = "";
    CURLcode failed;
    long status = 0;

    lib->curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
    failed = lib->curl_easy_perform(c);
    lib->curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    if (failed == CURLE_OK)
        return ERR_OK;
    /* What it says of who signs in is no word about the message. */
    return err_set(
        e, status >= 500 && failed != CURLE_LOGIN_DENIED ? ERR_REQUEST_INVALID : ERR_UNAVAILABLE,
        "%s", why[0] ? why : lib->curl_easy_strerror(failed));
}

enum err_code mail_send(const struct conf_mail *conf, const char *const *to, size_t n,
                        struct str message, struct err *e)
{
    const struct libcurl *lib = libcurl();
    struct reading reading = {message};
    AUTO(buf) struct buf password = {0};
    char from[ADDRESS_BYTES];
    struct curl_slist *list;
    enum err_code code;
    CURL *c;

    if (!lib)
        return err_set(e, ERR_UNAVAILABLE, "libcurl can't be loaded; install libcurl4");
    buf_init(&password, PASSWORD_BYTES);
    TRY(read_password(conf, &password, e));
    c = lib->curl_easy_init();
    if (!c)
        return err_set(e, ERR_UNAVAILABLE, "libcurl can't be used");
    list = recipients(lib, to, n);
    snprintf(from, sizeof(from), "<%s>", conf->from);
    prepare(lib, c, conf, &password);
    lib->curl_easy_setopt(c, CURLOPT_MAIL_FROM, from);
    lib->curl_easy_setopt(c, CURLOPT_MAIL_RCPT, list);
    lib->curl_easy_setopt(c, CURLOPT_READFUNCTION, give);
    lib->curl_easy_setopt(c, CURLOPT_READDATA, &reading);
    code = perform(lib, c, e);
    lib->curl_easy_cleanup(c);
    lib->curl_slist_free_all(list);
    OPENSSL_cleanse(password.p, password.n);
    return code;
}
