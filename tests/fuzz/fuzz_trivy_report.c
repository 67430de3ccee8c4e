/* A scanner's report, whole and in pieces of a size that its first byte says: both say the same. */
#include "scan/trivy_report.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err_code read_in(struct str text, size_t piece, struct finding_list *list,
                             struct scan_facts *facts, struct err *e)
{
    AUTO(trivy_report) struct trivy_report *r = trivy_report_new(list, facts);

    while (text.n > 0) {
        size_t n = text.n < piece ? text.n : piece;

        TRY(trivy_report_feed(r, str_sub(text, 0, n), e));
        text = str_sub(text, n, text.n - n);
    }
    return trivy_report_end(r, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(finding_list) struct finding_list list = {0};
    AUTO(finding_list) struct finding_list again = {0};
    struct scan_facts facts = {0}, facts_again = {0};
    struct err e = {0};
    enum err_code code;
    struct str text;

    if (size < 2)
        return 0;
    text = (struct str){(const char *)data + 1, size - 1};
    finding_list_init(&list, 1000, 1 << 20);
    finding_list_init(&again, 1000, 1 << 20);
    code = read_in(text, SIZE_MAX, &list, &facts, &e);
    assert(read_in(text, 1 + data[0], &again, &facts_again, &e) == code);
    assert(list.n == again.n && facts.packages == facts_again.packages);
    for (size_t i = 0; i < list.n; i++) {
        const struct finding *f = &list.items[i];

        assert(f->cve.n > 0 && f->package.n > 0 && f->severity < SEVERITIES && f->score <= 10);
        assert(finding_cmp(f, &again.items[i]) == 0);
    }
    finding_list_sort(&list);
    return 0;
}
