#include "core/archive_session.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "core/held_image.h"
#include "core/own_repo.h"
#include "core/quota.h"
#include "core/upload.h"
#include "core/upload_record.h"
#include "jobs/jobs.h"

#include <stdio.h>
#include <stdlib.h>

#define OPEN  STR("archive-sessions")
#define ENDED STR("archive-answers")

/* Nothing in it ever becomes a blob. */
#define BYTES_REPO OWN_REPO_PREFIX "archives"

#define PAGE      64
#define TRIES     4 /* of a change that meets another */
#define USE_PARTS 8 /* that one is in use is written when an eighth of its time has gone */

static const char *const states[] = {
    [ARCHIVE_RECEIVING] = "receiving", [ARCHIVE_RECEIVED] = "received",
    [ARCHIVE_HOLDING] = "holding",     [ARCHIVE_HELD] = "held",
    [ARCHIVE_DECIDED] = "decided",     [ARCHIVE_ENDED] = "ended"};

void archive_session_done(struct archive_session *s)
{
    free(s->who);
    free(s->answer);
    s->who = s->answer = NULL;
}

const struct repo_name *archive_session_bytes_repo(const struct archive_session *s)
{
    static const struct repo_name own = {sizeof(BYTES_REPO) - 1, BYTES_REPO};

    return s->repo.n > 0 ? &s->repo : &own;
}

static enum err_code unknown(struct err *e)
{
    return err_tell(e, ERR_UPLOAD_UNKNOWN, "there is no such upload here; it may have expired");
}

static int64_t timeout_ms(const struct registry *r)
{
    return (int64_t)conf_u64(&r->options->upload_timeout_ms);
}

/* ---- records: those of an owner stand together */

static void key_of(const char *owner, const char *id, char ret_key[ARCHIVE_SESSION_KEY_MAX + 1])
{
    struct digest d;

    digest_of(DIGEST_SHA256, owner, strlen(owner), &d);
    snprintf(ret_key, ARCHIVE_SESSION_KEY_MAX + 1, "%.16s-%s", digest_hex(&d).p, id);
}

static char *to_text(const struct archive_session *s)
{
    AUTO(json)
    json_t *j = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:i}", "id", s->id.text,
        "upload", s->upload.text, "owner", s->owner, "repository", s->repo.text, "tag", s->tag.text,
        "image", s->image, "platform", s->platform, "metadata", s->metadata, "address", s->address,
        "state", states[s->state], "length",
        s->length_bytes == UINT64_MAX ? (json_int_t)-1 : (json_int_t)s->length_bytes, "started",
        (json_int_t)s->started_ms, "expires", (json_int_t)s->expires_ms, "status", s->status);

    if (j && s->digest.n > 0)
        json_object_set_new(j, "digest", json_string(s->digest.text));
    if (j && s->is_direct)
        json_object_set_new(j, "direct",
                            json_pack("{s:s, s:I}", "upload", s->direct.upload, "part",
                                      (json_int_t)s->direct.part_bytes));
    if (j && s->is_plain)
        json_object_set_new(j, "plain", json_true());
    if (j && s->until_ms)
        json_object_set_new(j, "until", json_integer(s->until_ms));
    if (j && s->plan.n > 0)
        json_object_set_new(j, "plan", json_string(s->plan.text));
    if (j && s->who)
        json_object_set_new(j, "who", json_string(s->who));
    if (j && s->answer)
        json_object_set_new(j, "answer", json_string(s->answer));
    return j ? json_dumps(j, JSON_COMPACT) : NULL;
}

static struct str text_of(const json_t *j, const char *name)
{
    const json_t *text = json_object_get(j, name);

    return json_is_string(text) ? (struct str){json_string_value(text), json_string_length(text)}
                                : STR("");
}

static char *copy_of(const json_t *j, const char *name)
{
    struct str text = text_of(j, name);

    return text.n > 0 ? str_dup(text) : NULL;
}

static bool state_of(struct str text, enum archive_state *ret_state)
{
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (str_eq(text, str_of(states[i]))) {
            *ret_state = (enum archive_state)i;
            return true;
        }
    }
    return false;
}

static bool take_texts(const json_t *j, struct archive_session *s)
{
    struct str tag = text_of(j, "tag"), digest = text_of(j, "digest"),
               repo = text_of(j, "repository"), plan = text_of(j, "plan");

    s->is_plain = json_is_true(json_object_get(j, "plain"));
    s->until_ms = json_integer_value(json_object_get(j, "until"));
    return uuid_parse(text_of(j, "id"), &s->id) &&
           (s->is_plain || uuid_parse(text_of(j, "upload"), &s->upload)) &&
           (plan.n == 0 || digest_parse(plan, &s->plan, ERR_IGNORED) == ERR_OK) &&
           str_copy(text_of(j, "owner"), s->owner, sizeof(s->owner)) &&
           (repo.n == 0 || repo_name_parse(repo, &s->repo, ERR_IGNORED) == ERR_OK) &&
           (tag.n == 0 || tag_name_parse(tag, &s->tag, ERR_IGNORED) == ERR_OK) &&
           (digest.n == 0 || digest_parse(digest, &s->digest, ERR_IGNORED) == ERR_OK) &&
           str_copy(text_of(j, "image"), s->image, sizeof(s->image)) &&
           str_copy(text_of(j, "platform"), s->platform, sizeof(s->platform)) &&
           str_copy(text_of(j, "metadata"), s->metadata, sizeof(s->metadata)) &&
           str_copy(text_of(j, "address"), s->address, sizeof(s->address)) &&
           state_of(text_of(j, "state"), &s->state);
}

/* Of one that is direct. */
static bool take_direct(const json_t *j, struct archive_session *s)
{
    const json_t *direct = json_object_get(j, "direct");

    s->is_direct = direct != NULL;
    if (!direct)
        return true;
    s->direct.id = s->upload;
    s->direct.size_bytes = s->length_bytes;
    s->direct.part_bytes = (uint64_t)json_integer_value(json_object_get(direct, "part"));
    return s->direct.part_bytes > 0 &&
           str_copy(text_of(direct, "upload"), s->direct.upload, sizeof(s->direct.upload));
}

static enum err_code from_record(const struct meta_record *record,
                                 struct archive_session *ret_session, struct err *e)
{
    AUTO(json) json_t *j = json_loads(record->value, 0, NULL);
    struct archive_session s = {.version = record->version};
    json_int_t length = json_integer_value(json_object_get(j, "length"));

    s.length_bytes = length < 0 ? UINT64_MAX : (uint64_t)length;
    if (!take_texts(j, &s) || !take_direct(j, &s) ||
        !str_copy(str_of(record->key), s.key, sizeof(s.key)))
        return err_set(e, ERR_CORRUPT, "the record of upload %s is damaged", record->key);
    s.started_ms = json_integer_value(json_object_get(j, "started"));
    s.expires_ms = json_integer_value(json_object_get(j, "expires"));
    s.status = (int)json_integer_value(json_object_get(j, "status"));
    s.who = copy_of(j, "who");
    s.answer = copy_of(j, "answer");
    *ret_session = s;
    return ERR_OK;
}

static enum err_code read_from(struct registry *r, struct str collection, struct str key,
                               struct archive_session *ret_session, struct err *e)
{
    AUTO(record) struct meta_record record = {0};

    TRY(meta_record_get(r->meta, collection, key, &record, e));
    return from_record(&record, ret_session, e);
}

enum err_code archive_session_find_key(struct registry *r, struct str key,
                                       struct archive_session *ret_session, struct err *e)
{
    enum err_code code = read_from(r, OPEN, key, ret_session, e);

    if (code == ERR_NOT_FOUND)
        code = read_from(r, ENDED, key, ret_session, e);
    return code == ERR_NOT_FOUND ? unknown(e) : code;
}

enum err_code archive_session_find(struct registry *r, const char *owner, const struct uuid *id,
                                   struct archive_session *ret_session, struct err *e)
{
    char key[ARCHIVE_SESSION_KEY_MAX + 1];

    key_of(owner, id->text, key);
    TRY(archive_session_find_key(r, str_of(key), ret_session, e));
    if (ret_session->expires_ms > clock_wall_ms())
        return ERR_OK;
    archive_session_done(ret_session);
    return unknown(e);
}

/* ---- beginning one */

/* Two that come at once may both find a place. */
static enum err_code check_room(struct registry *r, const char *owner, struct err *e)
{
    uint64_t most = conf_u64(&r->options->archives.sessions), n = 0;
    char after[ARCHIVE_SESSION_KEY_MAX + 1];
    struct str prefix;
    bool more = true;

    key_of(owner, "", after);
    prefix = (struct str){after, strlen(after)};
    while (more && n < most) {
        AUTO(records) struct meta_record_list l = {0};

        TRY(meta_records(r->meta, OPEN, str_of(after), PAGE, &l, e));
        for (size_t i = 0; i < l.n && more; i++) {
            more = str_starts(str_of(l.rows[i].key), prefix);
            n += more;
        }
        more = more && l.more && l.n > 0 &&
               str_copy(str_of(l.rows[l.n - 1].key), after, sizeof(after));
    }
    if (n < most)
        return ERR_OK;
    return err_tell(e, ERR_TOO_MANY_REQUESTS,
                    "%llu uploads of yours are open, as many as may be (upload.sessions)",
                    (unsigned long long)n);
}

/* What adds to a namespace that has too much already is refused before it comes. */
static enum err_code check_quotas(struct registry *r, const struct archive_session *s,
                                  struct err *e)
{
    struct meta_op ops[QUOTAS_MAX];
    size_t n = s->repo.n > 0 ? quota_checks(r, &s->repo, ops) : 0;

    return n > 0 ? meta_commit(r->meta, ops, n, META_LAZY, NULL, e) : ERR_OK;
}

/* Where the bytes are to come. */
static enum err_code begin_bytes(struct registry *r, struct archive_session *s, struct err *e)
{
    enum err_code code;

    if (!s->is_direct)
        return upload_begin(r, archive_session_bytes_repo(s), s->owner, DIGEST_SHA256, &s->upload,
                            e);
    TRY(registry_has_room(r, e));
    uuid_make(&s->upload);
    code = store_direct_begin(r->store, &s->upload, s->length_bytes, &s->direct, e);
    if (code == ERR_UNSUPPORTED)
        return err_tell(
            e, ERR_REQUEST_INVALID,
            "content is kept on no server that clients can send to; leave out 'direct'");
    return code;
}

static struct upload_record *open_record(struct registry *r, const struct archive_session *s,
                                         const char *request_id)
{
    const struct upload_start start = {
        .user = s->owner[0] ? s->owner : "anonymous",
        .address = s->address,
        .request_id = request_id,
        .way = s->is_direct ? "direct" : "session",
        .repo = s->repo.n > 0 ? &s->repo : NULL,
        .tag = s->tag.n > 0 ? &s->tag : NULL,
        .expected_bytes = s->length_bytes == UINT64_MAX ? UPLOAD_SIZE_UNKNOWN : s->length_bytes,
    };

    return upload_record_open(r, &start);
}

static enum err_code begin(struct registry *r, struct archive_session *s, struct err *e)
{
    AUTO(mem) char *text = NULL;
    struct meta_op op;

    TRY(begin_bytes(r, s, e));
    key_of(s->owner, s->id.text, s->key);
    s->state = ARCHIVE_RECEIVING;
    s->started_ms = clock_wall_ms();
    s->expires_ms = s->started_ms + timeout_ms(r);
    text = to_text(s);
    if (!text)
        return err_tell(e, ERR_REQUEST_INVALID, "metadata has to be text");
    op = meta_op_record_put(OPEN, str_of(s->key), str_of(text), META_ABSENT);
    return meta_commit(r->meta, &op, 1, 0, NULL, e);
}

enum err_code archive_session_begin(struct registry *r, struct archive_session *s,
                                    const char *request_id, struct err *e)
{
    struct upload_record *record;
    enum err_code code;

    TRY(check_room(r, s->owner, e));
    TRY(check_quotas(r, s, e));
    record = open_record(r, s, request_id);
    s->id = *upload_record_id(record);
    code = begin(r, s, e);
    if (code == ERR_OK)
        upload_record_leave(record, UPLOAD_WAITING);
    else
        upload_record_drop(record);
    return code;
}

struct upload_record *archive_session_record(struct registry *r, const struct archive_session *s,
                                             const char *request_id)
{
    struct upload_record *record = NULL;

    if (upload_record_resume(r, &s->id, request_id, &record, ERR_IGNORED) != ERR_OK)
        return NULL;
    if (s->length_bytes != UINT64_MAX)
        upload_record_set_expected(record, s->length_bytes);
    return record;
}

/* ---- changing one */

static enum err_code put(struct registry *r, const struct archive_session *s, bool received,
                         struct err *e)
{
    AUTO(mem) char *text = to_text(s);
    struct meta_op ops[2];
    size_t n = 0;

    ops[n++] = meta_op_record_put(OPEN, str_of(s->key), str_of(text), s->version);
    if (received)
        ops[n++] = jobs_add_op(r->jobs, ARCHIVE_SESSION_TAKE, str_of(s->key));
    TRY(meta_commit(r->meta, ops, n, received ? 0 : META_LAZY, NULL, e));
    if (received)
        jobs_wake(r->jobs);
    return ERR_OK;
}

/* As it is now, with what s says of it. Error: NOT_FOUND. */
static enum err_code read_again(struct registry *r, struct archive_session *s, struct err *e)
{
    struct archive_session now;

    TRY(read_from(r, OPEN, str_of(s->key), &now, e));
    s->version = now.version;
    s->state = now.state;
    if (now.length_bytes != UINT64_MAX)
        s->length_bytes = now.length_bytes;
    archive_session_done(&now);
    return ERR_OK;
}

enum err_code archive_session_advance(struct registry *r, struct archive_session *s,
                                      uint64_t offset_bytes, struct err *e)
{
    enum err_code code = ERR_CONFLICT;

    for (int i = 0; i < TRIES && code == ERR_CONFLICT; i++) {
        bool received;

        code = read_again(r, s, e);
        if (code == ERR_NOT_FOUND)
            return unknown(e);
        TRY(code);
        if (s->state != ARCHIVE_RECEIVING)
            return ERR_OK;
        received = offset_bytes == s->length_bytes;
        s->expires_ms = clock_wall_ms() + timeout_ms(r);
        s->state = received ? ARCHIVE_RECEIVED : ARCHIVE_RECEIVING;
        code = put(r, s, received, e);
    }
    return code;
}

void archive_session_use(struct registry *r, struct archive_session *s)
{
    int64_t later_ms = clock_wall_ms() + timeout_ms(r);

    if (later_ms - s->expires_ms > timeout_ms(r) / USE_PARTS)
        (void)!archive_session_advance(r, s, 0, ERR_IGNORED);
}

/* ---- one that waits */

static int64_t wait_ms(const struct registry *r)
{
    return (int64_t)conf_u64(&r->options->archives.scan_timeout_ms);
}

enum err_code archive_session_begin_held(struct registry *r, struct archive_session *s,
                                         struct err *e)
{
    AUTO(mem) char *text = NULL;
    struct meta_op op;

    TRY(check_room(r, s->owner, e));
    key_of(s->owner, s->id.text, s->key);
    s->is_plain = true;
    s->state = ARCHIVE_HOLDING;
    s->started_ms = clock_wall_ms();
    s->expires_ms = s->until_ms = s->started_ms + wait_ms(r);
    text = to_text(s);
    if (!text)
        return err_tell(e, ERR_REQUEST_INVALID, "parameters have to be text");
    op = meta_op_record_put(OPEN, str_of(s->key), str_of(text), META_ABSENT);
    TRY(meta_commit(r->meta, &op, 1, 0, NULL, e));
    return read_again(r, s, e);
}

static bool is_open(struct registry *r, const struct archive_session *s)
{
    AUTO(record) struct meta_record record = {0};

    return meta_record_get(r->meta, OPEN, str_of(s->key), &record, ERR_IGNORED) != ERR_NOT_FOUND;
}

/* Its state and all else that s says. */
static enum err_code become(struct registry *r, struct archive_session *s, enum archive_state state,
                            struct meta_op *ops, size_t n, struct err *e)
{
    AUTO(mem) char *text = NULL;
    enum err_code code;

    s->state = state;
    text = to_text(s);
    ops[n++] = meta_op_record_put(OPEN, str_of(s->key), str_of(text), s->version);
    code = meta_commit(r->meta, ops, n, 0, NULL, e);
    if (code == ERR_CONFLICT && !is_open(r, s))
        return unknown(e);
    TRY(code);
    code = read_again(r, s, e);
    return code == ERR_NOT_FOUND ? unknown(e) : code;
}

enum err_code archive_session_hold(struct registry *r, struct archive_session *s,
                                   const struct digest *plan, const struct meta_op *mine,
                                   struct err *e)
{
    struct meta_op ops[3];
    size_t n = 0;

    s->plan = *plan;
    s->until_ms = clock_wall_ms() + wait_ms(r);
    s->expires_ms = s->until_ms + timeout_ms(r);
    if (mine)
        ops[n++] = *mine;
    ops[n++] = jobs_add_op(r->jobs, ARCHIVE_SESSION_TAKE, str_of(s->key));
    TRY(become(r, s, ARCHIVE_HELD, ops, n, e));
    jobs_wake(r->jobs);
    return ERR_OK;
}

enum err_code archive_session_decide(struct registry *r, struct archive_session *s,
                                     struct meta_op mine, struct err *e)
{
    struct meta_op ops[2] = {mine};

    return become(r, s, ARCHIVE_DECIDED, ops, 1, e);
}

enum err_code archive_session_scanned(struct registry *r, const struct repo_name *repo,
                                      struct err *e)
{
    size_t n = sizeof(HELD_REPO) - 1;

    if (!held_repo(repo))
        return ERR_OK;
    return jobs_add(r->jobs, ARCHIVE_SESSION_TAKE, str_sub(repo_name_str(repo), n, repo->n - n), e);
}

enum err_code archive_session_look(struct registry *r, const struct archive_session *s,
                                   struct err *e)
{
    if ((s->state != ARCHIVE_HELD && s->state != ARCHIVE_DECIDED) || clock_wall_ms() < s->until_ms)
        return ERR_OK;
    return jobs_add(r->jobs, ARCHIVE_SESSION_TAKE, str_of(s->key), e);
}

enum err_code archive_session_end(struct registry *r, const struct archive_session *s, int status,
                                  struct str answer, struct meta_op mine, struct err *e)
{
    struct archive_session ended = *s;
    AUTO(mem) char *copy = str_dup(answer), *text = NULL;
    struct meta_op ops[3];
    enum err_code code;

    ended.state = ARCHIVE_ENDED;
    ended.status = status;
    ended.answer = copy;
    ended.who = NULL;
    ended.expires_ms = clock_wall_ms() + timeout_ms(r);
    text = to_text(&ended);
    ops[0] = mine;
    ops[1] = meta_op_record_delete(OPEN, str_of(s->key), s->version);
    ops[2] = meta_op_record_put(ENDED, str_of(s->key), str_of(text), META_ANY);
    code = meta_commit(r->meta, ops, 3, 0, NULL, e);
    return code == ERR_CONFLICT && !is_open(r, s) ? unknown(e) : code;
}

enum err_code archive_session_offset(struct registry *r, const struct archive_session *s,
                                     uint64_t *ret_offset_bytes, struct err *e)
{
    enum err_code code;

    if (s->state != ARCHIVE_RECEIVING || s->is_direct) {
        *ret_offset_bytes = s->state != ARCHIVE_RECEIVING ? s->length_bytes : 0;
        return ERR_OK;
    }
    code =
        upload_status(r, archive_session_bytes_repo(s), s->owner, &s->upload, ret_offset_bytes, e);
    return code == ERR_BLOB_UPLOAD_UNKNOWN ? unknown(e) : code;
}

enum err_code archive_session_collect(struct registry *r, const struct archive_session *s,
                                      uint64_t *ret_come_bytes, struct err *e)
{
    enum err_code code = store_direct_end(r->store, &s->direct, ret_come_bytes, e);

    return code == ERR_CONFLICT ? err_tell(e, code, "a part is sent just now") : code;
}

/* ---- removing */

static enum err_code remove_record(struct registry *r, struct str collection,
                                   const struct archive_session *s, struct err *e)
{
    struct meta_op op = meta_op_record_delete(collection, str_of(s->key), META_ANY);

    return meta_commit(r->meta, &op, 1, 0, NULL, e);
}

static enum err_code remove_direct(struct registry *r, const struct archive_session *s,
                                   struct err *e)
{
    TRY(remove_record(r, OPEN, s, e));
    return store_upload_delete(r->store, &s->upload, e);
}

/* One that waits, or was to: nothing of its bytes is an upload any more. */
static enum err_code remove_held(struct registry *r, const struct archive_session *s, struct err *e)
{
    struct meta_op op = meta_op_record_delete(OPEN, str_of(s->key), s->version);
    enum err_code code;

    if (s->state == ARCHIVE_DECIDED)
        return err_tell(e, ERR_UPLOAD_BUSY, "it is being stored");
    code = meta_commit(r->meta, &op, 1, 0, NULL, e);
    if (code == ERR_CONFLICT)
        return err_tell(e, ERR_UPLOAD_BUSY, "it is being stored");
    TRY(code);
    if (s->state == ARCHIVE_HELD)
        held_image_drop_original(r, s->key, &s->plan);
    return held_image_remove(r, s->key, e);
}

static enum err_code remove_open(struct registry *r, const struct archive_session *s, struct err *e)
{
    struct upload *u = NULL;
    enum err_code code;

    if (s->state >= ARCHIVE_HOLDING)
        return remove_held(r, s, e);
    if (s->is_direct)
        return remove_direct(r, s, e);
    code = upload_open(r, archive_session_bytes_repo(s), s->owner, &s->upload, UPLOAD_MORE, &u, e);
    if (code == ERR_BLOB_UPLOAD_BUSY && s->state == ARCHIVE_RECEIVING)
        return err_tell(e, ERR_UPLOAD_BUSY, "another request writes to this upload");
    if (code != ERR_OK && code != ERR_BLOB_UPLOAD_BUSY && code != ERR_BLOB_UPLOAD_UNKNOWN)
        return code;
    code = remove_record(r, OPEN, s, e);
    if (code != ERR_OK) {
        upload_close(u);
        return code;
    }
    return u ? upload_cancel(u, e) : ERR_OK;
}

enum err_code archive_session_remove(struct registry *r, const struct archive_session *s,
                                     struct err *e)
{
    if (s->state == ARCHIVE_ENDED)
        return remove_record(r, ENDED, s, e);
    TRY(remove_open(r, s, e));
    upload_record_cancel(archive_session_record(r, s, NULL),
                         s->expires_ms <= clock_wall_ms() ? "it has expired" : "it was given up");
    return ERR_OK;
}

/* ---- the sweep */

struct sweep {
    struct registry *r;
    struct err_first all;
};

static enum err_code sweep_open(struct registry *r, struct archive_session *s, struct err *e)
{
    uint64_t offset_bytes;
    enum err_code code;

    if (s->state == ARCHIVE_HELD || s->state == ARCHIVE_DECIDED)
        return archive_session_look(r, s, e);
    if (s->expires_ms <= clock_wall_ms()) {
        code = archive_session_remove(r, s, e);
        return code == ERR_UPLOAD_BUSY ? ERR_OK : code;
    }
    if (s->state != ARCHIVE_RECEIVING || s->length_bytes == UINT64_MAX)
        return ERR_OK;
    code = archive_session_offset(r, s, &offset_bytes, e);
    if (code == ERR_UPLOAD_UNKNOWN)
        return remove_record(r, OPEN, s, e);
    TRY(code);
    return offset_bytes == s->length_bytes ? archive_session_advance(r, s, offset_bytes, e)
                                           : ERR_OK;
}

static enum err_code sweep_one(void *ctx, const struct meta_record *record, struct err *e)
{
    struct sweep *x = ctx;
    AUTO(archive_session) struct archive_session s = {0};
    enum err_code code = from_record(record, &s, &x->all.step);

    (void)e;
    if (code == ERR_OK && s.state != ARCHIVE_ENDED)
        code = sweep_open(x->r, &s, &x->all.step);
    else if (code == ERR_OK && s.expires_ms <= clock_wall_ms())
        code = remove_record(x->r, ENDED, &s, &x->all.step);
    err_first_add(&x->all, code);
    return ERR_OK;
}

static enum err_code is_held(void *ctx, struct str key, bool *ret_is, struct err *e)
{
    const struct sweep *x = ctx;
    AUTO(record) struct meta_record record = {0};
    enum err_code code = meta_record_get(x->r->meta, OPEN, key, &record, e);

    *ret_is = code == ERR_OK;
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

enum err_code archive_session_sweep(struct registry *r, struct err *e)
{
    struct sweep x = {.r = r};

    TRY(meta_records_each(r->meta, OPEN, sweep_one, &x, e));
    TRY(meta_records_each(r->meta, ENDED, sweep_one, &x, e));
    err_first_add(&x.all, held_images_sweep(r, is_held, &x, &x.all.step));
    return err_first_of(&x.all, e);
}
