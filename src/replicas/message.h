/*
 * What members say to each other on a channel. A message is text: a line of what it is, then a line
 * a key. A later version of it is no message to us, and ours none to that: so the one waits for an
 * answer that does not come, which is what makes them slow, and not wrong.
 */
#pragma once

#include "base/buf.h"
#include "base/uuid.h"

enum message_kind {
    MESSAGE_ENTER =
        1, /* a write of the sender begins: what may be other then is not to be answered */
    MESSAGE_ENTERED, /* to the writer: it is not, until the write has ended */
    MESSAGE_LEAVE,   /* it has ended */
    MESSAGE_LOWEST,  /* nothing else */
};

/* A tag of a repository, or a digest: the manifest with all its tags. Without a repository:
 * everything. */
struct message_key {
    struct str repo, reference;
};

struct message {
    enum message_kind kind;
    struct uuid from, to;    /* to: of MESSAGE_ENTERED; else of zeros */
    uint64_t number, lowest; /* of the write; all writes of the sender below the other have ended */
    struct str keys;         /* of MESSAGE_ENTER: for message_next_key() */
};

/* Appends one without keys. */
void message_begin(struct buf *ret_text, const struct message *m);
void message_add_key(struct buf *ret_text, struct str repo, struct str reference);

/* False: it is none. Its keys point into text. */
bool message_parse(struct str text, struct message *ret_message);

/* Cuts the next key off; false at the end. */
bool message_next_key(struct str *keys, struct message_key *ret_key);
