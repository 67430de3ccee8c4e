#include "scan/data_fetch.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"

#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define SAID_BYTES       (16u << 10)
#define LINE_BYTES       200
#define PASSWORD_BYTES   4096
#define PASSWORD_ENCODED (PASSWORD_BYTES + 1024)
#define ARGUMENTS_MAX    16
#define VARIABLES_MAX    16
#define VARIABLE_BYTES   (DATA_PATH_SIZE + 64)
#define FETCHED          "fetched" /* the scanner's cache directory, in the draft */

const char *data_repository(const struct conf_scan *c, enum data_part part)
{
    return part == DATA_DB ? c->trivy.db_repository : c->trivy.java_db_repository;
}

/* ---- credentials
 *
 * As a file of docker's, for one host: a variable with a password would be sent to any host that an
 * answer leads to, and one with a comma be taken for two. */

static void add_base64(struct buf *b, struct str s)
{
    char encoded[PASSWORD_ENCODED * 2];

    if (s.n <= PASSWORD_ENCODED)
        buf_add(b, encoded,
                (size_t)EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)s.p,
                                        (int)s.n));
}

void data_fetch_credentials(struct str repository, struct str user, struct str password,
                            struct buf *ret)
{
    AUTO(buf) struct buf pair = {0};
    struct str host;

    str_cut(&repository, '/', &host);
    if (str_eq(host, STR("docker.io")) || str_eq(host, STR("index.docker.io")))
        host = STR("https://index.docker.io/v1/");
    buf_init(&pair, PASSWORD_ENCODED);
    buf_add_str(&pair, user);
    buf_add_char(&pair, ':');
    buf_add_str(&pair, password);
    buf_add_text(ret, "{\"auths\":{");
    buf_add_json(ret, host);
    buf_add_text(ret, ":{\"auth\":\"");
    add_base64(ret, buf_str(&pair));
    buf_add_text(ret, "\"}}}");
}

static enum err_code write_credentials(const struct conf_scan *c, enum data_part part,
                                       const struct data_draft *d, struct err *e)
{
    AUTO(buf) struct buf password = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(fd) int fd = -1;
    struct str secret;

    buf_init(&password, PASSWORD_BYTES);
    buf_init(&text, 4 * PASSWORD_ENCODED);
    if (c->data.password_file[0])
        TRY(file_read_at(AT_FDCWD, c->data.password_file, &password, e));
    secret = buf_str(&password);
    while (secret.n > 0 && (secret.p[secret.n - 1] == '\n' || secret.p[secret.n - 1] == '\r'))
        secret.n--;
    data_fetch_credentials(str_of(data_repository(c, part)), str_of(c->data.username), secret,
                           &text);
    fd = openat(d->fd, FETCHED "/tmp/config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || file_write_all(fd, text.p, text.n) < 0)
        return err_errno(e, "write the credentials of the scanner");
    return ERR_OK;
}

/* ---- the program */

struct command {
    char program[VARIABLE_BYTES];
    char cache[VARIABLE_BYTES], tmp[VARIABLE_BYTES];
    const char *argv[ARGUMENTS_MAX];
    size_t n_argv;
    char texts[VARIABLES_MAX][VARIABLE_BYTES];
    const char *env[VARIABLES_MAX];
    size_t n_env;
};

static void argument(struct command *k, const char *text)
{
    k->argv[k->n_argv++] = text;
    k->argv[k->n_argv] = NULL;
}

static void variable(struct command *k, const char *name, const char *value)
{
    if (!value ||
        snprintf(k->texts[k->n_env], VARIABLE_BYTES, "%s=%s", name, value) >= VARIABLE_BYTES)
        return;
    k->env[k->n_env] = k->texts[k->n_env];
    k->env[++k->n_env] = NULL;
}

/* 0: the program's own. */
static void number(struct command *k, const char *name, uint64_t value)
{
    char text[STR_DECIMAL_MAX + 1];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    variable(k, name, value > 0 ? text : NULL);
}

/* Built: of ours only the way out of the network. */
static void build_environment(const struct conf_scan *c, struct command *k)
{
    static const char *const ours[] = {"HTTP_PROXY",  "HTTPS_PROXY", "NO_PROXY",    "http_proxy",
                                       "https_proxy", "no_proxy",    "SSL_CERT_DIR"};

    variable(k, "PATH", "/usr/local/bin:/usr/bin:/bin");
    variable(k, "HOME", k->tmp);
    variable(k, "TMPDIR", k->tmp);
    variable(k, "DOCKER_CONFIG", k->tmp);
    number(k, "GOMAXPROCS", c->trivy.processors);
    number(k, "GOMEMLIMIT", c->trivy.memory_bytes / 4 * 3);
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        variable(k, ours[i], getenv(ours[i]));
    variable(k, "SSL_CERT_FILE", c->data.ca_file[0] ? c->data.ca_file : getenv("SSL_CERT_FILE"));
}

static void build_arguments(const struct conf_scan *c, enum data_part part, struct command *k)
{
    argument(k, k->program);
    argument(k, "image");
    argument(k, part == DATA_DB ? "--download-db-only" : "--download-java-db-only");
    argument(k, part == DATA_DB ? "--db-repository" : "--java-db-repository");
    argument(k, data_repository(c, part));
    argument(k, "--cache-dir");
    argument(k, k->cache);
    argument(k, "--skip-version-check");
    argument(k, "--disable-telemetry");
    argument(k, "--quiet");
    if (c->data.insecure)
        argument(k, "--insecure");
}

static enum err_code make_directory(const char *path, struct err *e)
{
    return mkdir(path, 0700) < 0 ? err_errno(e, "make '%s'", path) : ERR_OK;
}

static enum err_code prepare(const struct conf_scan *c, enum data_part part,
                             const struct data_draft *d, struct command *k, struct err *e)
{
    if (!process_find(str_of(getenv("PATH")), str_of(c->trivy.path), k->program,
                      sizeof(k->program)))
        return err_set(e, ERR_CONFIG, "scan.trivy.path: '%s' is not in PATH", c->trivy.path);
    snprintf(k->cache, sizeof(k->cache), "%s/" FETCHED, d->path);
    snprintf(k->tmp, sizeof(k->tmp), "%s/" FETCHED "/tmp", d->path);
    TRY(file_remove_tree_at(d->fd, FETCHED, e)); /* of the other part */
    TRY(make_directory(k->cache, e));
    TRY(make_directory(k->tmp, e));
    if (c->data.username[0])
        TRY(write_credentials(c, part, d, e));
    build_environment(c, k);
    build_arguments(c, part, k);
    return ERR_OK;
}

/* ---- what it says when it fails */

static struct str last_line(struct str *text)
{
    const char *end;

    while (text->n > 0 && memchr(" \r\n\t", text->p[text->n - 1], 4))
        text->n--;
    end = memrchr(text->p, '\n', text->n);
    return end ? str_sub(*text, (size_t)(end - text->p) + 1, text->n - (size_t)(end - text->p) - 1)
               : *text;
}

/* The last lines, for the cause stands in the one or the other. */
static enum err_code failed(const struct process_end *end, struct str said, struct err *e)
{
    struct str last, before;

    if (said.n == 0)
        return err_set(e, ERR_UNAVAILABLE,
                       "the scanner ended with status %d, signal %d, and said "
                       "nothing",
                       end->status, end->signal);
    last = last_line(&said);
    said.n -= last.n;
    before = said.n > 0 ? last_line(&said) : STR("");
    if (last.n > LINE_BYTES)
        last.n = LINE_BYTES;
    if (before.n > LINE_BYTES / 2)
        before.n = LINE_BYTES / 2;
    return err_set(e, ERR_UNAVAILABLE, "the scanner: " STR_FMT " / " STR_FMT, STR_ARG(before),
                   STR_ARG(last));
}

struct asking {
    data_go_on_fn go_on;
    void *ctx;
};

static enum err_code look(void *ctx, struct err *e)
{
    const struct asking *a = ctx;

    return a->go_on && !a->go_on(a->ctx) ? err_set(e, ERR_LATER, "stopped while data was pulled")
                                         : ERR_OK;
}

static enum err_code run(const struct conf_scan *c, const struct command *k, struct asking *a,
                         struct err *e)
{
    const struct process p = {.argv = k->argv,
                              .env = k->env,
                              .input = STR(""),
                              .deadline_ms = clock_mono_ms() + (int64_t)c->trivy.timeout_ms,
                              .stop_fd = -1,
                              .dir = k->tmp,
                              .file_bytes = c->data.max_bytes,
                              .cpu_s = c->trivy.timeout_ms / 1000 * c->trivy.processors + 1,
                              .resident_bytes = c->trivy.memory_bytes,
                              .nice = (int)c->trivy.nice,
                              .look = look,
                              .look_ctx = a};
    AUTO(buf) struct buf output = {0};
    AUTO(buf) struct buf errors = {0};
    struct process_end end;

    buf_init(&output, SAID_BYTES);
    buf_init(&errors, SAID_BYTES);
    TRY(process_run(&p, &output, &errors, &end, e));
    return end.status == 0 ? ERR_OK : failed(&end, buf_str(&errors), e);
}

enum err_code data_fetch(const struct conf_scan *c, enum data_part part, struct data_draft *d,
                         const char *origin, data_go_on_fn go_on, void *ctx, struct err *e)
{
    AUTO(mem) struct command *k = mem_zero(sizeof(*k));
    struct asking asking = {go_on, ctx};
    char made[VARIABLE_BYTES + 16];

    TRY(prepare(c, part, d, k, e));
    TRY(run(c, k, &asking, e));
    snprintf(made, sizeof(made), "%s/%s", k->cache, data_part_name(part));
    TRY(data_draft_add(d, part, made, origin, e));
    return file_remove_tree_at(d->fd, FETCHED, e);
}
