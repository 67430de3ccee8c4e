#include "cli/verify_trust.h"

#include "base/cleanup.h"
#include "signing/certificate_rule.h"
#include "signing/notation_trust.h"
#include "signing/public_key.h"

void verify_trust_done(struct verify_trust *t)
{
    for (size_t i = 0; i < t->trust.n_keys; i++)
        public_key_free(t->keys[i]);
    certificate_rule_free(t->rule);
    notation_trust_free(t->notation);
    *t = (struct verify_trust){.rule = NULL};
}

static enum err_code read_keys(const struct cli_args *args, struct verify_trust *t, struct err *e)
{
    const char *path;

    for (size_t i = 0; (path = cli_flag_nth(args, "--key", i)); i++) {
        if (i == CLI_REPEATED_MAX)
            return err_set(e, ERR_CONFIG, "--key: at most %d", CLI_REPEATED_MAX);
        if (public_key_read(path, &t->keys[i], e) != ERR_OK)
            return err_prefix(e, "--key %s", path);
        t->trust.n_keys++;
    }
    t->trust.keys = t->keys;
    return ERR_OK;
}

static enum err_code read_list(const struct cli_args *args, const char *flag,
                               const char *ret[static CLI_REPEATED_MAX + 1], struct err *e)
{
    size_t i = 0;

    while ((ret[i] = cli_flag_nth(args, flag, i))) {
        if (++i > CLI_REPEATED_MAX)
            return err_set(e, ERR_CONFIG, "%s: at most %d", flag, CLI_REPEATED_MAX);
    }
    return ERR_OK;
}

static enum err_code read_rule(const struct cli_args *args, struct verify_trust *t, struct err *e)
{
    static const char *const of_rules[] = {
        "--certificate-oidc-issuer", "--certificate-oidc-issuer-regexp",
        "--certificate-roots",       "--log-key",
        "--timestamp-roots",         "--no-log"};
    const char *logs[CLI_REPEATED_MAX + 1], *stamps[CLI_REPEATED_MAX + 1];
    const struct certificate_terms terms = {
        .identity = cli_flag(args, "--certificate-identity"),
        .identity_pattern = cli_flag(args, "--certificate-identity-regexp"),
        .issuer = cli_flag(args, "--certificate-oidc-issuer"),
        .issuer_pattern = cli_flag(args, "--certificate-oidc-issuer-regexp"),
        .roots = cli_flag(args, "--certificate-roots"),
        .logs = logs,
        .stamps = stamps,
        .no_log = cli_flag(args, "--no-log") != NULL};

    for (size_t i = 0; i < sizeof(of_rules) / sizeof(of_rules[0]); i++) {
        if (cli_flag(args, of_rules[i]) && !terms.identity && !terms.identity_pattern)
            return err_set(e, ERR_CONFIG, "%s goes with --certificate-identity, which is missing",
                           of_rules[i]);
    }
    if (!terms.identity && !terms.identity_pattern)
        return ERR_OK;
    TRY(read_list(args, "--log-key", logs, e));
    TRY(read_list(args, "--timestamp-roots", stamps, e));
    if (certificate_rule_read(&terms, &t->rule, e) != ERR_OK)
        return err_prefix(e, "--certificate-identity");
    t->trust.certificates = &t->rule;
    t->trust.n_certificates = 1;
    return ERR_OK;
}

static enum err_code read_notation(const struct cli_args *args, struct verify_trust *t,
                                   struct err *e)
{
    const char *crls[CLI_REPEATED_MAX + 1];
    struct notation_files files = {.policy = cli_flag(args, "--notation-policy"),
                                   .certificates = cli_flag(args, "--notation-certificates"),
                                   .crls = crls};

    TRY(read_list(args, "--crl", crls, e));
    while (crls[files.n_crls])
        files.n_crls++;
    if (!files.policy != !files.certificates)
        return err_set(e, ERR_CONFIG, "--notation-policy and --notation-certificates go together");
    if (!files.policy)
        return files.n_crls == 0 ? ERR_OK
                                 : err_set(e, ERR_CONFIG, "--crl goes with --notation-policy");
    TRY(notation_trust_read(&files, &t->notation, e));
    t->trust.notation = t->notation;
    return ERR_OK;
}

enum err_code verify_trust_read(const struct cli_args *args, struct verify_trust *ret,
                                struct err *e)
{
    *ret = (struct verify_trust){.rule = NULL};
    TRY(read_keys(args, ret, e));
    TRY(read_rule(args, ret, e));
    TRY(read_notation(args, ret, e));
    return verify_trust_count(ret) > 0
               ? ERR_OK
               : err_set(e, ERR_CONFIG,
                         "--key, --certificate-identity or --notation-policy says whose signatures "
                         "count");
}

/* ---- signers */

size_t verify_trust_count(const struct verify_trust *t)
{
    return t->trust.n_keys + t->trust.n_certificates + (t->notation != NULL);
}

void verify_trust_name(const struct cli_args *args, const struct verify_trust *t, size_t nth,
                       struct buf *ret)
{
    if (nth < t->trust.n_keys)
        buf_addf(ret, "key %s", cli_flag_nth(args, "--key", nth));
    else if (nth < t->trust.n_keys + t->trust.n_certificates)
        buf_addf(ret, "certificate %s", certificate_rule_name(t->rule));
    else
        buf_add_text(ret, "the trust policy of notation");
}

size_t verify_trust_signer(const struct verify_trust *t, const struct signature *s)
{
    switch (s->signer) {
    case SIGNER_KEY:
        return s->nth;
    case SIGNER_CERTIFICATE:
        return t->trust.n_keys + s->nth;
    case SIGNER_NOTATION:
        return t->trust.n_keys + t->trust.n_certificates;
    default:
        return verify_trust_count(t);
    }
}
