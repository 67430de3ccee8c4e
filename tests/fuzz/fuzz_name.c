/* Repository names and tags: what is accepted is the text itself and within its bounds. */
#include "base/name.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str s = {(const char *)data, size};
    struct repo_name repo;
    struct tag_name tag;

    if (repo_name_parse(s, &repo, ERR_IGNORED) == ERR_OK &&
        (repo.n != size || memcmp(repo.text, data, size) != 0 || repo.text[repo.n] != '\0'))
        abort();
    if (tag_name_parse(s, &tag, ERR_IGNORED) == ERR_OK &&
        (tag.n != size || memcmp(tag.text, data, size) != 0 || tag.text[tag.n] != '\0'))
        abort();
    return 0;
}
