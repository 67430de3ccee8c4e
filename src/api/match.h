/*
 * From a method and a path to a row of the table and the things that the path names. Pure
 * functions: no exchange, no registry.
 */
#pragma once

#include "api/req.h"

/* The parts of a path that a pattern's parameters stand for, still percent-encoded. */
struct match {
    const struct route *route;
    struct str name, digest, reference, upload; /* empty where the pattern has none */
    struct str user, token, rule, run, id, original, tag, webhook, file;
    bool no_reference; /* {image} has a name alone */
    bool by_digest;    /* it has an '@' */
};

enum match_result {
    MATCH_FOUND,
    MATCH_OTHER_METHOD, /* the path is served, not with this method */
    MATCH_NONE,
};

enum match_result match_path(enum http_method method, struct str path, struct match *ret_match);

/* Adds the methods with which the path is served, but for one, as the Allow header lists them. */
void match_allow(struct str path, enum http_method but, struct buf *ret_methods);

const char *match_method_name(enum http_method method); /* "GET"; NULL when none is served */

/* Fills route, name, digest, ref and upload of q with what the match names. Errors, told to the
 * client: NAME_INVALID, TAG_INVALID, MANIFEST_UNKNOWN, DIGEST_MALFORMED, BLOB_UPLOAD_UNKNOWN,
 * REQUEST_INVALID. */
ERR_CHECKED enum err_code match_settle(const struct match *m, size_t longest_name, struct req *q,
                                       struct err *e);
