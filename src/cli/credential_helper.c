#include "cli/credential_helper.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/process.h"
#include "cli/cli.h"

#include <openssl/crypto.h>

#define NAME_MAX_BYTES 64
#define PATH_BYTES     4096
#define ANSWER_MAX     (64u << 10)
#define DEADLINE_MS    120000 /* it may ask a person */

static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!str_is_alphanumeric(s.p[i]) && !memchr("._-", s.p[i], 3))
            return false;
    }
    return s.n > 0 && s.n <= NAME_MAX_BYTES;
}

static enum err_code read_answer(struct str text, struct str name, struct buf *ret_user,
                                 struct buf *ret_secret, struct err *e)
{
    AUTO(json) json_t *root = json_shallow(text) ? json_loadb(text.p, text.n, 0, NULL) : NULL;
    const char *user = json_string_value(json_object_get(root, "Username"));
    const char *secret = json_string_value(json_object_get(root, "Secret"));

    if (!user || !secret)
        return err_set(e, ERR_UNAVAILABLE,
                       "docker-credential-" STR_FMT " does not answer as a helper does",
                       STR_ARG(name));
    buf_add_text(ret_user, user);
    buf_add_text(ret_secret, secret);
    return ERR_OK;
}

/* Words that every helper prints, with a status of 1, when it has nothing. */
static bool has_nothing(struct str output)
{
    return str_starts(output, STR("credentials not found"));
}

static struct str first_line(struct str s)
{
    struct str line;

    str_cut(&s, '\n', &line);
    return line.n > 200 ? str_sub(line, 0, 200) : line;
}

enum err_code credential_helper_get(char *const *environment, struct str name, struct str server,
                                    struct buf *ret_user, struct buf *ret_secret, struct err *e)
{
    char path[PATH_BYTES], program[NAME_MAX_BYTES + 32];
    const char *const argv[] = {path, "get", NULL};
    const struct process p = {.argv = argv,
                              .env = (const char *const *)environment,
                              .input = server,
                              .deadline_ms = clock_mono_ms() + DEADLINE_MS,
                              .stop_fd = -1};
    AUTO(buf) struct buf output = {0};
    AUTO(buf) struct buf errors = {0};
    struct process_end end;
    enum err_code code;
    struct str said;

    if (!is_name(name))
        return err_set(e, ERR_CONFIG, "'%.*s' is no name of a credential helper",
                       (int)(name.n < 64 ? name.n : 64), name.p);
    snprintf(program, sizeof(program), "docker-credential-" STR_FMT, STR_ARG(name));
    if (!process_find(str_of(cli_variable(environment, "PATH")), str_of(program), path,
                      sizeof(path)))
        return err_set(e, ERR_NOT_FOUND, "docker-credential-" STR_FMT " is not in PATH",
                       STR_ARG(name));
    buf_init(&output, ANSWER_MAX);
    buf_init(&errors, ANSWER_MAX);
    TRY(process_run(&p, &output, &errors, &end, e));
    said = first_line(buf_str(output.n > 0 ? &output : &errors));
    if (end.status == 0)
        code = read_answer(buf_str(&output), name, ret_user, ret_secret, e);
    else if (has_nothing(said))
        code = ERR_OK;
    else
        code = err_set(e, ERR_UNAVAILABLE, "docker-credential-" STR_FMT " fails: " STR_FMT,
                       STR_ARG(name), STR_ARG(said));
    if (output.p)
        OPENSSL_cleanse(output.p, output.n);
    return code;
}
