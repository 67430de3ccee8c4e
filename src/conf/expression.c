#include "conf/expression.h"

#include "base/mem.h"
#include "base/str.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

struct conf_expression {
    regex_t regex;
};

/* Past the bracket expression that begins at text; *ret_backslash: there is one in it. */
static const char *skip_brackets(const char *text, bool *ret_backslash)
{
    text++;
    text += *text == '^';
    text += *text == ']'; /* as the first one it means itself */
    for (; *text && *text != ']'; text++) {
        *ret_backslash |= *text == '\\';
        if (text[0] == '[' && text[1] == ':') /* "[:alpha:]" */
            text = strstr(text, ":]") ? strstr(text, ":]") + 1 : text;
    }
    return text;
}

/* A backslash before a letter or digit is a class, a boundary or a back reference elsewhere; within
 * brackets it hides what follows elsewhere, and means itself here; and "(?" begins a group with
 * flags or without a capture. */
static bool of_another_dialect(const char *text)
{
    bool other = false;

    for (; *text && !other; text++) {
        if (*text == '[')
            text = skip_brackets(text, &other);
        if (!*text)
            break;
        other |= text[0] == '(' && text[1] == '?';
        if (text[0] != '\\')
            continue;
        other |= str_is_alphanumeric(text[1]);
        text += text[1] != '\0';
    }
    return other;
}

enum err_code conf_expression_new(const char *text, struct conf_expression **ret_pattern,
                                  struct err *e)
{
    struct conf_expression *p;
    char why[128];
    int error;

    if (of_another_dialect(text))
        return err_set(e, ERR_CONFIG,
                       "'%.80s' is written in another dialect; allowed are POSIX extended regular "
                       "expressions: [0-9] for \\d, ( for (?:, [.] for [\\.]",
                       text);
    p = NEW(struct conf_expression);
    error = regcomp(&p->regex, text, REG_EXTENDED | REG_NOSUB);
    if (error) {
        regerror(error, &p->regex, why, sizeof(why));
        free(p);
        return err_set(e, ERR_CONFIG, "'%.80s' is no regular expression: %s", text, why);
    }
    *ret_pattern = p;
    return ERR_OK;
}

void conf_expression_free(struct conf_expression *p)
{
    if (!p)
        return;
    regfree(&p->regex);
    free(p);
}

bool conf_expression_matches(const struct conf_expression *p, const char *text)
{
    return regexec(&p->regex, text, 0, NULL, 0) == 0;
}
