#include "conf/table.h"

#include "base/log.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

#define SECONDS 1000ull
#define MINUTES (60 * SECONDS)
#define HOURS   (60 * MINUTES)
#define DAYS    (24 * HOURS)

#define PATH_BYTES 4095

#define FIELD(member)                                                                              \
    .offset = offsetof(struct conf, member), .size = sizeof(((struct conf *)NULL)->member),        \
    .reloaded = CONF_RELOADED(((struct conf *)NULL)->member)

static const char *const auth_mode_choices[] = {[CONF_AUTH_LOOPBACK] = "loopback",
                                                [CONF_AUTH_NONE] = "none",
                                                [CONF_AUTH_LOCAL] = "local",
                                                [CONF_AUTH_ON] = "on",
                                                NULL};

/* In the order in which they are asked when auth.order does not say. */
static const char *const provider_choices[] = {"htpasswd", "local",       "token", "external",
                                               "ldap",     "certificate", "aws",   NULL};

static const char *const starttls_choices[] = {[CONF_STARTTLS_REQUIRED] = "required",
                                               [CONF_STARTTLS_OFFERED] = "offered",
                                               [CONF_STARTTLS_NEVER] = "never",
                                               NULL};

static const char *const publish_choices[] = {"cyclonedx", "spdx", "sarif", NULL};

static const char *const token_algorithm_choices[] = {
    [CONF_TOKEN_ES256] = "es256", [CONF_TOKEN_RS256] = "rs256", NULL};

/* Signed by keys that only the signer has. */
static const char *const token_foreign_choices[] = {"ES256", "ES384", "ES512", "RS256", "RS384",
                                                    "RS512", "PS256", "PS384", "PS512", NULL};

static const char *const certificate_username_choices[] = {
    [CONF_CERTIFICATE_SUBJECT_CN] = "subject_cn",
    [CONF_CERTIFICATE_SAN_EMAIL] = "san_email",
    [CONF_CERTIFICATE_SAN_DNS] = "san_dns",
    [CONF_CERTIFICATE_SAN_URI] = "san_uri",
    NULL};

static const char *const certificate_groups_choices[] = {
    [CONF_CERTIFICATE_GROUPS_NONE] = "none",
    [CONF_CERTIFICATE_GROUPS_SUBJECT_OU] = "subject_ou",
    [CONF_CERTIFICATE_GROUPS_SUBJECT_O] = "subject_o",
    NULL};

static const char *const client_auth_choices[] = {
    [CONF_CLIENT_AUTH_OPTIONAL] = "optional", [CONF_CLIENT_AUTH_REQUIRED] = "required", NULL};

static const char *const tls_version_choices[] = {
    [CONF_TLS_1_2] = "1.2", [CONF_TLS_1_3] = "1.3", NULL};

static const char *const upload_scan_choices[] = {[CONF_UPLOAD_SCAN_OFF] = "off",
                                                  [CONF_UPLOAD_SCAN_WARN] = "warn",
                                                  [CONF_UPLOAD_SCAN_BLOCK] = "block",
                                                  NULL};

static const char *const compress_choices[] = {[CONF_COMPRESS_NONE] = "none",
                                               [CONF_COMPRESS_GZIP] = "gzip",
                                               [CONF_COMPRESS_ZSTD] = "zstd",
                                               NULL};

static const char *const method_choices[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", NULL};

static const char *const storage_choices[] = {[CONF_STORAGE_FILESYSTEM] = "filesystem",
                                              [CONF_STORAGE_MEM] = "mem",
                                              [CONF_STORAGE_S3] = "s3",
                                              NULL};

static const char *const sse_choices[] = {
    [CONF_SSE_NONE] = "none", [CONF_SSE_S3] = "s3", [CONF_SSE_KMS] = "kms", NULL};

static const char *const cache_choices[] = {
    [CONF_CACHE_NONE] = "none", [CONF_CACHE_REDIS] = "redis", NULL};

static const char *const metadata_choices[] = {[CONF_METADATA_SQLITE] = "sqlite",
                                               [CONF_METADATA_POSTGRESQL] = "postgresql",
                                               [CONF_METADATA_DYNAMODB] = "dynamodb",
                                               NULL};

static const char *const level_choices[] = {[LOG_DEBUG] = "debug",
                                            [LOG_INFO] = "info",
                                            [LOG_WARNING] = "warning",
                                            [LOG_ERROR] = "error",
                                            NULL};

static const char *const format_choices[] = {
    [LOG_FORMAT_JSON] = "json", [LOG_FORMAT_TEXT] = "text", NULL};

/* Keys of one section stand together, in the order in which they are printed. */
const struct conf_row conf_rows[] = {
#include "conf/rows_auth.h"

    {.name = "http.listen",
     .type = CONF_TEXTS,
     FIELD(http.listen),
     .min = 1,
     .max = 16,
     .def_text = "127.0.0.1:5000",
     .help = "Where to listen: `127.0.0.1:5000`, `[::1]:5000`, `:5000` (all addresses) or "
             "`unix:/run/registry.sock`. Port 0 takes a free one."},
    {.name = "http.tls.certificate",
     .type = CONF_PATH,
     FIELD(http.tls.certificate),
     .max = PATH_BYTES,
     .def_text = "",
     .flags = CONF_READ,
     .help = "PEM file with the certificate and its chain; empty turns TLS off. SIGHUP reads the "
             "file anew."},
    {.name = "http.tls.key",
     .type = CONF_PATH,
     FIELD(http.tls.key),
     .max = PATH_BYTES,
     .def_text = "",
     .flags = CONF_READ,
     .help = "PEM file with the private key. SIGHUP reads the file anew."},
    {.name = "http.tls.client_ca",
     .type = CONF_TEXTS,
     FIELD(http.tls.client_ca),
     .max = 64,
     .def_text = "",
     .flags = CONF_READ,
     .help = "PEM files with the authorities that sign client certificates; none asks for no "
             "certificate. SIGHUP reads the files anew."},
    {.name = "http.tls.client_crl",
     .type = CONF_PATH,
     FIELD(http.tls.client_crl),
     .max = PATH_BYTES,
     .def_text = "",
     .flags = CONF_READ,
     .help = "PEM file with the lists of revoked client certificates: one, and not out of date, of "
             "each authority in `client_ca` that is in use. It is read again when it changes."},
    {.name = "http.tls.client_auth",
     .type = CONF_ENUM,
     FIELD(http.tls.client_auth),
     .choices = client_auth_choices,
     .def = CONF_CLIENT_AUTH_OPTIONAL,
     .help = "With `client_ca`: may a client come without a certificate?"},
    {.name = "http.tls.min_version",
     .type = CONF_ENUM,
     FIELD(http.tls.min_version),
     .choices = tls_version_choices,
     .def = CONF_TLS_1_2,
     .help = "Oldest TLS version spoken."},
    {.name = "http.tls.ciphers",
     .type = CONF_TEXT,
     FIELD(http.tls.ciphers),
     .max = 1024,
     .def_text = "",
     .help = "Ciphers of TLS 1.2, as an OpenSSL list; empty is OpenSSL's default."},
    {.name = "http.tls.ciphersuites",
     .type = CONF_TEXT,
     FIELD(http.tls.ciphersuites),
     .max = 1024,
     .def_text = "",
     .help = "Cipher suites of TLS 1.3, as an OpenSSL list; empty is OpenSSL's default."},
    {.name = "http.debug.listen",
     .type = CONF_TEXTS,
     FIELD(http.debug_listen),
     .max = 4,
     .def_text = "",
     .help = "Addresses of a second door, for those who run the registry: `/debug/health`, without "
             "TLS and without signing in. Keep it private. Written as in `http.listen`."},
    {.name = "http.prefix",
     .type = CONF_TEXT,
     FIELD(http.prefix),
     .max = 255,
     .def_text = "",
     .help = "Path below which everything is served, such as `/registry/`, where a proxy in front "
             "passes it on; `/healthz` and `/readyz` are at the root all the same."},
    {.name = "http.headers",
     .type = CONF_ITEMS,
     FIELD(http.headers),
     .max = 32,
     .item = &conf_item_header,
     .help = "Headers that every answer gets, such as `Strict-Transport-Security`."},
    {.name = "http.io_threads",
     .type = CONF_COUNT,
     FIELD(http.io_threads),
     .max = 256,
     .def = 0,
     .unit = "threads",
     .help = "Threads that wait on connections; 0 is one per processor core."},
    {.name = "http.workers",
     .type = CONF_COUNT,
     FIELD(http.workers),
     .min = 1,
     .max = 4096,
     .def = 256,
     .unit = "threads",
     .help = "Most requests that move content at once. Threads start when needed."},
    {.name = "http.queue",
     .type = CONF_COUNT,
     FIELD(http.queue),
     .min = 1,
     .max = 1000000,
     .def = 4096,
     .unit = "requests",
     .help = "Most requests waiting for a worker; one more is answered 503."},
    {.name = "http.max_connections",
     .type = CONF_COUNT,
     FIELD(http.max_connections),
     .min = 1,
     .max = 1000000,
     .def = 20000,
     .unit = "connections",
     .help = "Most open connections; one more is answered 503."},
    {.name = "http.max_connections_per_address",
     .type = CONF_COUNT,
     FIELD(http.max_connections_per_address),
     .max = 1000000,
     .def = 0,
     .unit = "connections",
     .help = "Most open connections of one client address; one more is answered 429. 0 is no such "
             "limit."},
    {.name = "http.max_head_size",
     .type = CONF_SIZE,
     FIELD(http.max_head_bytes),
     .min = 1 * KIB,
     .max = 64 * KIB,
     .def = 16 * KIB,
     .help = "Largest request line and headers together; larger ones are answered 431."},
    {.name = "http.max_url_size",
     .type = CONF_SIZE,
     FIELD(http.max_url_bytes),
     .min = 512,
     .max = 64 * KIB,
     .def = 8 * KIB,
     .help = "Longest request target; a longer one is answered 414."},
    {.name = "http.max_headers",
     .type = CONF_COUNT,
     FIELD(http.max_headers),
     .min = 8,
     .max = 128,
     .def = 100,
     .unit = "header lines",
     .help = "Most header lines of a request; more are answered 431."},
    {.name = "http.head_timeout",
     .type = CONF_DURATION,
     FIELD(http.head_timeout_ms),
     .min = 100,
     .max = 1 * HOURS,
     .def = 10 * SECONDS,
     .help =
         "From the first byte of a request head to its end, and for a TLS handshake; then 408."},
    {.name = "http.idle_timeout",
     .type = CONF_DURATION,
     FIELD(http.idle_timeout_ms),
     .min = 100,
     .max = 1 * DAYS,
     .def = 120 * SECONDS,
     .help = "A connection without a request is closed after this."},
    {.name = "http.io_timeout",
     .type = CONF_DURATION,
     FIELD(http.io_timeout_ms),
     .min = 100,
     .max = 1 * HOURS,
     .def = 30 * SECONDS,
     .help = "A read or write that makes no progress for this long ends the request."},
    {.name = "http.request_timeout",
     .type = CONF_DURATION,
     FIELD(http.request_timeout_ms),
     .max = 7 * DAYS,
     .def = 0,
     .help = "Longest time of a whole request; then 408, or the connection is closed. 0 is none: a "
             "large blob over a slow line takes its time."},
    {.name = "http.min_rate",
     .type = CONF_SIZE,
     FIELD(http.min_rate_bytes),
     .max = 1 * GIB,
     .def = 1 * KIB,
     .unit = "per second",
     .help = "A body that moves slower than this on average, in either direction, is cut off. 0 is "
             "no such limit."},
    {.name = "http.drain_timeout",
     .type = CONF_DURATION,
     FIELD(http.drain_timeout_ms),
     .max = 1 * HOURS,
     .def = 25 * SECONDS, /* Kubernetes kills after 30 */
     .help = "How long running requests may go on after SIGTERM."},
    {.name = "http.buffer_size",
     .type = CONF_SIZE,
     FIELD(http.buffer_bytes),
     .min = 16 * KIB,
     .max = 16 * MIB,
     .def = 256 * KIB,
     .help = "Buffer of a worker that receives a body."},
    {.name = "http.body_memory",
     .type = CONF_SIZE,
     FIELD(http.body_memory_bytes),
     .min = 1 * MIB,
     .max = 64ull << 30,
     .def = 64 * MIB,
     .help = "Memory of all manifests and other small bodies that are larger than 64 KiB and are "
             "being received or read, together; one more is answered 503. Lists of tags and "
             "repositories that are longer than 256 KiB share as much, and so do answers of more "
             "than 64 KiB while they are sent."},
    {.name = "http.cors.origins",
     .type = CONF_TEXTS,
     FIELD(http.cors.origins),
     .max = 64,
     .def_text = "",
     .help = "Origins whose pages may use this registry from a browser, such as "
             "`https://ui.example.com`: scheme, host, and the port if it is not the usual one, in "
             "small letters, as a browser names them. `*` lets every page read what needs no "
             "cookie, and change nothing."},
    {.name = "http.cors.credentials",
     .type = CONF_BOOL,
     FIELD(http.cors.credentials),
     .def = false,
     .help =
         "What a browser adds by itself, the cookie of a session or a client certificate, counts "
         "as well for the pages of `http.cors.origins`; never with `*`. The cookie comes from "
         "pages of the same site only: of another port or sub-domain, by the same scheme."},
    {.name = "http.cors.methods",
     .type = CONF_TEXTS,
     FIELD(http.cors.methods),
     .max = 6,
     .def_text = "",
     .choices = method_choices,
     .help = "What the pages of `http.cors.origins` may do, such as `GET, HEAD`; empty is all of "
             "these."},
    {.name = "http.trusted_proxies",
     .type = CONF_TEXTS,
     FIELD(http.trusted_proxies),
     .max = 64,
     .def_text = "",
     .help = "Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed: addresses and "
             "networks such as `10.0.0.0/8`. Nobody else's are."},

#include "conf/rows_storage.h"

    {.name = "metadata.driver",
     .alias = "metadata.backend",
     .type = CONF_ENUM,
     FIELD(metadata.driver),
     .choices = metadata_choices,
     .def = CONF_METADATA_SQLITE,
     .help = "Where repositories, tags, links and accounts are kept: in a file, in a PostgreSQL "
             "server (docs/postgresql.md), or in a table of DynamoDB (docs/dynamodb.md)."},
    {.name = "metadata.url",
     .type = CONF_SECRET,
     FIELD(metadata.url),
     .max = 2048,
     .def_text = "",
     .help = "With `driver: postgresql`, the database: "
             "`postgresql://USER[:PASSWORD]@HOST[:PORT][,HOST...]/DATABASE[?KEY=VALUE&...]`, with "
             "the keys of libpq, such as `sslmode=verify-full`."},
    {.name = "metadata.password_file",
     .type = CONF_PATH,
     FIELD(metadata.password_file),
     .max = PATH_BYTES,
     .def_text = "",
     .flags = CONF_READ,
     .help =
         "File with the password, instead of in the URL. It is read again for each connection."},
    {.name = "metadata.table",
     .type = CONF_TEXT,
     FIELD(metadata.dynamodb.table),
     .min = 3,
     .max = 255,
     .def_text = "registry",
     .help = "With `driver: dynamodb`, the table. It is made when it is missing."},
    {.name = "metadata.region",
     .type = CONF_TEXT,
     FIELD(metadata.dynamodb.region),
     .min = 1,
     .max = 64,
     .def_text = "us-east-1",
     .help =
         "Its region, which is part of every signature; with `metadata.postgresql.iam`, that of "
         "the database."},
    {.name = "metadata.endpoint",
     .type = CONF_TEXT,
     FIELD(metadata.dynamodb.endpoint),
     .max = 2048,
     .def_text = "",
     .help = "URL of the server; empty is that of AWS in the region."},
    {.name = "metadata.dynamodb.access_key",
     .type = CONF_TEXT,
     FIELD(metadata.dynamodb.access_key),
     .max = 128,
     .def_text = "",
     .help = "The access key, with `secret_key`. Without one, the usual places of AWS are asked in "
             "turn, as for `storage.s3`."},
    {.name = "metadata.dynamodb.access_key_file",
     .type = CONF_PATH,
     FIELD(metadata.dynamodb.access_key_file),
     .max = PATH_BYTES,
     .def_text = "",
     .flags = CONF_READ,
     .help = "File with the access key, instead."},
    {.name = "metadata.dynamodb.secret_key",
     .type = CONF_SECRET,
     FIELD(metadata.dynamodb.secret_key),
     .max = 512,
     .def_text = "",
     .help = "The secret that goes with the access key."},
    {.name = "metadata.dynamodb.secret_key_file",
     .type = CONF_PATH,
     FIELD(metadata.dynamodb.secret_key_file),
     .max = PATH_BYTES,
     .def_text = "",
     .flags = CONF_READ,
     .help = "File with the secret, instead. Both files are read again when the server refuses the "
             "key."},
    {.name = "metadata.dynamodb.session_token",
     .type = CONF_SECRET,
     FIELD(metadata.dynamodb.session_token),
     .max = 4096,
     .def_text = "",
     .help = "The session token that goes with a temporary access key. Nothing renews such a key."},
    {.name = "metadata.dynamodb.ca_file",
     .type = CONF_PATH,
     FIELD(metadata.dynamodb.ca_file),
     .max = PATH_BYTES,
     .def_text = "",
     .flags = CONF_READ,
     .help = "PEM file with the authorities of the server's certificate; empty is the system's."},
    {.name = "metadata.dynamodb.timeout",
     .type = CONF_DURATION,
     FIELD(metadata.dynamodb.timeout_ms),
     .min = 500,
     .max = 1 * HOURS,
     .def = 15 * SECONDS,
     .help = "How long a read or a transaction may take, with all that is tried again; then 503."},
    {.name = "metadata.postgresql.iam",
     .type = CONF_BOOL,
     FIELD(metadata.iam),
     .def = false,
     .help = "Sign in to a database of RDS by IAM: the password is a token, made for each "
             "connection with the key of AWS that is found as for `storage.s3` without one, for "
             "`metadata.region`. The URL has one host, a user, no password, and "
             "`sslmode=verify-full`."},
    {.name = "metadata.postgresql.connections",
     .type = CONF_COUNT,
     FIELD(metadata.connections),
     .min = 1,
     .max = 1000,
     .def = 10,
     .unit = "connections",
     .help = "Most connections to the server at once. Requests wait for one within `timeout`."},
    {.name = "metadata.postgresql.connect_timeout",
     .type = CONF_DURATION,
     FIELD(metadata.connect_timeout_ms),
     .min = 2 * SECONDS,
     .max = 10 * 60 * SECONDS,
     .def = 5 * SECONDS,
     .help = "How long connecting to an address of the server may take. `connect_timeout` in the "
             "URL counts before it."},
    {.name = "metadata.postgresql.timeout",
     .type = CONF_DURATION,
     FIELD(metadata.timeout_ms),
     .min = 100,
     .max = 1 * HOURS,
     .def = 15 * SECONDS,
     .help = "How long a query or a transaction may take, and waiting for a connection; then 503."},
    {.name = "metadata.sqlite.path",
     .type = CONF_PATH,
     FIELD(metadata.sqlite_path),
     .max = PATH_BYTES,
     .def_text = "",
     .help = "The database file; empty is `registry.db` below `storage.filesystem.root`."},
    {.name = "metadata.sqlite.read_connections",
     .type = CONF_COUNT,
     FIELD(metadata.sqlite_read_connections),
     .min = 1,
     .max = 64,
     .def = 4,
     .unit = "connections",
     .help = "Most reads of the database at once."},
    {.name = "metadata.sqlite.cache_size",
     .type = CONF_SIZE,
     FIELD(metadata.sqlite_cache_bytes),
     .min = 64 * KIB,
     .max = 1 * GIB,
     .def = 2 * MIB,
     .help = "Page cache of each connection to the database."},

    {.name = "replicas.lease",
     .type = CONF_DURATION,
     FIELD(replicas.lease_ms),
     .min = 400,
     .max = 15 * SECONDS,
     .def = 2 * SECONDS,
     .help = "On a database that several servers may use: one that has said nothing for so long is "
             "taken for gone by the others. Each says four times in it that it is there. The same "
             "for all servers of a database."},

    {.name = "limits.blob_size",
     .type = CONF_SIZE,
     FIELD(limits.blob_bytes),
     .min = 1,
     .max = 1024 * 1024 * TIB,
     .def = 10 * GIB,
     .help = "Largest blob accepted; a larger upload is answered 413."},
    {.name = "limits.manifest_size",
     .type = CONF_SIZE,
     FIELD(limits.manifest_bytes),
     .min = 1 * KIB,
     .max = 64 * MIB,
     .def = 4 * MIB,
     .help = "Largest manifest accepted; a larger one is answered 413."},
    {.name = "limits.tags_per_push",
     .type = CONF_COUNT,
     FIELD(limits.tags_per_push),
     .min = 1,
     .max = 1000,
     .def = 16,
     .unit = "tags",
     .help = "Most `?tag=` parameters of one manifest push; more are answered 414. The OCI "
             "specification asks for at least 10."},
    {.name = "limits.page",
     .type = CONF_COUNT,
     FIELD(limits.page),
     .min = 1,
     .max = 50000,
     .def = 10000,
     .unit = "entries",
     .help = "Most entries of one list answer; the rest follows by its `Link`. A list of tags or "
             "repositories has so many when no `n` is asked for, any other one 1,000."},
    {.name = "limits.catalog_page",
     .type = CONF_COUNT,
     FIELD(limits.catalog_page),
     .max = 50000,
     .def = 0,
     .unit = "entries",
     .help = "The same for the list of repositories alone; 0 is `limits.page`."},
    {.name = "limits.details_page",
     .type = CONF_COUNT,
     FIELD(limits.details_page),
     .min = 1,
     .max = 1000,
     .def = 200,
     .unit = "entries",
     .help = "The same for lists with all that is shown of a repository or tag "
             "(`/api/v1/repositories`); 50 when no `n` is asked for."},
    {.name = "limits.uploads",
     .type = CONF_COUNT,
     FIELD(limits.uploads),
     .min = 1,
     .max = 1000000,
     .def = 10000,
     .unit = "uploads",
     .help = "Most open upload sessions; one more is answered 429."},
    {.name = "limits.sign_ins",
     .type = CONF_COUNT,
     FIELD(limits.sign_ins),
     .min = 1,
     .max = 4096,
     .def = 64,
     .unit = "sign-ins",
     .help =
         "Most passwords that are checked at once, and as many tokens; one more is answered 503. "
         "Never more than half of `http.workers`, so that pulls go on while a directory is slow. "
         "Who has signed in lately is not checked again."},
    {.name = "limits.repository_name",
     .type = CONF_COUNT,
     FIELD(limits.repository_name_bytes),
     .min = 1,
     .max = 255,
     .def = 255,
     .unit = "characters",
     .help = "Longest repository name."},
    {.name = "limits.manifest_references",
     .type = CONF_COUNT,
     FIELD(limits.manifest_references),
     .min = 1,
     .max = 1000000,
     .def = 10000,
     .unit = "descriptors",
     .help = "Most blobs and manifests that one manifest may name."},
    {.name = "limits.tokens_per_owner",
     .type = CONF_COUNT,
     FIELD(limits.tokens_per_owner),
     .max = 1000000,
     .def = 100,
     .unit = "tokens",
     .help = "Most access tokens of one user or robot that have not expired; one more is answered "
             "403. 0 is no limit."},
    {.name = "limits.sessions_per_user",
     .type = CONF_COUNT,
     FIELD(limits.sessions_per_user),
     .min = 1,
     .max = 1000,
     .def = 20,
     .unit = "sessions",
     .help = "Most open sessions of one name in browsers; with one more the oldest ends."},
    {.name = "limits.rate.identity",
     .type = CONF_COUNT,
     FIELD(limits.rate.identity),
     .max = 1000000,
     .def = 0,
     .unit = "per second",
     .help = "Requests of one user or robot; more are answered 429. 0 is no such limit."},
    {.name = "limits.rate.identity_burst",
     .type = CONF_COUNT,
     FIELD(limits.rate.identity_burst),
     .max = 1000000,
     .def = 0,
     .unit = "requests",
     .help = "Most of them at once; 0 is as many as in two seconds."},
    {.name = "limits.rate.address",
     .type = CONF_COUNT,
     FIELD(limits.rate.address),
     .max = 1000000,
     .def = 0,
     .unit = "per second",
     .help = "Requests of one address, of clients that have not signed in. 0 is no such limit."},
    {.name = "limits.rate.address_burst",
     .type = CONF_COUNT,
     FIELD(limits.rate.address_burst),
     .max = 1000000,
     .def = 0,
     .unit = "requests",
     .help = "Most of them at once; 0 is as many as in two seconds."},
    {.name = "limits.rate.failures",
     .type = CONF_COUNT,
     FIELD(limits.rate.failures),
     .max = 1000000,
     .def = 60,
     .unit = "per minute",
     .help = "Wrong sign-ins from one address, of any user; more are answered 429. 0 is no such "
             "limit."},

    {.name = "quotas",
     .type = CONF_ITEMS,
     FIELD(quotas),
     .max = 1000,
     .item = &conf_item_quota,
     .help = "How much the repositories of a namespace may hold together. A push that would pass "
             "it is answered 403."},

    {.name = "retention",
     .type = CONF_ITEMS,
     FIELD(retention),
     .max = 1000,
     .item = &conf_item_retention,
     .help = "Which tags go after a while, by `gc.schedule` and `registry retention`. A tag goes "
             "when a policy is about it and none keeps it. [Tags](tags.md#retention) says more."},

    {.name = "upload.timeout",
     .type = CONF_DURATION,
     FIELD(registry.upload_timeout_ms),
     .min = 1 * SECONDS,
     .max = 30 * DAYS,
     .def = 1 * HOURS,
     .help = "An upload session that nobody continues is removed after this."},
    {.name = "upload.min_chunk",
     .type = CONF_SIZE,
     FIELD(registry.upload_min_chunk_bytes),
     .max = 1 * GIB,
     .def = 0,
     .help = "Smallest chunk that clients are asked to send (`OCI-Chunk-Min-Length`); 0 asks for "
             "nothing."},

    {.name = "upload.max_bytes",
     .type = CONF_SIZE,
     FIELD(registry.archives.bytes),
     .min = 1,
     .max = 1024 * 1024 * GIB,
     .def = 16 * GIB,
     .help = "Largest archive accepted at `/upload-image`, as it comes; a larger one is answered "
             "413. [Uploading archives](upload.md) says more of these."},
    {.name = "upload.max_unpacked_bytes",
     .type = CONF_SIZE,
     FIELD(registry.archives.unpacked_bytes),
     .min = 1,
     .max = 1024 * 1024 * GIB,
     .def = 64 * GIB,
     .help = "What an archive, and its layers, may unpack to; 413."},
    {.name = "upload.max_ratio",
     .type = CONF_COUNT,
     FIELD(registry.archives.ratio),
     .min = 1,
     .max = 1000000,
     .def = 500,
     .unit = "times",
     .help = "How many times its size an archive may unpack to, beyond the first 64 MiB; 413."},
    {.name = "upload.max_members",
     .type = CONF_COUNT,
     FIELD(registry.archives.members),
     .min = 1,
     .max = 1000000,
     .def = 10000,
     .unit = "members",
     .help = "Files, folders and links in an archive; 413."},
    {.name = "upload.max_repositories",
     .type = CONF_COUNT,
     FIELD(registry.archives.repositories),
     .min = 1,
     .max = 1000,
     .def = 16,
     .unit = "repositories",
     .help =
         "Repositories that the names in an archive may lead to, where none is asked for; 413."},
    {.name = "upload.json_bytes",
     .type = CONF_SIZE,
     FIELD(registry.archives.json_bytes),
     .min = 1 * KIB,
     .max = 64 * MIB,
     .def = 4 * MIB,
     .help = "Largest description (manifest, index, config) in an archive; 413."},
    {.name = "upload.memory_bytes",
     .type = CONF_SIZE,
     FIELD(registry.archives.memory_bytes),
     .min = 64 * KIB,
     .max = 1 * GIB,
     .def = 16 * MIB,
     .help = "Memory for the descriptions and small files of one archive."},
    {.name = "upload.decoder_memory",
     .type = CONF_SIZE,
     FIELD(registry.archives.decoder_bytes),
     .min = 1 * MIB,
     .max = 2 * GIB,
     .def = 128 * MIB,
     .help =
         "What xz's decoder, or zstd's window, may take to unpack an archive, and again a layer "
         "in it; 413. `xz -9` needs 65 MiB, zstd 8 MiB, with `--long` 128 MiB."},
    {.name = "upload.concurrent",
     .type = CONF_COUNT,
     FIELD(registry.archives.concurrent),
     .min = 1,
     .max = 10000,
     .def = 16,
     .unit = "archives",
     .help = "Archives that are received at once; one more is answered 429."},
    {.name = "upload.history",
     .type = CONF_DURATION,
     FIELD(registry.archives.history_ms),
     .max = 3650 * DAYS,
     .def = 30 * DAYS,
     .help = "How long it is known of an archive who sent it and what became of it "
             "(`/api/v1/uploads`); 0 is for ever."},
    {.name = "upload.watchers",
     .type = CONF_COUNT,
     FIELD(registry.archives.watchers),
     .max = 10000,
     .def = 100,
     .unit = "streams",
     .help = "Who may follow uploads at once (`/api/v1/uploads/{id}/events`); one more is answered "
             "429."},
    {.name = "upload.compress",
     .type = CONF_ENUM,
     FIELD(registry.archives.compress),
     .choices = compress_choices,
     .def = CONF_COMPRESS_NONE,
     .help = "Plain layers of docker archives are packed by this while they come, and stored so. "
             "`gzip` every engine pulls; `zstd` is faster, and docker 20.10 does not know it. "
             "Layers of OCI layouts, and those that are packed, stay as they are."},
    {.name = "upload.compress_level",
     .type = CONF_COUNT,
     FIELD(registry.archives.compress_level),
     .max = 9,
     .def = 0,
     .help =
         "How hard `upload.compress` tries, 1 to 9; 0: 6 of gzip, 3 of zstd. Another level gives "
         "layers other digests."},
    {.name = "upload.sessions",
     .type = CONF_COUNT,
     FIELD(registry.archives.sessions),
     .min = 1,
     .max = 10000,
     .def = 16,
     .unit = "uploads",
     .help = "Uploads of archives that can be resumed and that one user may have open; one more is "
             "answered 429."},
    {.name = "upload.scan",
     .type = CONF_ENUM,
     FIELD(registry.archives.scan),
     .choices = upload_scan_choices,
     .def = CONF_UPLOAD_SCAN_OFF,
     .help = "Images of archives are scanned for known vulnerabilities: with `warn` after they are "
             "there, with `block` before, and those that `pull_policy` would block are refused. "
             "[Archives that are scanned](upload.md#archives-that-are-scanned) says more."},
    {.name = "upload.scan_timeout",
     .type = CONF_DURATION,
     FIELD(registry.archives.scan_timeout_ms),
     .min = 1 * SECONDS,
     .max = 7 * DAYS,
     .def = 15 * MINUTES,
     .help = "How long `upload.scan: block` waits for a verdict; then the archive is answered 503, "
             "and nothing of it remains."},
    {.name = "upload.keep_original",
     .type = CONF_BOOL,
     FIELD(registry.archives.keep_original),
     .def = false,
     .help = "Keep each accepted archive as it came, too, in `images/USER/TIME/ID.tar.gz` of the "
             "store (a plain one is packed by gzip). [Originals](upload.md#originals) says more."},
    {.name = "upload.original_keep",
     .type = CONF_DURATION,
     FIELD(registry.archives.original_keep_ms),
     .max = 36500 * DAYS,
     .def = 0,
     .help = "How long they are kept. 0 is for ever."},

    {.name = "analysis.on_push",
     .type = CONF_BOOL,
     FIELD(registry.analysis.on_push),
     .def = false,
     .help = "Every image is analysed in the background after its push; else when somebody asks. "
             "[What is inside an image](analysis.md) says more of these."},
    {.name = "analysis.memory_bytes",
     .type = CONF_SIZE,
     FIELD(registry.analysis.memory_bytes),
     .min = 1 * MIB,
     .max = 64 * GIB,
     .def = 256 * MIB,
     .help = "Memory for the lists of files of one image, and again for the tree of them; an image "
             "of more has no analysis, 422. 256 MiB are about a million files."},
    {.name = "analysis.max_unpacked_bytes",
     .type = CONF_SIZE,
     FIELD(registry.analysis.max_unpacked_bytes),
     .min = 1,
     .max = 1024 * 1024 * GIB,
     .def = 64 * GIB,
     .help = "What a layer may unpack to while it is analysed; 422."},
    {.name = "analysis.max_ratio",
     .type = CONF_COUNT,
     FIELD(registry.analysis.max_ratio),
     .min = 1,
     .max = 1000000,
     .def = 500,
     .unit = "times",
     .help = "How many times its size a layer may unpack to, beyond the first 64 MiB; 422."},
    {.name = "analysis.file_room",
     .type = CONF_SIZE,
     FIELD(registry.analysis.file_room),
     .max = 1024 * 1024 * GIB,
     .def = 4 * GIB,
     .help =
         "Disk below storage.filesystem.root for files that are taken out of images, while they "
         "are sent. A larger file is answered 413; one that finds no room, 503."},
    {.name = "analysis.index",
     .type = CONF_BOOL,
     FIELD(registry.index_files),
     .def = false,
     .help = "Read the layers of all images in the background, those that are there and those that "
             "are pushed, into an index of their files, for `registry find-file`."},

#include "conf/rows_scan.h"

#include "conf/rows_notify.h"

    {.name = "delete.enabled",
     .type = CONF_BOOL,
     FIELD(registry.delete_enabled),
     .def = true,
     .help = "May clients delete tags, manifests and blobs? Otherwise they are answered 405."},

    {.name = "manifest.sparse_indexes",
     .type = CONF_BOOL,
     FIELD(registry.sparse_indexes),
     .def = false,
     .help = "May an index name manifests that are not in its repository?"},
    {.name = "manifest.sparse_images",
     .type = CONF_BOOL,
     FIELD(registry.sparse_images),
     .def = false,
     .help = "May an image name blobs that are not in its repository? Clients must get them "
             "elsewhere."},

    {.name = "manifest.urls.allow",
     .type = CONF_TEXTS,
     FIELD(registry.url_allow),
     .max = 64,
     .def_text = "",
     .help = "Regular expressions (POSIX, extended); each URL in a manifest that is pushed must "
             "match one of them. None allows every URL, `^$` none at all."},
    {.name = "manifest.urls.deny",
     .type = CONF_TEXTS,
     FIELD(registry.url_deny),
     .max = 64,
     .def_text = "",
     .help = "No URL in a manifest that is pushed may match one of these."},
    {.name = "cache.memory.size",
     .type = CONF_SIZE,
     FIELD(registry.manifest_cache_bytes),
     .max = 64 * GIB,
     .def = 8 * MIB,
     .help = "Memory for manifests that are asked for often; 0 keeps none."},

    {.name = "maintenance.interval",
     .type = CONF_DURATION,
     FIELD(registry.sweep_interval_ms),
     .min = 100,
     .max = 1 * DAYS,
     .def = 1 * MINUTES,
     .help = "How often abandoned uploads and other leftovers are looked for."},
    {.name = "maintenance.read_only",
     .type = CONF_BOOL,
     FIELD(registry.read_only),
     .def = false,
     .help = "Pushes and deletes are answered 405; pulls go on."},

    {.name = "check.settle",
     .type = CONF_DURATION,
     FIELD(check.settle_ms),
     .min = 1,
     .max = 1 * HOURS,
     .def = 10 * SECONDS,
     .help =
         "What looks like a fault to `registry check` beside a server must stay so for this long "
         "to be one: longer than a push, a delete or a transaction waits for the database."},
    {.name = "check.rate",
     .type = CONF_SIZE,
     FIELD(check.rate_bytes),
     .max = 1024 * GIB,
     .def = 0,
     .help =
         "How much `registry check --deep` reads a second at most, so that others have the disk "
         "as well; 0 is no limit."},
    {.name = "check.scrub_rate",
     .type = CONF_SIZE,
     FIELD(check.scrub_rate_bytes),
     .max = 1024 * GIB,
     .def = 0,
     .help =
         "How much of the content the server reads again in the background, a second at most, to "
         "find what has been damaged: 1m reads 84 GiB a day. 0 reads nothing, for in a bucket "
         "what is read may have its price."},
    {.name = "check.min_free",
     .type = CONF_SIZE,
     FIELD(check.min_free_bytes),
     .max = 1024 * GIB,
     .def = 256 * MIB,
     .help = "`registry check` tells of a disk of `storage.filesystem.root` with less room than "
             "this."},

    {.name = "gc.schedule",
     .type = CONF_TEXT,
     FIELD(schedule),
     .max = 200,
     .def_text = "",
     .help = "When `retention` is carried out and `registry gc` is run: MINUTE HOUR DAY MONTH "
             "WEEKDAY, as "
             "cron has them, and behind them `UTC`, `local`, a distance such as `+02:00` or the "
             "name of a "
             "zone that the system knows: `30 3 * * * Europe/Berlin`. Empty is never by itself."},
    {.name = "gc.history",
     .type = CONF_DURATION,
     FIELD(registry.history_ms),
     .max = 36500 * DAYS,
     .def = 90 * DAYS,
     .help = "How long it is known where a tag pointed, for `registry tag history` and "
             "`registry tag rollback`; 0 is for ever."},
    {.name = "gc.grace",
     .type = CONF_DURATION,
     FIELD(gc.grace_ms),
     .max = 36500 * DAYS,
     .def = 1 * HOURS,
     .help = "How long what `registry gc` has condemned stays, and the bytes of a deleted blob; "
             "whatever uses it meanwhile keeps it. Longer than a push takes."},
    {.name = "gc.journal_keep",
     .type = CONF_DURATION,
     FIELD(gc.journal_keep_ms),
     .max = 36500 * DAYS,
     .def = 90 * DAYS,
     .help =
         "How long it is known what a run of `registry gc` deleted, and why; longer when it can "
         "be undone for longer. 0 is for ever."},
    {.name = "gc.linger",
     .type = CONF_DURATION,
     FIELD(gc.linger_ms),
     .max = 1 * DAYS,
     .def = 15 * MINUTES,
     .help = "In a bucket they stay at least so long, also where `gc.grace` is less: some servers "
             "cut a pull off whose object is deleted."},
    {.name = "gc.undo",
     .type = CONF_DURATION,
     FIELD(gc.undo_ms),
     .max = 36500 * DAYS,
     .def = 0,
     .help =
         "The bytes of what a run of `registry gc` deleted stay at least so long, for `registry "
         "gc undo` to bring them back. 0: on files they go with the run, in a bucket after "
         "`gc.linger`."},
    {.name = "gc.untagged",
     .type = CONF_DURATION,
     FIELD(gc.untagged_ms),
     .max = 36500 * DAYS,
     .def = 0,
     .help =
         "A manifest that has had no tag for so long, and belongs to no index and no subject, goes "
         "with `registry gc`; 0 keeps it."},
    {.name = "gc.orphans",
     .type = CONF_DURATION,
     FIELD(gc.orphans_ms),
     .max = 36500 * DAYS,
     .def = 0,
     .help =
         "Content of the store that the database does not know, and that is as old, goes with "
         "`registry gc`; 0 keeps it. After the database was put back from an older backup that is "
         "what came since, so `registry reindex` goes first then. What is younger than "
         "`upload.timeout` or `gc.grace` stays in any case."},
    {.name = "gc.empty_repositories",
     .type = CONF_DURATION,
     FIELD(gc.empty_repositories_ms),
     .max = 36500 * DAYS,
     .def = 0,
     .help = "A repository that all runs of `registry gc` of so long a time have found empty goes, "
             "once the history of its tags is forgotten (`gc.history`) and a newer repository is "
             "there; 0 keeps it."},
    {.name = "gc.children",
     .type = CONF_BOOL,
     FIELD(gc.children),
     .def = true,
     .help = "Manifests without a tag go with the last index that names them."},
    {.name = "gc.referrers",
     .type = CONF_BOOL,
     FIELD(gc.referrers),
     .def = true,
     .help = "Signatures and other referrers without a tag of their own go with what they refer "
             "to."},
    {.name = "gc.rate",
     .type = CONF_COUNT,
     FIELD(gc.rate),
     .max = 1000000,
     .def = 0,
     .unit = "deletions a second",
     .help = "A run deletes no faster than this; 0 is as fast as it can."},
    {.name = "gc.share",
     .type = CONF_COUNT,
     FIELD(gc.share),
     .min = 1,
     .max = 100,
     .def = 25,
     .unit = "percent",
     .help = "While a server is asked for anything, runs in it and the deletion of bytes give way: "
             "they work in short steps, and for this share of the time. 100: never."},

    {.name = "ui.enabled",
     .type = CONF_BOOL,
     FIELD(ui.enabled),
     .def = true,
     .help = "The web page, at `/` and below `/ui/`, for who comes with a browser."},

    {.name = "audit.retention",
     .type = CONF_DURATION,
     FIELD(audit.retention_ms),
     .max = 36500 * DAYS,
     .def = 90 * DAYS,
     .help = "How long the database keeps what was done, by whom and from where; 0 is for ever."},
    {.name = "audit.wait",
     .type = CONF_DURATION,
     FIELD(audit.wait_ms),
     .max = 60000,
     .def = 2000,
     .help = "How long a request that has to be recorded waits while the database is too slow for "
             "the records; then it is answered 507 and nothing is done. It does not wait when "
             "the database takes none, as on a full disk."},
    {.name = "audit.file",
     .type = CONF_PATH,
     FIELD(audit.file),
     .max = PATH_BYTES,
     .def_text = "",
     .help = "File that these records are added to as JSON lines; empty is the log."},

    {.name = "log.level",
     .type = CONF_ENUM,
     FIELD(log.level),
     .choices = level_choices,
     .as_well = "warn",
     .as_well_is = LOG_WARNING,
     .def = LOG_INFO,
     .help = "Records below this level are left out. Access records are of level `info`."},
    {.name = "log.format",
     .type = CONF_ENUM,
     FIELD(log.format),
     .choices = format_choices,
     .def = LOG_FORMAT_JSON,
     .help = "JSON lines, or text for people."},
    {.name = "log.file",
     .type = CONF_PATH,
     FIELD(log.file),
     .max = PATH_BYTES,
     .def_text = "",
     .help = "File that the log is added to; empty is standard error. SIGUSR1 opens it anew."},
    {.name = "log.access",
     .type = CONF_BOOL,
     FIELD(log.access),
     .def = true,
     .help = "One record for each request."},
    {.name = "log.fields",
     .type = CONF_TEXTS,
     FIELD(log.fields),
     .max = 16,
     .def_text = "",
     .help = "Fields that every record gets, `name=value`: `service=registry`."},
};

const size_t conf_rows_n = sizeof(conf_rows) / sizeof(conf_rows[0]);

_Static_assert(sizeof(conf_rows) / sizeof(conf_rows[0]) <= CONF_ROWS_MAX, "CONF_ROWS_MAX");

const struct conf_row *conf_row_find(struct str name)
{
    for (size_t i = 0; i < conf_rows_n; i++) {
        if (str_eq(name, str_of(conf_rows[i].name)) ||
            (conf_rows[i].alias && str_eq(name, str_of(conf_rows[i].alias))))
            return &conf_rows[i];
    }
    return NULL;
}

bool conf_section_exists(struct str name)
{
    for (size_t i = 0; i < conf_rows_n; i++) {
        struct str key = str_of(conf_rows[i].name);

        if (key.n > name.n && key.p[name.n] == '.' && str_starts(key, name))
            return true;
    }
    return false;
}

void conf_env(const char *name, char dst[static CONF_ENV_MAX])
{
    static const char prefix[] = "REGISTRY_";
    size_t n = sizeof(prefix) - 1;

    memcpy(dst, prefix, n);
    for (const char *p = name; *p && n < CONF_ENV_MAX - 1; p++)
        dst[n++] = *p == '.' ? '_' : (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
    dst[n] = '\0';
}
