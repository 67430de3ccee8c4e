#include "scan/finding.h"

#include "base/mem.h"

#include <stdlib.h>

#define CHUNK_BYTES (64u << 10)

struct finding_chunk { /* of texts */
    struct finding_chunk *next;
    size_t n, cap;
    char bytes[];
};

static const char *const names[SEVERITIES] = {[SEVERITY_UNKNOWN] = "unknown",
                                              [SEVERITY_LOW] = "low",
                                              [SEVERITY_MEDIUM] = "medium",
                                              [SEVERITY_HIGH] = "high",
                                              [SEVERITY_CRITICAL] = "critical"};

const char *severity_name(enum severity s)
{
    return names[s];
}

bool severity_parse(struct str text, enum severity *ret)
{
    if (str_ieq(text, STR("negligible"))) {
        *ret = SEVERITY_LOW;
        return true;
    }
    for (size_t i = 0; i < SEVERITIES; i++) {
        if (str_ieq(text, str_of(names[i]))) {
            *ret = (enum severity)i;
            return true;
        }
    }
    return false;
}

void finding_list_init(struct finding_list *l, size_t max, size_t max_bytes)
{
    *l = (struct finding_list){.max = max, .max_bytes = max_bytes};
}

void finding_list_done(struct finding_list *l)
{
    for (struct finding_chunk *c = l->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(l->items);
    *l = (struct finding_list){.max = l->max, .max_bytes = l->max_bytes};
}

static char *take_bytes(struct finding_list *l, size_t n)
{
    struct finding_chunk *c = l->chunks;

    if (!c || c->cap - c->n < n) {
        size_t cap = n > CHUNK_BYTES ? n : CHUNK_BYTES;

        c = mem_alloc(sizeof(*c) + cap);
        *c = (struct finding_chunk){.next = l->chunks, .cap = cap};
        l->chunks = c;
    }
    c->n += n;
    return c->bytes + c->n - n;
}

static struct str cut(struct str s, size_t max)
{
    if (s.n <= max)
        return s;
    while (max > 0 && ((unsigned char)s.p[max] & 0xc0) == 0x80)
        max--;
    return str_sub(s, 0, max);
}

/* A NUL, which JSON can have, is none that a line of findings could be read with again. */
static void copy_text(char *dst, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        dst[i] = (char)(s.p[i] ? s.p[i] : '?');
}

/* Neighbours in a report often say the same (a description, once for each binary package): then the
 * text of the one before is shared. */
static struct str keep(struct finding_list *l, struct str s, struct str before, size_t max)
{
    char *p;

    s = cut(s, max);
    if (s.n == 0)
        return STR("");
    if (str_eq(s, before))
        return before;
    p = take_bytes(l, s.n);
    copy_text(p, s);
    l->bytes += s.n;
    return (struct str){p, s.n};
}

/* The texts of a finding, with how long they may be. */
static const struct {
    size_t offset, max;
} texts[] = {
    {offsetof(struct finding, cve), FINDING_TEXT_MAX},
    {offsetof(struct finding, package), FINDING_TEXT_MAX},
    {offsetof(struct finding, path), FINDING_TEXT_MAX},
    {offsetof(struct finding, purl), FINDING_TEXT_MAX},
    {offsetof(struct finding, installed), FINDING_TEXT_MAX},
    {offsetof(struct finding, fixed), FINDING_TEXT_MAX},
    {offsetof(struct finding, status), FINDING_TEXT_MAX},
    {offsetof(struct finding, title), FINDING_TEXT_MAX},
    {offsetof(struct finding, description), FINDING_DESCRIPTION_MAX},
    {offsetof(struct finding, link), FINDING_TEXT_MAX},
    {offsetof(struct finding, source), FINDING_TEXT_MAX},
    {offsetof(struct finding, layer), FINDING_TEXT_MAX},
    {offsetof(struct finding, vector), FINDING_TEXT_MAX},
    {offsetof(struct finding, score_source), FINDING_TEXT_MAX},
};

static struct str *text_of(struct finding *f, size_t i)
{
    return (struct str *)(void *)((char *)f + texts[i].offset);
}

/* What is no score of CVSS is none: 0 to 10, which NaN is not, either. */
static double score_of(double score)
{
    return score >= 0 && score <= 10 ? score : -1;
}

enum err_code finding_list_add(struct finding_list *l, const struct finding *f, struct err *e)
{
    static const struct finding none = {0};
    struct finding kept = *f, before = l->n > 0 ? l->items[l->n - 1] : none;

    if (l->max > 0 && l->n >= l->max)
        return err_tell(e, ERR_BODY_TOO_LARGE, "there are more than %zu findings", l->max);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *text_of(&kept, i) = keep(l, *text_of(&kept, i), *text_of(&before, i), texts[i].max);
    kept.score = score_of(f->score);
    if (l->max_bytes > 0 && l->bytes > l->max_bytes)
        return err_tell(e, ERR_BODY_TOO_LARGE, "the texts of the findings have more than %zu bytes",
                        l->max_bytes);
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->items = mem_resize(l->items, l->cap * sizeof(*l->items));
    }
    l->items[l->n++] = kept;
    return ERR_OK;
}

int finding_cmp(const struct finding *a, const struct finding *b)
{
    int order;

    if (a->severity != b->severity)
        return a->severity < b->severity ? 1 : -1;
    if ((order = str_cmp(a->cve, b->cve)) != 0)
        return order;
    if ((order = str_cmp(a->package, b->package)) != 0)
        return order;
    if ((order = str_cmp(a->installed, b->installed)) != 0)
        return order;
    if ((order = str_cmp(a->path, b->path)) != 0)
        return order;
    if ((order = str_cmp(a->purl, b->purl)) != 0)
        return order;
    return str_cmp(a->fixed, b->fixed);
}

static int cmp(const void *a, const void *b)
{
    return finding_cmp(a, b);
}

void finding_list_sort(struct finding_list *l)
{
    size_t n = 0;

    if (l->n == 0)
        return;
    qsort(l->items, l->n, sizeof(*l->items), cmp);
    for (size_t i = 1; i < l->n; i++) {
        if (finding_cmp(&l->items[n], &l->items[i]) != 0)
            l->items[++n] = l->items[i];
    }
    l->n = n + 1;
}

bool finding_same(const struct finding *a, const struct finding *b)
{
    if (!str_eq(a->cve, b->cve))
        return false;
    if (a->purl.n > 0 && b->purl.n > 0)
        return str_eq(a->purl, b->purl);
    return str_eq(a->package, b->package) && str_eq(a->path, b->path);
}
