import type { Scan } from "../api/repositories";
import { number, t } from "../text/text";
import { type Severity, SeverityBadge } from "./severity";

const severities: readonly Severity[] = ["critical", "high", "medium", "low", "unknown"];

/** "1 critical, 3 low": all that was found. */
function foundText(found: Partial<Record<Severity, number>>): string {
  return severities
    .filter((one) => found[one])
    .map((one) => `${number(found[one]!)} ${t(`severity.${one}`)}`)
    .join(", ");
}

/** What a scan found at worst; what was not looked at is not said to be clean. */
export function ScanBadge({ scan }: { scan: Scan | null | undefined }) {
  const status = scan?.status ?? "not_scanned";
  if (status === "not_scanned" || status === "not_applicable")
    return (
      <span class="muted" title={t(`scan.${status}`)}>
        –
      </span>
    );
  if (status !== "completed") return <span class="badge">{t(`scan.${status}`)}</span>;
  const found = scan?.vulnerabilities ?? {};
  if (scan?.partial && !scan.worst)
    return (
      <span class="badge" title={t("scan.partial.title")}>
        {t("scan.partial")}
      </span>
    );
  const titles = [foundText(found), scan?.partial ? t("scan.partial.title") : ""].filter(Boolean);
  return (
    <span title={titles.join(". ") || undefined}>
      <SeverityBadge worst={scan?.worst ?? null} count={scan?.worst ? found[scan.worst] : undefined} />
    </span>
  );
}
