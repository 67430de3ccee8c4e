/*
 * api: the registry over HTTP. May include http/, core/, auth/, conf/conf.h and base/.
 *
 * routes.c is THE table of what is served; one file per noun holds its handlers; access.c settles
 * who asks and whether they may; reply.c is the one place where an error becomes a response.
 */
#pragma once

#include "conf/cidr.h"
#include "http/http.h"

#include <pthread.h>
#include <stdatomic.h>

struct accounts;
struct audit;
struct auth;
struct files_index;
struct gate;
struct notify;
struct oidc;
struct policy;
struct rate;
struct shared_rates;
struct registry;
struct rules;
struct scan_data;
struct seal;
struct scans;
struct sessions;
struct signer;
struct tokens;
struct ui_files;

/* All that access control stands on; owned by whoever made it. */
struct api_guard {
    struct auth *auth;
    struct accounts *accounts; /* local users and access tokens */
    struct signer *signer;     /* NULL when this registry makes no tokens */
    struct tokens *tokens;     /* likewise */
    struct seal *seal;         /* NULL without authentication */
    struct sessions *sessions; /* likewise */
    struct oidc *oidc;         /* NULL when no OpenID provider is configured */
    struct rate *rate;
    struct shared_rates *shared_rates; /* NULL: this server counts alone */
    struct audit *audit;
    struct rules *rules; /* NULL: only those of the configuration */
};

struct api {
    struct registry *registry;
    struct files_index *files;         /* NULL: analysis.index is off */
    struct gate *gate;                 /* scan/gate.h */
    struct signature_gate *signatures; /* trust/signature_gate.h; NULL: nobody asks for any */
    struct scans *scans; /* scan/scans.h; NULL: the configuration says nothing of scanning */
    struct scan_data *scan_data; /* likewise; scan/data.h */
    struct notify *notify;       /* notify/notify.h; NULL: nobody is told of events */
    const struct ui_files *ui;   /* of the web page: api/ui.h */
    const struct conf *conf;
    struct http_app app; /* what the server is given; its ctx is this struct */
    struct api_guard guard;
    pthread_mutex_t mutex; /* guards policy */
    struct policy *policy;
    struct conf_cidrs proxies;           /* http.trusted_proxies */
    struct conf_cidrs redirect_networks; /* storage.s3.redirect.networks */
    atomic_size_t list_bytes;            /* of the long lists that are being answered: at most
                                            http.body_memory */
};
