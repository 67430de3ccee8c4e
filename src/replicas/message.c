#include "replicas/message.h"

#include "base/digest.h"
#include "base/name.h"

#define MARK STR("registry-1")

static const char *const kinds[] = {
    [MESSAGE_ENTER] = "enter",
    [MESSAGE_ENTERED] = "entered",
    [MESSAGE_LEAVE] = "leave",
    [MESSAGE_LOWEST] = "lowest",
};

#define NOBODY "-" /* in place of an id */

void message_begin(struct buf *ret_text, const struct message *m)
{
    buf_addf(ret_text, STR_FMT " %s %s %s %llu %llu\n", STR_ARG(MARK), kinds[m->kind], m->from.text,
             m->to.text[0] ? m->to.text : NOBODY, (unsigned long long)m->number,
             (unsigned long long)m->lowest);
}

void message_add_key(struct buf *ret_text, struct str repo, struct str reference)
{
    buf_addf(ret_text, STR_FMT " " STR_FMT "\n", STR_ARG(repo), STR_ARG(reference));
}

static bool parse_kind(struct str s, enum message_kind *ret_kind)
{
    for (int kind = MESSAGE_ENTER; kind <= MESSAGE_LOWEST; kind++) {
        if (str_eq(s, str_of(kinds[kind]))) {
            *ret_kind = (enum message_kind)kind;
            return true;
        }
    }
    return false;
}

static bool parse_to(struct str s, enum message_kind kind, struct uuid *ret_to)
{
    if (kind == MESSAGE_ENTERED)
        return uuid_parse(s, ret_to);
    *ret_to = (struct uuid){0};
    return str_eq(s, STR(NOBODY));
}

static bool parse_head(struct str line, struct message *m)
{
    struct str mark, kind, from, to, number;

    return str_cut(&line, ' ', &mark) && str_eq(mark, MARK) && str_cut(&line, ' ', &kind) &&
           parse_kind(kind, &m->kind) && str_cut(&line, ' ', &from) && uuid_parse(from, &m->from) &&
           str_cut(&line, ' ', &to) && parse_to(to, m->kind, &m->to) &&
           str_cut(&line, ' ', &number) && str_to_u64(number, UINT64_MAX, &m->number) &&
           str_to_u64(line, UINT64_MAX, &m->lowest);
}

/* Names of the store, or nothing at all: everything. */
static bool key_is_valid(const struct message_key *k)
{
    struct repo_name repo;
    struct tag_name tag;
    struct digest d;

    if (k->repo.n == 0)
        return k->reference.n == 0;
    return repo_name_parse(k->repo, &repo, ERR_IGNORED) == ERR_OK &&
           (tag_name_parse(k->reference, &tag, ERR_IGNORED) == ERR_OK ||
            digest_parse(k->reference, &d, ERR_IGNORED) == ERR_OK);
}

static bool keys_are_valid(struct str keys)
{
    struct message_key k;

    while (keys.n > 0) {
        if (!message_next_key(&keys, &k) || !key_is_valid(&k))
            return false;
    }
    return true;
}

bool message_parse(struct str text, struct message *ret_message)
{
    struct message m = {0};
    struct str line;

    if (!str_cut(&text, '\n', &line) || !parse_head(line, &m))
        return false;
    if ((m.kind == MESSAGE_ENTER) != (text.n > 0) || !keys_are_valid(text))
        return false;
    m.keys = text;
    *ret_message = m;
    return true;
}

bool message_next_key(struct str *keys, struct message_key *ret_key)
{
    struct str line;

    if (keys->n == 0 || !str_cut(keys, '\n', &line))
        return false;
    if (!str_cut(&line, ' ', &ret_key->repo))
        return false;
    ret_key->reference = line;
    return true;
}
