/* A mail that tells of an event: plain text. */
#pragma once

#include "base/buf.h"
#include "conf/conf.h"
#include "notify/notice.h"

struct letter {
    struct buf text; /* headers and text, lines ended by CRLF */
    const char **to; /* borrowed from the rule and the event */
    size_t n_to;
};

/* Does anybody get one? */
bool letter_has_reader(const struct conf_mail_rule *rule, const struct notice *n);

/* The letter lives as long as the rule and the event. */
void letter_write(const struct conf_mail *mail, const struct conf_mail_rule *rule,
                  const struct notice *n, struct letter *ret_letter);
void letter_done(struct letter *l); /* accepts one that is all zero */

static inline void auto_letter_(struct letter *l)
{
    letter_done(l);
}
