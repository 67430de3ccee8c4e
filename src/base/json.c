#include "base/json.h"

struct json_extent json_extent(struct str text, size_t depth_max)
{
    struct json_extent found = {0};
    size_t depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < text.n && found.depth <= depth_max; i++) {
        char c = text.p[i];

        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (quoted)
            continue;
        else if (c == '}' || c == ']')
            depth -= depth > 0;
        else if (c == ',' || c == ':')
            found.separators++;
        else if (c == '{' || c == '[') {
            found.containers++;
            if (++depth > found.depth)
                found.depth = depth;
        }
    }
    return found;
}

bool json_shallow(struct str text)
{
    return json_extent(text, JSON_DEPTH_MAX).depth <= JSON_DEPTH_MAX;
}
