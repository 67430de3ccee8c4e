#include "cli/password_prompt.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* One line without its end; what is too long is cut, and refused by its length later. */
static bool read_line(int fd, char dst[static CLI_PASSWORD_SIZE])
{
    size_t n = 0;
    ssize_t got;
    char c = '\0';

    while ((got = read(fd, &c, 1)) == 1 || (got < 0 && errno == EINTR)) {
        if (got < 0)
            continue;
        if (c == '\n')
            break;
        if (n < CLI_PASSWORD_SIZE - 1)
            dst[n++] = c;
    }
    if (n > 0 && dst[n - 1] == '\r')
        n--;
    dst[n] = '\0';
    return got >= 0 && (n > 0 || c == '\n') && strlen(dst) == n;
}

static bool from_stdin(struct cli *cli, char dst[static CLI_PASSWORD_SIZE])
{
    if (read_line(STDIN_FILENO, dst))
        return true;
    fputs("registry: no password on standard input\n", cli->err);
    return false;
}

static bool ask(int tty, const char *prompt, char dst[static CLI_PASSWORD_SIZE])
{
    bool got = dprintf(tty, "%s", prompt) > 0 && read_line(tty, dst);

    (void)!write(tty, "\n", 1);
    return got;
}

static bool ask_twice(struct cli *cli, int tty, char dst[static CLI_PASSWORD_SIZE])
{
    char again[CLI_PASSWORD_SIZE];
    bool same;

    if (!ask(tty, "Password: ", dst) || !ask(tty, "The same again: ", again)) {
        fputs("registry: no password was typed\n", cli->err);
        return false;
    }
    same = strcmp(dst, again) == 0;
    OPENSSL_cleanse(again, sizeof(again));
    if (!same)
        fputs("registry: the two are not the same\n", cli->err);
    return same;
}

/* Ctrl-C while nothing is shown would leave the terminal so: it waits until all is as before. */
static bool from_terminal(struct cli *cli, char dst[static CLI_PASSWORD_SIZE])
{
    AUTO(fd) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct termios before, silent;
    sigset_t stops, old;
    bool got;

    if (tty < 0 || tcgetattr(tty, &before) != 0) {
        fputs("registry: there is no terminal to ask for the password; use --password-stdin\n",
              cli->err);
        return false;
    }
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGQUIT);
    sigaddset(&stops, SIGTSTP);
    pthread_sigmask(SIG_BLOCK, &stops, &old);
    silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    silent.c_lflag |= ICANON;
    tcsetattr(tty, TCSAFLUSH, &silent);
    got = ask_twice(cli, tty, dst);
    tcsetattr(tty, TCSAFLUSH, &before);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return got;
}

bool cli_password_read(struct cli *cli, bool stdin_wanted,
                       char ret_password[static CLI_PASSWORD_SIZE])
{
    return stdin_wanted ? from_stdin(cli, ret_password) : from_terminal(cli, ret_password);
}
