#include "base/json.h"

bool json_shallow(struct str text)
{
    size_t depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (quoted)
            continue;
        else if (c == '[' || c == '{')
            depth++;
        else if (c == ']' || c == '}')
            depth -= depth > 0;
        if (depth > JSON_DEPTH_MAX)
            return false;
    }
    return true;
}
