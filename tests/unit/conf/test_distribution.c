#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "conf/distribution/rows.h"
#include "conf/distribution/take.h"
#include "conf/field.h"
#include "fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The least that the reference registry starts with. */
#define HTTP    "http: {addr: ':5000'}\n"
#define STORAGE "storage: {inmemory: }\n"
#define V       "version: 0.1\n"

static void value_of(const struct conf *c, const char *key, struct buf *ret_text)
{
    const struct conf_row *row = conf_row_find(str_of(key));

    buf_init(ret_text, 4096);
    if (!row)
        fail_msg("%s is no key", key);
    conf_field_print(row, conf_field_const(c, row), ret_text);
}

static void assert_key(const struct conf *c, const char *key, const char *value)
{
    AUTO(buf) struct buf text = {0};

    value_of(c, key, &text);
    assert_string_equal(buf_text(&text), value);
}

static bool warned(const struct conf *c, const char *part)
{
    for (size_t i = 0; i < c->warnings.n; i++) {
        if (strstr(c->warnings.items[i], part))
            return true;
    }
    return false;
}

#define LEFT_THERE "images that the reference registry left in the bucket"

/* The driver of S3 with its least, and more. */
#define IN_S3(kind, more) V HTTP "storage: {" kind ": {bucket: abc, region: r-1, " more "}}\n"

/* Of each of its two names. */
#define S3_EXAMPLES(kind)                                                                          \
    {"storage." kind ".bucket",                                                                    \
     IN_S3(kind, ""),                                                                              \
     "storage.backend",                                                                            \
     "s3",                                                                                         \
     "bucket: images that the reference registry left in the bucket",                              \
     NULL},                                                                                        \
        {"storage." kind ".bucket", V HTTP "storage: {" kind ": {region: r}}\n",                   \
         .error = kind ".region: its bucket and its region must be given"},                        \
        {"storage." kind ".bucket", V HTTP "storage: {" kind ": }\n",                              \
         .error = kind ": its bucket and its region must be given"},                               \
        {"storage." kind ".region", IN_S3(kind, ""), "storage.s3.region", "\"r-1\"", NULL, NULL},  \
        {"storage." kind ".accesskey",                                                             \
         IN_S3(kind, "accesskey: a, secretkey: s"),                                                \
         "storage.s3.access_key",                                                                  \
         "\"a\"",                                                                                  \
         NULL,                                                                                     \
         NULL},                                                                                    \
        {"storage." kind ".secretkey", IN_S3(kind, "secretkey: hush"),                             \
         .error = kind ".secretkey: a secret needs its access key"},                               \
        {"storage." kind ".sessiontoken", IN_S3(kind, "sessiontoken: hush"),                       \
         .error = kind ".sessiontoken: goes with an access key"},                                  \
        {"storage." kind ".regionendpoint",                                                        \
         IN_S3(kind, "regionendpoint: 'minio:9000'"),                                              \
         "storage.s3.endpoint",                                                                    \
         "\"https://minio:9000\"",                                                                 \
         NULL,                                                                                     \
         NULL},                                                                                    \
        {"storage." kind ".regionendpoint",                                                        \
         IN_S3(kind, "regionendpoint: 'localhost:9000', secure: false"),                           \
         "storage.s3.endpoint",                                                                    \
         "\"http://localhost:9000\"",                                                              \
         NULL,                                                                                     \
         NULL},                                                                                    \
        {"storage." kind ".regionendpoint",                                                        \
         IN_S3(kind, "regionendpoint: 'http://localhost:9000'"),                                   \
         "storage.s3.path_style",                                                                  \
         "true",                                                                                   \
         NULL,                                                                                     \
         NULL},                                                                                    \
        {"storage." kind ".regionendpoint", IN_S3(kind, "regionendpoint: 'ftp://x'"),              \
         .error = kind ".regionendpoint: 'ftp://x' is no address of a server"},                    \
        {"storage." kind ".forcepathstyle",                                                        \
         IN_S3(kind, "forcepathstyle: true"),                                                      \
         "storage.s3.path_style",                                                                  \
         "true",                                                                                   \
         NULL,                                                                                     \
         NULL},                                                                                    \
        {"storage." kind ".rootdirectory",                                                         \
         IN_S3(kind, "rootdirectory: /a/b"),                                                       \
         "storage.s3.prefix",                                                                      \
         "\"a/b/\"",                                                                               \
         NULL,                                                                                     \
         NULL},                                                                                    \
        {"storage." kind ".rootdirectory",                                                         \
         IN_S3(kind, "rootdirectory: /"),                                                          \
         "storage.s3.prefix",                                                                      \
         "\"\"",                                                                                   \
         NULL,                                                                                     \
         NULL},                                                                                    \
        {"storage." kind ".encrypt",                                                               \
         IN_S3(kind, "encrypt: true"),                                                             \
         "storage.s3.sse",                                                                         \
         "s3",                                                                                     \
         NULL,                                                                                     \
         NULL},                                                                                    \
        {"storage." kind ".encrypt",                                                               \
         IN_S3(kind, "encrypt: true, keyid: k"),                                                   \
         "storage.s3.sse",                                                                         \
         "kms",                                                                                    \
         NULL,                                                                                     \
         NULL},                                                                                    \
        {"storage." kind ".encrypt",                                                               \
         IN_S3(kind, "encrypt: false"),                                                            \
         "storage.s3.sse",                                                                         \
         "none",                                                                                   \
         NULL,                                                                                     \
         NULL},                                                                                    \
        {"storage." kind ".keyid",                                                                 \
         IN_S3(kind, "encrypt: true, keyid: k"),                                                   \
         "storage.s3.kms_key_id",                                                                  \
         "\"k\"",                                                                                  \
         NULL,                                                                                     \
         NULL},                                                                                    \
        {"storage." kind ".keyid",                                                                 \
         IN_S3(kind, "keyid: k"),                                                                  \
         "storage.s3.kms_key_id",                                                                  \
         "\"\"",                                                                                   \
         "keyid: nothing is encrypted by it",                                                      \
         NULL},                                                                                    \
        {"storage." kind ".storageclass",                                                          \
         IN_S3(kind, "storageclass: STANDARD_IA"),                                                 \
         "storage.s3.storage_class",                                                               \
         "\"STANDARD_IA\"",                                                                        \
         NULL,                                                                                     \
         NULL},                                                                                    \
        {"storage." kind ".storageclass",                                                          \
         IN_S3(kind, "storageclass: NONE"),                                                        \
         "storage.s3.storage_class",                                                               \
         "\"\"",                                                                                   \
         NULL,                                                                                     \
         NULL},                                                                                    \
        {"storage." kind ".chunksize",                                                             \
         IN_S3(kind, "chunksize: 10485760"),                                                       \
         "storage.s3.part_size",                                                                   \
         "10MiB",                                                                                  \
         NULL,                                                                                     \
         NULL},                                                                                    \
        {"storage." kind ".chunksize", IN_S3(kind, "chunksize: 1024"),                             \
         .error = kind ".chunksize: is less than 5242880"},                                        \
        {"storage." kind ".chunksize", IN_S3(kind, "chunksize: large"),                            \
         .error = kind ".chunksize: is no number of bytes"},                                       \
        {"storage." kind ".secure", IN_S3(kind, "secure: false"),                                  \
         .warning = "secure: AWS itself is always spoken to by https"},                            \
        {"storage." kind ".skipverify", IN_S3(kind, "skipverify: true"),                           \
         .error = kind ".skipverify: whoever is on the line"},                                     \
        {"storage." kind ".v4auth", IN_S3(kind, "v4auth: false"),                                  \
         .warning = "v4auth: requests are always signed by version 4"},                            \
        {"storage." kind ".accelerate", IN_S3(kind, "accelerate: true"),                           \
         .warning = "accelerate: the endpoints of transfer acceleration"},                         \
        {"storage." kind ".usedualstack", IN_S3(kind, "usedualstack: true"),                       \
         .warning = "usedualstack: name the endpoint that is meant"},                              \
        {"storage." kind ".objectacl", IN_S3(kind, "objectacl: public-read"),                      \
         .warning = "objectacl: objects have no access list"},                                     \
        {"storage." kind ".useragent", IN_S3(kind, "useragent: me"),                               \
         .warning = "useragent: requests name this registry"},                                     \
        {"storage." kind ".loglevel", IN_S3(kind, "loglevel: debug"),                              \
         .warning = "loglevel: requests to the server are not logged"},                            \
        {"storage." kind ".multipartcopychunksize",                                                \
         IN_S3(kind, "multipartcopychunksize: 33554432"),                                          \
         .warning = "multipartcopychunksize: copies in parts have parts of 1 GiB"},                \
        {"storage." kind ".multipartcopymaxconcurrency",                                           \
         IN_S3(kind, "multipartcopymaxconcurrency: 100"),                                          \
         .warning = "multipartcopymaxconcurrency: the parts of a copy are copied one after"},      \
    {                                                                                              \
        "storage." kind ".multipartcopythresholdsize",                                             \
            IN_S3(kind, "multipartcopythresholdsize: 33554432"),                                   \
            .warning = "multipartcopythresholdsize: what is larger than 2 GiB is copied in parts"  \
    }

/* What becomes of each key: a file's lines, and a key of ours with its value, a warning, an error,
 * or nothing at all. */
static const struct {
    const char *path; /* the row that it is about */
    const char *yaml;
    const char *key, *value;
    const char *warning, *error;
} examples[] = {
    {"version", V HTTP STORAGE, "http.listen", "[\":5000\"]", NULL, NULL},
    {"version", "version: 0.2\n" HTTP STORAGE, .error = ":1: version: is unknown; the reference"},
    {"log.level", V HTTP STORAGE "log: {level: WARN}\n", "log.level", "warning", NULL, NULL},
    {"log.level", V HTTP STORAGE "log: {level: loud}\n",
     .error = ":4: log.level: is no level; allowed are 'error', 'warn', 'info' and 'debug'"},
    {"log.formatter", V HTTP STORAGE "log: {formatter: text}\n", "log.format", "text", NULL, NULL},
    {"log.formatter", V HTTP STORAGE "log: {formatter: logstash}\n", "log.format", "json",
     "log.formatter: records are JSON", NULL},
    {"log.formatter", V HTTP STORAGE "log: {formatter: xml}\n", .error = "'xml' is not known here"},
    {"log.fields", V HTTP STORAGE "log: {fields: {service: registry, env: a.b}}\n", "log.fields",
     "[\"service=registry\", \"env=a.b\"]", NULL, NULL},
    {"log.accesslog.disabled", V HTTP STORAGE "log: {accesslog: {disabled: true}}\n", "log.access",
     "false", NULL, NULL},
    {"log.accesslog.disabled", V HTTP STORAGE "log: {accesslog: {disabled: perhaps}}\n",
     .error = "log.accesslog.disabled: is neither true nor false"},
    {"log.reportcaller", V HTTP STORAGE "log: {reportcaller: true}\n",
     .warning = "log.reportcaller: records do not name places"},
    {"log.reportcaller", V HTTP STORAGE "log: {reportcaller: false}\n"},
    {"log.hooks", V HTTP STORAGE "log:\n  hooks:\n  - {type: mail, levels: [panic]}\n",
     .warning = ":6: log.hooks.0.type: no mail is sent"},
    {"log.hooks", V HTTP STORAGE "log:\n  hooks:\n  - {type: mail, disabled: true}\n"},
    {"loglevel", V HTTP STORAGE "loglevel: debug\n", "log.level", "debug", NULL, NULL},
    {"loglevel", V HTTP STORAGE "log: {level: error}\nloglevel: debug\n", "log.level", "error",
     NULL, NULL},

    {"storage", V HTTP "storage: inmemory\n", "storage.backend", "mem", NULL, NULL},
    {"storage", V HTTP "storage: filesystem\n", "storage.filesystem.root", "\"/var/lib/registry\"",
     NULL, NULL},
    {"storage", V HTTP "storage: s3\n", .error = ":3: storage: its keys must follow below it"},
    {"storage", V HTTP "storage: {floppy: {drive: a}}\n",
     .error = "storage.floppy.drive: content can be kept by"},
    {"storage.filesystem.rootdirectory", V HTTP "storage: {filesystem: }\n", "storage.backend",
     "filesystem", NULL, NULL},
    {"storage.filesystem.rootdirectory", V HTTP "storage: {filesystem: {rootdirectory: /a}}\n",
     "storage.filesystem.root", "\"/a\"", NULL, NULL},
    {"storage.filesystem.maxthreads", V HTTP "storage: {filesystem: {maxthreads: 100}}\n",
     "http.workers", "100", NULL, NULL},
    {"storage.filesystem.maxthreads", V HTTP "storage: {filesystem: {maxthreads: 3}}\n",
     "http.workers", "25", NULL, NULL},
    {"storage.filesystem.maxthreads", V HTTP "storage: {filesystem: {maxthreads: many}}\n",
     .error = "storage.filesystem.maxthreads: is no number of threads"},
    {"storage.inmemory", V HTTP "storage: {inmemory: {}}\n", "storage.backend", "mem", NULL, NULL},
    {"storage.delete.enabled", V HTTP "storage: {inmemory: , delete: {enabled: true}}\n",
     "delete.enabled", "true", NULL, NULL},
    {"storage.delete.enabled", V HTTP STORAGE, "delete.enabled", "false", NULL, NULL},
    {"storage.cache.blobdescriptor",
     V HTTP "storage: {inmemory: , cache: {blobdescriptor: redis}}\n",
     .warning = "storage.cache.blobdescriptor: each server has a cache of its own"},
    {"storage.cache.blobdescriptor",
     V HTTP "storage: {inmemory: , cache: {blobdescriptor: inmemory}}\n"},
    {"storage.cache.layerinfo", V HTTP "storage: {inmemory: , cache: {layerinfo: redis}}\n",
     .warning = "storage.cache.layerinfo: each server has a cache of its own"},
    {"storage.cache", V HTTP "storage: {inmemory: , cache: {blobdescriptorsize: 10}}\n"},
    {"storage.maintenance.uploadpurging.enabled",
     V HTTP "storage: {inmemory: , maintenance: {uploadpurging: {enabled: false}}}\n",
     .warning = "uploadpurging.enabled: uploads that nobody continues"},
    {"storage.maintenance.uploadpurging.enabled",
     V HTTP "storage: {inmemory: , maintenance: {uploadpurging: {enabled: true}}}\n",
     "upload.timeout", "7d", NULL, NULL},
    {"storage.maintenance.uploadpurging.age",
     V HTTP "storage: {inmemory: , maintenance: {uploadpurging: {age: 2h10m}}}\n", "upload.timeout",
     "130m", NULL, NULL},
    {"storage.maintenance.uploadpurging.age",
     V HTTP "storage: {inmemory: , maintenance: {uploadpurging: {age: 9000h}}}\n", "upload.timeout",
     "30d", "age: can't be so long here; it is 30d", NULL},
    {"storage.maintenance.uploadpurging.age",
     V HTTP "storage: {inmemory: , maintenance: {uploadpurging: {age: long}}}\n",
     .error = "uploadpurging.age: is no duration such as"},
    {"storage.maintenance.uploadpurging.interval",
     V HTTP "storage: {inmemory: , maintenance: {uploadpurging: {interval: 24h}}}\n",
     "maintenance.interval", "1d", NULL, NULL},
    {"storage.maintenance.uploadpurging.dryrun",
     V HTTP "storage: {inmemory: , maintenance: {uploadpurging: {dryrun: true}}}\n",
     .warning = "uploadpurging.dryrun: abandoned uploads are removed"},
    {"storage.maintenance.readonly.enabled",
     V HTTP "storage: {inmemory: , maintenance: {readonly: {enabled: true}}}\n",
     "maintenance.read_only", "true", NULL, NULL},
    {"storage.redirect.disable", V HTTP "storage: {inmemory: , redirect: {disable: true}}\n"},
    {"storage.redirect.disable",
     V HTTP "storage: {s3: {bucket: abc, region: r}, redirect: {disable: true}}\n",
     "storage.s3.redirect.enabled", "false", NULL, NULL},
    {"storage.redirect.disable", IN_S3("s3", ""), "storage.s3.redirect.enabled", "true", NULL,
     NULL},
    {"storage.redirect.disable", IN_S3("s3", ""), "storage.s3.redirect.min_size", "0", NULL, NULL},
    {"storage.tag.concurrencylimit", V HTTP "storage: {inmemory: , tag: {concurrencylimit: 8}}\n"},
    S3_EXAMPLES("s3"),
    S3_EXAMPLES("s3aws"),
    {"storage.azure", V HTTP "storage: {azure: {container: c}}\n",
     .error = "storage.azure.container"},
    {"storage.gcs", V HTTP "storage: {gcs: {bucket: b}}\n", .error = "storage.gcs.bucket"},
    {"storage.swift", V HTTP "storage: {swift: {region: fr}}\n", .error = "storage.swift.region"},
    {"storage.oss", V HTTP "storage: {oss: {bucket: b}}\n", .error = "storage.oss.bucket"},
    {"storage.rados", V HTTP "storage: {rados: {poolname: p}}\n",
     .error = "storage.rados.poolname"},

    {"auth", V HTTP STORAGE "auth: none\n", "auth", "none", NULL, NULL},
    {"auth", V HTTP STORAGE "auth: silly\n", .error = ":4: auth: 'silly' lets everyone in"},
    {"auth", V HTTP STORAGE "auth: htpasswd\n", .error = ":4: auth: its keys must follow below it"},
    {"auth", V HTTP STORAGE "auth: ldap\n", .error = ":4: auth: is no way to sign in"},
    {"auth", V HTTP STORAGE "auth: {ldap: {url: x}}\n",
     .error = "auth.ldap.url: is no way to sign in"},
    {"auth.silly", V HTTP STORAGE "auth: {silly: {realm: r}}\n",
     .error = "auth.silly.realm: lets everyone in who says anything"},
    {"auth.silly", V HTTP STORAGE "auth: {silly: }\n", .error = "auth.silly: lets everyone in"},
    {"auth.none", V HTTP STORAGE "auth: {none: }\n", "auth", "none", NULL, NULL},
    {"auth.htpasswd.realm", V HTTP STORAGE "auth: {htpasswd: {realm: r, path: /etc/hosts}}\n",
     "auth.realm", "\"r\"", NULL, NULL},
    {"auth.htpasswd.path", V HTTP STORAGE "auth: {htpasswd: {realm: r, path: /etc/hosts}}\n",
     "auth.htpasswd.file", "\"/etc/hosts\"", NULL, NULL},
    {"auth.htpasswd.path", V HTTP STORAGE "auth: {htpasswd: {realm: r, path: /etc}}\n", "auth",
     "on", "auth.htpasswd.path: is a directory, so nobody", NULL},
    {"auth.htpasswd.path", V HTTP STORAGE "auth: {htpasswd: {realm: r}}\n",
     .error = "auth.htpasswd.path must be given"},
#define TOKEN "service: s, issuer: i, rootcertbundle: /b"
    {"auth.token.realm", V HTTP STORAGE "auth: {token: {realm: 'https://a/t', " TOKEN "}}\n",
     "auth.token.realm", "\"https://a/t\"", NULL, NULL},
    {"auth.token.service", V HTTP STORAGE "auth: {token: {realm: 'https://a/t', " TOKEN "}}\n",
     "auth.token.service", "\"s\"", NULL, NULL},
    {"auth.token.issuer", V HTTP STORAGE "auth: {token: {realm: 'https://a/t', " TOKEN "}}\n",
     "auth.token.issuer", "\"i\"", NULL, NULL},
    {"auth.token.rootcertbundle",
     V HTTP STORAGE "auth: {token: {realm: 'https://a/t', " TOKEN "}}\n",
     "auth.token.rootcertbundle", "\"/b\"", NULL, NULL},
    {"auth.token.rootcertbundle",
     V HTTP STORAGE "auth: {token: {realm: 'https://a/t', service: s, issuer: i}}\n",
     .error = "auth.token.rootcertbundle or auth.token.jwks must be given"},
    {"auth.token.jwks",
     V HTTP STORAGE "auth: {token: {realm: 'https://a/t', service: s, issuer: i, jwks: /j}}\n",
     "auth.token.jwks", "\"/j\"", NULL, NULL},
    {"auth.token.autoredirect",
     V HTTP STORAGE "auth: {token: {realm: 'https://a/t', autoredirect: true, " TOKEN "}}\n",
     "auth.token.realm", "\"/auth/token/\"", NULL, NULL},
    {"auth.token.autoredirectpath",
     V HTTP STORAGE "auth: {token: {autoredirect: true, autoredirectpath: /t, " TOKEN "}}\n",
     "auth.token.realm", "\"/t\"", NULL, NULL},
    {"auth.token.signingalgorithms",
     V HTTP STORAGE "auth: {token: {realm: 'https://a/t', signingalgorithms: [ES256, HS256], " TOKEN
                    "}}\n",
     "auth.token.algorithms", "[\"ES256\"]", "signingalgorithms.1: no token that is signed so",
     NULL},
    {"auth.token.signingalgorithms",
     V HTTP STORAGE "auth: {token: {realm: 'https://a/t', signingalgorithms: [HS256], " TOKEN
                    "}}\n",
     .error = "signingalgorithms.0: none of these algorithms is believed here"},

    {"middleware.registry", V HTTP STORAGE "middleware: {registry: [{name: a}]}\n",
     .error = "middleware.registry.0.name: what it does"},
    {"middleware.registry", V HTTP STORAGE "middleware: {registry: [{name: a, disabled: true}]}\n"},
    {"middleware.registry", V HTTP STORAGE "middleware: {registry: []}\n"},
    {"middleware.repository", V HTTP STORAGE "middleware: {repository: [{name: a}]}\n",
     .error = "middleware.repository.0.name: what it does"},
    {"middleware.storage", V HTTP STORAGE "middleware: {storage: [{name: redirect}]}\n",
     .warning = "middleware.storage.0.name: blobs are served by the registry itself"},
    {"reporting", V HTTP STORAGE "reporting: {bugsnag: {apikey: k}}\n",
     .warning = "reporting.bugsnag.apikey: nothing is sent"},
    {"catalog.maxentries", V HTTP STORAGE "catalog: {maxentries: 7}\n", "limits.catalog_page", "7",
     NULL, NULL},
    {"catalog.maxentries", V HTTP STORAGE "catalog: {maxentries: -1}\n", "limits.catalog_page", "0",
     NULL, NULL},
    {"catalog.maxentries", V HTTP STORAGE "catalog: {maxentries: few}\n", .error = "is no number"},
    {"tags.maxtags", V HTTP STORAGE "tags: {maxtags: 70}\n", "limits.page", "70", NULL, NULL},

    {"http.addr", V "http: {addr: 'localhost:1'}\n" STORAGE, "http.listen", "[\"localhost:1\"]",
     NULL, NULL},
    {"http.addr", V STORAGE, .error = ":1: version: a key 'http.addr' must follow"},
    {"http.addr", V "http: {addr: nowhere}\n" STORAGE,
     .error = ":2: http.addr: 'nowhere' is not an"},
    {"http.net", V "http: {addr: /run/r.sock, net: unix}\n" STORAGE, "http.listen",
     "[\"unix:/run/r.sock\"]", NULL, NULL},
    {"http.net", V "http: {addr: ':1', net: carrier-pigeon}\n" STORAGE,
     .error = "http.net: is no kind of address; allowed are 'tcp' and 'unix'"},
    {"http.prefix", V "http: {addr: ':1', prefix: /a/b/}\n" STORAGE, "http.prefix", "\"/a/b/\"",
     NULL, NULL},
    {"http.host", V "http: {addr: ':1', host: 'https://r.example:5000'}\n" STORAGE},
    {"http.host", V "http: {addr: ':1', host: 'https://r.example/path/'}\n" STORAGE,
     .warning = "http.host: its path is not told"},
    {"http.secret", V "http: {addr: ':1', secret: s}\n" STORAGE},
    {"http.relativeurls", V "http: {addr: ':1', relativeurls: false}\n" STORAGE},
    {"http.draintimeout", V "http: {addr: ':1', draintimeout: 60s}\n" STORAGE, "http.drain_timeout",
     "1m", NULL, NULL},
#define TLS "certificate: /c, key: /k"
    {"http.tls.certificate", V "http: {addr: ':1', tls: {" TLS "}}\n" STORAGE,
     "http.tls.certificate", "\"/c\"", NULL, NULL},
    {"http.tls.key", V "http: {addr: ':1', tls: {" TLS "}}\n" STORAGE, "http.tls.key", "\"/k\"",
     NULL, NULL},
    {"http.tls.clientcas", V "http: {addr: ':1', tls: {" TLS ", clientcas: [/a, /b]}}\n" STORAGE,
     "http.tls.client_ca", "[\"/a\", \"/b\"]", NULL, NULL},
    {"http.tls.clientcas", V "http: {addr: ':1', tls: {" TLS ", clientcas: [/a]}}\n" STORAGE,
     "http.tls.client_auth", "required", NULL, NULL},
    {"http.tls.clientauth",
     V "http: {addr: ':1', tls: {" TLS
       ", clientcas: [/a], clientauth: verify-client-cert-if-given}}\n" STORAGE,
     "http.tls.client_auth", "optional", NULL, NULL},
    {"http.tls.clientauth",
     V "http: {addr: ':1', tls: {" TLS ", clientauth: require-any-client-cert}}\n" STORAGE,
     "http.tls.client_auth", "optional", NULL, NULL},
    {"http.tls.clientauth",
     V "http: {addr: ':1', tls: {" TLS ", clientcas: [/a], clientauth: never}}\n" STORAGE,
     .error = "http.tls.clientauth: is no mode"},
    {"http.tls.minimumtls", V "http: {addr: ':1', tls: {" TLS ", minimumtls: tls1.3}}\n" STORAGE,
     "http.tls.min_version", "1.3", NULL, NULL},
    {"http.tls.minimumtls", V "http: {addr: ':1', tls: {" TLS ", minimumtls: tls1.0}}\n" STORAGE,
     "http.tls.min_version", "1.2", NULL, NULL},
    {"http.tls.minimumtls", V "http: {addr: ':1', tls: {" TLS ", minimumtls: ssl3}}\n" STORAGE,
     .error = "http.tls.minimumtls: is no version"},
    {"http.tls.ciphersuites",
     V "http: {addr: ':1', tls: {" TLS ", ciphersuites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "
       "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, TLS_AES_128_GCM_SHA256]}}\n" STORAGE,
     "http.tls.ciphers", "\"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305\"", NULL, NULL},
    {"http.tls.ciphersuites",
     V "http: {addr: ':1', tls: {" TLS ", ciphersuites: [TLS_AES_128_GCM_SHA256, "
       "TLS_RSA_WITH_RC4_128_SHA]}}\n" STORAGE,
     "http.tls.ciphersuites", "\"TLS_AES_128_GCM_SHA256\"", "ciphersuites.1: is broken", NULL},
    {"http.tls.ciphersuites",
     V "http: {addr: ':1', tls: {" TLS ", ciphersuites: [ROT13]}}\n" STORAGE,
     .error = "ciphersuites.0: is no cipher suite"},
    {"http.tls.letsencrypt.cachefile",
     V "http: {addr: ':1', tls: {letsencrypt: {cachefile: /f, email: a@b}}}\n" STORAGE,
     .error = "letsencrypt.cachefile: certificates are not fetched from Let's Encrypt"},
    {"http.tls.letsencrypt", V "http: {addr: ':1', tls: {letsencrypt: {hosts: [a]}}}\n" STORAGE},
    {"http.headers",
     V "http: {addr: ':1', headers: {X-Frame-Options: [DENY], X-Content-Type-Options: "
       "[nosniff]}}\n" STORAGE,
     "http.headers", "[{name: \"X-Frame-Options\", value: \"DENY\"}]", NULL, NULL},
    {"http.headers",
     V "http: {addr: ':1', headers: {Access-Control-Allow-Origin: ['https://a.example'], "
       "Access-Control-Allow-Methods: [GET], Access-Control-Allow-Credentials: [true]}}\n" STORAGE,
     "http.cors.origins", "[\"https://a.example\"]", NULL, NULL},
    {"http.headers",
     V "http: {addr: ':1', headers: {Access-Control-Allow-Credentials: [true], "
       "Access-Control-Allow-Origin: ['https://a.example']}}\n" STORAGE,
     "http.cors.credentials", "true", NULL, NULL},
    {"http.headers",
     V "http: {addr: ':1', headers: {Access-Control-Allow-Origin: ['*'], "
       "Access-Control-Allow-Credentials: [true]}}\n" STORAGE,
     "http.cors.credentials", "false", "no browser takes credentials together with", NULL},
    {"http.headers", V "http: {addr: ':1', headers: {Content-Length: ['1']}}\n" STORAGE,
     .error = "'Content-Length' is set by the server itself"},
    {"http.debug.addr", V "http: {addr: ':1', debug: {addr: 'localhost:5001'}}\n" STORAGE,
     "http.debug.listen", "[\"localhost:5001\"]", NULL, NULL},
    {"http.debug.prometheus.enabled",
     V "http: {addr: ':1', debug: {addr: ':2', prometheus: {enabled: true}}}\n" STORAGE,
     .warning = "http.debug.prometheus.enabled: there are no metrics yet"},
    {"http.debug.prometheus.path",
     V "http: {addr: ':1', debug: {addr: ':2', prometheus: {enabled: false, path: /m}}}\n" STORAGE},
    {"http.http2.disabled", V "http: {addr: ':1', http2: {disabled: false}}\n" STORAGE,
     .warning = "http.http2.disabled: HTTP/2 is not spoken"},
    {"http.http2.disabled", V "http: {addr: ':1', http2: {disabled: true}}\n" STORAGE},
    {"http.h2c.enabled", V "http: {addr: ':1', h2c: {enabled: true}}\n" STORAGE,
     .warning = "http.h2c.enabled: HTTP/2 is not spoken"},

    {"notifications.endpoints",
     V HTTP STORAGE "notifications: {endpoints: [{name: a, url: 'http://a', headers: "
                    "{Authorization: [x]}, ignore: {actions: [pull]}}]}\n",
     "webhooks",
     "[{name: \"a\", url: \"http://a\", format: distribution, events: [\"push\", \"delete\"], "
     "repositories: [], secret_file: \"\", headers: [{name: \"Authorization\", value: "
     "\"********\"}], allow_private: true, ca_file: \"\", timeout: 10s, concurrency: 8, "
     "retry_for: 3d, dead_letters: 1000}]",
     NULL, NULL},
    {"notifications.endpoints",
     V HTTP STORAGE "notifications: {endpoints: [{name: a, url: 'http://a', ignoredmediatypes: "
                    "[a/b], ignore: {actions: [pull]}}]}\n",
     .warning =
         "notifications.endpoints.0.ignoredmediatypes.0: events of all media types are sent"},
    {"notifications.endpoints",
     V HTTP STORAGE "notifications: {endpoints: [{name: a, disabled: true}]}\n"},
    {"notifications.endpoints",
     V HTTP STORAGE "notifications: {endpoints: [{name: a, url: 'http://a', ignore: {actions: "
                    "[pull, push, delete]}}]}\n",
     "webhooks", "[]", NULL, NULL},
    {"notifications.events", V HTTP STORAGE "notifications: {events: {includereferences: true}}\n"},
    {"redis", V HTTP STORAGE "redis: {addrs: ['a:1'], tls: {key: /k}}\n"},
    {"health.storagedriver", V HTTP STORAGE "health: {storagedriver: {enabled: true}}\n"},
    {"health.file", V HTTP STORAGE "health: {file: [{file: /f}]}\n",
     .warning = "health.file.0.file: the file does not make the registry unhealthy"},
    {"health.http", V HTTP STORAGE "health: {http: [{uri: 'http://a'}]}\n",
     .warning = "health.http.0.uri: the address is not watched"},
    {"health.tcp", V HTTP STORAGE "health: {tcp: [{addr: 'a:1'}]}\n",
     .warning = "health.tcp.0.addr: the address is not watched"},
    {"proxy.remoteurl", V HTTP STORAGE "proxy: {remoteurl: 'https://a'}\n",
     .error = "proxy.remoteurl: a pull-through cache is not built"},
    {"proxy.remoteurl", V HTTP STORAGE "proxy: {remoteurl: ''}\n"},
    {"proxy", V HTTP STORAGE "proxy: {ttl: 168h}\n"},
    {"validation.enabled", V HTTP STORAGE "validation: {enabled: true}\n", "manifest.urls.allow",
     "[\"^$\"]", NULL, NULL},
    {"validation.disabled", V HTTP STORAGE "validation: {disabled: true}\n", "manifest.urls.allow",
     "[]", NULL, NULL},
    {"validation.manifests.urls.allow",
     V HTTP STORAGE "validation: {manifests: {urls: {allow: ['^https?://([^/]+\\.)*a\\.b/']}}}\n",
     "manifest.urls.allow", "[\"^https?://([^/]+\\\\.)*a\\\\.b/\"]", NULL, NULL},
    {"validation.manifests.urls.allow",
     V HTTP STORAGE "validation: {manifests: {urls: {allow: ['\\d']}}}\n",
     .error = "is written in another dialect"},
    {"validation.manifests.urls.deny",
     V HTTP STORAGE "validation: {manifests: {urls: {deny: [a]}}}\n", "manifest.urls.deny",
     "[\"a\"]", NULL, NULL},
    {"validation.manifests.indexes.platforms",
     V HTTP STORAGE "validation: {manifests: {indexes: {platforms: None}}}\n",
     "manifest.sparse_indexes", "true", NULL, NULL},
    {"validation.manifests.indexes.platforms",
     V HTTP STORAGE "validation: {manifests: {indexes: {platforms: list}}}\n",
     "manifest.sparse_indexes", "false", "platforms: the images of all platforms", NULL},
    {"validation.manifests.indexes.platforms",
     V HTTP STORAGE "validation: {manifests: {indexes: {platforms: some}}}\n",
     .error = "is none of 'all', 'none' and 'list'"},
    {"validation.manifests.indexes.platformlist",
     V HTTP STORAGE "validation: {manifests: {indexes: {platformlist: [{os: linux}]}}}\n"},
    {"policy.repository.classes", V HTTP STORAGE "policy: {repository: {classes: [image]}}\n",
     .error = "policy.repository.classes.0: manifests of other classes would be taken"},
    {"policy.repository.classes",
     V HTTP STORAGE "policy: {repository: {classes: [image, plugin]}}\n"},
    {"compatibility.schema1.enabled", V HTTP STORAGE "compatibility: {schema1: {enabled: true}}\n",
     .warning = "compatibility.schema1.enabled: images of schema 1 are not taken"},
    {"compatibility", V HTTP STORAGE "compatibility: {schema1: {signingkeyfile: /k}}\n"},

    /* Shapes. */
    {"storage", V HTTP "storage: {filesystem: /data}\n",
     .error = ":3: storage.filesystem: here must stand keys, not a value"},
    {"storage.delete.enabled", V HTTP "storage: {inmemory: , delete: true}\n",
     .error = ":3: storage.delete: here must stand keys, not a value"},
    {"storage.delete.enabled", V HTTP "storage: {inmemory: , delete: {enabled: 'true'}}\n",
     .error = "storage.delete.enabled: is a text; true and false have no quotes"},
    {"http.tls.clientcas", V "http: {addr: ':1', tls: {" TLS ", clientcas: {a: /a}}}\n" STORAGE,
     .error = "http.tls.clientcas.a: here must stand a value, or a list of values, not keys"},
    {"http.tls.clientcas", V "http: {addr: ':1', tls: {" TLS ", clientcas: [[/a]]}}\n" STORAGE,
     .error = "http.tls.clientcas.0.0: here must stand a value"},
    {"middleware.registry", V HTTP STORAGE "middleware: {registry: foo}\n",
     .error = "middleware.registry: here must stand keys or a list, not a value"},
    {"log.hooks", V HTTP STORAGE "log: {hooks: mail}\n",
     .error = "log.hooks: here must stand keys or a list, not a value"},
    {"storage", V HTTP "storage: {inmemory: , maintenance: {foo: 1}}\n",
     .warning = "storage.maintenance.foo: is no key of the reference registry"},
    {"auth.htpasswd.path", V HTTP STORAGE "auth: {htpasswd: {path: /etc/hosts, foo: 1}}\n",
     .warning = "auth.htpasswd.foo: is no key of the reference registry"},
    {"auth.htpasswd.path", V HTTP STORAGE "auth: {htpasswd: {realm: r, path: }}\n",
     .error = "auth.htpasswd.path must be given"},
    {"auth.token.service",
     V HTTP STORAGE "auth: {token: {realm: 'https://a/t', issuer: i, rootcertbundle: /b}}\n",
     .error = "auth.token.service and auth.token.issuer must be given"},
    {"version", "version: [0.1]\n" HTTP STORAGE, .error = "version.0: is unknown"},

    /* Names that are not quite the right ones do nothing. */
    {"auth.htpasswd.path", V HTTP STORAGE "auth: {htpasswd: {path: /etc/hosts}}\nAuth: {}\n",
     "auth", "on", "Auth: is no key of the reference registry", NULL},
    {"validation.disabled", V HTTP STORAGE "validation: {Disabled: true}\n", "manifest.urls.allow",
     "[\"^$\"]", "validation.Disabled: is no key", NULL},
    {"validation.disabled", V HTTP STORAGE "'validation.disabled': true\n", "manifest.urls.allow",
     "[\"^$\"]", "validation\\.disabled: is no key", NULL},
    {"log.fields", V HTTP STORAGE "log: {fields: {service.name: registry}}\n", "log.fields",
     "[\"service.name=registry\"]", NULL, NULL},

    /* Merge keys. */
    {"auth.htpasswd.path", V HTTP STORAGE "x: &c {auth: {htpasswd: {path: /etc/hosts}}}\n<<: *c\n",
     "auth", "on", "x.auth.htpasswd.path: is no key", NULL},
    {"http.tls.clientcas",
     V STORAGE "x: &t {clientcas: [/a], certificate: /old}\n"
               "http: {addr: ':1', tls: {<<: *t, certificate: /c, key: /k}}\n",
     "http.tls.client_ca", "[\"/a\"]", "x.clientcas.0: is no key", NULL},
    {"http.tls.certificate",
     V STORAGE "x: {t: &t {certificate: /old}, u: &u {certificate: /older, key: /k}}\n"
               "http: {addr: ':1', tls: {<<: [*t, *u]}}\n",
     "http.tls.certificate", "\"/old\"", "x.t.certificate: is no key", NULL},
    {"http.tls.certificate", V HTTP STORAGE "log: {<<: loud}\n",
     .error = ":4: '<<' merges maps only"},

    /* What must not become wider than it was. */
    {"validation.enabled", V HTTP STORAGE "validation: {enabled: true, disabled: true}\n",
     "manifest.urls.allow", "[\"^$\"]", NULL, NULL},
    {"validation.manifests.urls.deny",
     V HTTP STORAGE
     "validation: {manifests: {urls: {deny: ['^https?://[a-z0-9\\-\\.]+\\.a\\.b/']}}}\n",
     .error = "is written in another dialect"},
    {"http.headers",
     V "http: {addr: ':1', headers: {Access-Control-Allow-Origin: ['https://a.example'], "
       "Access-Control-Allow-Methods: ['HEAD, GET, OPTIONS']}}\n" STORAGE,
     "http.cors.methods", "[\"HEAD\", \"GET\"]", NULL, NULL},
    {"http.headers",
     V
     "http: {addr: ':1', headers: {ACCESS-CONTROL-ALLOW-ORIGIN: ['https://a.example']}}\n" STORAGE,
     "http.cors.origins", "[\"https://a.example\"]", NULL, NULL},
    {"http.headers",
     V "http: {addr: ':1', headers: {Access-Control-Allow-Private-Network: [true]}}\n" STORAGE,
     .warning = "Access-Control-Allow-Private-Network.0: is not sent"},
    {"http.tls.ciphersuites",
     V "http: {addr: ':1', tls: {" TLS ", ciphersuites: [TLS_AES_128_GCM_SHA256]}}\n" STORAGE,
     "http.tls.min_version", "1.3", NULL, NULL},
    {"http.tls.ciphersuites",
     V "http: {addr: ':1', tls: {" TLS ", ciphersuites: [TLS_RSA_WITH_RC4_128_SHA]}}\n" STORAGE,
     .error = "ciphersuites.0: none of these suites is offered here"},

    /* Values. */
    {"http.prefix", V "http: {addr: ':1', prefix: /a}\n" STORAGE, "http.prefix", "\"/a/\"", NULL,
     NULL},
    {"http.prefix", V "http: {addr: ':1', prefix: /}\n" STORAGE, "http.prefix", "\"\"", NULL, NULL},
    {"http.tls.minimumtls", V "http: {addr: ':1', tls: {" TLS ", minimumtls: ''}}\n" STORAGE},
    {"storage.maintenance.uploadpurging.age",
     V HTTP "storage: {inmemory: , maintenance: {uploadpurging: {age: 168}}}\n",
     .error = "uploadpurging.age: has no unit; write '168h' or '10s'"},
    {"catalog.maxentries", V HTTP STORAGE "catalog: {maxentries: 9000000}\n", "limits.catalog_page",
     "50000", "catalog.maxentries: can't be so many here; it is 50000", NULL},
    {"http.headers", V "http: {addr: ':1', headers: {Vary: [Origin]}}\n" STORAGE, "http.headers",
     "[]", NULL, NULL},
    {"http.headers",
     V "http: {addr: ':1'\n, headers: {X-A: [a],\nX-B: [\"a\\r\\nX-C: c\"]}}\n" STORAGE,
     .error = ":4: http.headers[1]: 'a??X-C: c' holds a control character"},
    {"version", V HTTP STORAGE "\"x\\nmaintenance: 1\": 1\n",
     .error = ":4: a key is empty, holds a control character"},
};

#define EXAMPLES (sizeof(examples) / sizeof(examples[0]))

/* Without what is told of every bucket. */
static size_t count_warnings(const struct conf *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->warnings.n; i++)
        n += !strstr(c->warnings.items[i], LEFT_THERE);
    return n;
}

static void check_example(size_t i)
{
    AUTO(conf) struct conf *c = NULL;
    struct err e = {0};
    enum err_code code = conf_load_bytes(str_of(examples[i].yaml), NULL, &c, &e);

    if (examples[i].error) {
        if (code != ERR_CONFIG || !strstr(e.detail, examples[i].error))
            fail_msg("%s: '%s' instead of '%s'", examples[i].yaml, e.detail, examples[i].error);
        return;
    }
    if (code != ERR_OK)
        fail_msg("%s: %s", examples[i].yaml, e.detail);
    if (examples[i].key)
        assert_key(c, examples[i].key, examples[i].value);
    if (examples[i].warning && !warned(c, examples[i].warning))
        fail_msg("%s: '%s' instead of '%s'", examples[i].yaml,
                 c->warnings.n ? c->warnings.items[0] : "", examples[i].warning);
    assert_int_equal(count_warnings(c),
                     examples[i].warning && !strstr(examples[i].warning, LEFT_THERE));
}

static void every_key_is_taken_warned_of_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLES; i++)
        check_example(i);
}

static void every_row_has_an_example(void **state)
{
    (void)state;
    for (size_t r = 0; r < distribution_rows_n; r++) {
        bool there = false;

        for (size_t i = 0; i < EXAMPLES; i++)
            there |= strcmp(examples[i].path, distribution_rows[r].path) == 0;
        if (!there)
            fail_msg("%s", distribution_rows[r].path);
    }
}

static void keys_of_ours_exist(void **state)
{
    (void)state;
    for (size_t r = 0; r < distribution_rows_n; r++) {
        const char *to = distribution_rows[r].to;

        if (to && !conf_row_find(str_of(to)))
            fail_msg("%s", to);
    }
}

static void an_unknown_key_is_warned_of(void **state)
{
    AUTO(conf) struct conf *c = conf_must(V HTTP STORAGE "x: {y: 1}\nhealth: \n");

    (void)state;
    assert_int_equal(c->warnings.n, 1);
    assert_true(warned(c, ":4: x.y: is no key of the reference registry"));
}

static void two_kinds_of_storage_or_of_signing_in_are_refused(void **state)
{
    struct conf *c = NULL;
    struct err e;

    (void)state;
    assert_int_equal(
        conf_load_bytes(STR(V HTTP "storage: {inmemory: , filesystem: }\n"), NULL, &c, &e),
        ERR_CONFIG);
    assert_non_null(strstr(e.detail, "more than one kind of storage"));
    assert_int_equal(conf_load_bytes(STR(V HTTP STORAGE "auth: {htpasswd: {path: /a}, token: "
                                                        "{realm: 'http://a/'}}\n"),
                                     NULL, &c, &e),
                     ERR_CONFIG);
    assert_non_null(strstr(e.detail, "more than one way to sign in"));
    assert_int_equal(conf_load_bytes(STR(V HTTP), NULL, &c, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "a key 'storage' with a kind of storage must follow"));
}

static void without_auth_nobody_is_asked(void **state)
{
    AUTO(conf) struct conf *c = conf_must(V HTTP STORAGE);

    (void)state;
    assert_int_equal(c->auth.mode, CONF_AUTH_NONE);
}

static void who_has_a_password_is_asked_for_it_and_may_do_everything(void **state)
{
    AUTO(conf)
    struct conf *c = conf_must(V HTTP STORAGE "auth: {htpasswd: {realm: r, path: /etc/hosts}}\n");

    (void)state;
    assert_int_equal(c->auth.mode, CONF_AUTH_ON);
    assert_false(c->auth.token.enabled);
    assert_key(c, "policy",
               "[{subjects: [\"authenticated\"], effect: allow, actions: [\"pull\", \"push\", "
               "\"overwrite\", \"delete\"], repositories: [], tags: []}]");
}

static void images_of_the_reference_registry_are_told_of(void **state)
{
    AUTO(conf) struct conf *c = NULL;
    char dir[TEMP_DIR_MAX], path[TEMP_PATH_MAX], yaml[512];
    static const char *const parts[] = {"/docker", "/docker/registry", "/docker/registry/v2"};

    (void)state;
    temp_dir_make(dir, TEMP_DIR_MEMORY);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        snprintf(path, sizeof(path), "%s%s", dir, parts[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    snprintf(yaml, sizeof(yaml), V HTTP "storage: {filesystem: {rootdirectory: %s}}\n", dir);
    c = conf_must(yaml);
    assert_true(warned(c, "the images that the reference registry left in docker/registry/v2"));
    temp_dir_remove(dir);
}

static void a_list_of_ciphers_is_never_cut(void **state)
{
    AUTO(buf) struct buf yaml = {0};
    struct conf *c = NULL;
    struct err e = {0};

    (void)state;
    buf_init(&yaml, 1 << 16);
    buf_add_text(&yaml, V STORAGE "http: {addr: ':1', tls: {" TLS ", ciphersuites: [");
    for (int i = 0; i < 60; i++)
        buf_add_text(&yaml, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, ");
    buf_add_text(&yaml, "]}}\n");
    assert_int_equal(conf_load_bytes(buf_str(&yaml), NULL, &c, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "allowed is a text of 0 to 1024 bytes"));
}

/* The file as one of ours. */
static void convert(const char *yaml, struct buf *ret_text)
{
    struct err e;

    buf_init(ret_text, 1 << 16);
    conf_free(conf_must(yaml));
    if (conf_convert(conf_path, ret_text, &e) != ERR_OK)
        fail_msg("%s", e.detail);
}

/* Variables. */

static enum err_code load_with(const char *yaml, char **environment, struct conf **ret_conf,
                               struct err *e)
{
    return conf_load_bytes(str_of(yaml), environment, ret_conf, e);
}

static void its_variables_override_the_file(void **state)
{
    char *environment[] = {
        (char[]){"REGISTRY_STORAGE_DELETE_ENABLED=true"},
        (char[]){"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/there"},
        (char[]){"REGISTRY_STORAGE=filesystem"},
        (char[]){"REGISTRY_HTTP_ADDR=127.0.0.1:7"},
        (char[]){"REGISTRY_LOG_LEVEL=debug"},
        (char[]){"REGISTRY_HTTP_HEADERS={X-A: [b], x-c: [d]}"},
        (char[]){"REGISTRY_HTTP_HEADERS_X-A=[e]"},
        (char[]){"REGISTRY_VALIDATION_MANIFESTS_URLS_ALLOW_0=^a"},
        (char[]){"REGISTRY_HTTP_SECRET=a: b: c"},
        NULL,
    };
    AUTO(conf) struct conf *c = NULL;
    struct err e;

    (void)state;
    environment[8] = NULL;
    if (load_with(V HTTP STORAGE "log: {level: error}\n", environment, &c, &e) != ERR_OK)
        fail_msg("%s", e.detail);
    assert_key(c, "delete.enabled", "true");
    assert_key(c, "storage.backend", "filesystem");
    assert_key(c, "storage.filesystem.root", "\"/there\"");
    assert_key(c, "http.listen", "[\"127.0.0.1:7\"]");
    assert_key(c, "log.level", "debug");
    assert_key(c, "http.headers", "[{name: \"x-c\", value: \"d\"}, {name: \"x-a\", value: \"e\"}]");
    assert_key(c, "manifest.urls.allow", "[\"^a\"]");
    assert_int_equal(c->warnings.n, 0);
}

static void a_mistake_in_a_variable_names_it(void **state)
{
    static const struct {
        const char *variable, *error;
    } rows[] = {
        {"REGISTRY_LOG_LEVEL=loud", "environment variable REGISTRY_LOG_LEVEL: is no level"},
        {"REGISTRY_AUTH=silly", "environment variable REGISTRY_AUTH: 'silly' lets everyone in"},
        {"REGISTRY_HTTP_ADDR=x", "environment variable REGISTRY_HTTP_ADDR: 'x' is not an address"},
        {"REGISTRY_HTTP_HEADERS={a",
         "environment variable REGISTRY_HTTP_HEADERS: this is not YAML"},
        {"REGISTRY_PROXY_REMOTEURL=https://a", "environment variable REGISTRY_PROXY_REMOTEURL: a"},
        {"REGISTRY_STORAGE_S3_SKIPVERIFY=true",
         "environment variable REGISTRY_STORAGE_S3_SKIPVERIFY: whoever"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *environment[] = {(char *)rows[i].variable, NULL};
        AUTO(conf) struct conf *c = NULL;
        struct err e = {0};

        assert_int_equal(load_with(V HTTP STORAGE, environment, &c, &e), ERR_CONFIG);
        if (!strstr(e.detail, rows[i].error))
            fail_msg("%s: %s", rows[i].variable, e.detail);
    }
}

static void variables_of_ours_count_as_well(void **state)
{
    char *environment[] = {(char[]){"REGISTRY_LIMITS_BLOB_SIZE=1GiB"},
                           (char[]){"REGISTRY_SERVICE_HOST=10.0.0.1"},
                           (char[]){"REGISTRY_NOTHING=1"}, NULL};
    AUTO(conf) struct conf *c = NULL;
    struct err e;

    (void)state;
    assert_int_equal(load_with(V HTTP STORAGE, environment, &c, &e), ERR_OK);
    assert_key(c, "limits.blob_size", "1GiB");
    assert_int_equal(c->warnings.n, 1);
    assert_true(warned(c, "environment variable REGISTRY_NOTHING: no key has this name"));
}

static void without_its_file_its_variables_are_explained(void **state)
{
    char *environment[] = {(char[]){"REGISTRY_STORAGE_DELETE_ENABLED=true"}, NULL};
    AUTO(conf) struct conf *c = NULL;
    struct err e = {0};

    (void)state;
    assert_int_equal(conf_load(NULL, environment, &c, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "REGISTRY_STORAGE_DELETE_ENABLED: is one of the reference "
                                     "registry, and read with a file of its kind"));
}

static void variables_are_in_capitals_but_for_names(void **state)
{
    char *environment[] = {(char[]){"REGISTRY_storage_delete_enabled=true"},
                           (char[]){"REGISTRY_HTTP_HEADERS_X-Frame-Options=[DENY]"}, NULL};
    AUTO(conf) struct conf *c = NULL;
    struct err e;

    (void)state;
    assert_int_equal(load_with(V HTTP STORAGE, environment, &c, &e), ERR_OK);
    assert_key(c, "delete.enabled", "false");
    assert_key(c, "http.headers", "[{name: \"x-frame-options\", value: \"DENY\"}]");
    assert_true(warned(c, "environment variable REGISTRY_storage_delete_enabled: no key"));
}

static void a_mistyped_kind_in_a_variable_is_refused(void **state)
{
    char *environment[] = {(char[]){"REGISTRY_AUTH_HTPASWD_PATH=/etc/hosts"}, NULL};
    AUTO(conf) struct conf *c = NULL;
    struct err e = {0};

    (void)state;
    assert_int_equal(load_with(V HTTP STORAGE, environment, &c, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "environment variable REGISTRY_AUTH_HTPASWD_PATH: is no way"));
}

static void a_mistake_in_the_yaml_is_told_with_its_line(void **state)
{
    static const struct {
        const char *yaml, *error;
    } rows[] = {
        {V "http:\n\taddr: ':1'\n", ":3: this is not YAML"},
        {V HTTP "log: {level: info\n", "this is not YAML"},
        {V HTTP "log: *nothing\n", ":3: this is not YAML"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct conf *c = NULL;
        struct err e = {0};

        assert_int_equal(conf_load_bytes(str_of(rows[i].yaml), NULL, &c, &e), ERR_CONFIG);
        if (!strstr(e.detail, rows[i].error))
            fail_msg("%s: %s", rows[i].yaml, e.detail);
    }
}

static void the_file_of_users_is_converted_wherever_it_is(void **state)
{
    AUTO(buf) struct buf text = {0};

    (void)state;
    convert(V HTTP STORAGE "auth: {htpasswd: {realm: r, path: /not/here}}\n", &text);
    assert_non_null(strstr(buf_text(&text), "file: \"/not/here\" # line 4, auth.htpasswd.path"));
}

/* Durations. */

static void durations_are_those_of_go(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: none */
    } rows[] = {
        {"168h", 604800000},
        {"1h30m", 5400000},
        {"1.5s", 1500},
        {"10ms", 10},
        {"1us", 1},
        {"0", 0},
        {"5000000", 5},
        {"0s", 0},
        {"\xc2\xb5s", -1},
        {"1", 1},
        {"", -1},
        {"s", -1},
        {"1d", -1},
        {"-1s", -1},
        {"1 s", -1},
        {".5s", -1},
        {"1e3s", -1},
        {"99999999999999999h", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t ms = 0;
        bool ok = take_duration_parse(rows[i].text, &ms);

        if (ok != (rows[i].ms >= 0) || (ok && ms != (uint64_t)rows[i].ms))
            fail_msg("'%s' is %d, %llu", rows[i].text, ok, (unsigned long long)ms);
    }
}

/* The YAML. */

static void the_last_of_two_keys_counts(void **state)
{
    AUTO(conf)
    struct conf *c = conf_must(V STORAGE "http: {addr: ':1', secret: a}\nhttp: {addr: ':2'}\n");

    (void)state;
    assert_key(c, "http.listen", "[\":2\"]");
}

static void anchors_are_followed_and_bounded(void **state)
{
    struct conf *c = conf_must(V STORAGE "http: {addr: &a ':1', debug: {addr: *a}}\n");
    struct err e = {0};

    (void)state;
    assert_key(c, "http.debug.listen", "[\":1\"]");
    conf_free(c);
    c = NULL;
    assert_int_equal(
        conf_load_bytes(STR(V "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                              "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c]\n"),
                        NULL, &c, &e),
        ERR_CONFIG);
    assert_non_null(strstr(e.detail, "more than"));
}

/* Converting. */

static void a_converted_file_says_what_changed(void **state)
{
    AUTO(buf) struct buf text = {0};
    char want[2048];

    (void)state;
    convert(V "log:\n"
              "  level: info\n"
              "storage:\n"
              "  filesystem:\n"
              "    rootdirectory: /data\n"
              "  delete: {enabled: true}\n"
              "http:\n"
              "  addr: :5000\n"
              "  tls: {certificate: /c, key: /k}\n"
              "reporting: {newrelic: {name: a}}\n",
            &text);
    snprintf(want, sizeof(want),
             "# Made by 'registry config convert' from %s.\n"
             "auth:\n"
             "  mode: none # nobody is asked who they are\n"
             "http:\n"
             "  listen: [\":5000\"] # line 9, http.addr\n"
             "  tls:\n"
             "    certificate: \"/c\"\n"
             "    key: \"/k\"\n"
             "storage:\n"
             "  filesystem:\n"
             "    root: \"/data\" # line 6, storage.filesystem.rootdirectory\n"
             "limits:\n"
             "  blob_size: 1024TiB # there is no limit there\n"
             "upload:\n"
             "  timeout: 7d # the default there\n"
             "delete:\n"
             "  enabled: true # line 7, storage.delete.enabled\n"
             "manifest:\n"
             "  urls:\n"
             "    allow: [\"^$\"] # the default there: no URL is allowed\n"
             "log:\n"
             "  level: info\n"
             "# lost: %s:11: reporting.newrelic.name: nothing is sent to Bugsnag or New Relic\n",
             conf_path, conf_path);
    assert_string_equal(buf_text(&text), want);
}

static void a_converted_file_lacks_its_secrets(void **state)
{
    AUTO(buf) struct buf text = {0};
    AUTO(conf) struct conf *c = NULL;
    struct err e;

    (void)state;
    convert(IN_S3("s3", "accesskey: a, secretkey: hush"), &text);
    assert_null(strstr(buf_text(&text), "hush"));
    assert_non_null(strstr(buf_text(&text),
                           "secret_key: \"\" # line 3, storage.s3.secretkey; not shown: write it "
                           "here, or name its file\n"));
    assert_int_equal(conf_load_bytes(buf_str(&text), NULL, &c, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "an access key needs its secret"));
}

static void a_converted_file_is_the_same_configuration(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLES; i++) {
        AUTO(conf) struct conf *theirs = NULL, *ours = NULL;
        AUTO(buf) struct buf text = {0};

        if (examples[i].error || (examples[i].warning && strstr(examples[i].warning, "is a dir")))
            continue; /* whether a file is there is told where it is served */
        if (strstr(examples[i].yaml, "secretkey") || strstr(examples[i].yaml, "Authorization"))
            continue; /* above */
        theirs = conf_must(examples[i].yaml);
        convert(examples[i].yaml, &text);
        ours = conf_must(buf_text(&text));
        for (size_t r = 0; r < conf_rows_n; r++) {
            if (!conf_field_eq(&conf_rows[r], conf_field_const(theirs, &conf_rows[r]),
                               conf_field_const(ours, &conf_rows[r])))
                fail_msg("%s: %s", examples[i].yaml, conf_rows[r].name);
        }
    }
}

static void only_files_of_the_reference_registry_are_converted(void **state)
{
    AUTO(buf) struct buf text = {0};
    struct err e = {0};

    (void)state;
    buf_init(&text, 1 << 16);
    conf_free(conf_must("log: {level: info}\n"));
    assert_int_equal(conf_convert(conf_path, &text, &e), ERR_CONFIG);
    assert_non_null(strstr(e.detail, "is no file of the reference registry"));
}

static void the_table_in_docs_is_up_to_date(void **state)
{
    AUTO(buf) struct buf made = {0}, page = {0};
    char path[4096];

    (void)state;
    buf_init(&made, 1 << 20);
    buf_init(&page, 1 << 20);
    snprintf(path, sizeof(path), "%s/docs/distribution.md", getenv("TOP"));
    conf_distribution_reference(&made);
    assert_int_equal(file_read_at(AT_FDCWD, path, &page, ERR_IGNORED), ERR_OK);
    if (!strstr(buf_text(&page), buf_text(&made)))
        fail_msg("put the output of build/registry config distribution into docs/distribution.md");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_taken_warned_of_or_refused),
        cmocka_unit_test(every_row_has_an_example),
        cmocka_unit_test(keys_of_ours_exist),
        cmocka_unit_test(an_unknown_key_is_warned_of),
        cmocka_unit_test(two_kinds_of_storage_or_of_signing_in_are_refused),
        cmocka_unit_test(without_auth_nobody_is_asked),
        cmocka_unit_test(who_has_a_password_is_asked_for_it_and_may_do_everything),
        cmocka_unit_test(images_of_the_reference_registry_are_told_of),
        cmocka_unit_test(a_list_of_ciphers_is_never_cut),
        cmocka_unit_test(its_variables_override_the_file),
        cmocka_unit_test(a_mistake_in_a_variable_names_it),
        cmocka_unit_test(variables_of_ours_count_as_well),
        cmocka_unit_test(without_its_file_its_variables_are_explained),
        cmocka_unit_test(variables_are_in_capitals_but_for_names),
        cmocka_unit_test(a_mistyped_kind_in_a_variable_is_refused),
        cmocka_unit_test(a_mistake_in_the_yaml_is_told_with_its_line),
        cmocka_unit_test(the_file_of_users_is_converted_wherever_it_is),
        cmocka_unit_test(durations_are_those_of_go),
        cmocka_unit_test(the_last_of_two_keys_counts),
        cmocka_unit_test(anchors_are_followed_and_bounded),
        cmocka_unit_test(a_converted_file_says_what_changed),
        cmocka_unit_test(a_converted_file_lacks_its_secrets),
        cmocka_unit_test(a_converted_file_is_the_same_configuration),
        cmocka_unit_test(only_files_of_the_reference_registry_are_converted),
        cmocka_unit_test(the_table_in_docs_is_up_to_date),
    };

    return cmocka_run_group_tests(tests, conf_setup, conf_teardown);
}
