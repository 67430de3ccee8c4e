#include "analysis/go_modules.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdlib.h>

#define MARK_BYTES  16
#define TAIL_BYTES  128u /* more than any mark and what is looked at with it */
#define PIECE_BYTES (64u << 10)
#define TEXT_BYTES  (256u << 10) /* large programs have 30 KiB */
#define HEAD_BYTES  4
#define GO_MARK     "\xff Go buildinf:"
#define GO_BYTES    32u /* of the header that begins so */

static const char begin_mark[] = "\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6";
static const char end_mark[] = "\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2";

enum phase { LOOKING, TAKING, FOUND, OVER };

struct go_modules {
    enum phase phase;
    struct buf window; /* the last bytes before, and those that come */
    struct buf text;
    char go[32];       /* "1.22.1" */
    bool begun, other; /* other: it is no program */
};

struct go_modules *go_modules_new(void)
{
    struct go_modules *g = NEW(struct go_modules);

    buf_init(&g->window, TAIL_BYTES + PIECE_BYTES);
    buf_init(&g->text, TEXT_BYTES);
    return g;
}

void go_modules_free(struct go_modules *g)
{
    if (!g)
        return;
    buf_done(&g->window);
    buf_done(&g->text);
    free(g);
}

void go_modules_begin(struct go_modules *g)
{
    g->phase = LOOKING;
    g->begun = g->other = false;
    g->go[0] = '\0';
    buf_clear(&g->window);
    buf_clear(&g->text);
    g->text.full = false;
}

/* ELF, or what Windows runs. */
static bool is_program(const struct buf *head)
{
    return (head->n >= 4 && memcmp(head->p,
                                   "\x7f"
                                   "ELF",
                                   4) == 0) ||
           (head->n >= 2 && memcmp(head->p, "MZ", 2) == 0);
}

/* The header of Go's build information: 16 bytes, of which the last says that texts follow it, 16
 * that say nothing then, the length of Go's version and that. Programs that read it have its mark
 * too. */
static void find_go(struct go_modules *g)
{
    struct str rest = buf_str(&g->window);
    const char *mark;

    while ((mark = memmem(rest.p, rest.n, GO_MARK, sizeof(GO_MARK) - 1))) {
        struct str found = str_sub(rest, (size_t)(mark - rest.p), rest.n - (size_t)(mark - rest.p));
        size_t n;

        rest = str_sub(found, 1, found.n - 1);
        if (found.n < GO_BYTES + 1 || !(found.p[15] & 2))
            continue;
        n = (unsigned char)found.p[GO_BYTES];
        found = str_sub(found, GO_BYTES + 1, found.n - GO_BYTES - 1);
        if (n >= sizeof(g->go) || n > found.n || !str_starts(found, STR("go1.")))
            continue;
        (void)str_copy(str_sub(found, 2, n - 2), g->go, sizeof(g->go));
        return;
    }
}

static void take(struct go_modules *g, struct str bytes)
{
    size_t from = g->text.n > MARK_BYTES ? g->text.n - MARK_BYTES : 0;
    const char *end;

    if (bytes.n == 0)
        return;
    buf_add_str(&g->text, bytes);
    end = memmem(g->text.p + from, g->text.n - from, end_mark, MARK_BYTES);
    if (end) {
        g->text.n = (size_t)(end - g->text.p);
        g->phase = FOUND;
    } else if (g->text.full) {
        g->phase = OVER;
    }
}

static void look(struct go_modules *g)
{
    const char *mark = memmem(g->window.p, g->window.n, begin_mark, MARK_BYTES);
    size_t at;

    if (!mark)
        return;
    at = (size_t)(mark - g->window.p) + MARK_BYTES;
    g->phase = TAKING;
    take(g, str_sub(buf_str(&g->window), at, g->window.n - at));
}

static void take_piece(struct go_modules *g, struct str piece)
{
    size_t tail;

    buf_add_str(&g->window, piece);
    if (!g->begun && g->window.n >= HEAD_BYTES) {
        g->begun = true;
        g->other = !is_program(&g->window);
    }
    if (g->other)
        return;
    if (!g->go[0])
        find_go(g);
    if (g->phase == TAKING)
        take(g, piece);
    else if (g->phase == LOOKING)
        look(g);
    tail = g->window.n < TAIL_BYTES ? g->window.n : TAIL_BYTES;
    memmove(g->window.p, g->window.p + g->window.n - tail, tail);
    g->window.n = tail;
}

void go_modules_feed(struct go_modules *g, const void *p, size_t n)
{
    struct str bytes = {p, n};

    while (bytes.n > 0 && !g->other && !(g->phase >= FOUND && g->go[0])) {
        struct str piece = str_sub(bytes, 0, bytes.n < PIECE_BYTES ? bytes.n : PIECE_BYTES);

        bytes = str_sub(bytes, piece.n, bytes.n - piece.n);
        take_piece(g, piece);
    }
}

/* ---- the text: "dep\tNAME\tVERSION\tSUM", and "=>\t..." behind what it replaces */

struct module {
    struct str name, version;
};

static enum err_code tell(const struct module *m, go_module_fn found, void *ctx, struct err *e)
{
    struct str version = str_eq(m->version, STR("(devel)")) ? STR("") : m->version;

    return m->name.n > 0 ? found(ctx, m->name, version, e) : ERR_OK;
}

enum err_code go_modules_end(struct go_modules *g, go_module_fn found, void *ctx, struct err *e)
{
    struct str text = buf_str(&g->text), line, what;
    struct module last = {STR(""), STR("")};

    if (g->other)
        return ERR_OK;
    if (g->go[0])
        TRY(found(ctx, STR("stdlib"), str_of(g->go), e));
    if (g->phase != FOUND)
        return ERR_OK;
    while (text.n > 0) {
        bool replaces, names;

        str_cut(&text, '\n', &line);
        str_cut(&line, '\t', &what);
        replaces = str_eq(what, STR("=>"));
        names = str_eq(what, STR("mod")) || str_eq(what, STR("dep"));
        if (!replaces && !names)
            continue;
        if (names)
            TRY(tell(&last, found, ctx, e));
        str_cut(&line, '\t', &last.name);
        str_cut(&line, '\t', &last.version);
    }
    return tell(&last, found, ctx, e);
}
