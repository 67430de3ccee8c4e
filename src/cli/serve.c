#include "api/dispatch.h"
#include "api/policy_in_force.h"
#include "api/pull_gate.h"
#include "api/v1_upload_taken.h"
#include "auth/core/audit.h"
#include "auth/core/tender.h"
#include "auth/policy/rules.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "check/mend.h"
#include "check/scrub.h"
#include "cli/commands.h"
#include "cli/guard.h"
#include "cli/scan_service.h"
#include "conf/conf.h"
#include "core/background.h"
#include "core/event_stream.h"
#include "core/life.h"
#include "core/migrate.h"
#include "core/owner.h"
#include "core/registry.h"
#include "core/stray.h"
#include "core/upload_watch.h"
#include "files/feed.h"
#include "gc/forget.h"
#include "gc/server_run.h"
#include "jobs/jobs.h"
#include "notify/notify.h"
#include "scan/gate.h"
#include "scan/held_judge.h"
#include "scan/pull_image.h"
#include "trust/signature_gate.h"
#include "trust/signed_children.h"

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define PRUNE_EVERY_MS (3600 * 1000)

/* All that one run of the server is made of, in the order in which it is taken down again. */
struct serve {
    struct conf *conf;
    struct reserve *reserve;
    struct registry *registry;
    struct gc_server gc;
    struct files_index *files;
    struct gate *gate;
    struct signature_gate *signatures;
    struct scan_service scan;
    struct notify *notify;
    struct api_guard guard;
    struct tender *tender;
    struct api api;
    struct archive_taker taker;
    struct held_judge judge; /* of archives that are uploaded */
    struct http_server *http;
};

static void report(const char *what, const struct err *e)
{
    log_err(LOG_ERROR, what, e);
}

/* Once a look. */
static void tell_strays(const struct stray_count *c)
{
    AUTO(buf) struct buf repos = {0};

    buf_init(&repos, STRAY_REPOS_NAMED * (REPO_NAME_MAX + 8));
    for (size_t i = 0; i < c->n_repos; i++)
        buf_addf(&repos, "%s%s", i ? ", " : "", c->repos[i].text);
    if (c->more_repos)
        buf_add_text(&repos, ", ...");
    log_event(LOG_WARNING,
              "the store holds manifests that the database does not know: `registry reindex` takes "
              "them back, `registry sweep --remove` removes them",
              LOG_U64("manifests", c->manifests), LOG_U64("bytes", c->bytes),
              LOG_STR("repositories", buf_str(&repos)));
}

static void tell_retention(size_t policy, const char *why)
{
    log_event(LOG_WARNING, "a policy of `retention` is not carried out", LOG_U64("policy", policy),
              LOG_TEXT("why", why));
}

static bool is_immutable(void *api, const struct repo_name *repo, const struct tag_name *tag)
{
    struct policy *policy = api_policy(api);
    bool is = policy_immutable(policy, repo, tag);

    policy_unref(policy);
    return is;
}

static enum err_code prune_audit(void *audit, struct job *job, struct err *e)
{
    (void)job;
    return audit_prune(audit, e);
}

static int64_t prune_every_ms(void *audit)
{
    (void)audit;
    return PRUNE_EVERY_MS;
}

/* ---- records of signed indexes */

static bool goes_on(void *job)
{
    return job_go_on(job_jobs(job), job);
}

static enum err_code prune_signed(void *registry, struct job *job, struct err *e)
{
    return signed_children_prune(registry, goes_on, job, e);
}

static void tell_damage(const struct check_finding *f, bool moved)
{
    char subject[FINDING_SUBJECT_MAX];

    check_subject(f, subject);
    if (f->code == CHECK_UNREADABLE) {
        log_event(LOG_ERROR, "a blob can't be read", LOG_TEXT("blob", subject),
                  LOG_TEXT("error", f->detail));
        return;
    }
    log_event(LOG_ERROR,
              moved ? "a blob is damaged, and in quarantine now: a push of the same heals it"
                    : "a blob is damaged, and could not be put into quarantine",
              LOG_TEXT("blob", subject));
}

static void add_jobs(struct serve *s)
{
    struct jobs *j = s->registry->jobs;
    const struct job_kind prune = {.name = "audit",
                                   .run = prune_audit,
                                   .ctx = s->guard.audit,
                                   .retry_ms = PRUNE_EVERY_MS,
                                   .every_ms = prune_every_ms};
    const struct job_kind signed_children = {.name = "signed",
                                             .run = prune_signed,
                                             .ctx = s->registry,
                                             .retry_ms = PRUNE_EVERY_MS,
                                             .priority = 1,
                                             .every_ms = prune_every_ms,
                                             .first_ms = prune_every_ms};
    const struct scrub scrub = {
        .r = s->registry, .rate_bytes = s->conf->check.scrub_rate_bytes, .tell = tell_damage};
    struct job_kind gc, journal, schedule;

    jobs_kind_add(j, &prune);
    jobs_kind_add(j, &signed_children);
    mend_jobs(s->registry);
    s->gc = (struct gc_server){s->registry, &s->conf->gc};
    gc = gc_job_kind(&s->gc);
    journal = gc_forget_kind(&s->gc);
    schedule = gc_schedule_kind(&s->gc);
    jobs_kind_add(j, &gc);
    jobs_kind_add(j, &journal);
    if (s->conf->schedule[0])
        jobs_kind_add(j, &schedule);
    if (scrub.rate_bytes > 0)
        scrub_jobs(&scrub);
}

static const char *temp_dir(const struct conf *c)
{
    return c->storage.backend == CONF_STORAGE_MEM ? P_tmpdir : c->storage.root;
}

static enum err_code start_files(struct serve *s, struct err *e)
{
    if (!s->conf->registry.index_files)
        return files_feed_off(s->registry->meta, e);
    s->files = files_index_new(s->registry, temp_dir(s->conf));
    files_feed_jobs(s->files);
    return ERR_OK;
}

static enum err_code poll_changes(void *ctx, struct err *e)
{
    struct serve *s = ctx;

    TRY(rules_poll(s->guard.rules, e));
    return gate_poll(s->gate, s->registry->meta, e);
}

/* A connection is a file descriptor: as many as this process may ever have. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)!setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Receive buffers go back to the system when a request ends, and threads share few arenas: the
 * memory in use stays what is needed now, not what was needed once. */
static void tame_malloc(void)
{
    mallopt(M_ARENA_MAX, 4);
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    mallopt(M_TRIM_THRESHOLD, 256 * 1024);
}

/* The code of one object: what is only read and run is as the file has it, so that dropping it from
 * memory loses nothing. */
static int drop_code(struct dl_phdr_info *object, size_t size, void *ctx)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    (void)size;
    (void)ctx;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &object->dlpi_phdr[i];
        uintptr_t start = object->dlpi_addr + p->p_vaddr, end = start + p->p_memsz;

        if (p->p_type != PT_LOAD || p->p_flags != (PF_R | PF_X))
            continue;
        start &= ~(page - 1);
        (void)!madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 0;
}

/* The start runs through much of the libraries that no request does: two thirds of what would stay
 * resident. What is needed comes back page by page, from the page cache. */
static void forget_start(void)
{
    dl_iterate_phdr(drop_code, NULL);
    malloc_trim(0);
}

static void server_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGUSR1);
}

/* A store that is full, or may only be read, is served all the same. */
static enum err_code claim(struct store *store, struct meta *meta, struct err *e)
{
    struct err unmarked;

    TRY(owner_claim(store, meta, &unmarked, e));
    if (unmarked.code != ERR_OK)
        log_err(LOG_WARNING,
                "the store could not be marked as this database's, so another database on it would "
                "not be noticed",
                &unmarked);
    return ERR_OK;
}

static enum err_code open_registry(struct cli *cli, struct serve *s, struct err *e)
{
    struct store *store = NULL;
    struct members *members = NULL;
    struct meta *meta = NULL;
    enum err_code code;

    TRY(cli->open_store(s->conf, &store, e));
    cli->warn_of_missing(s->conf);
    code = cli->open_reserve(s->conf, &s->reserve, e);
    if (code == ERR_OK)
        code = cli->open_meta(s->conf, s->reserve, &members, &meta, e);
    if (code == ERR_OK)
        code = migrate_check_whole(meta, e);
    if (code == ERR_OK)
        code = claim(store, meta, e);
    if (code == ERR_OK)
        code = members_start(members, e);
    if (code != ERR_OK) {
        meta_free(meta);
        store_free(store);
        return code;
    }
    s->registry = registry_new(store, meta, s->conf);
    s->registry->reserve = s->reserve;
    s->registry->temp_dir = temp_dir(s->conf);
    s->registry->members = members;
    s->registry->tell_strays = tell_strays;
    s->registry->tell_retention = tell_retention;
    s->notify = notify_new(s->registry, s->conf);
    return registry_start(s->registry, report, e);
}

static void set_pull_rules(struct serve *s, struct conf_pull_rules *rules)
{
    gate_set_rules(s->gate, rules);
    atomic_store(&s->registry->scans_awaited, gate_waits(s->gate));
}

/* One that can't be read leaves the others as they are. */
static enum err_code set_signature_rules(struct serve *s, struct conf_signature_rules *list,
                                         struct err *e)
{
    struct trust_rules *rules;

    TRY(trust_rules_read(list, &rules, e));
    signature_gate_set_rules(s->signatures, rules);
    gate_ask_signed(s->gate, signature_gate_asks(s->signatures, TRUST_AT_PULL));
    return ERR_OK;
}

static enum err_code start(struct cli *cli, struct serve *s, struct err *e)
{
    struct log_options log = {
        .level = (enum log_level)s->conf->log.level,
        .format = (enum log_format)s->conf->log.format,
        .path = s->conf->log.file,
        .fields = (const char *const *)s->conf->log.fields.items,
        .n_fields = s->conf->log.fields.n,
    };
    struct redis *redis;
    struct job_kind take;

    TRY(log_start(&log, e));
    TRY(open_registry(cli, s, e));
    TRY(cli_guard_init(&s->guard, s->conf, s->registry->meta, e));
    TRY(cli->open_redis(s->conf, &redis, e));
    if (redis)
        TRY(cli_guard_share(&s->guard, s->conf, redis, e));
    add_jobs(s);
    TRY(start_files(s, e));
    TRY(rules_poll(s->guard.rules, e));
    s->gate = gate_new(pull_image_look, s->registry, s->conf->scan.verdicts);
    set_pull_rules(s, &s->conf->pull_policy);
    s->signatures = signature_gate_new(s->registry);
    gate_set_signed(s->gate, pull_gate_signed, s->signatures);
    TRY(set_signature_rules(s, &s->conf->signatures, e));
    s->registry->tag_judge = signature_gate_tags(s->signatures);
    TRY(tender_start(s->guard.auth, poll_changes, s, report, &s->tender, e));
    api_init(&s->api, s->registry, s->conf, &s->guard, cli_auth_policy(s->conf));
    s->api.files = s->files;
    s->api.gate = s->gate;
    s->api.signatures = s->signatures;
    TRY(scan_service_start(&s->scan, s->registry, s->conf, &s->guard, e));
    s->api.scan_data = s->scan.data;
    s->api.scans = s->scan.scans;
    if (s->notify)
        TRY(notify_start(s->notify, e));
    s->api.notify = s->notify;
    s->registry->is_immutable = is_immutable;
    s->registry->immutable_ctx = &s->api;
    if (s->scan.scans && s->conf->registry.archives.scan != CONF_UPLOAD_SCAN_OFF) {
        held_judge_init(&s->judge, s->registry, s->gate, s->scan.scans);
        s->registry->judge = &s->judge.judge;
    }
    s->taker = upload_taker(&s->api);
    take = archive_take_kind(&s->taker);
    jobs_kind_add(s->registry->jobs, &take);
    background_delete(s->registry);
    TRY(http_server_new(&s->conf->http, &s->api.app, &s->http, e));
    return http_server_run(s->http, e);
}

#define COUNTS_MOST 32

struct counts {
    struct log_field fields[COUNTS_MOST + 1]; /* an empty one ends them */
    size_t n;
};

static void add_count(void *ctx, const char *name, uint64_t n)
{
    struct counts *c = ctx;

    if (c->n < COUNTS_MOST)
        c->fields[c->n++] = LOG_U64(name, n);
}

static void log_counts(struct store *store)
{
    struct counts c = {0};

    store_counts(store, add_count, &c);
    if (c.n > 0 && log_enabled(LOG_INFO))
        log_record(LOG_INFO, "requests to the server that content is kept on", c.fields);
}

static void stop(struct serve *s)
{
    if (s->registry) /* its requests end with the drain */
        store_hurry(s->registry->store, s->conf->http.drain_timeout_ms);
    if (s->registry) { /* else the drain would wait for them */
        upload_watch_hush(s->registry->watch);
        event_streams_hush(s->registry->streams);
    }
    http_server_free(s->http);
    if (s->registry)
        registry_stop(s->registry); /* its jobs have to do with what goes next */
    api_done(&s->api);
    tender_stop(s->tender);
    gate_free(s->gate);
    signature_gate_free(s->signatures);
    scan_service_done(&s->scan);
    notify_free(s->notify);
    cli_guard_done(&s->guard);
    if (s->registry)
        log_counts(s->registry->store);
    files_index_free(s->files);
    registry_free(s->registry);
    reserve_free(s->reserve);
    log_stop();
    conf_free(s->conf);
}

/* What of the configuration is lost. */
static void log_warnings(const struct conf *c)
{
    for (size_t i = 0; i < c->warnings.n; i++)
        log_event(LOG_WARNING, "configuration", LOG_TEXT("detail", c->warnings.items[i]));
}

/* Where content lies, as the log names it. */
static void name_storage(const struct conf_storage *c, struct buf *ret_name)
{
    if (c->backend == CONF_STORAGE_S3)
        buf_addf(ret_name, "s3://%s/%s", c->s3.bucket, c->s3.prefix);
    else
        buf_add_text(ret_name, c->backend == CONF_STORAGE_MEM ? "memory" : c->root);
}

static void announce(const struct serve *s, int64_t started_ms)
{
    const struct conf *c = s->conf;
    AUTO(buf) struct buf storage = {0};
    struct rlimit limit;

    buf_init(&storage, 8192);
    name_storage(&c->storage, &storage);
    log_warnings(c);
    if (c->storage.backend == CONF_STORAGE_FILESYSTEM && !c->storage.fsync)
        log_event(LOG_WARNING, "storage.filesystem.fsync is off: a power loss may lose what was "
                               "acknowledged");
    if (c->auth.mode == CONF_AUTH_NONE)
        log_event(LOG_WARNING, "auth is none: everyone who reaches this server may push and "
                               "delete");
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        log_event(LOG_INFO, "file descriptors", LOG_U64("limit", limit.rlim_cur));
    for (size_t i = 0; i < c->http.listen.n; i++)
        log_event(LOG_INFO, "listening", LOG_TEXT("address", c->http.listen.items[i]),
                  LOG_U64("port", http_server_port(s->http, i)),
                  LOG_TEXT("tls", c->http.tls.certificate[0] ? "on" : "off"),
                  LOG_STR("storage", buf_str(&storage)), LOG_TEXT("version", CLI_VERSION),
                  LOG_I64("startup_ms", clock_mono_ms() - started_ms));
}

static void reload(struct cli *cli, const struct cli_args *args, struct serve *s)
{
    AUTO(conf) struct conf *fresh = NULL;
    AUTO(buf) struct buf ignored = {0};
    struct err e = {0};

    buf_init(&ignored, 64 * 1024);
    if (conf_load(cli_config_path(cli, args), cli->environment, &fresh, &e) != ERR_OK) {
        log_err(LOG_ERROR, "reload refused; the old configuration stays in use", &e);
        return;
    }
    if (set_signature_rules(s, &fresh->signatures, &e) != ERR_OK) {
        log_err(LOG_ERROR, "reload refused; the old configuration stays in use", &e);
        return;
    }
    log_warnings(fresh);
    conf_reload(s->conf, fresh, &ignored);
    api_set_policy(&s->api, cli_auth_policy(fresh));
    set_pull_rules(s, &fresh->pull_policy);
    log_set_level((enum log_level)conf_u64(&s->conf->log.level));
    if (s->conf->http.tls.certificate[0] && http_server_reload_tls(s->http, &e) != ERR_OK)
        log_err(LOG_ERROR, "certificate not reloaded; the old one stays in use", &e);
    if (ignored.n)
        log_event(LOG_WARNING, "these keys need a restart to change",
                  LOG_STR("keys", buf_str(&ignored)));
    log_event(LOG_INFO, "configuration reloaded");
}

/* The first round of what is done in the background goes through much once, as the start does.
 * Negative: no signal came. */
static int next_signal(const sigset_t *set, bool *settled)
{
    const struct timespec first_round = {.tv_sec = 5};
    int signal_number;

    if (*settled)
        return sigwaitinfo(set, NULL);
    signal_number = sigtimedwait(set, NULL, &first_round);
    if (signal_number < 0 && errno == EAGAIN) {
        *settled = true;
        forget_start();
    }
    return signal_number;
}

static void run_until_told(struct cli *cli, const struct cli_args *args, struct serve *s)
{
    sigset_t set;
    int signal_number;
    bool settled = false;

    server_signals(&set);
    for (;;) {
        signal_number = next_signal(&set, &settled);
        if (signal_number < 0)
            continue;
        if (signal_number == SIGHUP)
            reload(cli, args, s);
        else if (signal_number == SIGUSR1)
            log_reopen();
        else
            break;
    }
    log_event(LOG_INFO, "stopping", LOG_TEXT("signal", strsignal(signal_number)));
}

int cli_serve(struct cli *cli, const struct cli_args *args)
{
    int64_t started_ms = clock_mono_ms();
    struct serve s = {0};
    struct err e = {0};
    sigset_t set;

    if (!cli_config_load(cli, args, &s.conf))
        return CLI_FAILED;
    tame_malloc();
    raise_file_limit();
    signal(SIGPIPE, SIG_IGN);
    server_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* every thread inherits it; sigwait() takes them */
    if (start(cli, &s, &e) != ERR_OK) {
        log_err(LOG_ERROR, "start failed", &e);
        stop(&s);
        return CLI_FAILED;
    }
    announce(&s, started_ms);
    forget_start();
    run_until_told(cli, args, &s);
    stop(&s);
    return CLI_OK;
}
