/* registry scan data: the data of vulnerabilities in scan.trivy.cache_dir, and looking for newer.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/scan_service.h"
#include "cli/visible.h"
#include "scan/data_update.h"

#include <inttypes.h>

#define LINE_BYTES 4096

static void print_line(struct cli *cli, const char *what, int64_t updated_ms, const char *source)
{
    AUTO(buf) struct buf from = {0};
    char time[CLOCK_RFC3339_SIZE];

    buf_init(&from, LINE_BYTES);
    cli_add_visible(&from, strncmp(source, "put ", 4) == 0 ? "cache_dir" : source);
    clock_rfc3339(updated_ms, time);
    fprintf(cli->out, "%-16s  %s  %6.1f hours old, from %s\n", what, time,
            (double)(clock_wall_ms() - updated_ms) / 3600000, buf_text(&from));
}

static void print_text(struct cli *cli, const struct scan_data_status *s)
{
    if (s->state == SCAN_DATA_NONE) {
        fprintf(cli->out, "there is no data of vulnerabilities\n");
        return;
    }
    print_line(cli, "vulnerabilities", s->updated_ms, s->source);
    if (s->java_updated_ms > 0)
        print_line(cli, "java index", s->java_updated_ms, s->java_source);
    if (s->state == SCAN_DATA_OLD)
        fprintf(cli->out, "older than scan.data.max_age: %.1f hours\n",
                (double)s->max_age_ms / 3600000);
}

static void print(struct cli *cli, const struct scan_data_status *s, bool as_json)
{
    AUTO(buf) struct buf json = {0};

    if (!as_json) {
        print_text(cli, s);
        return;
    }
    buf_init(&json, LINE_BYTES);
    scan_data_json(s, NULL, clock_wall_ms(), &json);
    fputs(buf_text(&json), cli->out);
}

/* What somebody put there is taken when it is the same at two looks. */
static enum err_code update(const struct conf *c, const struct generations *in, struct err *e)
{
    struct data_update u = {.conf = &c->scan, .in = in, .now = true};
    struct data_update_done done;

    TRY(data_update_look(&u, &done, e));
    if (!done.tried) {
        u.now = false;
        TRY(data_update_look(&u, &done, e));
    }
    return ERR_OK;
}

static enum err_code run(struct cli *cli, const struct cli_args *args, const struct conf *c,
                         struct scan_data_status *ret, struct err *e)
{
    AUTO(generations) struct generations in = {.fd = -1};
    struct scan_service dirs = {0};

    (void)cli;
    if (!scan_service_dirs(c, &dirs))
        return err_set(e, ERR_CONFIG, "scan.work_dir or scan.trivy.cache_dir is too long");
    if (!dirs.data_dir[0])
        return err_set(e, ERR_CONFIG,
                       "the scanner keeps its own data: ask a server, GET /api/v1/scan/data");
    TRY(generations_open(dirs.data_dir, &in, e));
    if (cli_flag(args, "--update"))
        TRY(update(c, &in, e));
    return scan_data_status_of(&in, &c->scan, ret, e);
}

int cli_scan_data(struct cli *cli, const struct cli_args *args)
{
    AUTO(conf) struct conf *c = NULL;
    struct scan_data_status s = {0};
    struct err e = {0};

    if (!cli_config_load(cli, args, &c))
        return CLI_FAILED;
    if (run(cli, args, c, &s, &e) != ERR_OK) {
        fprintf(cli->err, "registry: %s\n", e.detail);
        return CLI_FAILED;
    }
    print(cli, &s, cli_flag(args, "--json") != NULL);
    return s.state == SCAN_DATA_OK ? CLI_OK : CLI_DENIED;
}
