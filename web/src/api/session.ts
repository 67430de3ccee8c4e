/* Who is signed in: docs/sessions.md. */
import { at } from "../app/base";
import { go, place } from "../app/router";
import type { Need } from "../app/routes";
import { store } from "../app/store";
import { get, onUnauthorized, Problem, send, setCsrfToken } from "./client";

export interface Session {
  subject: string;
  name: string;
  provider: string;
  admin: boolean;
  groups: string[];
  csrf_token?: string; // these three of a session; who shows a certificate, say, has none
  expires_at?: string;
  idle_timeout_s?: number;
}

export interface Methods {
  authentication: boolean;
  password: boolean;
  second_factor: boolean;
  oidc: { title: string; start: string } | null;
}

export type Identity =
  | { state: "unknown" } // not asked yet
  | { state: "off" } // without authentication: all is allowed but what takes a user
  | { state: "nobody" } // not signed in
  | { state: "ended"; name: string } // was, until just now
  | ({ state: "user" } & Session);

export const identity = store<Identity>({ state: "unknown" });

function take(session: Session) {
  setCsrfToken(session.csrf_token ?? "");
  // Only where nobody signs in it answers to who has no name.
  identity.set(session.subject === "anonymous" ? { state: "off" } : { state: "user", ...session });
}

export async function loadSession() {
  try {
    take(await get<Session>("/api/v1/session", { quiet: true }));
  } catch (e) {
    if (!(e instanceof Problem)) throw e;
    if (e.status !== 0) identity.set({ state: "nobody" });
  }
}

export async function signIn(username: string, password: string, totp: string) {
  const body = totp ? { username, password, totp } : { username, password };
  take(await send<Session>("POST", "/api/v1/session", body, { quiet: true }));
}

export async function signOut() {
  await send("DELETE", "/api/v1/session", undefined, { quiet: true });
  setCsrfToken("");
  identity.set({ state: "nobody" });
  go("/ui/sign-in");
}

/** The address of the sign-in page, with the way back to here. */
export function signInPath(): string {
  const { path, query } = place.get();
  return path === "/" && !query ? "/ui/sign-in" : `/ui/sign-in?return=${encodeURIComponent(path + query)}`;
}

/** Only to a page of this registry: "//elsewhere" is none. */
export function returnPath(wanted: string): string {
  return wanted === "/" || wanted.startsWith("/?") || wanted.startsWith("/ui/") ? wanted : "/";
}

export function oidcHref(methods: Methods, wanted: string): string {
  return `${methods.oidc?.start}?return_to=${encodeURIComponent(at(returnPath(wanted)))}`;
}

export function may(who: Identity, need: Need): boolean {
  if (need === "anyone") return true;
  return who.state === "user" && (need === "user" || who.admin);
}

/** A session that ended keeps the page: what was typed in it may be copied still. */
export function startSession() {
  onUnauthorized(() => {
    const who = identity.get();
    if (who.state === "user") {
      setCsrfToken("");
      identity.set({ state: "ended", name: who.name });
    } else if (who.state !== "ended" && place.get().path !== "/ui/sign-in") {
      go(signInPath(), { replace: true });
    }
  });
}
