#include "net/aws_ini.h"

#include "base/mem.h"

static void add(struct aws_ini *ini, struct aws_ini_entry entry)
{
    ini->items = mem_resize(ini->items, (ini->n + 1) * sizeof(ini->items[0]));
    ini->items[ini->n++] = entry;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* A comment starts with # or ; behind a blank. */
static struct str without_comment(struct str s)
{
    for (size_t i = 1; i < s.n; i++) {
        if ((s.p[i] == '#' || s.p[i] == ';') && is_blank(s.p[i - 1]))
            return str_trim(str_sub(s, 0, i));
    }
    return str_trim(s);
}

static struct str without_quotes(struct str s)
{
    bool quoted = s.n >= 2 && (s.p[0] == '"' || s.p[0] == '\'') && s.p[s.n - 1] == s.p[0];

    return quoted ? str_sub(s, 1, s.n - 2) : s;
}

/* What stands in the brackets. */
static struct str section_name(struct str line)
{
    struct str name;

    line = str_sub(line, 1, line.n - 1);
    str_cut(&line, ']', &name);
    return without_quotes(str_trim(name));
}

static void read_line(struct aws_ini *ini, struct str line, struct str *section)
{
    struct str value = line, name;

    if (line.n > 0 && line.p[line.n - 1] == '\r')
        value = line = str_sub(line, 0, line.n - 1);
    if (line.n == 0 || is_blank(line.p[0]) || line.p[0] == '#' || line.p[0] == ';')
        return;
    if (line.p[0] == '[') {
        *section = section_name(line);
        add(ini, (struct aws_ini_entry){.section = *section});
        return;
    }
    if (section->p && str_cut(&value, '=', &name))
        add(ini, (struct aws_ini_entry){*section, str_trim(name), without_comment(value)});
}

void aws_ini_read(struct buf text, struct aws_ini *ret_ini)
{
    struct str rest, line, section = STR_NONE;
    bool more;

    *ret_ini = (struct aws_ini){.text = text};
    rest = buf_str(&ret_ini->text);
    do {
        more = str_cut(&rest, '\n', &line);
        read_line(ret_ini, line, &section);
    } while (more);
}

void aws_ini_done(struct aws_ini *ini)
{
    free(ini->items);
    buf_done(&ini->text);
    *ini = (struct aws_ini){0};
}

/* "profile dev" is written with any blanks between, and the name in quotes perhaps. */
static bool is_section(struct str written, struct str wanted)
{
    static const struct str profile = STR("profile");
    size_t n = profile.n;

    if (str_eq(written, wanted))
        return true;
    if (!str_starts(written, profile) || !str_starts(wanted, STR("profile ")) || written.n <= n ||
        !is_blank(written.p[n]))
        return false;
    return str_eq(without_quotes(str_trim(str_sub(written, n, written.n - n))),
                  str_sub(wanted, n + 1, wanted.n - n - 1));
}

bool aws_ini_has(const struct aws_ini *ini, struct str section)
{
    for (size_t i = 0; i < ini->n; i++) {
        if (is_section(ini->items[i].section, section))
            return true;
    }
    return false;
}

struct str aws_ini_find(const struct aws_ini *ini, struct str section, const char *name)
{
    struct str found = STR_NONE;

    for (size_t i = 0; i < ini->n; i++) {
        const struct aws_ini_entry *entry = &ini->items[i];

        if (str_ieq(entry->name, str_of(name)) && is_section(entry->section, section))
            found = entry->value;
    }
    return found;
}
