#pragma once

#include "http/exchange.h"

/* The exchange is over: tells app.done() and gives the connection back. Worker or sender. */
void exchange_end(struct http_exchange *x);
