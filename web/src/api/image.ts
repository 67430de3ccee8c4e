/* An image: docs/api.md, docs/analysis.md, docs/scan.md, docs/signature-rules.md, docs/tags.md. */
import { useEffect, useState } from "preact/hooks";
import { encodePath } from "../app/router";
import type { Severity } from "../parts/severity";
import { ask, nextOf, offline, Problem } from "./client";

/** NAME:TAG or NAME@DIGEST. */
export interface Image {
  name: string;
  reference: string; // the tag, or the digest
  tag: string | null;
}

export function parseImage(text: string): Image | null {
  const at = text.indexOf("@");
  if (at > 0) return { name: text.slice(0, at), reference: text.slice(at + 1), tag: null };
  const colon = text.lastIndexOf(":");
  if (colon <= 0 || colon === text.length - 1 || text.indexOf("/", colon) > 0) return null;
  const tag = text.slice(colon + 1);
  return { name: text.slice(0, colon), reference: tag, tag };
}

export function nameOf({ name, reference, tag }: Image): string {
  return tag === null ? `${name}@${reference}` : `${name}:${reference}`;
}

/** The address of its page. */
export function imagePage(name: string, reference: string): string {
  return `/ui/images/${encodePath(`${name}${reference.includes(":") ? "@" : ":"}${reference}`)}`;
}

export interface Platform {
  os?: string;
  architecture?: string;
  variant?: string;
}

export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  platform?: Platform;
  artifactType?: string;
  annotations?: Record<string, string>;
}

export interface Manifest {
  mediaType?: string;
  artifactType?: string;
  config?: Descriptor;
  layers?: Descriptor[];
  manifests?: Descriptor[];
  subject?: Descriptor;
  annotations?: Record<string, string>;
}

/** A manifest as it came: `bytes` are what its digest is of. */
export interface Came {
  manifest: Manifest;
  mediaType: string;
  digest: string;
  bytes: ArrayBuffer;
}

const manifestTypes = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.artifact.manifest.v1+json",
  "*/*;q=0.5",
].join(", ");

export function manifestPath(name: string, reference: string): string {
  return `/v2/${encodePath(name)}/manifests/${encodeURIComponent(reference)}`;
}

export function blobPath(name: string, digest: string): string {
  return `/v2/${encodePath(name)}/blobs/${digest}`;
}

export function apiPath(image: Image, what: string, query: Record<string, string | undefined> = {}): string {
  const given = Object.entries(query).filter((one): one is [string, string] => !!one[1]);
  const text = given.length ? `?${new URLSearchParams(given)}` : "";
  return `/api/v1/images/${encodePath(image.name)}/${encodeURIComponent(image.reference)}/${what}${text}`;
}

export async function loadManifest(name: string, reference: string, signal?: AbortSignal): Promise<Came> {
  const answer = await ask("GET", manifestPath(name, reference), null, {
    headers: { Accept: manifestTypes },
    ...(signal ? { signal } : {}),
  });
  const bytes = await answer.arrayBuffer();
  const manifest = JSON.parse(new TextDecoder().decode(bytes)) as Manifest;
  const mediaType = answer.headers.get("Content-Type") ?? manifest.mediaType ?? "";
  const digest = answer.headers.get("Docker-Content-Digest") ?? (reference.includes(":") ? reference : "");
  return { manifest, mediaType, digest, bytes };
}

export const LOOK_BYTES = 4 * 1024 * 1024; // of a blob that is read here, whatever its descriptor says

/** Throws a Problem "TOO_LARGE" of what has more than LOOK_BYTES. */
export async function loadBytes(name: string, digest: string, signal?: AbortSignal): Promise<Uint8Array> {
  const answer = await ask("GET", blobPath(name, digest), null, {
    headers: { Accept: "*/*" },
    ...(signal ? { signal } : {}),
  });
  if (Number(answer.headers.get("Content-Length")) > LOOK_BYTES) {
    await answer.body?.cancel();
    throw new Problem(200, "TOO_LARGE", "");
  }
  return new Uint8Array(await answer.arrayBuffer());
}

export async function loadText(name: string, digest: string, signal?: AbortSignal): Promise<string> {
  return new TextDecoder().decode(await loadBytes(name, digest, signal));
}

export interface History {
  created?: string;
  created_by?: string;
  comment?: string;
  empty_layer?: boolean;
}

/** What a container is started with, as Docker and OCI have it; what has another shape is left out. */
export interface Config {
  created: string;
  author: string;
  platform: string; // "linux/arm64/v8"
  run: {
    user: string;
    env: string[];
    entrypoint: string[];
    cmd: string[];
    folder: string;
    signal: string;
    ports: string[];
    volumes: string[];
    labels: [string, string][];
    healthcheck: string[];
  };
  history: History[];
}

type Json = Record<string, unknown>;

function object(value: unknown): Json {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? (value as Json) : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

function historyOf(value: unknown): History[] {
  if (!Array.isArray(value)) return [];
  return value.map(object).map((one) => ({
    created: text(one.created),
    created_by: text(one.created_by),
    comment: text(one.comment),
    empty_layer: one.empty_layer === true,
  }));
}

export function parseConfig(json: string): Config {
  const top = object(JSON.parse(json));
  const run = object(top.config);
  return {
    created: text(top.created),
    author: text(top.author),
    platform: [top.os, top.architecture, top.variant].map(text).filter(Boolean).join("/"),
    run: {
      user: text(run.User),
      env: texts(run.Env),
      entrypoint: texts(run.Entrypoint),
      cmd: texts(run.Cmd),
      folder: text(run.WorkingDir),
      signal: text(run.StopSignal),
      ports: Object.keys(object(run.ExposedPorts)),
      volumes: Object.keys(object(run.Volumes)),
      labels: Object.entries(object(run.Labels)).map(([name, value]) => [name, String(value)]),
      healthcheck: texts(object(run.Healthcheck).Test),
    },
    history: historyOf(top.history),
  };
}

export interface TagDetails {
  name: string;
  digest: string;
  artifact_type: string | null; // null: an image
  size: number | null;
  platforms: { platform: string; digest: string; size: number | null }[];
  pushed: string | null;
  pushed_by: string | null;
  pulled: string | null;
  signed: boolean;
}

export function tagsPath(name: string, query: Record<string, string>): string {
  return `/api/v1/repositories/${encodePath(name)}/tags?${new URLSearchParams(query)}`;
}

export interface Move {
  digest: string | null;
  previous: string | null;
  time: string;
  actor: string | null;
}

export function historyPath(name: string, tag: string): string {
  return `/api/v1/repositories/${encodePath(name)}/tags/${encodeURIComponent(tag)}/history`;
}

export interface AnalysedLayer {
  index: number;
  digest: string;
  command: string;
  packed_bytes: number;
  size_bytes: number;
  files: number;
  added: number;
  changed: number;
  deleted: number;
  wasted_bytes: number;
}

export interface Package {
  kind: string;
  name: string;
  version: string;
  layer?: number;
  path?: string;
  license?: string;
}

export interface Suggestion {
  code: string;
  layer?: number;
  of_layer?: number;
  bytes: number;
  text: string; // in English
}

export interface Analysis {
  image: {
    layers: number;
    files: number;
    size_bytes: number;
    packed_bytes: number;
    wasted_bytes: number;
    duplicate_bytes: number;
    cache_bytes: number;
  };
  efficiency: { score: number };
  suggestions: Suggestion[];
  caches: { kind: string; path: string; layer: number; size_bytes: number }[];
  layers: AnalysedLayer[];
  largest: { path: string; size_bytes: number; layer: number }[];
  os: { name: string } | null;
  packages: { count: number; list: Package[] };
}

export type FileKind = "file" | "folder" | "symlink" | "hardlink" | "device" | "whiteout";

export interface Entry {
  name: string;
  name_percent?: string;
  kind: FileKind;
  layer?: number;
  mode?: string;
  uid?: number;
  gid?: number;
  modified?: string;
  size?: number;
  link?: string;
  link_percent?: string;
}

export interface Folder {
  path: string;
  path_percent?: string; // of what is no UTF-8
  kind: FileKind;
  entries: Entry[];
}

export interface Side {
  kind: FileKind;
  layer: number;
  mode?: string;
  size?: number;
  uid?: number;
  gid?: number;
}

export interface Difference {
  path: string;
  change: "added" | "removed" | "changed";
  what?: string[];
  before?: Side;
  after?: Side;
}

interface DiffImage {
  digest: string;
  layers: number;
  files: number;
  size_bytes: number;
}

interface DiffSum {
  files: number;
  before_bytes: number;
  after_bytes: number;
}

export interface Diff {
  before: DiffImage;
  after: DiffImage;
  common_layers: number;
  config: { key: string; before: unknown; after: unknown }[];
  packages: { added: Package[]; removed: Package[] };
  files: { added: DiffSum; removed: DiffSum; changed: DiffSum; list: Difference[]; more: boolean };
}

export const severities = ["critical", "high", "medium", "low", "unknown"] as const;
export type Counts = Record<Severity, number>;

export interface Finding {
  cve: string;
  severity: Severity;
  package: string;
  installed_version: string;
  fixed_version?: string;
  title?: string;
  description?: string;
  cvss?: { score: number; vector?: string } | null;
  link?: string;
  status?: string;
  path?: string;
  purl?: string;
  layer?: string;
  since?: string;
}

export interface ScanReport {
  status: "not_scanned" | "queued" | "running" | "completed" | "failed" | "unsupported" | "not_applicable";
  scanned_at: string | null;
  vulnerabilities: Counts | null;
  fixable: Counts | null;
  reason: string | null;
  rescan: string | null;
  failure: { reason: string | null } | null;
  image: string;
  total: number;
  packages: number;
  partial: boolean;
  note: string | null;
  os: { family: string; name: string | null; ended: boolean } | null;
  scanner: { name: string; version: string | null; data: string | null } | null;
  details: Finding[];
}

export interface ScanQuery {
  severity?: string;
  fixable?: string;
  force?: string; // of POST: also when nothing is newer
  platform?: string | undefined;
  n?: string;
}

export function scanPath(name: string, reference: string, query: ScanQuery = {}): string {
  const given = Object.entries(query).filter((one): one is [string, string] => !!one[1]);
  const text = given.length ? `?${new URLSearchParams(given)}` : "";
  return `${manifestPath(name, reference)}/scan${text}`;
}

export interface Signature {
  manifest: string;
  form: string;
  verdict: string;
  key: string | null;
  identity: string | null;
  issuer: string | null;
  why: string | null;
  predicate_type?: string;
  builder?: string | null;
}

export interface SignatureRule {
  at: ("pull" | "push")[];
  mode: string;
  require: string;
  verified: boolean;
  state: "signed" | "unsigned" | "exempt";
  reason: string | null;
  by_index?: string;
  signatures: Signature[];
  attestations?: Signature[];
  more: boolean;
}

export function referrersPath(name: string, digest: string): string {
  return `/v2/${encodePath(name)}/referrers/${digest}`;
}

export function archivePath(image: Image, query: Record<string, string> = {}): string {
  const text = new URLSearchParams(query).toString();
  return `/api/v1/archive/${encodePath(nameOf(image))}${text ? `?${text}` : ""}`;
}

/** What is loaded by a function, as long as a component shows it; null loads nothing. */
export function useLoad<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>) {
  const [state, set] = useState<{ key: string | null; data: T | null; problem: Problem | null }>({
    key: null,
    data: null,
    problem: null,
  });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (key === null) return;
    const abort = new AbortController();
    load(abort.signal).then(
      (data) => !abort.signal.aborted && set({ key, data, problem: null }),
      (e) => {
        if (abort.signal.aborted) return;
        const problem = e instanceof Problem ? e : new Problem(200, "UNREADABLE", String(e?.message ?? e));
        set({ key, data: null, problem });
      },
    );
    return () => abort.abort();
  }, [key, turn]);
  const current = state.key === key;
  const away = current && state.problem?.status === 0;
  useEffect(() => (away ? offline.watch((is) => !is && setTurn((n) => n + 1)) : undefined), [away]);
  return {
    data: current ? state.data : null,
    problem: current ? state.problem : null,
    reload: () => setTurn((n) => n + 1),
  };
}

const PATIENCE_S = 1;

/** Asks again as long as the registry says 202: it is finding out. */
export async function patient(path: string, signal: AbortSignal): Promise<Response> {
  for (;;) {
    const answer = await ask("GET", path, null, { signal });
    if (answer.status !== 202) return answer;
    const after = Number(answer.headers.get("Retry-After")) || PATIENCE_S;
    await new Promise((again) => setTimeout(again, after * 1000));
    signal.throwIfAborted();
  }
}

export interface Page<T> {
  first: T; // of the first page: all but the list
  next: string | null;
}

export async function patientPage<T>(path: string, signal: AbortSignal): Promise<Page<T>> {
  const answer = await patient(path, signal);
  return { first: (await answer.json()) as T, next: nextOf(answer.headers.get("Link")) };
}

/** All pages of a list, up to `max` of them. */
export async function allPages<T, I>(
  path: string,
  pick: (answer: T) => I[],
  max: number,
  signal?: AbortSignal,
): Promise<{ items: I[]; first: T; more: boolean }> {
  let items: I[] = [];
  let first: T | null = null;
  let next: string | null = path;
  for (let i = 0; i < max && next; i++) {
    const answer: Response = await ask("GET", next, null, signal ? { signal } : {});
    const page = (await answer.json()) as T;
    first ??= page;
    items = [...items, ...pick(page)];
    next = nextOf(answer.headers.get("Link"));
  }
  return { items, first: first!, more: next !== null };
}
