#include "base/process.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/landlock.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PIECE_BYTES 16384
#define PIPE_BYTES  65536 /* what a pipe holds */
#define LOOK_MS     250

struct child {
    pid_t pid;  /* -1: none, or it is over */
    int pid_fd; /* readable when it has ended */
    int output; /* our ends; -1: nothing more comes */
    int errors;
};

/* While it was not waited for, its number is that of no other group. */
static void end_group(struct child *c, siginfo_t *ret_info)
{
    if (c->pid < 0)
        return;
    kill(-c->pid, SIGKILL);
    while (waitid(P_PID, (id_t)c->pid, ret_info, WEXITED) < 0 && errno == EINTR)
        continue;
    c->pid = -1;
}

static void auto_child_(struct child *c)
{
    siginfo_t info;

    end_group(c, &info);
    auto_fd_(&c->pid_fd);
    auto_fd_(&c->output);
    auto_fd_(&c->errors);
}

#ifndef LANDLOCK_ACCESS_FS_TRUNCATE /* of Linux 6.2 */
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ull << 14)
#endif

/* The ends of the pipes that the new program gets. */
struct ends {
    int input, output, errors;
    int failed; /* takes the errno of a start that fails, and closes at one that does not */
};

static void auto_ends_(struct ends *s)
{
    auto_fd_(&s->input);
    auto_fd_(&s->output);
    auto_fd_(&s->errors);
    auto_fd_(&s->failed);
}

static bool bound(__rlimit_resource_t what, uint64_t most, uint64_t more)
{
    const struct rlimit limit = {most, most + more};

    return most == 0 || setrlimit(what, &limit) == 0;
}

static bool bound_all(const struct process *p)
{
    return bound(RLIMIT_AS, p->memory_bytes, 0) && bound(RLIMIT_FSIZE, p->file_bytes, 0) &&
           bound(RLIMIT_CPU, p->cpu_s, 1) &&
           (p->nice == 0 ||
            setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + p->nice) == 0);
}

/* Who is not root may have a network of their own in a user namespace of their own: there its files
 * are still those of the same user. */
static void leave_network(const struct process *p)
{
    if (p->offline && unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        errno = 0;
}

/* A handled signal is as before at exec; one that is ignored or blocked would stay so. */
static bool restore_signals(void)
{
    const struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        sigaction(i, &usual, NULL); /* KILL, STOP and those of the library can't be set */
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL) == 0;
}

/* The three are moved out of each other's way first. */
static bool place_ends(const struct ends *s)
{
    const int from[] = {s->input, s->output, s->errors};
    int high[3];

    for (int i = 0; i < 3; i++) {
        high[i] = fcntl(from[i], F_DUPFD, 3);
        if (high[i] < 0)
            return false;
    }
    for (int i = 0; i < 3; i++) {
        if (dup2(high[i], i) < 0)
            return false;
    }
    return close_range(3, UINT_MAX, CLOSE_RANGE_CLOEXEC) == 0;
}

/* By calls of the kernel: those of the library would tell its other threads, which are not here. */
static bool become_user(const struct process *p)
{
    return p->uid == 0 || (syscall(SYS_setgroups, 0, NULL) == 0 &&
                           syscall(SYS_setresgid, p->gid, p->gid, p->gid) == 0 &&
                           syscall(SYS_setresuid, p->uid, p->uid, p->uid) == 0);
}

/* What changes files, as far as that kernel knows of it. */
static uint64_t changes(long version)
{
    uint64_t all = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                   LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                   LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                   LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                   LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

    if (version >= 2)
        all |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3)
        all |= LANDLOCK_ACCESS_FS_TRUNCATE;
    return all;
}

static bool may_change(int rules, const char *path, uint64_t what)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = what};
    bool done;

    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    done = rule.parent_fd >= 0 &&
           syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    if (rule.parent_fd >= 0)
        close(rule.parent_fd);
    return done;
}

static bool bound_writing(const struct process *p)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct landlock_ruleset_attr all = {.handled_access_fs = changes(version)};
    uint64_t of_file = LANDLOCK_ACCESS_FS_WRITE_FILE;
    int rules;
    bool done;

    if (!p->writable || version < 1)
        return true;
    if (version >= 3)
        of_file |= LANDLOCK_ACCESS_FS_TRUNCATE;
    rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
    if (rules < 0)
        return false;
    done = may_change(rules, "/dev/null", of_file);
    for (const char *const *path = p->writable; done && *path; path++)
        done = may_change(rules, *path, all.handled_access_fs);
    done = done && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    close(rules);
    return done;
}

/* In the new process, where other threads' locks may be held for ever: only calls that a signal
 * handler may make. */
static _Noreturn void become(const struct process *p, struct ends s, pid_t parent)
{
    int error;

    s.failed = fcntl(s.failed, F_DUPFD, 3);
    leave_network(p);
    if (setpgid(0, 0) == 0 && (!p->dir || chdir(p->dir) == 0) && become_user(p) &&
        prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && place_ends(&s) &&
        restore_signals() && bound_writing(p) && bound_all(p))
        execve(p->argv[0], (char *const *)p->argv, (char *const *)p->env);
    error = errno;
    if (write(s.failed, &error, sizeof(error)) < 0)
        _exit(126);
    _exit(127);
}

static enum err_code make_pipe(int *ret_ours, int *ret_theirs, struct err *e)
{
    int both[2];

    if (pipe2(both, O_CLOEXEC) < 0)
        return err_errno(e, "make a pipe");
    *ret_ours = both[0];
    *ret_theirs = both[1];
    return ERR_OK;
}

/* A file in memory: it needs no one to feed it. */
static enum err_code make_input(struct str input, int *ret_fd, struct err *e)
{
    AUTO(fd) int fd = memfd_create("input", MFD_CLOEXEC);

    if (fd < 0 || file_pwrite_all(fd, input.p, input.n, 0) < 0)
        return err_errno(e, "keep the input of a program");
    *ret_fd = STEAL_FD(fd);
    return ERR_OK;
}

/* Returns when the program runs. */
static enum err_code start(const struct process *p, struct child *ret_child, struct err *e)
{
    AUTO(ends) struct ends s = {-1, -1, -1, -1};
    AUTO(fd) int failed = -1;
    pid_t parent = getpid();
    ssize_t n;
    int error;

    TRY(make_input(p->input, &s.input, e));
    TRY(make_pipe(&ret_child->output, &s.output, e));
    if (p->output_fd > 0 && dup3(p->output_fd, s.output, O_CLOEXEC) < 0)
        return err_errno(e, "pass on a file");
    TRY(make_pipe(&ret_child->errors, &s.errors, e));
    TRY(make_pipe(&failed, &s.failed, e));
    if (fcntl(ret_child->output, F_SETFL, O_NONBLOCK) < 0 ||
        fcntl(ret_child->errors, F_SETFL, O_NONBLOCK) < 0)
        return err_errno(e, "make a pipe");
    ret_child->pid = fork();
    if (ret_child->pid < 0)
        return err_errno(e, "start %s", p->argv[0]);
    if (ret_child->pid == 0)
        become(p, s, parent);
    close(STEAL_FD(s.failed));
    while ((n = read(failed, &error, sizeof(error))) < 0 && errno == EINTR)
        continue;
    if (n != 0) {
        errno = n == sizeof(error) ? error : EIO;
        return err_errno(e, "start %s", p->argv[0]);
    }
    ret_child->pid_fd = pidfd_open(ret_child->pid, 0);
    return ret_child->pid_fd < 0 ? err_errno(e, "watch %s", p->argv[0]) : ERR_OK;
}

/* One piece of what it wrote; false when there is none now. */
static bool hear(int *fd, struct buf *to)
{
    char piece[PIECE_BYTES];
    ssize_t n = *fd < 0 ? -1 : read(*fd, piece, sizeof(piece));
    size_t fits;

    if (n == 0)
        close(STEAL_FD(*fd));
    if (n <= 0)
        return false;
    fits = (size_t)n < to->max - to->n ? (size_t)n : to->max - to->n;
    buf_add(to, piece, fits);
    to->full |= fits < (size_t)n;
    return true;
}

/* What it had written when it ended. One that left the group may still write; so there is a bound.
 */
static void hear_last(int *fd, struct buf *to)
{
    for (size_t n = 0; n < PIPE_BYTES / PIECE_BYTES && hear(fd, to); n++)
        continue;
}

static enum err_code say_too_much(const struct process *p, const struct buf *output, struct err *e)
{
    return err_set(e, ERR_INTERNAL, "%s writes more than %zu bytes", p->argv[0], output->max);
}

/* 0: not known, for it has ended. */
static uint64_t resident_bytes(pid_t pid)
{
    char path[64], text[256] = "";
    AUTO(fd) int fd = -1;
    struct str rest, pages;
    uint64_t n;

    snprintf(path, sizeof(path), "/proc/%d/statm", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || file_pread_all(fd, text, sizeof(text) - 1, 0) < 0)
        return 0;
    rest = str_of(text);
    str_cut(&rest, ' ', &pages); /* of address space */
    str_cut(&rest, ' ', &pages);
    return str_to_u64(pages, UINT64_MAX >> 20, &n) ? n * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static enum err_code look_at(const struct process *p, const struct child *c, struct err *e)
{
    if (p->resident_bytes > 0 && resident_bytes(c->pid) > p->resident_bytes)
        return err_set(e, ERR_INTERNAL, "%s takes more than %" PRIu64 " bytes of memory",
                       p->argv[0], p->resident_bytes);
    return p->look ? p->look(p->look_ctx, e) : ERR_OK;
}

/* How long to wait for something to happen; the process is looked at when that is due. */
static enum err_code wait_ms(const struct process *p, const struct child *c, int64_t *look_at_ms,
                             int *ret_ms, struct err *e)
{
    bool looks = p->look || p->resident_bytes > 0;
    int64_t now_ms = clock_mono_ms(), left_ms = p->deadline_ms - now_ms;

    if (left_ms <= 0)
        return err_set(e, ERR_TIMEOUT, "%s took too long", p->argv[0]);
    if (looks && now_ms >= *look_at_ms) {
        TRY(look_at(p, c, e));
        *look_at_ms = now_ms + LOOK_MS;
    }
    if (looks && left_ms > *look_at_ms - now_ms)
        left_ms = *look_at_ms - now_ms;
    *ret_ms = left_ms > INT_MAX ? INT_MAX : (int)left_ms;
    return ERR_OK;
}

static enum err_code listen_to(const struct process *p, struct child *c, struct buf *output,
                               struct buf *errors, struct err *e)
{
    int64_t look_at_ms = clock_mono_ms() + LOOK_MS;
    int left_ms = 0;

    for (;;) {
        struct pollfd fds[] = {{c->pid_fd, POLLIN, 0},
                               {p->stop_fd, POLLIN, 0},
                               {c->output, POLLIN, 0},
                               {c->errors, POLLIN, 0}};

        TRY(wait_ms(p, c, &look_at_ms, &left_ms, e));
        if (poll(fds, 4, left_ms) < 0 && errno != EINTR)
            return err_errno(e, "wait for %s", p->argv[0]);
        if (fds[1].revents)
            return err_set(e, ERR_UNAVAILABLE, "%s was stopped", p->argv[0]);
        if (fds[2].revents)
            hear(&c->output, output);
        if (fds[3].revents)
            hear(&c->errors, errors);
        if (output->full)
            return say_too_much(p, output, e);
        if (fds[0].revents)
            return ERR_OK;
    }
}

enum err_code process_run(const struct process *p, struct buf *ret_output, struct buf *ret_errors,
                          struct process_end *ret_end, struct err *e)
{
    AUTO(child) struct child c = {.pid = -1, .pid_fd = -1, .output = -1, .errors = -1};
    siginfo_t info = {0};

    TRY(start(p, &c, e));
    TRY(listen_to(p, &c, ret_output, ret_errors, e));
    end_group(&c, &info);
    hear_last(&c.output, ret_output);
    hear_last(&c.errors, ret_errors);
    if (ret_output->full)
        return say_too_much(p, ret_output, e);
    *ret_end = info.si_code == CLD_EXITED ? (struct process_end){info.si_status, 0}
                                          : (struct process_end){-1, info.si_status};
    return ERR_OK;
}

static bool find_in(struct str folder, struct str name, char *dst, size_t cap)
{
    int n = snprintf(dst, cap, STR_FMT "/" STR_FMT, STR_ARG(folder), STR_ARG(name));

    return folder.n > 0 && folder.p[0] == '/' && n > 0 && (size_t)n < cap && access(dst, X_OK) == 0;
}

bool process_find(struct str path_variable, struct str name, char *dst, size_t cap)
{
    struct str folder;
    bool more;

    if (name.n > 0 && memchr(name.p, '/', name.n))
        return str_copy(name, dst, cap);
    do {
        more = str_cut(&path_variable, ':', &folder);
        if (find_in(folder, name, dst, cap))
            return true;
    } while (more);
    return false;
}
