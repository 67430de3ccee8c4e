#include "scan/data_update.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "scan/data_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>

#define LOCK          "update.lock"
#define RETRY_MS      (60 * 1000) /* after a failure, then twice as long each time */
#define RETRY_DOUBLED 8
#define DEFAULT_DB    "2" /* the tags that the scanner takes when none is given */
#define DEFAULT_JAVA  "1"
#define NAME_SIZE     64
#define NOTE_SIZE     (DATA_ORIGIN_SIZE + 64)

bool data_dir(const struct conf_scan *c, const char *work_dir, char dst[static DATA_DIR_SIZE])
{
    int n = c->trivy.cache_dir[0] ? snprintf(dst, DATA_DIR_SIZE, "%s", c->trivy.cache_dir)
                                  : snprintf(dst, DATA_DIR_SIZE, "%s/trivy", work_dir);

    return n > 0 && n < DATA_DIR_SIZE;
}

/* ---- notes
 *
 * What came of the last cause, beside the generations: "MS FAILURES ORIGIN". So a restart asks no
 * repository again, and of several processes one asks. */

struct note {
    int64_t looked_ms; /* 0: never */
    uint64_t failures; /* since it went well */
    char origin[DATA_ORIGIN_SIZE];
};

static void note_name(enum data_part part, char dst[static NAME_SIZE])
{
    snprintf(dst, NAME_SIZE, "%s.looked", data_part_name(part));
}

static void read_note(const struct data_update *u, enum data_part part, struct note *ret)
{
    AUTO(buf) struct buf text = {0};
    struct str rest, looked, failures;
    char name[NAME_SIZE];
    uint64_t ms;

    *ret = (struct note){0};
    buf_init(&text, NOTE_SIZE);
    note_name(part, name);
    if (file_read_at(u->in->fd, name, &text, ERR_IGNORED) != ERR_OK)
        return;
    rest = buf_str(&text);
    str_cut(&rest, ' ', &looked);
    str_cut(&rest, ' ', &failures);
    if (str_to_u64(looked, INT64_MAX, &ms) && str_to_u64(failures, UINT32_MAX, &ret->failures) &&
        str_copy(rest, ret->origin, sizeof(ret->origin)))
        ret->looked_ms = (int64_t)ms;
}

static enum err_code write_note(const struct data_update *u, enum data_part part,
                                const struct note *n, struct err *e)
{
    char name[NAME_SIZE], new[NAME_SIZE + 8], text[NOTE_SIZE];
    AUTO(fd) int fd = -1;

    note_name(part, name);
    snprintf(new, sizeof(new), "%s.new", name);
    snprintf(text, sizeof(text), "%" PRId64 " %" PRIu64 " %s", n->looked_ms, n->failures,
             n->origin);
    fd = openat(u->in->fd, new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || file_write_all(fd, text, strlen(text)) < 0 ||
        renameat(u->in->fd, new, u->in->fd, name) < 0)
        return err_errno(e, "write '%s/%s'", u->in->dir, name);
    return ERR_OK;
}

/* ---- causes */

/* The digest of the tag where this registry has a repository of that name: then it is likely that
 * it is meant, and that its tag moved is cause enough to look. "" when it has none. */
static void tag_digest(const struct data_update *u, enum data_part part,
                       char dst[static DIGEST_TEXT_MAX + 1])
{
    struct str path = str_of(data_repository(u->conf, part)), host, name;
    AUTO(meta_manifest) struct meta_manifest *m = NULL;
    struct repo_name repo;
    struct tag_name tag;

    dst[0] = '\0';
    str_cut(&path, '/', &host);
    if (!str_cut(&path, ':', &name))
        path = part == DATA_DB ? STR(DEFAULT_DB) : STR(DEFAULT_JAVA);
    if (u->registry && repo_name_parse(name, &repo, ERR_IGNORED) == ERR_OK &&
        tag_name_parse(path, &tag, ERR_IGNORED) == ERR_OK &&
        meta_manifest_by_tag(u->registry->meta, &repo, &tag, &m, NULL, ERR_IGNORED) == ERR_OK)
        snprintf(dst, DIGEST_TEXT_MAX + 1, "%s", m->digest.text);
}

/* What the part is to be made of, as its origin has it; "" when there is nothing. */
static void wanted_origin(const struct data_update *u, enum data_part part,
                          char dst[static DATA_ORIGIN_SIZE])
{
    const char *repository = data_repository(u->conf, part);
    char stamp[DATA_ORIGIN_SIZE], digest[DIGEST_TEXT_MAX + 1], dir[DATA_PATH_SIZE];

    if (repository[0]) {
        tag_digest(u, part, digest);
        snprintf(dst, DATA_ORIGIN_SIZE, "%.*s%s%s", DATA_ORIGIN_SIZE - DIGEST_TEXT_MAX - 2,
                 repository, digest[0] ? "@" : "", digest);
        return;
    }
    snprintf(dir, sizeof(dir), "%s/%s", u->in->dir, data_part_name(part));
    data_stamp(dir, part, stamp);
    snprintf(dst, DATA_ORIGIN_SIZE, "%s%.*s", stamp[0] ? "put" : "", DATA_ORIGIN_SIZE - 8, stamp);
}

static int64_t rest_ms(const struct data_update *u, const struct note *n)
{
    int64_t interval_ms = (int64_t)conf_u64(&u->conf->data.interval_ms);
    uint64_t doubled = n->failures < RETRY_DOUBLED ? n->failures : RETRY_DOUBLED;
    int64_t retry_ms = RETRY_MS << (doubled > 0 ? doubled - 1 : 0);

    return n->failures > 0 && retry_ms < interval_ms ? retry_ms : interval_ms;
}

/* A clock that was put back is no reason to wait for years. */
static bool is_time(const struct data_update *u, const struct note *n)
{
    int64_t now_ms = clock_wall_ms();

    return n->looked_ms == 0 || n->looked_ms > now_ms || now_ms - n->looked_ms >= rest_ms(u, n);
}

/* Who puts files there may not have ended: twice the same is at rest. */
static bool rests(struct data_update *u, enum data_part part, const char *wanted)
{
    bool same = strcmp(u->seen[part], wanted) == 0;

    snprintf(u->seen[part], sizeof(u->seen[part]), "%s", wanted);
    return same;
}

/* Is there cause to make this part anew, or to leave it out? */
static bool is_due(struct data_update *u, enum data_part part, const struct generation *old,
                   const char *wanted)
{
    const struct data_facts *have = &old->parts[part];
    bool is_pulled = data_repository(u->conf, part)[0];
    struct note n;

    if (!rests(u, part, wanted) && !is_pulled)
        return false;
    if (!wanted[0])
        return part != DATA_DB && have->there;
    read_note(u, part, &n);
    if (n.failures > 0 && strcmp(wanted, n.origin) == 0)
        return u->now || is_time(u, &n);
    if (!is_pulled)
        return strcmp(wanted, have->origin) != 0;
    return u->now || !have->there || strcmp(wanted, n.origin) != 0 || is_time(u, &n);
}

/* ---- making a generation */

struct plan {
    bool due[DATA_PARTS];
    bool made[DATA_PARTS];
    char origins[DATA_PARTS][DATA_ORIGIN_SIZE];
};

static enum err_code make_part(struct data_update *u, enum data_part part, struct data_draft *d,
                               const char *origin, struct err *e)
{
    char dir[DATA_PATH_SIZE];

    if (data_repository(u->conf, part)[0])
        return data_fetch(u->conf, part, d, origin, u->go_on, u->ctx, e);
    snprintf(dir, sizeof(dir), "%s/%s", u->in->dir, data_part_name(part));
    return data_draft_copy(d, part, dir, origin, u->go_on, u->ctx, e);
}

static enum err_code note(struct data_update *u, enum data_part part, const char *origin, bool fine,
                          struct err *e)
{
    struct note n;

    read_note(u, part, &n);
    n.failures = fine ? 0 : n.failures + 1;
    n.looked_ms = clock_wall_ms();
    snprintf(n.origin, sizeof(n.origin), "%s", origin);
    return write_note(u, part, &n, e);
}

/* That we were stopped, or that it did not rest, is no failure of the origin. */
static bool is_passing(enum err_code code)
{
    return code == ERR_LATER || code == ERR_CONFLICT;
}

static enum err_code make_or_keep(struct data_update *u, struct plan *p, enum data_part part,
                                  const struct generation *old, struct data_draft *d, struct err *e)
{
    enum err_code code = ERR_OK;

    if (p->due[part] && !p->origins[part][0])
        return ERR_OK; /* it is left out */
    if (p->due[part])
        code = make_part(u, part, d, p->origins[part], e);
    p->made[part] = p->due[part] && code == ERR_OK;
    if (code != ERR_OK && !is_passing(code))
        (void)!note(u, part, p->origins[part], false, ERR_IGNORED);
    if (!p->made[part] && old->parts[part].there && !is_passing(code)) {
        struct err unkept;

        if (data_draft_keep(d, part, old, &unkept) != ERR_OK)
            *e = unkept;
    }
    return code == ERR_OK ? ERR_OK : err_prefix(e, "%s", data_part_name(part));
}

/* A part that can't be made does not keep the other from being renewed. */
static enum err_code fill(struct data_update *u, struct plan *p, const struct generation *old,
                          struct data_draft *d, struct err *e)
{
    struct err_first all = {0};

    for (enum data_part part = 0; part < DATA_PARTS && !is_passing(all.code); part++)
        err_first_add(&all, make_or_keep(u, p, part, old, d, &all.step));
    return err_first_of(&all, e);
}

/* Is what came other than what there is, and of use? */
static enum err_code is_worth_it(const struct data_draft *d, const struct generation *old,
                                 bool *ret, bool *ret_back, struct err *e)
{
    struct data_facts facts[DATA_PARTS];

    *ret = false;
    for (enum data_part part = 0; part < DATA_PARTS; part++) {
        const struct data_facts *had = &old->parts[part], *has = &facts[part];

        TRY(data_draft_facts(d, part, &facts[part], e));
        *ret |= has->there != had->there || has->updated_ms != had->updated_ms ||
                has->bytes != had->bytes || strcmp(has->origin, had->origin) != 0;
    }
    *ret = *ret && facts[DATA_DB].there;
    *ret_back = *ret && facts[DATA_DB].updated_ms < old->parts[DATA_DB].updated_ms;
    return ERR_OK;
}

static enum err_code note_made(struct data_update *u, const struct plan *p, struct err *e)
{
    for (enum data_part part = 0; part < DATA_PARTS; part++) {
        if (p->made[part])
            TRY(note(u, part, p->origins[part], true, e));
    }
    return ERR_OK;
}

static enum err_code make(struct data_update *u, struct plan *p, const struct generation *old,
                          struct data_update_done *ret, struct err *e)
{
    AUTO(data_draft) struct data_draft d = {0};
    bool worth_it, back;
    struct err why;
    enum err_code code;

    TRY(data_draft_new(u->in, &d, e));
    code = fill(u, p, old, &d, &why);
    if (!is_passing(code)) {
        TRY(is_worth_it(&d, old, &worth_it, &back, e));
        if (worth_it)
            TRY(data_draft_switch(&d, e));
        ret->switched = worth_it;
        ret->back = back;
        TRY(note_made(u, p, e));
    }
    if (code != ERR_OK)
        *e = why;
    return code;
}

static enum err_code look(struct data_update *u, struct data_update_done *ret, struct err *e)
{
    AUTO(generation) struct generation old = {.fd = -1};
    struct plan p = {0};
    enum err_code code = generation_hold(u->in, &old, e);

    if (code != ERR_OK && code != ERR_NOT_FOUND && code != ERR_CORRUPT)
        return code;
    for (enum data_part part = 0; part < DATA_PARTS; part++) {
        wanted_origin(u, part, p.origins[part]);
        p.due[part] = is_due(u, part, &old, p.origins[part]);
    }
    /* An index of Java without a database is of no use. */
    if (!p.due[DATA_DB] && (!p.due[DATA_JAVA] || !old.parts[DATA_DB].there))
        return ERR_OK;
    ret->tried = true;
    return make(u, &p, &old, ret, e);
}

enum err_code data_update_look(struct data_update *u, struct data_update_done *ret, struct err *e)
{
    AUTO(fd) int lock = openat(u->in->fd, LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    *ret = (struct data_update_done){0};
    if (lock < 0)
        return err_errno(e, "open '%s/" LOCK "'", u->in->dir);
    if (flock(lock, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? ERR_OK : err_errno(e, "lock '%s/" LOCK "'", u->in->dir);
    return look(u, ret, e);
}
