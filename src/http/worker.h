/*
 * The workers: threads that run app.serve(), made when needed, ended after some seconds without
 * work. The queue is fair between clients: see worker.c.
 */
#pragma once

#include "http/exchange.h"

struct workers;

struct workers *workers_new(struct http_server *s);
void workers_free(struct workers *w); /* accepts NULL; joins them; the queue must be empty */

/* Queues x. False when the queue is full, or no thread could be made at all. */
bool workers_put(struct workers *w, struct http_exchange *x);
