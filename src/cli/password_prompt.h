/* Passwords, from the terminal without echo, or from standard input; never from the command line,
 * which other users of the machine can see. */
#pragma once

#include "cli/cli.h"

#define CLI_PASSWORD_SIZE 514 /* one more than the longest, to see that it is too long */

/* False: it was said on cli->err why not. The caller cleanses. */
bool cli_password_read(struct cli *cli, bool from_stdin,
                       char ret_password[static CLI_PASSWORD_SIZE]);
