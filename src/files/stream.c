#include "files/stream.h"

#include "base/mem.h"

#include <stdlib.h>

#define SKIP_AFTER 64 /* entries of a name that does not match, until it is passed over */

static const struct files_table *table_of(const struct files_stream *s)
{
    switch (s->plan->road) {
    case FILES_BY_END:
        return &s->segment->reversed;
    case FILES_BY_PATH:
        return &s->segment->paths;
    case FILES_BY_HASH:
        return &s->segment->hashes;
    case FILES_BY_NAME:
        break;
    }
    return NULL;
}

void files_stream_init(struct files_stream *s, const struct files_segment *segment,
                       const struct files_plan *plan)
{
    *s = (struct files_stream){.segment = segment, .plan = plan, .budget = UINT64_MAX};
    buf_init(&s->key, FILES_KEY_MAX);
    s->name = NEW(struct files_cursor);
    files_cursor_init(s->name, &segment->bytes, &segment->names);
    if (table_of(s)) {
        s->by = NEW(struct files_cursor);
        files_cursor_init(s->by, &segment->bytes, table_of(s));
    }
}

void files_stream_done(struct files_stream *s)
{
    free(s->name);
    free(s->by);
    buf_done(&s->key);
}

int files_place_cmp(const struct files_place *a, const struct files_place *b)
{
    int order = str_cmp((struct str){a->order, a->n_order}, (struct str){b->order, b->n_order});

    return order ? order : files_layer_cmp(&a->layer, &b->layer);
}

/* ---- places */

static void place_text(struct files_place *p, struct str text)
{
    p->n_order = text.n < sizeof(p->order) ? text.n : sizeof(p->order);
    memcpy(p->order, text.p, p->n_order);
    p->layer = (struct files_layer){{0}};
}

static void place_file(const struct files_stream *s, struct files_place *p)
{
    const struct files_file *f = &s->file;
    char *at = p->order;

    if (s->plan->road == FILES_BY_PATH) {
        place_text(p, files_block_key(&s->by->block));
        return;
    }
    if (s->plan->road == FILES_BY_END)
        files_reverse(f->base, at);
    else
        memcpy(at, f->base.p, f->base.n);
    at += f->base.n;
    *at++ = '\0';
    memcpy(at, f->dir.p, f->dir.n);
    at += f->dir.n;
    *at++ = '\0';
    p->n_order = (size_t)(at - p->order);
    p->layer = (struct files_layer){{0}};
}

/* ---- groups: names that begin with the same key */

/* "DIRECTORY/BASENAME" in two. */
static void split_path(struct str path, struct str *ret_base, struct str *ret_dir)
{
    size_t n = 0;

    while (n < path.n && path.p[path.n - 1 - n] != '/')
        n++;
    *ret_base = str_sub(path, path.n - n, n);
    *ret_dir = str_sub(path, 0, n < path.n ? path.n - n - 1 : 0);
}

/* What `by` is at begins as the plan says. */
static bool by_goes_on(const struct files_stream *s)
{
    const struct files_plan *p = s->plan;
    struct str key = files_block_key(&s->by->block);
    size_t end = strlen(p->end);

    if (s->by->end)
        return false;
    if (p->road == FILES_BY_HASH)
        return key.n == 13 && memcmp(key.p, p->hash, 8) == 0;
    if (p->road == FILES_BY_PATH)
        return str_starts(key, str_of(p->begin));
    for (size_t i = 0; i < end; i++) {
        if (i >= key.n || key.p[i] != p->end[end - 1 - i])
            return false;
    }
    return true;
}

static uint64_t block_of(struct str key)
{
    uint64_t v = 0;

    for (size_t i = 8; i < key.n; i++)
        v = v << 8 | (unsigned char)key.p[i];
    return v;
}

/* Sets the key of what `by` is at; false: nothing of it matches. */
static bool group_key(struct files_stream *s)
{
    struct str key = files_block_key(&s->by->block), base, dir;
    char name[FILES_KEY_MAX];

    if (s->plan->road == FILES_BY_PATH) {
        split_path(key, &base, &dir);
        files_key(base, &dir, &s->key);
        return files_plan_matches(s->plan, base, dir);
    }
    files_reverse(key, name);
    base = (struct str){name, key.n};
    files_key(base, NULL, &s->key);
    return files_plan_matches_base(s->plan, base);
}

static bool spend(struct files_stream *s)
{
    s->paused = s->budget == 0;
    if (!s->paused)
        s->budget--;
    return !s->paused;
}

static enum err_code enter_block(struct files_stream *s, struct err *e)
{
    s->block = block_of(files_block_key(&s->by->block));
    TRY(files_cursor_at(s->name, s->block, e));
    TRY(files_cursor_next(s->name, e));
    return files_cursor_next(s->by, e);
}

/* Before all of the group that `by` is at, and behind what was given. */
static void place_group(const struct files_stream *s, struct files_place *p)
{
    if (s->plan->road == FILES_BY_HASH)
        memset(p->layer.bytes, 0xff, sizeof(p->layer.bytes));
    else
        place_text(p, files_block_key(&s->by->block));
}

/* Enters the next group that may match; *ret_in is false at the end, or when it has paused. */
static enum err_code enter_group(struct files_stream *s, bool *ret_in, struct err *e)
{
    *ret_in = false;
    while (by_goes_on(s)) {
        if (!spend(s)) {
            place_group(s, &s->place);
            return ERR_OK;
        }
        *ret_in = s->plan->road == FILES_BY_HASH || group_key(s);
        if (*ret_in && s->plan->road == FILES_BY_HASH)
            return enter_block(s, e);
        if (*ret_in)
            return files_cursor_seek(s->name, buf_str(&s->key), e);
        TRY(files_cursor_next(s->by, e));
    }
    return ERR_OK;
}

/* `name` is still in the group. */
static bool in_group(const struct files_stream *s)
{
    if (s->name->end)
        return false;
    if (s->plan->road == FILES_BY_HASH)
        return s->name->at_bytes == s->block;
    return str_starts(files_block_key(&s->name->block), buf_str(&s->key));
}

static bool accepts(const struct files_stream *s)
{
    const struct files_plan *p = s->plan;

    if (p->road == FILES_BY_HASH)
        return s->file.has_hash && memcmp(s->file.hash, p->hash, FILES_HASH_BYTES) == 0;
    return p->road == FILES_BY_PATH || p->plain || files_plan_matches(p, s->file.base, s->file.dir);
}

/* Past all that has the basename of the file that does not match. */
static enum err_code skip_name(struct files_stream *s, struct err *e)
{
    AUTO(buf) struct buf base = {0};

    buf_init(&base, FILES_KEY_MAX);
    buf_add_str(&base, s->file.base);
    for (unsigned i = 0; i < SKIP_AFTER; i++) {
        TRY(files_cursor_next(s->name, e));
        if (s->name->end)
            return ERR_OK;
        TRY(files_file_at(s->name, &s->file, e));
        if (!str_eq(s->file.base, buf_str(&base)))
            return ERR_OK;
    }
    buf_add_char(&base, '\1'); /* behind '\0' */
    return files_cursor_seek(s->name, buf_str(&base), e);
}

static enum err_code step(struct files_stream *s, struct err *e)
{
    if (s->plan->road == FILES_BY_NAME && !s->plan->whole &&
        !files_plan_matches_base(s->plan, s->file.base))
        return skip_name(s, e);
    return files_cursor_next(s->name, e);
}

static enum err_code leave_group(struct files_stream *s, struct err *e)
{
    s->inside = false;
    if (s->plan->road == FILES_BY_NAME)
        s->end = true;
    else if (s->plan->road != FILES_BY_HASH)
        return files_cursor_next(s->by, e);
    return ERR_OK;
}

static enum err_code give(struct files_stream *s, struct err *e)
{
    place_file(s, &s->place);
    s->taken = true;
    return files_segment_layer(s->segment, s->file.layer, &s->place.layer, e);
}

enum err_code files_stream_next(struct files_stream *s, struct err *e)
{
    s->paused = false;
    if (s->taken)
        TRY(files_cursor_next(s->name, e));
    s->taken = false;
    while (!s->end) {
        if (!s->inside) {
            TRY(enter_group(s, &s->inside, e));
            s->end = !s->inside && !s->paused;
            if (!s->inside)
                return ERR_OK;
        }
        if (!in_group(s)) {
            TRY(leave_group(s, e));
            continue;
        }
        TRY(files_file_at(s->name, &s->file, e));
        if (!spend(s)) {
            place_file(s, &s->place);
            return ERR_OK;
        }
        if (accepts(s))
            return give(s, e);
        TRY(step(s, e));
    }
    return ERR_OK;
}

/* ---- the beginning */

static enum err_code seek_name(struct files_stream *s, struct str order, struct err *e)
{
    const struct files_plan *p = s->plan;
    struct str dir = str_of(p->dir);

    if (p->whole)
        files_key(str_of(p->begin), p->plain && p->path ? &dir : NULL, &s->key);
    else
        buf_add_text(&s->key, p->begin);
    s->inside = true;
    if (str_cmp(order, buf_str(&s->key)) < 0)
        order = buf_str(&s->key);
    return files_cursor_seek(s->name, order, e);
}

static enum err_code seek_hash(struct files_stream *s, struct str order, struct err *e)
{
    unsigned char key[13] = {0};

    memcpy(key, s->plan->hash, 8);
    if (order.n > 0) {
        TRY(files_cursor_seek(s->name, order, e));
        s->end = s->name->end;
        for (size_t i = 0; i < 5; i++)
            key[8 + i] = (unsigned char)(s->name->at_bytes >> (32 - 8 * i));
    }
    return s->end ? ERR_OK
                  : files_cursor_seek(s->by, (struct str){(const char *)key, sizeof(key)}, e);
}

static enum err_code seek_by(struct files_stream *s, struct str order, struct err *e)
{
    const struct files_plan *p = s->plan;
    char end[FILES_PATTERN_MAX + 1];
    struct str first = str_of(p->begin);

    if (p->road == FILES_BY_END) {
        first = str_of(p->end);
        files_reverse(first, end);
        first.p = end;
        str_cut(&(struct str){order.p, order.n}, '\0', &order);
    }
    return files_cursor_seek(s->by, str_cmp(order, first) < 0 ? first : order, e);
}

enum err_code files_stream_seek(struct files_stream *s, const struct files_place *from,
                                struct err *e)
{
    struct str order = {from->order, from->n_order};

    if (s->plan->road == FILES_BY_NAME)
        TRY(seek_name(s, order, e));
    else if (s->plan->road == FILES_BY_HASH)
        TRY(seek_hash(s, order, e));
    else
        TRY(seek_by(s, order, e));
    s->place = *from;
    do
        TRY(files_stream_next(s, e));
    while (!s->end && !s->paused && files_place_cmp(&s->place, from) < 0);
    return ERR_OK;
}
