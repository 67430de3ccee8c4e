/* Signatures of requests as https://www.standardwebhooks.com/ wants them. */
#pragma once

#include "base/err.h"
#include "notify/post.h"

#include <stdint.h>

#define WEBHOOK_KEY_MAX 512

struct webhook_key {
    unsigned char bytes[WEBHOOK_KEY_MAX];
    size_t n;
};

/* "whsec_BASE64", or any text; white space around it is none of it. Error: CONFIG, when it is
 * empty, too long or no base64. */
ERR_CHECKED enum err_code webhook_key_parse(struct str text, struct webhook_key *ret_key,
                                            struct err *e);

/* The headers webhook-id, webhook-timestamp and, with a key, webhook-signature, for the body that
 * is there. key may be NULL. */
void webhook_sign(const struct webhook_key *key, const char *id, int64_t now_s, struct post *p);
