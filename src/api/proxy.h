/*
 * Who is behind a trusted proxy: X-Forwarded-For and X-Forwarded-Proto count only when the peer is
 * one of http.trusted_proxies, and of a list of addresses only the last that is not one itself.
 */
#pragma once

#include "api/req.h"

void proxies_init(struct api *a); /* reads the configuration; once, before any request */
void proxies_done(struct api *a);

/* The client's address, as text. Lives as long as the request. */
const char *client_address(struct req *q);

/* What limits count by: of IPv6 the network, 64 bits, because one client has all addresses of it
 * (RFC 4291, 2.5.4); else the address. Lives as long as the request. */
const char *client_network(struct req *q);

/* "http" or "https", as the client sees it. */
const char *client_scheme(const struct req *q);
