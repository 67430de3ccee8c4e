/* Files of the reference registry: an error is of one printable line; what is accepted prints, and
 * what was printed is the same configuration. */
#include "base/cleanup.h"
#include "conf/check.h"
#include "conf/distribution/read.h"
#include "conf/field.h"
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

static enum err_code read_theirs(struct conf *c, struct str text, struct err *e)
{
    AUTO(flat) struct flat flat = {0};
    AUTO(source) struct conf_source source = {.conf = c, .path = "file"};

    TRY(flat_read(&flat, text, "file", e));
    if (!conf_is_distribution(&flat))
        return err_set(e, ERR_CONFIG, "no version");
    TRY(conf_read_distribution(&source, &flat, NULL, e));
    return conf_check(&source, e);
}

static enum err_code read_ours(struct conf *c, struct str text, struct err *e)
{
    AUTO(source) struct conf_source source = {.conf = c, .path = "file"};

    TRY(conf_read_yaml(&source, text, e));
    return conf_check(&source, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(conf) struct conf *c = defaults();
    AUTO(conf) struct conf *again = defaults();
    AUTO(buf) struct buf printed = {0};
    struct err e;

    buf_init(&printed, 1 << 20);
    if (read_theirs(c, (struct str){(const char *)data, size}, &e) != ERR_OK)
        return 0;
    conf_print(c, &printed);
    if (read_ours(again, buf_str(&printed), &e) != ERR_OK)
        abort();
    for (size_t i = 0; i < conf_rows_n; i++) {
        const struct conf_row *row = &conf_rows[i];

        if (!conf_field_eq(row, conf_field_const(c, row), conf_field_const(again, row)))
            abort();
    }
    return 0;
}
