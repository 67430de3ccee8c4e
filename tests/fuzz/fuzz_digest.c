/* Digests: what is accepted is the text itself, of a known algorithm and its length. */
#include "base/digest.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str s = {(const char *)data, size};
    struct digest d;
    struct str hex;

    if (digest_parse(s, &d, ERR_IGNORED) != ERR_OK)
        return 0;
    hex = digest_hex(&d);
    if (d.n != size || memcmp(d.text, data, size) != 0 || d.text[size] != '\0' ||
        hex.n != (d.algorithm == DIGEST_SHA256 ? 64 : 128))
        abort();
    for (size_t i = 0; i < hex.n; i++) {
        if (!memchr("0123456789abcdef", hex.p[i], 16))
            abort();
    }
    return 0;
}
