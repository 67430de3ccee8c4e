/* docs/api.md, "Repositories and tags". */
import type { Severity } from "../parts/severity";

export interface Scan {
  status: string;
  scanned_at?: string;
  worst?: Severity | null;
  vulnerabilities?: Partial<Record<Severity, number>>;
}

export interface Latest {
  tag: string;
  digest: string;
  media_type: string;
  artifact_type: string | null;
  scan: Scan | null;
}

export interface Repository {
  name: string;
  tags: number | null;
  manifests: number | null;
  size: number | null;
  pushed: string | null;
  pulled: string | null;
  latest: Latest | null;
}

export function repositoriesPath(search: string, sort: string): string {
  const query = new URLSearchParams({ n: "100" });
  if (search) query.set("search", search);
  if (sort !== "name") query.set("sort", sort);
  return `/api/v1/repositories?${query}`;
}

export function repositoriesOf(answer: unknown): Repository[] {
  return (answer as { repositories: Repository[] }).repositories;
}
