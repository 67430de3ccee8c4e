#include "core/original_name.h"

#include "base/clock.h"
#include "base/percent.h"

#include <stdio.h>

#define USER_MAX  150 /* and the hash of what is longer */
#define USER      "user:"
#define ROBOT     "robot:"
#define ROBOT_DIR "robot~"
#define NOBODY    "~anonymous"
#define HASH_HEX  16

static const char *const endings[] = {
    [PACKED_NOT] = ".tar.gz", [PACKED_GZIP] = ".tar.gz",   [PACKED_ZSTD] = ".tar.zst",
    [PACKED_XZ] = ".tar.xz",  [PACKED_BZIP2] = ".tar.bz2", [PACKED_UNKNOWN] = ".tar.gz",
};

void original_time(int64_t wall_ms, char dst[static ORIGINAL_TIME_SIZE])
{
    char text[CLOCK_RFC3339_SIZE];
    size_t n = 0;

    clock_rfc3339(wall_ms, text); /* 2026-01-31T23:59:59.123Z */
    for (const char *p = text; n < ORIGINAL_TIME_SIZE - 2 && *p; p++) {
        if (*p != '-' && *p != ':')
            dst[n++] = *p;
    }
    dst[n++] = 'Z';
    dst[n] = '\0';
}

static void add_escaped(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (str_is_alphanumeric(c) || c == '_' || c == '-' || (c == '.' && b->n > 0))
            buf_add_char(b, c);
        else
            buf_addf(b, "%%%02X", (unsigned char)c);
    }
}

static void cut(const char *owner, struct buf *b)
{
    struct digest d;
    struct str hex;
    size_t n = USER_MAX;

    if (b->n <= USER_MAX)
        return;
    for (size_t i = 1; i <= 2; i++) { /* no half of a %XX */
        if (b->p[USER_MAX - i] == '%')
            n = USER_MAX - i;
    }
    digest_of(DIGEST_SHA256, owner, strlen(owner), &d);
    hex = digest_hex(&d);
    b->n = n;
    buf_addf(b, "~%.*s", HASH_HEX, hex.p);
}

/* Behind that. */
static struct str behind(struct str s, struct str beginning)
{
    size_t n = str_starts(s, beginning) ? beginning.n : 0;

    return (struct str){s.p + n, s.n - n};
}

/* Of a user, robot, or nobody. */
static void add_owner(const char *owner, struct buf *b)
{
    struct str s = str_of(owner);
    bool robot = str_starts(s, STR(ROBOT));

    if (s.n == 0) {
        buf_add_text(b, NOBODY);
        return;
    }
    if (robot)
        buf_add_text(b, ROBOT_DIR);
    add_escaped(b, behind(s, robot ? STR(ROBOT) : STR(USER)));
    cut(owner, b);
}

void original_name_make(const char *owner, int64_t wall_ms, const struct uuid *id,
                        enum packing packing, struct store_original_name *ret_name)
{
    char time[ORIGINAL_TIME_SIZE];
    AUTO(buf) struct buf b = {0};

    buf_init(&b, 4096);
    original_time(wall_ms, time);
    add_owner(owner, &b);
    buf_addf(&b, "/%s/%s%s", time, id->text, endings[packing]);
    if (!store_original_name_parse(buf_str(&b), ret_name))
        abort(); /* it is bounded, and escaped */
}

static void read_user(struct str user, struct buf *ret_owner)
{
    char plain[STORE_ORIGINAL_PART_MAX + 1];
    bool robot = str_starts(user, STR(ROBOT_DIR));
    size_t n;

    if (str_eq(user, STR(NOBODY)))
        buf_add_text(ret_owner, "anonymous");
    user = behind(user, STR(ROBOT_DIR));
    if (memchr(user.p, '~', user.n) || !percent_decode(user, plain, sizeof(plain), &n))
        return;
    buf_add_text(ret_owner, robot ? ROBOT : USER);
    buf_add(ret_owner, plain, n);
}

static bool is_time(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char want = i == 8 ? 'T' : i == ORIGINAL_TIME_SIZE - 2 ? 'Z' : '0';

        if (want == '0' ? s.p[i] < '0' || s.p[i] > '9' : s.p[i] != want)
            return false;
    }
    return s.n == ORIGINAL_TIME_SIZE - 1;
}

bool original_name_read(const struct store_original_name *name, struct buf *ret_owner,
                        char ret_key[static ORIGINAL_KEY_SIZE])
{
    struct str file = {name->text, name->n}, user, time;
    struct uuid id;

    if (!str_cut(&file, '/', &user) || !str_cut(&file, '/', &time) || !is_time(time) ||
        file.n < UUID_TEXT || !uuid_parse(str_sub(file, 0, UUID_TEXT), &id))
        return false;
    snprintf(ret_key, ORIGINAL_KEY_SIZE, STR_FMT "-%s", STR_ARG(time), id.text);
    read_user(user, ret_owner);
    return true;
}
