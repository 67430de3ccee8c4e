/* docs/api.md, "The audit trail". */

export interface AuditEntry {
  id: number;
  time: string;
  actor: string;
  action: string;
  target?: string;
  address?: string;
  result: string;
  detail?: string;
}

export const auditFilters = ["actor", "action", "repository", "result", "address"] as const;
export type AuditFilter = (typeof auditFilters)[number];

/** A day of the reader ("2026-01-31") as the time at which it begins, `days` later; "" if it is none. */
export function dayBegins(day: string, days = 0): string {
  const parts = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day);
  if (!parts) return "";
  const [year, month, date] = parts.slice(1).map(Number) as [number, number, number];
  const time = new Date(year, month - 1, date + days);
  return Number.isNaN(time.getTime()) ? "" : time.toISOString();
}

/** from and to are days of the reader; both count. */
export function auditPath(filters: Partial<Record<AuditFilter, string>>, from: string, to: string): string {
  const query = new URLSearchParams({ n: "100" });
  for (const key of auditFilters) {
    const value = filters[key]?.trim();
    if (value) query.set(key, value);
  }
  const begins = dayBegins(from);
  const ends = dayBegins(to, 1);
  if (begins) query.set("from", begins);
  if (ends) query.set("to", ends);
  return `/api/v1/audit?${query}`;
}

export function auditOf(answer: unknown): AuditEntry[] {
  return (answer as { entries: AuditEntry[] }).entries;
}
