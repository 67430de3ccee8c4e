#include "scan/trivy.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/process.h"
#include "net/fetch.h"
#include "scan/generation.h"
#include "scan/trivy_empty.h"
#include "scan/trivy_report.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>

#define CACHE        "cache" /* its own, in the directory of the scan */
#define REPORT       "report.json"
#define PROBE        "probe.json"
#define PROBED       "probed.json"
#define RELEASES     16 /* that are remembered */
#define OUTPUT_BYTES 4096
#define ERRORS_BYTES (256u << 10)
#define ENTRIES_MAX  100000 /* files that it may have */
#define ARGS_MAX     32
#define ENV_MAX      10
#define VERSION_MAX  65536
#define TOKEN_MAX    4096
#define ANSWER_MS    10000
#define ASK_AGAIN_MS 60000 /* a program that does not say its version */

/* Of a distribution: does Trivy lack what it needs to judge its packages? */
struct release {
    char family[64], name[64];
    bool lacks;
};

struct trivy {
    struct scanner scanner;
    const struct conf_scan *c;
    struct generations data; /* fd -1: a server has it */
    uid_t uid;               /* 0: as we are */
    gid_t gid;
    pthread_mutex_t mutex; /* guards: */
    char version[SCAN_VERSION_SIZE];
    struct stat program; /* that has it */
    int64_t asked_ms;    /* when it was asked */
    bool asking;         /* now, by a thread without the mutex */
    struct release releases[RELEASES];
    size_t next_release;
};

static struct trivy *trivy_of(struct scanner *s)
{
    return (struct trivy *)s;
}

/* ---- what it said */

static void clean(char *text)
{
    for (char *p = text; *p; p++)
        *p = (unsigned char)*p < ' ' || *p == 0x7f ? ' ' : *p;
}

/* "TIME\tFATAL\tFatal error\tCAUSE": the cause. */
static struct str cause_of(struct str line)
{
    static const char fatal[] = "Fatal error\t";
    const char *at = memmem(line.p, line.n, fatal, sizeof(fatal) - 1);
    size_t from = at ? (size_t)(at - line.p) + sizeof(fatal) - 1 : 0;

    return str_trim(str_sub(line, from, line.n - from));
}

static bool has(struct str text, const char *words)
{
    return str_contains(text, str_of(words));
}

/* It goes on after that. */
static bool is_chatter(struct str line)
{
    return has(line, "\tINFO\t") || has(line, "\tWARN\t");
}

void trivy_reason(struct str errors, char dst[static TRIVY_REASON_MAX])
{
    struct str last[2] = {STR_NONE, STR_NONE}, line;

    while (errors.n > 0) {
        str_cut(&errors, '\n', &line);
        line = str_trim(line);
        if (line.n > 0 && !is_chatter(line)) {
            last[0] = last[1];
            last[1] = cause_of(line);
        }
    }
    snprintf(dst, TRIVY_REASON_MAX, "%.*s%s%.*s", (int)(last[0].n < 150 ? last[0].n : 150),
             last[0].n > 0 ? last[0].p : "", last[0].n > 0 ? ": " : "",
             (int)(last[1].n < 160 ? last[1].n : 160), last[1].n > 0 ? last[1].p : "");
    clean(dst);
}

/* Words by which it says that the image itself can't be read. */
static bool is_the_images_fault(struct str errors, bool by_server)
{
    static const char *const words[] = {
        "gzip: invalid",         "flate: corrupt",       "invalid tar header", "zstd: invalid",
        "magic number mismatch", "unable to uncompress", "invalid block type", "unknown block type",
        "missing field",         "data after",
    };

    /* A connection that was cut may be behind these, too. */
    if (!by_server &&
        (has(errors, "unexpected EOF") || has(errors, "failed to extract the archive")))
        return true;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (has(errors, words[i]))
            return true;
    }
    return false;
}

static bool lacks_java_index(struct str errors)
{
    return has(errors, "Java DB") && has(errors, "on the first run");
}

/* ---- one scan */

struct run {
    struct trivy *t;
    const struct scan_order *o;
    int dir, report; /* of the scan; -1: not yet */
    struct generation data;
    char program[4096];
    char image[DIGEST_TEXT_MAX + 1]; /* its name for the scanner */
    struct buf errors;
};

static inline void auto_run_(struct run *x)
{
    auto_fd_(&x->dir);
    auto_fd_(&x->report);
    generation_release(&x->data);
    buf_done(&x->errors);
}

/* As a shell finds it, in PATH. */
static enum err_code find_program(const char *name, char *dst, size_t cap, struct err *e)
{
    const char *path = getenv("PATH");
    struct str rest = str_of(path ? path : "/usr/local/bin:/usr/bin:/bin"), dir;
    bool more = true;

    if (strchr(name, '/') && str_copy(str_of(name), dst, cap))
        return ERR_OK;
    while (more && rest.n > 0) {
        more = str_cut(&rest, ':', &dir);
        if (dir.n > 0 && snprintf(dst, cap, STR_FMT "/%s", STR_ARG(dir), name) < (int)cap &&
            access(dst, X_OK) == 0)
            return ERR_OK;
    }
    return err_set(e, ERR_UNAVAILABLE, "there is no program '%s' in PATH (scan.trivy.path)", name);
}

/* To the user that it runs as, where there is one. */
static enum err_code give(struct run *x, const char *name, struct err *e)
{
    if (x->t->uid > 0 && fchownat(x->dir, name, x->t->uid, x->t->gid, AT_SYMLINK_NOFOLLOW) < 0 &&
        errno != ENOENT)
        return err_errno(e, "give '%s/%s' to %s", x->o->dir, name, x->t->c->trivy.user);
    return ERR_OK;
}

static enum err_code make_dir(struct run *x, const char *name, struct err *e)
{
    if (mkdirat(x->dir, name, 0755) < 0 && errno != EEXIST)
        return err_errno(e, "create '%s/%s'", x->o->dir, name);
    return give(x, name, e);
}

static enum err_code make_new_dir(struct run *x, const char *name, struct err *e)
{
    if (mkdirat(x->dir, name, 0755) < 0)
        return err_errno(e, "create '%s/%s'", x->o->dir, name);
    return give(x, name, e);
}

/* The scan has the data as it is now, to its end. */
static enum err_code hold_data(struct run *x, struct err *e)
{
    if (x->t->data.fd < 0 || generation_hold(&x->t->data, &x->data, e) == ERR_OK)
        return ERR_OK;
    if (e->code == ERR_NOT_FOUND)
        e->code = ERR_UNAVAILABLE;
    return e->code;
}

static enum err_code lay_out_data(struct run *x, struct err *e)
{
    char from[DATA_PATH_SIZE + 32], to[64];

    for (int part = 0; part < DATA_PARTS; part++) {
        if (!x->data.parts[part].there)
            continue;
        snprintf(from, sizeof(from), "%s/%s", x->data.path, data_part_name(part));
        snprintf(to, sizeof(to), CACHE "/%s", data_part_name(part));
        if (symlinkat(from, x->dir, to) < 0)
            return err_errno(e, "link '%s'", to);
    }
    return ERR_OK;
}

/* Anew: whoever has run may have put links in there, and we are about to write. */
static enum err_code make_cache(struct run *x, struct err *e)
{
    TRY(file_remove_tree_at(x->dir, CACHE, e));
    TRY(make_new_dir(x, CACHE, e));
    return lay_out_data(x, e);
}

static enum err_code open_run(struct run *x, struct err *e)
{
    TRY(find_program(x->t->c->trivy.path, x->program, sizeof(x->program), e));
    x->dir = open(x->o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return x->dir < 0 ? err_errno(e, "open '%s'", x->o->dir) : ERR_OK;
}

/* Lists of packages say what it was called by: "sha256-...", for what is before a ':' it takes for
 * all of a name. */
static enum err_code name_image(struct run *x, struct err *e)
{
    struct str hex = digest_hex(x->o->digest);

    snprintf(x->image, sizeof(x->image), "%s-" STR_FMT,
             digest_algorithm_name(x->o->digest->algorithm), STR_ARG(hex));
    if (symlinkat(SCAN_IMAGE_DIR, x->dir, x->image) < 0 && errno != EEXIST)
        return err_errno(e, "link '%s'", x->image);
    return ERR_OK;
}

static enum err_code prepare(struct run *x, struct err *e)
{
    TRY(open_run(x, e));
    TRY(name_image(x, e));
    TRY(give(x, ".", e));
    TRY(give(x, SCAN_IMAGE_DIR, e));
    TRY(make_dir(x, SCAN_TMP_DIR, e));
    TRY(hold_data(x, e));
    return make_cache(x, e);
}

/* ---- its bounds while it runs */

static enum err_code too_much(const char *what, uint64_t most, struct err *e)
{
    return err_set(e, ERR_BODY_TOO_LARGE, "the scanner %s more than %" PRIu64 " bytes", what, most);
}

/* What it has written, in all its files. */
static enum err_code check_files(const struct run *x, struct err *e)
{
    char tmp[4096], cache[4096];
    char *const roots[] = {tmp, cache, NULL};
    uint64_t most = x->t->c->trivy.file_bytes, bytes = 0;
    unsigned entries = 0;
    FTS *files;

    snprintf(tmp, sizeof(tmp), "%s/" SCAN_TMP_DIR, x->o->dir);
    snprintf(cache, sizeof(cache), "%s/" CACHE, x->o->dir);
    files = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    if (!files)
        return ERR_OK; /* later, then */
    for (FTSENT *f; (f = fts_read(files)) && entries <= ENTRIES_MAX; entries++)
        bytes += f->fts_info == FTS_F ? (uint64_t)f->fts_statp->st_blocks * 512 : 0;
    fts_close(files);
    if (bytes > most)
        return too_much("wrote", most, e);
    return entries <= ENTRIES_MAX ? ERR_OK
                                  : err_set(e, ERR_BODY_TOO_LARGE,
                                            "the scanner wrote more than %d files", ENTRIES_MAX);
}

static enum err_code check_report(const struct run *x, struct err *e)
{
    uint64_t most = conf_u64(&x->t->c->max_report_bytes);
    struct stat st;

    if (x->report >= 0 && fstat(x->report, &st) == 0 && (uint64_t)st.st_size > most)
        return too_much("says", most, e);
    return ERR_OK;
}

static enum err_code look(void *ctx, struct err *e)
{
    const struct run *x = ctx;

    TRY(check_report(x, e));
    return check_files(x, e);
}

/* ---- a command */

struct command {
    const char *args[ARGS_MAX];
    size_t n;
    char env[ENV_MAX][TOKEN_MAX + 32];
    const char *env_of[ENV_MAX + 1];
    size_t n_env;
};

static void add(struct command *c, const char *arg)
{
    c->args[c->n++] = arg;
    c->args[c->n] = NULL;
}

static void add_all(struct command *c, const char *const *args)
{
    for (; *args; args++)
        add(c, *args);
}

static void add_env(struct command *c, const char *name, const char *value)
{
    snprintf(c->env[c->n_env], sizeof(c->env[0]), "%s=%s", name, value);
    c->env_of[c->n_env] = c->env[c->n_env];
    c->n_env++;
}

/* Nothing of ours: it takes each TRIVY_ variable for a flag. */
static enum err_code set_env(struct command *c, const struct trivy *t, struct err *e)
{
    const struct conf_scan_trivy *k = &t->c->trivy;
    AUTO(buf) struct buf token = {0};
    char number[32];

    add_env(c, "PATH", "/usr/local/bin:/usr/bin:/bin");
    add_env(c, "HOME", SCAN_TMP_DIR);
    add_env(c, "TMPDIR", SCAN_TMP_DIR);
    snprintf(number, sizeof(number), "%" PRIu64, k->processors);
    add_env(c, "GOMAXPROCS", number);
    snprintf(number, sizeof(number), "%" PRIu64, k->memory_bytes / 4 * 3);
    add_env(c, "GOMEMLIMIT", number);
    if (k->server_token_file[0]) {
        buf_init(&token, TOKEN_MAX);
        TRY(file_read_at(AT_FDCWD, k->server_token_file, &token, e));
        while (token.n > 0 && strchr("\r\n", token.p[token.n - 1]))
            token.n--;
        add_env(c, "TRIVY_TOKEN", buf_text(&token));
    }
    return ERR_OK;
}

/* Runs it with its output in that file. Error when it does not end with 0; its words are in
 * x->errors. */
static enum err_code run_command(struct run *x, struct command *c, int output, struct err *e)
{
    const struct conf_scan_trivy *k = &x->t->c->trivy;
    uint64_t report_bytes = conf_u64(&x->t->c->max_report_bytes) + 1;
    AUTO(buf) struct buf unused = {0};
    struct process_end end;
    char reason[TRIVY_REASON_MAX];
    const struct process p = {.argv = c->args,
                              .env = c->env_of,
                              .deadline_ms = x->o->deadline_ms,
                              .stop_fd = x->o->stop_fd,
                              .dir = x->o->dir,
                              .output_fd = output,
                              .file_bytes =
                                  k->file_bytes > report_bytes ? k->file_bytes : report_bytes,
                              .cpu_s = k->timeout_ms / 1000 * k->processors + 1,
                              .resident_bytes = k->memory_bytes,
                              .nice = (int)k->nice,
                              .offline = k->isolate && x->t->data.fd >= 0,
                              .uid = x->t->uid,
                              .gid = x->t->gid,
                              .writable = (const char *const[]){SCAN_TMP_DIR, CACHE, NULL},
                              .look = look,
                              .look_ctx = x};

    buf_init(&unused, OUTPUT_BYTES);
    buf_clear(&x->errors);
    TRY(set_env(c, x->t, e));
    TRY(process_run(&p, &unused, &x->errors, &end, e));
    TRY(look(x, e));
    if (end.status == 0)
        return ERR_OK;
    trivy_reason(buf_str(&x->errors), reason);
    if (is_the_images_fault(buf_str(&x->errors), x->t->data.fd < 0))
        return err_tell(e, ERR_NOT_ANALYZABLE, "the image can't be read: %s", reason);
    if (end.signal > 0)
        return err_set(e, ERR_INTERNAL, "the scanner was ended by signal %d%s%s", end.signal,
                       *reason ? ": " : "", reason);
    return err_set(e, ERR_INTERNAL, "the scanner failed with status %d: %s", end.status,
                   *reason ? reason : "it said nothing");
}

static enum err_code open_output(struct run *x, const char *name, int *ret_fd, struct err *e)
{
    auto_fd_(ret_fd);
    unlinkat(x->dir, name, 0); /* of a run before */
    *ret_fd = openat(x->dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return *ret_fd < 0 ? err_errno(e, "create '%s'", name) : give(x, name, e);
}

/* As it is called in the directory of the scan, if it is in there. */
static const char *name_here(const struct run *x, const char *path)
{
    size_t n = strlen(x->o->dir);

    return strncmp(path, x->o->dir, n) == 0 && path[n] == '/' ? path + n + 1 : path;
}

static const char *const usual[] = {
    "--scanners",          "vuln",          "--format",        "json",   "--list-all-pkgs",
    "--cache-dir",         CACHE,           "--cache-backend", "memory", "--skip-version-check",
    "--disable-telemetry", "--no-progress", "--timeout",       "24h",    NULL};
static const char *const offline[] = {"--skip-db-update", "--skip-java-db-update", "--offline-scan",
                                      NULL};

/* By names in its working directory: what is before an '@' or ':' in a path it takes for all. */
static enum err_code scan_once(struct run *x, struct err *e)
{
    struct command c = {0};

    add(&c, x->program);
    add(&c, x->o->sbom ? "sbom" : "image");
    add_all(&c, usual);
    if (x->t->data.fd >= 0) {
        add_all(&c, offline);
    } else {
        add(&c, "--server");
        add(&c, x->t->c->trivy.server);
    }
    if (x->o->sbom) {
        add(&c, name_here(x, x->o->sbom));
        TRY(give(x, name_here(x, x->o->sbom), e));
    } else {
        add(&c, "--input");
        add(&c, x->image);
    }
    TRY(open_output(x, REPORT, &x->report, e));
    return run_command(x, &c, x->report, e);
}

/* ---- Java without an index */

static void note(struct scan_facts *f, const char *text)
{
    size_t n = strlen(f->note);

    f->partial = true;
    snprintf(f->note + n, sizeof(f->note) - n, "%s%s", n > 0 ? "; " : "", text);
}

static enum err_code scan_with_java(struct run *x, struct scan_facts *facts, struct err *e)
{
    enum err_code code = scan_once(x, e);

    if (code == ERR_OK || x->data.parts[DATA_JAVA].there || !lacks_java_index(buf_str(&x->errors)))
        return code;
    TRY(make_cache(x, e));
    TRY(make_new_dir(x, CACHE "/java-db", e));
    TRY(trivy_empty_index(x->dir, x->o->dir, CACHE "/java-db", e));
    note(facts, "there is no Java index: archives that do not say what they are were passed over");
    return scan_once(x, e);
}

/* ---- distributions that it does not know */

/* It says so in words only, while it works. Who makes it say so much that these words are not heard
 * gains nothing. */
static bool lacks_release(const struct run *x)
{
    struct str said = buf_str(&x->errors);

    return has(said, "not on the EOL list") ||
           (x->errors.full && !has(said, "] Detecting vulnerabilities..."));
}

/* Writes the report of the last scan as a list of packages. */
static enum err_code convert(struct run *x, const char *format, int output, struct err *e)
{
    struct command c = {0};

    add(&c, x->program);
    add_all(&c, (const char *const[]){"convert", "--quiet", "--severity", "", "--format", format,
                                      REPORT, NULL});
    return run_command(x, &c, output, e);
}

/* Where a server does the work, it is the server's log that has these words. So what was found is
 * looked at once more here, with data that knows nothing. */
static enum err_code listen_here(struct run *x, struct err *e)
{
    struct command c = {0};
    AUTO(fd) int list = -1;
    AUTO(fd) int output = -1;

    TRY(open_output(x, PROBE, &list, e));
    TRY(convert(x, "cyclonedx", list, e));
    TRY(make_cache(x, e));
    TRY(make_new_dir(x, CACHE "/db", e));
    TRY(trivy_empty_database(x->dir, CACHE "/db", e));
    add(&c, x->program);
    add(&c, "sbom");
    add_all(&c, usual);
    add_all(&c, offline);
    add(&c, PROBE);
    TRY(open_output(x, PROBED, &output, e));
    return run_command(x, &c, output, e);
}

/* Of the releases that were asked about last; *ret_lacks holds when it is one of these. */
static bool is_remembered(struct trivy *t, const struct scan_facts *f, bool *ret_lacks)
{
    bool found = false;

    pthread_mutex_lock(&t->mutex);
    for (size_t i = 0; i < RELEASES && !found; i++) {
        const struct release *r = &t->releases[i];

        found = strcmp(r->family, f->os_family) == 0 && strcmp(r->name, f->os_name) == 0;
        *ret_lacks = found && r->lacks;
    }
    pthread_mutex_unlock(&t->mutex);
    return found;
}

static void remember(struct trivy *t, const struct scan_facts *f, bool lacks)
{
    struct release *r;

    pthread_mutex_lock(&t->mutex);
    r = &t->releases[t->next_release++ % RELEASES];
    snprintf(r->family, sizeof(r->family), "%s", f->os_family);
    snprintf(r->name, sizeof(r->name), "%s", f->os_name);
    r->lacks = lacks;
    pthread_mutex_unlock(&t->mutex);
}

static enum err_code look_for_release(struct run *x, const struct scan_facts *f, bool *ret_lacks,
                                      struct err *e)
{
    *ret_lacks = x->t->data.fd >= 0 && lacks_release(x);
    if (x->t->data.fd >= 0 || is_remembered(x->t, f, ret_lacks))
        return ERR_OK;
    TRY(listen_here(x, e));
    *ret_lacks = lacks_release(x);
    remember(x->t, f, *ret_lacks);
    return ERR_OK;
}

static enum err_code look_at_system(struct run *x, struct scan_facts *f, struct err *e)
{
    char text[sizeof(f->os_family) + sizeof(f->os_name) + 64];
    bool lacks = false;

    if (!f->os_family[0])
        return ERR_OK;
    if (!f->os_unread)
        TRY(look_for_release(x, f, &lacks, e));
    if (f->os_unread)
        snprintf(text, sizeof(text), "no packages of %s %s were found that the scanner knows",
                 f->os_family, f->os_name);
    else if (lacks)
        snprintf(text, sizeof(text), "the scanner does not know the release %s %s", f->os_family,
                 f->os_name);
    else
        return ERR_OK;
    f->os_unread = true;
    note(f, text);
    return ERR_OK;
}

/* ---- lists of packages */

/* Without severities no vulnerability is left in it: what was known on the day of the scan has no
 * place in a list that stays. */
static enum err_code trivy_sbom(struct scanner *s, const struct scan_order *o,
                                enum sbom_format format, const char *name, struct err *e)
{
    static const char *const names[] = {[SBOM_CYCLONEDX] = "cyclonedx", [SBOM_SPDX] = "spdx-json"};
    AUTO(run)
    struct run x = {.t = trivy_of(s), .o = o, .dir = -1, .report = -1, .data = {.fd = -1}};
    AUTO(fd) int fd = -1;

    buf_init(&x.errors, ERRORS_BYTES);
    TRY(open_run(&x, e));
    fd = openat(x.dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(e, "create '%s'", name);
    return convert(&x, names[format], fd, e);
}

/* ---- the driver */

static enum err_code trivy_scan(struct scanner *s, const struct scan_order *o,
                                struct finding_list *ret, struct scan_facts *ret_facts,
                                struct err *e)
{
    AUTO(run)
    struct run x = {.t = trivy_of(s), .o = o, .dir = -1, .report = -1, .data = {.fd = -1}};

    buf_init(&x.errors, ERRORS_BYTES);
    TRY(prepare(&x, e));
    TRY(scan_with_java(&x, ret_facts, e));
    TRY(trivy_report_read(x.report, ret, ret_facts, e));
    TRY(look_at_system(&x, ret_facts, e));
    if (x.data.fd >= 0) /* else of the server's, which was asked before */
        ret_facts->data_ms = x.data.parts[DATA_DB].updated_ms;
    return ERR_OK;
}

/* {"VulnerabilityDB": {"UpdatedAt": ...}} */
static enum err_code server_data(struct trivy *t, int64_t *ret_data_ms, struct err *e)
{
    char url[2100];
    const struct fetch f = {.url = url, .timeout_ms = ANSWER_MS};
    AUTO(buf) struct buf body = {0};
    AUTO(json) json_t *j = NULL;
    const char *time;
    int status;

    snprintf(url, sizeof(url), "%s/version", t->c->trivy.server);
    buf_init(&body, VERSION_MAX);
    TRY(fetch_run(&f, &status, &body, e));
    if (status == 200 && json_shallow(buf_str(&body)))
        j = json_loadb(body.p, body.n, 0, NULL);
    time = json_string_value(json_object_get(json_object_get(j, "VulnerabilityDB"), "UpdatedAt"));
    if (!time || !clock_parse(str_of(time), ret_data_ms))
        return err_set(e, ERR_UNAVAILABLE, "%s has no data of vulnerabilities: status %d",
                       t->c->trivy.server, status);
    return ERR_OK;
}

static enum err_code trivy_data(struct scanner *s, int64_t *ret_data_ms, struct err *e)
{
    struct trivy *t = trivy_of(s);
    AUTO(generation) struct generation x = {.fd = -1};

    if (t->data.fd < 0)
        return server_data(t, ret_data_ms, e);
    if (generation_hold(&t->data, &x, e) != ERR_OK) {
        if (e->code == ERR_NOT_FOUND)
            e->code = ERR_UNAVAILABLE;
        return e->code;
    }
    *ret_data_ms = x.parts[DATA_DB].updated_ms;
    return ERR_OK;
}

/* ---- its version */

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* {"Version":"0.74.0"} of `trivy version`, which looks for its data, and gets none. */
static void ask_version(struct trivy *t, const char *program, char ret[static SCAN_VERSION_SIZE])
{
    static const char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/nonexistent",
                                      NULL};
    const char *const args[] = {program,        "version",  "--quiet", "--cache-dir",
                                "/nonexistent", "--format", "json",    NULL};
    const struct process p = {.argv = args,
                              .env = env,
                              .deadline_ms = clock_mono_ms() + ANSWER_MS,
                              .stop_fd = -1,
                              .dir = "/",
                              .offline = t->c->trivy.isolate,
                              .writable = (const char *const[]){NULL},
                              .uid = t->uid,
                              .gid = t->gid};
    AUTO(buf) struct buf said = {0};
    AUTO(buf) struct buf errors = {0};
    AUTO(json) json_t *j = NULL;
    struct process_end end;
    const char *version = NULL;

    buf_init(&said, VERSION_MAX);
    buf_init(&errors, OUTPUT_BYTES);
    if (process_run(&p, &said, &errors, &end, ERR_IGNORED) == ERR_OK && end.status == 0 &&
        json_shallow(buf_str(&said)))
        j = json_loadb(said.p, said.n, 0, NULL);
    version = json_string_value(json_object_get(j, "Version"));
    snprintf(ret, SCAN_VERSION_SIZE, "%s", version ? version : "");
}

/* Is known of that program what can be known now? The mutex is held. */
static bool is_asked(const struct trivy *t, const struct stat *program)
{
    return is_same_file(program, &t->program) &&
           (t->version[0] || clock_mono_ms() - t->asked_ms < ASK_AGAIN_MS);
}

/* The mutex is held, and let go meanwhile: it takes seconds. */
static void learn_version(struct trivy *t, const char *path, const struct stat *program)
{
    char version[SCAN_VERSION_SIZE];

    t->asking = true;
    pthread_mutex_unlock(&t->mutex);
    ask_version(t, path, version);
    pthread_mutex_lock(&t->mutex);
    t->asking = false;
    memset(t->releases, 0, sizeof(t->releases)); /* of another program */
    memcpy(t->version, version, sizeof(t->version));
    t->program = *program;
    t->asked_ms = clock_mono_ms();
}

/* While another thread asks, it is not known. */
static void trivy_version(struct scanner *s, char ret_version[static SCAN_VERSION_SIZE])
{
    struct trivy *t = trivy_of(s);
    char program[4096];
    struct stat st;

    ret_version[0] = '\0';
    if (find_program(t->c->trivy.path, program, sizeof(program), ERR_IGNORED) != ERR_OK ||
        stat(program, &st) != 0)
        return;
    pthread_mutex_lock(&t->mutex);
    if (!is_asked(t, &st) && !t->asking)
        learn_version(t, program, &st);
    if (is_same_file(&st, &t->program))
        memcpy(ret_version, t->version, SCAN_VERSION_SIZE);
    pthread_mutex_unlock(&t->mutex);
}

static void trivy_free(struct scanner *s)
{
    struct trivy *t = trivy_of(s);

    pthread_mutex_destroy(&t->mutex);
    generations_done(&t->data);
    free(t);
}

static const struct scanner_driver trivy = {
    .name = "trivy",
    .wants_layout = true,
    .takes_sbom = true,
    .counts_packages = true,
    .scan = trivy_scan,
    .sbom = trivy_sbom,
    .data = trivy_data,
    .version = trivy_version,
    .free = trivy_free,
};

static enum err_code find_user(struct trivy *t, struct err *e)
{
    const char *name = t->c->trivy.user;
    char bytes[4096];
    struct passwd p, *found = NULL;

    if (!name[0] || geteuid() != 0)
        return ERR_OK;
    if (getpwnam_r(name, &p, bytes, sizeof(bytes), &found) != 0 || !found)
        return err_set(e, ERR_CONFIG, "scan.trivy.user: there is no user '%s'", name);
    t->uid = p.pw_uid;
    t->gid = p.pw_gid;
    return ERR_OK;
}

static inline void auto_trivy_(struct trivy **t)
{
    if (*t)
        trivy_free(&(*t)->scanner);
}

enum err_code scanner_trivy_open(const struct conf_scan *c, const char *data_dir,
                                 struct scanner **ret_scanner, struct err *e)
{
    AUTO(trivy) struct trivy *t = NEW(struct trivy);

    *t =
        (struct trivy){.scanner = {&trivy, (unsigned)c->trivy.workers}, .c = c, .data = {.fd = -1}};
    pthread_mutex_init(&t->mutex, NULL);
    TRY(find_user(t, e));
    if (!c->trivy.server[0])
        TRY(generations_open(data_dir, &t->data, e));
    *ret_scanner = &STEAL(t)->scanner;
    return ERR_OK;
}
