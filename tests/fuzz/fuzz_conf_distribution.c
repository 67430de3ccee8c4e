/* Configuration files of the reference registry. */
#include "conf/distribution/read.h"
#include "conf_round_trip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    round_trip(read_theirs, (struct str){(const char *)data, size});
    return 0;
}
