/*
 * `registry analyze`: what is inside an image (docs/analysis.md), of a server or of an archive
 * file; `registry diff`: the same of two, compared.
 */
#include "analysis/archive_analysis.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/analysis_diff.h"
#include "cli/analysis_text.h"
#include "cli/commands.h"
#include "cli/remote_server.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES   (256u << 10)
#define REPORT_BYTES (64u << 20)
#define DEFAULT_URL  "http://127.0.0.1:5000"
#define URL_MAX      (8u << 10)
#define PAUSE_MS     500

/* What an archive on this machine may be: bounds of memory alone. */
static const struct archive_limits archive_limits = {
    .max_bytes = INT64_MAX,
    .max_unpacked_bytes = INT64_MAX,
    .max_ratio = 10000,
    .max_members = 1000000,
    .json_bytes = 16u << 20,
    .memory_bytes = 128u << 20,
    .decoder_bytes = 1u << 30,
};
static const struct analysis_limits analysis_limits = {
    .layer = {.max_unpacked_bytes = INT64_MAX, .max_ratio = 10000, .memory_bytes = 2ull << 30},
    .memory_bytes = 2ull << 30,
};

static enum err_code feed_file(int fd, const char *path, struct archive_analysis *a, struct err *e)
{
    AUTO(mem) char *bytes = mem_alloc(READ_BYTES);
    ssize_t n;

    while ((n = read(fd, bytes, READ_BYTES)) > 0)
        TRY(archive_analysis_feed(a, bytes, (size_t)n, e));
    return n < 0 ? err_errno(e, "read '%s'", path) : ERR_OK;
}

static struct str flag_text(const struct cli_args *args, const char *name)
{
    const char *text = cli_flag(args, name);

    return text ? str_of(text) : STR("");
}

static enum err_code analyze_archive(const struct cli_args *args, const char *path,
                                     struct buf *ret_json, struct err *e)
{
    bool standard_input = strcmp(path, "-") == 0;
    AUTO(fd) int fd = standard_input ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    AUTO(archive_analysis)
    struct archive_analysis *a = archive_analysis_new(&archive_limits, &analysis_limits);

    if (fd < 0)
        return err_errno(e, "open '%s'", path);
    TRY(feed_file(fd, path, a, e));
    return archive_analysis_end(a, flag_text(args, "--image"), flag_text(args, "--platform"),
                                ret_json, e);
}

/* ---- on a server */

/* NAME:TAG or NAME@DIGEST; what of it is asked for. */
static enum err_code add_target(const char *image, const char *what, const struct cli_args *args,
                                struct buf *url, struct err *e)
{
    const char *at = strchr(image, '@'), *slash = strrchr(image, '/');
    const char *colon = at ? at : strrchr(image, ':');
    const char *platform = cli_flag(args, "--platform");

    if (!colon || (slash && colon < slash) || colon == image || !colon[1] || strpbrk(image, "?#% "))
        return err_set(e, ERR_CONFIG, "'%s' is no file, and an image is NAME:TAG or NAME@DIGEST",
                       image);
    buf_addf(url, "/api/v1/images/%.*s/%s/%s", (int)(colon - image), image, colon + 1, what);
    if (platform) {
        buf_addf(url, "%cplatform=", strchr(what, '?') ? '&' : '?');
        buf_add_percent(url, str_of(platform));
    }
    return ERR_OK;
}

/* 202: it is being made. */
static enum err_code ask(struct remote_server *s, const char *url, struct buf *ret_json,
                         struct err *e)
{
    const char *headers[] = {s->authorization.n ? buf_text(&s->authorization) : NULL, NULL};
    const struct client_request r = {.method = "GET", .url = url, .headers = headers};
    int status;

    do {
        buf_clear(ret_json);
        TRY(client_run(s->client, &r, NULL, NULL, &status, ret_json, e));
    } while (status == 202 && client_pause(s->client, PAUSE_MS));
    return status == 200 ? ERR_OK : remote_server_refused(status, buf_str(ret_json), e);
}

static enum err_code analyze_image(struct cli *cli, const struct cli_args *args, const char *image,
                                   struct buf *ret_json, struct err *e)
{
    AUTO(remote_server) struct remote_server s = {0};
    AUTO(buf) struct buf url = {0};

    TRY(remote_server_open(cli, args, DEFAULT_URL, &s, e));
    buf_init(&url, URL_MAX);
    buf_add_str(&url, buf_str(&s.url));
    TRY(add_target(image, "analysis", args, &url, e));
    return ask(&s, buf_text(&url), ret_json, e);
}

/* A file wins: an image of that name can be written with its digest. */
static bool is_archive(const char *operand)
{
    return strcmp(operand, "-") == 0 || access(operand, F_OK) == 0;
}

static enum err_code analyze(struct cli *cli, const struct cli_args *args, const char *operand,
                             struct buf *ret_json, struct err *e)
{
    buf_init(ret_json, REPORT_BYTES);
    return is_archive(operand) ? analyze_archive(args, operand, ret_json, e)
                               : analyze_image(cli, args, operand, ret_json, e);
}

static int failed(struct cli *cli, const struct err *e)
{
    fprintf(cli->err, "registry: %s\n", e->detail);
    return CLI_FAILED;
}

int cli_analyze(struct cli *cli, const struct cli_args *args)
{
    AUTO(buf) struct buf report = {0};
    struct err e = {0};

    if (!args->operand) {
        fprintf(cli->err, "registry: an image or an archive is needed\n"
                          "`registry analyze --help` shows what there is.\n");
        return CLI_USAGE;
    }
    if (analyze(cli, args, args->operand, &report, &e) != ERR_OK)
        return failed(cli, &e);
    if (cli_flag(args, "--json"))
        fprintf(cli->out, STR_FMT "\n", STR_ARG(buf_str(&report)));
    else
        analysis_text(buf_str(&report), cli->out);
    return CLI_OK;
}

/* ---- two of them */

static enum err_code compare_images(struct cli *cli, const struct cli_args *args,
                                    struct buf *ret_json, struct err *e)
{
    AUTO(remote_server) struct remote_server s = {0};
    AUTO(buf) struct buf url = {0};
    AUTO(buf) struct buf what = {0};

    TRY(remote_server_open(cli, args, DEFAULT_URL, &s, e));
    buf_init(&what, URL_MAX);
    buf_add_text(&what, "diff?with=");
    buf_add_percent(&what, str_of(args->operands[1]));
    buf_init(&url, 2 * URL_MAX);
    buf_add_str(&url, buf_str(&s.url));
    TRY(add_target(args->operands[0], buf_text(&what), args, &url, e));
    buf_init(ret_json, REPORT_BYTES);
    return ask(&s, buf_text(&url), ret_json, e);
}

/* Of one server, which has the lists of their files. */
static int diff_images(struct cli *cli, const struct cli_args *args)
{
    AUTO(buf) struct buf answer = {0};
    AUTO(json) json_t *diff = NULL;
    struct err e = {0};

    if (compare_images(cli, args, &answer, &e) != ERR_OK)
        return failed(cli, &e);
    if (cli_flag(args, "--json")) {
        fprintf(cli->out, STR_FMT, STR_ARG(buf_str(&answer)));
        return CLI_OK;
    }
    diff = json_loadb(answer.p, answer.n, 0, NULL);
    image_diff_text(diff, cli->out);
    return CLI_OK;
}

static void print_diff(struct cli *cli, const struct cli_args *args, const json_t *diff)
{
    if (cli_flag(args, "--json")) {
        json_dumpf(diff, cli->out, JSON_COMPACT);
        fprintf(cli->out, "\n");
    } else {
        analysis_diff_text(diff, cli->out);
    }
}

int cli_diff(struct cli *cli, const struct cli_args *args)
{
    AUTO(buf) struct buf before = {0};
    AUTO(buf) struct buf after = {0};
    AUTO(json) json_t *a = NULL;
    AUTO(json) json_t *b = NULL;
    AUTO(json) json_t *diff = NULL;
    struct err e = {0};

    if (args->n_operands < 2) {
        fprintf(cli->err, "registry: two images or archives are needed\n"
                          "`registry diff --help` shows what there is.\n");
        return CLI_USAGE;
    }
    if (!is_archive(args->operands[0]) && !is_archive(args->operands[1]))
        return diff_images(cli, args);
    if (analyze(cli, args, args->operands[0], &before, &e) != ERR_OK ||
        analyze(cli, args, args->operands[1], &after, &e) != ERR_OK)
        return failed(cli, &e);
    a = json_loadb(before.p, before.n, 0, NULL);
    b = json_loadb(after.p, after.n, 0, NULL);
    diff = analysis_diff(a, b);
    print_diff(cli, args, diff);
    return CLI_OK;
}
