/* Trivy as a shell script that takes its place. */
#include "scan/trivy.h"

#include "base/clock.h"
#include "base/file.h"
#include "data_files.h"
#include "scan/generation.h"
#include "temp_dir.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#define LONG_MS    60000
#define PATH_BYTES 512
#define FOUND                                                                                      \
    "echo '{\"SchemaVersion\":2,\"Results\":[{\"Packages\":[{}],\"Vulnerabilities\":[{"            \
    "\"VulnerabilityID\":\"CVE-1\",\"PkgName\":\"p\",\"Severity\":\"LOW\"}]}]}'"

#define SYSTEM(class)                                                                              \
    "echo '{\"SchemaVersion\":2,\"Metadata\":{\"OS\":{\"Family\":\"alpine\",\"Name\":\"3.99\"}},"  \
    "\"Results\":[{\"Class\":" class ",\"Packages\":[{}]}]}'"

static char dir[TEMP_DIR_MAX], program[TEMP_PATH_MAX], data[TEMP_PATH_MAX], work[TEMP_PATH_MAX];
static struct conf_scan conf;
static struct scan_order order;
static struct digest digest;
static struct finding_list list;
static struct scan_facts facts;
static struct err e;

static void write_script(const char *text)
{
    AUTO(file) FILE *f = fopen(program, "w");

    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s\n", text);
    assert_int_equal(fchmod(fileno(f), 0755), 0);
}

static void make_data(void)
{
    AUTO(generations) struct generations g = {.fd = -1};
    AUTO(data_draft) struct data_draft d = {0};
    char from[PATH_BYTES];

    assert_int_equal(generations_open(data, &g, &e), ERR_OK);
    assert_int_equal(data_draft_new(&g, &d, &e), ERR_OK);
    data_files_db(data, "2026-11-01T00:00:00Z");
    snprintf(from, sizeof(from), "%s/db", data);
    assert_int_equal(data_draft_copy(&d, DATA_DB, from, "test", NULL, NULL, &e), ERR_OK);
    assert_int_equal(data_draft_switch(&d, &e), ERR_OK);
}

static int setup(void **state)
{
    char image[PATH_BYTES];

    (void)state;
    temp_dir_make(dir, TEMP_DIR_DISK);
    snprintf(program, sizeof(program), "%s/trivy", dir);
    snprintf(data, sizeof(data), "%s/data", dir);
    snprintf(work, sizeof(work), "%s/work", dir);
    assert_int_equal(mkdir(work, 0755), 0);
    snprintf(image, sizeof(image), "%s/" SCAN_IMAGE_DIR, work);
    assert_int_equal(mkdir(image, 0755), 0);
    make_data();
    conf = (struct conf_scan){.max_report_bytes = 1 << 20,
                              .trivy = {.path = program,
                                        .server = (char *)"",
                                        .server_token_file = (char *)"",
                                        .user = (char *)"",
                                        .isolate = true,
                                        .timeout_ms = LONG_MS,
                                        .workers = 1,
                                        .memory_bytes = 1 << 30,
                                        .file_bytes = 8 << 20,
                                        .processors = 1}};
    digest_of(DIGEST_SHA256, "x", 1, &digest);
    order = (struct scan_order){
        .dir = work, .digest = &digest, .deadline_ms = clock_mono_ms() + LONG_MS, .stop_fd = -1};
    finding_list_init(&list, 100, 1 << 20);
    facts = (struct scan_facts){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    finding_list_done(&list);
    temp_dir_remove(dir);
    return 0;
}

static enum err_code scan_by(const char *script)
{
    AUTO(scanner) struct scanner *s = NULL;

    write_script(script);
    TRY(scanner_trivy_open(&conf, data, &s, &e));
    return s->driver->scan(s, &order, &list, &facts, &e);
}

static void assert_fails(enum err_code code, const char *script, const char *why)
{
    assert_string_equal(err_name(code), err_name(scan_by(script)));
    if (!strstr(e.detail, why))
        fail_msg("'%s' is not in '%s'", why, e.detail);
    assert_int_equal(list.n, 0);
}

static void read_file(const char *name, struct buf *ret)
{
    char path[PATH_BYTES];

    buf_init(ret, 65536);
    snprintf(path, sizeof(path), "%s/%s", work, name);
    assert_int_equal(file_read_at(AT_FDCWD, path, ret, &e), ERR_OK);
}

static void what_it_finds_is_told(void **state)
{
    (void)state;
    assert_int_equal(scan_by(FOUND), ERR_OK);
    assert_int_equal(list.n, 1);
    assert_int_equal(facts.packages, 1);
    assert_string_equal(facts.scanner, "trivy");
    assert_true(facts.data_ms > 0);
    assert_false(facts.partial);
}

static void it_is_told_all_by_its_arguments_and_has_nothing_of_ours(void **state)
{
    AUTO(buf) struct buf args = {0};
    AUTO(buf) struct buf env = {0};

    (void)state;
    setenv("TRIVY_IGNOREFILE", "/evil", 1);
    assert_int_equal(
        scan_by("echo \"$*\" >tmp/args; env | sort >tmp/env; test -d cache/db || exit 3; " FOUND),
        ERR_OK);
    unsetenv("TRIVY_IGNOREFILE");
    read_file("tmp/args", &args);
    read_file("tmp/env", &env);
    assert_true(str_starts(buf_str(&args), STR("image --scanners vuln --format json ")));
    assert_non_null(strstr(buf_text(&args), " --skip-db-update --skip-java-db-update "));
    assert_null(strstr(buf_text(&env), "TRIVY"));
    assert_non_null(strstr(buf_text(&env), "\nGOMEMLIMIT=805306368\n"));
    assert_non_null(strstr(buf_text(&env), "\nTMPDIR=tmp\n"));
}

static void a_list_of_packages_is_read_instead_of_the_image(void **state)
{
    AUTO(buf) struct buf args = {0};
    char path[PATH_BYTES];

    (void)state;
    snprintf(path, sizeof(path), "%s/list.json", work);
    order.sbom = path;
    assert_int_equal(scan_by("echo \"$*\" >tmp/args; " FOUND), ERR_OK);
    read_file("tmp/args", &args);
    assert_true(str_starts(buf_str(&args), STR("sbom ")));
    assert_true(str_ends(buf_str(&args), STR(" list.json\n")));
}

static enum err_code list_by(const char *script, enum sbom_format format)
{
    AUTO(scanner) struct scanner *s = NULL;

    write_script(script);
    TRY(scanner_trivy_open(&conf, data, &s, &e));
    return s->driver->sbom(s, &order, format, "list.json", &e);
}

static void a_list_of_packages_has_no_vulnerabilities(void **state)
{
    AUTO(buf) struct buf text = {0};

    (void)state;
    assert_int_equal(scan_by(FOUND), ERR_OK);
    assert_int_equal(list_by("for a; do printf '<%s>' \"$a\"; done", SBOM_SPDX), ERR_OK);
    read_file("list.json", &text);
    assert_string_equal(buf_text(&text),
                        "<convert><--quiet><--severity><><--format><spdx-json><report.json>");
}

static void a_list_that_can_not_be_made_is_told(void **state)
{
    (void)state;
    assert_int_equal(scan_by(FOUND), ERR_OK);
    assert_int_equal(list_by("echo 'what is that?' >&2; exit 1", SBOM_CYCLONEDX), ERR_INTERNAL);
    assert_non_null(strstr(e.detail, "what is that?"));
}

static void the_image_is_called_by_its_digest(void **state)
{
    AUTO(buf) struct buf args = {0};

    (void)state;
    assert_int_equal(
        scan_by("echo \"$*\" >tmp/args; for a; do :; done; [ -d \"$a\" ] || exit 3; " FOUND),
        ERR_OK);
    read_file("tmp/args", &args);
    assert_non_null(strstr(buf_text(&args), " --input sha256-"));
}

/* In directories that are nobody else's. Who is not root runs it as itself. */
static void it_runs_as_the_user_that_was_said(void **state)
{
    AUTO(buf) struct buf text = {0};
    const char *expected = getuid() == 0 ? "65534\n" : "";

    (void)state;
    conf.trivy.user = (char *)"nobody";
    assert_int_equal(chmod(work, 0700), 0);
    assert_int_equal(chmod(dir, 0755), 0);
    assert_int_equal(scan_by("id -u >tmp/me && ls -l . >/dev/null && " FOUND), ERR_OK);
    read_file("tmp/me", &text);
    assert_true(str_starts(buf_str(&text), str_of(expected)));
}

static void why_it_failed_is_told(void **state)
{
    (void)state;
    assert_fails(ERR_INTERNAL,
                 "printf '2026\\tFATAL\\tFatal error\\tinit error: x\\033[1m\\n\\t* remote error: "
                 "y\\n\\n' >&2; exit 1",
                 "the scanner failed with status 1: init error: x [1m: * remote error: y");
    assert_fails(ERR_INTERNAL, "exit 2", "the scanner failed with status 2: it said nothing");
    assert_fails(ERR_INTERNAL, "kill -SEGV $$", "the scanner was ended by signal 11");
}

static void an_image_that_can_not_be_read_is_told_apart(void **state)
{
    (void)state;
    assert_fails(ERR_NOT_ANALYZABLE,
                 "printf '2026\\tFATAL\\tFatal error\\twalk error: unexpected EOF\\n' >&2; exit 1",
                 "the image can't be read: walk error: unexpected EOF");
    assert_true(e.public_detail);
}

static void behind_a_server_a_cut_connection_is_not_the_images_fault(void **state)
{
    (void)state;
    conf.trivy.server = (char *)"http://127.0.0.1:1";
    assert_fails(ERR_INTERNAL,
                 "printf '2026\\tFATAL\\tFatal error\\tunexpected EOF\\n' >&2; exit 1",
                 "the scanner failed with status 1: unexpected EOF");
}

static void what_it_chatters_is_no_reason(void **state)
{
    (void)state;
    assert_fails(
        ERR_INTERNAL,
        "printf '2026\\tFATAL\\tFatal error\\tx\\n2026\\tWARN\\ty\\n2026\\tINFO\\tz\\n' >&2; "
        "exit 1",
        "the scanner failed with status 1: x");
}

static void a_release_that_it_does_not_know_is_told(void **state)
{
    (void)state;
    assert_int_equal(
        scan_by("printf '2026\\tWARN\\tThis OS version is not on the EOL list\\n' >&2; " SYSTEM(
            "\"os-pkgs\"")),
        ERR_OK);
    assert_true(facts.os_unread && facts.partial);
    assert_string_equal(facts.note, "the scanner does not know the release alpine 3.99");
}

static void a_distribution_whose_packages_it_does_not_know_is_told(void **state)
{
    (void)state;
    assert_int_equal(scan_by(SYSTEM("\"lang-pkgs\"")), ERR_OK);
    assert_true(facts.os_unread && facts.partial);
    assert_string_equal(facts.note, "no packages of alpine 3.99 were found that the scanner knows");
}

static void words_that_are_lost_are_not_taken_for_good_ones(void **state)
{
    (void)state;
    assert_int_equal(scan_by("yes chatter | head -c 400000 >&2; " SYSTEM("\"os-pkgs\"")), ERR_OK);
    assert_true(facts.os_unread);
}

static void a_release_that_it_knows_is_read(void **state)
{
    (void)state;
    assert_int_equal(scan_by(SYSTEM("\"os-pkgs\"")), ERR_OK);
    assert_false(facts.os_unread || facts.partial);
}

static void its_version_is_that_of_the_program_that_is_there_now(void **state)
{
    AUTO(scanner) struct scanner *s = NULL;
    char version[SCAN_VERSION_SIZE];

    (void)state;
    write_script("[ $1 = version ] && echo '{\"Version\":\"0.1\"}'");
    assert_int_equal(scanner_trivy_open(&conf, data, &s, &e), ERR_OK);
    s->driver->version(s, version);
    assert_string_equal(version, "0.1");
    unlink(program);
    write_script("[ $1 = version ] && echo '{\"Version\":\"0.22\"}'");
    s->driver->version(s, version);
    assert_string_equal(version, "0.22");
    unlink(program);
    s->driver->version(s, version);
    assert_string_equal(version, "");
}

static void *ask_version(void *arg)
{
    static char version[SCAN_VERSION_SIZE];
    struct scanner *s = arg;

    s->driver->version(s, version);
    return version;
}

static void who_asks_for_the_version_keeps_nobody_waiting(void **state)
{
    AUTO(scanner) struct scanner *s = NULL;
    AUTO(fd) int go = -1;
    char version[SCAN_VERSION_SIZE], script[PATH_BYTES + 64], fifo[PATH_BYTES];
    pthread_t thread;
    void *said;

    (void)state;
    snprintf(fifo, sizeof(fifo), "%s/go", dir);
    assert_int_equal(mkfifo(fifo, 0644), 0);
    snprintf(script, sizeof(script), "read x <%s; echo '{\"Version\":\"0.1\"}'", fifo);
    write_script(script);
    assert_int_equal(scanner_trivy_open(&conf, data, &s, &e), ERR_OK);
    assert_int_equal(pthread_create(&thread, NULL, ask_version, s), 0);
    go = open(fifo, O_WRONLY | O_CLOEXEC); /* it runs */
    assert_true(go >= 0);
    s->driver->version(s, version);
    assert_string_equal(version, "");
    assert_int_equal(file_write_all(go, "\n", 1), 0);
    pthread_join(thread, &said);
    assert_string_equal(said, "0.1");
    s->driver->version(s, version);
    assert_string_equal(version, "0.1");
}

static void one_that_hangs_is_ended_at_the_deadline(void **state)
{
    (void)state;
    order.deadline_ms = clock_mono_ms() + 500;
    assert_fails(ERR_TIMEOUT, "trap '' TERM; while :; do sleep 1; done", "took too long");
}

static void one_is_ended_when_told_to(void **state)
{
    (void)state;
    order.stop_fd = eventfd(1, EFD_CLOEXEC);
    assert_fails(ERR_UNAVAILABLE, "sleep 100", "was stopped");
    close(order.stop_fd);
}

static void one_that_says_too_much_is_ended(void **state)
{
    (void)state;
    assert_fails(ERR_BODY_TOO_LARGE, "yes", "the scanner says more than 1048576 bytes");
}

static void one_that_fills_the_disk_is_ended(void **state)
{
    (void)state;
    assert_fails(ERR_BODY_TOO_LARGE,
                 "for i in 1 2 3 4 5 6; do head -c 4000000 /dev/zero >tmp/$i; done; sleep 100",
                 "the scanner wrote more than 8388608 bytes");
}

static void an_answer_that_is_none_is_an_error(void **state)
{
    (void)state;
    assert_fails(ERR_INTERNAL, "exit 0", "its report is empty");
    assert_fails(ERR_INTERNAL, "echo '{\"SchemaVersion\":2,\"Results\":['",
                 "its report is no JSON");
    assert_fails(ERR_INTERNAL, "echo '{\"SchemaVersion\":2,\"Results\":\"\"}'", "is no list");
}

static void without_an_index_java_is_read_as_far_as_it_goes(void **state)
{
    (void)state;
    assert_int_equal(scan_by("test -e cache/java-db/trivy-java.db && { " FOUND "; exit; }\n"
                             "echo 'FATAL Unable to initialize the Java DB: --skip-java-db-update "
                             "cannot be specified "
                             "on the first run' >&2; exit 1"),
                     ERR_OK);
    assert_int_equal(list.n, 1);
    assert_true(facts.partial);
    assert_non_null(strstr(facts.note, "there is no Java index"));
}

/* A scanner that was taken over leaves a link where the server writes next. */
static void what_it_leaves_in_its_cache_leads_us_nowhere(void **state)
{
    char script[1024], path[PATH_BYTES];
    struct stat st;

    (void)state;
    snprintf(path, sizeof(path), "%s/elsewhere", dir);
    assert_int_equal(mkdir(path, 0777), 0);
    snprintf(script, sizeof(script),
             "test -e cache/java-db/trivy-java.db && { " FOUND "; exit; }\n"
             "ln -s %s cache/java-db\n"
             "echo 'FATAL Unable to initialize the Java DB: on the first run' >&2; exit 1",
             path);
    assert_int_equal(scan_by(script), ERR_OK);
    snprintf(path, sizeof(path), "%s/elsewhere/trivy-java.db", dir);
    assert_int_not_equal(stat(path, &st), 0);
    snprintf(path, sizeof(path), "%s/elsewhere/metadata.json", dir);
    assert_int_not_equal(stat(path, &st), 0);
}

/* Where its user has the directory. */
static void a_link_in_place_of_its_report_is_not_followed(void **state)
{
    AUTO(buf) struct buf text = {0};
    char victim[PATH_BYTES], report[PATH_BYTES];
    AUTO(file) FILE *f = NULL;

    (void)state;
    snprintf(victim, sizeof(victim), "%s/victim", dir);
    f = fopen(victim, "w");
    assert_non_null(f);
    fputs("kept", f);
    fflush(f);
    snprintf(report, sizeof(report), "%s/report.json", work);
    assert_int_equal(symlink(victim, report), 0);
    assert_int_equal(scan_by(FOUND), ERR_OK);
    buf_init(&text, 100);
    assert_int_equal(file_read_at(AT_FDCWD, victim, &text, &e), ERR_OK);
    assert_string_equal(buf_text(&text), "kept");
}

/* Where the kernel lets nobody do without a network, it has one. */
static bool may_be_offline(void)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0)
        _exit(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 || unshare(CLONE_NEWNET) == 0 ? 0 : 1);
    waitpid(pid, &status, 0);
    return status == 0;
}

static void it_is_less_urgent_and_has_no_network(void **state)
{
    AUTO(buf) struct buf nice = {0};
    AUTO(buf) struct buf net = {0};
    int now = getpriority(PRIO_PROCESS, 0);

    (void)state;
    conf.trivy.nice = 7;
    assert_int_equal(scan_by("nice >tmp/nice; cat /proc/self/net/dev >tmp/net; " FOUND), ERR_OK);
    read_file("tmp/nice", &nice);
    read_file("tmp/net", &net);
    assert_int_equal(atoi(buf_text(&nice)), now + 7 < 19 ? now + 7 : 19);
    if (may_be_offline())
        assert_null(strstr(buf_text(&net), "eth"));
}

static void a_program_that_is_not_there_is_named(void **state)
{
    AUTO(scanner) struct scanner *s = NULL;

    (void)state;
    conf.trivy.path = (char *)"no-such-scanner";
    assert_int_equal(scanner_trivy_open(&conf, data, &s, &e), ERR_OK);
    assert_int_equal(s->driver->scan(s, &order, &list, &facts, &e), ERR_UNAVAILABLE);
    assert_string_equal(e.detail,
                        "there is no program 'no-such-scanner' in PATH (scan.trivy.path)");
}

static void without_data_it_is_not_run(void **state)
{
    (void)state;
    snprintf(data, sizeof(data), "%s/none", dir);
    assert_fails(ERR_UNAVAILABLE, FOUND, "");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_it_finds_is_told),
        T(it_is_told_all_by_its_arguments_and_has_nothing_of_ours),
        T(a_list_of_packages_is_read_instead_of_the_image),
        T(a_list_of_packages_has_no_vulnerabilities),
        T(a_list_that_can_not_be_made_is_told),
        T(the_image_is_called_by_its_digest),
        T(it_runs_as_the_user_that_was_said),
        T(why_it_failed_is_told),
        T(an_image_that_can_not_be_read_is_told_apart),
        T(behind_a_server_a_cut_connection_is_not_the_images_fault),
        T(what_it_chatters_is_no_reason),
        T(a_release_that_it_does_not_know_is_told),
        T(a_distribution_whose_packages_it_does_not_know_is_told),
        T(words_that_are_lost_are_not_taken_for_good_ones),
        T(a_release_that_it_knows_is_read),
        T(its_version_is_that_of_the_program_that_is_there_now),
        T(who_asks_for_the_version_keeps_nobody_waiting),
        T(one_that_hangs_is_ended_at_the_deadline),
        T(one_is_ended_when_told_to),
        T(one_that_says_too_much_is_ended),
        T(one_that_fills_the_disk_is_ended),
        T(an_answer_that_is_none_is_an_error),
        T(without_an_index_java_is_read_as_far_as_it_goes),
        T(what_it_leaves_in_its_cache_leads_us_nowhere),
        T(a_link_in_place_of_its_report_is_not_followed),
        T(it_is_less_urgent_and_has_no_network),
        T(a_program_that_is_not_there_is_named),
        T(without_data_it_is_not_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
