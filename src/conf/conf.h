/*
 * conf: the configuration, as data. May include base/ only; any folder may include this header and
 * take the section that concerns it.
 *
 * One table (table.c) says of every key its name, type, range, default, help and whether SIGHUP
 * re-reads it; parsing of the YAML file and of the environment, `config check`, `config print` and
 * docs/configuration.md all come from its rows.
 *
 * A struct conf is read-only after conf_load(), but for the fields that are _Atomic: those are what
 * SIGHUP changes. conf_reload() stores them while others read, with conf_u64() and conf_bool(),
 * which take no other fields. That a key can be reloaded is said by the type of its field alone.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdatomic.h>
#include <stdint.h>

struct conf_strings { /* a list of texts */
    char **items;
    size_t n;
};

struct conf_tls {
    char *certificate;             /* PEM file, chain included; "" turns TLS off */
    char *key;                     /* PEM file */
    struct conf_strings client_ca; /* PEM files; none: no client certificate is asked for */
    char *client_crl;              /* PEM file of revocation lists; "": none */
    uint64_t client_auth;          /* enum conf_client_auth */
    uint64_t min_version;          /* enum conf_tls_version */
    char *ciphers;                 /* TLS 1.2 list of OpenSSL; "" is its default */
    char *ciphersuites;            /* TLS 1.3 */
};

enum conf_client_auth { CONF_CLIENT_AUTH_OPTIONAL, CONF_CLIENT_AUTH_REQUIRED };
enum conf_tls_version { CONF_TLS_1_2, CONF_TLS_1_3 };

enum conf_auth_mode {
    CONF_AUTH_LOOPBACK, /* nobody is asked; only loopback addresses are listened on */
    CONF_AUTH_NONE,     /* nobody is asked, wherever they are */
    CONF_AUTH_LOCAL,    /* on, with what is in the database only */
    CONF_AUTH_ON,       /* on, with every provider that has a section */
};

/* Tokens of our own, or (with rootcertbundle or jwks) tokens that someone else makes at realm. */
struct conf_token {
    bool enabled;
    uint64_t lifetime_ms;
    uint64_t refresh_lifetime_ms;
    char *service;
    char *realm;          /* URL, or a path at the address that the client used; "": /auth/token */
    char *issuer;         /* of the tokens that are believed: ours, or the foreign service's */
    uint64_t algorithm;   /* enum conf_token_algorithm: of tokens of our own */
    uint64_t rotate_ms;   /* age at which a signing key is replaced */
    char *rootcertbundle; /* PEM file; "": no foreign service */
    char *jwks;           /* JSON file; "": no foreign service */
    struct conf_strings algorithms; /* of the foreign service's tokens; none: all that are safe */
};

enum conf_token_algorithm { CONF_TOKEN_ES256, CONF_TOKEN_RS256 };

struct conf_external { /* an issuer whose JWTs are believed */
    char *name;
    char *issuer;
    struct conf_strings audience;   /* one of these must be in the token */
    struct conf_strings algorithms; /* "RS256", ... */
    char *jwks_uri;                 /* "": by OIDC discovery */
    char *username_claim, *groups_claim;
    char *username_prefix, *groups_prefix; /* go before what the claims say; may be "" */
    struct conf_strings required_claims;   /* "name=value" */
    char *ca_file;                         /* "": the system's authorities */
};

struct conf_externals {
    struct conf_external *items;
    size_t n;
};

struct conf_session { /* of people in a browser */
    uint64_t lifetime_ms, idle_ms;
};

struct conf_oidc { /* sign-in of people */
    char *issuer;  /* "": off */
    char *title;   /* "": the issuer's host */
    char *client_id;
    char *client_secret_file; /* "": a public client, PKCE alone */
    char *redirect_uri;       /* "": made from the address that the browser used */
    struct conf_strings scopes;
    char *username_claim, *groups_claim;
    char *ca_file; /* "": the system's authorities */
};

struct conf_ldap {
    struct conf_strings urls; /* tried in this order; none: off */
    bool start_tls;
    bool insecure;            /* passwords may travel in the clear */
    char *bind_dn;            /* "": anonymous */
    char *bind_password;      /* "": that of the file */
    char *bind_password_file; /* "": no password */
    char *base_dn;
    char *user_filter;    /* has "{user}" */
    char *user_attribute; /* holds the name by which the user is known here */
    char *group_base_dn;  /* "": base_dn */
    char *group_filter;   /* has "{dn}" or "{user}"; "": no groups */
    char *group_attribute;
    char *memberof_attribute; /* of a user, holds DNs of groups; "": not looked at */
    uint64_t connections;     /* most at once */
    uint64_t timeout_ms;
    char *ca_file; /* "": the system's authorities */
};

struct conf_certificate { /* users of client certificates; the CA is http.tls.client_ca */
    bool enabled;
    uint64_t username;    /* enum conf_certificate_username */
    uint64_t groups_from; /* enum conf_certificate_groups */
};

enum conf_certificate_username {
    CONF_CERTIFICATE_SUBJECT_CN,
    CONF_CERTIFICATE_SAN_EMAIL,
    CONF_CERTIFICATE_SAN_DNS,
    CONF_CERTIFICATE_SAN_URI,
};

enum conf_certificate_groups {
    CONF_CERTIFICATE_GROUPS_NONE,
    CONF_CERTIFICATE_GROUPS_SUBJECT_OU,
    CONF_CERTIFICATE_GROUPS_SUBJECT_O,
};

struct conf_aws_role { /* what the holder of a role is here */
    char *arn;         /* a pattern of ARNs */
    char *user;        /* "": the ARN */
    struct conf_strings groups;
};

struct conf_aws_roles {
    struct conf_aws_role *items;
    size_t n;
};

struct conf_aws {
    char *audience;                    /* the signed x-registry-id header; "": off */
    struct conf_strings sts_endpoints; /* the only servers that are asked; no path */
    struct conf_strings accounts;      /* whose roles may sign in */
    struct conf_aws_roles roles;       /* none: every one of the accounts, without groups */
    uint64_t max_age_ms;               /* of a presigned request */
    uint64_t timeout_ms;
    char *ca_file; /* "": the system's authorities */
};

struct conf_auth {
    uint64_t mode;             /* enum conf_auth_mode; see conf_auth_on() */
    struct conf_strings order; /* names of the providers; empty: all there are, as documented */
    char *realm;               /* of the Basic challenge */
    uint64_t cache_ms;         /* how long an answer of a provider holds */
    uint64_t lock_after;       /* wrong credentials in a row */
    uint64_t lock_ms;
    struct conf_strings admins; /* subjects: "user:alice", "group:admins" */
    char *htpasswd_file;        /* "": off */
    struct conf_token token;
    struct conf_externals external;
    struct conf_session session;
    struct conf_oidc oidc;
    struct conf_ldap ldap;
    struct conf_certificate certificate;
    struct conf_aws aws;
};

struct conf_rule { /* of the policy; see auth/policy/policy.h */
    struct conf_strings subjects;
    uint64_t effect; /* enum conf_effect */
    struct conf_strings actions;
    struct conf_strings repositories; /* patterns; none: all */
    struct conf_strings tags;         /* patterns; none: all, and what has no tag */
};

enum conf_effect { CONF_EFFECT_ALLOW, CONF_EFFECT_DENY };

struct conf_rules { /* none: what auth/policy/policy.h says of a registry without rules */
    struct conf_rule *items;
    size_t n;
};

struct conf_allowed { /* a vulnerability that somebody answers for */
    char *cve;
    char *package;                    /* a pattern; "": every package */
    struct conf_strings repositories; /* patterns; none: all of its rule */
    char *reason, *author;
    char *expires; /* conf_last_day() */
};

struct conf_allow_list {
    struct conf_allowed *items;
    size_t n;
};

struct conf_pull_rule { /* of the pull policy; see scan/pull_verdict.h */
    struct conf_strings repositories;
    uint64_t severity;        /* the least that blocks; an enum severity */
    bool fixable;             /* only findings that have a fix do */
    uint64_t grace_ms;        /* how long a finding is known before it does */
    char *unscanned;          /* conf_unscanned() */
    uint64_t data_max_age_ms; /* what was scanned with older data counts as unscanned; 0: any */
    bool vex;                 /* documents attached to images count */
    uint64_t mode;            /* enum conf_pull_mode */
    struct conf_allow_list allow;
};

enum conf_pull_mode { CONF_PULL_OFF, CONF_PULL_WARN, CONF_PULL_ENFORCE };

struct conf_pull_rules {
    struct conf_pull_rule *items;
    size_t n;
};

struct conf_signer {                     /* of cosign: a key, or who a certificate is of */
    char *key;                           /* PEM; "": an identity */
    char *identity, *identity_regexp;    /* exactly one, or neither: a key */
    char *issuer, *issuer_regexp;        /* at most one; neither: the certificate says none */
    char *roots;                         /* PEM, or a trusted root of sigstore */
    uint64_t log;                        /* enum conf_transparency_log */
    struct conf_strings log_keys;        /* PEM */
    struct conf_strings timestamp_roots; /* PEM */
};

enum conf_transparency_log { CONF_LOG_USUAL, CONF_LOG_REQUIRE, CONF_LOG_IGNORE };

struct conf_signers {
    struct conf_signer *items;
    size_t n;
};

struct conf_notation {
    char *trust_policy; /* JSON, as the notary project has it */
    char *certificates; /* PEM, or a folder of trust stores */
    struct conf_strings crls;
};

struct conf_notations {
    struct conf_notation *items;
    size_t n; /* 0 or 1 */
};

struct conf_attestation { /* that an image must have */
    char *predicate_type;
    char *builder; /* "": any, or none */
};

struct conf_attestations {
    struct conf_attestation *items;
    size_t n;
};

struct conf_signature_rule { /* trust/trust_rules.h */
    struct conf_strings repositories;
    struct conf_strings at; /* "pull", "push" */
    uint64_t mode;          /* enum conf_pull_mode */
    uint64_t require;       /* enum conf_require */
    struct conf_signers cosign;
    struct conf_notations notation;
    struct conf_attestations attestations;
};

enum conf_require { CONF_REQUIRE_ANY, CONF_REQUIRE_ALL };

struct conf_signature_rules {
    struct conf_signature_rule *items;
    size_t n;
};

struct conf_quota {
    char *name;           /* a repository and all below it; "": the whole registry */
    uint64_t bytes, tags; /* 0: no limit */
};

struct conf_quotas {
    struct conf_quota *items;
    size_t n;
};

struct conf_retention { /* core/retention.h; patterns as in a rule */
    struct conf_strings repositories;
    struct conf_strings tags; /* that it is about; none: all */
    struct conf_strings keep_tags;
    uint64_t keep_last;      /* 0: none for being new */
    uint64_t keep_pushed_ms; /* 0: none for being pushed lately */
    uint64_t keep_pulled_ms; /* likewise pulled */
};

struct conf_retentions {
    struct conf_retention *items;
    size_t n;
};

/* Pages of other origins. */
struct conf_cors {
    struct conf_strings origins; /* "https://host:port", or "*"; none: no page */
    bool credentials;            /* what a browser adds by itself counts */
    struct conf_strings methods; /* that the listed ones may use; none: all */
};

struct conf_header { /* that every answer has */
    char *name, *value;
};

struct conf_headers {
    struct conf_header *items;
    size_t n;
};

struct conf_http {
    struct conf_strings listen;       /* "127.0.0.1:5000", "[::1]:5000", "unix:/run/r.sock" */
    struct conf_strings debug_listen; /* likewise; without TLS, and only for what is not public */
    char *prefix;                     /* "/a/b/", below which all is served; "": "/" */
    struct conf_headers headers;
    struct conf_tls tls;
    uint64_t io_threads;              /* 0: one per core */
    uint64_t workers;                 /* most requests served at once by blocking workers */
    uint64_t queue;                   /* most requests waiting for a worker; then 503 */
    _Atomic uint64_t max_connections; /* then accepted and answered 503 */
    _Atomic uint64_t max_connections_per_address; /* 0: no such limit; then 429 */
    uint64_t max_head_bytes;                      /* request line and headers; then 431 */
    _Atomic uint64_t max_url_bytes;               /* then 414 */
    _Atomic uint64_t max_headers;                 /* number of header lines; then 431 */
    _Atomic uint64_t head_timeout_ms;    /* from the first byte of a head to its end; then 408 */
    _Atomic uint64_t idle_timeout_ms;    /* a kept-alive connection without a request is closed */
    _Atomic uint64_t io_timeout_ms;      /* one read or write that makes no progress */
    _Atomic uint64_t request_timeout_ms; /* a whole request; 0: none. Then 408 or closed */
    _Atomic uint64_t
        min_rate_bytes; /* per second, averaged, of a body in either direction; 0: none */
    _Atomic uint64_t drain_timeout_ms;  /* SIGTERM: how long running requests may go on */
    _Atomic uint64_t body_memory_bytes; /* of bodies that are collected whole */
    uint64_t buffer_bytes;              /* a worker's receive buffer */
    struct conf_cors cors;
    struct conf_strings trusted_proxies; /* whose X-Forwarded-* is believed; conf/cidr.h */
};

struct conf_s3_lifecycle { /* rules that the server keeps by itself, in days; 0: no such rule */
    uint64_t expire_uploads_days;
    uint64_t abort_multipart_days;
    uint64_t expire_versions_days;
    uint64_t transition_days; /* of blobs; goes with transition_class */
    uint64_t expire_originals_days;
    char *transition_class;
};

struct conf_s3_redirect { /* who pulls a blob by a presigned address */
    bool enabled;
    uint64_t min_bytes;
    struct conf_strings networks;    /* conf/cidr.h; none: all */
    struct conf_strings user_agents; /* what they begin with; none: all */
    uint64_t expiry_ms;
};

struct conf_s3 {
    char *bucket;
    char *region;
    char *prefix;                       /* "", or ends with a slash */
    char *endpoint;                     /* SCHEME://HOST[:PORT]; "": AWS */
    bool path_style;                    /* settled: the one that is used */
    char *access_key, *access_key_file; /* at most one; neither: as AWS finds one */
    char *secret_key, *secret_key_file; /* exactly one when there is an access key */
    char *session_token;                /* of a temporary access key; else "" */
    char *ca_file;                      /* "": the system's authorities */
    uint64_t sse;                       /* enum conf_sse */
    char *kms_key_id;                   /* "": the service's own */
    char *storage_class;                /* "": none is said */
    uint64_t part_bytes, concurrency;   /* of one upload */
    uint64_t temp_bytes;                /* of all uploads; 0: what the disk has */
    uint64_t read_ahead_bytes;          /* of all readers */
    uint64_t timeout_ms;                /* of a request with all its tries */
    bool versioning;                    /* is turned on; false: is left alone */
    struct conf_s3_lifecycle lifecycle;
    struct conf_s3_redirect redirect;
};

enum conf_sse { CONF_SSE_NONE, CONF_SSE_S3, CONF_SSE_KMS };

struct conf_cache {  /* before a store that is far away */
    uint64_t type;   /* enum conf_cache_type */
    char *redis_url; /* conf/redis_url.h; may hold a password */
    char *redis_password_file, *redis_sentinel_password_file; /* "": none */
    char *redis_ca_file;                                      /* "": the system's authorities */
    char *redis_prefix;                                       /* of keys and channels */
    uint64_t redis_connections, redis_connect_timeout_ms, redis_timeout_ms;
    char *disk_path;       /* "": none */
    uint64_t disk_size_gb; /* of 2^30 bytes */
};

enum conf_cache_type { CONF_CACHE_NONE, CONF_CACHE_REDIS };

struct conf_storage {
    uint64_t reserve_bytes;      /* kept for the database; 0: none */
    uint64_t backend;            /* enum conf_storage_backend */
    char *root;                  /* storage.filesystem.root */
    bool fsync;                  /* storage.filesystem.fsync */
    _Atomic bool verify_on_read; /* storage.verify_on_read: hash each blob as it is served */
    struct conf_s3 s3;
    struct conf_cache cache;
};

enum conf_storage_backend { CONF_STORAGE_FILESYSTEM, CONF_STORAGE_MEM, CONF_STORAGE_S3 };

struct conf_dynamodb {
    char *table, *region; /* metadata.table, metadata.region */
    char *endpoint;       /* metadata.endpoint; "": AWS's own */
    char *access_key, *access_key_file, *secret_key, *secret_key_file, *session_token;
    char *ca_file; /* "": the system's */
    uint64_t timeout_ms;
};

struct conf_metadata {
    uint64_t driver;                                      /* enum conf_metadata_driver */
    char *url;                                            /* of PostgreSQL; may hold a password */
    char *password_file;                                  /* "": none */
    uint64_t connections, connect_timeout_ms, timeout_ms; /* metadata.postgresql */
    bool iam; /* metadata.postgresql.iam: tokens of RDS, in metadata.region */
    struct conf_dynamodb dynamodb;
    char *sqlite_path; /* "": registry.db below storage.filesystem.root */
    uint64_t sqlite_read_connections;
    uint64_t sqlite_cache_bytes; /* of each connection */
};

enum conf_metadata_driver {
    CONF_METADATA_SQLITE,
    CONF_METADATA_POSTGRESQL,
    CONF_METADATA_DYNAMODB
};

struct conf_replicas {
    uint64_t lease_ms; /* replicas.lease */
};

struct conf_rate {                   /* 0: no such limit */
    _Atomic uint64_t identity;       /* requests per second of one who has signed in */
    _Atomic uint64_t identity_burst; /* requests at once; 0: as many as in two seconds */
    _Atomic uint64_t address;        /* requests per second of one who has not */
    _Atomic uint64_t address_burst;
    _Atomic uint64_t failures; /* wrong sign-ins per minute from an address */
};

struct conf_limits {
    _Atomic uint64_t blob_bytes;     /* limits.blob_size: a larger blob is answered 413 */
    _Atomic uint64_t manifest_bytes; /* limits.manifest_size: 413 */
    _Atomic uint64_t tags_per_push;  /* limits.tags_per_push: 414 */
    _Atomic uint64_t page;           /* limits.page: most entries of one list answer */
    _Atomic uint64_t catalog_page;   /* limits.catalog_page: of the catalog; 0: limits.page */
    _Atomic uint64_t details_page;   /* limits.details_page: of lists with all that is shown */
    _Atomic uint64_t uploads;        /* limits.uploads: most open upload sessions; then 429 */
    _Atomic uint64_t repository_name_bytes; /* limits.repository_name: longest name */
    _Atomic uint64_t
        manifest_references; /* limits.manifest_references: most descriptors in one manifest */
    _Atomic uint64_t tokens_per_owner;  /* limits.tokens_per_owner: 403; 0: no limit */
    _Atomic uint64_t sessions_per_user; /* limits.sessions_per_user: the oldest ends */
    _Atomic uint64_t
        sign_ins; /* limits.sign_ins: most checks of passwords, and of tokens, at once; 503 */
    struct conf_rate rate; /* limits.rate */
};

enum conf_upload_scan { CONF_UPLOAD_SCAN_OFF, CONF_UPLOAD_SCAN_WARN, CONF_UPLOAD_SCAN_BLOCK };

enum conf_compress { CONF_COMPRESS_NONE, CONF_COMPRESS_GZIP, CONF_COMPRESS_ZSTD };

/* Images that are uploaded as archives. */
struct conf_archives {
    _Atomic uint64_t bytes;          /* upload.max_bytes: 413 */
    _Atomic uint64_t unpacked_bytes; /* upload.max_unpacked_bytes: 413 */
    _Atomic uint64_t ratio;          /* upload.max_ratio: 413 */
    _Atomic uint64_t members;        /* upload.max_members: 413 */
    _Atomic uint64_t repositories;   /* upload.max_repositories: 413 */
    _Atomic uint64_t json_bytes;     /* upload.json_bytes: 413 */
    _Atomic uint64_t memory_bytes;   /* upload.memory_bytes */
    _Atomic uint64_t decoder_bytes;  /* upload.decoder_memory: 413 */
    _Atomic uint64_t concurrent;     /* upload.concurrent: at once; then 429 */
    _Atomic uint64_t history_ms;     /* upload.history; 0: for ever */
    _Atomic uint64_t watchers;       /* upload.watchers: streams at once; then 429 */
    _Atomic uint64_t compress;       /* upload.compress: enum conf_compress */
    _Atomic uint64_t compress_level; /* upload.compress_level; 0: as usual */
    _Atomic uint64_t sessions;       /* upload.sessions: of one user; then 429 */

    uint64_t scan;                     /* upload.scan: enum conf_upload_scan */
    _Atomic uint64_t scan_timeout_ms;  /* upload.scan_timeout: then 503 */
    _Atomic bool keep_original;        /* upload.keep_original */
    _Atomic uint64_t original_keep_ms; /* upload.original_keep; 0: for ever */
};

/* What is inside images. */
struct conf_analysis {
    _Atomic bool on_push;                /* analysis.on_push */
    _Atomic uint64_t memory_bytes;       /* analysis.memory_bytes: 422 */
    _Atomic uint64_t max_unpacked_bytes; /* analysis.max_unpacked_bytes, of a layer: 422 */
    _Atomic uint64_t max_ratio;          /* analysis.max_ratio: 422 */
    _Atomic uint64_t file_room;          /* analysis.file_room: 413, 503 */
};

struct conf_registry {
    struct conf_archives archives;
    struct conf_analysis analysis;
    _Atomic uint64_t upload_timeout_ms; /* upload.timeout: an idle session is removed */
    _Atomic uint64_t
        upload_min_chunk_bytes;  /* upload.min_chunk: told as OCI-Chunk-Min-Length; 0: none */
    _Atomic bool delete_enabled; /* delete.enabled: else 405 */
    _Atomic bool sparse_indexes; /* manifest.sparse_indexes: an index may name missing manifests */
    _Atomic bool sparse_images;  /* manifest.sparse_images: an image may name missing blobs */
    struct conf_strings url_allow; /* manifest.urls.allow: conf/expression.h; none: every URL */
    struct conf_strings url_deny;  /* manifest.urls.deny */
    _Atomic bool read_only;        /* maintenance.read_only: what changes content is answered 405 */
    uint64_t manifest_cache_bytes; /* cache.memory.size */
    _Atomic uint64_t sweep_interval_ms;   /* maintenance.interval */
    _Atomic uint64_t history_ms;          /* gc.history; 0: for ever */
    bool index_files;                     /* analysis.index */
    _Atomic bool scan_on_push;            /* scan.on_push */
    _Atomic uint64_t outbox_keep;         /* outbox.keep */
    _Atomic uint64_t outbox_keep_waiting; /* outbox.keep_waiting */
    _Atomic bool events_pushes;           /* events.pushes: and what is deleted */
    _Atomic bool events_pulls;            /* events.pulls */
    _Atomic uint64_t events_streams;      /* events.streams: 429 */
};

struct conf_gc {
    _Atomic uint64_t grace_ms;        /* gc.grace: from condemning to deleting */
    _Atomic uint64_t linger_ms;       /* gc.linger: in a bucket, after its last link */
    _Atomic uint64_t journal_keep_ms; /* gc.journal_keep; 0: for ever */
    _Atomic uint64_t undo_ms;         /* gc.undo: the same of what a run deleted, everywhere */
    _Atomic uint64_t untagged_ms; /* gc.untagged: manifests without a tag for so long go; 0: stay */
    _Atomic uint64_t orphans_ms;  /* gc.orphans: what is unknown for so long goes; 0: it stays */
    _Atomic uint64_t empty_repositories_ms; /* gc.empty_repositories: go after that; 0: stay */
    _Atomic bool children;                  /* gc.children: go with their index */
    _Atomic bool referrers;                 /* gc.referrers: go with their subject */
    _Atomic uint64_t rate;                  /* gc.rate: deletions a second; 0: no limit */
    _Atomic uint64_t share; /* gc.share: percent of the time, while requests are served */
};

struct conf_check {
    uint64_t settle_ms;              /* check.settle */
    _Atomic uint64_t rate_bytes;     /* check.rate: a second; 0: no limit */
    uint64_t scrub_rate_bytes;       /* check.scrub_rate: likewise; 0: there is no scrub */
    _Atomic uint64_t min_free_bytes; /* check.min_free */
};

struct conf_ui {
    _Atomic bool enabled; /* ui.enabled */
};

struct conf_scan_trivy {
    char *path;      /* of the program; without a slash: looked for in PATH */
    char *cache_dir; /* "": below scan.work_dir */
    char *db_repository, *java_db_repository; /* HOST/NAME[:TAG]; "": what lies in cache_dir */
    char *server;                             /* URL of `trivy server`; "": none */
    char *server_token_file;                  /* "": none */
    char *user;                               /* who it runs as when we are root; "": as we do */
    bool isolate;                             /* no network for a scan, where we may */
    uint64_t timeout_ms;
    uint64_t workers;
    uint64_t memory_bytes; /* with more it is ended */
    uint64_t file_bytes;   /* that all its files may have */
    uint64_t processors;   /* that it uses at most */
    uint64_t nice;
};

struct conf_scan_adapter {
    char *url;          /* "": none */
    char *token_file;   /* a header Authorization that it wants; "": none */
    char *registry_url; /* where it gets at this registry; "": http.listen */
    char *ca_file;      /* "": the system's authorities */
    uint64_t timeout_ms, workers;
};

struct conf_scan_data {             /* of vulnerabilities */
    _Atomic uint64_t interval_ms;   /* how often the repositories are looked at */
    _Atomic uint64_t max_age_ms;    /* older is told; 0: never */
    uint64_t max_bytes;             /* of each file that is pulled */
    char *username, *password_file; /* for the repositories; "": none */
    char *ca_file;                  /* "": the system's authorities */
    bool insecure;                  /* plain HTTP, certificates of anybody */
};

struct conf_scan {
    char *schedule;                    /* base/cron.h: all images are scanned again; "": never */
    char *work_dir;                    /* "": `scan` below storage.filesystem.root */
    _Atomic bool rescan;               /* when the data changed */
    _Atomic uint64_t rescan_rate;      /* images an hour, then */
    _Atomic uint64_t max_image_bytes;  /* of layers; larger is not scanned */
    _Atomic uint64_t max_report_bytes; /* of what a scanner says */
    uint64_t verdicts;                 /* of pulls, in memory */
    uint64_t pulls_keep_ms;            /* 0: they are not recorded */
    _Atomic uint64_t max_findings;
    _Atomic bool sbom;           /* is kept of each image, and read by rescans */
    _Atomic bool spdx;           /* likewise in that format, for others */
    struct conf_strings publish; /* as referrers of images: "cyclonedx", "spdx", "sarif" */
    struct conf_scan_trivy trivy;
    struct conf_scan_adapter adapter;
    struct conf_scan_data data;
};

struct conf_log {
    _Atomic uint64_t level;     /* enum log_level of base/log.h */
    uint64_t format;            /* enum log_format */
    char *file;                 /* "": standard error */
    _Atomic bool access;        /* log.access: one record per request */
    struct conf_strings fields; /* "name=value": of every record */
};

struct conf_audit {
    _Atomic uint64_t retention_ms; /* 0: for ever */
    uint64_t wait_ms;              /* for room in its queue */
    char *file;                    /* JSON lines; "": the log */
};

enum conf_webhook_format {
    CONF_WEBHOOK_CLOUDEVENTS,
    CONF_WEBHOOK_CLOUDEVENTS_BINARY,
    CONF_WEBHOOK_DISTRIBUTION,
    CONF_WEBHOOK_HARBOR,
    CONF_WEBHOOK_SLACK
};

struct conf_event_filter {
    struct conf_strings events;       /* names or groups; none: all but pulls */
    struct conf_strings repositories; /* patterns; none: every event */
};

struct conf_webhook { /* notify/notify.h */
    char *name, *url;
    uint64_t format; /* enum conf_webhook_format */
    struct conf_event_filter filter;
    char *secret_file; /* "": no signature */
    struct conf_headers headers;
    bool allow_private; /* may go to loopback and private addresses */
    char *ca_file;      /* "": the system's authorities */
    uint64_t timeout_ms, concurrency, retry_for_ms, dead_letters;
};

#define CONF_WEBHOOK_HEADERS (32u << 10) /* bytes of its headers together */

struct conf_webhooks {
    struct conf_webhook *items;
    size_t n;
};

struct conf_mail_rule {
    char *name;
    struct conf_strings to;
    bool uploader;
    struct conf_event_filter filter;
};

struct conf_mail_rules {
    struct conf_mail_rule *items;
    size_t n;
};

enum conf_starttls { CONF_STARTTLS_REQUIRED, CONF_STARTTLS_OFFERED, CONF_STARTTLS_NEVER };

struct conf_mail {
    char *server; /* "": none */
    char *from, *username, *password_file, *ca_file;
    uint64_t starttls; /* enum conf_starttls */
    uint64_t timeout_ms, retry_for_ms, dead_letters;
    struct conf_mail_rules rules;
};

struct conf {
    struct conf_auth auth;
    struct conf_rules policy;
    struct conf_pull_rules pull_policy;
    struct conf_signature_rules signatures;
    struct conf_http http;
    struct conf_storage storage;
    struct conf_metadata metadata;
    struct conf_replicas replicas;
    struct conf_limits limits;
    struct conf_quotas quotas;
    struct conf_retentions retention;
    char *schedule; /* gc.schedule: base/cron.h; "": never */
    struct conf_webhooks webhooks;
    struct conf_mail mail;
    struct conf_registry registry;
    struct conf_check check;
    struct conf_gc gc;
    struct conf_scan scan;
    struct conf_ui ui;
    struct conf_audit audit;
    struct conf_log log;
    struct conf_strings warnings; /* of what was read: what is lost, with its place */
};

/*
 * Defaults, then the file at path (NULL: none), then the environment (environ-style; NULL: none).
 * *ret_conf is the caller's, freed with conf_free(). Error: CONFIG; the detail names the file, line
 * and key (or the variable) and what is allowed. Unknown keys, and REGISTRY_ variables that no key
 * owns, are errors. A file with "version: 0.1" is read as the reference registry's, and its
 * variables with it; what that loses is in (*ret_conf)->warnings.
 */
ERR_CHECKED enum err_code conf_load(const char *path, char *const *environment,
                                    struct conf **ret_conf, struct err *e);
void conf_free(struct conf *c); /* accepts NULL */

/* As conf_load(); and the files that the configuration names must be there and be readable. */
ERR_CHECKED enum err_code conf_load_with_files(const char *path, char *const *environment,
                                               struct conf **ret_conf, struct err *e);

/* A file of the reference registry as one of ours: its keys with what changed in comments, and what
 * is lost at the end. Error: CONFIG, also when it is no such file, or would be refused. */
ERR_CHECKED enum err_code conf_convert(const char *path, struct buf *ret_yaml, struct err *e);

/* What becomes of each key of the reference registry: a table in Markdown. */
void conf_distribution_reference(struct buf *ret_markdown);

/*
 * Takes the _Atomic fields of `from` over into live. Adds to *ret_ignored (text, with
 * commas between) each other key whose value differs: it needs a restart. Keys of CONF_REBUILD are
 * neither: live keeps its values, and whoever made something of them makes it anew from `from`.
 */
void conf_reload(struct conf *live, const struct conf *from, struct buf *ret_ignored);

/* The effective configuration as YAML that conf_load() accepts; secrets as "********". */
void conf_print(const struct conf *c, struct buf *ret_yaml);

/* A rule as it stands there, on one line. */
void conf_print_rule(const struct conf_rule *r, struct buf *ret_yaml);

/* "30d", as the configuration has durations. False: it is none. */
bool conf_duration(struct str text, uint64_t *ret_ms);

/* A list of rules in YAML (or JSON, which is YAML), checked as those of a file are. The caller
 * frees. Error: CONFIG. */
ERR_CHECKED enum err_code conf_rules_parse(struct str text, struct conf_rules *ret_rules,
                                           struct err *e);
void conf_rules_free(struct conf_rules *rules);

/* The same of rules of the pull policy. */
ERR_CHECKED enum err_code conf_pull_rules_parse(struct str text, struct conf_pull_rules *ret_rules,
                                                struct err *e);
void conf_pull_rules_free(struct conf_pull_rules *rules);
void conf_signature_rules_free(struct conf_signature_rules *rules);

/* As JSON that conf_pull_rules_parse() reads. */
void conf_pull_rules_json(const struct conf_pull_rules *rules, struct buf *ret_json);

/* "allow", "block", "block after 2h": how long an image may be pulled unscanned, UINT64_MAX for
 * ever. False: it is none of these. */
bool conf_unscanned(struct str text, uint64_t *ret_ms);

/* "2027-06-30": when that day has ended everywhere where the clock is UTC. False: it is no day. */
bool conf_last_day(struct str text, int64_t *ret_end_ms);

/* The reference page, Markdown, from the table. */
void conf_reference(struct buf *ret_markdown);

/* Is the text one of the list? */
static inline bool conf_strings_have(const struct conf_strings *list, struct str text)
{
    for (size_t i = 0; i < list->n; i++) {
        if (str_eq(text, str_of(list->items[i])))
            return true;
    }
    return false;
}

static inline bool conf_auth_on(const struct conf_auth *a)
{
    return a->mode == CONF_AUTH_LOCAL || a->mode == CONF_AUTH_ON;
}

/* Are tokens made by someone else? */
static inline bool conf_token_foreign(const struct conf_token *t)
{
    return t->rootcertbundle[0] || t->jwks[0];
}

/* Do we make tokens ourselves? */
static inline bool conf_token_own(const struct conf_auth *a)
{
    return conf_auth_on(a) && a->token.enabled && !conf_token_foreign(&a->token);
}

static inline uint64_t conf_u64(const _Atomic uint64_t *field)
{
    return atomic_load_explicit(field, memory_order_relaxed);
}

static inline bool conf_bool(const _Atomic bool *field)
{
    return atomic_load_explicit(field, memory_order_relaxed);
}

static inline void auto_conf_(struct conf **c)
{
    conf_free(*c);
}
