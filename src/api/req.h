/*
 * struct req: a request as a handler sees it. Method, route, right, repository name, digest and
 * reference are settled before the handler runs. Lives while the exchange does; one thread.
 */
#pragma once

#include "api/api.h"
#include "core/reference.h"
#include "core/upload.h"

#define CLIENT_ADDRESS_MAX 64
#define API_TARGET_MAX     (IDENTITY_NAME_MAX + 8)

/* The right that a route asks for. */
enum access {
    ACCESS_NONE, /* everyone */
    ACCESS_BASE, /* who has signed in */
    ACCESS_PULL, /* of the repository, and of the tag when one is named */
    ACCESS_PUSH, /* push or overwrite */
    ACCESS_DELETE,
    ACCESS_CATALOG, /* who has signed in, or anyone where something is open to anyone */
    ACCESS_ACCOUNT, /* a user, with all his rights: no robot, and no token that narrows them */
    ACCESS_ADMIN,   /* of the registry */
};

struct req;

typedef enum err_code (*api_handler)(struct req *q, struct err *e);

/* Answers without blocking and returns true, or does nothing and returns false. I/O threads. */
typedef bool (*api_quick)(struct req *q);

struct route {
    enum http_method method; /* a GET row serves HEAD as well */
    const char *pattern;     /* {name} takes any number of components, the others take one */
    enum access access;
    api_handler serve;             /* on a worker */
    api_quick quick;               /* NULL: always on a worker */
    const char *audit;             /* action for the audit trail; NULL: only denials of it */
    enum err_code unknown;         /* a pull that is not allowed: as if there were nothing */
    void (*hidden)(struct req *q); /* the same, where that is no error; NULL: unknown */
};

/* What a request that uploads is at, while its body comes. The upload is closed with the
 * request. */
struct receiving {
    struct upload *upload;        /* NULL: it is at nothing */
    uint64_t from_bytes, n_bytes; /* the body begins there; how long it was said to be, or
                                     UINT64_MAX */
    struct digest digest;         /* that the blob is to have, for `then` */
    api_handler go_on;            /* when more of it has come */
    api_handler then;             /* when all of it is there; takes the upload */
};

struct req {
    struct api *api;
    struct registry *registry;
    struct http_exchange *x;
    const struct http_head *head;
    const struct route *route;
    struct identity *who;
    char identity[160]; /* of who, for logs and as owner; "" is anonymous */

    struct str session; /* the cookie that speaks for who, of the head; empty: none does */
    char client[CLIENT_ADDRESS_MAX];  /* as client_address() found it, or "" */
    char network[CLIENT_ADDRESS_MAX]; /* likewise client_network() */
    bool asked;      /* a provider was asked, not the cache: quick() could not settle it */
    bool retry_told; /* Retry-After was set */

    struct repo_name name; /* {name} */
    struct digest digest;  /* {digest} */
    struct reference ref;  /* {reference} */
    struct uuid upload;    /* {upload} */

    struct receiving receiving; /* of an upload, while its body comes */

    char item[IDENTITY_NAME_MAX + 1]; /* {user}, {token}, {rule}; "" when there can be none such */
    char target[API_TARGET_MAX];      /* for the trail, where it is no repository: "user:alice" */
};

/* routes.c */

extern const struct route api_routes[];
extern const size_t api_routes_n;

/*
 * Finds the route and fills name, digest, reference and upload. Errors: NOT_FOUND; UNSUPPORTED;
 * those of parsing what the path names.
 */
ERR_CHECKED enum err_code route_request(struct req *q, struct err *e);

/* reply.c */

/* The error as a response: status, JSON of dist-spec "Error Codes", a note for the access log. */
void reply_error(struct req *q, enum err_code code, const struct err *e);

/* The body of such a response. detail may be empty. */
void reply_error_body(struct buf *ret_json, enum err_code code, struct str detail);
void reply_digest(struct req *q, const struct digest *d); /* Docker-Content-Digest */
void reply_json(struct req *q, int status, struct str body);
void reply_empty(struct req *q, int status);

/* query.c */

/* n of a list: absent or greater than limits.page is limits.page. Error: REQUEST_INVALID. */
ERR_CHECKED enum err_code query_page(struct req *q, size_t *ret_n, struct err *e);

/* A text parameter, "" when absent. Error: REQUEST_INVALID. */
ERR_CHECKED enum err_code query_text(struct req *q, const char *name, char *dst, size_t cap,
                                     struct err *e);
bool query_has(struct req *q, const char *name);

/* Link: <path?n=N&last=LAST>; rel="next" (RFC 8288). extra is more of the query, or empty. */
void reply_next(struct req *q, size_t n, struct str last, struct str extra);

/* handlers */

enum err_code api_base_get(struct req *q, struct err *e);
bool api_base_quick(struct req *q);
enum err_code api_manifest_get(struct req *q, struct err *e);
bool api_manifest_quick(struct req *q);
enum err_code api_manifest_put(struct req *q, struct err *e);
enum err_code api_manifest_delete(struct req *q, struct err *e);
enum err_code api_blob_get(struct req *q, struct err *e);
enum err_code api_blob_delete(struct req *q, struct err *e);
enum err_code api_upload_post(struct req *q, struct err *e);
enum err_code api_upload_get(struct req *q, struct err *e);
enum err_code api_upload_patch(struct req *q, struct err *e);
enum err_code api_upload_put(struct req *q, struct err *e);
enum err_code api_upload_delete(struct req *q, struct err *e);
enum err_code api_tag_list(struct req *q, struct err *e);
enum err_code api_referrer_list(struct req *q, struct err *e);
void api_referrer_none(struct req *q);
enum err_code api_catalog_list(struct req *q, struct err *e);
enum err_code api_token_get(struct req *q, struct err *e);
enum err_code api_token_post(struct req *q, struct err *e);
enum err_code api_jwks_get(struct req *q, struct err *e);
enum err_code api_user_list(struct req *q, struct err *e);
enum err_code api_user_post(struct req *q, struct err *e);
enum err_code api_user_get(struct req *q, struct err *e);
enum err_code api_user_patch(struct req *q, struct err *e);
enum err_code api_user_delete(struct req *q, struct err *e);
enum err_code api_user_password_put(struct req *q, struct err *e);
enum err_code api_access_token_list(struct req *q, struct err *e);
enum err_code api_access_token_post(struct req *q, struct err *e);
enum err_code api_access_token_delete(struct req *q, struct err *e);
enum err_code api_policy_list(struct req *q, struct err *e);
enum err_code api_policy_post(struct req *q, struct err *e);
enum err_code api_policy_delete(struct req *q, struct err *e);
enum err_code api_policy_test(struct req *q, struct err *e);
enum err_code api_audit_list(struct req *q, struct err *e);
enum err_code api_session_post(struct req *q, struct err *e);
enum err_code api_session_get(struct req *q, struct err *e);
enum err_code api_session_methods_get(struct req *q, struct err *e);
enum err_code api_session_delete(struct req *q, struct err *e);
enum err_code api_oidc_login(struct req *q, struct err *e);
enum err_code api_oidc_callback(struct req *q, struct err *e);
enum err_code api_healthz_get(struct req *q, struct err *e);
bool api_healthz_quick(struct req *q);
enum err_code api_readyz_get(struct req *q, struct err *e);
