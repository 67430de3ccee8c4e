/* Reports of scanners that speak the pluggable scanner API. */
#include "scan/adapter_report.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct digest digest;
    AUTO(finding_list) struct finding_list list = {0};
    struct scan_facts facts = {0};
    AUTO(adapter_report) struct adapter_report *r = NULL;
    size_t half = size / 2;

    finding_list_init(&list, 64, 1 << 16);
    r = adapter_report_new(&digest, &list, &facts);
    if (adapter_report_feed(r, (struct str){(const char *)data, half}, ERR_IGNORED) != ERR_OK ||
        adapter_report_feed(r, (struct str){(const char *)data + half, size - half}, ERR_IGNORED) !=
            ERR_OK ||
        adapter_report_end(r, ERR_IGNORED) != ERR_OK)
        return 0;
    for (size_t i = 0; i < list.n; i++)
        if (list.items[i].cve.n == 0 || list.items[i].package.n == 0 ||
            list.items[i].severity >= SEVERITIES)
            abort();
    return 0;
}
