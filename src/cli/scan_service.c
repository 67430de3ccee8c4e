#include "cli/scan_service.h"

#include "auth/tokens/token.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "conf/listen.h"
#include "scan/adapter.h"
#include "scan/data_update.h"
#include "scan/trivy.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

bool scan_service_wanted(const struct conf_scan *c, bool on_push)
{
    return on_push || c->schedule[0] || c->work_dir[0] || c->trivy.cache_dir[0] ||
           c->trivy.db_repository[0] || c->trivy.server[0] || c->adapter.url[0];
}

bool scan_service_dirs(const struct conf *c, struct scan_service *s)
{
    const char *root = c->storage.backend == CONF_STORAGE_MEM ? P_tmpdir : c->storage.root;
    int n = c->scan.work_dir[0] ? snprintf(s->work_dir, sizeof(s->work_dir), "%s", c->scan.work_dir)
                                : snprintf(s->work_dir, sizeof(s->work_dir), "%s/scan", root);

    s->data_dir[0] = '\0';
    if (n < 0 || (size_t)n >= sizeof(s->work_dir))
        return false;
    if (c->scan.adapter.url[0] || c->scan.trivy.server[0])
        return true;
    return data_dir(&c->scan, s->work_dir, s->data_dir);
}

/* The first address of TCP, as others on this machine reach it. */
static void find_url(const struct conf *c, char *dst, size_t cap)
{
    const char *scheme = c->http.tls.certificate[0] ? "https" : "http";

    dst[0] = '\0';
    for (size_t i = 0; i < c->http.listen.n && !dst[0]; i++) {
        struct conf_listen l;
        const char *host = l.host;

        if (!conf_listen_parse(str_of(c->http.listen.items[i]), &l) || l.kind != CONF_LISTEN_TCP ||
            l.port == 0)
            continue;
        if (!host[0] || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
            host = "127.0.0.1";
        snprintf(dst, cap, strchr(host, ':') ? "%s://[%s]:%u" : "%s://%s:%u", scheme, host, l.port);
    }
}

static enum err_code make_token(void *ctx, const struct repo_name *repo, int64_t lifetime_ms,
                                char **ret, struct err *e)
{
    const struct scan_service *s = ctx;
    AUTO(mem) char *token = NULL;

    *ret = NULL;
    if (!s->guard->tokens)
        return ERR_OK;
    TRY(tokens_issue_scan(s->guard->tokens, repo, (uint64_t)lifetime_ms, &token, e));
    if (asprintf(ret, "Bearer %s", token) < 0)
        abort();
    OPENSSL_cleanse(token, strlen(token));
    return ERR_OK;
}

static enum err_code open_scanner(struct scan_service *s, struct registry *r, const struct conf *c,
                                  struct err *e)
{
    if (!c->scan.adapter.url[0])
        return scanner_trivy_open(&c->scan, s->data_dir, &s->scanner, e);
    TRY(scanner_adapter_open(r, &c->scan, &s->scanner, e));
    find_url(c, s->url, sizeof(s->url));
    scanner_adapter_serve(s->scanner, s->url, make_token, s);
    return ERR_OK;
}

static enum err_code start_scans(struct scan_service *s, struct registry *r, const struct conf *c,
                                 struct err *e)
{
    AUTO(mem) char *dir = NULL;
    struct scans_options o = {.registry = r, .conf = &c->scan, .scanner = s->scanner};

    TRY(file_mkdirs_at(AT_FDCWD, s->work_dir, false, e));
    dir = realpath(s->work_dir, NULL);
    if (!dir)
        return err_errno(e, "resolve '%s'", s->work_dir);
    o.dir = dir;
    TRY(scans_new(&o, &s->scans, e));
    scans_jobs(s->scans);
    return ERR_OK;
}

enum err_code scan_service_start(struct scan_service *s, struct registry *r, const struct conf *c,
                                 const struct api_guard *guard, struct err *e)
{
    struct scan_data_options o = {
        .registry = r, .conf = &c->scan, .rescan = &s->rescan, .dir = s->data_dir};

    s->guard = guard;
    if (!scan_service_wanted(&c->scan, conf_bool(&c->registry.scan_on_push) ||
                                           c->registry.archives.scan != CONF_UPLOAD_SCAN_OFF))
        return ERR_OK;
    if (!scan_service_dirs(c, s))
        return err_set(e, ERR_CONFIG, "scan.work_dir or scan.trivy.cache_dir is too long");
    TRY(open_scanner(s, r, c, e));
    TRY(start_scans(s, r, c, e));
    s->rescan.registry = r;
    s->rescan.conf = &c->scan;
    rescan_jobs(&s->rescan);
    s->publisher = (struct publisher){.registry = r, .conf = &c->scan};
    if (publish_wanted(&c->scan))
        publish_jobs(&s->publisher);
    s->scheduled.registry = r;
    s->scheduled.conf = &c->scan;
    s->scheduled.scans = s->scans;
    if (c->scan.schedule[0])
        scheduled_jobs(&s->scheduled);
    o.scanner = s->scanner;
    s->data = scan_data_new(&o);
    scan_data_jobs(s->data);
    return ERR_OK;
}

void scan_service_done(struct scan_service *s)
{
    scan_data_free(s->data);
    scans_free(s->scans);
    scanner_free(s->scanner);
    s->data = NULL;
    s->scans = NULL;
    s->scanner = NULL;
}
