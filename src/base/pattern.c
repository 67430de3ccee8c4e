/* Matching of patterns, without backtracking over what was matched already. */
#include "base/pattern.h"

#define PATTERN_MAX 512
#define TEXT_MAX    1024

bool pattern_valid(struct str pattern)
{
    if (pattern.n == 0 || pattern.n > PATTERN_MAX)
        return false;
    for (size_t i = 0; i < pattern.n; i++) {
        char c = pattern.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c != '\0' && strchr("._-/*?@+:", c))))
            return false;
    }
    return true;
}

/*
 * reach[j]: the pattern so far matches the first j bytes of text. One row of the table, rewritten
 * for each element of the pattern: time is pattern times text, memory is the text.
 */
static void step_star(bool *reach, struct str text, bool slashes)
{
    for (size_t j = 0; j < text.n; j++) {
        if (reach[j] && (slashes || text.p[j] != '/'))
            reach[j + 1] = true;
    }
}

static void step_char(bool *reach, struct str text, char c)
{
    for (size_t j = text.n; j > 0; j--) {
        char t = text.p[j - 1];

        reach[j] = reach[j - 1] && (c == '?' ? t != '/' : t == c);
    }
    reach[0] = false;
}

/* Characters before the first that stands for others. */
static size_t plain_length(struct str pattern)
{
    size_t n = 0;

    while (n < pattern.n && pattern.p[n] != '*' && pattern.p[n] != '?')
        n++;
    return n;
}

/* Most patterns of a policy are decided here, for they begin with other letters or are none. */
static bool begins_otherwise(struct str pattern, struct str text)
{
    size_t plain = plain_length(pattern), n = plain < text.n ? plain : text.n;

    if (plain == pattern.n)
        return !str_eq(pattern, text);
    return n > 0 && memcmp(pattern.p, text.p, n) != 0;
}

bool pattern_matches(struct str pattern, struct str text)
{
    bool reach[TEXT_MAX + 1] = {true};
    bool below = str_ends(pattern, STR("/**")); /* then the part before it is enough */

    if (text.n > TEXT_MAX || begins_otherwise(pattern, text))
        return false;
    for (size_t i = 0; i < pattern.n; i++) {
        bool two = pattern.p[i] == '*' && i + 1 < pattern.n && pattern.p[i + 1] == '*';

        if (below && i == pattern.n - 3 && i > 0 && reach[text.n])
            return true;
        if (pattern.p[i] != '*')
            step_char(reach, text, pattern.p[i]);
        else
            step_star(reach, text, two);
        i += two;
    }
    return reach[text.n];
}
