/* docs/api.md, "Repositories and tags". */
import { encodePath } from "../app/router";
import type { Severity } from "../parts/severity";
import { ask, nextOf, Problem } from "./client";

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

export function repositoryPath(name: string): string {
  return `/api/v1/repositories/${encodePath(name)}`;
}

/** GET of its path is that of something else: the tags of another repository, or the history of one. */
export function isShadowed(name: string): boolean {
  return /\/tags(\/[^/]+\/history)?$/.test(name);
}

/** One whose own path can't be asked, out of the list. */
export async function findRepository(name: string, signal: AbortSignal): Promise<RepositoryDetails> {
  for (let path: string | null = repositoriesPath(name, "name"); path; ) {
    const answer: Response = await ask("GET", path, null, { signal });
    const found = repositoriesOf(await answer.json()).find((one) => one.name === name);
    if (found) return { ...found, description: null, annotations: {} };
    path = nextOf(answer.headers.get("Link"));
  }
  throw new Problem(404, "NAME_UNKNOWN", "");
}
