#include "scan/result.h"

#include "base/json.h"

#include <stdio.h>

static const char *const status_names[SCAN_STATUSES] = {[SCAN_NOT_SCANNED] = "not_scanned",
                                                        [SCAN_QUEUED] = "queued",
                                                        [SCAN_RUNNING] = "running",
                                                        [SCAN_COMPLETED] = "completed",
                                                        [SCAN_FAILED] = "failed",
                                                        [SCAN_UNSUPPORTED] = "unsupported",
                                                        [SCAN_NOT_APPLICABLE] = "not_applicable"};

const char *scan_status_name(enum scan_status s)
{
    return status_names[s];
}

uint64_t scan_result_total(const struct scan_result *s)
{
    uint64_t n = 0;

    for (size_t i = 0; i < SEVERITIES; i++)
        n += s->counts[i];
    return n;
}

bool scan_result_is_whole(const struct scan_result *s)
{
    return s->status == SCAN_COMPLETED && !s->facts.partial;
}

enum severity scan_result_worst(const struct scan_result *s)
{
    for (int i = SEVERITIES - 1; i >= 0; i--) {
        if (s->counts[i] > 0)
            return (enum severity)i;
    }
    return SEVERITIES;
}

/* ---- as JSON; keys that have their zero are left out
 *
 * Tables say which key is which field, both ways. */

#define TEXT(key, member)                                                                          \
    {                                                                                              \
        key, offsetof(struct scan_result, member), sizeof(((struct scan_result *)NULL)->member)    \
    }
#define FIELD(key, member)                                                                         \
    {                                                                                              \
        key, offsetof(struct scan_result, member), 0                                               \
    }

struct field {
    const char *key;
    size_t offset, size;
};

static const struct field texts[] = {
    TEXT("reason", reason),         TEXT("failure", failure),
    TEXT("scanner", facts.scanner), TEXT("driver", driver),
    TEXT("version", facts.version), TEXT("os_family", facts.os_family),
    TEXT("os_name", facts.os_name), TEXT("note", facts.note),
};

static const struct field times[] = {
    FIELD("scanned", scanned_ms), FIELD("took", took_ms),       FIELD("failed", failed_ms),
    FIELD("oldest", oldest_ms),   FIELD("data", facts.data_ms),
};

static const struct field numbers[] = {
    FIELD("distinct", distinct),
    FIELD("packages", facts.packages),
    FIELD("findings_bytes", findings_bytes),
};

static const struct field flags[] = {
    FIELD("os_ended", facts.os_ended),
    FIELD("partial", facts.partial),
    FIELD("stale", stale),
    FIELD("lists_due", lists_due),
};

static const struct field digests[] = {
    FIELD("findings", findings),
    FIELD("sbom", sboms[SBOM_CYCLONEDX]),
    FIELD("spdx", sboms[SBOM_SPDX]),
    FIELD("config", config),
};

#define EACH(table, f)                                                                             \
    for (const struct field *f = table; f < table + sizeof(table) / sizeof(*f); f++)
#define AT(type, s, f)       ((type *)(void *)((char *)(s) + (f)->offset))
#define AT_CONST(type, s, f) ((const type *)(const void *)((const char *)(s) + (f)->offset))

static void print_counts(const char *key, const uint64_t counts[SEVERITIES], struct buf *b)
{
    buf_addf(b, ",\"%s\":[", key);
    for (size_t i = 0; i < SEVERITIES; i++) {
        buf_add_text(b, i > 0 ? "," : "");
        buf_add_u64(b, counts[i]);
    }
    buf_add_char(b, ']');
}

static void print_fields(const struct scan_result *s, struct buf *b)
{
    EACH(texts, f)
    {
        if (!*AT_CONST(char, s, f))
            continue;
        buf_addf(b, ",\"%s\":", f->key);
        buf_add_json(b, str_of(AT_CONST(char, s, f)));
    }
    EACH(times, f)
    {
        if (*AT_CONST(int64_t, s, f))
            buf_addf(b, ",\"%s\":%lld", f->key, (long long)*AT_CONST(int64_t, s, f));
    }
    EACH(numbers, f)
    {
        if (*AT_CONST(uint64_t, s, f))
            buf_addf(b, ",\"%s\":%llu", f->key, (unsigned long long)*AT_CONST(uint64_t, s, f));
    }
    EACH(flags, f)
    {
        if (*AT_CONST(bool, s, f))
            buf_addf(b, ",\"%s\":true", f->key);
    }
    EACH(digests, f)
    {
        if (AT_CONST(struct digest, s, f)->text[0])
            buf_addf(b, ",\"%s\":\"%s\"", f->key, AT_CONST(struct digest, s, f)->text);
    }
}

void scan_result_print(const struct scan_result *s, struct buf *ret_json)
{
    buf_addf(ret_json, "{\"status\":\"%s\"", status_names[s->status]);
    print_counts("counts", s->counts, ret_json);
    print_counts("fixable", s->fixable, ret_json);
    print_fields(s, ret_json);
    if (s->failures)
        buf_addf(ret_json, ",\"failures\":%u", s->failures);
    buf_add_text(ret_json, ",\"repositories\":[");
    for (size_t i = 0; i < s->n_repos; i++) {
        buf_add_text(ret_json, i > 0 ? "," : "");
        buf_add_json(ret_json, repo_name_str(&s->repos[i]));
    }
    buf_add_text(ret_json, "]}");
}

static struct str text_of(const json_t *j)
{
    return (struct str){json_string_value(j), json_string_length(j)};
}

static void parse_counts(const json_t *j, uint64_t counts[SEVERITIES])
{
    for (size_t i = 0; i < SEVERITIES; i++)
        counts[i] = (uint64_t)json_integer_value(json_array_get(j, i));
}

static void parse_fields(const json_t *j, struct scan_result *s)
{
    EACH(texts, f)
    {
        (void)!str_copy(text_of(json_object_get(j, f->key)), AT(char, s, f), f->size);
    }
    EACH(times, f)
    {
        *AT(int64_t, s, f) = json_integer_value(json_object_get(j, f->key));
    }
    EACH(numbers, f)
    {
        *AT(uint64_t, s, f) = (uint64_t)json_integer_value(json_object_get(j, f->key));
    }
    EACH(flags, f)
    {
        *AT(bool, s, f) = json_is_true(json_object_get(j, f->key));
    }
    EACH(digests, f)
    {
        if (digest_parse(text_of(json_object_get(j, f->key)), AT(struct digest, s, f),
                         ERR_IGNORED) != ERR_OK)
            *AT(struct digest, s, f) = (struct digest){0};
    }
}

static bool parse_status(struct str name, enum scan_status *ret)
{
    for (size_t i = 0; i < SCAN_STATUSES; i++) {
        if (str_eq(name, str_of(status_names[i]))) {
            *ret = (enum scan_status)i;
            return true;
        }
    }
    return false;
}

enum err_code scan_result_parse(struct str json, struct scan_result *ret, struct err *e)
{
    AUTO(json) json_t *j = json_loadb(json.p, json.n, 0, NULL);
    struct scan_result s = {0};
    const json_t *repos = json_object_get(j, "repositories");

    if (!parse_status(text_of(json_object_get(j, "status")), &s.status))
        return err_set(e, ERR_CORRUPT, "this is no result of a scan");
    parse_counts(json_object_get(j, "counts"), s.counts);
    parse_counts(json_object_get(j, "fixable"), s.fixable);
    parse_fields(j, &s);
    s.failures = (unsigned)json_integer_value(json_object_get(j, "failures"));
    for (size_t i = 0; i < json_array_size(repos) && s.n_repos < SCAN_REPOS_MAX; i++) {
        if (repo_name_parse(text_of(json_array_get(repos, i)), &s.repos[s.n_repos], ERR_IGNORED) ==
            ERR_OK)
            s.n_repos++;
    }
    *ret = s;
    return ERR_OK;
}

enum err_code scan_result_get(struct registry *r, const struct digest *d, struct scan_result *ret,
                              int64_t *ret_version, struct err *e)
{
    AUTO(record) struct meta_record record = {0};

    TRY(meta_record_get(r->meta, SCAN_RESULTS, digest_str(d), &record, e));
    if (ret_version)
        *ret_version = record.version;
    return scan_result_parse(str_of(record.value), ret, e);
}

enum err_code scan_result_make_stale(struct registry *r, const struct digest *d, struct err *e)
{
    AUTO(buf) struct buf json = {0};
    struct scan_result s;
    struct meta_op op;
    int64_t version;
    enum err_code code = scan_result_get(r, d, &s, &version, e);

    if (code == ERR_NOT_FOUND || (code == ERR_OK && s.stale))
        return ERR_OK;
    TRY(code);
    s.stale = true;
    buf_init(&json, 64u << 10);
    scan_result_print(&s, &json);
    op = meta_op_record_put(SCAN_RESULTS, digest_str(d), buf_str(&json), version);
    code = meta_commit(r->meta, &op, 1, 0, NULL, e);
    return code == ERR_CONFLICT ? ERR_OK : code; /* by a scan that has just ended */
}

struct each {
    scan_result_fn fn;
    void *ctx;
};

static enum err_code each(void *ctx, const struct meta_record *record, struct err *e)
{
    const struct each *x = ctx;
    struct scan_result s;
    struct digest d;

    if (digest_parse(str_of(record->key), &d, ERR_IGNORED) != ERR_OK ||
        scan_result_parse(str_of(record->value), &s, ERR_IGNORED) != ERR_OK)
        return ERR_OK; /* of something newer */
    return x->fn(x->ctx, &d, &s, e);
}

enum err_code scan_results_each(struct registry *r, scan_result_fn fn, void *ctx, struct err *e)
{
    struct each x = {fn, ctx};

    return meta_records_each(r->meta, SCAN_RESULTS, each, &x, e);
}
