
#include "cli/commands.h"

#include <cli/version.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <yaml.h>

int cli_version(struct cli *cli, const struct cli_args *args)
{
    (void)args;
    fprintf(cli->out, "registry %s%s%s%s\n", CLI_VERSION, *CLI_REVISION ? " (" : "", CLI_REVISION,
            *CLI_REVISION ? ")" : "");
    fprintf(cli->out, "%s\n", OpenSSL_version(OPENSSL_VERSION));
    fprintf(cli->out, "SQLite %s\n", sqlite3_libversion());
    fprintf(cli->out, "libyaml %s\n", yaml_get_version_string());
    return CLI_OK;
}
