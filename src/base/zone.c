#include "base/zone.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/zone_rule.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define DIRECTORY  "/usr/share/zoneinfo"
#define FILE_MAX   (256u * 1024)
#define PATH_BYTES 512

/* RFC 9636, 3.1 */
#define HEADER_SIZE 44
#define TYPE_SIZE   6

struct change {
    int64_t at_s;
    int32_t offset_s; /* from then on */
};

struct zone {
    struct change *changes;
    size_t n;
    int32_t first_s;       /* before the first of them */
    struct zone_rule rule; /* after the last */
};

struct header {
    char version;
    uint32_t utc_marks, standard_marks, leaps, changes, types, name_bytes;
};

bool zone_name_valid(struct str name)
{
    if (name.n == 0 || name.n > ZONE_NAME_MAX || !str_is_alphanumeric(name.p[0]))
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!str_is_alphanumeric(c) && c != '/' && c != '_' && c != '-' && c != '+')
            return false;
    }
    return true;
}

void zone_free(struct zone *z)
{
    if (!z)
        return;
    free(z->changes);
    free(z);
}

static uint64_t big_endian(const char *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

static bool take_header(struct str *s, struct header *h)
{
    uint32_t *const counts[] = {&h->utc_marks, &h->standard_marks, &h->leaps,
                                &h->changes,   &h->types,          &h->name_bytes};

    if (s->n < HEADER_SIZE || !str_starts(*s, STR("TZif")))
        return false;
    h->version = s->p[4];
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        *counts[i] = (uint32_t)big_endian(s->p + 20 + 4 * i, 4);
        if (*counts[i] > FILE_MAX)
            return false;
    }
    *s = str_sub(*s, HEADER_SIZE, s->n - HEADER_SIZE);
    return true;
}

/* Of what stands behind a header, with times of so many bytes. */
static size_t body_bytes(const struct header *h, size_t time_bytes)
{
    return h->changes * (time_bytes + 1) + (size_t)h->types * TYPE_SIZE + h->name_bytes +
           h->leaps * (time_bytes + 4) + h->standard_marks + h->utc_marks;
}

static bool read_changes(struct zone *z, struct str s, const struct header *h)
{
    const char *indexes = s.p + 8 * (size_t)h->changes, *types = indexes + h->changes;

    if (h->types == 0)
        return false;
    z->first_s = (int32_t)big_endian(types, 4);
    z->changes = mem_zero((h->changes + 1) * sizeof(*z->changes));
    z->n = h->changes;
    for (size_t i = 0; i < z->n; i++) {
        size_t type = (unsigned char)indexes[i];

        if (type >= h->types)
            return false;
        z->changes[i] = (struct change){(int64_t)big_endian(s.p + 8 * i, 8),
                                        (int32_t)big_endian(types + TYPE_SIZE * type, 4)};
    }
    return true;
}

/* Between two newlines. */
static bool take_rule(struct str s, struct zone_rule *ret_rule)
{
    struct str line;

    return str_cut(&s, '\n', &line) && line.n == 0 && str_cut(&s, '\n', &line) &&
           zone_rule_parse(line, ret_rule);
}

/* The second part, whose times have 8 bytes, and the rule behind it. */
static bool parse(struct zone *z, struct str s)
{
    struct header h;
    size_t n;

    if (!take_header(&s, &h) || h.version < '2' || (n = body_bytes(&h, 4)) > s.n)
        return false;
    s = str_sub(s, n, s.n - n);
    if (!take_header(&s, &h) || (n = body_bytes(&h, 8)) > s.n || !read_changes(z, s, &h))
        return false;
    return take_rule(str_sub(s, n, s.n - n), &z->rule);
}

enum err_code zone_load(const char *name, struct zone **ret_zone, struct err *e)
{
    AUTO(zone) struct zone *z = NEW(struct zone);
    AUTO(buf) struct buf file = {0};
    const char *directory = getenv("TZDIR");
    char path[PATH_BYTES];

    if (!zone_name_valid(str_of(name)))
        return err_set(e, ERR_CONFIG, "'%.80s' is no name of a time zone", name);
    snprintf(path, sizeof(path), "%s/%s", directory && *directory ? directory : DIRECTORY, name);
    buf_init(&file, FILE_MAX);
    if (file_read_at(AT_FDCWD, path, &file, ERR_IGNORED) != ERR_OK)
        return err_set(e, ERR_CONFIG, "there is no time zone '%s' here (%s)", name, path);
    if (!parse(z, buf_str(&file)))
        return err_set(e, ERR_CONFIG, "%s is no file of a time zone", path);
    *ret_zone = STEAL(z);
    return ERR_OK;
}

/* How many changes are not later. */
static size_t changes_until(const struct zone *z, int64_t time_s)
{
    size_t low = 0, high = z->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (z->changes[middle].at_s <= time_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t zone_offset_s(const struct zone *z, int64_t time_s)
{
    size_t n = changes_until(z, time_s);

    if (n == z->n)
        return zone_rule_offset_s(&z->rule, time_s);
    return n > 0 ? z->changes[n - 1].offset_s : z->first_s;
}
