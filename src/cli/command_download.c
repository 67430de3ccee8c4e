/*
 * `registry download`: an image as a file, from any server (docs/archive.md). It comes into a file
 * beside the one that is wanted, whose name has the ETag in it: so what was cut goes on there, now
 * or by another run, as long as the image is the same. Only what was looked at to its end gets the
 * name that was asked for.
 */
#include "archive/out_check.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/progress_bar.h"
#include "cli/remote_server.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define URL_MAX   (64 * 1024)
#define HAVE_MAX  (64 * 1024)
#define PIECE     (256 * 1024)
#define PATH_SIZE 4096
#define TRIES     6 /* in a row that brought nothing */

struct download {
    struct cli *cli;
    struct remote_server server;
    struct buf url;
    const char *file;
    char part[PATH_SIZE];
    int fd; /* of the part */
    uint64_t at_bytes;

    /* of an answer */
    char etag[160];
    uint64_t n_bytes, from_bytes;
    bool has_length;
};

static void download_done(struct download *d)
{
    remote_server_done(&d->server);
    buf_done(&d->url);
    if (d->fd >= 0)
        close(d->fd);
}

static inline void auto_download_(struct download *d)
{
    download_done(d);
}

/* ---- what is asked for */

static void add_parameter(struct buf *url, const char *name, const char *value)
{
    if (!value)
        return;
    buf_addf(url, "%c%s=", memchr(url->p, '?', url->n) ? '&' : '?', name);
    buf_add_percent(url, str_of(value));
}

/* Digests, one a line or separated by blanks. */
static enum err_code add_have(const char *path, struct buf *url, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    char *next = NULL;

    if (!path)
        return ERR_OK;
    buf_init(&text, HAVE_MAX);
    TRY(file_read_at(AT_FDCWD, path, &text, e));
    buf_add_char(&text, '\0');
    if (text.full)
        return err_set(e, ERR_CONFIG, "'%s' is too long", path);
    for (char *word = strtok_r(text.p, " \t\r\n", &next); word;
         word = strtok_r(NULL, " \t\r\n", &next))
        add_parameter(url, "have", word);
    return ERR_OK;
}

static bool is_image(const char *image)
{
    for (const char *p = image; *p; p++) {
        if (!str_is_alphanumeric(*p) && !strchr("._-/:@", *p))
            return false;
    }
    return *image != '\0';
}

static enum err_code ask_for(struct download *d, const struct cli_args *args, struct err *e)
{
    struct str image = str_of(args->operand);
    AUTO(buf) struct buf server = {0};

    if (!is_image(args->operand))
        return err_set(e, ERR_CONFIG, "an image is NAME:TAG or NAME@DIGEST");
    buf_init(&server, URL_MAX);
    remote_server_split(args, &image, &server);
    TRY(remote_server_open(d->cli, args, buf_text(&server), &d->server, e));
    buf_init(&d->url, URL_MAX);
    buf_addf(&d->url, STR_FMT "/api/v1/archive/" STR_FMT, STR_ARG(buf_str(&d->server.url)),
             STR_ARG(image));
    add_parameter(&d->url, "format", cli_flag(args, "--format"));
    add_parameter(&d->url, "platform", cli_flag(args, "--platform"));
    add_parameter(&d->url, "name", cli_flag(args, "--name"));
    return add_have(cli_flag(args, "--have"), &d->url, e);
}

/* ---- requests */

static void on_header(void *ctx, struct str name, struct str value)
{
    struct download *d = ctx;
    struct str from;

    if (str_ieq(name, STR("ETag")))
        str_copy(value, d->etag, sizeof(d->etag));
    if (str_ieq(name, STR("Content-Length")))
        d->has_length = str_to_u64(value, INT64_MAX, &d->n_bytes);
    if (!str_ieq(name, STR("Content-Range")) || !str_starts(value, STR("bytes ")))
        return;
    value = str_sub(value, 6, value.n - 6);
    str_cut(&value, '-', &from);
    if (!str_to_u64(from, INT64_MAX, &d->from_bytes))
        d->from_bytes = UINT64_MAX;
}

static const char *authorization(struct download *d)
{
    return d->server.authorization.n ? buf_text(&d->server.authorization) : NULL;
}

/* Length and ETag. A refusal is asked for once more, with its words, which no HEAD has. */
static enum err_code look(struct download *d, struct err *e)
{
    const char *headers[] = {authorization(d), NULL};
    struct client_request r = {.method = "HEAD", .url = buf_text(&d->url), .headers = headers};
    AUTO(buf) struct buf body = {0};
    int status;

    buf_init(&body, 64 * 1024);
    TRY(client_run(d->server.client, &r, on_header, d, &status, &body, e));
    if (status != 200) {
        r.method = "GET";
        TRY(client_run(d->server.client, &r, NULL, NULL, &status, &body, e));
        return remote_server_refused(status, buf_str(&body), e);
    }
    if (!d->has_length || strncmp(d->etag, "\"sha256:", 8) != 0 || strlen(d->etag) != 8 + 64 + 1)
        return err_set(e, ERR_UNSUPPORTED, "the server does not answer as a registry does");
    return ERR_OK;
}

/* Beside the file: ".app.tar.<16 digits of the ETag>.part". */
static enum err_code open_part(struct download *d, struct err *e)
{
    const char *slash = strrchr(d->file, '/');
    int folder = slash ? (int)(slash - d->file) + 1 : 0;
    off_t there;

    if (snprintf(d->part, sizeof(d->part), "%.*s.%s.%.16s.part", folder, d->file, d->file + folder,
                 d->etag + 8) >= (int)sizeof(d->part))
        return err_set(e, ERR_CONFIG, "the name of the file is too long");
    d->fd = open(d->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (d->fd < 0)
        return err_errno(e, "open '%s'", d->part);
    there = lseek(d->fd, 0, SEEK_END);
    if (there < 0 || ((uint64_t)there > d->n_bytes && ftruncate(d->fd, there = 0) < 0))
        return err_errno(e, "look at '%s'", d->part);
    d->at_bytes = (uint64_t)there;
    return ERR_OK;
}

static enum err_code take(struct download *d, struct client_stream *s, uint64_t all_bytes,
                          struct progress_bar *bar, struct err *e)
{
    AUTO(mem) char *piece = mem_alloc(PIECE);
    size_t n;

    for (;;) {
        TRY(remote_server_read(s, piece, PIECE, &n, e));
        if (n == 0)
            return ERR_OK;
        if (d->at_bytes + n > all_bytes)
            return err_set(e, ERR_CORRUPT, "the server sends more than it said");
        if (file_pwrite_all(d->fd, piece, n, d->at_bytes) < 0)
            return err_errno(e, "write '%s'", d->part);
        d->at_bytes += n;
        progress_bar_show(bar, d->at_bytes);
    }
}

/* The beginning of an answer that is no content, read to tell what it says. */
static enum err_code refused(struct client_stream *s, char *first, size_t n, struct err *e)
{
    return remote_server_refused(client_stream_status(s), (struct str){first, n}, e);
}

/* One request, which goes on where the part ends. */
static enum err_code fetch(struct download *d, uint64_t all_bytes, struct progress_bar *bar,
                           struct err *e)
{
    char range[64], if_range[200], first[4096];
    const char *headers[] = {range, if_range, authorization(d), NULL};
    struct client_request r = {.method = "GET", .url = buf_text(&d->url), .headers = headers};
    struct client_stream *s;
    enum err_code code;
    size_t n;

    snprintf(range, sizeof(range), "Range: bytes=%" PRIu64 "-", d->at_bytes);
    snprintf(if_range, sizeof(if_range), "If-Range: %s", d->etag);
    d->from_bytes = UINT64_MAX;
    TRY(client_stream_new(d->server.client, &r, on_header, d, &s, e));
    code = remote_server_read(s, first, sizeof(first), &n, e);
    if (code == ERR_OK && client_stream_status(s) == 200)
        code =
            err_set(e, ERR_PRECONDITION, "the image was changed while it was fetched; try again");
    else if (code == ERR_OK && (client_stream_status(s) != 206 || d->from_bytes != d->at_bytes))
        code = refused(s, first, n, e);
    else if (code == ERR_OK && file_pwrite_all(d->fd, first, n, d->at_bytes) < 0)
        code = err_errno(e, "write '%s'", d->part);
    if (code == ERR_OK) {
        d->at_bytes += n;
        code = take(d, s, all_bytes, bar, e);
    }
    client_stream_free(s);
    return code;
}

/* Goes on after a connection that broke, and waits longer each time that brings nothing. */
static enum err_code fetch_all(struct download *d, struct err *e)
{
    uint64_t all_bytes = d->n_bytes, before;
    struct progress_bar bar;
    enum err_code code = ERR_OK;
    unsigned tries = 0;

    progress_bar_begin(&bar, d->cli->err, d->at_bytes, all_bytes);
    while (d->at_bytes < all_bytes) {
        before = d->at_bytes;
        code = fetch(d, all_bytes, &bar, e);
        if (code == ERR_OK && d->at_bytes < all_bytes)
            code = err_set(e, ERR_UNAVAILABLE, "the answer ended too early");
        tries = d->at_bytes > before ? 0 : tries + 1;
        if (code != ERR_OK && (code != ERR_UNAVAILABLE || tries == TRIES))
            break;
        if (tries > 0)
            client_pause(d->server.client, 250ull << tries);
    }
    progress_bar_end(&bar);
    return d->at_bytes == all_bytes ? ERR_OK : code;
}

/* ---- the end */

static enum err_code check(struct download *d, struct err *e)
{
    AUTO(out_check) struct out_check *c = out_check_new();
    AUTO(mem) char *piece = mem_alloc(PIECE);
    uint64_t at_bytes = 0;
    unsigned n_blobs;

    while (at_bytes < d->at_bytes) {
        ssize_t n = file_pread_all(d->fd, piece, PIECE, at_bytes);

        if (n <= 0)
            return err_errno(e, "read '%s'", d->part);
        TRY(out_check_feed(c, (struct str){piece, (size_t)n}, e));
        at_bytes += (uint64_t)n;
    }
    return out_check_end(c, &n_blobs, e);
}

static enum err_code keep(struct download *d, struct err *e)
{
    if (fsync(d->fd) < 0)
        return err_errno(e, "sync '%s'", d->part);
    if (rename(d->part, d->file) < 0)
        return err_errno(e, "name '%s'", d->file);
    return file_sync_parent_at(AT_FDCWD, d->file, e);
}

static enum err_code download(struct download *d, const struct cli_args *args, struct err *e)
{
    enum err_code code;

    TRY(ask_for(d, args, e));
    TRY(look(d, e));
    TRY(open_part(d, e));
    TRY(fetch_all(d, e));
    code = check(d, e);
    if (code == ERR_CORRUPT) /* it would not get better */
        unlink(d->part);
    TRY(code);
    return keep(d, e);
}

int cli_download(struct cli *cli, const struct cli_args *args)
{
    AUTO(download) struct download d = {.cli = cli, .fd = -1, .file = cli_flag(args, "-o")};
    struct err e = {0};

    if (!args->operand || !d.file) {
        fprintf(cli->err, "registry: an image and -o FILE are needed\n"
                          "`registry download --help` shows what there is.\n");
        return CLI_USAGE;
    }
    if (download(&d, args, &e) == ERR_OK) {
        fprintf(cli->out, "%s: %" PRIu64 " bytes, all digests are right\n", d.file, d.at_bytes);
        return CLI_OK;
    }
    fprintf(cli->err, "registry: %s\n", e.detail);
    if (d.fd >= 0 && access(d.part, F_OK) == 0)
        fprintf(cli->err, "What has come is in '%s'; the same command goes on there.\n", d.part);
    return CLI_FAILED;
}
