/*
 * The second driver of scanners: whatever speaks the pluggable scanner API, at scan.adapter.url. It
 * pulls the image from this registry, with a token for just that which is made for each scan and
 * ends with it; so it needs no account.
 * Source: goharbor/pluggable-scanner-spec, scanner-adapter-openapi-v1.2.yaml.
 */
#pragma once

#include "scan/scanner.h"

/* As scanner.h has it of every driver. Errors: CONFIG; UNAVAILABLE, libcurl can't be loaded. */
ERR_CHECKED enum err_code scanner_adapter_open(struct registry *r, const struct conf_scan *c,
                                               struct scanner **ret_scanner, struct err *e);

/* A value of Authorization with which the repository can be pulled from for so long; NULL: none is
 * needed. *ret is the caller's (free()). Any thread. */
typedef enum err_code (*adapter_token_fn)(void *ctx, const struct repo_name *repo,
                                          int64_t lifetime_ms, char **ret, struct err *e);

/* Where the adapter gets at this registry when scan.adapter.registry_url is empty, and with what;
 * before the first scan. Without it there is no token. */
void scanner_adapter_serve(struct scanner *s, const char *registry_url, adapter_token_fn token,
                           void *ctx);
