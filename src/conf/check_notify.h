/* Webhooks and mail. */
#pragma once

#include "conf/source.h"

ERR_CHECKED enum err_code conf_check_notify(const struct conf_source *s, struct err *e);

/* An address as mail has it: one '@', no spaces, controls or characters that mean something to SMTP
 * or to a header. */
bool conf_mail_address(struct str s);
