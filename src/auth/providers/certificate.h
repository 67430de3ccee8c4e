/*
 * Client certificates. TLS has verified them (http.h); here they are given a name: by the subject
 * or by a subject alternative name. A name that could be read in two ways is none.
 */
#pragma once

#include "auth/core/provider.h"
#include "conf/conf.h"

/* conf must outlive it. */
struct provider *certificate_new(const struct conf_certificate *conf);
