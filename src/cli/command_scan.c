/* `registry scan`: has a server scan an image, and shows what it found (docs/scan.md). */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/progress_bar.h"
#include "cli/remote_server.h"
#include "cli/visible.h"
#include "conf/conf.h"
#include "scan/finding.h"

#include <string.h>

#define DEFAULT_URL  "http://127.0.0.1:5000"
#define URL_MAX      8192
#define ANSWER_BYTES (8u << 20)
#define PAUSE_MS     500
#define COLUMN_BYTES 4096
#define REASON_MAX   512
#define WAIT_USUAL   "30m"

struct scanning {
    struct cli *cli;
    const struct cli_args *args;
    struct remote_server server;
    struct buf url;      /* of the scan */
    struct buf answer;   /* the last one */
    enum severity least; /* of what makes it fail; SEVERITIES: nothing does */
    bool waits;
    uint64_t timeout_ms;
    struct progress_bar bar;
    char told[REASON_MAX]; /* why it has not been scanned yet, as it was said last */
};

static void auto_scanning_(struct scanning *s)
{
    buf_done(&s->url);
    buf_done(&s->answer);
    remote_server_done(&s->server);
}

static enum err_code ask(struct scanning *s, const char *method, const char *query, struct err *e)
{
    const char *headers[] = {s->server.authorization.n ? buf_text(&s->server.authorization) : NULL,
                             NULL};
    AUTO(buf) struct buf url = {0};
    struct client_request r = {.method = method, .headers = headers};
    int status;

    buf_init(&url, URL_MAX);
    buf_add_str(&url, buf_str(&s->url));
    buf_add_text(&url, query);
    r.url = buf_text(&url);
    buf_clear(&s->answer);
    TRY(client_run(s->server.client, &r, NULL, NULL, &status, &s->answer, e));
    return status == 200 || status == 202 ? ERR_OK
                                          : remote_server_refused(status, buf_str(&s->answer), e);
}

static const char *text_of(const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));

    return text ? text : "";
}

static bool goes_on(const json_t *result)
{
    const char *status = text_of(result, "status");

    return strcmp(status, "queued") == 0 || strcmp(status, "running") == 0 ||
           text_of(result, "rescan")[0];
}

static const char *why_not(const json_t *result)
{
    return text_of(json_object_get(result, "failure"), "reason");
}

/* Each reason once: that there is no data of vulnerabilities, for one, may not change for hours. */
static void show_progress(struct scanning *s, const json_t *result)
{
    const char *now =
        text_of(result, "rescan")[0] ? text_of(result, "rescan") : text_of(result, "status");
    AUTO(buf) struct buf why = {0};

    buf_init(&why, REASON_MAX - 1);
    cli_add_visible(&why, why_not(result));
    if (why.n > 0 && strcmp(buf_text(&why), s->told) != 0) {
        snprintf(s->told, sizeof(s->told), "%s", buf_text(&why));
        progress_bar_end(&s->bar);
        fprintf(s->cli->err, "not scanned yet: %s\n", s->told);
    }
    progress_bar_wait(&s->bar, now);
}

static enum err_code look(struct scanning *s, json_t **ret, struct err *e)
{
    TRY(ask(s, "GET", "?n=20", e));
    *ret = json_loadb(s->answer.p, s->answer.n, 0, NULL);
    return *ret ? ERR_OK : err_set(e, ERR_INTERNAL, "the server's answer is no JSON");
}

static enum err_code look_to_the_end(struct scanning *s, json_t **ret, struct err *e)
{
    int64_t since_ms = clock_mono_ms();

    for (;;) {
        AUTO(json) json_t *result = NULL;

        TRY(look(s, &result, e));
        if (!goes_on(result) || !s->waits) {
            *ret = STEAL(result);
            return ERR_OK;
        }
        show_progress(s, result);
        if ((uint64_t)(clock_mono_ms() - since_ms) >= s->timeout_ms)
            return err_set(e, ERR_TIMEOUT, "it has not been scanned within --timeout%s%s",
                           s->told[0] ? ": " : "", s->told);
        if (!client_pause(s->server.client, PAUSE_MS))
            return err_set(e, ERR_UNAVAILABLE, "it was told to end");
    }
}

/* Text from an image, as a column; what is too long for it goes beside. */
static void print_text(FILE *out, const char *text, int width)
{
    AUTO(buf) struct buf shown = {0};

    buf_init(&shown, COLUMN_BYTES);
    cli_add_visible(&shown, text);
    fprintf(out, "%-*s", width, buf_text(&shown));
}

static void print_finding(FILE *out, const json_t *f)
{
    const char *fixed = text_of(f, "fixed_version");

    print_text(out, text_of(f, "severity"), 9);
    fputc(' ', out);
    print_text(out, text_of(f, "cve"), 19);
    fputc(' ', out);
    print_text(out, text_of(f, "package"), 23);
    fputc(' ', out);
    print_text(out, text_of(f, "installed_version"), 19);
    fputc(' ', out);
    print_text(out, fixed[0] ? fixed : "no fix", 0);
    fputc('\n', out);
}

static long long count_of(const json_t *result, enum severity severity)
{
    return json_integer_value(
        json_object_get(json_object_get(result, "vulnerabilities"), severity_name(severity)));
}

static void print_result(FILE *out, const json_t *result)
{
    const json_t *details = json_object_get(result, "details"), *f;
    long long total = json_integer_value(json_object_get(result, "total"));
    size_t i;

    fprintf(out, "%s", text_of(result, "status"));
    if (text_of(result, "reason")[0]) {
        fputs(": ", out);
        print_text(out, text_of(result, "reason"), 0);
    }
    for (int k = SEVERITIES - 1;
         k >= 0 && json_is_object(json_object_get(result, "vulnerabilities")); k--)
        fprintf(out, "%s %lld %s", k == SEVERITIES - 1 ? ":" : ",",
                count_of(result, (enum severity)k), severity_name((enum severity)k));
    fputc('\n', out);
    if (why_not(result)[0] && strcmp(text_of(result, "status"), "completed") == 0) {
        fputs("that is of before; the last scan failed: ", out);
        print_text(out, why_not(result), 0);
        fputc('\n', out);
    }
    json_array_foreach(details, i, f)
    {
        print_finding(out, f);
    }
    if (total > (long long)json_array_size(details))
        fprintf(out, "... and %lld more\n", total - (long long)json_array_size(details));
}

/* What could not be scanned is not free of anything, and what could not be scanned again may have
 * more than was found before. What is no image has nothing to scan. */
static int verdict(const struct scanning *s, const json_t *result)
{
    const char *status = text_of(result, "status");

    if (strcmp(status, "failed") == 0 || strcmp(status, "unsupported") == 0)
        return CLI_FAILED;
    for (int i = (int)s->least; i < SEVERITIES; i++) {
        if (count_of(result, (enum severity)i) > 0)
            return CLI_DENIED;
    }
    return s->waits && why_not(result)[0] ? CLI_FAILED : CLI_OK;
}

static enum err_code read_flags(struct scanning *s, struct err *e)
{
    const char *least = cli_flag(s->args, "--fail-on"), *timeout = cli_flag(s->args, "--timeout");

    s->least = SEVERITIES;
    s->waits = least || cli_flag(s->args, "--wait");
    if (least && !severity_parse(str_of(least), &s->least))
        return err_set(e, ERR_CONFIG, "--fail-on is critical, high, medium, low or unknown");
    if (!conf_duration(str_of(timeout ? timeout : WAIT_USUAL), &s->timeout_ms))
        return err_set(e, ERR_CONFIG, "--timeout is a duration, such as 90s or 30m");
    return ERR_OK;
}

static enum err_code run(struct scanning *s, int *ret_status, struct err *e)
{
    AUTO(json) json_t *result = NULL;
    enum err_code code;

    TRY(read_flags(s, e));
    TRY(remote_server_open(s->cli, s->args, DEFAULT_URL, &s->server, e));
    buf_init(&s->answer, ANSWER_BYTES);
    buf_init(&s->url, URL_MAX);
    buf_add_str(&s->url, buf_str(&s->server.url));
    TRY(remote_server_add_manifest(&s->url, s->args->operand, e));
    buf_add_text(&s->url, "/scan");
    TRY(ask(s, "POST", cli_flag(s->args, "--force") ? "?force=true" : "", e));
    progress_bar_begin(&s->bar, s->cli->err, 0, 0);
    code = look_to_the_end(s, &result, e);
    progress_bar_end(&s->bar);
    TRY(code);
    if (cli_flag(s->args, "--json"))
        fprintf(s->cli->out, STR_FMT, STR_ARG(buf_str(&s->answer)));
    else
        print_result(s->cli->out, result);
    *ret_status = verdict(s, result);
    return ERR_OK;
}

int cli_scan(struct cli *cli, const struct cli_args *args)
{
    AUTO(scanning) struct scanning s = {.cli = cli, .args = args};
    struct err e = {0};
    int status = CLI_FAILED;

    if (!args->operand) {
        fprintf(cli->err, "registry: an image is needed\n"
                          "`registry scan --help` shows what there is.\n");
        return CLI_USAGE;
    }
    if (run(&s, &status, &e) == ERR_OK)
        return status;
    fprintf(cli->err, "registry: %s\n", e.detail);
    return CLI_FAILED;
}
