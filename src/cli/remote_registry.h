/*
 * A registry that is spoken to as a client, by the OCI distribution API, whoever made it: requests
 * with the credentials that it asks for, tried again where that may help. Any thread may use one.
 */
#pragma once

#include "base/digest.h"
#include "base/name.h"
#include "cli/bearer.h"
#include "cli/remote_server.h"

#include <pthread.h>

#define REMOTE_URL_MAX  4096
#define REMOTE_BODY_MAX (64u << 10)

struct remote_registry {
    struct remote_server *server;
    const char *scopes; /* of a token: "repository:team/app:pull,push" */
    pthread_mutex_t lock;
    /* What is sent with each request, once one was refused: guarded by the lock. */
    struct buf authorization;
    struct bearer_challenge challenge;
    int64_t until_ms; /* then there is a new token; 0: no token */
    uint64_t turn;    /* which authorization it is */
};

/* server and scopes stay the caller's, and live as long. */
void remote_registry_init(struct remote_registry *r, struct remote_server *server,
                          const char *scopes);
void remote_registry_done(struct remote_registry *r);

struct remote_request {
    const char *method;
    const char *url;    /* of this server, or another one that it named */
    const char *header; /* one more line, or NULL */
    struct str body;    /* as in client_request */
    const struct client_file *file;
    const char *content_type;
    unsigned tries; /* at most; 0: 1 */
};

struct remote_answer {
    int status;
    char location[REMOTE_URL_MAX]; /* whole; "": none */
    char range[64], digest[DIGEST_TEXT_MAX + 1], tag[TAG_NAME_MAX + 1];
    uint64_t retry_after_ms; /* 0: it does not say */
    struct buf body;
};

void remote_answer_done(struct remote_answer *a);

/*
 * Answers, whatever they say, but those of a server that asks for patience (429, and 500 to 504
 * without 501): these, and when nobody answers, are tried again, with more time in between each
 * time, or after as much as Retry-After says. *a is overwritten, and to be released also after an
 * error. Errors: UNAVAILABLE, when no try is left; UNAUTHORIZED, CONFIG, those of the token
 * service.
 */
ERR_CHECKED enum err_code remote_registry_run(struct remote_registry *r,
                                              const struct remote_request *q,
                                              struct remote_answer *a, struct err *e);

/* What an answer that was not hoped for is as an error. */
enum err_code remote_registry_refused(const struct remote_registry *r,
                                      const struct remote_answer *a, struct err *e);

/* Waits before the next try, the n-th in vain, from 1. False: there is no time for one more. */
bool remote_registry_pause(struct remote_registry *r, unsigned n, uint64_t retry_after_ms);

static inline void auto_remote_registry_(struct remote_registry *r)
{
    remote_registry_done(r);
}

static inline void auto_remote_answer_(struct remote_answer *a)
{
    remote_answer_done(a);
}
