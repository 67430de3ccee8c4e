#include "core/reference.h"

enum err_code reference_parse(struct str s, struct reference *ret_ref, struct err *e)
{
    ret_ref->is_digest = s.n > 0 && memchr(s.p, ':', s.n) != NULL;
    return ret_ref->is_digest ? digest_parse(s, &ret_ref->digest, e)
                              : tag_name_parse(s, &ret_ref->tag, e);
}
