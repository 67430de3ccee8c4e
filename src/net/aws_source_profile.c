/*
 * A profile of the shared files: a key, or a role that is assumed with that of another profile or
 * source ("Assume role credential provider").
 */
#include "base/cleanup.h"
#include "base/mem.h"
#include "net/aws_ini.h"
#include "net/aws_source.h"
#include "net/aws_sts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define DEPTH_MAX 5 /* profiles that lead to one another */
#define NAME_MAX_ 128

struct files {
    const struct aws_credentials_options *options;
    struct aws_ini credentials, config;
};

static void auto_files_(struct files *f)
{
    aws_ini_done(&f->credentials);
    aws_ini_done(&f->config);
}

/* One of both. A file that is not there is empty, unless a variable names it. */
static enum err_code read_file(const struct aws_credentials_options *o, const char *variable,
                               const char *usual, struct aws_ini *ret_ini, struct err *e)
{
    const char *given = aws_variable(o, variable), *home = aws_variable(o, "HOME");
    struct buf text = {0};
    char path[PATH_MAX];

    if (!given && !home)
        return ERR_OK;
    snprintf(path, sizeof(path), "%s%s", given ? "" : home, given ? given : usual);
    if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES) &&
        !given)
        return ERR_OK;
    TRY(aws_file_read(path, &text, e));
    aws_ini_read(text, ret_ini);
    return ERR_OK;
}

/* In the config file "default" is itself, any other name stands behind "profile ". */
static void config_section(const char *profile, char dst[static NAME_MAX_ + 16])
{
    bool plain = strcmp(profile, "default") == 0;

    snprintf(dst, NAME_MAX_ + 16, "%s%s", plain ? "" : "profile ", profile);
}

static bool has_profile(const struct files *f, const char *profile)
{
    char section[NAME_MAX_ + 16];

    config_section(profile, section);
    return aws_ini_has(&f->credentials, str_of(profile)) ||
           aws_ini_has(&f->config, str_of(section)) || aws_ini_has(&f->config, str_of(profile));
}

/* The file of credentials counts more. The caller frees; NULL: it is not set, or empty. */
static char *setting(const struct files *f, const char *profile, const char *name)
{
    char section[NAME_MAX_ + 16];
    struct str value = aws_ini_find(&f->credentials, str_of(profile), name);

    config_section(profile, section);
    if (value.n == 0)
        value = aws_ini_find(&f->config, str_of(section), name);
    return value.n > 0 ? str_dup(value) : NULL;
}

static enum err_code ask_profile(const struct files *f, const char *profile, unsigned depth,
                                 struct aws_key *ret_key, struct err *e);

/* Settings of what is not done here: whoever wrote them means them. */
static enum err_code refuse_others(const struct files *f, const char *profile, struct err *e)
{
    static const char *const others[] = {"sso_session", "sso_start_url", "sso_account_id",
                                         "credential_process"};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        AUTO(mem) char *value = setting(f, profile, others[i]);

        if (value)
            return err_set(e, ERR_CONFIG, "[%.60s] %s is not supported; use a role or a key",
                           profile, others[i]);
    }
    return err_set(e, ERR_CONFIG, "[%.60s] has neither key nor role", profile);
}

static enum err_code ask_key(const struct files *f, const char *profile, struct aws_key *ret_key,
                             struct err *e)
{
    AUTO(mem) char *access = setting(f, profile, "aws_access_key_id");
    AUTO(mem) char *secret = setting(f, profile, "aws_secret_access_key");
    AUTO(mem) char *token = setting(f, profile, "aws_session_token");

    if (!access && !secret)
        return refuse_others(f, profile, e);
    if (!access || !secret)
        return err_set(e, ERR_CONFIG, "[%.60s] %s is missing", profile,
                       access ? "aws_secret_access_key" : "aws_access_key_id");
    return aws_key_make(access, secret, token, ret_key, e);
}

/* `credential_source` of a profile: what stands there, and who is asked. */
static enum err_code ask_source(const struct files *f, const char *profile, const char *name,
                                struct aws_key *ret_key, struct err *e)
{
    static const struct aws_source sources[] = {
        {"Environment", aws_source_environment},
        {"EcsContainer", aws_source_container},
        {"Ec2InstanceMetadata", aws_source_instance},
    };

    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        if (strcmp(sources[i].name, name) != 0)
            continue;
        if (sources[i].ask(f->options, ret_key, e) == ERR_OK)
            return ERR_OK;
        if (e->code == ERR_NOT_FOUND) /* it was asked for */
            e->code = ERR_UNAVAILABLE;
        return err_prefix(e, "[%.60s] %s", profile, name);
    }
    return err_set(e, ERR_CONFIG,
                   "[%.60s] credential_source is none of Environment, EcsContainer "
                   "and Ec2InstanceMetadata",
                   profile);
}

/* The key that the role is assumed with. */
static enum err_code ask_base(const struct files *f, const char *profile, unsigned depth,
                              struct aws_key *ret_key, struct err *e)
{
    AUTO(mem) char *from = setting(f, profile, "source_profile");
    AUTO(mem) char *source = setting(f, profile, "credential_source");

    if (source && !from)
        return ask_source(f, profile, source, ret_key, e);
    if (!from)
        return err_set(e, ERR_CONFIG, "[%.60s] role_arn needs source_profile or credential_source",
                       profile);
    if (strcmp(from, profile) == 0) /* its own key, not its own role */
        return ask_key(f, profile, ret_key, e);
    if (depth == 0)
        return err_set(e, ERR_CONFIG, "[%.60s] source_profile leads on for too long", profile);
    return ask_profile(f, from, depth - 1, ret_key, e);
}

static enum err_code ask_role(const struct files *f, const char *profile, const char *arn,
                              unsigned depth, struct aws_key *ret_key, struct err *e)
{
    AUTO(mem) char *session = setting(f, profile, "role_session_name");
    AUTO(mem) char *external_id = setting(f, profile, "external_id");
    AUTO(mem) char *duration_s = setting(f, profile, "duration_seconds");
    AUTO(mem) char *token_file = setting(f, profile, "web_identity_token_file");
    AUTO(mem) char *endpoint_url = setting(f, profile, "endpoint_url");
    AUTO(mem) char *mfa = setting(f, profile, "mfa_serial");
    struct aws_role role = {arn, session, external_id, duration_s, endpoint_url};
    AUTO(aws_key) struct aws_key base = {0};
    enum err_code code;

    if (mfa)
        return err_set(e, ERR_CONFIG, "[%.60s] mfa_serial: nobody is there to type a code",
                       profile);
    if (token_file) {
        code = aws_sts_assume_with_token(f->options, &role, token_file, ret_key, e);
    } else {
        TRY(ask_base(f, profile, depth, &base, e));
        code = aws_sts_assume(f->options, &role, &base, ret_key, e);
    }
    return code == ERR_OK ? ERR_OK : err_prefix(e, "[%.60s] %.120s", profile, arn);
}

static enum err_code ask_profile(const struct files *f, const char *profile, unsigned depth,
                                 struct aws_key *ret_key, struct err *e)
{
    AUTO(mem) char *arn = NULL;

    if (strlen(profile) > NAME_MAX_ || !has_profile(f, profile))
        return err_set(e, ERR_CONFIG, "there is no profile '%.60s'", profile);
    arn = setting(f, profile, "role_arn");
    return arn ? ask_role(f, profile, arn, depth, ret_key, e) : ask_key(f, profile, ret_key, e);
}

enum err_code aws_source_profile(const struct aws_credentials_options *o, struct aws_key *ret_key,
                                 struct err *e)
{
    const char *profile = aws_variable(o, "AWS_PROFILE");
    AUTO(files) struct files f = {.options = o};

    TRY(read_file(o, "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials", &f.credentials, e));
    TRY(read_file(o, "AWS_CONFIG_FILE", "/.aws/config", &f.config, e));
    profile = profile ? profile : aws_variable(o, "AWS_DEFAULT_PROFILE");
    if (!profile && !has_profile(&f, "default"))
        return err_set(e, ERR_NOT_FOUND, "no AWS_PROFILE, no [default]");
    profile = profile ? profile : "default";
    if (ask_profile(&f, profile, DEPTH_MAX, ret_key, e) == ERR_OK)
        return ERR_OK;
    return e->code;
}
