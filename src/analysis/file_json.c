#include "analysis/file_json.h"

#include "base/clock.h"
#include "base/hex.h"

#define LAST_S 253402300799 /* the end of the year 9999 */

static bool is_utf8(struct str s)
{
    for (size_t n; s.n > 0; s = str_sub(s, n, s.n - n)) {
        n = str_utf8_step(s);
        if (n == 0)
            return false;
    }
    return true;
}

/* But behind an object's beginning. */
static void comma(struct buf *b)
{
    if (b->n > 0 && b->p[b->n - 1] != '{')
        buf_add_char(b, ',');
}

/* Names are bytes, which JSON can't say: then it is said as a query has it, too. */
void file_json_name(struct buf *b, const char *key, struct str name)
{
    comma(b);
    buf_addf(b, "\"%s\":", key);
    buf_add_json(b, name);
    if (is_utf8(name))
        return;
    buf_addf(b, ",\"%s_percent\":\"", key);
    buf_add_percent(b, name);
    buf_add_char(b, '"');
}

static void add_modified(struct buf *b, int64_t at_s)
{
    char text[CLOCK_RFC3339_SIZE];

    if (at_s < 0 || at_s > LAST_S)
        return;
    clock_rfc3339(at_s * 1000, text);
    buf_addf(b, ",\"modified\":\"%s\"", text);
}

void file_json_attributes(struct buf *b, const struct layer_file *f)
{
    char hex[65];

    comma(b);
    buf_addf(b, "\"mode\":\"%04o\",\"uid\":%u,\"gid\":%u", f->mode, f->uid, f->gid);
    add_modified(b, f->modified_s);
    if (f->kind == LAYER_FILE)
        buf_addf(b, ",\"size\":%llu", (unsigned long long)f->size_bytes);
    if (f->has_sha256) {
        hex_encode(f->sha256, sizeof(f->sha256), hex);
        buf_addf(b, ",\"sha256\":\"%s\"", hex);
    }
    if (f->kind == LAYER_SYMBOLIC_LINK || f->kind == LAYER_HARD_LINK)
        file_json_name(b, "link", f->link);
}

void file_json_path(struct buf *b, const char *key, struct str path)
{
    AUTO(buf) struct buf text = {0};

    buf_init(&text, path.n + 1);
    buf_add_char(&text, '/');
    buf_add_str(&text, path);
    file_json_name(b, key, buf_str(&text));
}
