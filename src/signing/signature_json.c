#include "signing/signature_json.h"

#include "signing/public_key.h"

static void add_text(struct buf *b, const char *key, const char *text)
{
    buf_addf(b, ",\"%s\":", key);
    if (text)
        buf_add_json(b, str_of(text));
    else
        buf_add_text(b, "null");
}

void signature_json(struct buf *b, const struct signature *s, const struct trust *trust)
{
    buf_addf(b, "{\"manifest\":\"%s\",\"form\":\"%s\",\"verdict\":\"%s\"", s->manifest.text,
             s->form, signature_verdict_name(s->verdict));
    add_text(b, "key",
             s->signer == SIGNER_KEY ? public_key_fingerprint(trust->keys[s->nth]) : NULL);
    add_text(b, "identity", s->identity);
    add_text(b, "issuer", s->issuer);
    add_text(b, "why", s->why);
    if (s->predicate) {
        add_text(b, "predicate_type", s->predicate);
        add_text(b, "builder", s->builder);
    }
    buf_add_char(b, '}');
}
