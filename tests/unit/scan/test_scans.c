/* Scans by a driver that finds what the test tells it to. */
#include "scan/scans.h"

#include "base/clock.h"
#include "core/background.h"
#include "core/outbox.h"
#include "core/own_repo.h"
#include "core/remove.h"
#include "core/scan_wish.h"
#include "jobs/jobs.h"
#include "scan/changed.h"
#include "scan/findings_blob.h"
#include "scan/rescan.h"
#include "scan/retry.h"
#include "scan/sbom.h"
#include "unit/core/support.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

static struct world w;
static struct scans *scans;
static char dir[TEMP_DIR_MAX];
static struct err e;

/* What the driver does. */
static struct {
    struct scanner scanner;
    _Atomic int64_t data_ms;
    atomic_int runs, at_once, most_at_once;
    atomic_int findings;       /* of each image */
    atomic_int code;           /* enum err_code */
    _Atomic bool hang;         /* until it is stopped */
    _Atomic bool slow;         /* a little */
    _Atomic bool blind;        /* finds no packages at all */
    _Atomic bool partial;      /* passes something over */
    _Atomic bool purls;        /* of packages are known */
    _Atomic bool unsaid;       /* how old its data is */
    _Atomic bool sboms;        /* can be made */
    _Atomic bool saw_sbom;     /* which was read instead of the image */
    _Atomic bool hang_in_list; /* as `hang`, when a list of packages is made */
    _Atomic int version;
    _Atomic bool hold; /* until it is false */
    struct digest order[16];
} fake;

static enum err_code fake_data(struct scanner *s, int64_t *ret, struct err *error)
{
    (void)s;
    if (fake.data_ms == 0 && !fake.unsaid)
        return err_set(error, ERR_UNAVAILABLE, "there is no data");
    *ret = fake.data_ms;
    return ERR_OK;
}

static void pause_a_little(void)
{
    struct timespec t = {.tv_nsec = 3000000};

    nanosleep(&t, NULL);
}

static void add_findings(struct finding_list *l)
{
    char cve[32];

    for (int i = 0; i < fake.findings; i++) {
        struct finding f = {.severity = (enum severity)(i % SEVERITIES),
                            .package = STR("openssl"),
                            .installed = STR("1.0"),
                            .fixed = i % 2 ? STR("1.1") : STR(""),
                            .score = -1};

        snprintf(cve, sizeof(cve), "CVE-%d", i);
        f.cve = str_of(cve);
        f.purl = fake.purls ? STR("pkg:apk/alpine/openssl@1.0") : STR("");
        assert_ok(finding_list_add(l, &f, ERR_IGNORED));
    }
}

static enum err_code fake_scan(struct scanner *s, const struct scan_order *o,
                               struct finding_list *l, struct scan_facts *facts, struct err *error)
{
    int n = atomic_fetch_add(&fake.at_once, 1) + 1;
    struct pollfd stop = {o->stop_fd, POLLIN, 0};

    (void)s;
    if (n > fake.most_at_once)
        fake.most_at_once = n;
    fake.order[atomic_fetch_add(&fake.runs, 1) % 16] = *o->digest;
    while (fake.hold)
        pause_a_little();
    fake.saw_sbom = o->sbom != NULL;
    if (fake.hang)
        poll(&stop, 1, 30000);
    if (fake.slow)
        pause_a_little();
    atomic_fetch_sub(&fake.at_once, 1);
    if (fake.hang)
        return err_set(error, ERR_UNAVAILABLE, "it was stopped");
    if (fake.code != ERR_OK)
        return err_set(error, (enum err_code)fake.code, "as the test wants it");
    add_findings(l);
    facts->packages = fake.blind ? 0 : 7;
    facts->partial = fake.partial;
    snprintf(facts->scanner, sizeof(facts->scanner), "Stand-in");
    snprintf(facts->version, sizeof(facts->version), "%d", fake.version);
    return ERR_OK;
}

static enum err_code fake_sbom(struct scanner *s, const struct scan_order *o,
                               enum sbom_format format, const char *name, struct err *error)
{
    struct pollfd stop = {o->stop_fd, POLLIN, 0};
    char path[4096];
    FILE *list;

    (void)s;
    if (fake.hang_in_list)
        poll(&stop, 1, 30000);
    if (!fake.sboms)
        return err_set(error, ERR_INTERNAL, "as the test wants it");
    snprintf(path, sizeof(path), "%s/%s", o->dir, name);
    list = fopen(path, "wx");
    assert_non_null(list);
    fprintf(list, "%s of %s", sbom_format_name(format), o->digest->text);
    fclose(list);
    return ERR_OK;
}

static void fake_version(struct scanner *s, char ret[static SCAN_VERSION_SIZE])
{
    (void)s;
    snprintf(ret, SCAN_VERSION_SIZE, "%d", fake.version);
}

static void fake_free(struct scanner *s)
{
    (void)s;
}

static struct scanner_driver driver = {.name = "fake",
                                       .takes_sbom = true,
                                       .scan = fake_scan,
                                       .sbom = fake_sbom,
                                       .data = fake_data,
                                       .version = fake_version,
                                       .free = fake_free};

static void ignore(const char *what, const struct err *problem)
{
    (void)what;
    (void)problem;
}

static void start_jobs(void)
{
    const struct scans_options o = {
        .registry = w.r, .conf = &w.conf->scan, .scanner = &fake.scanner, .dir = dir};

    w.r->jobs = jobs_new(&(struct jobs_options){.meta = w.meta, .poll_ms = 20, .report = ignore});
    w.own_jobs = true;
    assert_ok(scans_new(&o, &scans, &e));
    scans_jobs(scans);
    assert_ok(jobs_start(w.r->jobs, &e));
}

static void stop_jobs(void)
{
    jobs_free(w.r->jobs);
    w.r->jobs = NULL;
    w.own_jobs = false;
    scans_free(STEAL(scans));
}

static int set_up(void **state)
{
    (void)state;
    world_in_memory(&w);
    w.conf->registry.scan_on_push = true;
    temp_dir_make(dir, TEMP_DIR_MEMORY);
    memset(&fake, 0, sizeof(fake));
    driver.counts_packages = true;
    fake.scanner = (struct scanner){&driver, 1};
    fake.data_ms = 1000;
    fake.findings = 10;
    start_jobs();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake.hang = false;
    stop_jobs();
    world_done(&w);
    temp_dir_remove(dir);
    return 0;
}

static const struct repo_name *repo(void)
{
    static struct repo_name name;

    name = repo_of("team/app");
    return &name;
}

static struct digest push(const char *text)
{
    return image_put(&w, "team/app", text, text);
}

/* Until nothing is asked for any more. */
static struct scan_standing settled_in(const char *name, const struct digest *d)
{
    struct repo_name in = repo_of(name);
    struct scan_standing s;

    do {
        pause_a_little();
        assert_ok(scans_standing(w.r, &in, d, &s, &e));
    } while (s.busy != SCAN_NOT_SCANNED || s.result.lists_due);
    return s;
}

static struct scan_standing settled(const struct digest *d)
{
    return settled_in("team/app", d);
}

/* Asked for anew, and over. */
static struct scan_standing forced(const struct digest *d)
{
    enum scan_status status;

    assert_ok(scans_ask(scans, repo(), d, SCAN_ASKED, true, &status, &e));
    return settled(d);
}

static size_t events(const char *name)
{
    AUTO(records) struct meta_record_list l = {0};
    size_t n = 0;

    assert_ok(meta_records(w.meta, OUTBOX, STR(""), 100, &l, &e));
    for (size_t i = 0; i < l.n; i++)
        n += strstr(l.rows[i].value, name) != NULL;
    return n;
}

static void a_pushed_image_is_scanned_and_its_findings_are_kept(void **state)
{
    AUTO(finding_list) struct finding_list l = {0};
    AUTO(record) struct meta_record changed = {0};
    struct digest d = push("one");
    struct scan_standing s = settled(&d);

    (void)state;
    assert_int_equal(scan_standing_status(&s), SCAN_COMPLETED);
    assert_int_equal(scan_result_total(&s.result), 10);
    assert_int_equal(s.result.counts[SEVERITY_CRITICAL], 2);
    assert_int_equal(s.result.fixable[SEVERITY_CRITICAL], 1);
    assert_int_equal(s.result.distinct, 10);
    assert_string_equal(s.result.facts.scanner, "Stand-in");
    assert_string_equal(s.result.driver, "fake");
    assert_int_equal(s.result.facts.data_ms, 1000);
    assert_string_equal(s.result.repos[0].text, "team/app");
    assert_ok(findings_read(w.r, &s.result, SEVERITY_UNKNOWN, &l, &e));
    assert_int_equal(l.n, 10);
    assert_true(l.items[0].since_ms > 0);
    assert_ok(meta_record_get(w.meta, SCAN_CHANGED, SCAN_CHANGED_ALL, &changed, &e));
    assert_int_equal(events("scan.completed"), 1);
    assert_int_equal(events("new_vulnerabilities"), 0);
}

static void a_scan_leaves_no_files(void **state)
{
    struct digest d = push("one");
    AUTO(dir) DIR *found = NULL;

    (void)state;
    settled(&d);
    found = opendir(dir);
    for (struct dirent *entry; (entry = readdir(found));)
        assert_int_equal(entry->d_name[0], '.');
}

static void what_was_scanned_with_the_same_data_is_not_again(void **state)
{
    struct digest d = push("one");
    enum scan_status status;

    (void)state;
    settled(&d);
    assert_ok(scans_ask(scans, repo(), &d, SCAN_ASKED, false, &status, &e));
    assert_int_equal(status, SCAN_COMPLETED);
    assert_int_equal(fake.runs, 1);
    assert_ok(scans_ask(scans, repo(), &d, SCAN_ASKED, true, &status, &e));
    assert_int_equal(status, SCAN_QUEUED);
    settled(&d);
    assert_int_equal(fake.runs, 2);
}

static void new_data_makes_new_findings_that_are_told(void **state)
{
    AUTO(finding_list) struct finding_list l = {0};
    struct digest d = push("one");
    struct scan_standing s = settled(&d);
    int64_t first_ms = s.result.oldest_ms;
    enum scan_status status;
    size_t new = 0;

    (void)state;
    pause_a_little();
    fake.data_ms = 2000;
    fake.findings = 12;
    assert_ok(scans_ask(scans, repo(), &d, SCAN_AGAIN, false, &status, &e));
    s = settled(&d);
    assert_int_equal(scan_result_total(&s.result), 12);
    assert_int_equal(s.result.facts.data_ms, 2000);
    assert_int_equal(events("new_vulnerabilities"), 1);
    assert_ok(findings_read(w.r, &s.result, SEVERITY_UNKNOWN, &l, &e));
    for (size_t i = 0; i < l.n; i++)
        new += l.items[i].since_ms > first_ms;
    assert_int_equal(new, 2);
}

static void what_was_scanned_with_newer_data_is_not_scanned_with_older(void **state)
{
    struct rescan rescan = {.registry = w.r, .conf = &w.conf->scan};
    struct digest d = push("one");
    struct scan_standing s = settled(&d);
    enum scan_status status;

    (void)state;
    fake.data_ms = 900; /* as a server has it that is behind */
    assert_ok(rescan_note(&rescan, 1000, false, &e));
    assert_ok(scans_ask(scans, repo(), &d, SCAN_ASKED, false, &status, &e));
    assert_int_equal(status, SCAN_COMPLETED);
    image_put(&w, "other", "one", "one");
    settled_in("other", &d);
    assert_int_equal(fake.runs, 1);
    assert_ok(rescan_note(&rescan, 900, true, &e)); /* it is what all are to have */
    assert_ok(scans_ask(scans, repo(), &d, SCAN_ASKED, false, &status, &e));
    s = settled(&d);
    assert_int_equal(fake.runs, 2);
    assert_int_equal(s.result.facts.data_ms, 900);
}

static void make_older(const struct digest *d, int64_t by_ms)
{
    AUTO(buf) struct buf json = {0};
    struct scan_result s;
    struct meta_op op;

    assert_ok(scan_result_get(w.r, d, &s, NULL, &e));
    s.scanned_ms -= by_ms;
    buf_init(&json, 65536);
    scan_result_print(&s, &json);
    op = meta_op_record_put(SCAN_RESULTS, digest_str(d), buf_str(&json), META_ANY);
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, &e));
}

static void where_no_age_of_data_is_known_a_result_gets_old_by_itself(void **state)
{
    struct digest d;
    enum scan_status status;

    (void)state;
    fake.data_ms = 0;
    fake.unsaid = true;
    d = push("one");
    settled(&d);
    assert_ok(scans_ask(scans, repo(), &d, SCAN_ASKED, false, &status, &e));
    assert_int_equal(status, SCAN_COMPLETED);
    assert_false(scans_is_due(scans, repo(), &d));
    make_older(&d, (int64_t)2 * 3600 * 1000);
    assert_true(scans_is_due(scans, repo(), &d));
    assert_ok(scans_ask(scans, repo(), &d, SCAN_ASKED, false, &status, &e));
    settled(&d);
    assert_int_equal(fake.runs, 2);
}

static void a_finding_is_known_whether_or_not_it_has_an_address(void **state)
{
    struct digest d = push("one");
    struct scan_standing s = settled(&d);
    int64_t first_ms = s.result.oldest_ms;

    (void)state;
    for (int i = 0; i < 2; i++) { /* it gets one, and loses it */
        pause_a_little();
        fake.purls = !fake.purls;
        s = forced(&d);
        assert_true(s.result.oldest_ms == first_ms);
        assert_int_equal(events("new_vulnerabilities"), 0);
    }
}

static void findings_that_are_lost_do_not_become_new(void **state)
{
    AUTO(finding_list) struct finding_list l = {0};
    struct digest d = push("one");
    struct scan_standing s = settled(&d);
    struct repo_name own = repo_of(SCANS_REPO);
    int64_t first_ms = s.result.oldest_ms;

    (void)state;
    assert_true(first_ms > 0);
    pause_a_little();
    assert_ok(store_blob_delete(w.r->store, &own, &s.result.findings, false, &e));
    s = forced(&d);
    assert_int_equal(fake.runs, 2);
    assert_ok(findings_read(w.r, &s.result, SEVERITY_UNKNOWN, &l, &e));
    assert_int_equal(l.n, 10);
    for (size_t i = 0; i < l.n; i++)
        assert_true(l.items[i].since_ms == first_ms);
    assert_int_equal(events("new_vulnerabilities"), 0);
}

static void what_the_registry_keeps_for_itself_is_scanned_and_nobody_is_told_of_it(void **state)
{
    const struct repo_name held = repo_of(HELD_REPO "key");
    AUTO(mem) char *json = image_json("one", "the layer of all", "");
    const struct push p = {.repo = &held, .bytes = str_of(json), .own = true};
    enum scan_status status;
    struct pushed done;
    struct scan_standing s;

    (void)state;
    blob_put(&w, held.text, STR("one"));
    blob_put(&w, held.text, STR("the layer of all"));
    assert_ok(push_manifest(w.r, &p, &done, &e));
    for (int i = 0; i < 2; i++) {
        fake.findings += i; /* before there is data that has them */
        fake.data_ms += 1000;
        assert_ok(scans_ask(scans, &held, &done.digest, SCAN_ASKED, false, &status, &e));
        s = settled_in(held.text, &done.digest);
        assert_int_equal(scan_result_total(&s.result), fake.findings);
    }
    assert_int_equal(events("cyberdock.internal"), 0);
}

static void assert_list(const struct scan_standing *s, enum sbom_format f, const char *starts)
{
    AUTO(reader) struct reader *r = NULL;
    char text[256];
    size_t n;

    assert_ok(sbom_open(w.r, &s->result.sboms[f], &r, NULL, &e));
    assert_ok(reader_read_waiting(r, text, sizeof(text), &n, &e));
    assert_true(str_starts((struct str){text, n}, str_of(starts)));
}

/* Scanned, with a list of packages. */
static struct scan_standing scanned_with_sbom(struct digest *ret)
{
    struct scan_standing s;

    w.conf->scan.sbom = true;
    w.conf->scan.spdx = false;
    fake.sboms = true;
    *ret = push("one");
    s = settled(ret);
    assert_false(fake.saw_sbom);
    assert_true(s.result.sboms[SBOM_CYCLONEDX].text[0]);
    return s;
}

static struct scan_standing scanned_with_new_data(const struct digest *d)
{
    enum scan_status status;

    fake.data_ms += 1000;
    assert_ok(scans_ask(scans, repo(), d, SCAN_AGAIN, false, &status, &e));
    return settled(d);
}

static void a_rescan_reads_the_list_of_packages(void **state)
{
    struct digest d;
    struct scan_standing first = scanned_with_sbom(&d), s = scanned_with_new_data(&d);

    (void)state;
    assert_true(fake.saw_sbom);
    assert_digest_equal(&first.result.sboms[SBOM_CYCLONEDX], &s.result.sboms[SBOM_CYCLONEDX]);
}

static bool sbom_is_kept(const struct scan_standing *s)
{
    return s->result.sboms[SBOM_CYCLONEDX].text[0] &&
           blob_readable(&w, SCANS_REPO, &s->result.sboms[SBOM_CYCLONEDX]);
}

static void who_insists_has_the_layers_read_and_a_new_list_made(void **state)
{
    struct digest d;
    struct scan_standing s;

    (void)state;
    scanned_with_sbom(&d);
    s = forced(&d);
    assert_int_equal(fake.runs, 2);
    assert_false(fake.saw_sbom);
    assert_ok(scans_forget(w.r, clock_wall_ms() + (int64_t)2 * 3600 * 1000, &e));
    assert_true(sbom_is_kept(&s)); /* though it is the same as before */
}

static void another_version_of_the_scanner_reads_the_layers(void **state)
{
    struct digest d;
    struct scan_standing s;
    enum scan_status status;

    (void)state;
    scanned_with_sbom(&d);
    fake.version = 2;
    assert_ok(scans_ask(scans, repo(), &d, SCAN_ASKED, false, &status, &e));
    s = settled(&d);
    assert_int_equal(fake.runs, 2);
    assert_false(fake.saw_sbom);
    assert_string_equal(s.result.facts.version, "2");
    assert_true(sbom_is_kept(&s));
}

static void a_list_of_packages_that_is_lost_is_made_anew(void **state)
{
    struct digest d;
    struct scan_standing s = scanned_with_sbom(&d);
    struct repo_name own = repo_of(SCANS_REPO);

    (void)state;
    assert_ok(store_blob_delete(w.r->store, &own, &s.result.sboms[SBOM_CYCLONEDX], false, &e));
    s = scanned_with_new_data(&d);
    assert_false(fake.saw_sbom);
    assert_true(sbom_is_kept(&s));
}

static void what_a_scanner_calls_itself_makes_no_scan_due(void **state)
{
    struct digest d = push("one");
    enum scan_status status;

    (void)state;
    settled(&d);
    assert_ok(scans_ask(scans, repo(), &d, SCAN_ASKED, false, &status, &e));
    assert_int_equal(status, SCAN_COMPLETED);
    image_put(&w, "other", "one", "one");
    d = push("two"); /* whose turn is after that */
    settled(&d);
    assert_int_equal(fake.runs, 2);
}

static void a_list_that_is_wanted_and_not_there_is_made_of_the_image(void **state)
{
    struct digest d;
    struct scan_standing s;

    (void)state;
    scanned_with_sbom(&d);
    w.conf->scan.spdx = true;
    s = scanned_with_new_data(&d);
    assert_false(fake.saw_sbom);
    assert_list(&s, SBOM_CYCLONEDX, "cyclonedx");
    assert_list(&s, SBOM_SPDX, "spdx");
}

static void what_was_found_counts_while_lists_are_made_and_without_them(void **state)
{
    struct digest d;
    struct scan_standing s;

    (void)state;
    w.conf->scan.sbom = true;
    fake.hang_in_list = true;
    d = push("one");
    do {
        pause_a_little();
        assert_ok(scans_standing(w.r, repo(), &d, &s, &e));
    } while (scan_standing_status(&s) != SCAN_COMPLETED);
    assert_int_equal(scan_result_total(&s.result), 10);
    assert_int_equal(s.busy, SCAN_NOT_SCANNED);
    stop_jobs(); /* meanwhile: the image is scanned once more */
    fake.hang_in_list = false;
    start_jobs();
    s = settled(&d);
    assert_int_equal(fake.runs, 2);
    assert_false(s.result.sboms[SBOM_CYCLONEDX].text[0]);
    assert_int_equal(events("scan.completed"), 2);
}

static void a_scan_that_fails_is_told_and_tried_three_times(void **state)
{
    struct digest d;
    struct scan_standing s;

    (void)state;
    fake.code = ERR_INTERNAL;
    d = push("one");
    do
        assert_ok(scans_standing(w.r, repo(), &d, &s, &e));
    while (s.result.status != SCAN_FAILED);
    assert_string_equal(s.result.reason, "as the test wants it");
    assert_int_equal(s.result.failures, 1);
    fake.code = ERR_OK;
    assert_int_equal(s.busy == SCAN_RUNNING || s.busy == SCAN_QUEUED, 1);
}

static void a_failure_leaves_what_was_known(void **state)
{
    struct digest d = push("one");
    struct scan_standing s = settled(&d);
    enum scan_status status;

    (void)state;
    fake.code = ERR_INTERNAL;
    assert_ok(scans_ask(scans, repo(), &d, SCAN_ASKED, true, &status, &e));
    do
        assert_ok(scans_standing(w.r, repo(), &d, &s, &e));
    while (s.result.failures == 0);
    assert_int_equal(s.result.status, SCAN_COMPLETED);
    assert_int_equal(scan_result_total(&s.result), 10);
    assert_string_equal(s.result.failure, "as the test wants it");
    fake.code = ERR_OK;
}

/* Its findings of before, and what became of the last attempt. */
static void assert_holds(const struct scan_standing *s, const char *failure)
{
    assert_int_equal(s->result.status, SCAN_COMPLETED);
    assert_int_equal(scan_result_total(&s->result), 10);
    assert_int_equal(s->result.failures, 1);
    assert_non_null(strstr(s->result.failure, failure));
    assert_false(s->result.stale);
}

static void an_image_that_could_not_be_read_again_keeps_its_findings(void **state)
{
    struct digest d = push("one");
    struct scan_standing s = settled(&d);

    (void)state;
    fake.code = ERR_NOT_ANALYZABLE;
    s = forced(&d);
    assert_holds(&s, "as the test wants it");
    assert_int_equal(events("\"status\":\"unsupported\",\"reason\":\"as the test wants it\","
                            "\"vulnerabilities\":null"),
                     1);
}

static void a_rescan_that_sees_nothing_takes_no_findings_away(void **state)
{
    struct digest d = push("one");
    struct scan_standing s = settled(&d);

    (void)state;
    fake.findings = 0;
    fake.blind = true;
    s = forced(&d);
    assert_holds(&s, "no packages were found");
}

static void one_who_insists_has_three_tries_too(void **state)
{
    struct digest d = push("one");
    struct scan_standing s = settled(&d);
    enum scan_status status;

    (void)state;
    fake.code = ERR_INTERNAL;
    assert_ok(scans_ask(scans, repo(), &d, SCAN_ASKED, true, &status, &e));
    do
        assert_ok(scans_standing(w.r, repo(), &d, &s, &e));
    while (s.result.failures == 0);
    assert_true(s.result.stale);
    assert_int_equal(events("\"status\":\"failed\""), 1);
    assert_int_equal(events("\"status\":\"completed\""), 1);
    fake.code = ERR_OK;
}

static void a_scanner_that_counts_no_packages_may_find_nothing(void **state)
{
    struct digest d;
    struct scan_standing s;

    (void)state;
    driver.counts_packages = false;
    fake.findings = 0;
    fake.blind = true;
    d = push("one");
    s = settled(&d);
    assert_int_equal(s.result.status, SCAN_COMPLETED);
}

static void what_cannot_be_scanned_says_so(void **state)
{
    struct digest d;
    struct scan_standing s;

    (void)state;
    fake.code = ERR_NOT_ANALYZABLE;
    d = push("one");
    s = settled(&d);
    assert_int_equal(s.result.status, SCAN_UNSUPPORTED);
    assert_string_equal(s.result.reason, "as the test wants it");
    fake.code = ERR_OK;
    fake.findings = 0;
    fake.blind = true;
    d = push("two");
    s = settled(&d);
    assert_int_equal(s.result.status, SCAN_UNSUPPORTED);
}

static void a_stop_ends_a_scan_and_the_next_process_does_it(void **state)
{
    struct digest d;
    struct scan_standing s;

    (void)state;
    fake.hang = true;
    d = push("one");
    while (fake.runs == 0)
        pause_a_little();
    stop_jobs();
    fake.hang = false;
    assert_ok(scans_standing(w.r, repo(), &d, &s, &e));
    assert_int_equal(scan_standing_status(&s), SCAN_QUEUED);
    start_jobs();
    s = settled(&d);
    assert_int_equal(s.result.status, SCAN_COMPLETED);
}

static void only_so_many_run_at_once_and_who_waits_goes_first(void **state)
{
    struct digest d[12], asked;
    char text[8];
    enum scan_status status;

    (void)state;
    fake.slow = true;
    for (int i = 0; i < 12; i++) {
        snprintf(text, sizeof(text), "i%d", i);
        d[i] = push(text);
    }
    asked = d[11];
    assert_ok(scans_ask(scans, repo(), &asked, SCAN_ASKED, false, &status, &e));
    for (int i = 0; i < 12; i++)
        settled(&d[i]);
    assert_int_equal(fake.most_at_once, 1);
    assert_int_equal(fake.runs, 12);
}

/* When its push has it scanned; -1: that is over. */
static int64_t due_ms(const struct digest *d)
{
    AUTO(meta_job) struct meta_job job = {0};
    char key[SCAN_KEY_MAX + 1];

    scan_key(repo(), d, key);
    return meta_job_get(w.meta, STR(SCAN_PUSHED), str_of(key), &job, ERR_IGNORED) == ERR_OK
               ? job.due_ms
               : -1;
}

static void what_waited_for_data_is_scanned_when_it_has_come(void **state)
{
    struct digest d;
    struct scan_standing s;

    (void)state;
    fake.data_ms = 0;
    d = push("one");
    do {
        pause_a_little();
        assert_ok(scans_standing(w.r, repo(), &d, &s, &e));
    } while (s.busy != SCAN_QUEUED || !s.note[0]);
    assert_string_equal(s.note, "there is no data");
    stop_jobs();
    fake.data_ms = 1000;
    assert_ok(scan_retry_waiting(w.r, &e));
    assert_in_range(due_ms(&d), 0, clock_wall_ms()); /* after a failure, not for ten seconds */
    start_jobs();
    s = settled(&d);
    assert_int_equal(s.result.status, SCAN_COMPLETED);
}

/* While the first is scanned. */
static void
who_waits_goes_before_what_was_pushed_and_that_before_what_nobody_waits_for(void **state)
{
    static const char *const asked[] = {SCAN_AGAIN, SCAN_PUSHED, SCAN_ASKED};
    struct digest first, d[3];
    enum scan_status status;
    char text[8];

    (void)state;
    fake.hold = true;
    first = push("first");
    while (fake.runs == 0)
        pause_a_little();
    w.conf->registry.scan_on_push = false;
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof(text), "i%d", i);
        d[i] = push(text);
        assert_ok(scans_ask(scans, repo(), &d[i], asked[i], false, &status, &e));
    }
    fake.hold = false;
    for (int i = 0; i < 3; i++)
        settled(&d[i]);
    assert_digest_equal(&fake.order[0], &first);
    for (int i = 0; i < 3; i++)
        assert_digest_equal(&fake.order[3 - i], &d[i]);
}

static void two_who_ask_at_once_have_one_scan(void **state)
{
    enum scan_status status;
    struct digest d;

    (void)state;
    fake.hold = true;
    d = push("one");
    while (fake.runs == 0)
        pause_a_little();
    for (int i = 0; i < 2; i++) {
        assert_ok(scans_ask(scans, repo(), &d, SCAN_ASKED, false, &status, &e));
        assert_true(status == SCAN_RUNNING || status == SCAN_QUEUED);
    }
    fake.hold = false;
    settled(&d);
    assert_int_equal(fake.runs, 1);
}

static void an_image_of_two_repositories_is_scanned_once_though_two_could_be(void **state)
{
    struct scan_standing s;
    struct digest d;

    (void)state;
    stop_jobs();
    fake.scanner.at_once = 2;
    start_jobs();
    fake.hold = true;
    d = push("one");
    while (fake.runs == 0)
        pause_a_little();
    image_put(&w, "other", "one", "one");
    do {
        pause_a_little();
        s.busy = SCAN_NOT_SCANNED;
        assert_ok(scans_standing(w.r, &(struct repo_name){5, "other"}, &d, &s, &e));
    } while (s.busy != SCAN_RUNNING); /* it waits for the first */
    fake.hold = false;
    settled(&d);
    s = settled_in("other", &d);
    assert_int_equal(fake.runs, 1);
    assert_int_equal(s.result.n_repos, 2);
}

static const struct digest *ending; /* NULL: it has ended */
static unsigned ends_before;        /* that call, from now on */

static enum err_code let_it_end(struct meta *m, const char *call, struct err *error)
{
    (void)m;
    (void)call;
    (void)error;
    if (!ending || --ends_before > 0)
        return ERR_OK;
    fake.hold = false;
    while (due_ms(ending) >= 0)
        pause_a_little();
    ending = NULL;
    return ERR_OK;
}

static void
a_scan_that_ends_while_it_is_looked_for_is_seen_on_its_way_or_by_its_result(void **state)
{
    static const struct meta_driver hook = {.name = "hook", .before = let_it_end};
    struct meta hooked = {&hook, w.r->meta};
    struct registry looks = {.meta = &hooked};
    struct scan_standing s;
    struct digest d;
    char text[8];

    (void)state;
    for (unsigned i = 1; !ending; i++) { /* until it ends after all looks */
        snprintf(text, sizeof(text), "i%u", i);
        fake.hold = true;
        d = push(text);
        while (fake.runs < (int)i)
            pause_a_little();
        ending = &d;
        ends_before = i;
        assert_ok(scans_standing(&looks, repo(), &d, &s, &e));
        assert_int_not_equal(scan_standing_status(&s), SCAN_NOT_SCANNED);
    }
    ending = NULL;
    fake.hold = false;
}

static void what_was_left_by_a_process_that_died_goes(void **state)
{
    char left[TEMP_DIR_MAX + 64];
    struct uuid id;
    struct stat st;

    (void)state;
    stop_jobs();
    uuid_make(&id);
    snprintf(left, sizeof(left), "%s/%s", dir, id.text);
    assert_int_equal(mkdir(left, 0700), 0);
    start_jobs();
    assert_int_not_equal(stat(left, &st), 0);
}

static void take_away(const char *name, const struct digest *d)
{
    struct repo_name from = repo_of(name);

    assert_ok(
        remove_manifest(w.r, &from, &(struct reference){.is_digest = true, .digest = *d}, &e));
}

/* As a collection does, later. */
static void collect_config(const char *name, const char *text)
{
    struct repo_name from = repo_of(name);
    struct digest config = sha256_of(str_of(text));

    assert_ok(remove_link(w.r, &from, &config, &e));
}

static size_t blobs(void)
{
    AUTO(records) struct meta_record_list l = {0};

    assert_ok(meta_records(w.meta, SCAN_LOOSE, STR(""), 100, &l, &e));
    return l.n;
}

static void results_go_with_their_images_and_old_findings_with_their_results(void **state)
{
    struct digest d = push("one");
    struct scan_standing s = settled(&d);
    struct digest first = s.result.findings;
    struct repo_name own = repo_of(SCANS_REPO);
    enum scan_status status;
    int64_t late_ms = clock_wall_ms() + (int64_t)2 * 3600 * 1000;

    (void)state;
    assert_ok(scans_ask(scans, repo(), &d, SCAN_ASKED, true, &status, &e));
    s = settled(&d);
    assert_digest_not_equal(&first, &s.result.findings);
    assert_true(blob_readable(&w, own.text, &first)); /* for who reads it */
    assert_ok(scans_forget(w.r, clock_wall_ms(), &e));
    assert_true(blob_readable(&w, own.text, &first));
    assert_ok(scans_forget(w.r, late_ms, &e));
    assert_false(blob_readable(&w, own.text, &first));
    assert_true(blob_readable(&w, own.text, &s.result.findings));
    assert_int_equal(blobs(), 0);

    take_away("team/app", &d);
    assert_ok(scans_forget(w.r, late_ms, &e));
    assert_true(blob_readable(&w, own.text, &s.result.findings)); /* its config is still there */
    collect_config("team/app", "one");
    assert_ok(scans_forget(w.r, late_ms, &e));
    assert_ok(scans_forget(w.r, late_ms + late_ms, &e));
    assert_false(blob_readable(&w, own.text, &s.result.findings));
    assert_ok(scans_standing(w.r, repo(), &d, &s, &e));
    assert_int_equal(s.result.status, SCAN_NOT_SCANNED);
}

static void write_result(struct meta *m, const struct digest *d)
{
    AUTO(record) struct meta_record record = {0};
    struct meta_op op;

    assert_ok(meta_record_get(m, SCAN_RESULTS, digest_str(d), &record, &e));
    op = meta_op_record_put(SCAN_RESULTS, digest_str(d), str_of(record.value), record.version);
    assert_ok(meta_commit(m, &op, 1, 0, NULL, &e));
}

static const struct digest *pushed_meanwhile; /* NULL: nothing is */

/* Another server writes itself into the result, just before the first that is written here. */
static enum err_code write_first(struct meta *m, const char *call, struct err *error)
{
    const struct digest *d = pushed_meanwhile;

    (void)error;
    if (d && strcmp(call, "commit") == 0) {
        pushed_meanwhile = NULL;
        write_result(m->inner, d);
    }
    return ERR_OK;
}

static void a_result_that_is_written_meanwhile_is_not_forgotten(void **state)
{
    static const struct meta_driver hook = {.name = "hook", .before = write_first};
    struct meta hooked = {&hook, w.r->meta};
    struct digest d = push("one");
    struct scan_standing s;

    (void)state;
    settled(&d);
    take_away("team/app", &d);
    collect_config("team/app", "one");
    stop_jobs();
    pushed_meanwhile = &d;
    w.r->meta = &hooked;
    assert_ok(scans_forget(w.r, clock_wall_ms(), &e));
    w.r->meta = hooked.inner;
    assert_null(pushed_meanwhile);
    start_jobs();
    assert_ok(scans_standing(w.r, repo(), &d, &s, &e));
    assert_int_equal(s.result.status, SCAN_COMPLETED);
}

/* The same image in each. */
static struct digest known_in(const char *name, struct scan_standing *ret)
{
    struct digest d = image_put(&w, name, "one", "one");

    *ret = settled_in(name, &d);
    return d;
}

/* A scan that is asked for as `rescan` does, by a name of before. */
static struct scan_standing rescanned_as(const char *name, const struct digest *d)
{
    struct repo_name asked = repo_of(name);
    char key[SCAN_KEY_MAX + 1];

    fake.data_ms += 1000;
    scan_key(&asked, d, key);
    assert_ok(jobs_add(w.r->jobs, SCAN_AGAIN, str_of(key), &e));
    return settled_in(name, d);
}

static void an_image_that_was_deleted_in_one_repository_is_rescanned_in_another(void **state)
{
    struct digest d = push("one");
    struct scan_standing s;

    (void)state;
    settled(&d);
    known_in("team/copy", &s);
    take_away("team/app", &d);
    s = rescanned_as("team/app", &d);
    assert_int_equal(s.result.facts.data_ms, fake.data_ms);
    assert_int_equal(s.result.n_repos, 1);
    assert_string_equal(s.result.repos[0].text, "team/copy");
}

#define PLACES (SCAN_REPOS_MAX + 1)

static void a_result_lasts_as_long_as_any_repository_has_the_image(void **state)
{
    static const char *const names[PLACES] = {"team/app", "b", "c", "d", "e"};
    struct digest d;
    struct scan_standing s;
    int64_t late_ms = clock_wall_ms() + (int64_t)2 * 3600 * 1000;

    (void)state;
    for (size_t i = 0; i < PLACES; i++) {
        d = known_in(names[i], &s);
    }
    assert_int_equal(s.result.n_repos, SCAN_REPOS_MAX);
    for (size_t i = 0; i < SCAN_REPOS_MAX; i++) {
        take_away(names[i], &d);
        assert_ok(scans_forget(w.r, late_ms, &e));
        collect_config(names[i], "one");
        assert_ok(scans_forget(w.r, late_ms, &e));
    }
    s = rescanned_as("team/app", &d);
    assert_int_equal(s.result.status, SCAN_COMPLETED);
    assert_int_equal(s.result.facts.data_ms, fake.data_ms);
    assert_string_equal(s.result.repos[0].text, "e");
    take_away("e", &d);
    collect_config("e", "one");
    assert_ok(scans_forget(w.r, late_ms, &e));
    assert_ok(scans_standing(w.r, repo(), &d, &s, &e));
    assert_int_equal(s.result.status, SCAN_NOT_SCANNED);
}

static void a_place_in_a_result_that_is_free_again_is_taken(void **state)
{
    static const char *const names[PLACES] = {"team/app", "b", "c", "d", "e"};
    struct digest d;
    struct scan_standing s;

    (void)state;
    for (size_t i = 0; i < PLACES; i++) {
        if (i == SCAN_REPOS_MAX)
            take_away("b", &d);
        d = known_in(names[i], &s);
    }
    assert_int_equal(s.result.n_repos, SCAN_REPOS_MAX);
    assert_string_equal(s.result.repos[1].text, "c");
    assert_string_equal(s.result.repos[3].text, "e");
}

/* ---- waiting for a scan */

static size_t awaited(void)
{
    AUTO(records) struct meta_record_list l = {0};

    assert_ok(meta_records(w.meta, SCAN_AWAITED, STR(""), 100, &l, &e));
    return l.n;
}

static int64_t since(const struct digest *d)
{
    int64_t ms;

    assert_ok(scan_awaited_since(w.r, repo(), d, INT64_MAX, &ms, &e));
    return ms;
}

static void an_image_waits_from_its_first_push_on(void **state)
{
    int64_t before_ms = clock_wall_ms(), pushed_ms;
    struct digest d;

    (void)state;
    w.conf->registry.scan_on_push = false;
    push("unasked");
    assert_int_equal(awaited(), 0);
    atomic_store(&w.r->scans_awaited, true);
    d = push("one");
    pushed_ms = since(&d);
    assert_in_range(pushed_ms, before_ms, clock_wall_ms());
    pause_a_little();
    push("one");
    assert_int_equal(since(&d), pushed_ms);
    assert_int_equal(awaited(), 1);
}

static void it_waits_no_more_when_it_was_scanned(void **state)
{
    struct digest d;

    (void)state;
    atomic_store(&w.r->scans_awaited, true);
    d = push("one");
    settled(&d);
    assert_int_equal(awaited(), 0);
    push("one"); /* what is known already is not scanned */
    settled(&d);
    assert_int_equal(awaited(), 0);
    fake.code = ERR_NOT_ANALYZABLE;
    d = push("two");
    settled(&d);
    assert_int_equal(awaited(), 1);
    assert_ok(scans_forget(w.r, clock_wall_ms(), &e));
    assert_int_equal(awaited(), 1);
    take_away("team/app", &d);
    assert_ok(scans_forget(w.r, clock_wall_ms(), &e));
    assert_int_equal(awaited(), 0);
}

static void what_was_scanned_in_part_goes_on_waiting(void **state)
{
    struct digest d;
    int64_t pushed_ms;

    (void)state;
    atomic_store(&w.r->scans_awaited, true);
    fake.partial = true;
    d = push("one");
    settled(&d);
    assert_int_equal(awaited(), 1);
    pushed_ms = since(&d);
    push("one"); /* what is known already is not scanned */
    settled(&d);
    assert_ok(scans_forget(w.r, clock_wall_ms(), &e));
    assert_int_equal(awaited(), 1);
    assert_int_equal(since(&d), pushed_ms);
    fake.partial = false;
    forced(&d);
    assert_int_equal(awaited(), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_pushed_image_is_scanned_and_its_findings_are_kept),
        TEST(a_scan_leaves_no_files),
        TEST(what_was_scanned_with_the_same_data_is_not_again),
        TEST(new_data_makes_new_findings_that_are_told),
        TEST(what_was_scanned_with_newer_data_is_not_scanned_with_older),
        TEST(where_no_age_of_data_is_known_a_result_gets_old_by_itself),
        TEST(a_finding_is_known_whether_or_not_it_has_an_address),
        TEST(findings_that_are_lost_do_not_become_new),
        TEST(what_the_registry_keeps_for_itself_is_scanned_and_nobody_is_told_of_it),
        TEST(a_rescan_reads_the_list_of_packages),
        TEST(a_list_that_is_wanted_and_not_there_is_made_of_the_image),
        TEST(what_was_found_counts_while_lists_are_made_and_without_them),
        TEST(a_scan_that_fails_is_told_and_tried_three_times),
        TEST(a_failure_leaves_what_was_known),
        TEST(who_insists_has_the_layers_read_and_a_new_list_made),
        TEST(another_version_of_the_scanner_reads_the_layers),
        TEST(a_list_of_packages_that_is_lost_is_made_anew),
        TEST(what_a_scanner_calls_itself_makes_no_scan_due),
        TEST(an_image_that_could_not_be_read_again_keeps_its_findings),
        TEST(a_rescan_that_sees_nothing_takes_no_findings_away),
        TEST(one_who_insists_has_three_tries_too),
        TEST(a_scanner_that_counts_no_packages_may_find_nothing),
        TEST(what_cannot_be_scanned_says_so),
        TEST(a_stop_ends_a_scan_and_the_next_process_does_it),
        TEST(only_so_many_run_at_once_and_who_waits_goes_first),
        TEST(what_waited_for_data_is_scanned_when_it_has_come),
        TEST(who_waits_goes_before_what_was_pushed_and_that_before_what_nobody_waits_for),
        TEST(two_who_ask_at_once_have_one_scan),
        TEST(an_image_of_two_repositories_is_scanned_once_though_two_could_be),
        TEST(a_scan_that_ends_while_it_is_looked_for_is_seen_on_its_way_or_by_its_result),
        TEST(what_was_left_by_a_process_that_died_goes),
        TEST(results_go_with_their_images_and_old_findings_with_their_results),
        TEST(a_result_that_is_written_meanwhile_is_not_forgotten),
        TEST(an_image_that_was_deleted_in_one_repository_is_rescanned_in_another),
        TEST(a_result_lasts_as_long_as_any_repository_has_the_image),
        TEST(a_place_in_a_result_that_is_free_again_is_taken),
        TEST(an_image_waits_from_its_first_push_on),
        TEST(it_waits_no_more_when_it_was_scanned),
        TEST(what_was_scanned_in_part_goes_on_waiting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
