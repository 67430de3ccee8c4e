/* The keys of the items of lists. */
#include "conf/table.h"

#define FIELD(type, member)                                                                        \
    .offset = offsetof(struct type, member), .size = sizeof(((struct type *)NULL)->member)

#define ITEM(type, array)                                                                          \
    {                                                                                              \
        .rows = array, .n = sizeof(array) / sizeof(array[0]), .bytes = sizeof(struct type)         \
    }

#define PATH_BYTES 4095

/* RFC 7518 section 3.1, without "none", and without HMAC: its key would be a secret that we share
 * with whoever asks. */
static const char *const algorithm_choices[] = {
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", NULL};

static const struct conf_row external_rows[] = {
    {.name = "name",
     .type = CONF_TEXT,
     FIELD(conf_external, name),
     .min = 1,
     .max = 64,
     .def_text = "",
     .flags = CONF_REQUIRED,
     .help = "Its name in the log and the audit trail."},
    {.name = "issuer",
     .type = CONF_TEXT,
     FIELD(conf_external, issuer),
     .min = 1,
     .max = 2048,
     .def_text = "",
     .flags = CONF_REQUIRED,
     .help = "Its URL, exactly as `iss` of its tokens."},
    {.name = "audience",
     .type = CONF_TEXTS,
     FIELD(conf_external, audience),
     .min = 1,
     .max = 32,
     .def_text = "",
     .flags = CONF_REQUIRED,
     .help = "What `aud` of a token may be; a token for someone else is worth nothing here."},
    {.name = "algorithms",
     .type = CONF_TEXTS,
     FIELD(conf_external, algorithms),
     .min = 1,
     .max = 16,
     .def_text = "RS256,ES256",
     .choices = algorithm_choices,
     .help = "How its tokens may be signed."},
    {.name = "jwks_uri",
     .type = CONF_TEXT,
     FIELD(conf_external, jwks_uri),
     .max = 2048,
     .def_text = "",
     .help = "URL of its keys; empty asks `/.well-known/openid-configuration` of the issuer."},
    {.name = "username_claim",
     .type = CONF_TEXT,
     FIELD(conf_external, username_claim),
     .min = 1,
     .max = 255,
     .def_text = "sub",
     .help = "The claim that holds the user's name."},
    {.name = "groups_claim",
     .type = CONF_TEXT,
     FIELD(conf_external, groups_claim),
     .max = 255,
     .def_text = "groups",
     .help = "The claim that holds the groups, a text or a list; empty is none."},
    {.name = "username_prefix",
     .type = CONF_TEXT,
     FIELD(conf_external, username_prefix),
     .max = 64,
     .def_text = "external:",
     .help = "Goes before the name, so that an issuer can't speak for a local user: "
             "`user:external:NAME` in the policy."},
    {.name = "groups_prefix",
     .type = CONF_TEXT,
     FIELD(conf_external, groups_prefix),
     .max = 64,
     .def_text = "external:",
     .help = "Goes before each group."},
    {.name = "required_claims",
     .type = CONF_TEXTS,
     FIELD(conf_external, required_claims),
     .max = 32,
     .def_text = "",
     .help = "Claims that a token must have, each as `NAME=VALUE`; of a list, one entry."},
    {.name = "ca_file",
     .type = CONF_PATH,
     FIELD(conf_external, ca_file),
     .max = PATH_BYTES,
     .def_text = "",
     .flags = CONF_READ,
     .help = "PEM file with the authorities of the issuer's certificate; empty is the system's."},
};

static const struct conf_row aws_role_rows[] = {
    {.name = "arn",
     .type = CONF_TEXT,
     FIELD(conf_aws_role, arn),
     .min = 1,
     .max = 512,
     .def_text = "",
     .flags = CONF_REQUIRED,
     .help = "A pattern, as in the policy: `arn:aws:iam::123456789012:role/NAME` (the role itself, "
             "without a path, for all its sessions) or `arn:aws:iam::123456789012:user/NAME`."},
    {.name = "user",
     .type = CONF_TEXT,
     FIELD(conf_aws_role, user),
     .max = 127,
     .def_text = "",
     .help = "Its name here; empty is the ARN. The first entry that matches and has one counts."},
    {.name = "groups",
     .type = CONF_TEXTS,
     FIELD(conf_aws_role, groups),
     .max = 64,
     .def_text = "",
     .help = "Its groups here; those of all entries that match count."},
};

/* action_parse() of auth/core/identity.h knows each; a test compares. */
static const char *const action_choices[] = {"pull", "push",  "overwrite", "delete",
                                             "scan", "admin", "*",         NULL};

static const char *const effect_choices[] = {
    [CONF_EFFECT_ALLOW] = "allow", [CONF_EFFECT_DENY] = "deny", NULL};

static const struct conf_row rule_rows[] = {
    {.name = "subjects",
     .type = CONF_TEXTS,
     FIELD(conf_rule, subjects),
     .min = 1,
     .max = 1000,
     .def_text = "",
     .flags = CONF_REQUIRED,
     .help = "Whom it is about: `user:NAME`, `robot:NAME`, `group:NAME`, `authenticated`, "
             "`anonymous` or `*` (everyone). NAME may be a pattern."},
    {.name = "effect",
     .type = CONF_ENUM,
     FIELD(conf_rule, effect),
     .choices = effect_choices,
     .def = CONF_EFFECT_ALLOW,
     .help = "Does it allow, or deny?"},
    {.name = "actions",
     .type = CONF_TEXTS,
     FIELD(conf_rule, actions),
     .min = 1,
     .max = 7,
     .def_text = "",
     .choices = action_choices,
     .flags = CONF_REQUIRED,
     .help = "`push` makes a new tag, `overwrite` moves one that is there."},
    {.name = "repositories",
     .type = CONF_TEXTS,
     FIELD(conf_rule, repositories),
     .max = 1000,
     .def_text = "",
     .help = "Patterns: `*` is anything up to the next slash, `**` anything, `?` one character but "
             "a slash; `a/**` is `a` and all below it. Empty is every repository."},
    {.name = "tags",
     .type = CONF_TEXTS,
     FIELD(conf_rule, tags),
     .max = 1000,
     .def_text = "",
     .help = "Patterns of tags. Empty is every tag, and what has none."},
};

static const struct conf_row header_rows[] = {
    {.name = "name",
     .type = CONF_TEXT,
     FIELD(conf_header, name),
     .min = 1,
     .max = 64,
     .def_text = "",
     .flags = CONF_REQUIRED,
     .help = "`Strict-Transport-Security`; not one that the server sets itself."},
    {.name = "value",
     .type = CONF_TEXT,
     FIELD(conf_header, value),
     .max = 4096,
     .def_text = "",
     .flags = CONF_REQUIRED,
     .help = "What it says."},
};

static const struct conf_row quota_rows[] = {
    {.name = "namespace",
     .type = CONF_TEXT,
     FIELD(conf_quota, name),
     .max = 255,
     .def_text = "",
     .flags = CONF_REQUIRED,
     .help = "A repository and all below it; `\"\"` is the whole registry."},
    {.name = "bytes",
     .type = CONF_SIZE,
     FIELD(conf_quota, bytes),
     .max = 1ull << 60,
     .def = 0,
     .help = "Most bytes of blobs and manifests in it, each counted once in each repository; 0 is "
             "no limit."},
    {.name = "tags",
     .type = CONF_COUNT,
     FIELD(conf_quota, tags),
     .max = 1000000000,
     .def = 0,
     .unit = "tags",
     .help = "Most tags in it; 0 is no limit."},
};

static const struct conf_row retention_rows[] = {
    {.name = "repositories",
     .type = CONF_TEXTS,
     FIELD(conf_retention, repositories),
     .min = 1,
     .max = 1000,
     .def_text = "",
     .flags = CONF_REQUIRED,
     .help = "Patterns of repositories, as in the policy: `dev/**`."},
    {.name = "tags",
     .type = CONF_TEXTS,
     FIELD(conf_retention, tags),
     .max = 1000,
     .def_text = "",
     .help = "Patterns of the tags that it is about; others stay. Empty is every tag."},
    {.name = "keep_last",
     .type = CONF_COUNT,
     FIELD(conf_retention, keep_last),
     .max = 1000000,
     .def = 0,
     .unit = "tags",
     .help = "So many of these tags stay in each repository: those that were pushed last."},
    {.name = "keep_tags",
     .type = CONF_TEXTS,
     FIELD(conf_retention, keep_tags),
     .max = 1000,
     .def_text = "",
     .help = "Patterns of tags that stay."},
    {.name = "keep_pushed",
     .type = CONF_DURATION,
     FIELD(conf_retention, keep_pushed_ms),
     .max = 36500ull * 86400 * 1000,
     .def = 0,
     .help = "What was pushed within this time stays; 0 is no such rule."},
    {.name = "keep_pulled",
     .type = CONF_DURATION,
     FIELD(conf_retention, keep_pulled_ms),
     .max = 36500ull * 86400 * 1000,
     .def = 0,
     .help = "What was pulled within this time stays; 0 is no such rule. Pulls are recorded while "
             "a policy has such a rule."},
};

const struct conf_item conf_item_external = ITEM(conf_external, external_rows);
const struct conf_item conf_item_aws_role = ITEM(conf_aws_role, aws_role_rows);
const struct conf_item conf_item_header = ITEM(conf_header, header_rows);
const struct conf_item conf_item_rule = ITEM(conf_rule, rule_rows);
const struct conf_item conf_item_quota = ITEM(conf_quota, quota_rows);
const struct conf_item conf_item_retention = ITEM(conf_retention, retention_rows);
