/* The table of commands and their flags. */
#include "cli/commands.h"
#include "cli/remote_server.h"

static const struct cli_flag no_flags[] = {{NULL}};

#define CONFIG_FLAG                                                                                \
    {                                                                                              \
        "--config", "FILE", "The configuration file; also REGISTRY_CONFIG=FILE."                   \
    }

static const struct cli_flag config_flags[] = {CONFIG_FLAG, {NULL}};

static const struct cli_flag config_check_flags[] = {
    CONFIG_FLAG,
    {"--online", NULL, "Also try the rights that the store needs, at its server."},
    {NULL},
};

static const struct cli_flag health_flags[] = {
    CONFIG_FLAG,
    {"--url", "URL", "Ask this server: http://HOST:PORT or https://HOST:PORT."},
    {NULL},
};

#define FORCE_FLAG                                                                                 \
    {                                                                                              \
        "--force", NULL, "Also when no admin is left then."                                        \
    }
#define PASSWORD_STDIN_FLAG                                                                        \
    {                                                                                              \
        "--password-stdin", NULL, "Read the password from the first line of standard input."       \
    }
#define GROUP_FLAG                                                                                 \
    {                                                                                              \
        "--group", "NAMES", "Groups, separated by commas."                                         \
    }

static const struct cli_flag user_add_flags[] = {
    CONFIG_FLAG, {"--admin", NULL, "They may do everything that no rule of the policy denies."},
    GROUP_FLAG,  PASSWORD_STDIN_FLAG,
    {NULL},
};

static const struct cli_flag user_set_flags[] = {
    CONFIG_FLAG,
    {"--admin", NULL, "Make them an admin."},
    {"--no-admin", NULL, "An admin no more."},
    {"--group", "NAMES", "Groups, separated by commas, in place of those they had; '' for none."},
    FORCE_FLAG,
    {NULL},
};

static const struct cli_flag user_passwd_flags[] = {CONFIG_FLAG, PASSWORD_STDIN_FLAG, {NULL}};
static const struct cli_flag user_force_flags[] = {CONFIG_FLAG, FORCE_FLAG, {NULL}};

static const struct cli_flag user_totp_flags[] = {
    CONFIG_FLAG,
    {"--off", NULL, "Take the second factor away."},
    {NULL},
};

#define USER_FLAG                                                                                  \
    {                                                                                              \
        "--user", "NAME", "A personal token of this user."                                         \
    }
#define ROBOT_FLAG                                                                                 \
    {                                                                                              \
        "--robot", "NAME", "A token of this robot account."                                        \
    }

static const struct cli_flag token_create_flags[] = {
    CONFIG_FLAG,
    USER_FLAG,
    ROBOT_FLAG,
    {"--scope", "SCOPES", "Only this: 'REPOSITORIES:ACTIONS', several separated by blanks."},
    {"--expires", "DURATION", "Good for so long (30d, 12h), or 'never'. The default is 90d."},
    {"--description", "TEXT", "What it is for; shown by `registry token list`."},
    {NULL},
};

static const struct cli_flag token_aws_flags[] = {
    {"--audience", "NAME", "What auth.aws.audience of the registry says."},
    {"--region", "REGION", "Ask the token service of this region; the default is AWS_REGION."},
    {"--endpoint", "URL", "Ask this one; the default is AWS_ENDPOINT_URL_STS."},
    {NULL},
};

static const struct cli_flag token_list_flags[] = {
    CONFIG_FLAG,
    {"--user", "NAME", "Only those of this user."},
    {"--robot", "NAME", "Only those of this robot account."},
    {NULL},
};

static const struct cli_flag token_revoke_flags[] = {
    CONFIG_FLAG,
    {"--user", "NAME", "All tokens of this user."},
    {"--robot", "NAME", "All tokens of this robot account."},
    {NULL},
};

static const struct cli_flag audit_flags[] = {
    CONFIG_FLAG,
    {"--user", "NAME", "Only what this user did; also robot:NAME, shell:NAME, anonymous."},
    {"--action", "ACTION", "Only this: push, delete, upload, sign-in, read, 'user add', ..."},
    {"--repository", "NAME", "Only in this repository; a pattern (dev/**), or all below dev/."},
    {"--result", "RESULT", "Only what ended so: ok, denied, failed, ..."},
    {"--address", "ADDRESS", "Only from this address."},
    {"--since", "TIME", "Not before: 2026-01-31, 2026-01-31T23:59Z, or 2h ago."},
    {"--until", "TIME", "Only before that."},
    {"-n", "NUMBER", "At most so many; the default is 100."},
    {"--json", NULL, "A JSON object a line, with all there is."},
    {NULL},
};

static const struct cli_flag events_flags[] = {
    CONFIG_FLAG,
    {"--after", "NUMBER", "Only those behind this one."},
    {"--event", "NAME", "Only of this name, or pattern (tag.*)."},
    {"--repository", "NAME", "Only in this repository, or pattern (dev/**)."},
    {"--follow", NULL, "Goes on with what happens, until it is interrupted."},
    {"--json", NULL, "A JSON object a line, with all there is."},
    {NULL},
};

static const struct cli_flag policy_list_flags[] = {
    CONFIG_FLAG,
    {"--json", NULL, "A JSON object a line."},
    {NULL},
};

static const struct cli_flag jobs_flags[] = {
    CONFIG_FLAG,
    {"--json", NULL, "A JSON object a line, with all there is."},
    {NULL},
};

#define DRY_RUN_FLAG                                                                               \
    {                                                                                              \
        "--dry-run", NULL, "Say what would go, and change nothing."                                \
    }

static const struct cli_flag policy_simulate_flags[] = {
    CONFIG_FLAG,
    {"--days", "N", "Pulls of so many days, 7 if not given."},
    {"--rules", "FILE", "Other rules than those of the configuration."},
    {"--json", NULL, "A JSON object a line for each pull."},
    {NULL},
};

static const struct cli_flag repo_rm_flags[] = {CONFIG_FLAG, DRY_RUN_FLAG, {NULL}};

static const struct cli_flag retention_flags[] = {
    CONFIG_FLAG,
    DRY_RUN_FLAG,
    {"--json", NULL, "A JSON object a line for each tag that a policy is about."},
    {NULL},
};

static const struct cli_flag repo_ls_flags[] = {
    CONFIG_FLAG,
    {"--size", NULL, "With what each one holds, which takes a look at all of it."},
    {NULL},
};

static const struct cli_flag tag_rm_flags[] = {
    CONFIG_FLAG,
    {"--older-than", "DURATION", "Only those that were last pushed so long ago (30d)."},
    DRY_RUN_FLAG,
    {NULL},
};

static const struct cli_flag tag_history_flags[] = {
    CONFIG_FLAG,
    {"--json", NULL, "A JSON object a line, with all there is."},
    {NULL},
};

static const struct cli_flag policy_test_flags[] = {
    CONFIG_FLAG,
    {"--group", "NAMES", "Groups of the user, separated by commas; may be given again.", true},
    {"--admin", NULL, "The user is an admin without being one of auth.admins."},
    {NULL},
};

static const struct cli_flag reindex_flags[] = {
    CONFIG_FLAG,
    {"--move-tags", NULL, "Where the database has a tag elsewhere, the store is right."},
    {NULL},
};

static const struct cli_flag sweep_flags[] = {
    CONFIG_FLAG,
    {"--remove", NULL, "Remove them; otherwise they are listed only."},
    {NULL},
};

static const struct cli_flag check_flags[] = {
    CONFIG_FLAG,
    {"--repair", NULL, "Make right what can be made right without losing anything."},
    {"--move-tags", NULL, "With --repair: a tag without a manifest goes back to where it was."},
    {"--deep", NULL, "Also read all content, and compare it with its digests."},
    {"--continue", NULL, "With --deep: go on where the last one was stopped."},
    {"--repo", "NAME", "Only what is in this repository."},
    {"--json", NULL, "A JSON object a line: each finding, then the counts."},
    {NULL},
};

static const struct cli_flag gc_flags[] = {
    CONFIG_FLAG,
    {"--dry-run", NULL, "Say what would go, why, and how much it is; changes nothing."},
    {"--delete", NULL, "Do it."},
    {"--repo", "NAME", "Only in this repository."},
    {"--older-than", "DURATION", "In place of gc.grace: 0s is at once, when nothing is pushed."},
    {"--orphans", "DURATION", "In place of gc.orphans: what the database does not know as well."},
    {"--json", NULL, "A JSON object a line, the last with the sums."},
    {NULL},
};

static const struct cli_flag gc_runs_flags[] = {
    CONFIG_FLAG,
    {"--json", NULL, "A JSON object a line."},
    {NULL},
};

static const struct cli_flag scan_data_flags[] = {
    CONFIG_FLAG,
    {"--update", NULL, "Look for newer data now: in its repositories, or in scan.trivy.cache_dir."},
    {"--json", NULL, "A JSON object, as GET /api/v1/scan/data has it."},
    {NULL},
};

static const struct cli_flag gc_undo_flags[] = {
    CONFIG_FLAG,
    {"--dry-run", NULL, "Say what would come back; changes nothing."},
    {"--json", NULL, "A JSON object a line, the last with the sums."},
    {NULL},
};

#define NO_VERIFY_FLAG                                                                             \
    {                                                                                              \
        "--no-verify", NULL,                                                                       \
            "Do not read what is linked, or copied by its server, only to see whether it is "      \
            "whole."                                                                               \
    }

static const struct cli_flag import_flags[] = {
    CONFIG_FLAG,
    {"--move-tags", NULL, "Where a tag is here already, the other registry is right."},
    NO_VERIFY_FLAG,
    {NULL},
};

static const struct cli_flag copy_flags[] = {
    {"--from", "FILE", "The configuration of the store with the content, or its directory."},
    {"--to", "FILE", "Likewise of the store that gets it."},
    {"--move-tags", NULL, "Where a tag is there already, the first store is right."},
    NO_VERIFY_FLAG,
    {NULL},
};

#define WORK_FLAG                                                                                  \
    {                                                                                              \
        "--work", "DIRECTORY", "Where the metadata lies meanwhile; by default TMPDIR, or /tmp."    \
    }

static const struct cli_flag backup_flags[] = {
    CONFIG_FLAG,
    {"--keep", "N", "Then remove all backups there but the latest N, and what they alone had."},
    WORK_FLAG,
    {NULL},
};

static const struct cli_flag restore_flags[] = {
    CONFIG_FLAG,
    {"--at", "NAME", "This backup; by default the latest."},
    {"--list", NULL, "Only show which there are."},
    {"--take-over", NULL, "Also to a store that belongs to another database."},
    WORK_FLAG,
    {NULL},
};

static const struct cli_flag migrate_flags[] = {
    {"--from", "FILE", "The configuration of the registry as it was, or its directory."},
    {"--to", "FILE", "The configuration with the other database."},
    {NULL},
};

static const struct cli_flag analyze_flags[] = {
    {"--json", NULL, "Print all of it as JSON."},
    {"--image", "NAME:TAG", "Of an archive with several images, this one."},
    {"--platform", "PLATFORM", "Of an image of several platforms, this one: linux/arm64."},
    REMOTE_SERVER_FLAGS,
    {NULL},
};

static const struct cli_flag download_flags[] = {
    {"-o", "FILE", "Where to."},
    {"--format", "FORMAT", "docker, which is the default, or oci."},
    {"--platform", "PLATFORM", "linux/arm64, or all (of oci)."},
    {"--have", "FILE", "Leave out the layers whose digests are in this file."},
    {"--name", "NAME:TAG", "What the image is called in the archive."},
    REMOTE_SERVER_FLAGS,
    {NULL},
};

static const struct cli_flag upload_flags[] = {
    {"--tag", "TAG", "Give it this tag; several times, for several.", .repeated = true},
    {"--image", "NAME", "Of several images this one: a name it has in the archive, or its digest."},
    {"--platform", "PLATFORM", "Of an index only the image for this one: linux/arm64."},
    {"--from", "REPOSITORY", "Where the server may have some of the blobs already."},
    {"--jobs", "NUMBER", "So many blobs at once, 1 to 32; the default is 4."},
    {"--dry-run", NULL, "Check the archive and tell what would be sent."},
    {"--json", NULL, "A JSON object a line; the last one is the answer of /upload-image."},
    REMOTE_SERVER_FLAGS,
    {NULL},
};

static const struct cli_flag verify_flags[] = {
    REMOTE_SERVER_FLAGS,
    {"--key", "FILE", "A public key whose signatures count (PEM); may be given several times.",
     true},
    {"--certificate-identity", "NAME",
     "Signatures by certificates of this e-mail address, URI or DNS name count."},
    {"--certificate-identity-regexp", "PATTERN",
     "The same with an extended regular expression, which the whole name has to match."},
    {"--certificate-oidc-issuer", "URL",
     "Who has to have vouched for the identity; without it the certificate may name nobody."},
    {"--certificate-oidc-issuer-regexp", "PATTERN", "The same with a regular expression."},
    {"--certificate-roots", "FILE",
     "Roots and intermediates of certificates (PEM), or a trusted root of sigstore (JSON)."},
    {"--log-key", "FILE", "Public keys of transparency logs (PEM); may be given several times.",
     true},
    {"--timestamp-roots", "FILE",
     "Certificates of time-stamping authorities (PEM); may be given several times.", true},
    {"--no-log", NULL,
     "No entry of a transparency log is needed: a timestamp, or a certificate that is valid now."},
    {"--notation-policy", "FILE",
     "Signatures of notation count as this trust policy says (trustpolicy.json)."},
    {"--notation-certificates", "PATH",
     "Its trust stores: a folder as notation has it, or a file (PEM) which is each of them."},
    {"--crl", "FILE",
     "Lists of revoked certificates, for notation (PEM or DER); may be given several times.", true},
    {"--attestation", "TYPE",
     "Look for an attestation that states this, not for signatures: a predicate type, or "
     "slsaprovenance, slsaprovenance1, spdx, cyclonedx, vuln."},
    {"--builder", "NAME", "Who has to have built it, as a provenance says; * and ** are patterns."},
    {"--all", NULL, "The image has to be signed by each key or identity, not by one of them."},
    {"--json", NULL, "Print what was found as JSON."},
    {NULL}};

static const struct cli_flag scan_flags[] = {
    REMOTE_SERVER_FLAGS,
    {"--wait", NULL, "Wait for the end of the scan; --fail-on does, too."},
    {"--timeout", "DURATION", "Wait no longer than this; the default is 30m."},
    {"--force", NULL, "Scan it though it has been scanned with the same data."},
    {"--fail-on", "SEVERITY", "End with status 3 when something as bad, or worse, is found."},
    {"--json", NULL, "Print the server's answer."},
    {NULL}};

static const struct cli_flag sbom_flags[] = {
    REMOTE_SERVER_FLAGS,
    {"--format", "FORMAT", "cyclonedx, which is the default, or spdx."},
    {"--platform", "PLATFORM", "Of an index the image for this one: linux/arm64."},
    {"-o", "FILE", "Write it there; the default is standard output."},
    {NULL}};

static const struct cli_flag webhook_flags[] = {
    REMOTE_SERVER_FLAGS,
    {"--json", NULL, "Print the server's answer, or a JSON object a line."},
    {NULL}};

static const struct cli_flag find_file_flags[] = {
    {"--sha256", NULL, "PATTERN is the SHA-256 of a content."},
    {"--json", NULL, "Print each file as a line of JSON, as the API has it."},
    {"--limit", "N", "Stop after so many; the default is 1000."},
    {"--build", NULL, "Have the server of --config look at all images again; needs no PATTERN."},
    CONFIG_FLAG,
    REMOTE_SERVER_FLAGS,
    {NULL},
};

const struct cli_command cli_commands[] = {
    {.name = "serve",
     .operands = "[FILE]",
     .max_operands = 1,
     .flags = config_flags,
     .run = cli_serve,
     .help = "Serve the registry until SIGTERM",
     .more = "SIGTERM and SIGINT let running requests end, then stop. SIGHUP reads the "
             "configuration and the\ncertificate again, as far as they can change while it runs. "
             "SIGUSR1 opens the log file anew."},
    {.name = "config check",
     .operands = "[FILE]",
     .max_operands = 1,
     .flags = config_check_flags,
     .run = cli_config_check,
     .help = "Look for mistakes in a configuration without starting anything",
     .more =
         "Reads the file and the REGISTRY_ variables as `registry serve` does, and looks whether "
         "the files\nthat they name can be read. Prints OK, or the mistake with its file, line "
         "and key and what is\nallowed; the exit status is then 1.\n\n"
         "With --online it also writes to the directories that the configuration names, and tries "
         "each right that\nthe registry needs of its bucket: a line says which, what was tried "
         "with it, and what the server said.\nThe bucket is made when it is missing, and gets "
         "what the configuration asks for, as at a start; all\nelse is removed again. The exit "
         "status is 1 when a right is missing."},
    {.name = "config print",
     .operands = "[FILE]",
     .max_operands = 1,
     .flags = config_flags,
     .run = cli_config_print,
     .help = "Print the configuration in effect as YAML, secrets masked",
     .more = "Every key is there with its value from the defaults, the file and the REGISTRY_ "
             "variables. The\noutput is itself a configuration file."},
    {.name = "config convert",
     .operands = "FILE",
     .max_operands = 1,
     .flags = no_flags,
     .run = cli_config_convert,
     .names = true,
     .help = "Print a file of the reference registry as one of this registry",
     .more = "FILE has the line 'version: 0.1'. A comment says where a line comes from when it "
             "changed, and lines\nat the end what is lost. `registry serve FILE` reads such a file "
             "as well, without converting it."},
    {.name = "config reference",
     .operands = "",
     .flags = no_flags,
     .run = cli_config_reference,
     .hidden = true,
     .help = "Print docs/configuration.md"},
    {.name = "config distribution",
     .operands = "",
     .flags = no_flags,
     .run = cli_config_distribution,
     .hidden = true,
     .help = "Print the table of docs/distribution.md"},
    {.name = "findings",
     .operands = "",
     .flags = no_flags,
     .run = cli_findings,
     .hidden = true,
     .help = "Print the table of docs/check.md"},
    {.name = "routes",
     .operands = "",
     .flags = no_flags,
     .run = cli_routes,
     .hidden = true,
     .help = "Print docs/routes.md"},
    {.name = "user add",
     .operands = "NAME",
     .max_operands = 1,
     .names = true,
     .flags = user_add_flags,
     .run = cli_user_add,
     .help = "Add a local user",
     .more = "Asks for the password on the terminal, unless it comes on standard input. The server "
             "may be running."},
    {.name = "user passwd",
     .operands = "NAME",
     .max_operands = 1,
     .names = true,
     .flags = user_passwd_flags,
     .run = cli_user_passwd,
     .help = "Give a user another password",
     .more =
         "Ends whatever they were signed in to with the old one. Their personal tokens stay good."},
    {.name = "user set",
     .operands = "NAME",
     .max_operands = 1,
     .names = true,
     .flags = user_set_flags,
     .run = cli_user_set,
     .help = "Change the groups of a user, and whether they are an admin"},
    {.name = "user list",
     .operands = "",
     .flags = config_flags,
     .run = cli_user_list,
     .help = "List the users"},
    {.name = "user disable",
     .operands = "NAME",
     .max_operands = 1,
     .names = true,
     .flags = user_force_flags,
     .run = cli_user_disable,
     .help = "Refuse a user, whatever they show",
     .more =
         "A running server refuses them, their tokens and whatever they were signed in to within a "
         "second."},
    {.name = "user enable",
     .operands = "NAME",
     .max_operands = 1,
     .names = true,
     .flags = config_flags,
     .run = cli_user_enable,
     .help = "Let a disabled user in again"},
    {.name = "user rm",
     .operands = "NAME",
     .max_operands = 1,
     .names = true,
     .flags = user_force_flags,
     .run = cli_user_rm,
     .help = "Remove a user, with their tokens"},
    {.name = "user totp",
     .operands = "NAME",
     .max_operands = 1,
     .names = true,
     .flags = user_totp_flags,
     .run = cli_user_totp,
     .help = "Give a user a second factor, or take it away",
     .more = "Prints, once, what an authenticator app needs and ten recovery codes; an earlier "
             "second factor is\nworth nothing then. Clients such as docker sign in with a personal "
             "token from then on."},
    {.name = "token create",
     .operands = "",
     .flags = token_create_flags,
     .run = cli_token_create,
     .help = "Make a personal token, or a token of a robot account",
     .more =
         "Prints the token, once, on standard output. It is the password that goes with the "
         "name of the user\nor robot, and a bearer token. A robot account is made by its first "
         "token. ACTIONS are pull, push\n(new tags), overwrite (move tags), delete, scan, admin "
         "or *, separated by commas; REPOSITORIES is\na pattern: dev/app, dev/*, dev/**."},
    {.name = "token aws",
     .operands = "",
     .flags = token_aws_flags,
     .run = cli_token_aws,
     .help = "Make the password of a role of AWS, good for 15 minutes",
     .more = "Signs with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the "
             "environment;\nnothing is asked of anyone."},
    {.name = "token list",
     .operands = "",
     .flags = token_list_flags,
     .run = cli_token_list,
     .help = "List tokens: whose they are, what for, until when, used when"},
    {.name = "token revoke",
     .operands = "[ID]",
     .max_operands = 1,
     .names = true,
     .flags = token_revoke_flags,
     .run = cli_token_revoke,
     .help = "Revoke a token, or all tokens of a user or robot"},
    {.name = "audit",
     .operands = "",
     .flags = audit_flags,
     .run = cli_audit,
     .help = "Show who did what, newest first",
     .more =
         "All that is asked for must hold. Times are in UTC. A duration as a time (90s, 2h, 7d) "
         "is so long ago."},
    {.name = "events",
     .operands = "",
     .flags = events_flags,
     .run = cli_events,
     .help = "Show what has happened, oldest first, as the event log has it"},
    {.name = "jobs list",
     .operands = "",
     .flags = jobs_flags,
     .run = cli_jobs_list,
     .help = "List what is done in the background, and what failed too often",
     .more = "A job that waits is shown with the time from which on it will be run, one that runs "
             "or is stopped with\nthe time since when. Behind it stands how far it is, or how it "
             "failed last. Times are in UTC."},
    {.name = "jobs show",
     .operands = "KIND KEY",
     .max_operands = 2,
     .names = true,
     .flags = jobs_flags,
     .run = cli_jobs_show,
     .help = "Show a job"},
    {.name = "jobs retry",
     .operands = "KIND KEY",
     .max_operands = 2,
     .names = true,
     .flags = config_flags,
     .run = cli_jobs_retry,
     .help = "Let a job that waits or is stopped be run now",
     .more = "A running server sees it within some seconds; else the next one that is started."},
    {.name = "jobs cancel",
     .operands = "KIND KEY",
     .max_operands = 2,
     .names = true,
     .flags = config_flags,
     .run = cli_jobs_cancel,
     .help = "Take a job away",
     .more = "One that runs ends as soon as it can. What is done regularly comes again."},
    {.name = "repo ls",
     .operands = "[NAMESPACE]",
     .max_operands = 1,
     .names = true,
     .flags = repo_ls_flags,
     .run = cli_repo_ls,
     .help = "List the repositories, or those of a namespace, and with --size what each one holds",
     .more = "Bytes of blobs: its own, those that other repositories have as well, and of its own "
             "those that no\nmanifest names."},
    {.name = "repo rm",
     .operands = "NAME",
     .max_operands = 1,
     .names = true,
     .flags = repo_rm_flags,
     .run = cli_repo_rm,
     .help = "Delete a repository with all tags, manifests and blobs",
     .more = "Says first what goes, and what stays because other repositories have it too. What "
             "was interrupted is\ngone on with by the same command. A running server does it, "
             "asked through the database; where none\nruns, the command."},
    {.name = "retention",
     .operands = "",
     .flags = retention_flags,
     .run = cli_retention,
     .help = "Delete tags as `retention` of the configuration says",
     .more = "Shows for each tag that a policy is about whether it goes, and by which rule. A "
             "policy whose patterns match\nnothing is told and not carried out; the exit status is "
             "then 1. By itself it is done by gc.schedule.\nA running server does it by its own "
             "configuration, asked through the database; where none runs, the\ncommand."},
    {.name = "tag rm",
     .operands = "REPOSITORY PATTERN",
     .max_operands = 2,
     .names = true,
     .flags = tag_rm_flags,
     .run = cli_tag_rm,
     .help = "Delete tags whose names match a pattern, such as 'pr-*'",
     .more = "Lists them with when they were last pushed; one of before that was recorded is not "
             "older than anything.\nA tag that is pushed meanwhile stays. A running server does "
             "it, asked through the database; where none\nruns, the command."},
    {.name = "tag history",
     .operands = "REPOSITORY:TAG",
     .max_operands = 1,
     .names = true,
     .flags = tag_history_flags,
     .run = cli_tag_history,
     .help = "List where a tag pointed, newest first",
     .more = "As far back as gc.history says. Times are in UTC."},
    {.name = "tag rollback",
     .operands = "REPOSITORY:TAG [DIGEST]",
     .max_operands = 2,
     .names = true,
     .flags = config_flags,
     .run = cli_tag_rollback,
     .help = "Move a tag back to where it was",
     .more = "To where it was before its last move, or to DIGEST, where it was once; its manifest "
             "must still be\nthere. A tag that was deleted comes back. It is a move of its own: "
             "another rollback takes it back.\nA running server does it, asked through the "
             "database; where none runs, the command."},
    {.name = "policy list",
     .operands = "",
     .flags = policy_list_flags,
     .run = cli_policy_list,
     .help = "List the rules in force: those of the configuration and those of the database"},
    {.name = "policy add",
     .operands = "RULE",
     .max_operands = 1,
     .names = true,
     .flags = config_flags,
     .run = cli_policy_add,
     .help = "Add a rule to those of the database",
     .more =
         "RULE is written as in the configuration:\n"
         "'{subjects: [\"group:dev\"], actions: [pull], repositories: [\"dev/**\"]}'. A running "
         "server knows it\nwithin a second."},
    {.name = "policy rm",
     .operands = "ID",
     .max_operands = 1,
     .names = true,
     .flags = config_flags,
     .run = cli_policy_rm,
     .help = "Remove a rule of the database",
     .more = "Its id is in `registry policy list`. A running server knows it within a second. "
             "Nobody is asked\nwhether someone is an admin then, so this also mends a rule that "
             "locked all of them out."},
    {.name = "policy test",
     .operands = "USER ACTION [REPOSITORY[:TAG]]",
     .max_operands = 3,
     .names = true,
     .flags = policy_test_flags,
     .run = cli_policy_test,
     .help = "Say what the policy lets someone do, and why",
     .more =
         "USER is a name, robot:NAME or anonymous. ACTION is pull, push (new tags), overwrite "
         "(move tags),\ndelete, scan, admin or bypass. Without a repository it is about the "
         "registry "
         "itself. Rules of the database\ncount, and a user of the registry's database is looked "
         "up: say with --group what groups another one\nis in. The exit status is 0 when it is "
         "allowed, 3 when it is denied."},
    {.name = "policy simulate",
     .operands = "",
     .flags = policy_simulate_flags,
     .run = cli_policy_simulate,
     .help = "Say which pulls of the last days a pull policy would have blocked",
     .more = "It goes by the pulls that were recorded, and by what is known of their images "
             "now. The rules are those\nof `pull_policy` of the configuration, or with --rules "
             "those of a file, written as there: a list."},
    {.name = "reindex",
     .operands = "[FILE]",
     .max_operands = 1,
     .flags = reindex_flags,
     .run = cli_reindex,
     .help = "Rebuild the database from the store",
     .more = "Finds every manifest, blob and tag of the store and adds what the database does not "
             "have; nothing is\nremoved, and it may be run again. Users, tokens, rules and the "
             "audit trail are not in the store: they\ncome from a backup of the database alone. "
             "Stop the server first. What can't be taken is told, and the\nexit status is then "
             "1."},
    {.name = "take-over",
     .operands = "[FILE]",
     .max_operands = 1,
     .flags = config_flags,
     .run = cli_take_over,
     .help = "Make the store the one of this database",
     .more = "A store names the database that it belongs to, and no server starts on it with "
             "another one: each would\nremove what the other needs. This is for when the other "
             "one is gone for good. Nothing is read from the\nstore: `registry reindex` makes a "
             "database that knows what is in it, and takes it over as well. Stop all\nservers on "
             "the store first."},
    {.name = "sweep",
     .operands = "[FILE]",
     .max_operands = 1,
     .flags = sweep_flags,
     .run = cli_sweep,
     .help = "List, or remove, manifests in the store that the database does not know",
     .more = "Earlier versions and crashes left them, or they are newer than the backup that the "
             "database was put back\nfrom: `registry reindex` takes those back. Only what is older "
             "than upload.timeout counts. A tag in the\nstore that points to one is made what the "
             "database says. Stop the server first."},
    {.name = "check",
     .operands = "[FILE]",
     .max_operands = 1,
     .flags = check_flags,
     .run = cli_check,
     .help = "Look whether store and database agree, and are whole",
     .more =
         "Changes nothing without --repair. A server may run meanwhile: what looks like a fault is "
         "looked at again "
         "for check.settle,\nand what a change in progress left for a moment is none. "
         "docs/check.md says what each finding means.\nThe exit status is 0 when all is well, 1 "
         "when something was found and not repaired, 2 when it could not be looked at."},
    {.name = "gc",
     .operands = "",
     .flags = gc_flags,
     .run = cli_gc,
     .help = "Delete what nothing needs: blobs that no manifest names, what belonged to what went",
     .more = "First it is condemned; it goes with a run after gc.grace, unless something uses it "
             "meanwhile. A server may\nrun: it does it then, asked through the database, and "
             "pushes and pulls go on. docs/collection.md says\nwhat is kept. The exit status is 1 "
             "when something could not be read; that, and what it names, is kept."},
    {.name = "gc runs",
     .operands = "",
     .flags = gc_runs_flags,
     .run = cli_gc_runs,
     .help = "List the runs of `registry gc --delete`, oldest first"},
    {.name = "gc undo",
     .operands = "RUN",
     .max_operands = 1,
     .names = true,
     .flags = gc_undo_flags,
     .run = cli_gc_undo,
     .help = "Bring back what a run of `registry gc` deleted, as far as it is still there",
     .more = "Blobs whose bytes are not deleted yet (gc.undo), manifests and tags. An image comes "
             "back whole or not at all:\nwhat is not to be had is named, and the exit status is 1 "
             "then. A server may run: it does it then."},
    {.name = "gc explain",
     .operands = "DIGEST|REPOSITORY@DIGEST",
     .max_operands = 1,
     .names = true,
     .flags = config_flags,
     .run = cli_gc_explain,
     .help = "Say why a blob or manifest is kept, or will go"},
    {.name = "import-distribution",
     .operands = "DIRECTORY|BUCKET|FILE",
     .max_operands = 1,
     .names = true,
     .flags = import_flags,
     .run = cli_import_distribution,
     .help = "Take over the images of a reference registry",
     .more = "DIRECTORY is its storage.filesystem.rootdirectory, BUCKET is s3://NAME/ROOTDIRECTORY "
             "on the server that\nstorage.s3 of this registry names, and FILE is its configuration "
             "file, which says where its content is.\nEvery repository, tag, manifest and blob is "
             "added to what is here; blobs by hard link where that can\nbe. Stop the server first; "
             "the other registry may go on meanwhile, and the same command again takes what\nhas "
             "come since. What can't be taken is told, and the exit status is then 1."},
    {.name = "copy-store",
     .operands = "",
     .flags = copy_flags,
     .run = cli_copy_store,
     .help = "Copy all content from one store to another",
     .more = "Copies every blob, manifest and tag that the other store does not have, and verifies "
             "digests on the way;\nthe same command again does the rest. Stop the servers of both "
             "first. REGISTRY_ variables do not count\nhere. The database is not copied: copy its "
             "file, or run `registry reindex` with the new configuration.\nWhat can't be taken is "
             "told, and the exit status is then 1."},
    {.name = "analyze",
     .operands = "IMAGE",
     .max_operands = 1,
     .names = true,
     .flags = analyze_flags,
     .run = cli_analyze,
     .help = "Tell what is inside an image: layers, waste, duplicates, packages",
     .more =
         "IMAGE is a file of `docker save` or an OCI layout as tar, packed or not (- is standard "
         "input), or\nteam/app:v1 or team/app@sha256:... of a server. A file is read once, and "
         "nothing is unpacked to a path."},
    {.name = "diff",
     .operands = "IMAGE IMAGE",
     .max_operands = 2,
     .names = true,
     .flags = analyze_flags,
     .run = cli_diff,
     .help = "Compare two images: files, layers, config, packages",
     .more =
         "Each is as of `registry analyze`. What has a - is only in the first, what has a + only "
         "in the second, and what has a ~ in both, but otherwise. Files and configs are compared "
         "where both are on a server."},
    {.name = "download",
     .operands = "IMAGE",
     .max_operands = 1,
     .names = true,
     .flags = download_flags,
     .run = cli_download,
     .help = "Fetch an image as an archive, from any server",
     .more =
         "IMAGE is team/app:v1, team/app@sha256:..., or either behind a host "
         "(localhost:5000/app:v1), "
         "which is then the\nserver. The archive is one that `docker load` takes. What was cut "
         "goes "
         "on where it ended, also by the same\ncommand later; every digest is looked at in the "
         "end. "
         "Credentials are those of --user, or what `docker login`\nleft in ~/.docker/config.json "
         "(DOCKER_CONFIG, DOCKER_AUTH_CONFIG) or with its credential helper."},
    {.name = "upload",
     .operands = "FILE [NAME[:TAG]]",
     .max_operands = 2,
     .names = true,
     .flags = upload_flags,
     .run = cli_upload,
     .help = "Push the image of an archive, to any server",
     .more =
         "FILE is what `docker save` and its like write (docker-archive or OCI layout, plain or "
         "packed), the directory\nof an OCI layout, or - for standard input. NAME is team/app, or "
         "host:5000/team/app, which is then the server.\nWithout a tag the image gets those that "
         "it has in the archive; without NAME each image goes to the repositories\nof its names "
         "there, of the "
         "server at --url. The archive is read and checked to its end before anything is\n"
         "sent; blobs that the server has are not sent again, and what was cut goes on where it"
         "\nended. What can't be read twice is kept in a temporary file below TMPDIR (/var/tmp). "
         "Credentials are those of\n--user, or what `docker login` left in ~/.docker/config.json "
         "(DOCKER_CONFIG, DOCKER_AUTH_CONFIG) or with its\ncredential helper."},
    {.name = "scan data",
     .operands = "",
     .flags = scan_data_flags,
     .run = cli_scan_data,
     .help = "Tell how old the data of vulnerabilities is that images are scanned with",
     .more = "The exit status is 3 when there is none, or it is older than scan.data.max_age. A "
             "server may run, and takes\nwhat --update brings within seconds."},
    {.name = "scan",
     .operands = "IMAGE",
     .max_operands = 1,
     .names = true,
     .flags = scan_flags,
     .run = cli_scan,
     .help = "Have a server scan an image for known vulnerabilities, and show what it found",
     .more =
         "IMAGE is NAME:TAG or NAME@DIGEST. With --wait or --fail-on the command ends when the "
         "scan "
         "has, and then its status\nis for pipelines: 0 when nothing of --fail-on or worse was "
         "found, 3 when something was, 1 when it could\nnot be scanned, or not within --timeout. "
         "Credentials are those of "
         "--user, or what `docker login` left."},
    {.name = "sbom",
     .operands = "IMAGE",
     .max_operands = 1,
     .names = true,
     .flags = sbom_flags,
     .run = cli_sbom,
     .help = "Fetch the list of the packages of an image that a server has scanned",
     .more = "IMAGE is NAME:TAG or NAME@DIGEST. Credentials are those of --user, or what `docker "
             "login` left."},
    {.name = "webhook list",
     .operands = "",
     .flags = webhook_flags,
     .run = cli_webhook_list,
     .help = "Show whom a server tells of events, and how far each is"},
    {.name = "webhook deliveries",
     .operands = "NAME",
     .max_operands = 1,
     .names = true,
     .flags = webhook_flags,
     .run = cli_webhook_deliveries,
     .help = "List the events that a webhook, or a rule of mail, was not told (dead letters)"},
    {.name = "webhook redeliver",
     .operands = "NAME [EVENT]",
     .max_operands = 2,
     .names = true,
     .flags = webhook_flags,
     .run = cli_webhook_redeliver,
     .help = "Send a dead letter again, or all of them",
     .more =
         "EVENT is its number, as `registry webhook deliveries` has it. The exit status is 3 when "
         "one was not delivered."},
    {.name = "webhook test",
     .operands = "NAME",
     .max_operands = 1,
     .names = true,
     .flags = webhook_flags,
     .run = cli_webhook_test,
     .help = "Send a webhook, or the addresses of a rule of mail, an event for trying",
     .more = "The exit status is 3 when it was not delivered."},
    {.name = "verify",
     .operands = "IMAGE",
     .max_operands = 1,
     .names = true,
     .flags = verify_flags,
     .run = cli_verify,
     .help = "Tell whether an image of a registry is signed, and by whom",
     .more = "IMAGE is NAME:TAG or NAME@DIGEST, of any registry. Signatures are those of `cosign "
             "sign`, "
             "by keys and by\ncertificates, old and new; each that is found is told, with why it "
             "counts "
             "or does not. The exit status is 0\nwhen the image is signed by one of those who are "
             "trusted, 3 when it is not. "
             "Credentials are those of --user, or what `docker login` left."},
    {.name = "find-file",
     .operands = "[PATTERN]",
     .max_operands = 1,
     .names = true,
     .flags = find_file_flags,
     .run = cli_find_file,
     .help = "Tell which images have a file, of a server that has analysis.index on",
     .more =
         "PATTERN is a basename (log4j-core-2.14.jar), a pattern of basenames (log4j-core-*.jar), "
         "or, with a '/'\nin it, of whole paths (/opt/**/log4j*.jar). '*' is any run of "
         "characters but '/', '**' any run, '?' one\ncharacter but '/'. A line is an image, its "
         "platform, the size of the file and its path. Files that a later\nlayer of the image "
         "deletes are found, too: the layer has them.\n\nWhat is not indexed yet is told on "
         "standard error, and the exit status is then 1. Credentials are those of\n--user, or what "
         "`docker login` left."},
    {.name = "backup",
     .operands = "PLACE",
     .max_operands = 1,
     .names = true,
     .flags = backup_flags,
     .run = cli_backup,
     .help = "Save all content and metadata of one moment, beside a running server or without one",
     .more = "PLACE is a directory, made when it is missing, or the configuration file of a store "
             "of its own, such as\na bucket. What earlier backups there have is not copied again; "
             "on one file system blobs become\nlinks to the same files. The configuration is not "
             "saved. What the store has lost is told, and the exit\nstatus is then 1; all else is "
             "saved."},
    {.name = "restore",
     .operands = "PLACE",
     .max_operands = 1,
     .names = true,
     .flags = restore_flags,
     .run = cli_restore,
     .help = "Make a registry anew from a backup",
     .more =
         "Copies and verifies all content of the backup that the store does not have, then all "
         "metadata to the\ndatabase that the configuration names, which must be a new one. "
         "Stop the server first; what was\nstopped goes on with the same command, and no server "
         "starts before. What the backup lacks is told, and\nthe exit status is then 1; all else "
         "is restored."},
    {.name = "migrate",
     .operands = "",
     .flags = migrate_flags,
     .run = cli_migrate,
     .help = "Move all metadata to another database",
     .more =
         "Copies repositories, tags, links, users, tokens, rules, sessions, the audit trail and "
         "all else from the\ndatabase of the one configuration to that of the other, which "
         "must be a new one, reads both again and\ncompares them. The same command again goes "
         "on after a stop; a server does not start on a half. Stop\nthe servers of both first: "
         "only where the store lies in files is one that runs noticed. REGISTRY_\nvariables do "
         "not count here. The store is not touched: `registry copy-store` moves content."},
    {.name = "health",
     .operands = "",
     .flags = health_flags,
     .run = cli_health,
     .help = "Ask a running server whether it is well; for container health checks",
     .more = "Asks GET /healthz of the first configured listen address, or of --url. The exit "
             "status is 0 when\nthe answer is 200 within two seconds, otherwise 1. Certificates "
             "are not checked."},
    {.name = "version",
     .operands = "",
     .flags = no_flags,
     .run = cli_version,
     .help = "Print the versions of this program and its libraries"},
};

const size_t cli_commands_n = sizeof(cli_commands) / sizeof(cli_commands[0]);
