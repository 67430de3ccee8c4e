/* `registry webhook`: how far a server's webhooks and rules of mail are, what they were not told,
 * and sending that again (docs/webhooks.md). */
#include "base/cleanup.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/remote_server.h"
#include "cli/visible.h"

#include <string.h>

#define DEFAULT_URL  "http://127.0.0.1:5000"
#define PATH         "/api/v1/webhooks"
#define URL_MAX      8192
#define ANSWER_BYTES (80u << 20)
#define PAGE         100
#define SHOWN_BYTES  1024

struct asking {
    struct cli *cli;
    const struct cli_args *args;
    struct remote_server server;
    struct buf answer; /* the last one */
    json_t *json;      /* likewise */
    bool failed;       /* something was not delivered */
};

static void auto_asking_(struct asking *a)
{
    json_decref(a->json);
    buf_done(&a->answer);
    remote_server_done(&a->server);
}

/* what: behind the name, "/test"; NULL: the list of all. event: NULL, or which; POST then. */
static enum err_code ask(struct asking *a, const char *method, const char *what, const char *event,
                         struct err *e)
{
    const char *headers[] = {a->server.authorization.n ? buf_text(&a->server.authorization) : NULL,
                             NULL};
    AUTO(buf) struct buf url = {0}, body = {0};
    struct client_request r = {
        .method = method, .headers = headers, .content_type = "application/json"};
    int status;

    buf_init(&url, URL_MAX);
    buf_init(&body, URL_MAX);
    buf_addf(&url, STR_FMT PATH, STR_ARG(buf_str(&a->server.url)));
    if (what) {
        buf_add_char(&url, '/');
        buf_add_percent(&url, str_of(a->args->operand));
        buf_add_text(&url, what);
    }
    if (event) {
        buf_add_text(&body, "{\"event\":");
        buf_add_json(&body, str_of(event));
        buf_add_char(&body, '}');
        r.body = buf_str(&body);
    }
    r.url = buf_text(&url);
    buf_clear(&a->answer);
    json_decref(a->json);
    a->json = NULL;
    TRY(client_run(a->server.client, &r, NULL, NULL, &status, &a->answer, e));
    if (status != 200)
        return remote_server_refused(status, buf_str(&a->answer), e);
    a->json = json_loadb(a->answer.p, a->answer.n, 0, NULL);
    return a->json ? ERR_OK : err_set(e, ERR_INTERNAL, "the server's answer is no JSON");
}

static void show(const struct asking *a, const char *before, const json_t *of, const char *key)
{
    const char *text = json_string_value(json_object_get(of, key));
    AUTO(buf) struct buf shown = {0};

    if (!text || !text[0])
        return;
    buf_init(&shown, SHOWN_BYTES);
    cli_add_visible(&shown, text);
    fprintf(a->cli->out, "%s%s", before, buf_text(&shown));
}

static long long number(const json_t *of, const char *key)
{
    return json_integer_value(json_object_get(of, key));
}

/* ---- list */

static void print_target(const struct asking *a, const json_t *t)
{
    show(a, "", t, "name");
    show(a, "  ", t, "kind");
    show(a, "  ", t, "server");
    show(a, "  ", t, "state");
    fprintf(a->cli->out, "  %lld waiting, %lld delivered, %lld dead, %lld lost\n",
            number(t, "waiting"), number(t, "delivered"), number(t, "dead"), number(t, "lost"));
    if (number(t, "failures") == 0)
        return;
    fprintf(a->cli->out, "    failed %lld times", number(t, "failures"));
    show(a, " since ", t, "failing_since");
    show(a, ", next try ", t, "next_try");
    show(a, ": ", t, "why");
    fputc('\n', a->cli->out);
}

static enum err_code list(struct asking *a, struct err *e)
{
    const json_t *t;
    size_t i;

    TRY(ask(a, "GET", NULL, NULL, e));
    if (cli_flag(a->args, "--json")) {
        fprintf(a->cli->out, STR_FMT, STR_ARG(buf_str(&a->answer)));
        return ERR_OK;
    }
    json_array_foreach(json_object_get(a->json, "webhooks"), i, t)
    {
        print_target(a, t);
    }
    return ERR_OK;
}

/* ---- dead letters, page by page */

typedef enum err_code (*letter_fn)(struct asking *a, const json_t *letter, struct err *e);

static enum err_code each_letter(struct asking *a, letter_fn fn, struct err *e)
{
    long long last = 0;
    size_t n = PAGE, i;

    while (n == PAGE) {
        AUTO(json) json_t *page = NULL;
        const json_t *letter, *letters;
        char what[80];

        snprintf(what, sizeof(what), "/deliveries?n=%d&last=%lld", PAGE, last);
        TRY(ask(a, "GET", what, NULL, e));
        page = STEAL(a->json);
        letters = json_object_get(page, "deliveries");
        n = json_array_size(letters);
        json_array_foreach(letters, i, letter)
        {
            last = number(letter, "seq");
            TRY(fn(a, letter, e));
        }
    }
    return ERR_OK;
}

static enum err_code print_letter(struct asking *a, const json_t *letter, struct err *e)
{
    const json_t *event = json_object_get(letter, "event");

    (void)e;
    if (cli_flag(a->args, "--json")) {
        json_dumpf(letter, a->cli->out, JSON_COMPACT);
        fputc('\n', a->cli->out);
        return ERR_OK;
    }
    fprintf(a->cli->out, "%lld", number(letter, "seq"));
    show(a, "  ", event, "time");
    show(a, "  ", event, "event");
    show(a, "  ", event, "repository");
    show(a, "  ", letter, "why");
    fputc('\n', a->cli->out);
    return ERR_OK;
}

static enum err_code deliveries(struct asking *a, struct err *e)
{
    return each_letter(a, print_letter, e);
}

/* ---- sending */

static void print_sent(struct asking *a, const char *event)
{
    bool delivered = json_is_true(json_object_get(a->json, "delivered"));

    fprintf(a->cli->out, "%s%s%s", event, event[0] ? ": " : "",
            delivered ? "delivered" : "not delivered");
    if (number(a->json, "status") > 0)
        fprintf(a->cli->out, ", status %lld", number(a->json, "status"));
    fprintf(a->cli->out, ", %lld ms", number(a->json, "took_ms"));
    show(a, ": ", a->json, "why");
    fputc('\n', a->cli->out);
    a->failed = a->failed || !delivered;
}

static enum err_code send_again(struct asking *a, const char *event, struct err *e)
{
    TRY(ask(a, "POST", "/redeliver", event, e));
    print_sent(a, event);
    return ERR_OK;
}

static enum err_code send_letter(struct asking *a, const json_t *letter, struct err *e)
{
    char event[32];

    snprintf(event, sizeof(event), "%lld", number(letter, "seq"));
    return send_again(a, event, e);
}

static enum err_code redeliver(struct asking *a, struct err *e)
{
    return a->args->n_operands > 1 ? send_again(a, a->args->operands[1], e)
                                   : each_letter(a, send_letter, e);
}

static enum err_code test(struct asking *a, struct err *e)
{
    TRY(ask(a, "POST", "/test", NULL, e));
    print_sent(a, "");
    return ERR_OK;
}

/* ---- the commands */

static int run(struct cli *cli, const struct cli_args *args, bool needs_name,
               enum err_code (*what)(struct asking *a, struct err *e))
{
    AUTO(asking) struct asking a = {.cli = cli, .args = args};
    struct err e = {0};
    enum err_code code;

    if (needs_name && !args->operand) {
        fprintf(cli->err, "registry: the name of a webhook is needed\n"
                          "`registry webhook list` shows them.\n");
        return CLI_USAGE;
    }
    buf_init(&a.answer, ANSWER_BYTES);
    code = remote_server_open(cli, args, DEFAULT_URL, &a.server, &e);
    if (code == ERR_OK)
        code = what(&a, &e);
    if (code == ERR_OK)
        return a.failed ? CLI_DENIED : CLI_OK;
    fprintf(cli->err, "registry: %s\n", e.detail);
    return CLI_FAILED;
}

int cli_webhook_list(struct cli *cli, const struct cli_args *args)
{
    return run(cli, args, false, list);
}

int cli_webhook_deliveries(struct cli *cli, const struct cli_args *args)
{
    return run(cli, args, true, deliveries);
}

int cli_webhook_redeliver(struct cli *cli, const struct cli_args *args)
{
    return run(cli, args, true, redeliver);
}

int cli_webhook_test(struct cli *cli, const struct cli_args *args)
{
    return run(cli, args, true, test);
}
