/* Operations on uploads, and the index by age. */
#include "meta/dynamodb/dynamodb.h"

#include <stdio.h>

#define FORGET_S (31 * 86400) /* then the service deletes what nobody did */

void dynamo_age_partition(const char *kind, unsigned shard, char dst[static 32])
{
    snprintf(dst, 32, "%s#%u", kind, shard);
}

/* What is of the kind already keeps its age. */
void dynamo_set_age(struct dynamo_tx *tx, struct dynamo_cell *c, const char *kind, int64_t time)
{
    char partition[32], at[DYNAMO_AT_SIZE], sorted[DYNAMO_SORTED];

    dynamo_age_partition(kind, dynamo_shard_of(str_of(c->pk), DYNAMO_AGE_SHARDS), partition);
    dynamo_sorted(time, sorted);
    snprintf(at, sizeof(at), "%s#%08x%08x", sorted, dynamo_shard_of(str_of(c->pk), UINT32_MAX),
             dynamo_shard_of(str_of(c->sk), UINT32_MAX));
    if (str_eq(dynamo_cell_text(c, "g_age"), str_of(partition)))
        return;
    if (dynamo_cell_has(c, "g_age")) {
        dynamo_cell_set(&tx->cells, c, "g_age", str_of(partition));
        dynamo_cell_set(&tx->cells, c, "at", str_of(at));
        return;
    }
    dynamo_cell_set_once(&tx->cells, c, "g_age", str_of(partition));
    dynamo_cell_set_once(&tx->cells, c, "at", str_of(at));
}

void dynamo_ages_init(struct dynamo_ages *a, const char *kind, int64_t before, size_t page)
{
    *a = (struct dynamo_ages){.merge = {.n = DYNAMO_AGE_SHARDS, .by = "at"}};
    dynamo_sorted(INT64_MIN, a->from);
    dynamo_sorted(before, a->to); /* what has this time sorts behind it */
    for (unsigned i = 0; i < DYNAMO_AGE_SHARDS; i++) {
        dynamo_age_partition(kind, i, a->partitions[i]);
        a->merge.cursors[i].range = (struct dynamo_range){.index = "g_age",
                                                          .hash = "g_age",
                                                          .sort = "at",
                                                          .partition = a->partitions[i],
                                                          .from = a->from,
                                                          .to = a->to,
                                                          .page = page};
    }
}

static struct dynamo_cell *cell_of(struct dynamo_tx *tx, const struct uuid *id)
{
    return dynamo_cell_of(tx, dynamo_key_upload(str_of(id->text)));
}

static void set(struct dynamo_tx *tx, struct dynamo_cell *c, const char *name, struct str value)
{
    dynamo_cell_set(&tx->cells, c, name, value);
}

/* What the caller knows of it, so that in the usual case nothing is read. */
static json_t *known_item(const struct dynamo_cell *c, const struct meta_upload *u)
{
    if (u->turn == 0)
        return NULL;
    return json_pack("{s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:o}", "pk", "S", c->pk, "repo", "S",
                     u->repo.text, "owner", "S", u->owner, "g_age", "S", "open#", "turn",
                     item_number(u->turn));
}

static void put_upload(struct dynamo_tx *tx, struct dynamo_cell *c, const struct meta_upload *u)
{
    dynamo_cell_saw(c, "pk", false);
    dynamo_cell_put(c);
    set(tx, c, "k", STR("U"));
    set(tx, c, "id", str_of(u->id.text));
    set(tx, c, "repo", repo_name_str(&u->repo));
    set(tx, c, "owner", str_of(u->owner));
    set(tx, c, "algorithm", str_of(digest_algorithm_name(u->algorithm)));
    dynamo_cell_set_number(c, "started", u->started_ms);
}

static void set_turn(struct dynamo_tx *tx, struct dynamo_cell *c, const struct meta_upload *u,
                     int64_t turn)
{
    set(tx, c, "holder", str_of(u->holder.text));
    dynamo_cell_set_number(c, "turn", turn);
}

static bool may_take(const struct dynamo_cell *c, const struct meta_upload *u)
{
    return !dynamo_cell_has(c, "digest") &&
           str_eq(dynamo_cell_text(c, "repo"), repo_name_str(&u->repo)) &&
           str_eq(dynamo_cell_text(c, "owner"), str_of(u->owner));
}

enum err_code dynamo_upload_take(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    const struct meta_upload *u = op->upload_take.upload;
    struct dynamo_cell *c = cell_of(tx, &u->id);
    int64_t turn = 1;

    TRY(dynamo_cell_guess(&tx->cells, c, known_item(c, u), e));
    *op->upload_take.ret_turn = 0;
    if (!dynamo_cell_is(c)) {
        put_upload(tx, c, u);
        dynamo_set_age(tx, c, "open", u->started_ms);
    } else if (may_take(c, u)) {
        turn = dynamo_cell_number(c, "turn") + 1;
        dynamo_cell_saw(c, "turn", true);
        dynamo_cell_saw(c, "digest", false);
    } else {
        return ERR_OK;
    }
    set_turn(tx, c, u, turn);
    *op->upload_take.ret_turn = turn;
    return ERR_OK;
}

enum err_code dynamo_upload_finish(struct dynamo_tx *tx, const struct meta_op *op, struct err *e)
{
    const struct meta_upload *u = op->upload_finish.upload;
    const struct digest *d = op->upload_finish.digest;
    struct dynamo_cell *c = cell_of(tx, &u->id);

    TRY(dynamo_cell_guess(&tx->cells, c, known_item(c, u), e));
    if (!dynamo_cell_is(c)) {
        put_upload(tx, c, u);
        set_turn(tx, c, u, u->turn);
    } else if (!dynamo_cell_has(c, "digest") && dynamo_cell_number(c, "turn") == u->turn) {
        dynamo_cell_saw(c, "turn", true);
        dynamo_cell_saw(c, "digest", false);
    } else {
        return err_set(e, ERR_CONFLICT, "upload %s is over, or somebody took it", u->id.text);
    }
    set(tx, c, "digest", d ? digest_str(d) : META_BECAME_NOTHING);
    dynamo_cell_set_number(c, "finished", op->upload_finish.finished_ms);
    dynamo_cell_set_number(c, "ttl", op->upload_finish.finished_ms / 1000 + FORGET_S);
    dynamo_set_age(tx, c, "done", op->upload_finish.finished_ms);
    return ERR_OK;
}

#define STAGED_MS 3600000 /* then nobody is at it any more */

enum err_code dynamo_finished_prune(struct dynamo *d, int64_t before_ms, int64_t end_ms,
                                    struct err *e)
{
    AUTO(dynamo_ages) struct dynamo_ages ages = {.from = ""};

    TRY(dynamo_unwind_old(d, before_ms - STAGED_MS, end_ms, e));
    dynamo_ages_init(&ages, "done", before_ms, 0);
    return dynamo_delete_all(d->link, &ages.merge, end_ms, e);
}
