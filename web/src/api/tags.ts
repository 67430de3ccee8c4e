/* Tags of a repository: docs/api.md, "Repositories and tags"; their history: docs/tags.md. */
import { encodePath } from "../app/router";
import { ask, get, Problem, send } from "./client";
import type { Scan } from "./repositories";

export interface Platform {
  platform: string | null;
  digest: string;
  size: number | null; // null: it is not here
}

export interface Tag {
  name: string;
  digest: string;
  media_type: string;
  artifact_type: string | null; // null: an image
  size: number | null;
  platforms: Platform[];
  created: string | null;
  pushed: string | null;
  pushed_by: string | null;
  pulled: string | null;
  scan: Scan | null;
  signed: boolean;
}

export interface Move {
  digest: string | null; // null: it was deleted
  previous: string | null;
  time: string;
  actor?: string; // to who may push or delete
  version: number;
}

export function tagsPath(name: string, search: string, sort: string, n = 100): string {
  const query = new URLSearchParams({ n: String(n) });
  if (search) query.set("search", search);
  if (sort !== "name") query.set("sort", sort);
  return `/api/v1/repositories/${encodePath(name)}/tags?${query}`;
}

export function tagsOf(answer: unknown): Tag[] {
  return (answer as { tags: Tag[] }).tags;
}

const tagPath = (name: string, tag: string) =>
  `/api/v1/repositories/${encodePath(name)}/tags/${encodeURIComponent(tag)}`;

export const historyPath = (name: string, tag: string) => `${tagPath(name, tag)}/history?n=50`;

export function movesOf(answer: unknown): Move[] {
  return (answer as { moves: Move[] }).moves;
}

export function rollback(name: string, tag: string, to: string): Promise<{ previous: string | null }> {
  return send("POST", `${tagPath(name, tag)}/rollback`, { to });
}

/** A manifest as it is stored: its bytes are its digest. */
export interface Manifest {
  type: string;
  bytes: ArrayBuffer;
}

const manifestPath = (name: string, reference: string) =>
  `/v2/${encodePath(name)}/manifests/${encodeURIComponent(reference).replaceAll("%3A", ":")}`;

export async function manifestOf(name: string, reference: string): Promise<Manifest> {
  const answer = await ask("GET", manifestPath(name, reference), null, { headers: { Accept: "*/*" } });
  return { type: answer.headers.get("Content-Type") ?? "", bytes: await answer.arrayBuffer() };
}

export async function blobJson<T>(name: string, digest: string): Promise<T> {
  return get<T>(`/v2/${encodePath(name)}/blobs/${digest}`);
}

/** Deletes a tag alone, or by digest a manifest with all its tags. What is gone already is gone. */
export async function deleteManifest(name: string, reference: string): Promise<void> {
  try {
    await ask("DELETE", manifestPath(name, reference));
  } catch (e) {
    if (!(e instanceof Problem && e.status === 404)) throw e;
  }
}

/** Pushes it on a condition; false: that does not hold. */
async function put(
  name: string,
  reference: string,
  { type, bytes }: Manifest,
  condition: Record<string, string>,
): Promise<boolean> {
  try {
    await ask("PUT", manifestPath(name, reference), bytes, {
      headers: { "Content-Type": type, ...condition },
    });
    return true;
  } catch (e) {
    if (e instanceof Problem && e.status === 412) return false;
    throw e;
  }
}

/** Makes a tag that is not there; false: somebody has made one meanwhile, which stays as it is. */
export function putTag(name: string, tag: string, manifest: Manifest): Promise<boolean> {
  return put(name, tag, manifest, { "If-None-Match": "*" });
}

/** Moves a tag that points to `from`; false: somebody has moved it meanwhile, and it stays there. */
export async function moveTag(name: string, tag: string, from: string, to: string): Promise<boolean> {
  return put(name, tag, await manifestOf(name, to), { "If-Match": `"${from}"` });
}

/** Its last moves; none where no history is kept. */
async function lastMoves(name: string, tag: string): Promise<Move[]> {
  try {
    return movesOf(await get(historyPath(name, tag)));
  } catch (e) {
    if (e instanceof Problem && e.status === 404) return [];
    throw e;
  }
}

/**
 * Brings back a tag that was deleted, where it pointed then; `digest`: where no history knows that. False: somebody has
 * made one of that name meanwhile. It is pushed again, for a rollback would move that one; but where the manifest can't
 * be read, as what a policy keeps from being pulled, it is rolled back.
 */
export async function restoreTag(name: string, tag: string, digest: string): Promise<boolean> {
  const [last] = await lastMoves(name, tag);
  if (last?.digest) return false;
  const to = last?.previous ?? digest;
  let manifest: Manifest;
  try {
    manifest = await manifestOf(name, to);
  } catch (e) {
    if (!(e instanceof Problem && e.status === 403)) throw e;
    await rollback(name, tag, to);
    return true;
  }
  return putTag(name, tag, manifest);
}

export interface Deletion {
  state: "kept" | "partly deleted" | "deleted"; // partly: there is more to do, or something may not go
  tags: number;
  manifests: number;
  blobs: number;
  own_bytes: number;
  shared_bytes: number;
}
