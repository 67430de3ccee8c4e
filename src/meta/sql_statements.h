/*
 * Every statement, once. Parameters are $1, $2, ...; @lock@ and such are words of struct
 * sql_dialect.
 *
 * Each read is look-ups by a unique index or one range of an index: tests/unit/meta/test_sql.c asks
 * the planner. Columns are named, never '*'. Those called ROW are what sql_row.c says of them.
 */
#pragma once

#define SQL_TABLE(X)                                                                               \
    X(SCHEMA_VERSION, "SELECT max(version) FROM schema_version")                                   \
    X(SCHEMA_VERSION_ADD, "INSERT INTO schema_version (version) VALUES ($1)")                      \
                                                                                                   \
    X(REPO_ID, "SELECT id FROM repos WHERE name = $1")                                             \
    X(REPO_VERSION, "SELECT version FROM repos WHERE id = $1")                                     \
    X(REPO_LOCK, "SELECT id, version FROM repos WHERE name = $1 @lock@")                           \
    X(REPO_ADD, "INSERT INTO repos (name, manifests, version) VALUES ($1, 0, " SQL_FLOOR ")"       \
                " ON CONFLICT (name) DO NOTHING")                                                  \
    X(REPO_CHANGE,                                                                                 \
      "UPDATE repos SET version = $2, manifests = manifests + $3, bytes = bytes + $4,"             \
      " tags = tags + $5, pushed_ms = CASE WHEN pushed_ms < $6 THEN $6 ELSE pushed_ms END"         \
      " WHERE id = $1")                                                                            \
    X(REPO_RECOUNT,                                                                                \
      "UPDATE repos SET manifests = (SELECT count(*) FROM manifests WHERE repo_id = $1),"          \
      " bytes = (SELECT coalesce(sum(size_bytes), 0) FROM blobs WHERE repo_id = $1),"              \
      " tags = (SELECT count(*) FROM tags WHERE repo_id = $1) WHERE id = $1")                      \
    X(REPO_EMPTY, "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE repo_id = $1)"             \
                  " AND NOT EXISTS (SELECT 1 FROM manifests WHERE repo_id = $1)"                   \
                  " AND NOT EXISTS (SELECT 1 FROM tags WHERE repo_id = $1)"                        \
                  " AND NOT EXISTS (SELECT 1 FROM projections WHERE repo_id = $1)"                 \
                  " AND NOT EXISTS (SELECT 1 FROM moves WHERE repo_id = $1)"                       \
                  " AND EXISTS (SELECT 1 FROM repos WHERE id > $1)")                               \
    X(REPO_FLOOR_RAISE, "INSERT INTO records (collection, key, value, version)"                    \
                        " VALUES ('meta.floor', 'repositories', $1, 1)"                            \
                        " ON CONFLICT (collection, key) DO UPDATE SET value = excluded.value,"     \
                        " version = records.version + 1"                                           \
                        " WHERE CAST(records.value AS BIGINT) < CAST(excluded.value AS BIGINT)")   \
    X(REPO_DELETE, "DELETE FROM repos WHERE id = $1")                                              \
    X(REPO_LIST, "SELECT name FROM repos WHERE manifests > 0 AND name > $1"                        \
                 " ORDER BY name LIMIT $2")                                                        \
                                                                                                   \
    X(BLOB_STAT, "SELECT b.size_bytes FROM repos r JOIN blobs b ON b.repo_id = r.id"               \
                 " WHERE r.name = $1 AND b.digest = $2")                                           \
    X(BLOB_LOOK, "SELECT coalesce((SELECT b.size_bytes FROM repos r"                               \
                 " JOIN blobs b ON b.repo_id = r.id WHERE r.name = $1 AND b.digest = $2), -1),"    \
                 " CASE WHEN EXISTS (SELECT 1 FROM blobs WHERE digest = $2) OR EXISTS"             \
                 " (SELECT 1 FROM removed WHERE digest = $2 AND place = '' AND state <> 2)"        \
                 " THEN 1 ELSE 0 END,"                                                             \
                 " CASE WHEN EXISTS (SELECT 1 FROM repos r JOIN condemned c ON c.repo_id = r.id"   \
                 " WHERE r.name = $1 AND c.digest = $2 AND c.kind = 0) THEN 1 ELSE 0 END")         \
    X(BLOB_SIZE, "SELECT size_bytes FROM blobs WHERE repo_id = $1 AND digest = $2")                \
    X(BLOB_CHECK, SQL_BLOB_HELD)                                                                   \
    X(FIND_LINKS,                                                                                  \
      "SELECT x.position, 0, b.size_bytes FROM @list@$2@list_end@ x JOIN repos r ON r.name = $1"   \
      " JOIN blobs b ON b.digest = x.value AND b.repo_id = r.id"                                   \
      " UNION ALL SELECT x.position, 1, length(m.bytes) FROM @list@$3@list_end@ x"                 \
      " CROSS JOIN manifests m WHERE m.id = (SELECT n.id FROM manifests n"                         \
      " WHERE n.repo_id = " SQL_REPO_AMONG " AND n.digest = x.value)")                             \
    X(BLOB_FIND, "SELECT r.name, b.size_bytes FROM blobs b JOIN repos r ON r.id = b.repo_id"       \
                 " WHERE b.digest = $1 LIMIT 1")                                                   \
    X(BLOB_ADD, "INSERT INTO blobs (repo_id, digest, size_bytes) VALUES ($1, $2, $3)"              \
                " ON CONFLICT (digest, repo_id) DO NOTHING RETURNING size_bytes")                  \
    X(BLOB_DELETE, "DELETE FROM blobs WHERE repo_id = $1 AND digest = $2")                         \
                                                                                                   \
    X(MANIFEST_BY_TAG, "SELECT m.digest, m.media_type, m.bytes, t.version FROM repos r"            \
                       " JOIN tags t ON t.repo_id = r.id JOIN manifests m ON m.id = t.manifest_id" \
                       " WHERE r.name = $1 AND t.name = $2")                                       \
    X(MANIFEST_BY_DIGEST, "SELECT m.digest, m.media_type, m.bytes FROM repos r"                    \
                          " JOIN manifests m ON m.repo_id = r.id"                                  \
                          " WHERE r.name = $1 AND m.digest = $2")                                  \
    X(MANIFEST_ID, "SELECT id FROM manifests WHERE repo_id = $1 AND digest = $2")                  \
    X(MANIFEST_SUBJECT, "SELECT id, subject FROM manifests WHERE repo_id = $1 AND digest = $2")    \
    X(MANIFEST_ADD, "INSERT INTO manifests (repo_id, digest, media_type, subject, bytes)"          \
                    " VALUES ($1, $2, $3, $4, $5)"                                                 \
                    " ON CONFLICT (repo_id, digest) DO NOTHING RETURNING id")                      \
    X(MANIFEST_HEAL, "UPDATE manifests SET media_type = $3, bytes = $4"                            \
                     " WHERE repo_id = $1 AND digest = $2 AND bytes <> $4")                        \
    X(MANIFEST_MEND, "UPDATE manifests SET media_type = $2, bytes = $3 WHERE id = $1")             \
    X(MANIFEST_DELETE, "DELETE FROM manifests WHERE id = $1")                                      \
                                                                                                   \
    X(EDGE_USED, "SELECT kind FROM edges WHERE repo_id = $1 AND digest = $2"                       \
                 " AND kind IN ($3, $4) LIMIT 1")                                                  \
    X(EDGE_ADD, "INSERT INTO edges (manifest_id, position, repo_id, kind, digest)"                 \
                " VALUES ($1, $2, $3, $4, $5)")                                                    \
    X(EDGE_MISSING, "SELECT e.digest FROM edges e WHERE e.manifest_id = $1"                        \
                    " AND " SQL_EDGE_LEADS_NOWHERE("$2", "$3") " ORDER BY e.position LIMIT 1")     \
    X(EDGES_DELETE, "DELETE FROM edges WHERE manifest_id = $1")                                    \
                                                                                                   \
    X(TAG_VERSION, "SELECT version FROM tags WHERE repo_id = $1 AND name = $2")                    \
    X(TAG_LEADS, "SELECT m.id FROM tags t JOIN manifests m ON m.id = t.manifest_id"                \
                 " WHERE t.repo_id = $1 AND t.name = $2")                                          \
    X(TAG_SET, "INSERT INTO tags (repo_id, name, manifest_id, version, pushed_ms)"                 \
               " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (repo_id, name) DO UPDATE"                \
               " SET manifest_id = excluded.manifest_id, version = excluded.version,"              \
               " pushed_ms = excluded.pushed_ms")                                                  \
    X(TAG_DELETE, "DELETE FROM tags WHERE repo_id = $1 AND name = $2")                             \
    X(TAG_LIST, "SELECT name FROM tags WHERE repo_id = $1 AND name > $2 ORDER BY name LIMIT $3")   \
    X(TAGS_OF_MANIFEST, "SELECT t.name FROM manifests m"                                           \
                        " JOIN tags t ON t.manifest_id = m.id AND t.repo_id = m.repo_id"           \
                        " WHERE m.repo_id = $1 AND m.digest = $2 AND t.name > $3"                  \
                        " ORDER BY t.name LIMIT $4")                                               \
    X(TAGS_OF_MANIFEST_NEWER, "SELECT 1 FROM tags WHERE manifest_id = $1 AND version > $2"         \
                              " LIMIT 1")                                                          \
    X(TAGS_OF_MANIFEST_DELETE, "DELETE FROM tags WHERE manifest_id = $1")                          \
                                                                                                   \
    X(REPO_TAGS, "SELECT t.name, m.digest, t.version, t.pushed_ms FROM repos r"                    \
                 " JOIN tags t ON t.repo_id = r.id JOIN manifests m ON m.id = t.manifest_id"       \
                 " WHERE r.name = $1 AND t.name > $2 ORDER BY t.name LIMIT $3")                    \
    X(REPO_MANIFESTS, "SELECT m.digest, m.subject, length(m.bytes),"                               \
                      " coalesce((SELECT since_ms FROM ages WHERE manifest_id = m.id), 0),"        \
                      " CASE WHEN EXISTS (SELECT 1 FROM edges e WHERE e.repo_id = m.repo_id"       \
                      " AND e.digest = m.digest AND e.kind IN ($4, $5)) THEN 1 ELSE 0 END"         \
                      " FROM repos r JOIN manifests m ON m.repo_id = r.id"                         \
                      " WHERE r.name = $1 AND m.digest > $2 ORDER BY m.digest LIMIT $3")           \
    X(REPO_BLOBS, "SELECT b.digest, b.size_bytes,"                                                 \
                  " CASE WHEN EXISTS (SELECT 1 FROM edges e WHERE e.repo_id = b.repo_id"           \
                  " AND e.digest = b.digest AND e.kind IN ($4, $5)) THEN 1 ELSE 0 END,"            \
                  " CASE WHEN EXISTS (SELECT 1 FROM blobs o WHERE o.digest = b.digest"             \
                  " AND o.repo_id <> b.repo_id) THEN 1 ELSE 0 END"                                 \
                  " FROM repos r JOIN blobs b ON b.repo_id = r.id"                                 \
                  " WHERE r.name = $1 AND b.digest > $2 ORDER BY b.digest LIMIT $3")               \
    X(REPO_PLACES_BY_NAME, "SELECT name, 0 FROM repos WHERE manifests > 0 AND name > $1"           \
                           " AND @find@(name, $2) > 0 ORDER BY name LIMIT $3")                     \
    X(REPO_PLACES_BY_PUSH,                                                                         \
      "SELECT name, pushed_ms FROM repos WHERE manifests > 0 AND (pushed_ms, name) < ($1, $2)"     \
      " AND @find@(name, $3) > 0 ORDER BY pushed_ms DESC, name DESC LIMIT $4")                     \
    X(REPO_PLACES_BY_SIZE,                                                                         \
      "SELECT name, bytes FROM repos WHERE manifests > 0 AND (bytes, name) < ($1, $2)"             \
      " AND @find@(name, $3) > 0 ORDER BY bytes DESC, name DESC LIMIT $4")                         \
    X(TAG_PLACES_BY_NAME,                                                                          \
      "SELECT name, 0 FROM tags WHERE repo_id = (SELECT id FROM repos WHERE name = $1)"            \
      " AND name > $2 AND @find@(lower(name), $3) > 0 ORDER BY name LIMIT $4")                     \
    X(TAG_PLACES_BY_PUSH, "SELECT name, pushed_ms FROM tags"                                       \
                          " WHERE repo_id + 0 = (SELECT id + 0 FROM repos WHERE name = $1)"        \
                          " AND (pushed_ms, name) < ($2, $3) AND @find@(lower(name), $4) > 0"      \
                          " ORDER BY pushed_ms DESC, name DESC LIMIT $5")                          \
    /* CROSS: SQLite, which knows no sizes, is to begin with the list. */                          \
    X(REPOS_SHOWN,                                                                                 \
      "SELECT x.position, coalesce(m.digest, ''), coalesce(m.media_type, ''),"                     \
      " coalesce(length(m.bytes), 0), " SQL_SHOWN_BYTES ", coalesce(t.name, ''),"                  \
      " coalesce(t.version, 0), coalesce(t.pushed_ms, 0), r.manifests, r.bytes, r.tags,"           \
      " r.pushed_ms FROM @list@$1@list_end@ x CROSS JOIN repos r"                                  \
      " LEFT JOIN tags t ON t.repo_id = r.id AND t.name = (SELECT n.name FROM tags n"              \
      " WHERE n.repo_id + 0 = r.id + 0 ORDER BY n.pushed_ms DESC, n.name DESC LIMIT 1)"            \
      " LEFT JOIN manifests m ON m.id = t.manifest_id WHERE r.name = x.value")                     \
    X(TAGS_SHOWN,                                                                                  \
      "SELECT x.position, m.digest, m.media_type, length(m.bytes), " SQL_SHOWN_BYTES               \
      ", x.value, " SQL_TAG_AMONG("version") ", " SQL_TAG_AMONG(                                   \
          "pushed_ms") ", coalesce((SELECT v.actor FROM moves v WHERE v.repo_id = " SQL_REPO_AMONG \
                       " AND v.tag = x.value AND v.version = " SQL_TAG_AMONG(                      \
                           "version") "), '')"                                                     \
                                      " FROM @list@$2@list_end@ x CROSS JOIN manifests m"          \
                                      " WHERE m.id = " SQL_TAG_AMONG("manifest_id"))               \
    X(MANIFESTS_SHOWN,                                                                             \
      "SELECT x.position, m.digest, m.media_type, length(m.bytes), " SQL_SHOWN_BYTES               \
      " FROM @list@$2@list_end@ x CROSS JOIN manifests m WHERE m.id ="                             \
      " (SELECT n.id FROM manifests n WHERE n.repo_id = " SQL_REPO_AMONG                           \
      " AND n.digest = x.value)")                                                                  \
    X(SIGNED_AMONG,                                                                                \
      "SELECT x.position FROM @list@$2@list_end@ x CROSS JOIN repos r"                             \
      " WHERE r.name = $1 AND (EXISTS (SELECT 1 FROM tags t WHERE t.repo_id = r.id"                \
      " AND t.name = replace(x.value, ':', '-') || '.sig')"                                        \
      " OR EXISTS (SELECT 1 FROM referrers f WHERE f.repo_id = r.id AND f.subject = x.value"       \
      " AND (f.artifact_type IN ($3, $4) OR (@find@(f.artifact_type, $5) = 1"                      \
      " AND (@find@(f.annotations, $6) > 0 OR @find@(f.annotations, $7) > 0)))))")                 \
    X(RECORDS_AMONG, "SELECT q.key, q.value, q.version, x.position FROM @list@$2@list_end@ x"      \
                     " CROSS JOIN records q WHERE q.collection = $1 AND q.key = x.value")          \
    X(AGE_DELETE, "DELETE FROM ages WHERE manifest_id = $1")                                       \
    X(AGE_OF_LEFT, "INSERT INTO ages (manifest_id, since_ms) SELECT manifest_id, $4 FROM tags"     \
                   " WHERE repo_id = $1 AND name = $2 AND manifest_id <> $3"                       \
                   " ON CONFLICT (manifest_id) DO UPDATE SET since_ms = excluded.since_ms")        \
    X(MOVE_ADD, "INSERT INTO moves (repo_id, tag, version, digest, previous, time_ms, actor)"      \
                " SELECT r.id, $2, $3, $4, coalesce((SELECT m.digest FROM tags t JOIN manifests m" \
                " ON m.id = t.manifest_id WHERE t.repo_id = r.id AND t.name = $2), ''), $5, $6"    \
                " FROM repos r WHERE r.id = $1 AND NOT EXISTS (SELECT 1 FROM tags t"               \
                " JOIN manifests m ON m.id = t.manifest_id WHERE t.repo_id = r.id"                 \
                " AND t.name = $2 AND m.digest = $4)")                                             \
    X(MOVES_OF_MANIFEST, "INSERT INTO moves (repo_id, tag, version, digest, previous, time_ms,"    \
                         " actor) SELECT t.repo_id, t.name, $2, '', m.digest, $3, $4 FROM tags t"  \
                         " JOIN manifests m ON m.id = t.manifest_id WHERE t.manifest_id = $1")     \
    X(MOVE_LIST, "SELECT v.version, v.digest, v.previous, v.time_ms, v.actor FROM repos r"         \
                 " JOIN moves v ON v.repo_id = r.id WHERE r.name = $1 AND v.tag = $2"              \
                 " AND v.version < $3 ORDER BY v.version DESC LIMIT $4")                           \
    X(MOVES_PRUNE, "DELETE FROM moves WHERE time_ms < $1")                                         \
                                                                                                   \
    X(PROJECTION_SET, "INSERT INTO projections (repo_id, tag, version, digest, holder)"            \
                      " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (repo_id, tag) DO UPDATE"          \
                      " SET version = excluded.version, digest = excluded.digest")                 \
    X(PROJECTIONS_OF_MANIFEST,                                                                     \
      "INSERT INTO projections (repo_id, tag, version, digest, holder)"                            \
      " SELECT repo_id, name, $2, '', $3 FROM tags WHERE manifest_id = $1"                         \
      " ON CONFLICT (repo_id, tag) DO UPDATE"                                                      \
      " SET version = excluded.version, digest = excluded.digest")                                 \
    X(PROJECTION_DONE, "DELETE FROM projections"                                                   \
                       " WHERE repo_id = $1 AND tag = $2 AND version <= $3")                       \
    X(PROJECTION_LIST, "SELECT r.name, p.tag, p.version, p.digest FROM projections p"              \
                       " JOIN repos r ON r.id = p.repo_id WHERE p.holder = ''"                     \
                       " ORDER BY p.id LIMIT $1")                                                  \
    X(PROJECTION_LIST_HELD, "SELECT r.name, p.tag, p.version, p.digest FROM projections p"         \
                            " JOIN repos r ON r.id = p.repo_id"                                    \
                            " WHERE p.holder = $2 AND p.holder <> ''"                              \
                            " ORDER BY p.id LIMIT $1")                                             \
    X(PROJECTION_HOLDERS, "SELECT DISTINCT holder FROM projections WHERE holder <> '' LIMIT $1")   \
                                                                                                   \
    X(REFERRER_ADD, "INSERT INTO referrers (repo_id, subject, digest, artifact_type, media_type,"  \
                    " size_bytes, annotations) VALUES ($1, $2, $3, $4, $5, $6, $7)")               \
    X(REFERRER_DELETE, "DELETE FROM referrers"                                                     \
                       " WHERE repo_id = $1 AND subject = $2 AND digest = $3")                     \
    X(REFERRER_LIST, "SELECT f.digest, f.size_bytes, f.media_type, f.artifact_type, f.annotations" \
                     " FROM repos r JOIN referrers f ON f.repo_id = r.id"                          \
                     " WHERE r.name = $1 AND f.subject = $2 AND f.digest > $3"                     \
                     " ORDER BY f.digest LIMIT $4")                                                \
    X(REFERRER_LIST_TYPED,                                                                         \
      "SELECT f.digest, f.size_bytes, f.media_type, f.artifact_type, f.annotations"                \
      " FROM repos r JOIN referrers f ON f.repo_id = r.id"                                         \
      " WHERE r.name = $1 AND f.subject = $2 AND f.artifact_type = $5 AND f.digest > $3"           \
      " ORDER BY f.digest LIMIT $4")                                                               \
                                                                                                   \
    X(UPLOAD_TAKE, "INSERT INTO uploads (id, repo, owner, algorithm, started_ms, holder, turn)"    \
                   " VALUES ($1, $2, $3, $4, $5, $6, 1) ON CONFLICT (id) DO UPDATE"                \
                   " SET holder = excluded.holder, turn = uploads.turn + 1"                        \
                   " WHERE uploads.digest = '' AND uploads.repo = excluded.repo"                   \
                   " AND uploads.owner = excluded.owner RETURNING turn")                           \
    X(UPLOAD_GET, "SELECT id, repo, owner, algorithm, started_ms, holder, turn, digest"            \
                  " FROM uploads WHERE id = $1")                                                   \
    X(UPLOAD_LIST, "SELECT id, repo, owner, algorithm, started_ms, holder, turn, digest"           \
                   " FROM uploads WHERE digest = '' AND started_ms < $1"                           \
                   " AND (started_ms, id) > ($2, $3) ORDER BY started_ms, id LIMIT $4")            \
    X(UPLOAD_FINISH, "INSERT INTO uploads (id, repo, owner, algorithm, started_ms, holder, turn,"  \
                     " digest, finished_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"           \
                     " ON CONFLICT (id) DO UPDATE SET digest = excluded.digest,"                   \
                     " finished_ms = excluded.finished_ms WHERE uploads.digest = ''"               \
                     " AND uploads.turn = excluded.turn RETURNING turn")                           \
    X(FINISHED_GET, "SELECT repo, owner, digest, finished_ms FROM uploads"                         \
                    " WHERE id = $1 AND digest <> '' AND digest <> '-'")                           \
    X(FINISHED_PRUNE, "DELETE FROM uploads WHERE digest <> '' AND finished_ms < $1")               \
                                                                                                   \
    X(TAGS_OF_MANIFEST_COUNT, "SELECT count(*) FROM tags WHERE manifest_id = $1")                  \
    X(USAGE_ALL, "SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT),"                                 \
                 " CAST(coalesce(sum(tags), 0) AS BIGINT), count(*) FROM repos")                   \
    X(USAGE, "SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT),"                                     \
             " CAST(coalesce(sum(tags), 0) AS BIGINT), count(*) FROM repos"                        \
             " WHERE name = $1 OR (name > $2 AND name < $3)")                                      \
                                                                                                   \
    X(RECORD_GET, "SELECT key, value, version FROM records WHERE collection = $1 AND key = $2")    \
    X(RECORD_VERSION, "SELECT version FROM records WHERE collection = $1 AND key = $2 @change@")   \
    X(RECORD_ADD, "INSERT INTO records (collection, key, value, version) VALUES ($1, $2, $3, 1)"   \
                  " ON CONFLICT (collection, key) DO NOTHING RETURNING version")                   \
    X(RECORD_APPEND, "INSERT INTO records (collection, key, value, version) VALUES ($1,"           \
                     " @stamp@CAST($4 AS TEXT)@stamp_end@ || CAST($2 AS TEXT), $3, 1)")            \
    X(RECORD_SET, "UPDATE records SET value = $3, version = version + 1"                           \
                  " WHERE collection = $1 AND key = $2")                                           \
    X(RECORD_DELETE, "DELETE FROM records WHERE collection = $1 AND key = $2")                     \
    X(RECORD_CHECK, "@must@SELECT version FROM records WHERE collection = $1 AND key = $2"         \
                    " @hold@@must_end@")                                                           \
    X(RECORD_LIST, "SELECT key, value, version FROM records"                                       \
                   " WHERE collection = $1 AND key > $2 ORDER BY key LIMIT $3")                    \
                                                                                                   \
    X(AUDIT_ADD, "INSERT INTO audit (time_ms, actor, action, target, address, result, detail,"     \
                 " repository) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")                           \
    X(AUDIT_PRUNE, "DELETE FROM audit WHERE time_ms < $1")                                         \
    X(AUDIT_LIST, SQL_AUDIT " WHERE" SQL_AUDIT_PAGE)                                               \
    X(AUDIT_BY_REPOSITORY,                                                                         \
      SQL_AUDIT " WHERE repository = $5 AND repository <> '' AND" SQL_AUDIT_PAGE)                  \
    X(AUDIT_BY_ACTOR, SQL_AUDIT " WHERE actor = $5 AND" SQL_AUDIT_PAGE)                            \
    X(AUDIT_BY_ADDRESS, SQL_AUDIT " WHERE address = $5 AND" SQL_AUDIT_PAGE)                        \
    X(AUDIT_BY_FAILURE, SQL_AUDIT " WHERE result = $5 AND result <> 'ok' AND" SQL_AUDIT_PAGE)      \
    X(AUDIT_BY_ACTION, SQL_AUDIT " WHERE action = $5 AND" SQL_AUDIT_PAGE)                          \
                                                                                                   \
    X(JOB_ADD, SQL_JOBS_NEW                                                                        \
      " ON CONFLICT (kind, key) DO UPDATE SET"                                                     \
      " wanted = CASE WHEN jobs.state = 1 THEN 1 ELSE 0 END,"                                      \
      " due_ms = CASE WHEN jobs.state = 0 AND jobs.attempts = 0"                                   \
      " AND excluded.due_ms < jobs.due_ms THEN excluded.due_ms ELSE jobs.due_ms END,"              \
      " priority = CASE WHEN excluded.priority < jobs.priority THEN excluded.priority"             \
      " ELSE jobs.priority END")                                                                   \
    X(JOB_ADD_ABSENT, SQL_JOBS_NEW " ON CONFLICT (kind, key) DO NOTHING")                          \
    X(JOB_TAKE, "UPDATE jobs SET state = 1, holder = $4, turn = turn + 1, note = '',"              \
                " attempts = attempts + 1, changed_ms = $5,"                                       \
                " wanted = CASE WHEN wanted = 2 THEN 2 ELSE 0 END"                                 \
                " WHERE kind = $1 AND key = $2 AND turn = $3 AND state <> 2 RETURNING turn")       \
    X(JOB_LOCK, "SELECT state, turn, wanted, attempts FROM jobs"                                   \
                " WHERE kind = $1 AND key = $2 @lock@")                                            \
    X(JOB_NOTE, "UPDATE jobs SET note = $3 WHERE kind = $1 AND key = $2")                          \
    X(JOB_WAIT, "UPDATE jobs SET state = $3, holder = '', wanted = 0, turn = turn + 1,"            \
                " due_ms = $4, attempts = $5, note = $6, changed_ms = $7"                          \
                " WHERE kind = $1 AND key = $2")                                                   \
    X(JOB_CANCEL, "UPDATE jobs SET wanted = 2 WHERE kind = $1 AND key = $2")                       \
    X(JOB_DELETE, "DELETE FROM jobs WHERE kind = $1 AND key = $2")                                 \
    X(JOB_GET, "SELECT " SQL_JOBS_ROW " FROM jobs WHERE kind = $1 AND key = $2")                   \
    X(JOB_LIST, "SELECT " SQL_JOBS_ROW " FROM jobs WHERE (kind, key) > ($1, $2)"                   \
                " ORDER BY kind, key LIMIT $3")                                                    \
    X(JOB_WAITING, "SELECT " SQL_JOBS_ROW " FROM jobs WHERE state = 0 AND due_ms <= $1"            \
                   " ORDER BY priority, due_ms LIMIT $2")                                          \
    X(JOB_RUNNING, "SELECT " SQL_JOBS_ROW " FROM jobs WHERE state = 1"                             \
                   " ORDER BY priority, due_ms LIMIT $1")                                          \
                                                                                                   \
    X(QUICK_REPO_ADD, "INSERT INTO repos (name, manifests, version) SELECT $1, 0, " SQL_FLOOR      \
                      " WHERE NOT EXISTS (SELECT 1 FROM repos WHERE name = $1)"                    \
                      " ON CONFLICT (name) DO NOTHING")                                            \
    X(QUICK_REPO_LOCK, "@must@SELECT id FROM repos WHERE name = $1 @lock@@must_end@")              \
    X(QUICK_BLOB_COUNT, "UPDATE repos SET bytes = bytes + $3 WHERE name = $1 AND NOT EXISTS"       \
                        " (SELECT 1 FROM blobs b WHERE b.digest = $2 AND b.repo_id = repos.id)")   \
    X(QUICK_BLOB_ADD,                                                                              \
      "INSERT INTO blobs (repo_id, digest, size_bytes) SELECT id, $2, $3 FROM repos"               \
      " WHERE name = $1 ON CONFLICT (digest, repo_id) DO NOTHING")                                 \
    X(QUICK_BLOB_CHECK, "@must@" SQL_BLOB_HELD "@must_end@")                                       \
    X(QUICK_MANIFEST_COUNT,                                                                        \
      "UPDATE repos SET manifests = manifests + 1 WHERE name = $1 AND NOT EXISTS"                  \
      " (SELECT 1 FROM manifests m WHERE m.repo_id = repos.id AND m.digest = $2)")                 \
    X(QUICK_MANIFEST_ADD, "INSERT INTO manifests (repo_id, digest, media_type, subject, bytes)"    \
                          " SELECT id, $2, $3, $4, $5 FROM repos WHERE name = $1"                  \
                          " ON CONFLICT (repo_id, digest) DO UPDATE SET media_type ="              \
                          " excluded.media_type, bytes = excluded.bytes"                           \
                          " WHERE manifests.bytes <> excluded.bytes")                              \
    X(QUICK_EDGES_ADD,                                                                             \
      "INSERT INTO edges (manifest_id, position, repo_id, kind, digest) SELECT m.id, x.position,"  \
      " m.repo_id, CAST(substr(x.value, 1, 1) AS SMALLINT), substr(x.value, 2)"                    \
      " FROM @list@$3@list_end@ x JOIN repos r ON r.name = $1"                                     \
      " JOIN manifests m ON m.repo_id = r.id AND m.digest = $2 WHERE x.position >= 0"              \
      " ON CONFLICT (manifest_id, position) DO NOTHING")                                           \
    X(QUICK_EDGES_CHECK,                                                                           \
      "@must@SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM repos r"                                     \
      " JOIN manifests m ON m.repo_id = r.id JOIN edges e ON e.manifest_id = m.id"                 \
      " WHERE r.name = $1 AND m.digest = $2 AND " SQL_EDGE_LEADS_NOWHERE("$3",                     \
                                                                         "$4") ")@must_end@")      \
    X(QUICK_REFERRER_ADD,                                                                          \
      "INSERT INTO referrers (repo_id, subject, digest, artifact_type,"                            \
      " media_type, size_bytes, annotations) SELECT id, $2, $3, $4, $5, $6, $7"                    \
      " FROM repos WHERE name = $1"                                                                \
      " ON CONFLICT (repo_id, subject, digest) DO NOTHING")                                        \
    X(QUICK_MANIFEST_CHECK, "@must@SELECT m.id FROM repos r JOIN manifests m ON m.repo_id = r.id"  \
                            " WHERE r.name = $1 AND m.digest = $2@must_end@")                      \
    X(QUICK_TAG_CHECK, "@must@SELECT 1 WHERE coalesce((SELECT t.version FROM repos r"              \
                       " JOIN tags t ON t.repo_id = r.id WHERE r.name = $1 AND t.name = $2), 0)"   \
                       " = $3@must_end@")                                                          \
    X(QUICK_TAG_COUNT, "UPDATE repos SET version = version + 1, tags = tags +"                     \
                       " CASE WHEN EXISTS (SELECT 1 FROM tags t WHERE t.repo_id = repos.id"        \
                       " AND t.name = $2) THEN 0 ELSE 1 END, pushed_ms ="                          \
                       " CASE WHEN pushed_ms < $3 THEN $3 ELSE pushed_ms END WHERE name = $1")     \
    X(QUICK_AGE_ADD, "INSERT INTO ages (manifest_id, since_ms) SELECT m.id, $3 FROM repos r"       \
                     " JOIN manifests m ON m.repo_id = r.id WHERE r.name = $1 AND m.digest = $2"   \
                     " ON CONFLICT (manifest_id) DO UPDATE SET since_ms = excluded.since_ms")      \
    X(QUICK_AGE_OF_LEFT,                                                                           \
      "INSERT INTO ages (manifest_id, since_ms) SELECT m.id, $4 FROM repos r"                      \
      " JOIN tags t ON t.repo_id = r.id JOIN manifests m ON m.id = t.manifest_id"                  \
      " WHERE r.name = $1 AND t.name = $2 AND m.digest <> $3"                                      \
      " ON CONFLICT (manifest_id) DO UPDATE SET since_ms = excluded.since_ms")                     \
    X(QUICK_MOVE_ADD,                                                                              \
      "INSERT INTO moves (repo_id, tag, version, digest, previous, time_ms, actor)"                \
      " SELECT r.id, $2, r.version, $3, coalesce((SELECT m.digest FROM tags t"                     \
      " JOIN manifests m ON m.id = t.manifest_id WHERE t.repo_id = r.id"                           \
      " AND t.name = $2), ''), $4, $5 FROM repos r WHERE r.name = $1"                              \
      " AND NOT EXISTS (SELECT 1 FROM tags t JOIN manifests m"                                     \
      " ON m.id = t.manifest_id WHERE t.repo_id = r.id AND t.name = $2"                            \
      " AND m.digest = $3)")                                                                       \
    X(QUICK_TAG_SET, "INSERT INTO tags (repo_id, name, manifest_id, version, pushed_ms)"           \
                     " SELECT r.id, $2, m.id, r.version, $4 FROM repos r"                          \
                     " JOIN manifests m ON m.repo_id = r.id WHERE r.name = $1 AND m.digest = $3"   \
                     " ON CONFLICT (repo_id, name) DO UPDATE"                                      \
                     " SET manifest_id = excluded.manifest_id, version = excluded.version,"        \
                     " pushed_ms = excluded.pushed_ms")                                            \
    X(QUICK_PROJECTION_SET, "INSERT INTO projections (repo_id, tag, version, digest, holder)"      \
                            " SELECT id, $2, version, $3, $4 FROM repos WHERE name = $1"           \
                            " ON CONFLICT (repo_id, tag) DO UPDATE"                                \
                            " SET version = excluded.version, digest = excluded.digest")           \
    X(QUICK_PROJECTION_DONE, "DELETE FROM projections WHERE repo_id ="                             \
                             " (SELECT id FROM repos WHERE name = $1)"                             \
                             " AND tag = $2 AND version <= $3")                                    \
    X(QUICK_UPLOAD_LOCK, "@must@SELECT turn FROM uploads WHERE id = $1 AND turn = $2"              \
                         " AND digest = '' @lock@@must_end@")                                      \
    X(QUICK_UPLOAD_END, "UPDATE uploads SET digest = $2, finished_ms = $3 WHERE id = $1")          \
    X(QUICK_USAGE_ALL, "@must@SELECT 1 FROM (SELECT sum(bytes) AS bytes, sum(tags) AS tags"        \
                       " FROM repos) u WHERE bytes <= $1 AND tags <= $2@must_end@")                \
    X(QUICK_USAGE, "@must@SELECT 1 FROM (SELECT sum(bytes) AS bytes, sum(tags) AS tags FROM repos" \
                   " WHERE name = $1 OR (name > $2 AND name < $3)) u"                              \
                   " WHERE bytes <= $4 AND tags <= $5@must_end@")                                  \
    X(CONDEMN_BLOB,                                                                                \
      "INSERT INTO condemned (repo_id, digest, kind, since_ms, why, run)"                          \
      " SELECT b.repo_id, b.digest, 0, $3, $4, $5 FROM blobs b WHERE b.repo_id = $1"               \
      " AND b.digest = $2 AND NOT EXISTS (SELECT 1 FROM edges e JOIN manifests u"                  \
      " ON u.id = e.manifest_id WHERE e.repo_id = $1 AND e.digest = $2 AND NOT " SQL_IS_CONDEMNED  \
      ") ON CONFLICT (repo_id, digest, kind) DO NOTHING RETURNING why")                            \
    X(CONDEMN_MANIFEST,                                                                            \
      "INSERT INTO condemned (repo_id, digest, kind, since_ms, why, run)"                          \
      " SELECT m.repo_id, m.digest, 1, $3, $4, $5 FROM manifests m WHERE m.repo_id = $1"           \
      " AND m.digest = $2 AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.manifest_id = m.id"         \
      " AND t.version > $6) AND NOT EXISTS (SELECT 1 FROM edges e JOIN manifests u"                \
      " ON u.id = e.manifest_id WHERE e.repo_id = $1 AND e.digest = $2 AND NOT " SQL_IS_CONDEMNED  \
      ") AND NOT " SQL_SUBJECT_IS(                                                                 \
          "NOT " SQL_IS_CONDEMNED) " AND NOT EXISTS (SELECT 1 FROM ages a"                         \
                                   " WHERE a.manifest_id = m.id AND a.since_ms >= $7)"             \
                                   " ON CONFLICT (repo_id, digest, kind) DO NOTHING RETURNING "    \
                                   "why")                                                          \
    X(CONDEMN_LEFT,                                                                                \
      "INSERT INTO condemned (repo_id, digest, kind, since_ms, why, run)"                          \
      " SELECT m.repo_id, m.digest, 1, $3, $4, '' FROM edges e JOIN manifests m"                   \
      " ON m.repo_id = $1 AND m.digest = e.digest WHERE e.manifest_id = $2"                        \
      " AND e.kind IN ($5, $6)"                                                                    \
      " AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.manifest_id = m.id)"                          \
      " AND NOT EXISTS (SELECT 1 FROM edges o WHERE o.repo_id = $1 AND o.digest = m.digest"        \
      " AND o.manifest_id <> $2) " SQL_CONDEMN_ANEW)                                               \
    X(CONDEMN_REFERRERS,                                                                           \
      "INSERT INTO condemned (repo_id, digest, kind, since_ms, why, run)"                          \
      " SELECT m.repo_id, m.digest, 1, $3, $4, '' FROM referrers f JOIN manifests m"               \
      " ON m.repo_id = f.repo_id AND m.digest = f.digest WHERE f.repo_id = $1 AND f.subject = $2"  \
      " AND " SQL_LEFT_BY("$2") SQL_CONDEMN_ANEW)                                                  \
    X(CONDEMN_SIGNATURES,                                                                          \
      "INSERT INTO condemned (repo_id, digest, kind, since_ms, why, run)"                          \
      " SELECT m.repo_id, m.digest, 1, $2, $3, '' FROM tags s JOIN manifests m"                    \
      " ON m.id = s.manifest_id WHERE s.repo_id = $1 AND s.name IN ($5, $6, $7, $8)"               \
      " AND m.digest <> $4 AND " SQL_LEFT_BY("$4") SQL_CONDEMN_ANEW)                               \
    X(REVIVE, "DELETE FROM condemned WHERE repo_id = (SELECT id FROM repos WHERE name = $1)"       \
              " AND digest = $2 AND kind = $3")                                                    \
    X(REVIVE_BY, "DELETE FROM condemned WHERE repo_id = $1 AND digest = $2 AND kind = $3"          \
                 " AND ($4 = '' OR EXISTS (SELECT 1 FROM manifests m WHERE m.repo_id = $1"         \
                 " AND m.digest = $4)) AND ($5 < 0 OR why = $5) RETURNING why")                    \
    X(CONDEMN_LATER, "UPDATE condemned SET since_ms = $4 WHERE repo_id = $1 AND digest = $2"       \
                     " AND kind = $3 AND since_ms < $4")                                           \
    X(MANIFEST_CONDEMNED, "SELECT c.since_ms FROM repos r JOIN condemned c ON c.repo_id = r.id"    \
                          " WHERE r.name = $1 AND c.digest = $2 AND c.kind = 1")                   \
    X(REVIVE_NAMED,                                                                                \
      "WITH RECURSIVE named(repo_id, digest) AS (SELECT m.repo_id, m.digest"                       \
      " FROM repos r JOIN manifests m ON m.repo_id = r.id"                                         \
      " WHERE r.name = $1 AND m.digest = $2 UNION SELECT e.repo_id, e.digest"                      \
      " FROM named n JOIN manifests m ON m.repo_id = n.repo_id"                                    \
      " AND m.digest = n.digest JOIN edges e ON e.manifest_id = m.id)"                             \
      " DELETE FROM condemned WHERE repo_id = (SELECT id FROM repos WHERE name = $1)"              \
      " AND digest IN (SELECT digest FROM named)")                                                 \
    X(CONDEMNED_CHECK, "SELECT c.why FROM condemned c WHERE c.repo_id = $1 AND c.digest = $2"      \
                       " AND c.kind = $3 AND c.since_ms <= $4 AND NOT EXISTS (SELECT 1 FROM"       \
                       " manifests m WHERE m.repo_id = $1 AND m.digest = $2 AND c.kind = 1"        \
                       " AND " SQL_SUBJECT_IS("1 = 1") ")")                                        \
    X(USES_BLOBS, "SELECT b.digest, 0, b.size_bytes, '', c.why, c.since_ms, c.run, 0"              \
                  " FROM blobs b LEFT JOIN condemned c ON c.repo_id = b.repo_id"                   \
                  " AND c.digest = b.digest AND c.kind = 0"                                        \
                  " WHERE b.repo_id = $1 AND b.digest > $2 ORDER BY b.digest LIMIT $3")            \
    X(USES_MANIFESTS, "SELECT m.digest, m.id, length(m.bytes), m.subject, c.why, c.since_ms,"      \
                      " c.run, a.since_ms FROM manifests m LEFT JOIN condemned c"                  \
                      " ON c.repo_id = m.repo_id AND c.digest = m.digest AND c.kind = 1"           \
                      " LEFT JOIN ages a ON a.manifest_id = m.id"                                  \
                      " WHERE m.repo_id = $1 AND m.digest > $2 ORDER BY m.digest LIMIT $3")        \
    X(USES_EDGES, "SELECT digest, manifest_id FROM edges WHERE repo_id = $1 AND digest > $2"       \
                  " AND digest <= $3 AND kind IN ($4, $5) ORDER BY digest")                        \
    X(TAG_TARGETS, "SELECT name, manifest_id FROM tags WHERE repo_id = $1 AND name > $2"           \
                   " ORDER BY name LIMIT $3")                                                      \
    X(REMOVED_REVIVE, "DELETE FROM removed WHERE digest = $1 AND place = $2 AND state <> 1"        \
                      " AND number = $3")                                                          \
    X(REMOVED_NOT, "@must_not@SELECT state FROM removed WHERE digest = $1 AND place = $2"          \
                   " AND NOT (state = 1 AND number = $3)@must_not_end@")                           \
    X(REMOVED_CONDEMN,                                                                             \
      "INSERT INTO removed (digest, place, state, number, since_ms, again, size_bytes, reason)"    \
      " SELECT $1, $2, 0, 0, $3, 0, $4, $5 WHERE NOT " SQL_IS_LINKED                               \
      " ON CONFLICT (digest, place) DO UPDATE SET"                                                 \
      " state = CASE WHEN removed.state = 1 THEN 1 ELSE 0 END,"                                    \
      " again = CASE WHEN removed.state = 1 THEN 1 ELSE 0 END,"                                    \
      " since_ms = CASE WHEN removed.state = 2 THEN excluded.since_ms ELSE removed.since_ms END")  \
    X(REMOVED_GONE, "UPDATE removed SET state = 1, number = $4, since_ms = $5"                     \
                    " WHERE digest = $1 AND place = $2 AND state = 0 AND since_ms = $3"            \
                    " AND NOT " SQL_IS_LINKED " RETURNING number")                                 \
    X(REMOVED_LIVES, "DELETE FROM removed WHERE digest = $1 AND place = $2 AND state = 0"          \
                     " AND " SQL_IS_LINKED)                                                        \
    X(REMOVED_BACK, "UPDATE removed SET state = 0, again = 0, since_ms = $4"                       \
                    " WHERE digest = $1 AND place = $2 AND state = 1 AND number = $3")             \
    X(REMOVED_FORGET, "DELETE FROM removed WHERE digest = $1 AND place = $2 AND state = 1"         \
                      " AND number = $3 AND again = 0")                                            \
    X(REMOVED_DELETED, "UPDATE removed SET state = CASE WHEN again = 1 THEN 0 ELSE 2 END,"         \
                       " again = 0, since_ms = $4"                                                 \
                       " WHERE digest = $1 AND place = $2 AND state = 1 AND number = $3")          \
    X(REMOVED_PRUNE, "DELETE FROM removed WHERE state = 2 AND since_ms < $1")                      \
    X(REMOVED_GET, "SELECT " SQL_REMOVED_ROW " FROM removed WHERE digest = $1 AND place = $2")     \
    X(REMOVED_LIST, "SELECT " SQL_REMOVED_ROW " FROM removed WHERE state = $1 AND since_ms < $2"   \
                    " AND (since_ms, digest, place) > ($3, $4, $5)"                                \
                    " ORDER BY since_ms, digest, place LIMIT $6")                                  \
                                                                                                   \
    X(ROWS_REPO, "SELECT name, manifests, version, bytes, tags, id FROM repos WHERE id > $1"       \
                 " ORDER BY id LIMIT $2")                                                          \
    X(ROWS_BLOB, "SELECT r.name, b.digest, b.size_bytes, b.digest, b.repo_id FROM blobs b JOIN"    \
                 " repos r ON r.id = b.repo_id WHERE (b.digest, b.repo_id) > ($1, $2) ORDER BY"    \
                 " b.digest, b.repo_id LIMIT $3")                                                  \
    X(ROWS_MANIFEST,                                                                               \
      "SELECT r.name, m.digest, m.media_type, m.subject, m.bytes,"                                 \
      " coalesce((SELECT since_ms FROM ages WHERE manifest_id = m.id), 0), m.id FROM"              \
      " manifests m JOIN repos r ON r.id = m.repo_id WHERE m.id > $1 ORDER BY m.id"                \
      " LIMIT $2")                                                                                 \
    X(ROWS_EDGE, "SELECT r.name, m.digest, e.digest, e.position, e.kind, e.manifest_id,"           \
                 " e.position FROM edges e JOIN manifests m ON m.id = e.manifest_id JOIN repos"    \
                 " r ON r.id = e.repo_id WHERE (e.manifest_id, e.position) > ($1, $2) ORDER BY"    \
                 " e.manifest_id, e.position LIMIT $3")                                            \
    X(ROWS_TAG, "SELECT r.name, t.name, m.digest, t.version, t.pushed_ms, t.repo_id, t.name"       \
                " FROM tags t"                                                                     \
                " JOIN manifests m ON m.id = t.manifest_id JOIN repos r ON r.id = t.repo_id"       \
                " WHERE (t.repo_id, t.name) > ($1, $2) ORDER BY t.repo_id, t.name LIMIT $3")       \
    X(ROWS_REFERRER,                                                                               \
      "SELECT r.name, f.subject, f.digest, f.artifact_type, f.media_type,"                         \
      " f.annotations, f.size_bytes, f.repo_id, f.subject, f.digest FROM referrers f"              \
      " JOIN repos r ON r.id = f.repo_id WHERE (f.repo_id, f.subject, f.digest) >"                 \
      " ($1, $2, $3) ORDER BY f.repo_id, f.subject, f.digest LIMIT $4")                            \
    X(ROWS_PROJECTION, "SELECT r.name, p.tag, p.digest, p.version, p.id FROM projections p JOIN"   \
                       " repos r ON r.id = p.repo_id WHERE p.id > $1 ORDER BY p.id LIMIT $2")      \
    X(ROWS_UPLOAD,                                                                                 \
      "SELECT id, repo, owner, algorithm, digest, started_ms, finished_ms, turn, id FROM"          \
      " uploads WHERE id > $1 ORDER BY id LIMIT $2")                                               \
    X(ROWS_RECORD, "SELECT collection, key, value, version, collection, key FROM records WHERE"    \
                   " (collection, key) > ($1, $2) ORDER BY collection, key LIMIT $3")              \
    X(ROWS_AUDIT, "SELECT actor, action, target, address, result, detail, repository, time_ms,"    \
                  " id FROM audit WHERE id > $1 ORDER BY id LIMIT $2")                             \
    X(ROWS_JOB, "SELECT kind, key, note, state, priority, due_ms, attempts, kind, key FROM jobs"   \
                " WHERE (kind, key) > ($1, $2) ORDER BY kind, key LIMIT $3")                       \
    X(ROWS_REMOVED, "SELECT place, digest, reason, state + 2 * again, since_ms, size_bytes,"       \
                    " number, digest, place FROM removed WHERE (digest, place) > ($1, $2)"         \
                    " ORDER BY digest, place LIMIT $3")                                            \
    X(ROW_ADD_REMOVED,                                                                             \
      "INSERT INTO removed (place, digest, reason, state, again, since_ms, size_bytes, number)"    \
      " VALUES ($1, $2, $3, CASE WHEN $4 = 3 THEN 1 ELSE $4 END,"                                  \
      " CASE WHEN $4 = 3 THEN 1 ELSE 0 END, $5, $6, $7)")                                          \
    X(ROWS_MOVE, "SELECT r.name, v.tag, v.digest, v.previous, v.actor, v.version, v.time_ms,"      \
                 " v.repo_id, v.tag, v.version FROM moves v JOIN repos r ON r.id = v.repo_id"      \
                 " WHERE (v.repo_id, v.tag, v.version) > ($1, $2, $3)"                             \
                 " ORDER BY v.repo_id, v.tag, v.version LIMIT $4")                                 \
    X(ROW_ADD_REPO, "INSERT INTO repos (name, manifests, version, bytes, tags) VALUES ($1, $2,"    \
                    " $3, $4, $5)")                                                                \
    X(ROW_ADD_BLOB, "INSERT INTO blobs (repo_id, digest, size_bytes) SELECT id, $2, $3 FROM repos" \
                    " WHERE name = $1")                                                            \
    X(ROW_ADD_MANIFEST,                                                                            \
      "INSERT INTO manifests (repo_id, digest, media_type, subject, bytes) SELECT"                 \
      " id, $2, $3, $4, $5 FROM repos WHERE name = $1")                                            \
    X(ROW_ADD_AGE, "INSERT INTO ages (manifest_id, since_ms) SELECT m.id, $3 FROM repos r JOIN"    \
                   " manifests m ON m.repo_id = r.id WHERE r.name = $1 AND m.digest = $2")         \
    X(ROW_ADD_EDGE, "INSERT INTO edges (manifest_id, position, repo_id, kind, digest) SELECT"      \
                    " m.id, $4, r.id, $5, $3 FROM repos r JOIN manifests m ON m.repo_id = r.id"    \
                    " WHERE r.name = $1 AND m.digest = $2")                                        \
    X(ROW_ADD_TAG, "INSERT INTO tags (repo_id, name, manifest_id, version, pushed_ms)"             \
                   " SELECT r.id, $2, m.id, $4, $5 FROM repos r JOIN manifests m"                  \
                   " ON m.repo_id = r.id WHERE r.name = $1 AND m.digest = $3")                     \
    X(ROW_ADD_TAG_PUSH, "UPDATE repos SET pushed_ms = $2 WHERE name = $1 AND pushed_ms < $2")      \
    X(ROW_ADD_MOVE, "INSERT INTO moves (repo_id, tag, digest, previous, actor, version, time_ms)"  \
                    " SELECT id, $2, $3, $4, $5, $6, $7 FROM repos WHERE name = $1")               \
    X(ROW_ADD_REFERRER,                                                                            \
      "INSERT INTO referrers (repo_id, subject, digest, artifact_type, media_type,"                \
      " annotations, size_bytes) SELECT id, $2, $3, $4, $5, $6, $7 FROM repos WHERE"               \
      " name = $1")                                                                                \
    X(ROW_ADD_PROJECTION,                                                                          \
      "INSERT INTO projections (repo_id, tag, digest, version) SELECT id, $2, $3,"                 \
      " $4 FROM repos WHERE name = $1")                                                            \
    X(ROW_ADD_UPLOAD, "INSERT INTO uploads (id, repo, owner, algorithm, digest, started_ms,"       \
                      " finished_ms, turn) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")               \
    X(ROW_ADD_RECORD, "INSERT INTO records (collection, key, value, version) VALUES ($1, $2, $3,"  \
                      " $4)")                                                                      \
    X(ROW_ADD_AUDIT, "INSERT INTO audit (actor, action, target, address, result, detail,"          \
                     " repository, time_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")              \
    X(ROW_ADD_JOB, "INSERT INTO jobs (kind, key, note, state, priority, due_ms, attempts)"         \
                   " VALUES ($1, $2, $3, $4, $5, $6, $7)")

/* Of repository $1; a column of its tag x.value. As look-ups that each take one row: a join would
 * be made of all that the repository has, by PostgreSQL, which takes it for one of the usual size.
 */
#define SQL_REPO_AMONG "(SELECT id FROM repos WHERE name = $1)"
#define SQL_TAG_AMONG(column)                                                                      \
    "(SELECT t." column " FROM tags t WHERE t.repo_id = " SQL_REPO_AMONG " AND t.name = x.value)"
#define SQL_SHOWN_BYTES "CASE WHEN length(m.bytes) <= 65536 THEN m.bytes END"
#define SQL_BLOB_HELD                                                                              \
    "SELECT size_bytes FROM blobs WHERE digest = $2"                                               \
    " AND repo_id = (SELECT id FROM repos WHERE name = $1) @hold@"
#define SQL_EDGE_LEADS_NOWHERE(blob, manifest)                                                     \
    "((e.kind = " blob " AND NOT EXISTS (SELECT 1 FROM blobs b"                                    \
    " WHERE b.digest = e.digest AND b.repo_id = e.repo_id)) OR"                                    \
    " (e.kind = " manifest " AND NOT EXISTS (SELECT 1 FROM manifests c"                            \
    " WHERE c.repo_id = e.repo_id AND c.digest = e.digest)))"
/* Of manifest u. */
#define SQL_IS_CONDEMNED                                                                           \
    "EXISTS (SELECT 1 FROM condemned c WHERE c.repo_id = u.repo_id AND c.digest = u.digest"        \
    " AND c.kind = 1)"
/* Tag t is one of what refers to another manifest (referrer_tag.h). */
#define SQL_TAG_REFERS                                                                             \
    "(length(t.name) >= 71 AND (substr(t.name, 1, 7) = 'sha256-'"                                  \
    " AND substr(t.name, 72) IN ('', '.sig', '.att', '.sbom')"                                     \
    " OR substr(t.name, 1, 7) = 'sha512-' AND length(t.name) = 71))"
#define SQL_TAG_SUBJECT "substr(t.name, 1, 6) || ':' || substr(t.name, 8, 64)"
/* Of what manifest m refers to, by itself or by such a tag, some u is there and is so. */
#define SQL_SUBJECT_IS(so)                                                                         \
    "(EXISTS (SELECT 1 FROM manifests u WHERE u.repo_id = m.repo_id AND u.digest = m.subject"      \
    " AND " so ") OR EXISTS (SELECT 1 FROM tags t JOIN manifests u ON u.repo_id = t.repo_id"       \
    " AND u.digest >= " SQL_TAG_SUBJECT " AND u.digest < " SQL_TAG_SUBJECT " || 'g'"               \
    " WHERE t.manifest_id = m.id AND " SQL_TAG_REFERS " AND " so "))"
/* Manifest m has no tag of its own, and refers to nothing else that is there. */
#define SQL_LEFT_BY(subject)                                                                       \
    "NOT EXISTS (SELECT 1 FROM tags t WHERE t.manifest_id = m.id AND NOT " SQL_TAG_REFERS ")"      \
    " AND NOT " SQL_SUBJECT_IS("u.digest <> " subject) " "
/* What was condemned stays so since then, but for another reason. */
#define SQL_CONDEMN_ANEW                                                                           \
    "ON CONFLICT (repo_id, digest, kind) DO UPDATE SET why = excluded.why, run = ''"
/* Of $1, in that repository, or in any when $2 is ''. */
#define SQL_IS_LINKED                                                                              \
    "EXISTS (SELECT 1 FROM blobs b WHERE b.digest = $1 AND ($2 = ''"                               \
    " OR b.repo_id = (SELECT r.id FROM repos r WHERE r.name = $2)))"
/* The greatest version of a repository that was deleted: that is where one begins. Whoever finds
 * that there is no such repository, in the same statement or one before, sees it as well. */
#define SQL_FLOOR                                                                                  \
    "coalesce((SELECT CAST(value AS BIGINT) FROM records WHERE collection = 'meta.floor'"          \
    " AND key = 'repositories'), 0)"

#define SQL_REMOVED_ROW "place, digest, state, number, since_ms, again, size_bytes, reason"
#define SQL_JOBS_ROW                                                                               \
    "kind, key, state, priority, due_ms, attempts, turn, wanted, holder, note, changed_ms"
#define SQL_JOBS_NEW                                                                               \
    "INSERT INTO jobs (kind, key, priority, due_ms, changed_ms) VALUES ($1, $2, $3, $4, $5)"
#define SQL_AUDIT                                                                                  \
    "SELECT id, time_ms, actor, action, target, address, result, detail, repository FROM audit"
#define SQL_AUDIT_PAGE                                                                             \
    " time_ms >= $1 AND (time_ms, id) < ($2, $3) ORDER BY time_ms DESC, id DESC LIMIT $4"

enum sql_id {
#define SQL_ENUM(name, text) SQL_##name,
    SQL_TABLE(SQL_ENUM)
#undef SQL_ENUM
        SQL_ID_COUNT
};
