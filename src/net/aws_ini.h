/* The shared files of AWS ("Shared config and credentials files"): settings of profiles. */
#pragma once

#include "base/buf.h"

struct aws_ini {
    struct aws_ini_entry {
        struct str section, name, value; /* parts of text */
    } * items;
    size_t n;
    struct buf text; /* owned */
};

/* Reads the text, which becomes the list's. Lines that are neither section nor setting, and
 * settings below a setting, are passed over. */
void aws_ini_read(struct buf text, struct aws_ini *ret_ini);
void aws_ini_done(struct aws_ini *ini);

static inline void auto_aws_ini_(struct aws_ini *ini)
{
    aws_ini_done(ini);
}

/* Is there a section of the name? In the config file all but "default" begin with "profile ". */
bool aws_ini_has(const struct aws_ini *ini, struct str section);

/* The last value there; .p is NULL: there is none. Names without case. */
struct str aws_ini_find(const struct aws_ini *ini, struct str section, const char *name);
