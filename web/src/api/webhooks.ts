/* docs/webhooks.md, "How they are doing". */
import { send } from "./client";

export interface Webhook {
  name: string;
  kind: "webhook" | "mail";
  server?: string; // of a webhook: without the path, which may be a secret
  to?: string[]; // of mail
  events: string[];
  repositories: string[];
  waiting: number;
  delivered: number;
  dead: number;
  lost: number;
  delivered_at: string | null;
  state: "ok" | "failing";
  failures?: number; // these while it fails
  status?: number;
  why?: string;
  failing_since?: string | null;
  next_try?: string | null;
}

/** What was given up. */
export interface Delivery {
  seq: number; // of the event
  at: string;
  status: number; // of HTTP; 0: no answer
  why: string;
  event: { event?: string; repository?: string; tag?: string; digest?: string; [member: string]: unknown };
}

export interface Sent {
  delivered: boolean;
  status: number;
  took_ms: number;
  why: string;
}

export const webhooksPath = "/api/v1/webhooks";

function pathOf(name: string, what: string): string {
  return `${webhooksPath}/${encodeURIComponent(name)}/${what}`;
}

export function deliveriesPath(name: string): string {
  return pathOf(name, "deliveries?n=100");
}

export function deliveriesOf(answer: unknown): Delivery[] {
  return (answer as { deliveries: Delivery[] }).deliveries;
}

export function test(name: string): Promise<Sent> {
  return send("POST", pathOf(name, "test"));
}

/** One that is taken goes. */
export function redeliver(name: string, seq: number): Promise<Sent> {
  return send("POST", pathOf(name, "redeliver"), { event: String(seq) });
}
