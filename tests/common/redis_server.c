#include "redis_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define START_TRIES 2000 /* of 5 ms each */
#define STEP_NS     5000000
#define PORT_TRIES  10

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

static uint16_t free_port(void)
{
    struct sockaddr_in a = loopback(0);
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static void choose_port(struct redis_server *s)
{
    s->port = free_port();
    snprintf(s->url, sizeof(s->url), "redis://127.0.0.1:%u", s->port);
}

void redis_server_make(struct redis_server *s, const char *const *more)
{
    size_t n = 0;

    *s = (struct redis_server){.pid = 0};
    for (; more && more[n]; n++) {
        assert_true(n + 1 < REDIS_SERVER_ARGUMENTS);
        s->more[n] = more[n];
    }
    choose_port(s);
    temp_dir_make(s->dir, TEMP_DIR_MEMORY);
}

/* -1: nobody listens. */
static int connect_to(const struct redis_server *s)
{
    struct sockaddr_in a = loopback(s->port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Without the ends of lines. */
static size_t read_line(int fd, char *dst, size_t size)
{
    size_t n = 0;

    while (n + 1 < size && recv(fd, dst + n, 1, 0) == 1 && dst[n] != '\n')
        n += dst[n] != '\r';
    dst[n] = '\0';
    return n;
}

static const char *ask(const struct redis_server *s, const char *command)
{
    static char line[1024];
    char words[1024];
    int fd = connect_to(s), n;

    if (fd < 0)
        return NULL;
    n = snprintf(words, sizeof(words), "%s\r\n", command);
    (void)!send(fd, words, (size_t)n, MSG_NOSIGNAL);
    read_line(fd, line, sizeof(line));
    while (line[0] == '*' || (line[0] == '$' && line[1] != '-'))
        read_line(fd, line, sizeof(line));
    close(fd);
    return line;
}

const char *redis_server_do(const struct redis_server *s, const char *command)
{
    const char *answer = ask(s, command);

    assert_non_null(answer);
    return answer;
}

static void become(const struct redis_server *s)
{
    char port[8];
    const char *arguments[REDIS_SERVER_ARGUMENTS + 16] = {
        "redis-server", "--port", port,         "--bind",  "127.0.0.1", "--save", "",
        "--dir",        s->dir,   "--loglevel", "warning", NULL};
    size_t n = 11;
    int null = open("/dev/null", O_RDWR);

    snprintf(port, sizeof(port), "%u", s->port);
    for (size_t i = 0; s->more[i]; i++)
        arguments[n++] = s->more[i];
    arguments[n] = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    execvp(arguments[0], (char *const *)arguments);
    _exit(127);
}

/* False: it ended, as where its port is in use meanwhile. */
static bool start_once(struct redis_server *s)
{
    static const struct timespec step = {.tv_nsec = STEP_NS};
    const char *answer = NULL;

    s->pid = fork();
    if (s->pid == 0)
        become(s);
    for (int i = 0; i < START_TRIES; i++) {
        answer = ask(s, "PING");
        if (waitpid(s->pid, NULL, WNOHANG) != 0)
            return false;
        if (answer && answer[0] && strncmp(answer, "-LOADING", 8) != 0)
            return true;
        nanosleep(&step, NULL);
    }
    fail_msg("redis-server does not answer");
    return false;
}

void redis_server_start(struct redis_server *s)
{
    for (int i = 0; i < PORT_TRIES; i++) {
        if (start_once(s)) {
            s->known = true;
            return;
        }
        if (!s->known)
            choose_port(s);
    }
    s->pid = 0;
    fail_msg("redis-server ended at once; is it installed (scripts/deps test)?");
}

void redis_server_kill(struct redis_server *s)
{
    if (s->pid == 0)
        return;
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

void redis_server_pause(struct redis_server *s)
{
    kill(s->pid, SIGSTOP);
    waitpid(s->pid, NULL, WUNTRACED); /* until it has */
}

void redis_server_resume(struct redis_server *s)
{
    kill(s->pid, SIGCONT);
}

void redis_server_remove(struct redis_server *s)
{
    redis_server_kill(s);
    temp_dir_remove(s->dir);
}
