/*
 * `registry analyze`: what is inside an image (docs/analysis.md), of a server or of an archive
 * file.
 */
#include "analysis/archive_analysis.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/analysis_text.h"
#include "cli/commands.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES   (256u << 10)
#define REPORT_BYTES (64u << 20)

/* What an archive on this machine may be: bounds of memory alone. */
static const struct archive_limits archive_limits = {
    .max_bytes = INT64_MAX,
    .max_unpacked_bytes = INT64_MAX,
    .max_ratio = 10000,
    .max_members = 1000000,
    .json_bytes = 16u << 20,
    .memory_bytes = 128u << 20,
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

static enum err_code analyze_archive(const struct cli_args *args, struct buf *ret_json,
                                     struct err *e)
{
    const char *path = args->operand;
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

int cli_analyze(struct cli *cli, const struct cli_args *args)
{
    AUTO(buf) struct buf report = {0};
    struct err e = {0};

    if (!args->operand) {
        fprintf(cli->err, "registry: an image or an archive is needed\n"
                          "`registry analyze --help` shows what there is.\n");
        return CLI_USAGE;
    }
    buf_init(&report, REPORT_BYTES);
    if (analyze_archive(args, &report, &e) != ERR_OK) {
        fprintf(cli->err, "registry: %s\n", e.detail);
        return CLI_FAILED;
    }
    if (cli_flag(args, "--json"))
        fprintf(cli->out, STR_FMT "\n", STR_ARG(buf_str(&report)));
    else
        analysis_text(buf_str(&report), cli->out);
    return CLI_OK;
}
