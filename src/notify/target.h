/* A target: whom the events go to, a webhook or the addresses of a rule of mail. */
#pragma once

#include "conf/conf.h"

#define TARGET_KEY_MAX 80 /* with NUL */

enum target_kind { TARGET_WEBHOOK, TARGET_MAIL };

struct target {
    enum target_kind kind;
    char key[TARGET_KEY_MAX]; /* "webhook.NAME", "mail.NAME": of its records and its job */
    const struct conf_event_filter *filter;
    const struct conf_webhook *webhook; /* NULL: it is mail */
    const struct conf_mail *mail;       /* with the rule that follows; NULL: it is a webhook */
    const struct conf_mail_rule *rule;
    uint64_t retry_for_ms, dead_letters;
};

void target_of_webhook(const struct conf_webhook *w, struct target *ret_target);
void target_of_mail(const struct conf_mail *m, const struct conf_mail_rule *rule,
                    struct target *ret_target);

/* Its name in the configuration. */
const char *target_name(const struct target *t);
