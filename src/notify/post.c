#include "notify/post.h"

#include "base/mem.h"

#include <stdlib.h>

void post_init(struct post *p)
{
    *p = (struct post){.n = 0};
    buf_init(&p->body, POST_BODY_MAX);
    buf_init(&p->text, POST_HEADERS_MAX);
}

void post_done(struct post *p)
{
    buf_done(&p->body);
    buf_done(&p->text);
    free(p->lines);
    *p = (struct post){.n = 0};
}

void post_header(struct post *p, const char *name, struct str value)
{
    if (p->n == POST_HEADERS) {
        p->text.full = true;
        return;
    }
    buf_addf(&p->text, "%s: ", name);
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];

        buf_add_char(&p->text, c < ' ' || c == 127 ? ' ' : (char)c);
    }
    buf_add_char(&p->text, '\0');
    p->n++;
}

bool post_close(struct post *p)
{
    const char *line = p->text.p;

    if (p->text.full || p->body.full)
        return false;
    p->lines = mem_zero((p->n + 1) * sizeof(*p->lines));
    for (size_t i = 0; i < p->n; i++) {
        p->lines[i] = line;
        line += strlen(line) + 1;
    }
    return true;
}
