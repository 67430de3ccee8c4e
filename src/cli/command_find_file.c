/* `registry find-file`: which images have a file, asked of a server (docs/files.md). */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/command_accounts.h"
#include "cli/commands.h"
#include "cli/remote_server.h"
#include "files/feed.h"

#include <stdlib.h>

#define DEFAULT_URL  "http://127.0.0.1:5000"
#define URL_MAX      (16 * 1024)
#define ANSWER_BYTES (64u << 20)
#define PAGE         500
#define LIMIT        1000

struct finding_files {
    struct cli *cli;
    struct remote_server server;
    struct buf url; /* of the next page; empty: there is none */
    bool json;
    uint64_t limit, n;
    bool complete;
};

static void auto_finding_files_(struct finding_files *f)
{
    remote_server_done(&f->server);
    buf_done(&f->url);
}

static const char *text_of(const json_t *of, const char *key)
{
    return json_string_value(json_object_get(of, key)) ?: "";
}

static void print_file(struct finding_files *f, const json_t *file)
{
    const json_t *tags = json_object_get(file, "tags");
    AUTO(mem) char *line = NULL;
    size_t i;
    const json_t *tag;

    if (f->json) {
        line = json_dumps(file, JSON_COMPACT | JSON_PRESERVE_ORDER);
        fprintf(f->cli->out, "%s\n", line ?: "{}");
        return;
    }
    fputs(text_of(file, "repository"), f->cli->out);
    json_array_foreach(tags, i, tag)
    {
        fprintf(f->cli->out, "%c%s", i == 0 ? ':' : ',', json_string_value(tag) ?: "");
    }
    fprintf(f->cli->out, "@%s  %s  %lld  /%s\n", text_of(file, "digest"), text_of(file, "platform"),
            (long long)json_integer_value(json_object_get(file, "size")), text_of(file, "path"));
}

/* "https://HOST:PORT", without a path. */
static struct str origin(struct str url)
{
    size_t n = str_starts(url, STR("https://")) ? 8 : 7;

    while (n < url.n && url.p[n] != '/')
        n++;
    return str_sub(url, 0, n);
}

/* Link: <PATH>; rel="next" */
static void on_header(void *ctx, struct str name, struct str value)
{
    struct finding_files *f = ctx;
    struct str path;

    if (!str_ieq(name, STR("Link")) || !str_starts(value, STR("<")))
        return;
    value = str_sub(value, 1, value.n - 1);
    if (!str_cut(&value, '>', &path))
        return;
    buf_clear(&f->url);
    buf_add_str(&f->url, origin(buf_str(&f->server.url)));
    buf_add_str(&f->url, path);
}

static enum err_code take_page(struct finding_files *f, struct str body, struct err *e)
{
    AUTO(json) json_t *answer = json_loadb(body.p, body.n, 0, NULL);
    const json_t *state = json_object_get(answer, "index"), *file;
    size_t i;

    if (!json_is_object(state))
        return err_set(e, ERR_UNSUPPORTED, "the server does not answer as a registry does");
    json_array_foreach(json_object_get(answer, "files"), i, file)
    {
        if (f->n == f->limit)
            break;
        print_file(f, file);
        f->n++;
    }
    f->complete = json_is_true(json_object_get(state, "complete"));
    if (!f->complete && f->url.n == 0)
        fprintf(f->cli->err,
                "registry: the index is not complete: %lld images wait, %lld layers could not be "
                "read%s\n",
                (long long)json_integer_value(json_object_get(state, "waiting")),
                (long long)json_integer_value(json_object_get(state, "unreadable")),
                json_is_true(json_object_get(state, "scanned"))
                    ? ""
                    : ", and not all that was there before has been looked at");
    return ERR_OK;
}

static enum err_code fetch_page(struct finding_files *f, struct err *e)
{
    AUTO(buf) struct buf body = {0}, url = f->url;
    const char *headers[] = {f->server.authorization.n ? buf_text(&f->server.authorization) : NULL,
                             NULL};
    struct client_request r = {.method = "GET", .headers = headers};
    int status;

    buf_init(&f->url, URL_MAX);
    r.url = buf_text(&url);
    buf_init(&body, ANSWER_BYTES);
    TRY(client_run(f->server.client, &r, on_header, f, &status, &body, e));
    if (status != 200)
        return remote_server_refused(status, buf_str(&body), e);
    return take_page(f, buf_str(&body), e);
}

static enum err_code find(struct finding_files *f, const struct cli_args *args, struct err *e)
{
    const char *limit = cli_flag(args, "--limit");

    f->limit = LIMIT;
    if (limit && !str_to_u64(str_of(limit), INT64_MAX, &f->limit))
        return err_set(e, ERR_CONFIG, "--limit is a number");
    f->json = cli_flag(args, "--json") != NULL;
    TRY(remote_server_open(f->cli, args, DEFAULT_URL, &f->server, e));
    buf_init(&f->url, URL_MAX);
    buf_addf(&f->url, STR_FMT "/api/v1/files?n=%d&%s=", STR_ARG(buf_str(&f->server.url)), PAGE,
             cli_flag(args, "--sha256") ? "sha256" : "path");
    buf_add_percent(&f->url, str_of(args->operand));
    while (f->url.n > 0 && f->n < f->limit)
        TRY(fetch_page(f, e));
    if (f->url.n > 0)
        fprintf(f->cli->err, "registry: there are more; --limit N shows them\n");
    return ERR_OK;
}

/* A job that a server takes up. */
static int build(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_accounts) struct cli_accounts a = {0};
    struct err e = {0};
    struct meta_op ops[2];
    int64_t now_ms = clock_wall_ms();
    enum err_code code;

    if (!cli_accounts_open(cli, args, &a))
        return CLI_FAILED;
    if (!a.conf->registry.index_files) {
        fprintf(cli->err, "registry: analysis.index is off in this configuration\n");
        return CLI_FAILED;
    }
    ops[0] = files_feed_again();
    ops[1] = meta_op_job_add((struct meta_job_add){.kind = STR(FILES_JOB),
                                                   .key = STR(JOBS_ALL),
                                                   .priority = 2,
                                                   .due_ms = now_ms,
                                                   .now_ms = now_ms});
    code = meta_commit(a.meta, ops, 2, 0, NULL, &e);
    if (code == ERR_OK)
        fprintf(cli->out, "The server looks at all images; `registry jobs` shows how far it is.\n");
    return cli_accounts_status(cli, code, &e);
}

int cli_find_file(struct cli *cli, const struct cli_args *args)
{
    AUTO(finding_files) struct finding_files f = {.cli = cli};
    struct err e = {0};

    if (cli_flag(args, "--build"))
        return build(cli, args);
    if (!args->operand) {
        fprintf(cli->err, "registry: a pattern is needed\n"
                          "`registry find-file --help` shows what there is.\n");
        return CLI_USAGE;
    }
    if (find(&f, args, &e) == ERR_OK)
        return f.complete ? CLI_OK : CLI_FAILED;
    fprintf(cli->err, "registry: %s\n", e.detail);
    return CLI_FAILED;
}
