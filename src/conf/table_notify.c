/* The keys of the items of `webhooks` and `mail.rules`. */
#include "conf/table.h"

#define SECONDS 1000ull
#define MINUTES (60 * SECONDS)
#define HOURS   (60 * MINUTES)
#define DAYS    (24 * HOURS)

#define FIELD(type, member)                                                                        \
    .offset = offsetof(struct type, member), .size = sizeof(((struct type *)NULL)->member)

#define ITEM(type, array)                                                                          \
    {                                                                                              \
        .rows = array, .n = sizeof(array) / sizeof(array[0]), .bytes = sizeof(struct type)         \
    }

#define PATH_BYTES 4095

static const char *const format_choices[] = {[CONF_WEBHOOK_CLOUDEVENTS] = "cloudevents",
                                             [CONF_WEBHOOK_CLOUDEVENTS_BINARY] =
                                                 "cloudevents-binary",
                                             [CONF_WEBHOOK_DISTRIBUTION] = "distribution",
                                             [CONF_WEBHOOK_HARBOR] = "harbor",
                                             [CONF_WEBHOOK_SLACK] = "slack",
                                             NULL};

static const struct conf_row webhook_header_rows[] = {
    {.name = "name",
     .type = CONF_TEXT,
     FIELD(conf_header, name),
     .min = 1,
     .max = 64,
     .def_text = "",
     .flags = CONF_REQUIRED,
     .help = "`Authorization`; not one that the sender sets itself."},
    {.name = "value",
     .type = CONF_SECRET,
     FIELD(conf_header, value),
     .max = 4096,
     .def_text = "",
     .flags = CONF_REQUIRED,
     .help = "What it says; it is shown nowhere."},
};

static const struct conf_item conf_item_webhook_header = ITEM(conf_header, webhook_header_rows);

#define FILTER(item)                                                                               \
    {.name = "events",                                                                             \
     .type = CONF_TEXTS,                                                                           \
     FIELD(item, filter.events),                                                                   \
     .max = 64,                                                                                    \
     .def_text = "",                                                                               \
     .help =                                                                                       \
         "Which events: names, or groups of them, of [Webhooks](webhooks.md). Empty is all but "   \
         "pulls."},                                                                                \
    {                                                                                              \
        .name = "repositories", .type = CONF_TEXTS, FIELD(item, filter.repositories), .max = 1000, \
        .def_text = "",                                                                            \
        .help =                                                                                    \
            "Patterns of repositories, as in the policy: `prod/**`. Empty is every event, also "   \
            "of no repository."                                                                    \
    }

static const struct conf_row webhook_rows[] = {
    {.name = "name",
     .type = CONF_TEXT,
     FIELD(conf_webhook, name),
     .min = 1,
     .max = 64,
     .def_text = "",
     .flags = CONF_REQUIRED,
     .help = "What it is called: letters, digits and `-._`. How far it has come is kept under this "
             "name."},
    {.name = "url",
     .type = CONF_TEXT,
     FIELD(conf_webhook, url),
     .min = 1,
     .max = 2048,
     .def_text = "",
     .flags = CONF_REQUIRED | CONF_SECRET_URL,
     .help = "Where events are sent by POST: https, or http. Its path is shown nowhere."},
    {.name = "format",
     .type = CONF_ENUM,
     FIELD(conf_webhook, format),
     .choices = format_choices,
     .def = CONF_WEBHOOK_CLOUDEVENTS,
     .help = "CloudEvents 1.0, structured or binary; the envelope of the reference registry; the "
             "payload of Harbor; a message for Slack."},
    FILTER(conf_webhook),
    {.name = "secret_file",
     .type = CONF_PATH,
     FIELD(conf_webhook, secret_file),
     .max = PATH_BYTES,
     .def_text = "",
     .flags = CONF_READ,
     .help = "File with the secret that requests are signed with (Standard Webhooks): "
             "`whsec_BASE64`, or any text. Read anew for each run of deliveries; empty is no "
             "signature."},
    {.name = "headers",
     .type = CONF_ITEMS,
     FIELD(conf_webhook, headers),
     .max = 32,
     .item = &conf_item_webhook_header,
     .help = "Headers that each request has; 32 KiB together at most."},
    {.name = "allow_private",
     .type = CONF_BOOL,
     FIELD(conf_webhook, allow_private),
     .def = false,
     .help = "May it go to a loopback, private or link-local address?"},
    {.name = "ca_file",
     .type = CONF_PATH,
     FIELD(conf_webhook, ca_file),
     .max = PATH_BYTES,
     .def_text = "",
     .flags = CONF_READ,
     .help = "PEM file with the authorities of its certificate; empty is the system's."},
    {.name = "timeout",
     .type = CONF_DURATION,
     FIELD(conf_webhook, timeout_ms),
     .min = 100,
     .max = 2 * MINUTES,
     .def = 10 * SECONDS,
     .help = "How long one request may take."},
    {.name = "concurrency",
     .type = CONF_COUNT,
     FIELD(conf_webhook, concurrency),
     .min = 1,
     .max = 64,
     .def = 8,
     .unit = "requests",
     .help = "Requests at once; those of one repository go one after the other."},
    {.name = "retry_for",
     .type = CONF_DURATION,
     FIELD(conf_webhook, retry_for_ms),
     .min = 1 * SECONDS,
     .max = 90 * DAYS,
     .def = 3 * DAYS,
     .help = "An event that could not be delivered for so long becomes a dead letter."},
    {.name = "dead_letters",
     .type = CONF_COUNT,
     FIELD(conf_webhook, dead_letters),
     .min = 1,
     .max = 100000,
     .def = 1000,
     .unit = "events",
     .help = "Dead letters that are kept; of more the oldest go."},
};

const struct conf_item conf_item_webhook = ITEM(conf_webhook, webhook_rows);

static const struct conf_row mail_rule_rows[] = {
    {.name = "name",
     .type = CONF_TEXT,
     FIELD(conf_mail_rule, name),
     .min = 1,
     .max = 64,
     .def_text = "",
     .flags = CONF_REQUIRED,
     .help = "What it is called, as that of a webhook."},
    {.name = "to",
     .type = CONF_TEXTS,
     FIELD(conf_mail_rule, to),
     .max = 32,
     .def_text = "",
     .help = "Addresses that get a mail for each event."},
    {.name = "uploader",
     .type = CONF_BOOL,
     FIELD(conf_mail_rule, uploader),
     .def = false,
     .help = "Does also who made the event, where their name here is an address?"},
    FILTER(conf_mail_rule),
};

const struct conf_item conf_item_mail_rule = ITEM(conf_mail_rule, mail_rule_rows);
