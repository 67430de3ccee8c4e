#include "base/cleanup.h"
#include "core/pulled.h"
#include "scan/changed.h"
#include "scan/simulate.h"
#include "unit/core/support.h"

#include <pthread.h>
#include <stdio.h>

#define NOW     ((int64_t)1796083200000)
#define RULE    "[{repositories: ['**']}]"
#define LENIENT "[{repositories: ['**'], mode: 'off'}]"

/* What is known of images: those in repositories "bad*" have a critical finding. */
static struct {
    atomic_uint looks;
    enum err_code error;
    bool exempt;
    int64_t until_ms;
    struct gate *change; /* gets other rules while it is looked */
} known;

static void set_rules(struct gate *g, const char *text)
{
    struct conf_pull_rules rules;

    assert_ok(conf_pull_rules_parse(str_of(text), &rules, ERR_IGNORED));
    gate_set_rules(g, &rules);
    assert_int_equal(rules.n, 0);
}

static enum err_code look(void *ctx, const struct repo_name *repo, const struct digest *d,
                          const struct conf_pull_rule *rule, int64_t now_ms, struct gate_image *ret,
                          struct err *e)
{
    const struct finding bad = {.severity = SEVERITY_CRITICAL,
                                .cve = STR("CVE-1"),
                                .package = STR("zlib"),
                                .installed = STR("1")};

    (void)ctx;
    (void)d;
    assert_int_equal(now_ms / 86400000, NOW / 86400000);
    assert_int_equal(rule->severity, SEVERITY_CRITICAL);
    atomic_fetch_add(&known.looks, 1);
    if (known.change)
        set_rules(known.change, LENIENT);
    if (known.error != ERR_OK)
        return err_set(e, known.error, "can't look");
    ret->exempt = known.exempt;
    ret->until_ms = known.until_ms;
    ret->image.standing = PULL_SCANNED;
    if (!str_starts(repo_name_str(repo), STR("bad")))
        return ERR_OK;
    TRY(finding_list_add(&ret->findings, &bad, e));
    ret->image.findings = ret->findings.items;
    ret->image.n = ret->findings.n;
    return ERR_OK;
}

static struct gate *fresh(const char *rules)
{
    struct gate *g = gate_new(look, NULL, 1000);

    memset(&known, 0, sizeof(known));
    if (rules)
        set_rules(g, rules);
    return g;
}

static struct digest digest(unsigned i)
{
    struct digest d;

    digest_of(DIGEST_SHA256, &i, sizeof(i), &d);
    return d;
}

static bool blocked_at(struct gate *g, const char *repo, unsigned i, int64_t now_ms)
{
    struct digest d = digest(i);
    struct repo_name name;
    struct pull_verdict v;

    assert_ok(repo_name_parse(str_of(repo), &name, ERR_IGNORED));
    assert_ok(gate_judge(g, &name, &d, now_ms, &v, ERR_IGNORED));
    return v.blocked;
}

static bool is_open(struct gate *g, const char *repo, unsigned i, int64_t now_ms)
{
    struct digest d = digest(i);
    struct repo_name name;

    assert_ok(repo_name_parse(str_of(repo), &name, ERR_IGNORED));
    return gate_open(g, &name, &d, now_ms);
}

static void without_rules_everything_is_open(void **state)
{
    AUTO(gate) struct gate *g = fresh(NULL);

    (void)state;
    assert_false(gate_asks(g));
    assert_true(is_open(g, "bad", 1, NOW));
    set_rules(g, LENIENT);
    assert_false(gate_asks(g));
}

static void a_verdict_is_made_once(void **state)
{
    AUTO(gate) struct gate *g = fresh(RULE);

    (void)state;
    assert_false(is_open(g, "good", 1, NOW)); /* not known yet */
    for (size_t i = 0; i < 3; i++) {
        assert_false(blocked_at(g, "good", 1, NOW));
        assert_true(is_open(g, "good", 1, NOW));
        assert_true(blocked_at(g, "bad", 1, NOW));
        assert_false(is_open(g, "bad", 1, NOW));
    }
    assert_int_equal(known.looks, 2);
}

static void a_verdict_is_of_a_repository_and_a_digest(void **state)
{
    AUTO(gate) struct gate *g = fresh(RULE);

    (void)state;
    assert_false(blocked_at(g, "good", 1, NOW));
    assert_false(is_open(g, "good", 2, NOW));
    assert_false(is_open(g, "bad", 1, NOW));
}

static void other_rules_make_other_verdicts(void **state)
{
    AUTO(gate) struct gate *g = fresh(RULE);

    (void)state;
    assert_true(blocked_at(g, "bad", 1, NOW));
    set_rules(g, "[{repositories: ['bad'], mode: warn}, {repositories: ['**']}]");
    assert_false(blocked_at(g, "bad", 1, NOW));
    set_rules(g, RULE);
    assert_true(blocked_at(g, "bad", 1, NOW));
}

static void a_verdict_of_rules_that_changed_meanwhile_is_not_kept(void **state)
{
    AUTO(gate) struct gate *g = fresh(RULE);

    (void)state;
    set_rules(g, "[{repositories: [good]}]");
    known.change = g;
    assert_false(blocked_at(g, "good", 1, NOW));
    known.change = NULL;
    set_rules(g, RULE);
    assert_false(is_open(g, "good", 1, NOW));
}

static void a_verdict_holds_for_a_while(void **state)
{
    AUTO(gate) struct gate *g = fresh(RULE);

    (void)state;
    known.until_ms = NOW + 60000;
    assert_false(blocked_at(g, "good", 1, NOW));
    assert_true(is_open(g, "good", 1, NOW + 59999));
    assert_false(is_open(g, "good", 1, NOW + 60000));
    known.until_ms = 0;
    assert_false(blocked_at(g, "good", 2, NOW));
    assert_false(is_open(g, "good", 2, NOW + 2 * 3600000));
}

static void what_is_no_image_is_open(void **state)
{
    AUTO(gate) struct gate *g = fresh("[{repositories: ['**'], unscanned: block}]");

    (void)state;
    known.exempt = true;
    assert_false(blocked_at(g, "bad", 1, NOW));
    assert_true(is_open(g, "bad", 1, NOW));
}

static void a_failed_look_is_an_error_and_not_remembered(void **state)
{
    AUTO(gate) struct gate *g = fresh(RULE);
    struct digest d = digest(1);
    struct repo_name name;
    struct pull_verdict v;

    (void)state;
    assert_ok(repo_name_parse(STR("good"), &name, ERR_IGNORED));
    known.error = ERR_UNAVAILABLE;
    assert_code(ERR_UNAVAILABLE, gate_judge(g, &name, &d, NOW, &v, ERR_IGNORED));
    known.error = ERR_OK;
    assert_false(blocked_at(g, "good", 1, NOW));
}

static void more_images_than_there_is_room_for_are_judged_again(void **state)
{
    AUTO(gate) struct gate *g = fresh(RULE);

    (void)state;
    for (unsigned i = 0; i < 5000; i++)
        assert_int_equal(blocked_at(g, i % 2 ? "bad" : "good", i, NOW), i % 2);
    for (unsigned i = 0; i < 5000; i++)
        assert_int_equal(blocked_at(g, i % 2 ? "bad" : "good", i, NOW), i % 2);
    assert_true(known.looks > 5000);
}

static enum err_code no_verdict(void *ctx, const struct simulated *s, struct err *e)
{
    (void)ctx;
    (void)s;
    return err_set(e, ERR_INTERNAL, "there is nothing to tell");
}

static void an_image_that_is_damaged_ends_no_simulation(void **state)
{
    AUTO(gate) struct gate *g = fresh(LENIENT);
    struct conf_pull_rules rules;
    struct reference ref = {.is_digest = true};
    struct simulated_counts counts;
    struct simulation x;
    struct pulled *p = pulled_new();
    struct world w;

    (void)state;
    world_in_memory(&w);
    ref.digest = image_put(&w, "bad", "one", "one");
    pulled_note(p, &(struct repo_name){3, "bad"}, &ref, NOW);
    assert_ok(pulled_write(p, w.meta, ERR_IGNORED));
    assert_ok(conf_pull_rules_parse(STR(RULE), &rules, ERR_IGNORED));
    x = (struct simulation){
        .gate = g, .registry = w.r, .rules = &rules, .since_ms = NOW - 1000, .now_ms = NOW};
    known.error = ERR_CORRUPT;
    assert_ok(simulate(&x, no_verdict, NULL, &counts, ERR_IGNORED));
    known.error = ERR_OK;
    assert_int_equal(counts.pulls, 1);
    assert_int_equal(counts.gone, 1);
    conf_pull_rules_free(&rules);
    pulled_free(p);
    world_done(&w);
}

static void simulated_rules_are_not_remembered(void **state)
{
    AUTO(gate) struct gate *g = fresh(LENIENT);
    struct conf_pull_rules rules;
    struct digest d = digest(1);
    struct repo_name name;
    struct pull_verdict v;

    (void)state;
    assert_ok(repo_name_parse(STR("bad"), &name, ERR_IGNORED));
    assert_ok(conf_pull_rules_parse(STR(RULE), &rules, ERR_IGNORED));
    assert_ok(gate_judge_by(g, &rules, &name, &d, NOW, &v, ERR_IGNORED));
    assert_true(v.blocked);
    assert_false(blocked_at(g, "bad", 1, NOW));
    conf_pull_rules_free(&rules);
}

static void a_block_is_told_once_an_hour_and_reason(void **state)
{
    AUTO(gate) struct gate *g = fresh(RULE);
    struct digest d = digest(1);
    struct repo_name name;

    (void)state;
    assert_ok(repo_name_parse(STR("bad"), &name, ERR_IGNORED));
    assert_true(blocked_at(g, "bad", 1, NOW));
    assert_true(gate_may_tell(g, &name, &d, PULL_VULNERABLE, NOW));
    assert_false(gate_may_tell(g, &name, &d, PULL_VULNERABLE, NOW + 3599999));
    set_rules(g, RULE);
    assert_true(blocked_at(g, "bad", 1, NOW));
    assert_false(gate_may_tell(g, &name, &d, PULL_VULNERABLE, NOW + 1));
    assert_true(gate_may_tell(g, &name, &d, PULL_OLD, NOW + 1));
    assert_true(gate_may_tell(g, &name, &d, PULL_OLD, NOW + 3600001));
}

/* ---- noticing */

static void change(struct meta *m, const struct digest *d)
{
    struct meta_op ops[SCAN_CHANGED_OPS];
    struct scan_changed changed;

    scan_changed_ops(d, &changed, ops);
    assert_ok(meta_commit(m, ops, SCAN_CHANGED_OPS, 0, NULL, ERR_IGNORED));
}

static void a_change_makes_verdicts_of_its_share_anew(void **state)
{
    AUTO(gate) struct gate *g = fresh(RULE);
    struct world w;
    struct digest changed = digest(1);
    unsigned other = 2;

    (void)state;
    world_in_memory(&w);
    for (struct digest d = digest(other); scan_share(&d) == scan_share(&changed); d = digest(other))
        other++;
    assert_ok(gate_poll(g, w.meta, ERR_IGNORED)); /* nothing has ever changed */
    assert_false(blocked_at(g, "good", 1, NOW));
    assert_false(blocked_at(g, "good", other, NOW));
    assert_ok(gate_poll(g, w.meta, ERR_IGNORED));
    assert_true(is_open(g, "good", 1, NOW));
    change(w.meta, &changed);
    assert_ok(gate_poll(g, w.meta, ERR_IGNORED));
    assert_false(is_open(g, "good", 1, NOW));
    assert_true(is_open(g, "good", other, NOW));
    assert_false(blocked_at(g, "good", 1, NOW));
    assert_ok(gate_poll(g, w.meta, ERR_IGNORED));
    assert_true(is_open(g, "good", 1, NOW));
    world_done(&w);
}

static void a_change_of_a_repository_makes_verdicts_of_its_share_anew(void **state)
{
    AUTO(gate) struct gate *here = fresh(RULE), *there = fresh(RULE);
    struct meta_op ops[SCAN_CHANGED_OPS];
    struct scan_changed changed;
    struct repo_name name;
    struct world w;

    (void)state;
    world_in_memory(&w);
    assert_ok(repo_name_parse(STR("good"), &name, ERR_IGNORED));
    for (size_t i = 0; i < 2; i++) {
        assert_false(blocked_at(i ? there : here, "good", 1, NOW));
        assert_false(blocked_at(i ? there : here, "other", 1, NOW));
    }
    gate_forget_repo(here, &name);
    scan_changed_repo_ops(&name, &changed, ops);
    assert_ok(meta_commit(w.meta, ops, SCAN_CHANGED_OPS, 0, NULL, ERR_IGNORED));
    assert_ok(gate_poll(there, w.meta, ERR_IGNORED));
    for (size_t i = 0; i < 2; i++) {
        assert_false(is_open(i ? there : here, "good", 1, NOW));
        assert_true(is_open(i ? there : here, "other", 1, NOW));
    }
    world_done(&w);
}

static void a_change_of_nobody_knows_what_makes_all_anew(void **state)
{
    AUTO(gate) struct gate *g = fresh(RULE);
    struct world w;
    struct meta_op op = meta_op_record_put(SCAN_CHANGED, SCAN_CHANGED_ALL, STR("\"x\""), META_ANY);

    (void)state;
    world_in_memory(&w);
    assert_false(blocked_at(g, "good", 1, NOW));
    assert_ok(meta_commit(w.meta, &op, 1, 0, NULL, ERR_IGNORED));
    assert_ok(gate_poll(g, w.meta, ERR_IGNORED));
    assert_false(is_open(g, "good", 1, NOW));
    world_done(&w);
}

/* ---- threads */

static void *ask(void *gate)
{
    for (unsigned i = 0; i < 2000; i++) {
        bool bad = i % 3 == 0;

        if (blocked_at(gate, bad ? "bad" : "good", i % 300, NOW) != bad)
            return gate;
        if (is_open(gate, "bad", i % 300, NOW))
            return gate;
    }
    return NULL;
}

static void many_ask_while_rules_change(void **state)
{
    AUTO(gate) struct gate *g = fresh(RULE);
    pthread_t threads[4];
    void *failed = NULL, *any = NULL;

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, g), 0);
    for (size_t i = 0; i < 50; i++)
        set_rules(g, RULE);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], &failed);
        any = failed ? failed : any;
    }
    assert_null(any);
}

/* ---- signatures */

static struct {
    unsigned looks;
    bool lacks, enforced, opens;
    int64_t until_ms;
} signature;

static enum err_code is_signed(void *ctx, const struct repo_name *repo, const struct digest *d,
                               int64_t now_ms, struct pull_verdict *ret, struct err *e)
{
    (void)ctx;
    (void)repo;
    (void)d;
    (void)now_ms;
    (void)e;
    signature.looks++;
    *ret = (struct pull_verdict){.why = signature.lacks ? PULL_UNSIGNED : PULL_FINE,
                                 .blocked = signature.lacks && signature.enforced,
                                 .opens = signature.opens,
                                 .until_ms = signature.until_ms};
    return ERR_OK;
}

static struct gate *signed_gate(const char *rules, bool lacks, bool enforced)
{
    struct gate *g = fresh(rules);

    signature.looks = 0;
    signature.lacks = lacks;
    signature.opens = false;
    signature.enforced = enforced;
    signature.until_ms = INT64_MAX;
    gate_set_signed(g, is_signed, NULL);
    gate_ask_signed(g, true);
    return g;
}

static void what_is_signed_is_asked_about_once(void **state)
{
    AUTO(gate) struct gate *g = signed_gate(NULL, false, true);

    (void)state;
    assert_true(gate_asks(g));
    for (size_t i = 0; i < 3; i++) {
        assert_false(blocked_at(g, "good", 1, NOW));
        assert_true(is_open(g, "good", 1, NOW));
    }
    assert_int_equal(signature.looks, 1);
}

static void what_is_not_signed_is_asked_about_once_a_second(void **state)
{
    AUTO(gate) struct gate *g = signed_gate(NULL, true, true);

    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_true(blocked_at(g, "good", 1, NOW + 999));
    assert_int_equal(signature.looks, 1);
    signature.lacks = false; /* somebody told another server */
    assert_true(blocked_at(g, "good", 1, NOW + 1998));
    assert_false(blocked_at(g, "good", 1, NOW + 1999));
}

static void a_signature_that_is_told_of_here_is_seen_at_once(void **state)
{
    AUTO(gate) struct gate *g = signed_gate(NULL, true, true);
    struct digest d = digest(1);

    (void)state;
    assert_true(blocked_at(g, "good", 1, NOW));
    signature.lacks = false;
    gate_forget(g, &d);
    assert_false(blocked_at(g, "good", 1, NOW));
}

/* Which index was signed nobody knows of an image that was refused. */
static void an_index_that_is_found_to_be_signed_opens_what_was_refused(void **state)
{
    AUTO(gate) struct gate *g = signed_gate(NULL, true, true);

    (void)state;
    assert_true(blocked_at(g, "good", 1, NOW));
    signature.lacks = false;
    assert_false(blocked_at(g, "good", 2, NOW));
    assert_true(blocked_at(g, "good", 1, NOW));
    signature.opens = true;
    assert_false(blocked_at(g, "good", 3, NOW));
    signature.opens = false;
    assert_true(is_open(g, "good", 2, NOW)); /* as it was */
    assert_false(blocked_at(g, "good", 1, NOW));
}

static void a_signature_holds_as_long_as_it_says(void **state)
{
    AUTO(gate) struct gate *g = signed_gate(RULE, false, true);

    (void)state;
    signature.until_ms = NOW + 1000;
    assert_false(blocked_at(g, "good", 1, NOW));
    assert_true(is_open(g, "good", 1, NOW + 999));
    assert_false(is_open(g, "good", 1, NOW + 1000));
}

static void a_warning_hides_no_finding_that_blocks(void **state)
{
    AUTO(gate) struct gate *g = signed_gate(RULE, true, false);

    (void)state;
    assert_true(blocked_at(g, "bad", 1, NOW));
    assert_false(blocked_at(g, "good", 1, NOW));
    assert_false(is_open(g, "good", 1, NOW)); /* there is something to tell */
}

static void what_changed_beside_an_image_is_seen_at_once(void **state)
{
    AUTO(gate) struct gate *g = signed_gate(NULL, false, true);
    struct digest d = digest(1);

    (void)state;
    assert_false(blocked_at(g, "good", 1, NOW));
    signature.lacks = true;
    assert_true(is_open(g, "good", 1, NOW));
    gate_forget(g, &d);
    assert_true(blocked_at(g, "good", 1, NOW));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rules_everything_is_open),
        cmocka_unit_test(a_verdict_is_made_once),
        cmocka_unit_test(a_verdict_is_of_a_repository_and_a_digest),
        cmocka_unit_test(other_rules_make_other_verdicts),
        cmocka_unit_test(a_verdict_of_rules_that_changed_meanwhile_is_not_kept),
        cmocka_unit_test(a_verdict_holds_for_a_while),
        cmocka_unit_test(what_is_no_image_is_open),
        cmocka_unit_test(a_failed_look_is_an_error_and_not_remembered),
        cmocka_unit_test(more_images_than_there_is_room_for_are_judged_again),
        cmocka_unit_test(an_image_that_is_damaged_ends_no_simulation),
        cmocka_unit_test(simulated_rules_are_not_remembered),
        cmocka_unit_test(a_block_is_told_once_an_hour_and_reason),
        cmocka_unit_test(a_change_makes_verdicts_of_its_share_anew),
        cmocka_unit_test(a_change_of_a_repository_makes_verdicts_of_its_share_anew),
        cmocka_unit_test(a_change_of_nobody_knows_what_makes_all_anew),
        cmocka_unit_test(many_ask_while_rules_change),
        cmocka_unit_test(what_is_signed_is_asked_about_once),
        cmocka_unit_test(what_is_not_signed_is_asked_about_once_a_second),
        cmocka_unit_test(a_signature_that_is_told_of_here_is_seen_at_once),
        cmocka_unit_test(an_index_that_is_found_to_be_signed_opens_what_was_refused),
        cmocka_unit_test(a_signature_holds_as_long_as_it_says),
        cmocka_unit_test(a_warning_hides_no_finding_that_blocks),
        cmocka_unit_test(what_changed_beside_an_image_is_seen_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
