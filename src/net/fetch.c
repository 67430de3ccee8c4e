#include "net/fetch.h"

#include "base/host.h"
#include "net/libcurl.h"

#define CONNECT_TIMEOUT_MS 5000
#define DEFAULT_TIMEOUT_MS 10000

/* libcurl has an IPv6 address in brackets. */
static bool is_loopback(const char *host)
{
    struct str s = str_of(host);

    return host_is_loopback(str_starts(s, STR("[")) ? str_sub(s, 1, s.n - 2) : s);
}

/* https, or http to this machine, or to where the caller allows it. */
static bool url_allowed(const struct libcurl *lib, const char *url, bool link_local)
{
    CURLU *u = lib->curl_url();
    char *scheme = NULL, *host = NULL, *user = NULL;
    bool allowed = false;

    if (u && lib->curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        lib->curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        lib->curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        lib->curl_url_get(u, CURLUPART_USER, &user, 0) != CURLUE_OK)
        allowed = str_eq(str_of(scheme), STR("https")) ||
                  (str_eq(str_of(scheme), STR("http")) && (link_local || is_loopback(host)));
    if (!u)
        return false;
    lib->curl_free(scheme);
    lib->curl_free(host);
    lib->curl_free(user);
    lib->curl_url_cleanup(u);
    return allowed;
}

static size_t take(char *p, size_t size, size_t n, void *ctx)
{
    struct buf *body = ctx;

    buf_add(body, p, size * n);
    return body->full ? 0 : size * n; /* anything else than all ends the transfer */
}

/* why: of CURL_ERROR_SIZE; gets what libcurl says of a failure. */
static void prepare(const struct libcurl *lib, CURL *c, const struct fetch *f,
                    struct curl_slist *headers, struct buf *body, char *why)
{
    why[0] = '\0';
    lib->curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
    lib->curl_easy_setopt(c, CURLOPT_URL, f->url);
    lib->curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    lib->curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    lib->curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    lib->curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    lib->curl_easy_setopt(c, CURLOPT_TIMEOUT_MS,
                          (long)(f->timeout_ms ? f->timeout_ms : DEFAULT_TIMEOUT_MS));
    lib->curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
    lib->curl_easy_setopt(c, CURLOPT_WRITEDATA, body);
    lib->curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    lib->curl_easy_setopt(c, CURLOPT_USERAGENT, "registry");
    if (f->ca_file && f->ca_file[0])
        lib->curl_easy_setopt(c, CURLOPT_CAINFO, f->ca_file);
    if (f->put)
        lib->curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, "PUT");
    if (f->link_local)
        lib->curl_easy_setopt(c, CURLOPT_PROXY, "");
    if (f->post.p) {
        lib->curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->post.n);
        lib->curl_easy_setopt(c, CURLOPT_POSTFIELDS, f->post.p);
    }
}

static struct curl_slist *header_list(const struct libcurl *lib, const char *const *headers)
{
    struct curl_slist *list = NULL;

    for (; headers && *headers; headers++)
        list = lib->curl_slist_append(list, *headers);
    return list;
}

/* A query may hold what is secret: it goes into no message. */
#define URL_ARG(url) (int)(strcspn(url, "?") < 200 ? strcspn(url, "?") : 200), (url)

enum err_code fetch_run(const struct fetch *f, int *ret_status, struct buf *ret_body, struct err *e)
{
    const struct libcurl *lib = libcurl();
    struct curl_slist *headers;
    char why[CURL_ERROR_SIZE];
    CURLcode failed;
    long status = 0;
    CURL *c;

    if (!lib)
        return err_set(e, ERR_UNAVAILABLE, "libcurl can't be loaded; install libcurl4");
    if (!url_allowed(lib, f->url, f->link_local))
        return err_set(e, ERR_CONFIG, "'%.*s' is not https, nor http to this machine",
                       URL_ARG(f->url));
    c = lib->curl_easy_init();
    if (!c)
        return err_set(e, ERR_INTERNAL, "libcurl can't be used");
    headers = header_list(lib, f->headers);
    prepare(lib, c, f, headers, ret_body, why);
    failed = lib->curl_easy_perform(c);
    lib->curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    lib->curl_easy_cleanup(c);
    lib->curl_slist_free_all(headers);
    if (failed)
        return err_set(e, ERR_UNAVAILABLE, "'%.*s': %s", URL_ARG(f->url),
                       ret_body->full ? "the answer is too large"
                       : why[0]       ? why
                                      : lib->curl_easy_strerror(failed));
    *ret_status = (int)status;
    return ERR_OK;
}
