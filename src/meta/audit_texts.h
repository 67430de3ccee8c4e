/*
 * The texts of an entry of the audit trail, as a database of text takes them. Private to src/meta/.
 */
#pragma once

#include "base/buf.h"
#include "meta/meta.h"

#define AUDIT_TEXTS 7

/* Appends s to *dst; what is no UTF-8 is replaced. */
void audit_text(struct str s, struct buf *dst);

/* Actor, action, target, address, result, detail and repository, in ret_texts: what is no UTF-8 is
 * replaced, for clients send names of any bytes, and an entry is not lost for it. They lie in
 * *clean, whose max bounds them; none is without a pointer. */
void audit_texts(const struct meta_audit *entry, struct buf *clean,
                 struct str ret_texts[static AUDIT_TEXTS]);
