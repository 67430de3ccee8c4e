/* Retention: docs/tags.md. */
import { send } from "./client";

export interface Decision {
  repository: string;
  tag: string;
  digest: string;
  pushed: string | null;
  goes: boolean;
  why: string;
}

export interface Retention {
  decisions: Decision[];
  go: number;
  stay: number;
  not_carried_out: { policy: number; why: string }[];
}

export const retentionPath = "/api/v1/retention?n=100";

export const runRetention = () => send("POST", "/api/v1/retention");
