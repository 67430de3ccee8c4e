/* docs/api.md, "Repositories and tags". */
import { encodePath } from "../app/router";
import type { Severity } from "../parts/severity";

export type ScanStatus =
  | "not_scanned"
  | "queued"
  | "running"
  | "completed"
  | "failed"
  | "unsupported"
  | "not_applicable";

export interface Scan {
  status: ScanStatus;
  scanned_at?: string | null;
  worst: Severity | null; // null, completed: nothing was found
  partial?: boolean; // not all was looked at
  vulnerabilities: Partial<Record<Severity, number>> | null; // null: not completed
}

export interface Latest {
  tag: string;
  digest: string;
  media_type: string;
  artifact_type: string | null; // null: an image
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

export interface RepositoryDetails extends Repository {
  description: string | null;
  annotations: Record<string, string>; // org.opencontainers.image.*
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

/** One repository; what ends in "/tags" would be the list of another one's. */
export function repositoryPath(name: string): string {
  return `/api/v1/repositories/${encodePath(name).replace(/\/tags$/, "%2Ftags")}`;
}
