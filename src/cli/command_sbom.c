/* `registry sbom`: fetches the list of packages of an image (docs/scan.md). */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/remote_server.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_URL "http://127.0.0.1:5000"
#define URL_MAX     8192
#define PIECE       65536

struct fetching {
    struct cli *cli;
    const char *file; /* NULL: standard output */
    struct remote_server server;
    struct buf url;
    int fd; /* of the file, or -1 */
};

static void auto_fetching_(struct fetching *f)
{
    if (f->fd >= 0)
        close(f->fd);
    buf_done(&f->url);
    remote_server_done(&f->server);
}

static enum err_code make_url(struct fetching *f, const struct cli_args *args, struct err *e)
{
    const char *format = cli_flag(args, "--format"), *platform = cli_flag(args, "--platform");

    buf_init(&f->url, URL_MAX);
    buf_add_str(&f->url, buf_str(&f->server.url));
    TRY(remote_server_add_manifest(&f->url, args->operand, e));
    buf_add_text(&f->url, "/sbom?format=");
    buf_add_percent(&f->url, str_of(format ? format : "cyclonedx"));
    if (platform) {
        buf_add_text(&f->url, "&platform=");
        buf_add_percent(&f->url, str_of(platform));
    }
    return f->url.full ? err_set(e, ERR_CONFIG, "the name of the image is too long") : ERR_OK;
}

static enum err_code take(struct fetching *f, const char *p, size_t n, struct err *e)
{
    if (f->fd >= 0 ? file_write_all(f->fd, p, n) < 0 : fwrite(p, 1, n, f->cli->out) != n)
        return err_errno(e, "write '%s'", f->file ? f->file : "standard output");
    return ERR_OK;
}

/* Made when the server has said that there is a list. */
static enum err_code open_file(struct fetching *f, struct err *e)
{
    if (!f->file)
        return ERR_OK;
    f->fd = open(f->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return f->fd < 0 ? err_errno(e, "create '%s'", f->file) : ERR_OK;
}

static enum err_code take_all(struct fetching *f, struct client_stream *s, struct err *e)
{
    AUTO(mem) char *piece = mem_alloc(PIECE);
    size_t n;

    TRY(remote_server_read(s, piece, PIECE, &n, e));
    if (client_stream_status(s) != 200)
        return remote_server_refused(client_stream_status(s), (struct str){piece, n}, e);
    TRY(open_file(f, e));
    while (n > 0) {
        TRY(take(f, piece, n, e));
        TRY(remote_server_read(s, piece, PIECE, &n, e));
    }
    return ERR_OK;
}

static enum err_code fetch(struct fetching *f, const struct cli_args *args, struct err *e)
{
    const char *headers[2] = {NULL, NULL};
    struct client_request r = {.method = "GET", .headers = headers};
    struct client_stream *s;
    enum err_code code;

    TRY(remote_server_open(f->cli, args, DEFAULT_URL, &f->server, e));
    TRY(make_url(f, args, e));
    headers[0] = f->server.authorization.n ? buf_text(&f->server.authorization) : NULL;
    r.url = buf_text(&f->url);
    TRY(client_stream_new(f->server.client, &r, NULL, NULL, &s, e));
    code = take_all(f, s, e);
    client_stream_free(s);
    if (code != ERR_OK && f->fd >= 0)
        unlink(f->file); /* half a list is none */
    return code;
}

int cli_sbom(struct cli *cli, const struct cli_args *args)
{
    AUTO(fetching) struct fetching f = {.cli = cli, .file = cli_flag(args, "-o"), .fd = -1};
    struct err e = {0};

    if (!args->operand) {
        fprintf(cli->err, "registry: an image is needed\n"
                          "`registry sbom --help` shows what there is.\n");
        return CLI_USAGE;
    }
    if (fetch(&f, args, &e) == ERR_OK)
        return CLI_OK;
    fprintf(cli->err, "registry: %s\n", e.detail);
    return CLI_FAILED;
}
