#include "base/process.h"

#include "base/clock.h"
#include "base/file.h"
#include "temp_dir.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#define LONG_MS 60000

static struct buf output, errors;
static struct process_end end;
static struct err e;

static const char *const bare[] = {"PATH=/usr/bin:/bin", NULL};

static int setup(void **state)
{
    (void)state;
    buf_init(&output, 65536);
    buf_init(&errors, 1024);
    end = (struct process_end){-2, -2};
    e = (struct err){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_done(&output);
    buf_done(&errors);
    return 0;
}

static struct process usual(const char *const *argv)
{
    return (struct process){
        .argv = argv, .env = bare, .deadline_ms = clock_mono_ms() + LONG_MS, .stop_fd = -1};
}

static enum err_code run(const struct process *p)
{
    return process_run(p, &output, &errors, &end, &e);
}

static struct process shell_of(const char *script)
{
    static const char *argv[] = {"/bin/sh", "-c", NULL, NULL};

    argv[2] = script;
    return usual(argv);
}

static enum err_code run_shell(const char *script)
{
    const struct process p = shell_of(script);

    return run(&p);
}

static void it_gets_arguments_environment_and_input(void **state)
{
    static const char *const argv[] = {
        "/bin/sh", "-c", "echo \"$1 $2|$A\"; cat; echo bad >&2", "name", "a b", "c;d", NULL};
    static const char *const env[] = {"PATH=/usr/bin:/bin", "A=1", NULL};
    struct process p = usual(argv);

    (void)state;
    p.env = env;
    p.input = STR("in\nput");
    assert_int_equal(run(&p), ERR_OK);
    assert_string_equal(buf_text(&output), "a b c;d|1\nin\nput");
    assert_string_equal(buf_text(&errors), "bad\n");
    assert_int_equal(end.status, 0);
    assert_int_equal(end.signal, 0);
}

static void variables_of_this_process_are_not_its(void **state)
{
    static const char *const argv[] = {"/usr/bin/env", NULL};
    const struct process p = usual(argv);

    (void)state;
    assert_int_equal(run(&p), ERR_OK);
    assert_string_equal(buf_text(&output), "PATH=/usr/bin:/bin\n");
}

static void a_status_is_told_and_no_error(void **state)
{
    (void)state;
    assert_int_equal(run_shell("exit 7"), ERR_OK);
    assert_int_equal(end.status, 7);
    assert_int_equal(end.signal, 0);
}

static void the_signal_that_ended_it_is_told(void **state)
{
    (void)state;
    assert_int_equal(run_shell("kill -SEGV $$"), ERR_OK);
    assert_int_equal(end.status, -1);
    assert_int_equal(end.signal, SIGSEGV);
}

static void it_inherits_no_blocked_or_ignored_signal(void **state)
{
    sigset_t all, before;

    (void)state;
    sigfillset(&all);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &all, &before), 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    assert_int_equal(run_shell("grep -E '^Sig(Blk|Ign)' /proc/self/status"), ERR_OK);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    assert_string_equal(buf_text(&output),
                        "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

/* Also those that nobody marked as closed at exec. The shell's list has the directory it reads. */
static void it_inherits_no_descriptor(void **state)
{
    int left_open = open("/dev/null", O_RDONLY);

    (void)state;
    assert_true(left_open > 2);
    assert_int_equal(fcntl(left_open, F_DUPFD, 200), 200);
    assert_int_equal(run_shell("cd /proc/self/fd && echo *"), ERR_OK);
    close(left_open);
    close(200);
    assert_string_equal(buf_text(&output), "0 1 2 3\n");
}

static void a_program_that_is_not_there_is_named(void **state)
{
    static const char *const argv[] = {"/nowhere/scanner", NULL};
    const struct process p = usual(argv);

    (void)state;
    assert_int_equal(run(&p), ERR_INTERNAL);
    assert_string_equal(e.detail, "start /nowhere/scanner: No such file or directory");
}

/* Until nothing runs under that number; an orphan's parent may be slow to collect it. */
static void assert_gone(long pid)
{
    int64_t until_ms = clock_mono_ms() + 10000;
    char path[64], state = 0;

    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    do {
        AUTO(file) FILE *f = fopen(path, "r");

        if (!f || fscanf(f, "%*d (%*[^)]) %c", &state) != 1 || state == 'Z')
            return;
    } while (clock_mono_ms() < until_ms);
    fail_msg("process %ld is in state %c", pid, state);
}

static void the_deadline_ends_it_and_its_children(void **state)
{
    struct process p = shell_of("sleep 1000 & echo $!; echo $$; wait");
    long child, own;

    (void)state;
    p.deadline_ms = clock_mono_ms() + 2000; /* enough to say so much */
    assert_int_equal(run(&p), ERR_TIMEOUT);
    assert_true(clock_mono_ms() >= p.deadline_ms);
    assert_int_equal(sscanf(buf_text(&output), "%ld %ld", &child, &own), 2);
    assert_gone(child);
    assert_gone(own);
}

static void what_it_left_running_is_ended_and_not_waited_for(void **state)
{
    long child;

    (void)state;
    assert_int_equal(run_shell("sleep 1000 & echo $!"), ERR_OK);
    assert_int_equal(end.status, 0);
    assert_int_equal(sscanf(buf_text(&output), "%ld", &child), 1);
    assert_gone(child);
}

static void it_ends_sooner_when_told_to(void **state)
{
    struct process p = shell_of("sleep 1000");

    (void)state;
    p.stop_fd = eventfd(1, EFD_CLOEXEC);
    assert_true(p.stop_fd >= 0);
    assert_int_equal(run(&p), ERR_UNAVAILABLE);
    close(p.stop_fd);
}

static void output_up_to_the_bound_is_taken(void **state)
{
    (void)state;
    assert_int_equal(run_shell("head -c 65536 /dev/zero"), ERR_OK);
    assert_int_equal(output.n, 65536);
}

static void more_output_than_the_bound_ends_it(void **state)
{
    (void)state;
    assert_int_equal(run_shell("yes"), ERR_INTERNAL);
    assert_string_equal(e.detail, "/bin/sh writes more than 65536 bytes");
    assert_int_equal(output.n, 65536);
}

static void more_errors_than_the_bound_are_dropped(void **state)
{
    (void)state;
    assert_int_equal(run_shell("head -c 1000000 /dev/zero >&2; echo done"), ERR_OK);
    assert_string_equal(buf_text(&output), "done\n");
    assert_int_equal(errors.n, 1024);
    assert_true(errors.full);
}

static void its_memory_is_bounded(void **state)
{
    struct process p = shell_of("dd if=/dev/zero of=/dev/null bs=256M count=1");

    (void)state;
    assert_int_equal(run(&p), ERR_OK);
    assert_int_equal(end.status, 0);
    p.memory_bytes = 64 << 20;
    assert_int_equal(run(&p), ERR_OK);
    assert_int_equal(end.status, 1);
}

static void it_runs_in_the_directory_that_was_named(void **state)
{
    struct process p = shell_of("pwd");

    (void)state;
    p.dir = "/usr/lib";
    assert_int_equal(run(&p), ERR_OK);
    assert_string_equal(buf_text(&output), "/usr/lib\n");
    p.dir = "/nowhere";
    assert_int_equal(run(&p), ERR_INTERNAL);
}

/* More than a buf of its output would hold. */
static void a_file_takes_its_output(void **state)
{
    struct process p = shell_of("head -c 100000 /dev/zero; echo bad >&2");
    AUTO(fd) int fd = memfd_create("output", MFD_CLOEXEC);
    struct stat st;

    (void)state;
    p.output_fd = fd;
    assert_int_equal(run(&p), ERR_OK);
    assert_int_equal(end.status, 0);
    assert_int_equal(output.n, 0);
    assert_string_equal(buf_text(&errors), "bad\n");
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 100000);
}

static void a_file_that_grows_too_large_ends_it(void **state)
{
    struct process p = shell_of("exec cat /dev/zero");
    AUTO(fd) int fd = memfd_create("output", MFD_CLOEXEC);
    struct stat st;

    (void)state;
    p.output_fd = fd;
    p.file_bytes = 1 << 20;
    assert_int_equal(run(&p), ERR_OK);
    assert_int_equal(end.signal, SIGXFSZ);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 1 << 20);
}

static void its_time_of_cpu_is_bounded(void **state)
{
    struct process p = shell_of("while :; do :; done");

    (void)state;
    p.cpu_s = 1;
    assert_int_equal(run(&p), ERR_OK);
    assert_int_equal(end.signal, SIGXCPU);
}

/* tail keeps all of it, for no line ends. */
static void memory_that_it_takes_ends_it(void **state)
{
    struct process p = usual((const char *const[]){"/usr/bin/tail", "/dev/zero", NULL});

    (void)state;
    p.resident_bytes = 64 << 20;
    assert_int_equal(run(&p), ERR_INTERNAL);
    assert_string_equal(e.detail, "/usr/bin/tail takes more than 67108864 bytes of memory");
}

static void it_is_as_much_less_urgent_as_was_said(void **state)
{
    struct process p = shell_of("nice");
    int own = getpriority(PRIO_PROCESS, 0), its;

    (void)state;
    p.nice = 3;
    assert_int_equal(run(&p), ERR_OK);
    assert_int_equal(sscanf(buf_text(&output), "%d", &its), 1);
    assert_int_equal(its, own + 3 < 19 ? own + 3 : 19);
}

/* Who is not root can't make it anybody else's. */
static void it_can_be_of_another_user(void **state)
{
    struct process p = shell_of("id -u; id -g; id -G");

    (void)state;
    p.uid = 65534;
    p.gid = 65533;
    if (getuid() == 0) {
        assert_int_equal(run(&p), ERR_OK);
        assert_string_equal(buf_text(&output), "65534\n65533\n65533\n");
    } else {
        assert_int_not_equal(run(&p), ERR_OK);
    }
}

/* Where the kernel lets anybody: in some containers it does not. */
static void write_text(const char *path, const char *text)
{
    AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0 && file_write_all(fd, text, strlen(text)) == 0);
}

/* What the kernel can't bound is as it was. */
static bool kernel_bounds_writing(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

static void it_can_write_to_nothing_but_what_it_was_given(void **state)
{
    static const char *const own[] = {"in", NULL};
    char dir[TEMP_DIR_MAX], in[TEMP_PATH_MAX], file[TEMP_PATH_MAX];
    struct process p =
        shell_of("(echo a > in/file) && mkdir in/new && mv in/file in/new && "
                 "cat file > /dev/null && echo wrote;"
                 "(echo b > file) || (rm file) || (ln file in/link) || (mkdir new) || "
                 "mv file in || mv in/new . || echo refused; cat file");

    (void)state;
    temp_dir_make(dir, TEMP_DIR_MEMORY);
    snprintf(in, sizeof(in), "%s/in", dir);
    snprintf(file, sizeof(file), "%s/file", dir);
    assert_int_equal(mkdir(in, 0700), 0);
    write_text(file, "kept");
    p.dir = dir;
    p.writable = own;
    assert_int_equal(run(&p), ERR_OK);
    if (kernel_bounds_writing())
        assert_string_equal(buf_text(&output), "wrote\nrefused\nkept");
    temp_dir_remove(dir);
}

static void it_can_be_without_a_network(void **state)
{
    struct process p;
    char own[64] = "";
    bool may;

    (void)state;
    assert_int_equal(run_shell("unshare -n true || unshare -Un true"), ERR_OK);
    may = end.status == 0;
    assert_true(readlink("/proc/self/ns/net", own, sizeof(own) - 1) > 0);
    p = shell_of("readlink /proc/self/ns/net");
    p.offline = true;
    assert_int_equal(run(&p), ERR_OK);
    assert_int_equal(end.status, 0);
    assert_true(str_starts(buf_str(&output), STR("net:[")));
    assert_int_equal(!str_starts(buf_str(&output), str_of(own)), may);
}

static enum err_code refuse_the_third(void *ctx, struct err *why)
{
    int *looks = ctx;

    return ++*looks < 3 ? ERR_OK : err_set(why, ERR_STORAGE_FULL, "too much");
}

static void a_look_at_it_can_end_it(void **state)
{
    struct process p = shell_of("sleep 1000");
    int looks = 0;

    (void)state;
    p.look = refuse_the_third;
    p.look_ctx = &looks;
    assert_int_equal(run(&p), ERR_STORAGE_FULL);
    assert_int_equal(looks, 3);
}

static void nothing_of_it_stays_in_this_process(void **state)
{
    int before = open("/dev/null", O_RDONLY | O_CLOEXEC), after;

    (void)state;
    assert_true(before >= 0);
    close(before);
    assert_int_equal(run_shell("exit 1"), ERR_OK);
    assert_int_equal(run_shell("yes"), ERR_INTERNAL);
    after = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(after);
    assert_int_equal(after, before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(it_gets_arguments_environment_and_input),
        T(variables_of_this_process_are_not_its),
        T(a_status_is_told_and_no_error),
        T(the_signal_that_ended_it_is_told),
        T(it_inherits_no_blocked_or_ignored_signal),
        T(it_inherits_no_descriptor),
        T(a_program_that_is_not_there_is_named),
        T(the_deadline_ends_it_and_its_children),
        T(what_it_left_running_is_ended_and_not_waited_for),
        T(it_ends_sooner_when_told_to),
        T(output_up_to_the_bound_is_taken),
        T(more_output_than_the_bound_ends_it),
        T(more_errors_than_the_bound_are_dropped),
        T(its_memory_is_bounded),
        T(it_runs_in_the_directory_that_was_named),
        T(a_file_takes_its_output),
        T(a_file_that_grows_too_large_ends_it),
        T(its_time_of_cpu_is_bounded),
        T(memory_that_it_takes_ends_it),
        T(it_is_as_much_less_urgent_as_was_said),
        T(it_can_be_of_another_user),
        T(it_can_be_without_a_network),
        T(it_can_write_to_nothing_but_what_it_was_given),
        T(a_look_at_it_can_end_it),
        T(nothing_of_it_stays_in_this_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
