#include "net/mail.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "net/libcurl.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>

#define PASSWORD_BYTES 4096
#define ADDRESS_BYTES  264

struct sending {
    const struct libcurl *lib;
    CURL *c;
    const struct mail *mail;
    struct str rest; /* of the message */
    bool named;      /* the server was told an address that it goes to, ... */
    bool begun;      /* ... and has asked for the message */
};

static size_t give(char *p, size_t size, size_t n, void *ctx)
{
    struct sending *s = ctx;
    size_t bytes = size * n < s->rest.n ? size * n : s->rest.n;

    s->begun = true;
    memcpy(p, s->rest.p, bytes);
    s->rest = str_sub(s->rest, bytes, s->rest.n - bytes);
    return bytes;
}

/* What is answered before that is about who sends, and about all messages. */
static int listen_in(CURL *c, curl_infotype type, char *p, size_t n, void *ctx)
{
    struct sending *s = ctx;

    (void)c;
    if (type == CURLINFO_HEADER_OUT && str_starts((struct str){p, n}, STR("RCPT ")))
        s->named = true;
    return 0;
}

static int ask(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct sending *s = ctx;

    (void)a, (void)b, (void)c, (void)d;
    return s->mail->go_on && !s->mail->go_on(s->mail->ctx);
}

static struct curl_slist *add_address(const struct libcurl *lib, struct curl_slist *list,
                                      const char *to)
{
    char address[ADDRESS_BYTES];

    snprintf(address, sizeof(address), "<%s>", to);
    return lib->curl_slist_append(list, address);
}

static enum err_code read_password(const struct conf_mail *conf, struct buf *ret, struct err *e)
{
    if (conf->password_file[0])
        TRY(file_read_at(AT_FDCWD, conf->password_file, ret, e));
    while (ret->n > 0 && (ret->p[ret->n - 1] == '\n' || ret->p[ret->n - 1] == '\r'))
        ret->n--;
    return ERR_OK;
}

static void prepare(struct sending *s, const struct conf_mail *conf, struct buf *password)
{
    const struct libcurl *lib = s->lib;
    CURL *c = s->c;
    char from[ADDRESS_BYTES];
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
    if (conf->ca_file[0])
        lib->curl_easy_setopt(c, CURLOPT_CAINFO, conf->ca_file);
    if (conf->username[0]) {
        lib->curl_easy_setopt(c, CURLOPT_USERNAME, conf->username);
        lib->curl_easy_setopt(c, CURLOPT_PASSWORD, buf_text(password));
    }
    snprintf(from, sizeof(from), "<%s>", conf->from);
    lib->curl_easy_setopt(c, CURLOPT_MAIL_FROM, from);
    lib->curl_easy_setopt(c, CURLOPT_READFUNCTION, give);
    lib->curl_easy_setopt(c, CURLOPT_READDATA, s);
    lib->curl_easy_setopt(c, CURLOPT_DEBUGFUNCTION, listen_in);
    lib->curl_easy_setopt(c, CURLOPT_DEBUGDATA, s);
    lib->curl_easy_setopt(c, CURLOPT_VERBOSE, 1L);
    lib->curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, ask);
    lib->curl_easy_setopt(c, CURLOPT_XFERINFODATA, s);
    lib->curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
}

static enum err_code perform(struct sending *s, struct curl_slist *to, struct err *e)
{
    char why[CURL_ERROR_SIZE] = "";
    CURLcode failed;
    long status = 0;

    s->rest = s->mail->message;
    s->named = s->begun = false;
    s->lib->curl_easy_setopt(s->c, CURLOPT_MAIL_RCPT, to);
    s->lib->curl_easy_setopt(s->c, CURLOPT_ERRORBUFFER, why);
    failed = s->lib->curl_easy_perform(s->c);
    s->lib->curl_easy_getinfo(s->c, CURLINFO_RESPONSE_CODE, &status);
    if (failed == CURLE_OK)
        return ERR_OK;
    return err_set(e, status >= 500 && s->named ? ERR_REQUEST_INVALID : ERR_UNAVAILABLE, "%s",
                   why[0] ? why : s->lib->curl_easy_strerror(failed));
}

/* To those of them. */
static enum err_code send_to(struct sending *s, uint64_t which, uint64_t *told, struct err *e)
{
    struct curl_slist *to = NULL;
    enum err_code code;

    for (size_t i = 0; i < s->mail->n; i++) {
        if (which >> i & 1)
            to = add_address(s->lib, to, s->mail->to[i]);
    }
    code = perform(s, to, e);
    s->lib->curl_slist_free_all(to);
    if (code == ERR_OK)
        *told |= which;
    return code;
}

/* An error that may pass is the one that is returned. */
static enum err_code send_each(struct sending *s, uint64_t which, uint64_t *told, struct err *e)
{
    enum err_code worst = ERR_OK;
    struct err one;

    for (size_t i = 0; i < s->mail->n; i++) {
        enum err_code code;

        if (!(which >> i & 1))
            continue;
        code = send_to(s, 1ull << i, told, &one);
        if (code != ERR_OK && (worst == ERR_OK || code == ERR_UNAVAILABLE))
            worst = err_set(e, code, "%.100s: %.130s", s->mail->to[i], one.detail);
        if (code != ERR_OK && !s->named)
            break;
    }
    return worst;
}

/* At once, as long as the server takes it for all. */
static enum err_code send_all(struct sending *s, uint64_t *told, struct err *e)
{
    uint64_t all = s->mail->n < MAIL_TO_MAX ? (1ull << s->mail->n) - 1 : UINT64_MAX;
    uint64_t left = all & ~*told;
    enum err_code code;

    if (left == 0)
        return ERR_OK;
    code = send_to(s, left, told, e);
    if (code == ERR_OK || !s->named || s->begun || (left & (left - 1)) == 0)
        return code;
    return send_each(s, left, told, e);
}

enum err_code mail_send(const struct conf_mail *conf, const struct mail *m, uint64_t *told,
                        struct err *e)
{
    struct sending s = {.lib = libcurl(), .mail = m};
    AUTO(buf) struct buf password = {0};
    enum err_code code;

    if (!s.lib)
        return err_set(e, ERR_UNAVAILABLE, "libcurl can't be loaded; install libcurl4");
    if (m->n < 1 || m->n > MAIL_TO_MAX)
        return err_set(e, ERR_INTERNAL, "a mail to %zu addresses", m->n);
    buf_init(&password, PASSWORD_BYTES);
    TRY(read_password(conf, &password, e));
    s.c = s.lib->curl_easy_init();
    if (!s.c)
        return err_set(e, ERR_UNAVAILABLE, "libcurl can't be used");
    prepare(&s, conf, &password);
    code = send_all(&s, told, e);
    s.lib->curl_easy_cleanup(s.c);
    if (password.p)
        OPENSSL_cleanse(password.p, password.n);
    return code;
}
