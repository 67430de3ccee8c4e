/*
 * struct req: a request as a handler sees it. Method, route, right, repository name, digest and
 * reference are settled before the handler runs.
 *
 * Made by the I/O thread on its stack, and gone with an answer that is given there; for a worker it
 * is copied to the heap with all that was settled, and lives until the request is answered
 * (dispatch.c). One thread at a time. Of the head it holds nothing but the pointer to it, which the
 * worker sets anew: what was parsed are copies, `who` is a reference of its own, all else is the
 * server's.
 */
#pragma once

#include "api/api.h"
#include "archive/refusal.h"
#include "auth/core/identity.h"
#include "core/image_upload.h"
#include "core/reference.h"
#include "core/upload.h"

#define CLIENT_ADDRESS_MAX 64
#define API_TARGET_MAX     (IDENTITY_NAME_MAX + 8)

struct archive_receipt;
struct image_form;
struct req;
struct route;

typedef enum err_code (*api_handler)(struct req *q, struct err *e);

/* Answers without blocking and returns true, or does nothing and returns false. I/O threads. */
typedef bool (*api_quick)(struct req *q);

/* What a request that uploads is at, while its body comes. The upload is closed with the
 * request. */
struct receiving {
    struct upload *upload;           /* of a blob, or: */
    struct image_upload *image;      /* of an image, */
    struct image_form *form;         /* in a form; or NULL */
    struct upload_record *record;    /* of that, until it has ended */
    bool held;                       /* the image waits for a verdict: a job has the trail now */
    size_t n_repos;                  /* that it may go to, each with a place in the trail */
    struct archive_receipt *archive; /* what the upload is of, when that is an archive's; or NULL */
    uint64_t n_bytes;                /* how long the body was said to be, or UINT64_MAX */
    struct digest digest;            /* that the blob is to have, for `then`; n is 0: none yet */
    api_handler go_on;               /* when more of it has come; NULL: it is at nothing */
    api_handler then;                /* when all of it is there; takes the upload */
};

struct req {
    struct api *api;
    struct registry *registry;
    struct http_exchange *x;
    const struct http_head *head;
    size_t path_at; /* of the head's path, behind http.prefix from route_request() on */
    const struct route *route;
    struct identity *who;
    char identity[160]; /* of who, for logs and as owner; "" is anonymous */

    char client[CLIENT_ADDRESS_MAX];  /* as client_address() found it, or "" */
    char network[CLIENT_ADDRESS_MAX]; /* likewise client_network() */
    bool by_session;                  /* a browser's session speaks for who: cookie_session() */
    bool retry_told;                  /* Retry-After was set */
    enum reader_cache cache;          /* where the blob it is answered with comes from */

    struct repo_name name; /* {name} */
    struct digest digest;  /* {digest}; of an archive, what its ETag is */
    struct reference ref;  /* {reference} */
    struct uuid upload;    /* {upload}; of an archive, its record */

    struct receiving receiving; /* of an upload, while its body comes */
    struct refusal *refused;    /* why an archive is, owned; or NULL */

    char item[IDENTITY_NAME_MAX + 1]; /* {user}, {token}, {rule}, {run} ...; "": can be none such */
    char target[API_TARGET_MAX];      /* for the trail, where it is no repository: "user:alice" */
};

/* Who does it, as trails and histories name them. */
static inline const char *req_actor(const struct req *q)
{
    return q->identity[0] ? q->identity : "anonymous";
}

static inline struct str req_path(const struct req *q)
{
    return str_sub(q->head->path, q->path_at, q->head->path.n - q->path_at);
}
