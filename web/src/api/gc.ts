/* docs/api.md, "Collection". */
import { send } from "./client";

export interface Sum {
  blobs: number;
  manifests: number;
  bytes: number;
}

export interface Run {
  id: string;
  by: string;
  started: string | null;
  ended: string | null;
  state: string; // waiting, running, done, stopped, failed, lost
  error?: string;
  repository?: string; // this one alone
  undo?: string; // the run that it took back
  dry_run?: boolean;
  revived?: Sum; // these of a collection
  condemned?: Sum;
  deleted?: Sum;
  empty_repositories?: number;
  problems?: number;
  back?: Sum; // these of an undoing
  tags?: number;
  tags_elsewhere?: number;
  lost?: { repository: string; digest: string; why: string }[];
}

export interface Entry {
  repository: string;
  at: string;
  kind: string; // blob, manifest
  digest: string;
  size: number;
  reason: string;
  action?: string; // of a dry run: condemn, delete, ...
  tags?: string[];
}

export interface Order {
  dry_run: boolean;
  repository?: string;
  older_than?: string;
  orphans?: string;
}

export const runsPath = "/api/v1/gc/runs?n=1000";

export function runPath(id: string): string {
  return `/api/v1/gc/runs/${encodeURIComponent(id)}?n=200`;
}

export function begin(order: Order): Promise<{ id: string }> {
  return send("POST", "/api/v1/gc", order);
}

export function undo(id: string): Promise<{ id: string }> {
  return send("POST", `/api/v1/gc/runs/${encodeURIComponent(id)}/undo`);
}

export function isGoing(run: Run): boolean {
  return run.state === "waiting" || run.state === "running";
}
