/* docs/upload.md, "What is known of uploads" and "Uploads that can be resumed". */
import { ask, get } from "./client";

export interface UploadLayer {
  digest: string;
  size: number | null;
  received: number;
}

export interface Uploaded {
  repository: string;
  digest: string;
  tags: string[];
}

export interface Upload {
  id: string;
  request_id?: string;
  user: string;
  address: string;
  way: string; // body, form, session, direct
  repository?: string;
  tag?: string;
  phase: string;
  failed_in?: string;
  received: number;
  expected: number | null;
  rate: number | null; // bytes a second
  remaining: number | null; // seconds
  layers?: UploadLayer[];
  more_layers?: number;
  started: string;
  updated: string;
  ended: string | null;
  format?: string;
  images?: Uploaded[];
  error?: {
    code: string;
    message: string;
    reason?: string;
    member?: string;
    wrong?: string;
    expected?: string;
  };
}

export const uploadResults = ["running", "done", "failed", "cancelled", "lost"] as const;

const ends = new Set(["done", "failed", "cancelled", "lost"]);

export function hasEnded(upload: Upload): boolean {
  return ends.has(upload.phase);
}

export function uploadsPath(result: string): string {
  const query = new URLSearchParams({ n: "50" });
  if (result) query.set("result", result);
  return `/api/v1/uploads?${query}`;
}

export function uploadsOf(answer: unknown): Upload[] {
  return (answer as { uploads: Upload[] }).uploads;
}

export function uploadPath(id: string): string {
  return `/api/v1/uploads/${encodeURIComponent(id)}`;
}

export function getUpload(id: string): Promise<Upload> {
  return get<Upload>(uploadPath(id));
}

/* ---- piece by piece: tus 1.0.0 */

export const tusHeaders = { "Tus-Resumable": "1.0.0" };

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

const NAME_MAX = 200;

/** Opens an upload; returns its id. */
export async function openUpload(file: File, repository: string, tag: string): Promise<string> {
  const query = new URLSearchParams();
  if (repository) query.set("repository", repository);
  if (tag) query.set("tag", tag);
  const answer = await ask("POST", `/api/v1/uploads?${query}`, null, {
    headers: {
      ...tusHeaders,
      "Upload-Length": String(file.size),
      "Upload-Metadata": `filename ${base64(file.name.slice(0, NAME_MAX))}`,
    },
  });
  return (answer.headers.get("Location") ?? "").split("/").pop() ?? "";
}

/** Where it goes on. */
export async function offsetOf(id: string, signal?: AbortSignal): Promise<number> {
  const asking = signal ? { headers: tusHeaders, signal } : { headers: tusHeaders };
  const answer = await ask("HEAD", uploadPath(id), null, asking);
  return Number(answer.headers.get("Upload-Offset") ?? 0);
}

export async function giveUp(id: string): Promise<void> {
  await ask("DELETE", uploadPath(id), null, { headers: tusHeaders });
}

/** What came of it: null as long as that is not known. Throws the Problem that it was refused with. */
export async function outcomeOf(id: string, signal: AbortSignal): Promise<{ images: Uploaded[] } | null> {
  const answer = await ask("POST", `${uploadPath(id)}/complete`, null, { headers: tusHeaders, signal });
  return answer.status === 202 ? null : ((await answer.json()) as { images: Uploaded[] });
}
