#include "scan/scans.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "core/archive_session.h"
#include "core/own_repo.h"
#include "core/remove.h"
#include "core/runnable.h"
#include "core/scan_wish.h"
#include "jobs/jobs.h"
#include "scan/findings_blob.h"
#include "scan/keep.h"
#include "scan/layout.h"
#include "scan/publish.h"
#include "scan/rescan.h"
#include "scan/sbom.h"
#include "scan/whereabouts.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>

#define LANE            "scans"
#define FORGET          "scan.forget" /* the kind of job that does */
#define FORGET_EVERY_MS (3600 * 1000)
#define LOOSE_FOR_MS    (3600 * 1000) /* then it belongs to nothing that is on its way */
#define RETRY_MS        10000
#define RETRY_MOST_MS   (10 * 60 * 1000)
#define DEATHS_MAX      4 /* of processes that scan an image */
#define WATCH_MS        200
#define AT_ONCE_MAX     16
#define FRESH_MS        ((int64_t)3600 * 1000) /* of a scanner that does not say how old its data is */
#define DIR_MAX         4096

#define SBOM_IN "sbom-in.json"

/* Who waits goes first: after what others wait for a moment, and before what nobody waits for. */
static const struct {
    const char *name;
    int64_t priority;
} kinds[] = {{SCAN_ASKED, 4}, {SCAN_PUSHED, 6}, {SCAN_AGAIN, 8}};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct scans {
    struct scans_options o;
    char *dir;
    int dir_fd;
    pthread_mutex_t mutex;              /* guards: */
    struct digest running[AT_ONCE_MAX]; /* by this process; text[0] is 0: free */
};

/* ---- life */

/* Whoever uses a directory holds a lock on it, which dies with the process. */
static bool is_left(int dir_fd, const char *name)
{
    AUTO(fd) int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static enum err_code clear(struct scans *s, struct err *e)
{
    int fd = dup(s->dir_fd);
    AUTO(dir) DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct uuid id;

    if (!d)
        return err_errno(e, "look into '%s'", s->dir);
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        if (uuid_parse(str_of(entry->d_name), &id) && is_left(s->dir_fd, entry->d_name))
            (void)!file_remove_tree_at(s->dir_fd, entry->d_name, ERR_IGNORED);
    }
    return ERR_OK;
}

static enum err_code open_dir(struct scans *s, struct err *e)
{
    if (s->dir[0] != '/')
        return err_set(e, ERR_CONFIG, "'%s' is no absolute path", s->dir);
    TRY(file_mkdirs_at(AT_FDCWD, s->dir, false, e));
    s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir_fd < 0)
        return err_errno(e, "open '%s'", s->dir);
    return clear(s, e);
}

enum err_code scans_new(const struct scans_options *o, struct scans **ret_scans, struct err *e)
{
    AUTO(scans) struct scans *s = NEW(struct scans);

    s->o = *o;
    s->dir_fd = -1;
    s->dir = mem_strdup(o->dir);
    s->o.dir = s->dir;
    pthread_mutex_init(&s->mutex, NULL);
    TRY(open_dir(s, e));
    *ret_scans = STEAL(s);
    return ERR_OK;
}

void scans_free(struct scans *s)
{
    if (!s)
        return;
    if (s->dir_fd >= 0)
        close(s->dir_fd);
    pthread_mutex_destroy(&s->mutex);
    free(s->dir);
    free(s);
}

/* ---- one scan */

struct scan {
    struct scans *s;
    struct job *job;
    struct repo_name repo;
    struct digest digest;
    struct out_manifest manifest;
    bool there;                /* a result of before */
    struct scan_result before; /* that */
    bool afresh;               /* its lists of packages do not count any more */
    int64_t version;
    char id[UUID_TEXT + 1]; /* of its directory; "": none */
    int dir_fd;
    char dir[DIR_MAX], sbom_in[DIR_MAX]; /* what the order points to */
    struct scan_order order;
    int64_t started_ms;
    /* who tells the scanner to end */
    pthread_t watch;
    bool watches;
    int stop_fd;
    pthread_mutex_t mutex; /* guards done */
    pthread_cond_t changed;
    bool done;
};

static void scan_done(struct scan *x)
{
    if (x->watches) {
        pthread_mutex_lock(&x->mutex);
        x->done = true;
        pthread_cond_signal(&x->changed);
        pthread_mutex_unlock(&x->mutex);
        pthread_join(x->watch, NULL);
    }
    if (x->id[0])
        (void)!file_remove_tree_at(x->s->dir_fd, x->id, ERR_IGNORED);
    if (x->dir_fd >= 0)
        close(x->dir_fd);
    if (x->stop_fd >= 0)
        close(x->stop_fd);
    pthread_cond_destroy(&x->changed);
    pthread_mutex_destroy(&x->mutex);
    out_manifest_done(&x->manifest);
}

static inline void auto_scan_(struct scan *x)
{
    scan_done(x);
}

static bool goes_on(void *ctx)
{
    const struct scan *x = ctx;

    return !x->job || job_go_on(job_jobs(x->job), x->job);
}

static void *watch_main(void *arg)
{
    struct scan *x = arg;
    uint64_t one = 1;

    pthread_mutex_lock(&x->mutex);
    while (!x->done) {
        struct timespec until = clock_mono_in(WATCH_MS);

        pthread_cond_timedwait(&x->changed, &x->mutex, &until);
        if (!goes_on(x)) {
            (void)!write(x->stop_fd, &one, sizeof(one));
            break;
        }
    }
    pthread_mutex_unlock(&x->mutex);
    return NULL;
}

static enum err_code watch(struct scan *x, struct err *e)
{
    int error;

    x->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (x->stop_fd < 0)
        return err_errno(e, "watch a scan");
    error = thread_start(&x->watch, "scan watch", THREAD_STACK_USUAL, watch_main, x);
    if (error)
        return err_set(e, ERR_UNAVAILABLE, "start a thread for a scan: %s", strerror(error));
    x->watches = true;
    return ERR_OK;
}

static enum err_code make_dir(struct scan *x, struct err *e)
{
    struct uuid id;

    uuid_make(&id);
    if (mkdirat(x->s->dir_fd, id.text, 0700) != 0)
        return err_errno(e, "make a directory in '%s'", x->s->dir);
    memcpy(x->id, id.text, sizeof(x->id));
    x->dir_fd = openat(x->s->dir_fd, x->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (x->dir_fd < 0 || flock(x->dir_fd, LOCK_EX | LOCK_NB) != 0 ||
        mkdirat(x->dir_fd, SCAN_TMP_DIR, 0700) != 0 ||
        mkdirat(x->dir_fd, SCAN_IMAGE_DIR, 0700) != 0)
        return err_errno(e, "make a directory in '%s'", x->s->dir);
    return ERR_OK;
}

static enum err_code lay_out(struct scan *x, struct scan_facts *facts, struct err *e)
{
    const struct layout_limits limits = {
        .image_bytes = conf_u64(&x->s->o.conf->max_image_bytes), .goes_on = goes_on, .ctx = x};
    AUTO(fd) int fd = openat(x->dir_fd, SCAN_IMAGE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(e, "open a directory for a scan");
    job_note(x->job, "the image is laid out");
    return layout_write(x->s->o.registry, &x->repo, &x->manifest, fd, &limits, facts, e);
}

/* ---- running it */

static int64_t timeout_ms(const struct scans *s)
{
    const struct conf_scan *c = s->o.conf;

    return (int64_t)(c->adapter.url[0] ? c->adapter.timeout_ms : c->trivy.timeout_ms);
}

/* Is that list wanted, and not there? */
static bool lacks_list(const struct scan *x, enum sbom_format f)
{
    const struct scanner_driver *driver = x->s->o.scanner->driver;
    const struct conf_scan *c = x->s->o.conf;

    return driver->sbom && conf_bool(&c->sbom) && (f != SBOM_SPDX || conf_bool(&c->spdx)) &&
           (x->afresh || !x->before.sboms[f].text[0]);
}

static bool lacks_lists(const struct scan *x)
{
    for (enum sbom_format f = 0; f < SBOM_FORMATS; f++) {
        if (lacks_list(x, f))
            return true;
    }
    return false;
}

/* The list of an earlier scan, as a file, is read instead of the image; not when there are lists to
 * be made of that. */
static bool has_list(struct scan *x)
{
    const struct scanner_driver *driver = x->s->o.scanner->driver;
    const struct digest *list = &x->before.sboms[SBOM_CYCLONEDX];

    if (!driver->takes_sbom || !conf_bool(&x->s->o.conf->sbom) || !list->text[0] || lacks_lists(x))
        return false;
    if (sbom_fetch(x->s->o.registry, list, x->dir_fd, SBOM_IN, ERR_IGNORED) == ERR_OK)
        return true;
    x->afresh = true; /* it is lost */
    return false;
}

static enum err_code make_order(struct scan *x, struct err *e)
{
    if (snprintf(x->dir, sizeof(x->dir), "%s/%s", x->s->dir, x->id) >= DIR_MAX - 32)
        return err_set(e, ERR_CONFIG, "'%s' is too long", x->s->dir);
    snprintf(x->sbom_in, sizeof(x->sbom_in), "%.4000s/" SBOM_IN, x->dir);
    x->order = (struct scan_order){.dir = x->dir,
                                   .repo = &x->repo,
                                   .digest = &x->digest,
                                   .deadline_ms = clock_mono_ms() + timeout_ms(x->s)};
    return ERR_OK;
}

static bool is_of_version(const struct scans *s, const struct scan_result *b)
{
    const struct scanner_driver *driver = s->o.scanner->driver;
    char now[SCAN_VERSION_SIZE] = "";

    if (driver->version)
        driver->version(s->o.scanner, now);
    return !now[0] || !b->facts.version[0] || strcmp(now, b->facts.version) == 0;
}

static enum err_code run_scanner(struct scan *x, struct finding_list *l, struct scan_facts *facts,
                                 struct err *e)
{
    const struct scanner_driver *driver = x->s->o.scanner->driver;

    /* Who insists on a scan, or has got a better scanner, has the layers read. */
    x->afresh = x->there && (x->before.stale || !is_of_version(x->s, &x->before));
    TRY(make_order(x, e));
    if (has_list(x))
        x->order.sbom = x->sbom_in;
    else if (driver->wants_layout)
        TRY(lay_out(x, facts, e));
    TRY(watch(x, e));
    x->order.stop_fd = x->stop_fd;
    job_note(x->job, "it is scanned");
    return driver->scan(x->s->o.scanner, &x->order, l, facts, e);
}

static struct scan_keep keep_of(const struct scan *x)
{
    return (struct scan_keep){.r = x->s->o.registry,
                              .job = x->job,
                              .repo = &x->repo,
                              .digest = &x->digest,
                              .before = x->there ? &x->before : NULL,
                              .version = x->version,
                              .publish = publish_wanted(x->s->o.conf)};
}

static struct scan_result result_of(const struct scan *x, enum scan_status status,
                                    const struct scan_facts *facts, const char *reason)
{
    struct scan_result s = {.status = status,
                            .facts = *facts,
                            .scanned_ms = clock_wall_ms(),
                            .took_ms = clock_mono_ms() - x->started_ms};

    snprintf(s.driver, sizeof(s.driver), "%s", x->s->o.scanner->driver->name);
    snprintf(s.reason, sizeof(s.reason), "%.*s", SCAN_REASON_MAX, reason);
    s.config = x->before.config;
    memcpy(s.repos, x->before.repos, sizeof(s.repos));
    s.n_repos = x->before.n_repos;
    scan_result_note_repo(&s, &x->repo);
    return s;
}

static enum err_code read_before(struct scan *x, struct err *e)
{
    enum err_code code = scan_result_get(x->s->o.registry, &x->digest, &x->before, &x->version, e);

    x->there = code == ERR_OK;
    if (code != ERR_NOT_FOUND)
        return code;
    x->version = META_ABSENT;
    return ERR_OK;
}

static void make_list(struct scan *x, enum sbom_format f, struct digest *ret)
{
    const struct scanner_driver *driver = x->s->o.scanner->driver;
    char name[32];

    snprintf(name, sizeof(name), "sbom.%s", sbom_format_name(f));
    if (driver->sbom(x->s->o.scanner, &x->order, f, name, ERR_IGNORED) != ERR_OK ||
        sbom_take(x->s->o.registry, x->dir_fd, name, ret, ERR_IGNORED) != ERR_OK)
        ret->text[0] = '\0'; /* what was found counts without it */
}

/* The verdict is there already, for nobody waits for lists. If this process dies meanwhile, they
 * are due, and the image is scanned once more. */
static enum err_code keep_lists(struct scan *x, struct err *e)
{
    struct digest made[SBOM_FORMATS] = {0};
    struct scan_result s;
    struct scan_keep k;

    job_note(x->job, "its packages are listed");
    for (enum sbom_format f = 0; f < SBOM_FORMATS; f++) {
        if (lacks_list(x, f))
            make_list(x, f, &made[f]);
    }
    if (!goes_on(x))
        return err_set(e, ERR_LATER, "it was told to end");
    TRY(read_before(x, e));
    s = x->before;
    for (enum sbom_format f = 0; f < SBOM_FORMATS; f++) {
        if (made[f].text[0])
            s.sboms[f] = made[f];
    }
    s.lists_due = false;
    k = keep_of(x);
    return scan_keep_lists(&k, &s, e);
}

/* Of a partial scan there are no lists: who reads one instead of the image would not know. */
static enum err_code keep_found(struct scan *x, struct finding_list *l,
                                const struct scan_facts *facts, struct err *e)
{
    const struct scan_keep k = keep_of(x);
    struct scan_result s = result_of(x, SCAN_COMPLETED, facts, "");

    if (!x->afresh)
        memcpy(s.sboms, x->before.sboms, sizeof(s.sboms));
    s.lists_due = !x->order.sbom && !facts->partial && lacks_lists(x);
    finding_list_sort(l);
    TRY(scan_keep_findings(&k, l, &s, e));
    return s.lists_due ? keep_lists(x, e) : ERR_OK;
}

/* "Nothing was found" says something only of what was looked at. */
static bool saw_nothing(const struct scan *x, const struct finding_list *l,
                        const struct scan_facts *facts)
{
    return x->s->o.scanner->driver->counts_packages && l->n == 0 && facts->packages == 0;
}

static void say_nothing_seen(const struct scan_facts *f, struct err *ret_why)
{
    if (f->os_family[0])
        err_set(ret_why, ERR_NOT_ANALYZABLE, "the scanner found no packages that it knows of %s %s",
                f->os_family, f->os_name);
    else
        err_set(ret_why, ERR_NOT_ANALYZABLE,
                "no known distribution and no packages were found in it");
}

static bool goes_again(const struct scan *x, enum scan_status attempt)
{
    return attempt == SCAN_FAILED && x->before.failures + 1 < SCAN_TRIES_MAX;
}

/* The findings of before hold, with what became of this attempt beside them: whoever could not look
 * has not seen that they are gone. Who insisted on a scan has it when no more is tried. */
static struct scan_result result_of_before(const struct scan *x, enum scan_status attempt)
{
    struct scan_result s = x->before;

    s.stale = x->before.stale && goes_again(x, attempt);
    return s;
}

/* It can't be scanned, or it failed. What was known stays. */
static enum err_code keep_refusal(struct scan *x, enum scan_status attempt,
                                  const struct scan_facts *facts, const char *why, struct err *e)
{
    const struct scan_keep k = keep_of(x);
    bool holds = x->there && (x->before.status == SCAN_COMPLETED ||
                              (attempt == SCAN_FAILED && x->before.status != SCAN_FAILED));
    struct scan_result s = holds ? result_of_before(x, attempt) : result_of(x, attempt, facts, why);

    if (holds || attempt == SCAN_FAILED) {
        s.failures = x->before.failures + 1;
        s.failed_ms = clock_wall_ms();
        snprintf(s.failure, sizeof(s.failure), "%.*s", SCAN_REASON_MAX, why);
    }
    return scan_keep_result(&k, &s, attempt, why, e);
}

static bool passes(enum err_code code)
{
    return code == ERR_UNAVAILABLE || code == ERR_STORAGE_FULL || code == ERR_STORAGE_READONLY ||
           code == ERR_LATER;
}

/* Who writes at the same time has written; this is looked at again. */
static enum err_code later(enum err_code code, struct err *e)
{
    return code == ERR_CONFLICT ? err_set(e, ERR_LATER, "the result was written meanwhile") : code;
}

static enum err_code scan_and_keep(struct scan *x, struct scan_facts *facts, struct err *e)
{
    const struct conf_scan *c = x->s->o.conf;
    AUTO(finding_list) struct finding_list l = {0};
    enum err_code code;
    struct err why;

    finding_list_init(&l, (size_t)conf_u64(&c->max_findings),
                      (size_t)conf_u64(&c->max_report_bytes));
    code = make_dir(x, &why);
    if (code == ERR_OK)
        code = run_scanner(x, &l, facts, &why);
    if (code == ERR_OK && saw_nothing(x, &l, facts)) {
        say_nothing_seen(facts, &why);
        code = why.code;
    }
    if (code == ERR_OK)
        return keep_found(x, &l, facts, e);
    if (code == ERR_NOT_ANALYZABLE)
        return keep_refusal(x, SCAN_UNSUPPORTED, facts, why.detail, e);
    if (code == ERR_BLOB_UNKNOWN && !goes_on(x))
        code = ERR_UNAVAILABLE;
    *e = why;
    if (passes(code))
        return code;
    TRY(keep_refusal(x, SCAN_FAILED, facts, why.detail, e));
    *e = why;
    return goes_again(x, SCAN_FAILED) ? code : ERR_OK; /* that is told by the result */
}

/* ---- the job */

static bool is_of_driver(const struct scans *s, const struct scan_result *b)
{
    const char *by = b->driver[0] ? b->driver : b->facts.scanner;

    return strcmp(by, s->o.scanner->driver->name) == 0;
}

/* A clock that was put back makes nothing fresh for long. */
static bool is_of_late(const struct scan_result *b)
{
    int64_t age_ms = clock_wall_ms() - b->scanned_ms;

    return age_ms < FRESH_MS && age_ms > -FRESH_MS;
}

/* Newer data is another server's, and what was found with it is not to be lost to older; but where
 * it was taken back. */
static bool is_of_data(const struct scan *x, int64_t data_ms)
{
    int64_t of_ms = x->before.facts.data_ms;
    bool taken_back;

    if (data_ms == 0)
        return is_of_late(&x->before);
    if (of_ms <= data_ms)
        return of_ms == data_ms;
    return rescan_is_taken_back(x->s->o.registry, of_ms, &taken_back, ERR_IGNORED) != ERR_OK ||
           !taken_back;
}

static bool is_fresh(const struct scan *x, int64_t data_ms)
{
    const struct scan_result *b = &x->before;

    return x->there && !b->stale && !b->lists_due &&
           (b->status == SCAN_NOT_APPLICABLE ||
            ((b->status == SCAN_COMPLETED || b->status == SCAN_UNSUPPORTED) &&
             is_of_driver(x->s, b) && is_of_version(x->s, b) && is_of_data(x, data_ms)));
}

/* It is known in one more repository. */
static enum err_code note_repo(struct scan *x, struct err *e)
{
    AUTO(buf) struct buf json = {0};
    struct scan_result s = x->before;
    struct meta_op op;

    scan_result_note_repo(&s, &x->repo);
    if (s.n_repos == x->before.n_repos && memcmp(s.repos, x->before.repos, sizeof(s.repos)) == 0)
        return ERR_OK;
    buf_init(&json, 64u << 10);
    scan_result_print(&s, &json);
    op = meta_op_record_put(SCAN_RESULTS, digest_str(&x->digest), buf_str(&json), x->version);
    return later(meta_commit(x->s->o.registry->meta, &op, 1, 0, NULL, e), e);
}

/* In a repository that has got it. */
static enum err_code publish_known(struct scan *x, struct err *e)
{
    struct registry *r = x->s->o.registry;
    char key[SCAN_KEY_MAX + 1];

    if (x->before.status != SCAN_COMPLETED || !publish_wanted(x->s->o.conf) || !r->jobs)
        return ERR_OK;
    scan_key(&x->repo, &x->digest, key);
    return jobs_add(r->jobs, PUBLISH_JOB, str_of(key), e);
}

static enum err_code note_known(struct scan *x, struct err *e)
{
    if (scan_result_is_whole(&x->before))
        TRY(scan_awaited_over(x->s->o.registry, &x->repo, &x->digest, e));
    TRY(note_repo(x, e));
    return publish_known(x, e);
}

/* The repository has it no more; others that have it need what this scan was asked for. */
static enum err_code move_on(struct scan *x, struct err *e)
{
    enum scan_where where = SCAN_NOWHERE;

    if (x->there)
        TRY(scan_where(x->s->o.registry, &x->digest, &x->before, &where, e));
    if (where != SCAN_SOMEWHERE)
        return err_set(e, ERR_MANIFEST_UNKNOWN, "%s was deleted", x->digest.text);
    x->repo = x->before.repos[0];
    return out_manifest_by_digest(x->s->o.registry, &x->repo, &x->digest, &x->manifest, e);
}

/* Of the result, where the image is by now. Where all places are taken by those who have it, it is
 * found by its config once they have not. */
static enum err_code see_where(struct scan *x, struct err *e)
{
    enum scan_where unused;

    if (x->manifest.parsed.n_links > 0)
        x->before.config = x->manifest.parsed.links[0].digest;
    if (x->before.n_repos < SCAN_REPOS_MAX || scan_result_names(&x->before, &x->repo))
        return ERR_OK;
    return scan_where(x->s->o.registry, &x->digest, &x->before, &unused, e);
}

static enum err_code read_manifest(struct scan *x, struct err *e)
{
    enum err_code code =
        out_manifest_by_digest(x->s->o.registry, &x->repo, &x->digest, &x->manifest, e);

    if (code == ERR_MANIFEST_UNKNOWN)
        code = move_on(x, e);
    TRY(code);
    return see_where(x, e);
}

static enum err_code do_scan(struct scan *x, struct err *e)
{
    const struct scanner_driver *driver = x->s->o.scanner->driver;
    struct scan_facts facts = {0};
    struct str why;
    bool runs;
    int64_t data_ms = 0;
    enum err_code code;

    TRY(read_before(x, e));
    code = read_manifest(x, e);
    if (code == ERR_MANIFEST_UNKNOWN)
        return ERR_OK; /* it was deleted meanwhile */
    TRY(code);
    TRY(runnable_image(x->s->o.registry, &x->repo, &x->manifest, &runs, &why, e));
    if (!runs) {
        char reason[SCAN_REASON_MAX + 1];

        snprintf(reason, sizeof(reason), STR_FMT, STR_ARG(why));
        return x->there && x->before.status == SCAN_NOT_APPLICABLE
                   ? ERR_OK
                   : later(keep_refusal(x, SCAN_NOT_APPLICABLE, &facts, reason, e), e);
    }
    TRY(driver->data(x->s->o.scanner, &data_ms, e));
    if (is_fresh(x, data_ms))
        return note_known(x, e);
    snprintf(facts.scanner, sizeof(facts.scanner), "%s", driver->name);
    if (driver->version)
        driver->version(x->s->o.scanner, facts.version);
    facts.data_ms = data_ms;
    return later(scan_and_keep(x, &facts, e), e);
}

static enum err_code parse_key(struct str key, struct scan *x, struct err *e)
{
    struct str name;

    str_cut(&key, '@', &name);
    TRY(repo_name_parse(name, &x->repo, e));
    return digest_parse(key, &x->digest, e);
}

static bool begin_running(struct scans *s, const struct digest *d)
{
    struct digest *room = NULL;
    bool runs = false;

    pthread_mutex_lock(&s->mutex);
    for (size_t i = 0; i < AT_ONCE_MAX; i++) {
        if (!s->running[i].text[0])
            room = &s->running[i];
        else if (digest_eq(&s->running[i], d))
            runs = true;
    }
    if (!runs && room)
        *room = *d;
    pthread_mutex_unlock(&s->mutex);
    return !runs && room;
}

static void end_running(struct scans *s, const struct digest *d)
{
    pthread_mutex_lock(&s->mutex);
    for (size_t i = 0; i < AT_ONCE_MAX; i++) {
        if (s->running[i].text[0] && digest_eq(&s->running[i], d))
            s->running[i].text[0] = '\0';
    }
    pthread_mutex_unlock(&s->mutex);
}

static enum err_code run(void *ctx, struct job *job, struct err *e)
{
    struct scans *s = ctx;
    AUTO(scan) struct scan x = {.s = s, .job = job, .dir_fd = -1, .stop_fd = -1};
    struct repo_name asked;
    enum err_code code;

    pthread_mutex_init(&x.mutex, NULL);
    thread_cond_init(&x.changed);
    x.started_ms = clock_mono_ms();
    TRY(parse_key(job_key(job), &x, e));
    asked = x.repo;
    while (!begin_running(s, &x.digest)) { /* for somebody else: then it is known */
        if (!job_rest(job_jobs(job), job, WATCH_MS))
            return err_set(e, ERR_LATER, "it is told to end");
    }
    code = do_scan(&x, e);
    end_running(s, &x.digest);
    if (code == ERR_UNAVAILABLE && !goes_on(&x))
        return err_set(e, ERR_LATER, "it was told to end");
    return code == ERR_OK ? archive_session_scanned(s->o.registry, &asked, e) : code;
}

/* ---- asking */

static enum scan_status status_of_job(struct registry *r, const char *kind, struct str key,
                                      char *note, size_t cap)
{
    AUTO(meta_job) struct meta_job job = {0};

    if (meta_job_get(r->meta, str_of(kind), key, &job, ERR_IGNORED) != ERR_OK ||
        job.state == META_JOB_STOPPED)
        return SCAN_NOT_SCANNED;
    if (job.state == META_JOB_RUNNING)
        return SCAN_RUNNING;
    snprintf(note, cap, "%s", job.note ? job.note : "");
    return SCAN_QUEUED;
}

static enum scan_status busy_with(struct registry *r, struct str key, char *note, size_t cap)
{
    enum scan_status most = SCAN_NOT_SCANNED;

    note[0] = '\0';
    for (size_t i = 0; i < KINDS && most != SCAN_RUNNING; i++) {
        enum scan_status one = status_of_job(r, kinds[i].name, key, note, cap);

        if (one > most)
            most = one;
    }
    return most;
}

/* Its jobs before its result, which holds all that was done by a job that has ended: the other way
 * round, one that ends in between would be seen neither as a job nor by its result. */
enum err_code scans_standing(struct registry *r, const struct repo_name *repo,
                             const struct digest *d, struct scan_standing *ret, struct err *e)
{
    char key[SCAN_KEY_MAX + 1];
    enum err_code code;

    *ret = (struct scan_standing){0};
    scan_key(repo, d, key);
    ret->busy = busy_with(r, str_of(key), ret->note, sizeof(ret->note));
    code = scan_result_get(r, d, &ret->result, NULL, e);
    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    if (ret->result.lists_due && !ret->result.stale) { /* all is known but for its lists */
        ret->busy = SCAN_NOT_SCANNED;
        ret->note[0] = '\0';
    }
    return ERR_OK;
}

enum scan_status scan_standing_status(const struct scan_standing *s)
{
    bool holds = s->result.status != SCAN_NOT_SCANNED && s->result.status != SCAN_FAILED;

    return holds || s->busy == SCAN_NOT_SCANNED ? s->result.status : s->busy;
}

static enum err_code known_already(struct scans *s, const struct digest *d, bool *ret,
                                   enum scan_status *ret_status, struct err *e)
{
    struct scan x = {.s = s};
    int64_t data_ms;
    enum err_code code = scan_result_get(s->o.registry, d, &x.before, NULL, e);

    *ret = false;
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(code);
    x.there = true;
    if (s->o.scanner->driver->data(s->o.scanner, &data_ms, ERR_IGNORED) != ERR_OK)
        return ERR_OK;
    x.before.lists_due = false; /* who asks for a scan waits for none of these */
    *ret = is_fresh(&x, data_ms);
    *ret_status = x.before.status;
    return ERR_OK;
}

bool scans_has_data(struct scans *s)
{
    int64_t unused;

    return s->o.scanner->driver->data(s->o.scanner, &unused, ERR_IGNORED) == ERR_OK;
}

bool scans_is_due(struct scans *s, const struct repo_name *repo, const struct digest *d)
{
    AUTO(out_manifest) struct out_manifest m = {0};
    enum scan_status unused;
    struct str why;
    bool known, runs = false;

    return known_already(s, d, &known, &unused, ERR_IGNORED) == ERR_OK && !known &&
           out_manifest_by_digest(s->o.registry, repo, d, &m, ERR_IGNORED) == ERR_OK &&
           runnable_image(s->o.registry, repo, &m, &runs, &why, ERR_IGNORED) == ERR_OK && runs;
}

enum err_code scans_ask(struct scans *s, const struct repo_name *repo, const struct digest *d,
                        const char *kind, bool again, enum scan_status *ret_status, struct err *e)
{
    struct registry *r = s->o.registry;
    char key[SCAN_KEY_MAX + 1], note[SCAN_REASON_MAX + 1];
    enum scan_status busy;
    bool known = false;

    if (!r->jobs)
        return err_set(e, ERR_UNAVAILABLE, "nothing is done in the background");
    scan_key(repo, d, key);
    if (again)
        TRY(scan_result_make_stale(r, d, e));
    else
        TRY(known_already(s, d, &known, ret_status, e));
    if (known)
        return ERR_OK;
    busy = busy_with(r, str_of(key), note, sizeof(note));
    if (busy != SCAN_RUNNING || again)
        TRY(jobs_add(r->jobs, kind, str_of(key), e));
    *ret_status = busy == SCAN_RUNNING ? SCAN_RUNNING : SCAN_QUEUED;
    return ERR_OK;
}

/* ---- forgetting */

static const struct repo_name scans_repo = {sizeof(SCANS_REPO) - 1, SCANS_REPO};

struct forgetting {
    struct registry *r;
    int64_t now_ms;
};

/* That version of it: who pushes the image meanwhile has written itself into it. */
static enum err_code delete_result(const struct forgetting *f, const struct digest *d,
                                   const struct scan_result *s, int64_t version, struct err *e)
{
    char now[STR_DECIMAL_MAX];
    struct str since = str_decimal((uint64_t)f->now_ms, now);
    struct meta_op ops[2 + SBOM_FORMATS];
    enum err_code code;
    size_t n = 0;

    ops[n++] = meta_op_record_delete(SCAN_RESULTS, digest_str(d), version);
    if (s->findings.text[0])
        ops[n++] = meta_op_record_put(SCAN_LOOSE, digest_str(&s->findings), since, META_ANY);
    for (enum sbom_format i = 0; i < SBOM_FORMATS; i++) {
        if (s->sboms[i].text[0])
            ops[n++] = meta_op_record_put(SCAN_LOOSE, digest_str(&s->sboms[i]), since, META_ANY);
    }
    code = meta_commit(f->r->meta, ops, n, 0, NULL, e);
    return code == ERR_CONFLICT ? ERR_OK : code;
}

static enum err_code forget_result(void *ctx, const struct digest *d, const struct scan_result *s,
                                   struct err *e)
{
    const struct forgetting *f = ctx;
    AUTO(mem) struct scan_result *now = NEW(struct scan_result);
    enum scan_where where;
    enum err_code code;
    int64_t version;

    *now = *s;
    TRY(scan_where(f->r, d, now, &where, e));
    if (where != SCAN_NOWHERE)
        return ERR_OK;
    code = scan_result_get(f->r, d, now, &version, e);
    if (code == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(code);
    TRY(scan_where(f->r, d, now, &where, e)); /* of the version that goes */
    return where == SCAN_NOWHERE ? delete_result(f, d, now, version, e) : ERR_OK;
}

static enum err_code forget_loose(void *ctx, const struct meta_record *record, struct err *e)
{
    const struct forgetting *f = ctx;
    const struct meta_op op = meta_op_record_delete(SCAN_LOOSE, str_of(record->key), META_ANY);
    struct digest d;
    uint64_t since_ms;
    enum err_code code;

    if (!str_to_u64(str_of(record->value), INT64_MAX, &since_ms) ||
        digest_parse(str_of(record->key), &d, ERR_IGNORED) != ERR_OK ||
        f->now_ms - (int64_t)since_ms < LOOSE_FOR_MS)
        return ERR_OK;
    code = remove_link(f->r, &scans_repo, &d, e);
    if (code != ERR_OK && code != ERR_BLOB_UNKNOWN && code != ERR_NAME_UNKNOWN)
        return code;
    return meta_commit(f->r->meta, &op, 1, 0, NULL, e);
}

/* What waits for its scan no more, for it was scanned elsewhere, or is gone. */
static enum err_code forget_awaited(void *ctx, const struct meta_record *record, struct err *e)
{
    const struct forgetting *f = ctx;
    const struct meta_op op =
        meta_op_record_delete(SCAN_AWAITED, str_of(record->key), record->version);
    AUTO(mem) struct scan_result *s = NEW(struct scan_result);
    struct scan x = {0};
    enum err_code code;
    bool there = false;

    if (parse_key(str_of(record->key), &x, ERR_IGNORED) == ERR_OK)
        TRY(scan_has(f->r, &x.repo, &x.digest, &there, e));
    if (there) {
        code = scan_result_get(f->r, &x.digest, s, NULL, e);
        if (code == ERR_NOT_FOUND)
            return ERR_OK;
        TRY(code);
        if (!scan_result_is_whole(s))
            return ERR_OK;
    }
    code = meta_commit(f->r->meta, &op, 1, 0, NULL, e);
    return code == ERR_CONFLICT ? ERR_OK : code;
}

enum err_code scans_forget(struct registry *r, int64_t now_ms, struct err *e)
{
    struct forgetting f = {r, now_ms};

    TRY(scan_results_each(r, forget_result, &f, e));
    TRY(meta_records_each(r->meta, SCAN_AWAITED, forget_awaited, &f, e));
    return meta_records_each(r->meta, SCAN_LOOSE, forget_loose, &f, e);
}

static enum err_code forget(void *ctx, struct job *job, struct err *e)
{
    const struct scans *s = ctx;

    (void)job;
    return scans_forget(s->o.registry, clock_wall_ms(), e);
}

static int64_t forget_every_ms(void *ctx)
{
    (void)ctx;
    return FORGET_EVERY_MS;
}

void scans_jobs(struct scans *s)
{
    const struct job_kind forgets = {.name = FORGET,
                                     .run = forget,
                                     .ctx = s,
                                     .retry_ms = RETRY_MOST_MS,
                                     .priority = 3,
                                     .every_ms = forget_every_ms,
                                     .first_ms = forget_every_ms};

    for (size_t i = 0; i < KINDS; i++) {
        const struct job_kind k = {.name = kinds[i].name,
                                   .run = run,
                                   .ctx = s,
                                   .attempts = DEATHS_MAX,
                                   .retry_ms = RETRY_MS,
                                   .retry_most_ms = RETRY_MOST_MS,
                                   .priority = kinds[i].priority,
                                   .lane = LANE,
                                   .at_once = s->o.scanner->at_once};

        jobs_kind_add(s->o.registry->jobs, &k);
    }
    jobs_kind_add(s->o.registry->jobs, &forgets);
}
