#include "meta/audit_texts.h"

void audit_text(struct str s, struct buf *b)
{
    while (s.n > 0) {
        size_t step = str_utf8_step(s);

        if (step > 0)
            buf_add(b, s.p, step);
        else
            buf_add_text(b, "\xEF\xBF\xBD"); /* U+FFFD */
        s.p += step ? step : 1;
        s.n -= step ? step : 1;
    }
}

void audit_texts(const struct meta_audit *entry, struct buf *clean,
                 struct str ret_texts[static AUDIT_TEXTS])
{
    const char *given[AUDIT_TEXTS] = {entry->actor,     entry->action, entry->target,
                                      entry->address,   entry->result, entry->detail,
                                      entry->repository};
    size_t ends[AUDIT_TEXTS + 1] = {0};

    for (size_t i = 0; i < AUDIT_TEXTS; i++) {
        audit_text(str_of(given[i] ? given[i] : ""), clean);
        ends[i + 1] = clean->n;
    }
    for (size_t i = 0; i < AUDIT_TEXTS; i++) /* when all have come, for they may have moved */
        ret_texts[i] = (struct str){clean->p ? clean->p + ends[i] : "", ends[i + 1] - ends[i]};
}
