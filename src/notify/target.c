#include "notify/target.h"

#include <stdio.h>

void target_of_webhook(const struct conf_webhook *w, struct target *ret_target)
{
    *ret_target = (struct target){.kind = TARGET_WEBHOOK,
                                  .filter = &w->filter,
                                  .webhook = w,
                                  .retry_for_ms = w->retry_for_ms,
                                  .dead_letters = w->dead_letters};
    snprintf(ret_target->key, sizeof(ret_target->key), "webhook.%s", w->name);
}

void target_of_mail(const struct conf_mail *m, const struct conf_mail_rule *rule,
                    struct target *ret_target)
{
    *ret_target = (struct target){.kind = TARGET_MAIL,
                                  .filter = &rule->filter,
                                  .mail = m,
                                  .rule = rule,
                                  .retry_for_ms = m->retry_for_ms,
                                  .dead_letters = m->dead_letters};
    snprintf(ret_target->key, sizeof(ret_target->key), "mail.%s", rule->name);
}

const char *target_name(const struct target *t)
{
    return t->webhook ? t->webhook->name : t->rule->name;
}
