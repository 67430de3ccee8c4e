/* What the fuzzers of configuration files share. */
#pragma once

#include "base/cleanup.h"
#include "conf/check.h"
#include "conf/field.h"
#include "conf/yaml_file.h"

#include <stdlib.h>

/* Reads the text over c, and checks it. */
typedef enum err_code round_trip_read(struct conf *c, struct str text, struct err *e);

static inline struct conf *round_trip_defaults(void)
{
    struct conf *c = NULL;

    if (conf_load(NULL, NULL, &c, ERR_IGNORED) != ERR_OK)
        abort();
    return c;
}

/* Of our own files. */
static inline enum err_code round_trip_read_yaml(struct conf *c, struct str text, struct err *e)
{
    AUTO(source) struct conf_source source = {.conf = c, .path = "file"};

    TRY(conf_read_yaml(&source, text, e));
    return conf_check(&source, e);
}

/* The error of a text that is refused is of one printable line; what is accepted prints, and what
 * was printed is the same configuration. */
static inline void round_trip(round_trip_read *read, struct str text)
{
    AUTO(conf) struct conf *c = round_trip_defaults();
    AUTO(conf) struct conf *again = round_trip_defaults();
    AUTO(buf) struct buf printed = {0};
    struct err e;

    buf_init(&printed, 1 << 20);
    if (read(c, text, &e) != ERR_OK) {
        for (const char *p = e.detail; *p; p++) {
            if ((unsigned char)*p < 0x20 || *p == 0x7f)
                abort();
        }
        return;
    }
    conf_print(c, &printed);
    if (round_trip_read_yaml(again, buf_str(&printed), &e) != ERR_OK)
        abort();
    for (size_t i = 0; i < conf_rows_n; i++) {
        const struct conf_row *row = &conf_rows[i];

        if (!conf_field_eq(row, conf_field_const(c, row), conf_field_const(again, row)))
            abort();
    }
}
