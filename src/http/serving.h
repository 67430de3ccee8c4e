/* What an I/O thread does with its connections, in answer to events. Of its own thread only. */
#pragma once

#include "http/inbox.h"

void serving_event(struct iothread *io, struct conn *c);    /* epoll has something to tell */
void serving_take_new(struct iothread *io, struct conn *c); /* was accepted */
/* A worker or sender is done with x. */
void serving_take_back(struct iothread *io, struct http_exchange *x);
void serving_expired(struct iothread *io, struct conn *c); /* its deadline has come */
void serving_drop(struct iothread *io, struct conn *c);    /* closes and frees it */

/* x waits for more of its body: for how long it has waited for its client, and another try when the
 * queue of the workers was full. */
int64_t serving_body_waited_ms(const struct http_exchange *x);
void serving_body_retry(struct iothread *io, struct http_exchange *x);

/* A pause is over. */
void serving_pause_over(struct iothread *io, struct http_exchange *x);

/* Likewise for content that has begun to come. */
void serving_content_retry(struct iothread *io, struct http_exchange *x);

/* Reads what has come on connections that rest, event or not. */
void serving_last_call(struct iothread *io, enum conn_list_kind kind);
