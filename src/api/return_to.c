#include "api/return_to.h"

bool return_to_valid(struct str path)
{
    if (path.n == 0 || path.n > RETURN_TO_MAX || path.p[0] != '/' ||
        (path.n > 1 && path.p[1] == '/') || str_starts(path, STR("/auth/")))
        return false;
    for (size_t i = 0; i < path.n; i++) {
        if (path.p[i] <= ' ' || path.p[i] > '~' || path.p[i] == '\\')
            return false;
    }
    return true;
}
