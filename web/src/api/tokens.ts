/* docs/api.md, "Tokens". */
import { send } from "./client";

export interface Token {
  id: string;
  owner: string; // user:alice, robot:ci
  scopes: string[] | null; // null: all that the owner may
  description: string;
  created: string;
  expires: string | null;
  used: string | null;
}

export interface NewToken {
  robot?: string; // whose it is; without both, one's own
  user?: string;
  scopes?: string[];
  lifetime: string; // 30d, never
  description: string;
}

/** owner: only theirs; "" is all that one may see. */
export function tokensPath(owner = ""): string {
  const query = new URLSearchParams({ n: "200" });
  if (owner) query.set("owner", owner);
  return `/api/v1/tokens?${query}`;
}

export function tokensOf(answer: unknown): Token[] {
  return (answer as { tokens: Token[] }).tokens;
}

/** The answer has the token itself, this once. */
export function createToken(wanted: NewToken): Promise<Token & { token: string }> {
  return send("POST", "/api/v1/tokens", wanted);
}

export function revokeToken(id: string): Promise<void> {
  return send("DELETE", `/api/v1/tokens/${encodeURIComponent(id)}`);
}
