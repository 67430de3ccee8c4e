#include "scan/changed.h"

#include <stdio.h>

/* By the first two digits, as the record of its share is called. */
unsigned scan_share(const struct digest *d)
{
    struct str hex = digest_hex(d);
    unsigned share = 0;

    for (size_t i = 0; i < 2; i++) {
        char c = hex.p[i];

        share = share * 16 + (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return share;
}

unsigned scan_share_of_repo(const struct repo_name *repo)
{
    uint32_t h = 0x811c9dc5u; /* FNV-1a */

    for (size_t i = 0; i < repo->n; i++)
        h = (h ^ (unsigned char)repo->text[i]) * 0x01000193u;
    return (h ^ h >> 16) % SCAN_SHARES;
}

static void put(struct scan_changed *changed, struct meta_op ops[static SCAN_CHANGED_OPS])
{
    uuid_make(&changed->text);
    ops[0] =
        meta_op_record_put(SCAN_CHANGED, SCAN_CHANGED_ALL, str_of(changed->text.text), META_ANY);
    ops[1] = meta_op_record_put(SCAN_CHANGED, str_of(changed->share), str_of(changed->text.text),
                                META_ANY);
}

void scan_changed_ops(const struct digest *d, struct scan_changed *changed,
                      struct meta_op ops[static SCAN_CHANGED_OPS])
{
    snprintf(changed->share, sizeof(changed->share), "%02x", scan_share(d) & 0xff);
    put(changed, ops);
}

void scan_changed_repo_ops(const struct repo_name *repo, struct scan_changed *changed,
                           struct meta_op ops[static SCAN_CHANGED_OPS])
{
    snprintf(changed->share, sizeof(changed->share), "r%02x", scan_share_of_repo(repo) & 0xff);
    put(changed, ops);
}
