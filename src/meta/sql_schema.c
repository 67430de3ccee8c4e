/*
 * The schema, as numbered migrations. A migration that has landed is never edited: a change is a
 * new one at the end. While replicas are replaced, programs of before it still run on its schema:
 * so it adds, with defaults, and what they use is taken away by a later version of the program at
 * the earliest.
 *
 * There are no foreign keys: what must be there is a precondition of an operation (sql_commit.c),
 * and checking it a second time would cost a look-up a row.
 */
#include "base/cleanup.h"
#include "meta/sql.h"

/* clang-format off */
static const char version_1[] =
    /* version is the source of the versions of the repository's tags, so that a tag that comes back
     * goes on where it was; and also of later ones when the row is deleted and made anew. */
    "CREATE TABLE repos ("
    " id @id@,"
    " name @text@ NOT NULL UNIQUE,"
    " manifests BIGINT NOT NULL,"
    " version BIGINT NOT NULL);"
    "CREATE INDEX repos_listed ON repos (name) WHERE manifests > 0;"

    /* By digest first: the same key then finds a blob in any repository. */
    "CREATE TABLE blobs ("
    " digest @text@ NOT NULL,"
    " repo_id BIGINT NOT NULL,"
    " size_bytes BIGINT NOT NULL,"
    " PRIMARY KEY (digest, repo_id)) @clustered@;"

    /* subject is '' when there is none. */
    "CREATE TABLE manifests ("
    " id @id@,"
    " repo_id BIGINT NOT NULL,"
    " digest @text@ NOT NULL,"
    " media_type @text@ NOT NULL,"
    " subject @text@ NOT NULL,"
    " bytes @bytes@ NOT NULL,"
    " UNIQUE (repo_id, digest));"

    /* What a manifest names; kind is enum meta_edge_kind. By position, because a manifest may name
     * the same blob twice, and because the rows of one manifest then lie side by side. */
    "CREATE TABLE edges ("
    " manifest_id BIGINT NOT NULL,"
    " position BIGINT NOT NULL,"
    " repo_id BIGINT NOT NULL,"
    " kind SMALLINT NOT NULL,"
    " digest @text@ NOT NULL,"
    " PRIMARY KEY (manifest_id, position)) @clustered@;"
    "CREATE INDEX edges_by_digest ON edges (repo_id, digest, kind);"

    "CREATE TABLE tags ("
    " repo_id BIGINT NOT NULL,"
    " name @text@ NOT NULL,"
    " manifest_id BIGINT NOT NULL,"
    " version BIGINT NOT NULL,"
    " PRIMARY KEY (repo_id, name)) @clustered@;"
    "CREATE INDEX tags_by_manifest ON tags (manifest_id);"

    /* Tags whose last change is not in the store yet; digest is '' when the tag is gone. */
    "CREATE TABLE projections ("
    " id @id@,"
    " repo_id BIGINT NOT NULL,"
    " tag @text@ NOT NULL,"
    " version BIGINT NOT NULL,"
    " digest @text@ NOT NULL,"
    " UNIQUE (repo_id, tag));"

    "CREATE TABLE referrers ("
    " repo_id BIGINT NOT NULL,"
    " subject @text@ NOT NULL,"
    " digest @text@ NOT NULL,"
    " artifact_type @text@ NOT NULL,"
    " media_type @text@ NOT NULL,"
    " size_bytes BIGINT NOT NULL,"
    " annotations @text@ NOT NULL,"
    " PRIMARY KEY (repo_id, subject, digest)) @clustered@;"
    "CREATE INDEX referrers_by_type ON referrers (repo_id, subject, artifact_type, digest);"

    /* The repository by name: it may not exist before its first blob does. */
    "CREATE TABLE uploads ("
    " id @text@ NOT NULL,"
    " repo @text@ NOT NULL,"
    " owner @text@ NOT NULL,"
    " algorithm @text@ NOT NULL,"
    " started_ms BIGINT NOT NULL,"
    " PRIMARY KEY (id)) @clustered@;"
    "CREATE INDEX uploads_by_start ON uploads (started_ms, id);";

static const char version_2[] =
    /* What a repository holds, so that a quota is a sum over few rows. */
    "ALTER TABLE repos ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE repos ADD COLUMN tags BIGINT NOT NULL DEFAULT 0;"
    "UPDATE repos SET"
    " bytes = (SELECT coalesce(sum(size_bytes), 0) FROM blobs WHERE repo_id = repos.id),"
    " tags = (SELECT count(*) FROM tags WHERE repo_id = repos.id);"

    /* Small documents: users, tokens, keys. */
    "CREATE TABLE records ("
    " collection @text@ NOT NULL,"
    " key @text@ NOT NULL,"
    " value @text@ NOT NULL,"
    " version BIGINT NOT NULL,"
    " PRIMARY KEY (collection, key)) @clustered@;"

    "CREATE TABLE audit ("
    " id @id@,"
    " time_ms BIGINT NOT NULL,"
    " actor @text@ NOT NULL,"
    " action @text@ NOT NULL,"
    " target @text@ NOT NULL,"
    " address @text@ NOT NULL,"
    " result @text@ NOT NULL,"
    " detail @text@ NOT NULL);"
    "CREATE INDEX audit_by_time ON audit (time_ms);";
static const char version_3[] =
    /* The audit trail is asked for by one of these, newest first: sql_record.c. */
    "ALTER TABLE audit ADD COLUMN repository @text@ NOT NULL DEFAULT '';"
    "DROP INDEX audit_by_time;"
    "CREATE INDEX audit_by_time ON audit (time_ms, id);"
    "CREATE INDEX audit_by_actor ON audit (actor, time_ms, id);"
    "CREATE INDEX audit_by_action ON audit (action, time_ms, id);"
    "CREATE INDEX audit_by_address ON audit (address, time_ms, id);"
    "CREATE INDEX audit_by_repository ON audit (repository, time_ms, id) WHERE repository <> '';"
    "CREATE INDEX audit_by_failure ON audit (result, time_ms, id) WHERE result <> 'ok';";
static const char version_4[] =
    /* What the upload became, and when; '' while it is open. It is kept for a client that asks for
     * the finish again. */
    "ALTER TABLE uploads ADD COLUMN digest @text@ NOT NULL DEFAULT '';"
    "ALTER TABLE uploads ADD COLUMN finished_ms BIGINT NOT NULL DEFAULT 0;"
    "DROP INDEX uploads_by_start;"
    "CREATE INDEX uploads_by_start ON uploads (started_ms, id) WHERE digest = '';"
    "CREATE INDEX uploads_by_finish ON uploads (finished_ms) WHERE digest <> '';";
static const char version_5[] =
    /* What is to be done in the background (src/jobs/). state is enum meta_job_state; wanted is 1
     * when it is to be run once more, 2 when it is to go away. */
    "CREATE TABLE jobs ("
    " kind @text@ NOT NULL,"
    " key @text@ NOT NULL,"
    " state SMALLINT NOT NULL DEFAULT 0,"
    " priority BIGINT NOT NULL,"
    " due_ms BIGINT NOT NULL,"
    " attempts BIGINT NOT NULL DEFAULT 0,"
    " turn BIGINT NOT NULL DEFAULT 0,"
    " wanted SMALLINT NOT NULL DEFAULT 0,"
    " holder @text@ NOT NULL DEFAULT '',"
    " note @text@ NOT NULL DEFAULT '',"
    " changed_ms BIGINT NOT NULL DEFAULT 0,"
    " PRIMARY KEY (kind, key)) @clustered@;"
    "CREATE INDEX jobs_by_state ON jobs (state, priority, due_ms);";
static const char version_6[] =
    /* Which process is going to carry it; '' where there is one alone, or nobody. */
    "ALTER TABLE projections ADD COLUMN holder @text@ NOT NULL DEFAULT '';"
    "CREATE INDEX projections_by_holder ON projections (holder, id) WHERE holder <> '';";
static const char version_7[] =
    /* The process that took the upload last, and how often one did. digest is '-' when the upload
     * is over and became nothing. */
    "ALTER TABLE uploads ADD COLUMN holder @text@ NOT NULL DEFAULT '';"
    "ALTER TABLE uploads ADD COLUMN turn BIGINT NOT NULL DEFAULT 1;";
static const char version_8[] =
    /* What may go of a repository (src/gc): kind is enum meta_item_kind, why enum meta_why; run is
     * '' when it went with what it belonged to. */
    "CREATE TABLE condemned ("
    " repo_id BIGINT NOT NULL,"
    " digest @text@ NOT NULL,"
    " kind SMALLINT NOT NULL,"
    " since_ms BIGINT NOT NULL,"
    " why SMALLINT NOT NULL,"
    " run @text@ NOT NULL,"
    " PRIMARY KEY (repo_id, digest, kind)) @clustered@;"
    "CREATE INDEX blobs_by_repo ON blobs (repo_id, digest, size_bytes);";
static const char version_9[] =
    /* Content that nothing links: meta.h. place is the repository that it was of, or '' where it is
     * kept once for all; state is enum meta_removed_state. */
    "CREATE TABLE removed ("
    " digest @text@ NOT NULL,"
    " place @text@ NOT NULL,"
    " state SMALLINT NOT NULL,"
    " number BIGINT NOT NULL,"
    " since_ms BIGINT NOT NULL,"
    " again SMALLINT NOT NULL,"
    " size_bytes BIGINT NOT NULL,"
    " reason @text@ NOT NULL,"
    " PRIMARY KEY (digest, place)) @clustered@;"
    "CREATE INDEX removed_by_age ON removed (state, since_ms, digest, place);";
static const char version_10[] =
    /* When a tag was last pushed; 0: by a program that did not say so yet. */
    "ALTER TABLE tags ADD COLUMN pushed_ms BIGINT NOT NULL DEFAULT 0;"

    /* Since when a manifest has been without what it has not now: when it was pushed, or a tag left
     * it last. Not in the row of the manifest, which is large. */
    "CREATE TABLE ages ("
    " manifest_id BIGINT NOT NULL,"
    " since_ms BIGINT NOT NULL,"
    " PRIMARY KEY (manifest_id)) @clustered@;"

    /* Where tags pointed; digest is '' when it was deleted, previous when it was not there. */
    "CREATE TABLE moves ("
    " repo_id BIGINT NOT NULL,"
    " tag @text@ NOT NULL,"
    " version BIGINT NOT NULL,"
    " digest @text@ NOT NULL,"
    " previous @text@ NOT NULL,"
    " time_ms BIGINT NOT NULL,"
    " actor @text@ NOT NULL,"
    " PRIMARY KEY (repo_id, tag, version)) @clustered@;"
    "CREATE INDEX moves_by_time ON moves (time_ms);";
static const char version_11[] =
    /* When a tag was pushed last, so that repositories can be listed by that; and lists that are
     * not by name. 0: by a program that did not say so yet. */
    "ALTER TABLE repos ADD COLUMN pushed_ms BIGINT NOT NULL DEFAULT 0;"
    "CREATE INDEX tags_by_push ON tags (repo_id, pushed_ms, name);"
    "UPDATE repos SET pushed_ms ="
    " (SELECT max(pushed_ms) FROM tags WHERE repo_id = repos.id)"
    " WHERE EXISTS (SELECT 1 FROM tags WHERE repo_id = repos.id);"
    "CREATE INDEX repos_by_push ON repos (pushed_ms, name) WHERE manifests > 0;"
    "CREATE INDEX repos_by_size ON repos (bytes, name) WHERE manifests > 0;";
/* clang-format on */

const struct sql_migration sql_schema[] = {{version_1}, {version_2},  {version_3}, {version_4},
                                           {version_5}, {version_6},  {version_7}, {version_8},
                                           {version_9}, {version_10}, {version_11}};
const size_t sql_schema_n = sizeof(sql_schema) / sizeof(sql_schema[0]);

#define SCRIPT_MAX_BYTES (1 << 20)
#define STEP_TRIES       5

static enum err_code run_script(struct sql_conn *c, const char *script, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, SCRIPT_MAX_BYTES);
    sql_expand(&c->adapter->dialect, script, &text);
    return c->adapter->script(c, buf_text(&text), e);
}

/* max() of no rows is a NULL, which reads as 0. */
static enum err_code current_version(struct sql_conn *c, int64_t *ret_version, struct err *e)
{
    bool found;

    return sql_run_int(c, SQL_SCHEMA_VERSION, NULL, 0, &found, ret_version, e);
}

/* Of several processes that start at once, one migrates. */
#define SCHEMA_LOCK STR("/schema") /* no namespace is called so */

struct step {
    const struct sql_migration *list;
    int64_t n;
    int64_t version; /* out: where the database is after this step */
};

static enum err_code first_step(struct sql_conn *c, void *ctx, struct err *e)
{
    struct step *s = ctx;

    TRY(sql_lock(c, SCHEMA_LOCK, e));
    TRY(run_script(c, "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY)", e));
    return current_version(c, &s->version, e);
}

/* The version is read again inside the transaction: another process may be migrating too. */
static enum err_code next_step(struct sql_conn *c, void *ctx, struct err *e)
{
    struct step *s = ctx;
    int64_t version = 0;

    TRY(sql_lock(c, SCHEMA_LOCK, e));
    TRY(current_version(c, &version, e));
    if (version < s->n) {
        TRY(run_script(c, s->list[version].script, e));
        version++;
        TRY(sql_run(c, SQL_SCHEMA_VERSION_ADD, SQL_ARGS(SQL_INT(version)), e));
    }
    s->version = version;
    return ERR_OK;
}

/* A connection that breaks on the way is no reason not to start. */
static enum err_code take_step(struct sql *db, struct step *s, struct err *e)
{
    enum err_code code = ERR_UNAVAILABLE;

    for (int i = 0; i < STEP_TRIES && code == ERR_UNAVAILABLE; i++)
        code = db->adapter->transact(db, 0, next_step, s, e);
    return code;
}

enum err_code sql_migrate(struct sql *db, const struct sql_migration *list, size_t n, struct err *e)
{
    struct step s = {.list = list, .n = (int64_t)n};

    TRY(db->adapter->transact(db, 0, first_step, &s, e));
    while (s.version < s.n) {
        enum err_code code = take_step(db, &s, e);

        if (code != ERR_OK) {
            err_prefix(e, "bring the schema from version %lld to the next", (long long)s.version);
            return code;
        }
    }
    if (s.version > s.n)
        return err_set(e, ERR_CONFIG,
                       "the schema of '%s' has version %lld, and this program knows only up to "
                       "%lld: it was written by a newer one",
                       db->adapter->where(db), (long long)s.version, (long long)s.n);
    return ERR_OK;
}
