#include "core/stray.h"

#include "cli/command_accounts.h"
#include "cli/command_content.h"
#include "cli/commands.h"

#include <inttypes.h>

struct sweep {
    struct cli_content *content;
    bool remove;
    struct stray_count found;
};

static enum err_code found(void *ctx, const struct store_item *item, struct err *e)
{
    struct sweep *s = ctx;
    char time[CLI_TIME_SIZE];

    if (item->kind == STORE_MANIFEST) {
        stray_count_add(&s->found, item);
        fprintf(s->content->cli->out, "%s  %10" PRIu64 "  %s@%s\n",
                cli_time(item->modified_ms, time), item->size_bytes, item->repo.text,
                item->digest.text);
    }
    return s->remove ? stray_remove(s->content->registry, item, e) : ERR_OK;
}

static enum err_code note(struct sweep *s, const struct cli_args *args, struct err *e)
{
    char detail[96];

    snprintf(detail, sizeof(detail), "{\"manifests\":%" PRIu64 ",\"bytes\":%" PRIu64 "}",
             s->found.manifests, s->found.bytes);
    return cli_audit_note(s->content->registry->meta, args, "", detail, e);
}

static enum err_code run(struct sweep *s, const struct cli_args *args, struct err *e)
{
    const struct stray_walk walk = {.tags = s->remove, .found = found, .ctx = s};

    TRY(stray_each(s->content->registry, &walk, e));
    if (s->remove && s->found.manifests > 0)
        TRY(note(s, args, e));
    fprintf(s->content->cli->out,
            "%" PRIu64 " manifests, %" PRIu64 " bytes, that the database does not know%s\n",
            s->found.manifests, s->found.bytes,
            s->found.manifests == 0 ? ""
            : s->remove             ? ": removed"
                        : "; --remove removes them, `registry reindex` takes them back");
    return ERR_OK;
}

int cli_sweep(struct cli *cli, const struct cli_args *args)
{
    AUTO(cli_content) struct cli_content content = {0};
    struct sweep s = {.content = &content, .remove = cli_flag(args, "--remove") != NULL};
    struct err e = {0};
    enum err_code code;

    if (!cli_content_open(cli, args, &content))
        return CLI_FAILED;
    code = run(&s, args, &e);
    return cli_content_status(&content, code, &e, 0);
}
