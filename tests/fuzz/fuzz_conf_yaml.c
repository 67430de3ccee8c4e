/* Configuration files: an error is of one printable line; what is accepted prints, and what was
 * printed loads again. */
#include "base/cleanup.h"
#include "conf/value.h"
#include "conf/yaml_file.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct conf *defaults(void)
{
    struct conf *c = NULL;
    struct err e;

    if (conf_load(NULL, NULL, &c, &e) != ERR_OK)
        abort();
    return c;
}

static enum err_code read_text(struct conf *c, struct str text, struct err *e)
{
    struct conf_source source = {.conf = c, .path = "file"};
    enum err_code code = conf_read_yaml(&source, text, e);

    code = code == ERR_OK ? conf_check(&source, e) : code;
    conf_source_done(&source);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(conf) struct conf *c = defaults();
    AUTO(conf) struct conf *again = defaults();
    AUTO(buf) struct buf printed = {0};
    struct err e;

    buf_init(&printed, 1 << 20);
    if (read_text(c, (struct str){(const char *)data, size}, &e) != ERR_OK) {
        for (const char *p = e.detail; *p; p++) {
            if ((unsigned char)*p < 0x20 || *p == 0x7f)
                abort();
        }
        return 0;
    }
    conf_print(c, &printed);
    if (read_text(again, buf_str(&printed), &e) != ERR_OK)
        abort();
    for (size_t i = 0; i < conf_rows_n; i++) {
        const struct conf_row *row = &conf_rows[i];

        if (!conf_value_eq(row, conf_field_const(c, row), conf_field_const(again, row)))
            abort();
    }
    return 0;
}
