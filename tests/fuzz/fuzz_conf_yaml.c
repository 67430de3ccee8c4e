/* Configuration files. */
#include "conf_round_trip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    round_trip(round_trip_read_yaml, (struct str){(const char *)data, size});
    return 0;
}
