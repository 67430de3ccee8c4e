/* docs/api.md, "Rules"; docs/policy.md. */
import { send } from "./client";

export const actions = ["pull", "push", "overwrite", "delete", "scan", "admin", "bypass"] as const;

export interface NewRule {
  effect: "allow" | "deny";
  subjects: string[];
  actions: string[];
  repositories: string[];
  tags: string[];
}

export interface Rule extends NewRule {
  origin: "file" | "api";
  id?: string; // of one that was made by the API
}

export interface Policy {
  without_rules: boolean; // who has signed in may pull and push
  rules: Rule[];
}

export interface Question {
  subject: string;
  action: string;
  repository?: string;
  tag?: string;
  groups?: string[];
}

export interface Decision {
  allowed: boolean;
  why: string;
  rule: Rule | null;
}

export const policyPath = "/api/v1/policy";

export function addRule(rule: NewRule): Promise<Rule> {
  return send("POST", policyPath, rule);
}

export function removeRule(id: string): Promise<void> {
  return send("DELETE", `${policyPath}/${encodeURIComponent(id)}`);
}

export function decide(question: Question): Promise<Decision> {
  return send("POST", `${policyPath}/test`, question);
}

/* ---- the pull policy */

export interface Allowance {
  cve: string;
  package: string;
  repositories: string[];
  reason: string;
  author: string;
  expires: string;
}

/** As the configuration has it. */
export interface PullRule {
  repositories: string[];
  mode: string;
  severity: string;
  fixable: boolean;
  grace: string | number;
  unscanned: string;
  data_max_age: string | number;
  vex: boolean;
  allow: Allowance[];
}

export interface Simulated {
  repository: string;
  reference: string;
  digest: string;
  pulled_at: string;
  blocked: boolean; // false: warned of
  reason: string;
  message: string;
}

export interface Simulation {
  images: Simulated[];
  truncated: boolean;
  days: number;
  pulls: number;
  blocked: number;
  warned: number;
  gone: number;
  recorded_since: string | null;
}

export const pullPolicyPath = "/api/v1/pull-policy";

/** rules: others than those in force. */
export function simulate(days: number, rules?: unknown): Promise<Simulation> {
  return send(
    "POST",
    `${pullPolicyPath}/simulate`,
    rules === undefined ? { days } : { days, pull_policy: rules },
  );
}
