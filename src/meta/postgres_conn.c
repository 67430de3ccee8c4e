/*
 * Making a connection.
 *
 * What the URL says counts before the defaults given here. They are: a server that takes writes (of
 * several hosts, the one that was promoted), no Kerberos, and bounds for everything that waits on
 * the network.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "meta/postgres.h"
#include "net/aws_credentials.h"
#include "net/rds_token.h"

#include <fcntl.h>
#include <stdio.h>

#define PASSWORD_MAX_BYTES 16384
#define TOKEN_MAX_BYTES    (3 * AWS_TOKEN_MAX + 4096) /* the session token, encoded, and the rest */

static void no_notice(void *ctx, const char *message)
{
    (void)ctx;
    (void)message;
}

void postgres_message(const struct postgres_conn *c, const char *message, char *dst, size_t size)
{
    const char *password = c->handle ? c->db->lib->PQpass(c->handle) : NULL;
    size_t n = 0;

    if (password && *password && strstr(message, password))
        message = "(not shown: the password occurs in it)";
    for (; *message && n + 1 < size; message++) {
        bool space = *message == '\n' || *message == '\t' || *message == ' ';

        if (!space)
            dst[n++] = *message;
        else if (n > 0 && dst[n - 1] != ' ')
            dst[n++] = ' ';
    }
    while (n > 0 && dst[n - 1] == ' ')
        n--;
    dst[n] = '\0';
}

/* Read each time: it may be renewed. */
static enum err_code read_password(const struct postgres *db, struct buf *ret, struct err *e)
{
    struct str line;

    buf_init(ret, PASSWORD_MAX_BYTES);
    if (!db->password_file[0])
        return ERR_OK;
    if (file_read_at(AT_FDCWD, db->password_file, ret, e) != ERR_OK) {
        e->code = ERR_UNAVAILABLE;
        return err_prefix(e, "metadata.password_file");
    }
    line = buf_str(ret);
    while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
        line.n--;
    ret->n = line.n;
    return ERR_OK;
}

/* Computed, so it costs nothing to make one for each connection; the key is kept by whoever finds
 * it. */
static enum err_code make_token(const struct postgres *db, struct aws_key *ret_key,
                                struct buf *ret_token, struct err *e)
{
    struct sigv4_key key;

    TRY(aws_credentials_get(db->iam, ret_key, e));
    key = (struct sigv4_key){
        .access_key = ret_key->access,
        .secret_key = ret_key->secret,
        .session_token = ret_key->token.n ? buf_text(&ret_key->token) : NULL,
        .region = db->iam_region,
    };
    buf_init(ret_token, TOKEN_MAX_BYTES);
    rds_token(&key, db->iam_host, db->iam_port, db->iam_user, clock_wall_ms(), ret_token);
    return ERR_OK;
}

static PGconn *connect_with(const struct postgres *db, const char *password)
{
    char timeout_s[24], timeout_ms[24];
    /* Of two of the same name the later counts, and those of the URL stand in the place of dbname.
     */
    const char *names[] = {"fallback_application_name",
                           "target_session_attrs",
                           "gssencmode",
                           "connect_timeout",
                           "tcp_user_timeout",
                           "keepalives_idle",
                           "dbname",
                           "client_encoding",
                           password[0] ? "password" : NULL,
                           NULL};
    const char *values[] = {"registry", "read-write", "disable", timeout_s, timeout_ms,
                            "30",       db->url,      "UTF8",    password,  NULL};

    snprintf(timeout_s, sizeof(timeout_s), "%lld",
             (long long)(db->connect_timeout_ms + 999) / 1000);
    snprintf(timeout_ms, sizeof(timeout_ms), "%lld", (long long)db->timeout_ms);
    return db->lib->PQconnectdbParams(names, values, 1);
}

/* Names are compared and stored as UTF-8. */
static enum err_code check_encoding(const struct postgres_conn *c, struct err *e)
{
    const char *encoding = c->db->lib->PQparameterStatus(c->handle, "server_encoding");

    if (!encoding || strcmp(encoding, "UTF8") == 0)
        return ERR_OK;
    return err_set(e, ERR_CONFIG,
                   "database %s has the encoding %s: make one with ENCODING 'UTF8' TEMPLATE "
                   "template0",
                   c->db->name, encoding);
}

static enum err_code set_up(struct postgres_conn *c, struct err *e)
{
    const struct libpq *lib = c->db->lib;

    lib->PQsetNoticeProcessor(c->handle, no_notice, NULL);
    TRY(check_encoding(c, e));
    if (lib->PQsetnonblocking(c->handle, 1) != 0 || !lib->PQenterPipelineMode(c->handle))
        return err_set(e, ERR_UNAVAILABLE, "database %s: the connection broke at once",
                       c->db->name);
    return ERR_OK;
}

enum err_code postgres_connect(struct postgres *db, struct postgres_conn **ret_conn, struct err *e)
{
    AUTO(postgres_conn) struct postgres_conn *c = NEW(struct postgres_conn);
    AUTO(buf) struct buf password = {0};
    AUTO(aws_key) struct aws_key key = {0};
    char said[240];

    c->base.adapter = db->base.adapter;
    c->db = db;
    if (db->iam)
        TRY(make_token(db, &key, &password, e));
    else
        TRY(read_password(db, &password, e));
    c->handle = connect_with(db, buf_text(&password));
    if (db->lib->PQstatus(c->handle) != CONNECTION_OK) {
        if (db->iam && db->lib->PQconnectionUsedPassword(c->handle))
            aws_credentials_refused(db->iam, &key); /* perhaps */
        postgres_message(c, db->lib->PQerrorMessage(c->handle), said, sizeof(said));
        return err_set(e, ERR_UNAVAILABLE, "database %s: %s", db->name, said);
    }
    TRY(set_up(c, e));
    c->made_ms = clock_mono_ms();
    *ret_conn = STEAL(c);
    return ERR_OK;
}

void postgres_disconnect(struct postgres_conn *c)
{
    if (!c)
        return;
    if (c->handle)
        c->db->lib->PQfinish(c->handle);
    free(c);
}
