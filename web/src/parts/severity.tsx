import { t } from "../text/text";

export type Severity = "critical" | "high" | "medium" | "low" | "unknown";

/** The worst of what a scan found; null is nothing. With `count`, how many of it. */
export function SeverityBadge({ worst, count }: { worst: Severity | null; count?: number | undefined }) {
  const name = worst ?? "none";
  return (
    <span class={`badge severity-${name}`}>
      {t(`severity.${name}`)}
      {count !== undefined && <b>{count}</b>}
    </span>
  );
}
