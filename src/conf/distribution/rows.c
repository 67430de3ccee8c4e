#include "conf/distribution/rows.h"
#include "conf/distribution/take.h"

#include <stdio.h>

#define ONE   DISTRIBUTION_ONE
#define LIST  DISTRIBUTION_LIST
#define BELOW DISTRIBUTION_BELOW
#define OTHER DISTRIBUTION_OTHER

#define TAKEN(path_, shape_, to_, take_, note_)                                                    \
    {                                                                                              \
        .path = (path_), .shape = (shape_), .verdict = DISTRIBUTION_TAKEN, .to = (to_),            \
        .take = (take_), .note = (note_)                                                           \
    }
#define ALWAYS(path_, shape_, note_)                                                               \
    {                                                                                              \
        .path = (path_), .shape = (shape_), .verdict = DISTRIBUTION_ALWAYS, .note = (note_)        \
    }
#define WARNED(path_, shape_, harmless_, take_, note_)                                             \
    {                                                                                              \
        .path = (path_), .shape = (shape_), .verdict = DISTRIBUTION_WARNED,                        \
        .harmless = (harmless_), .take = (take_), .note = (note_)                                  \
    }
#define REFUSED(path_, shape_, harmless_, take_, note_)                                            \
    {                                                                                              \
        .path = (path_), .shape = (shape_), .verdict = DISTRIBUTION_REFUSED,                       \
        .harmless = (harmless_), .take = (take_), .note = (note_)                                  \
    }

#define NO_SUCH "content can be kept by 'filesystem', 's3' and 'inmemory' only, so far"

#define SECRET "not shown: write it here, or name its file"

/* Its two names are one driver there. */
#define S3(kind)                                                                                   \
    TAKEN("storage." kind ".accesskey", ONE, "storage.s3.access_key", take_text, NULL),            \
        TAKEN("storage." kind ".secretkey", ONE, "storage.s3.secret_key", take_text, SECRET),      \
        TAKEN("storage." kind ".sessiontoken", ONE, "storage.s3.session_token", take_text,         \
              "not shown: write it here"),                                                         \
        TAKEN("storage." kind ".region", ONE, "storage.s3.region", take_text, NULL),               \
        TAKEN("storage." kind ".regionendpoint", ONE, "storage.s3.endpoint", take_endpoint,        \
              "with the scheme that `secure` says"),                                               \
        TAKEN("storage." kind ".forcepathstyle", ONE, "storage.s3.path_style", take_switch, NULL), \
        TAKEN("storage." kind ".bucket", ONE, "storage.s3.bucket", take_bucket,                    \
              "images that the reference registry left in it a command takes over, warned of"),    \
        TAKEN("storage." kind ".rootdirectory", ONE, "storage.s3.prefix", take_s3_root,            \
              "without the slash before it"),                                                      \
        TAKEN("storage." kind ".encrypt", ONE, "storage.s3.sse", take_encrypt,                     \
              "`kms` where there is a `keyid`"),                                                   \
        TAKEN("storage." kind ".keyid", ONE, "storage.s3.kms_key_id", take_key_id,                 \
              "nothing without `encrypt`, warned of"),                                             \
        TAKEN("storage." kind ".storageclass", ONE, "storage.s3.storage_class",                    \
              take_storage_class, "`NONE` is none"),                                               \
        TAKEN("storage." kind ".chunksize", ONE, "storage.s3.part_size", take_chunk_size, NULL),   \
        WARNED("storage." kind ".secure", ONE, "true", take_secure,                                \
               "AWS itself is always spoken to by https"),                                         \
        REFUSED("storage." kind ".skipverify", ONE, "false", NULL,                                 \
                "whoever is on the line could read and change what is stored; name the authority " \
                "of the certificate in REGISTRY_STORAGE_S3_CA_FILE"),                              \
        WARNED("storage." kind ".v4auth", ONE, "true", NULL,                                       \
               "requests are always signed by version 4"),                                         \
        WARNED("storage." kind ".accelerate", ONE, "false", NULL,                                  \
               "the endpoints of transfer acceleration are not used"),                             \
        WARNED("storage." kind ".usedualstack", ONE, "false", NULL,                                \
               "name the endpoint that is meant: "                                                 \
               "`regionendpoint: https://s3.dualstack.REGION.amazonaws.com`"),                     \
        WARNED("storage." kind ".objectacl", ONE, "private", NULL,                                 \
               "objects have no access list of their own; who may read them, say in a policy of "  \
               "the bucket"),                                                                      \
        WARNED("storage." kind ".useragent", ONE, "", NULL,                                        \
               "requests name this registry as their user agent"),                                 \
        WARNED("storage." kind ".loglevel", ONE, "off", NULL,                                      \
               "requests to the server are not logged one by one"),                                \
        WARNED("storage." kind ".multipartcopychunksize", ONE, NULL, NULL,                         \
               "copies in parts have parts of 1 GiB"),                                             \
        WARNED("storage." kind ".multipartcopymaxconcurrency", ONE, NULL, NULL,                    \
               "the parts of a copy are copied one after the other"),                              \
        WARNED("storage." kind ".multipartcopythresholdsize", ONE, NULL, NULL,                     \
               "what is larger than 2 GiB is copied in parts")

/* In the order of their documentation; a special row before the one that holds the rest. */
const struct distribution_row distribution_rows[] = {
    ALWAYS("version", ONE, "tells that the file is one of the reference registry"),

    TAKEN("log.level", ONE, "log.level", take_level, NULL),
    TAKEN("log.formatter", ONE, "log.format", take_formatter, "`logstash` is `json`, warned of"),
    TAKEN("log.fields", BELOW, "log.fields", take_field, NULL),
    TAKEN("log.accesslog.disabled", ONE, "log.access", take_switch_not, "the other way round"),
    WARNED("log.reportcaller", ONE, "false", NULL, "records do not name places in the code"),
    WARNED("log.hooks", BELOW, NULL, take_unless_disabled,
           "no mail is sent for records of the log; have a collector watch it"),
    TAKEN("loglevel", ONE, "log.level", take_level, "`log.level` counts when both are there"),

    TAKEN("storage", ONE, "storage.backend", take_storage, NULL),
    TAKEN("storage.filesystem.rootdirectory", ONE, "storage.filesystem.root", take_root,
          "images that the reference registry left there a command takes over, warned of"),
    TAKEN("storage.filesystem.maxthreads", ONE, "http.workers", take_threads,
          "as many requests work on files at once; 25 at least"),
    TAKEN("storage.inmemory", BELOW, "storage.backend", take_memory, "gone when the server ends"),
    TAKEN("storage.delete.enabled", ONE, "delete.enabled", take_switch, NULL),
    WARNED("storage.cache.blobdescriptor", ONE, NULL, take_cache,
           "each server has a cache of its own in memory; none is shared through Redis"),
    WARNED("storage.cache.layerinfo", ONE, NULL, take_cache,
           "each server has a cache of its own in memory; none is shared through Redis"),
    ALWAYS("storage.cache", BELOW, "the cache is bounded by `cache.memory.size`"),
    WARNED("storage.maintenance.uploadpurging.enabled", ONE, "true", NULL,
           "uploads that nobody continues are always removed after `upload.timeout`"),
    TAKEN("storage.maintenance.uploadpurging.age", ONE, "upload.timeout", take_time, NULL),
    TAKEN("storage.maintenance.uploadpurging.interval", ONE, "maintenance.interval", take_time,
          NULL),
    WARNED("storage.maintenance.uploadpurging.dryrun", ONE, "false", NULL,
           "abandoned uploads are removed, not only told"),
    TAKEN("storage.maintenance.readonly.enabled", ONE, "maintenance.read_only", take_switch, NULL),
    TAKEN("storage.redirect.disable", ONE, "storage.s3.redirect.enabled", take_redirect,
          "the other way round; it is about S3 alone"),
    ALWAYS("storage.tag.concurrencylimit", ONE, "a manifest's tags are found without a search"),
    S3("s3"),
    S3("s3aws"),
    REFUSED("storage.azure", BELOW, NULL, NULL, NO_SUCH),
    REFUSED("storage.gcs", BELOW, NULL, NULL, NO_SUCH),
    REFUSED("storage.swift", BELOW, NULL, NULL, NO_SUCH),
    REFUSED("storage.oss", BELOW, NULL, NULL, NO_SUCH),
    REFUSED("storage.rados", BELOW, NULL, NULL, NO_SUCH),
    REFUSED("storage", OTHER, NULL, NULL, NO_SUCH),

    TAKEN("auth", ONE, "auth.mode", take_auth, NULL),
    REFUSED("auth.silly", BELOW, NULL, NULL, "lets everyone in who says anything"),
    ALWAYS("auth.none", BELOW, "nobody is asked who they are, as without `auth`"),
    TAKEN("auth.htpasswd.realm", ONE, "auth.realm", take_text, NULL),
    TAKEN("auth.htpasswd.path", ONE, "auth.htpasswd.file", take_htpasswd,
          "without the file nobody can sign in; none is made"),
    TAKEN("auth.token.realm", ONE, "auth.token.realm", take_realm, NULL),
    TAKEN("auth.token.service", ONE, "auth.token.service", take_text, NULL),
    TAKEN("auth.token.issuer", ONE, "auth.token.issuer", take_text, NULL),
    TAKEN("auth.token.rootcertbundle", ONE, "auth.token.rootcertbundle", take_text, NULL),
    TAKEN("auth.token.jwks", ONE, "auth.token.jwks", take_text, NULL),
    TAKEN("auth.token.autoredirect", ONE, "auth.token.realm", take_autoredirect,
          "a path in the place of the URL: at the address that the client used"),
    ALWAYS("auth.token.autoredirectpath", ONE, "the path for `autoredirect`"),
    TAKEN("auth.token.signingalgorithms", LIST, "auth.token.algorithms", take_algorithm,
          "no token that is signed so is believed here"),
    REFUSED("auth", OTHER, NULL, NULL, "is no way to sign in that the reference registry has"),

    REFUSED("middleware.registry", BELOW, "", take_unless_disabled,
            "what it does with requests, it would not do here"),
    REFUSED("middleware.repository", BELOW, "", take_unless_disabled,
            "what it does with repositories, it would not do here"),
    WARNED("middleware.storage", BELOW, NULL, take_unless_disabled,
           "blobs are served by the registry itself, not by another address"),
    WARNED("reporting", BELOW, NULL, NULL, "nothing is sent to Bugsnag or New Relic"),

    TAKEN("catalog.maxentries", ONE, "limits.catalog_page", take_page,
          "a larger `n` is answered with so many, not with an error"),
    TAKEN("tags.maxtags", ONE, "limits.page", take_page, "of all other lists, too"),

    TAKEN("http.addr", ONE, "http.listen", take_addr, NULL),
    ALWAYS("http.net", ONE, "`unix` makes `http.addr` the path of a socket"),
    TAKEN("http.prefix", ONE, "http.prefix", take_prefix, NULL),
    WARNED("http.host", ONE, NULL, take_host,
           "not needed, for places are told without a host; only a path in it is lost"),
    ALWAYS("http.secret", ONE, "uploads need none"),
    ALWAYS("http.relativeurls", ONE, "places are always told without a host"),
    TAKEN("http.draintimeout", ONE, "http.drain_timeout", take_duration, NULL),
    TAKEN("http.tls.certificate", ONE, "http.tls.certificate", take_text, NULL),
    TAKEN("http.tls.key", ONE, "http.tls.key", take_text, NULL),
    TAKEN("http.tls.clientcas", LIST, "http.tls.client_ca", take_list, NULL),
    TAKEN("http.tls.clientauth", ONE, "http.tls.client_auth", take_client_auth,
          "certificates are always verified"),
    TAKEN("http.tls.minimumtls", ONE, "http.tls.min_version", take_min_tls,
          "TLS 1.2 is the oldest"),
    TAKEN("http.tls.ciphersuites", LIST, "http.tls.ciphers", take_cipher,
          "also `http.tls.ciphersuites`; RC4 and 3DES are left out"),
    REFUSED("http.tls.letsencrypt.cachefile", ONE, "", NULL,
            "certificates are not fetched from Let's Encrypt; have certbot or a proxy do it, and "
            "set certificate and key"),
    ALWAYS("http.tls.letsencrypt", BELOW, "nothing without its `cachefile`"),
    TAKEN("http.headers", BELOW, "http.headers", take_header,
          "`Access-Control-Allow-Origin`, `-Credentials` and `-Methods` become `http.cors`; the "
          "headers that pages may send and read, and `Vary`, are those that they need"),
    TAKEN("http.debug.addr", ONE, "http.debug.listen", take_text,
          "`/debug/health` is there; `/debug/vars` and `/debug/pprof` are not"),
    WARNED("http.debug.prometheus.enabled", ONE, "false", NULL, "there are no metrics yet"),
    ALWAYS("http.debug.prometheus.path", ONE, "nothing without `enabled`"),
    WARNED("http.http2.disabled", ONE, "true", NULL,
           "HTTP/2 is not spoken; clients use HTTP/1.1, which all of them can"),
    WARNED("http.h2c.enabled", ONE, "false", NULL,
           "HTTP/2 is not spoken; a proxy in front must use HTTP/1.1"),

    TAKEN("notifications.endpoints", BELOW, "webhooks", take_notified,
          "of the format `distribution`; they wait and are tried again as all webhooks, so "
          "`threshold` and `backoff` are of no use, and events of blobs are not sent"),
    ALWAYS("notifications.events", BELOW, "nothing without endpoints"),

    ALWAYS("redis", BELOW, "it serves the shared cache alone; see `storage.cache.blobdescriptor`"),

    ALWAYS("health.storagedriver", BELOW, "storage is looked at whenever somebody asks"),
    WARNED("health.file", BELOW, NULL, NULL, "the file does not make the registry unhealthy"),
    WARNED("health.http", BELOW, NULL, NULL, "the address is not watched"),
    WARNED("health.tcp", BELOW, NULL, NULL, "the address is not watched"),

    REFUSED("proxy.remoteurl", ONE, "", NULL,
            "a pull-through cache is not built, and pushes, which it refuses, would be taken"),
    ALWAYS("proxy", BELOW, "nothing without `remoteurl`"),

    ALWAYS("validation.enabled", ONE, "counts more than `disabled`, as there"),
    ALWAYS("validation.disabled", ONE,
           "without it a manifest may name no URL that is not allowed; the images of an index must "
           "be there in any case"),
    TAKEN("validation.manifests.urls.allow", LIST, "manifest.urls.allow", take_url_pattern,
          "POSIX expressions; those with `\\d`, `(?`, a backslash in brackets and the like are "
          "refused"),
    TAKEN("validation.manifests.urls.deny", LIST, "manifest.urls.deny", take_url_pattern, NULL),
    TAKEN("validation.manifests.indexes.platforms", ONE, "manifest.sparse_indexes", take_platforms,
          "`list` is `all`, warned of"),
    ALWAYS("validation.manifests.indexes.platformlist", BELOW, "see `platforms`"),

    REFUSED("policy.repository.classes", LIST, NULL, take_class,
            "manifests of other classes would be taken: only 'image' and 'plugin' together are the "
            "same here"),
    WARNED("compatibility.schema1.enabled", ONE, "false", NULL, "images of schema 1 are not taken"),
    ALWAYS("compatibility", BELOW, "nothing without schema 1"),
};

const size_t distribution_rows_n = sizeof(distribution_rows) / sizeof(distribution_rows[0]);

static bool fits(const struct distribution_row *row, const char *path)
{
    size_t n = strlen(row->path);
    uint64_t index;

    if (!flat_below(path, str_of(row->path)))
        return false;
    if (row->shape == DISTRIBUTION_BELOW || row->shape == DISTRIBUTION_OTHER)
        return true;
    return path[n] == '\0' || (row->shape == DISTRIBUTION_LIST &&
                               str_to_u64(str_of(path + n + 1), UINT32_MAX, &index));
}

const struct distribution_row *distribution_row_find(const char *path)
{
    for (size_t i = 0; i < distribution_rows_n; i++) {
        if (distribution_rows[i].shape != DISTRIBUTION_OTHER && fits(&distribution_rows[i], path))
            return &distribution_rows[i];
    }
    return NULL;
}

bool distribution_row_known(const char *path)
{
    for (size_t i = 0; i < distribution_rows_n; i++) {
        const struct distribution_row *row = &distribution_rows[i];

        if (row->shape != DISTRIBUTION_OTHER &&
            (fits(row, path) || flat_below(row->path, str_of(path))))
            return true;
    }
    return false;
}

const struct distribution_row *distribution_row_other(const char *path)
{
    const char *dot = strchr(path, '.');
    char kind[FLAT_PATH_MAX];

    if (!dot)
        return NULL;
    snprintf(kind, sizeof(kind), "%.*s", (int)((size_t)(dot - path) + 1 + strcspn(dot + 1, ".")),
             path);
    for (size_t i = 0; i < distribution_rows_n; i++) {
        const struct distribution_row *row = &distribution_rows[i];

        if (row->shape == DISTRIBUTION_OTHER && fits(row, path))
            return distribution_row_known(kind) ? NULL : row;
    }
    return NULL;
}

/* Are there keys below the row's own? */
static bool is_section(const struct distribution_row *row)
{
    for (size_t i = 0; i < distribution_rows_n; i++) {
        if (strcmp(distribution_rows[i].path, row->path) != 0 &&
            flat_below(distribution_rows[i].path, str_of(row->path)))
            return true;
    }
    return false;
}

bool distribution_row_below_value(const char *path)
{
    for (size_t i = 0; i < distribution_rows_n; i++) {
        const struct distribution_row *row = &distribution_rows[i];

        if ((row->shape == DISTRIBUTION_ONE || row->shape == DISTRIBUTION_LIST) &&
            flat_below(path, str_of(row->path)) && !is_section(row))
            return true;
    }
    return false;
}
